//! A WebSocket by hand (RFC 6455), for what a client library would never send, and for peers that fall silent.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::DEADLINE;
use super::http::{Answer, head};
use super::link::tcp;

/// Opcodes, by RFC 6455, section 5.2.
pub struct Sent;

impl Sent {
    /// Goes on where the frame before ended.
    pub const MORE: u8 = 0;
    /// Text.
    pub const TEXT: u8 = 1;
    /// Bytes.
    pub const BINARY: u8 = 2;
    /// Goodbye.
    pub const CLOSE: u8 = 8;
    /// Are you there?
    pub const PING: u8 = 9;
    /// Yes.
    pub const PONG: u8 = 10;
}

/// How the server took the upgrade.
pub enum Upgrade {
    /// It is a WebSocket now.
    Done(Raw),
    /// It answered otherwise.
    Refused(Answer),
}

/// A WebSocket that does nothing by itself: it answers no ping.
pub struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How the server answered the upgrade.
    pub answer: Answer,
}

impl Raw {
    /// Asks for an upgrade, with headers of one's own.
    pub async fn upgrade(to: SocketAddr, headers: &[(&str, &str)]) -> Upgrade {
        let mut request = format!(
            "GET /v1/ws HTTP/1.1\r\nHost: {to}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        let mut stream = tcp(to, false).await.unwrap_or_else(|why| panic!("{why}"));
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        let mut buffer = Vec::new();
        let (answer, length) = loop {
            if let Some(whole) = head(&buffer) {
                break whole;
            }
            let read = timeout(DEADLINE, stream.read_buf(&mut buffer)).await.expect("an answer in time");
            assert!(read.is_ok_and(|bytes| bytes > 0), "the server ended the connection instead of answering");
        };
        buffer.drain(..length);
        let status = answer.status;
        if status == 101 { Upgrade::Done(Self { stream, buffer, answer }) } else { Upgrade::Refused(answer) }
    }

    /// A WebSocket on which nothing has been said yet.
    pub async fn open(to: SocketAddr) -> Self {
        match Self::upgrade(to, &[]).await {
            Upgrade::Done(raw) => raw,
            Upgrade::Refused(answer) => panic!("no upgrade: {answer:?}"),
        }
    }

    /// A WebSocket whose hello was answered with the `welcome` that is returned, too.
    pub async fn welcome(to: SocketAddr, hello: &str) -> (Self, Value) {
        let mut raw = Self::open(to).await;
        raw.send(Sent::TEXT, hello.as_bytes()).await;
        let welcome = raw.frame().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (raw, welcome)
    }

    /// Sends one whole frame.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.send_raw(0x80 | opcode, payload, true).await;
    }

    /// Sends a frame whose first byte and mask are given.
    pub async fn send_raw(&mut self, first: u8, payload: &[u8], masked: bool) {
        let mut bytes = vec![first];
        let mask_bit = if masked { 0x80 } else { 0 };
        match payload.len() {
            length @ 0..126 => bytes.push(mask_bit | length as u8),
            length @ 126..=0xffff => {
                bytes.push(mask_bit | 0x7e);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(mask_bit | 0x7f);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        let mask = if masked { [0x11, 0x22, 0x33, 0x44] } else { [0; 4] };
        if masked {
            bytes.extend(mask);
        }
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        // A server that has closed already may refuse the rest; what it said before shows when it is read.
        let _ = self.stream.write_all(&bytes).await;
    }

    /// The next frame: its opcode and payload; none at the end of the connection.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.buffer)).await;
            match read.unwrap_or_else(|_| panic!("nothing came within {DEADLINE:?}")) {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next text frame as JSON; pings and pongs are passed over.
    pub async fn frame(&mut self) -> Value {
        loop {
            match self.next().await {
                Some((Sent::TEXT, payload)) => return serde_json::from_slice(&payload).expect("a frame is JSON"),
                Some((Sent::PING | Sent::PONG, _)) => {}
                other => panic!("expected a text frame, got {other:?}"),
            }
        }
    }

    /// Reads to the close, and returns its code and the `error` frame that came last, if one came.
    pub async fn close_code(&mut self) -> (u16, Option<Value>) {
        let mut error = None;
        loop {
            match self.next().await {
                Some((Sent::CLOSE, payload)) => {
                    let code = payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                    return (code, error);
                }
                Some((Sent::TEXT, payload)) => {
                    let frame: Value = serde_json::from_slice(&payload).expect("a frame is JSON");
                    if frame["type"] == "error" {
                        error = Some(frame);
                    }
                }
                Some(_) => {}
                None => panic!("the connection ended without a close frame; the last error: {error:?}"),
            }
        }
    }

    /// Takes a whole frame out of what has come.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.buffer.first()?, *self.buffer.get(1)?);
        assert_eq!(first & 0xf0, 0x80, "the server sends whole frames without reserved bits");
        assert_eq!(second & 0x80, 0, "a server does not mask (RFC 6455, section 5.1)");
        let (length, start) = match second {
            126 => (usize::from(u16::from_be_bytes(self.buffer.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(self.buffer.get(2..10)?.try_into().ok()?) as usize, 10),
            short => (usize::from(short), 2),
        };
        let payload = self.buffer.get(start..start + length)?.to_vec();
        self.buffer.drain(..start + length);
        Some((first & 0x0f, payload))
    }
}
