//! Plain HTTP, as the integration tests have it: the same file.

/// What that file takes from its neighbours there.
pub mod client {
    /// How long an answer may take.
    pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);
}

/// As [`client`].
pub mod link {
    use std::net::SocketAddr;

    use tokio::net::{TcpSocket, TcpStream};

    /// A socket to the server.
    pub async fn tcp(to: SocketAddr, narrow: bool) -> Result<TcpStream, String> {
        let open = async {
            let socket = TcpSocket::new_v4()?;
            if narrow {
                socket.set_recv_buffer_size(4_096)?;
            }
            let stream = socket.connect(to).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        open.await.map_err(|why: std::io::Error| format!("cannot connect to {to}: {why}"))
    }
}

/// As [`client`].
pub mod described {
    use super::http::Answer;

    /// Nothing is held against the document: the server may be another version.
    #[expect(clippy::unnecessary_wraps, reason = "the tests' own says what is wrong")]
    pub fn answer(_: &str, _: &str, _: &Answer) -> Result<(), String> {
        Ok(())
    }
}

#[path = "../../tests/support/http.rs"]
#[allow(dead_code, reason = "shared with the integration tests, which use more of it")]
pub mod http;
