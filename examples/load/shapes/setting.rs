//! What every shape begins with: a server, the connections to it, and the words for this run.

use crate::args::Common;
use crate::frames::{Names, Writer};
use crate::net::Net;
use crate::server::{Server, Settings};

/// A server and the means to talk to it.
pub struct Setting {
    /// The server.
    pub server: Server,
    /// The connections.
    pub net: Net,
    /// The names of this run's channels.
    pub names: Names,
    /// What writes its commands.
    pub writer: Writer,
}

impl Setting {
    /// With so many channels, and these settings besides those that every shape needs.
    pub fn new(common: &Common, channels: u32, more: &[(&'static str, u64)]) -> Result<Self, String> {
        let mut settings = Settings::from([
            ("limits.connections_per_address", "0".to_owned()),
            ("rates.enabled", "false".to_owned()),
            ("server.drain_notice_ms", "0".to_owned()),
            ("log.filter", r#""warn""#.to_owned()),
        ]);
        settings.extend(more.iter().map(|(key, value)| (*key, value.to_string())));
        let server = Server::start(&common.target, &settings)?;
        let net = Net::new(server.address).map_err(|why| format!("no epoll: {why}"))?;
        let names = Names::new();
        let writer = Writer::new(&names, channels, common.text, common.keys);
        Ok(Self { server, net, names, writer })
    }
}
