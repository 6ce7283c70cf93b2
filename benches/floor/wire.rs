//! WebSocket frames as bytes (RFC 6455, section 5), and reading a socket with one buffer for all of them. Both ends use
//! it: the bare server, and the load generator.

use std::io::{self, Read};

use mio::net::TcpStream;

/// A text frame's opcode.
pub const TEXT: u8 = 1;
/// That of a close.
pub const CLOSE: u8 = 8;
/// That of a ping.
pub const PING: u8 = 9;
/// That of a pong.
pub const PONG: u8 = 10;

/// What stands before a frame's payload.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// What kind of frame it is.
    pub opcode: u8,
    /// Whether it is the last of its message.
    pub last: bool,
    /// What the payload is masked with.
    pub mask: Option<[u8; 4]>,
    /// How many bytes the head has.
    pub bytes: usize,
    /// How many bytes the payload has.
    pub payload: usize,
}

impl Head {
    /// Reads one, if it is all there.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (payload, mut at) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 10),
            short => (usize::from(short), 2),
        };
        let mask = if second & 0x80 == 0 {
            None
        } else {
            at += 4;
            Some(*bytes.get(at - 4..)?.first_chunk()?)
        };
        Some(Self { opcode: first & 0x0f, last: first & 0x80 != 0, mask, bytes: at, payload })
    }

    /// How long the frame is.
    pub fn whole(&self) -> usize {
        self.bytes.saturating_add(self.payload)
    }
}

/// Takes a mask off.
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    if mask != [0; 4] {
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Writes a frame that is not masked.
pub fn put(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_head(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

/// Writes a client's frame. Its mask is all zeros, which leaves the payload as it is: a generator of load has no proxy to
/// hide anything from.
pub fn put_masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_head(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Writes what stands before a payload.
pub fn put_head(out: &mut Vec<u8>, opcode: u8, payload: usize, masked: u8) {
    out.push(0x80 | opcode);
    if payload < 126 {
        out.push(masked + payload as u8);
    } else if let Ok(short) = u16::try_from(payload) {
        out.push(masked + 126);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(masked + 127);
        out.extend_from_slice(&(payload as u64).to_be_bytes());
    }
}

/// Whether a socket has more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Perhaps: the buffer was filled.
    More,
    /// Not now.
    Nothing,
    /// Never again.
    End,
}

/// The buffer that every socket of a thread is read into.
const ROOM: usize = 256 << 10;

/// Reads a socket: into `buffer`, behind what was left over from it the last time. Returns how much of the buffer is its
/// bytes. A read that does not fill the buffer has emptied the socket, so that no second one has to ask.
pub fn read(stream: &mut TcpStream, left: &mut Vec<u8>, buffer: &mut Vec<u8>) -> (usize, Then) {
    let begin = left.len();
    if buffer.len() < ROOM + begin {
        buffer.resize(ROOM + begin, 0);
    }
    buffer[..begin].copy_from_slice(left);
    left.clear();
    loop {
        return match stream.read(&mut buffer[begin..]) {
            Ok(0) => (begin, Then::End),
            Ok(count) if begin + count == buffer.len() => (begin + count, Then::More),
            Ok(count) => (begin + count, Then::Nothing),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => (begin, Then::Nothing),
            Err(_) => (begin, Then::End),
        };
    }
}
