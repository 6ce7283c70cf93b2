//! One connection: what was left over from it, and what waits for it.

use std::io::{self, Write};

use mio::net::TcpStream;

/// How far a connection has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The upgrade was asked for.
    Shaking,
    /// A WebSocket.
    Open,
    /// Plain HTTP, kept alive.
    Plain,
    /// Over.
    Gone,
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    /// Its stream, until it is cut.
    pub stream: Option<TcpStream>,
    /// How far it has got.
    pub stage: Stage,
    /// Which connection in this place it is.
    pub life: u32,
    /// The beginning of a frame whose rest has not come.
    pub left: Vec<u8>,
    /// What waits to be written.
    pub out: Vec<u8>,
    /// Whether the socket takes anything.
    pub writable: bool,
    /// Whether it stands on the list of those to be written to.
    pub listed: bool,
}

impl Link {
    /// One that was just begun.
    pub fn new(stream: TcpStream, stage: Stage, life: u32) -> Self {
        let (left, out) = (Vec::new(), Vec::new());
        Self { stream: Some(stream), stage, life, left, out, writable: false, listed: false }
    }

    /// Writes what waits, as far as the socket takes it.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if !self.writable {
            return Ok(());
        }
        let mut done = 0;
        let result = loop {
            if done == self.out.len() {
                break Ok(());
            }
            match stream.write(&self.out[done..]) {
                Ok(count) => done += count,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = false;
                    break Ok(());
                }
                Err(why) => break Err(why),
            }
        };
        if done == self.out.len() {
            self.out.clear();
        } else {
            self.out.drain(..done);
        }
        result
    }

    /// Ends it without a word.
    pub fn cut(&mut self) {
        self.stream = None;
        self.stage = Stage::Gone;
        self.left = Vec::new();
        self.out = Vec::new();
    }
}
