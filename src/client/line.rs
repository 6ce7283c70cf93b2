//! A connection as the machine sees it, and what the machine wants done. Pure.

use std::time::Duration;

use super::Code;
use super::asks::ConnId;
use super::error::{Error, Fault};
use super::event::{Event, Joined, Receipt};
use super::options::Transport;
use super::outbox::Ticket;
use crate::model::Moment;

/// What should happen.
#[derive(Debug)]
pub(super) enum Effect {
    /// Open a connection.
    Open(ConnId, Transport),
    /// Send a frame.
    Say(ConnId, String),
    /// End a connection: with a goodbye, or just so.
    Hang(ConnId, Goodbye),
    /// Tell the application.
    Tell(Event),
    /// Answer a caller.
    Done(Ticket, Result<Answer, Error>),
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// As the transport has it, so that the server need not wait for a timeout.
    Said,
    /// The connection is dropped.
    Unsaid,
}

/// What a caller gets.
#[derive(Debug)]
pub(super) enum Answer {
    Joined(Joined),
    Receipt(Receipt),
    Value(serde_json::Value),
    Nothing,
}

/// How a connection ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Down {
    /// The close code, if the server gave one.
    pub code: Option<u16>,
    pub why: String,
    pub retry_after_ms: Option<u64>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub conn: ConnId,
    pub over: Transport,
    pub stage: Stage,
    pub heard: Moment,
    pub pinged: bool,
    /// What the server said was wrong, before it closed.
    pub parting: Option<Fault>,
    /// Within which time the server, which is stopping, wants to be asked again.
    pub drain: Option<u64>,
    pub heartbeat: Duration,
    pub timeout: Duration,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Opening(Moment),
    Greeting(Moment),
    Up,
}

impl Line {
    /// One that is being opened.
    pub fn opening(conn: ConnId, over: Transport, now: Moment, until: Moment) -> Self {
        Self {
            conn,
            over,
            stage: Stage::Opening(until),
            heard: now,
            pinged: false,
            parting: None,
            drain: None,
            heartbeat: Duration::from_secs(25),
            timeout: Duration::from_secs(60),
        }
    }

    /// When something is due if nothing is heard.
    pub fn deadline(&self) -> Moment {
        match self.stage {
            Stage::Opening(until) | Stage::Greeting(until) => until,
            Stage::Up if self.pinged => self.heard.after(self.timeout),
            Stage::Up => self.heard.after(self.heartbeat.min(self.timeout)),
        }
    }

    /// Whether it took too long.
    pub fn is_late(&self, now: Moment) -> bool {
        match self.stage {
            Stage::Opening(until) | Stage::Greeting(until) => until <= now,
            Stage::Up => self.heard.after(self.timeout) <= now,
        }
    }

    /// Whether the server should be asked if it is still there.
    pub fn is_quiet(&self, now: Moment) -> bool {
        self.stage == Stage::Up && !self.pinged && self.heard.after(self.heartbeat) <= now
    }
}

/// What a close code stands for, if no error came before it (protocol, section 4).
pub(super) fn by_close(code: u16) -> Option<Code> {
    match code {
        4500 => Some(Code::Unauthenticated),
        4501 | 4502 => Some(Code::Forbidden),
        4503 => Some(Code::BadFrame),
        4504 => Some(Code::VersionUnsupported),
        _ => None,
    }
}
