//! The little HTTP that the generator speaks: the upgrade, and answers with a length.

use std::net::SocketAddr;

use memchr::memmem;

/// An answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The bytes of the head.
    pub head: usize,
    /// The bytes of the body.
    pub body: usize,
}

/// Reads an answer's head, if it is all there.
pub fn answer(bytes: &[u8]) -> Option<Answer> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let status = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().unwrap_or(0);
    let length = |line: &[u8]| {
        let (name, value) = line.split_at_checked(15)?;
        if !name.eq_ignore_ascii_case(b"content-length:") {
            return None;
        }
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    };
    let body = bytes[..head].split(|byte| *byte == b'\n').find_map(length).unwrap_or(0);
    Some(Answer { status, head, body })
}

/// Writes the request for a WebSocket.
pub fn put_upgrade(out: &mut Vec<u8>, server: &SocketAddr) {
    let request = format!(
        "GET /v1/ws HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cGFybG9yIGxvYWQgdGVzdA==\r\n\r\n"
    );
    out.extend_from_slice(request.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_its_head_is_whole() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx: y\r\n\r\n";
        assert_eq!(answer(text), Some(Answer { status: 200, head: text.len(), body: 12 }));
        assert_eq!(answer(&text[..text.len() - 1]), None);
    }
}
