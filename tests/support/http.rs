//! Plain HTTP requests over connections that stay open, as few words as will do.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::client::DEADLINE;
use super::described;
use super::link::tcp;

/// For how long a connection that rests is used again: well below what the server keeps one for.
const FRESH: Duration = Duration::from_secs(1);

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Request {
    /// `GET`
    pub fn get(path: impl Into<String>) -> Self {
        Self::of("GET", path)
    }

    /// `DELETE`
    pub fn delete(path: impl Into<String>) -> Self {
        Self::of("DELETE", path)
    }

    /// `POST`, with a body that is said to be JSON.
    pub fn post(path: impl Into<String>, body: impl Into<String>) -> Self {
        Self::of("POST", path).saying(body)
    }

    /// `PUT`, likewise.
    pub fn put(path: impl Into<String>, body: impl Into<String>) -> Self {
        Self::of("PUT", path).saying(body)
    }

    /// The same, with a body that is said to be JSON.
    #[must_use]
    pub fn saying(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self }.with("Content-Type", "application/json")
    }

    /// Any method.
    pub fn of(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: None }
    }

    /// The same, with this header in place of one of its name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn text(&self, to: SocketAddr) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {to}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        if let Some(body) = &self.body {
            text.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        text.extend(["\r\n", self.body.as_deref().unwrap_or_default()]);
        text
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A connection that carries one request after the other. Dropping it cuts the connection.
pub struct Http {
    to: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    used: Instant,
    /// The server said that it takes no more requests.
    over: bool,
}

impl Http {
    /// Connects. With `narrow` the receive buffer is as small as the system lets it be.
    pub async fn open(to: SocketAddr, narrow: bool) -> Result<Self, String> {
        let stream = tcp(to, narrow).await?;
        Ok(Self { to, stream, buffer: Vec::new(), used: Instant::now(), over: false })
    }

    /// Connects, which has to work.
    pub async fn connect(to: SocketAddr) -> Self {
        Self::open(to, false).await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Whether it was used so lately that the server has not put an end to it.
    pub fn is_fresh(&self) -> bool {
        self.used.elapsed() < FRESH
    }

    /// Sends a request, over a new connection if the last answer was the last of the one before.
    pub async fn send(&mut self, request: &Request) -> Result<(), String> {
        if self.over {
            *self = Self::open(self.to, false).await?;
        }
        self.stream.write_all(request.text(self.to).as_bytes()).await.map_err(|why| format!("not sent: {why}"))
    }

    /// Reads an answer to its end.
    pub async fn receive(&mut self) -> Result<Answer, String> {
        loop {
            if let Some((mut answer, start)) = head(&self.buffer) {
                let length = answer.header("content-length").and_then(|length| length.parse().ok());
                let end = start + length.unwrap_or(0);
                if self.buffer.len() >= end {
                    answer.body = String::from_utf8_lossy(&self.buffer[start..end]).into_owned();
                    self.buffer.drain(..end);
                    self.used = Instant::now();
                    self.over = answer.header("connection") == Some("close");
                    return Ok(answer);
                }
            }
            if self.more().await? == 0 {
                return Err("the connection ended within an answer".to_owned());
            }
        }
    }

    /// Asks, and takes as long as it takes.
    pub async fn exchange(&mut self, request: &Request) -> Result<Answer, String> {
        self.send(request).await?;
        let answer = self.receive().await?;
        described::answer(request.method, &request.path, &answer).map(|()| answer)
    }

    /// Asks what has to be answered in time.
    pub async fn ask(&mut self, request: Request) -> Answer {
        let answer = timeout(DEADLINE, self.exchange(&request)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{request:?}: no answer within {DEADLINE:?}"));
        answer.unwrap_or_else(|why| panic!("{request:?}: {why}"))
    }

    /// Reads the answer to a request that was sent, which has to come in time.
    pub async fn answer(&mut self) -> Answer {
        let answer = timeout(DEADLINE, self.receive()).await;
        answer.unwrap_or_else(|_| panic!("no answer within {DEADLINE:?}")).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Reads so many bytes of what comes, and ends the connection. Returns what was read, which is less if the
    /// connection ended before.
    pub async fn first(mut self, bytes: usize) -> Vec<u8> {
        while self.buffer.len() < bytes {
            let read = timeout(DEADLINE, self.more()).await;
            let read = read.unwrap_or_else(|_| panic!("nothing came within {DEADLINE:?}"));
            if read.unwrap_or_default() == 0 {
                break;
            }
        }
        self.buffer.truncate(bytes);
        self.buffer
    }

    async fn more(&mut self) -> Result<usize, String> {
        self.stream.read_buf(&mut self.buffer).await.map_err(|why| why.to_string())
    }
}

/// Asks over a connection of its own what has to be answered in time.
pub async fn ask(to: SocketAddr, request: Request) -> Answer {
    Http::connect(to).await.ask(request.with("Connection", "close")).await
}

/// Gets a page.
pub async fn get(to: SocketAddr, path: &str) -> Answer {
    ask(to, Request::get(path)).await
}

/// Gets a page with headers of one's own; says why if there was no answer.
pub async fn get_with(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
    let close = Request::get(path).with("Connection", "close");
    let request = headers.iter().fold(close, |request, (name, value)| request.with(name, value));
    let exchange = async { Http::open(to, false).await?.exchange(&request).await };
    timeout(DEADLINE, exchange).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

/// Reads an answer's head; none if it has not come whole. Says how many bytes it takes.
pub fn head(bytes: &[u8]) -> Option<(Answer, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = answer.parse(bytes) else { return None };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = answer.headers.iter().map(|header| (header.name.to_ascii_lowercase(), text(header.value)));
    Some((Answer { status: answer.code?, headers: headers.collect(), body: String::new() }, length))
}
