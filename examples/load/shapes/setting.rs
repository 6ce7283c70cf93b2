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
        let server = Server::start(&common.target, &Self::settings(more))?;
        Self::on(server, Names::new(), common, channels)
    }

    /// The settings that every shape needs, and these.
    pub fn settings(more: &[(&'static str, u64)]) -> Settings {
        let mut settings = Settings::from([
            ("limits.connections_per_address", "0".to_owned()),
            ("limits.before_hello", "100000".to_owned()),
            ("limits.before_hello_per_address", "0".to_owned()),
            ("rates.enabled", "false".to_owned()),
            ("server.drain_notice_ms", "0".to_owned()),
            ("log.filter", r#""warn""#.to_owned()),
        ]);
        settings.extend(more.iter().map(|(key, value)| (*key, value.to_string())));
        settings
    }

    /// With a server that is there, and names that are given.
    pub fn on(server: Server, names: Names, common: &Common, channels: u32) -> Result<Self, String> {
        let net = Net::new(server.address).map_err(|why| format!("no epoll: {why}"))?;
        let writer = Writer::new(&names, channels, common.text, common.keys);
        Ok(Self { server, net, names, writer })
    }
}
