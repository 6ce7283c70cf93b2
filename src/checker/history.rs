//! What clients did and were told, written down as it happened to them: the only thing that the checker believes.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A session's number in a history: each connection over which a hello was tried has its own, whoever made it.
pub type SessionNo = u32;

/// One thing that happened, and when, in milliseconds of the recorder's monotonic clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A client begins a session; what it says and hears follows.
    Opened {
        /// The session.
        session: SessionNo,
        /// `websocket` or `longpoll`.
        over: String,
    },
    /// A command left the client; it may or may not reach the server.
    Sent {
        /// The session.
        session: SessionNo,
        /// The command.
        frame: Value,
    },
    /// A frame of the session reached the client, once, in the order of its stream. Of a long-poll session the reply to a
    /// `join` is not written down when it comes as an answer to the request, only when it comes among the events.
    Got {
        /// The session.
        session: SessionNo,
        /// The frame.
        frame: Value,
    },
    /// The client knows from here on that the session is over, or wants nothing of it any more.
    Over {
        /// The session.
        session: SessionNo,
        /// The close code, if the server gave one (over long-poll: the one in the 404).
        code: Option<u16>,
        /// Who ended it.
        by: By,
    },
    /// From here on the network, or the client, does not carry the session's frames as it should: it is delayed,
    /// half-open, throttled or not read from. Of such a session nothing is expected in time.
    Hampered {
        /// The session.
        session: SessionNo,
    },
    /// The session's frames are carried again.
    Eased {
        /// The session.
        session: SessionNo,
    },
    /// The server answers.
    ServerUp,
    /// The server was killed, or told to stop, or panicked; nothing is expected until it is up.
    ServerDown,
    /// The server, or its disk, is held up, or one of its actors was broken: nothing is expected in time.
    ServerSlow,
    /// It goes on.
    ServerWell,
    /// Who keeps presence was broken, and nothing else: until it knows everyone again it may call users unknown, and no
    /// one offline.
    RegistryBroken,
    /// Everything has come to rest: every session that is not over and not hampered was given the time to hear all.
    Rest,
    /// What a channel's log holds after everything, read by one who took no part.
    Log {
        /// The channel.
        channel: String,
        /// The life of its log.
        epoch: String,
        /// The oldest kept.
        first: u64,
        /// The newest.
        head: u64,
        /// `message` frames as in `history`, ascending.
        messages: Vec<Value>,
    },
    /// For people: a fault that was made, a step of the schedule.
    Note {
        /// Words.
        text: String,
    },
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The server closed it, with a code or a 404.
    Server,
    /// The client left: a logout, a close, a FIN or a RST that reaches the server.
    Client,
    /// The connection broke, seen from the client; the server may or may not have noticed.
    Network,
    /// The client vanished: the server is told nothing.
    Nobody,
}

/// Everything that happened, in the order of the recorder's clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// In order; times never go back.
    pub entries: Vec<Entry>,
}

impl History {
    /// Writes one thing down.
    pub fn add(&mut self, at: u64, what: What) {
        self.entries.push(Entry { at, what });
    }

    /// Writes it as lines of JSON, one for each entry.
    pub fn write(&self, mut to: impl Write) -> std::io::Result<()> {
        for entry in &self.entries {
            serde_json::to_writer(&mut to, entry)?;
            to.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Reads what [`write`](Self::write) wrote.
    pub fn read(from: impl BufRead) -> std::io::Result<Self> {
        let mut entries = Vec::new();
        for line in from.lines() {
            entries.push(serde_json::from_str(&line?)?);
        }
        Ok(Self { entries })
    }
}
