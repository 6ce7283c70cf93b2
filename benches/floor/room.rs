//! A channel of the bare server: a number, who hears it, what this round brought, and the newest frames for those who
//! come back.

use std::collections::VecDeque;

use super::wire::{self, TEXT};

/// How many bytes of frames are kept for those who come back.
const KEPT: usize = 1 << 20;

/// A channel.
#[derive(Debug)]
pub struct Room {
    name: Vec<u8>,
    /// The newest message's number.
    pub head: u64,
    /// The sockets that hear it.
    pub hearers: Vec<usize>,
    /// The frames of this round, ready to be written.
    pub round: Vec<u8>,
    kept: Vec<u8>,
    /// Where each kept frame begins, counted from the first byte ever.
    starts: VecDeque<usize>,
    dropped: usize,
    scratch: Vec<u8>,
}

impl Room {
    /// A channel that nobody has said anything in.
    pub fn new(name: &[u8]) -> Self {
        let name = name.to_owned();
        let (hearers, round, kept, scratch) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { name, head: 0, hearers, round, kept, starts: VecDeque::new(), dropped: 0, scratch }
    }

    /// Takes a message, gives it a number, and adds its frame to the round.
    pub fn publish(&mut self, at: &str, body: &[u8]) -> u64 {
        self.head += 1;
        let (mut digits, frame) = (itoa(), &mut self.scratch);
        frame.clear();
        let name = &self.name;
        for part in [
            &br#"{"type":"message","channel":""#[..],
            name,
            br#"","seq":"#,
            digits.write(self.head),
            br#","at":""#,
            at.as_bytes(),
            br#"","from":"~floor-00000","body":"#,
            body,
            b"}",
        ] {
            frame.extend_from_slice(part);
        }
        let begin = self.round.len();
        wire::put(&mut self.round, TEXT, &self.scratch);
        self.keep(begin);
        self.head
    }

    fn keep(&mut self, begin: usize) {
        if self.kept.len() > KEPT {
            let half = self.starts.len() / 2;
            let first = self.starts.get(half).copied().unwrap_or(self.dropped);
            self.starts.drain(..half);
            self.kept.drain(..first - self.dropped);
            self.dropped = first;
        }
        self.starts.push_back(self.dropped + self.kept.len());
        self.kept.extend_from_slice(&self.round[begin..]);
    }

    /// The frames after a number, how many they are, and whether some that were there are no longer kept.
    pub fn after(&self, seq: u64) -> (&[u8], u64, bool) {
        let wanted = self.head.saturating_sub(seq);
        let have = wanted.min(self.starts.len() as u64);
        let from = self.starts.len() - have as usize;
        let begin = self.starts.get(from).map_or(self.kept.len(), |start| start - self.dropped);
        (&self.kept[begin..], have, have < wanted)
    }
}

/// Room for a number's digits.
pub struct Digits([u8; 20]);

/// Room for a number's digits.
pub fn itoa() -> Digits {
    Digits([0; 20])
}

impl Digits {
    /// The number's digits.
    pub fn write(&mut self, mut number: u64) -> &[u8] {
        let mut at = self.0.len();
        loop {
            at -= 1;
            self.0[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return &self.0[at..];
            }
        }
    }
}
