//! Where the server is, and how to get there: addresses, TLS, the HTTP client.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio_tungstenite::Connector;

use super::error::Error;
use super::options::Options;
use crate::trust;

/// How long a TCP connection, with TLS, may take.
const CONNECT: Duration = Duration::from_secs(8);

/// How long an idle HTTP connection is kept: less than servers do, so that a request does not meet one that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// The server.
pub(super) struct Place {
    /// `ws://…/v1/ws`
    pub socket: String,
    /// `http://…/v1/sessions`
    pub sessions: String,
    pub http: reqwest::Client,
    pub connector: Connector,
    pub poll_wait: Duration,
}

impl Place {
    /// Reads the server's base address.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let wrong = |why: String| Error::Invalid(format!("{}: {why}", options.url));
        let base = Url::parse(&options.url).map_err(|why| wrong(why.to_string()))?;
        let secure = match base.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(wrong(format!("expected http or https, got {other}"))),
        };
        let host = base.host_str().ok_or_else(|| wrong("expected a host".into()))?;
        let port = base.port().map_or_else(String::new, |port| format!(":{port}"));
        let path = base.path().trim_end_matches('/');
        let here = format!("{host}{port}{path}/v1");
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none());
        // A proxy of the environment has no business between programs on one machine.
        let local = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
        let http = if local { http.no_proxy() } else { http };
        let tls = trust::tls(secure).map_err(wrong)?;
        let connector = if secure { Connector::Rustls(Arc::new(tls.clone())) } else { Connector::Plain };
        let http = http.tls_backend_preconfigured(tls).build().map_err(|why| wrong(why.to_string()))?;
        Ok(Self {
            socket: format!("{}://{here}/ws", if secure { "wss" } else { "ws" }),
            sessions: format!("{}://{here}/sessions", base.scheme()),
            http,
            connector,
            poll_wait: options.poll_wait,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_addresses_are_made_from_the_base() {
        let place = |url: &str| Place::new(&Options::new(url)).map(|place| (place.socket, place.sessions));
        let two = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(place("http://h:8080"), two("ws://h:8080/v1/ws", "http://h:8080/v1/sessions"));
        assert_eq!(place("http://[::1]:1/"), two("ws://[::1]:1/v1/ws", "http://[::1]:1/v1/sessions"));
        assert_eq!(place("http://e.org/chat/"), two("ws://e.org/chat/v1/ws", "http://e.org/chat/v1/sessions"));
        for bad in ["", "e.org", "ftp://e.org", "ws://e.org", "http://"] {
            assert!(matches!(place(bad), Err(Error::Invalid(_))), "{bad}");
        }
    }
}
