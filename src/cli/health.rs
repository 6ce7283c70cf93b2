//! `healthcheck`: one `GET /readyz` over the socket that the server listens on.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::unverified;
use crate::clock;
use crate::config::Bind;

/// How long each step of the question may take, and the whole of it.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest head of an answer that is read.
const HEAD_BYTES: usize = 16 << 10;

/// Asks the server at `bind` whether it is ready, over TLS if it speaks that; if not, says why.
pub(super) fn check(bind: &Bind, tls: bool) -> Result<(), String> {
    let status = match bind {
        Bind::Tcp(address) => {
            let address = reachable(*address)?;
            let ask = || {
                let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                let host = address.to_string();
                if tls { ask(unverified::over(stream)?, &host) } else { ask(stream, &host) }
            };
            ask().map_err(|why| format!("{address}: {why}"))
        }
        Bind::Unix(path) => {
            let ask = || {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                ask(stream, "localhost")
            };
            ask().map_err(|why| format!("{}: {why}", path.display()))
        }
    }?;
    if status == 200 { Ok(()) } else { Err(format!("/readyz answered {status}, expected 200")) }
}

/// Where a server that listens at `address` can be reached from its own machine.
fn reachable(mut address: SocketAddr) -> Result<SocketAddr, String> {
    if address.port() == 0 {
        return Err(format!("the configured address {address} has no port: expected the one that the server took"));
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

/// Sends the question and returns the answer's status.
fn ask(mut stream: impl Read + Write, host: &str) -> io::Result<u16> {
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    stream.flush()?;
    let since = clock::stamp();
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let count = match stream.read(&mut piece) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            count => count?,
        };
        head.extend_from_slice(&piece[..count]);
        if let Some(status) = status(&head)? {
            return Ok(status);
        }
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before an answer"));
        }
        if head.len() > HEAD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer's head does not end"));
        }
        if since.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// The status of an answer, once its head is whole.
fn status(head: &[u8]) -> io::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    match answer.parse(head) {
        Ok(httparse::Status::Complete(_)) => Ok(answer.code),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(why) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("expected HTTP, got something else: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// Reads a request's head, then answers.
    fn answer(mut stream: impl Read + Write, answer: &str) {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"GET /readyz HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).unwrap();
    }

    fn over_tcp(text: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || answer(listener.accept().unwrap().0, text));
        let found = check(&Bind::Tcp(([0, 0, 0, 0], port).into()), false);
        server.join().unwrap();
        found
    }

    #[test]
    fn two_hundred_means_ready_and_an_unspecified_address_is_asked_on_the_loopback() {
        assert_eq!(over_tcp("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), Ok(()));
    }

    #[test]
    fn any_other_answer_means_not_ready() {
        assert_eq!(over_tcp("HTTP/1.1 503 No\r\n\r\n"), Err("/readyz answered 503, expected 200".into()));
        assert!(over_tcp("SSH-2.0-x\r\n").unwrap_err().contains("expected HTTP"));
        assert!(over_tcp("HTTP/1.1 20").unwrap_err().contains("ended before an answer"));
    }

    #[test]
    fn a_unix_socket_is_asked_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || answer(listener.accept().unwrap().0, "HTTP/1.1 200 OK\r\n\r\n"));
        assert_eq!(check(&Bind::Unix(path), false), Ok(()));
        server.join().unwrap();
        assert!(check(&Bind::Unix(folder.path().join("none.sock")), false).is_err());
    }

    #[test]
    fn an_address_without_a_port_cannot_be_asked() {
        assert!(check(&Bind::Tcp(([127, 0, 0, 1], 0).into()), false).unwrap_err().contains("has no port"));
    }
}
