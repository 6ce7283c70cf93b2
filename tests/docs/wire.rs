//! The wire, as blocking calls: one HTTP request, and a WebSocket that waits no longer than it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket, client};

use crate::shell::Curl;

/// How long a request may take: longer than any poll is parked.
const REQUEST_WITHIN: Duration = Duration::from_secs(40);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status line.
    pub status: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// Does what a curl command asks for.
pub fn request(to: SocketAddr, asked: &Curl) -> Result<Answer, String> {
    let url = asked.url.strip_prefix(&format!("http://{to}")).ok_or(format!("{} is not the server", asked.url))?;
    let path = if url.is_empty() { "/" } else { url };
    let mut text = format!("{} {path} HTTP/1.1\r\nHost: {to}\r\nAccept: */*\r\nConnection: close\r\n", asked.method);
    for (name, value) in &asked.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !asked.body.is_empty() {
        text.extend(["Content-Length: ", &asked.body.len().to_string(), "\r\n"]);
    }
    text.extend(["\r\n", &asked.body]);
    let exchange = || {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(REQUEST_WITHIN))?;
        stream.write_all(text.as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes: Vec<u8> = exchange().map_err(|why: std::io::Error| format!("{path}: {why}"))?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = answer.parse(&bytes) else {
        return Err(format!("{path}: no answer"));
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Answer {
        status: format!("HTTP/1.1 {} {}", answer.code.unwrap_or_default(), answer.reason.unwrap_or_default()),
        headers: answer.headers.iter().map(|it| (it.name.to_ascii_lowercase(), text(it.value))).collect(),
        body: text(&bytes[length..]),
    })
}

/// What arrives over a WebSocket.
#[derive(Debug)]
pub enum Heard {
    /// A frame.
    Frame(Value),
    /// The server closed with this code.
    Closed(u16),
    /// Nothing, within the time.
    Nothing,
}

/// A connection to `/v1/ws`.
pub struct Socket(WebSocket<TcpStream>);

impl Socket {
    /// Connects.
    pub fn open(to: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(to).map_err(|why| why.to_string())?;
        let opened = client(format!("ws://{to}/v1/ws"), stream);
        opened.map(|(socket, _)| Self(socket)).map_err(|why| format!("no upgrade: {why}"))
    }

    /// Sends a frame.
    pub fn send(&mut self, text: String) -> Result<(), String> {
        self.0.send(Message::text(text)).map_err(|why| why.to_string())
    }

    /// Waits for what comes next.
    pub fn hear(&mut self, within: Duration) -> Result<Heard, String> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Heard::Nothing);
            }
            self.0.get_ref().set_read_timeout(Some(left)).map_err(|why| why.to_string())?;
            match self.0.read() {
                Ok(Message::Text(text)) => {
                    return serde_json::from_str(&text).map(Heard::Frame).map_err(|why| format!("{text}: {why}"));
                }
                Ok(Message::Close(frame)) => return Ok(Heard::Closed(frame.map_or(1005, |it| it.code.into()))),
                Ok(_) => {}
                Err(tungstenite::Error::Io(why))
                    if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(why) => return Err(why.to_string()),
            }
        }
    }
}
