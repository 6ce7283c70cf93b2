//! One client of the bare server: what was left over from it, what waits for it, and which rooms it hears.

use std::io::{self, IoSlice, Write};

use mio::net::TcpStream;

use super::room::Room;

/// More pieces than this are copied together instead of being named one by one.
const PIECES: usize = 64;

/// A client.
#[derive(Debug)]
pub struct Socket {
    /// Its stream.
    pub stream: TcpStream,
    /// The beginning of a frame whose rest has not come.
    pub left: Vec<u8>,
    /// What waits for this client alone.
    pub out: Vec<u8>,
    /// Whether the handshake is done.
    pub open: bool,
    /// Whether it stands on the list of those to be written to.
    pub listed: bool,
    /// The rooms that it hears.
    pub rooms: Vec<usize>,
    /// The rooms that it joined in this round, and how much of their round it does not hear.
    pub joined: Vec<(usize, usize)>,
    /// What it hears of this round: rooms, and from where on.
    pub shares: Vec<(usize, usize)>,
}

impl Socket {
    /// One that has said nothing yet.
    pub fn new(stream: TcpStream) -> Self {
        let (left, out, rooms) = (Vec::new(), Vec::new(), Vec::new());
        Self { stream, left, out, open: false, listed: false, rooms, joined: Vec::new(), shares: Vec::new() }
    }

    /// Writes what waits and what the round brought, in one call if the socket takes it. Returns false if it is broken.
    pub fn flush(&mut self, rooms: &[Room]) -> bool {
        let written = {
            let shares = self.shares.iter().map(|&(room, from)| IoSlice::new(&rooms[room].round[from..]));
            if self.shares.is_empty() {
                retry(|| self.stream.write(&self.out))
            } else if self.shares.len() < PIECES {
                let mut pieces = [IoSlice::new(&[]); PIECES];
                pieces[0] = IoSlice::new(&self.out);
                for (piece, share) in pieces[1..].iter_mut().zip(shares) {
                    *piece = share;
                }
                let count = self.shares.len() + 1;
                retry(|| self.stream.write_vectored(&pieces[..count]))
            } else {
                for (room, from) in self.shares.drain(..) {
                    self.out.extend_from_slice(&rooms[room].round[from..]);
                }
                retry(|| self.stream.write(&self.out))
            }
        };
        let Ok(mut written) = written else { return false };
        let own = written.min(self.out.len());
        self.out.drain(..own);
        written -= own;
        for (room, from) in self.shares.drain(..) {
            let share = &rooms[room].round[from..];
            let part = written.min(share.len());
            written -= part;
            self.out.extend_from_slice(&share[part..]);
        }
        if self.out.is_empty() && self.out.capacity() > 4096 {
            self.out = Vec::new();
        }
        true
    }
}

/// Writes; what the socket does not take now is no error.
fn retry(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            other => return other,
        }
    }
}
