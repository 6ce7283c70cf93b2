//! How a client is set up. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::model::Cursor;

/// What a connection runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `GET /v1/ws`
    WebSocket,
    /// `POST /v1/sessions`, and polls
    LongPoll,
}

impl Transport {
    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::WebSocket => Self::LongPoll,
            Self::LongPoll => Self::WebSocket,
        }
    }
}

/// Which transports may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// WebSocket; long-poll where that does not come through, and back to WebSocket as soon as it does.
    #[default]
    Auto,
    /// Only this one.
    Only(Transport),
}

/// Where a channel is heard from when it is first joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// After the cursor that was given in [`Options::cursors`]; without one where the server begins on a first visit.
    #[default]
    Stood,
    /// With this many of the newest.
    Tail(u64),
    /// After this cursor.
    Since(Cursor),
}

/// A text that is not shown, so that it cannot slip into a log.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// How a client is set up: where to, who as, and its bounds.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) url: String,
    pub(super) token: Option<Hidden>,
    pub(super) guest: Option<String>,
    pub(super) client: String,
    pub(super) choice: Choice,
    pub(super) cursors: BTreeMap<String, Cursor>,
    pub(super) events: usize,
    pub(super) poll_wait: Duration,
    pub(super) rules: Rules,
}

/// The numbers that the pure core goes by.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// For a connection to open, and for the answer to hello.
    pub greeting: Duration,
    /// For the answer to a command.
    pub answer: Duration,
    pub backoff_base: Duration,
    pub backoff_cap: Duration,
    /// After so long online the back-off begins anew.
    pub steady: Duration,
    pub probe_first: Duration,
    pub probe_cap: Duration,
    pub outbox: usize,
    pub outbox_bytes: usize,
    /// How many messages of a channel are held while what is before them is read.
    pub held: usize,
    /// How many commands may wait for their answers.
    pub asks: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(10),
            answer: Duration::from_secs(15),
            backoff_base: Duration::from_millis(250),
            backoff_cap: Duration::from_secs(30),
            steady: Duration::from_secs(10),
            probe_first: Duration::from_secs(60),
            probe_cap: Duration::from_secs(15 * 60),
            outbox: 10_000,
            outbox_bytes: 16 << 20,
            held: 2000,
            asks: 1000,
        }
    }
}

impl Options {
    /// A client of the server at this base: `http://host:port` or `https://…`, with a path if it stands under one.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            guest: None,
            client: concat!("parlor-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            choice: Choice::Auto,
            cursors: BTreeMap::new(),
            events: 256,
            poll_wait: Duration::from_secs(25),
            rules: Rules::default(),
        }
    }

    /// Comes as the user whose token this is.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Hidden(token.into()));
        self
    }

    /// Comes as a guest with this wished name, unless there is a token.
    #[must_use]
    pub fn guest(mut self, name: impl Into<String>) -> Self {
        self.guest = Some(name.into());
        self
    }

    /// What the client calls itself, for operators.
    #[must_use]
    pub fn client(mut self, name: impl Into<String>) -> Self {
        self.client = name.into();
        self
    }

    /// Which transports may be used; both if not said.
    #[must_use]
    pub fn transport(mut self, choice: Choice) -> Self {
        self.choice = choice;
        self
    }

    /// Where the channels were left by an earlier client, as [`Client::cursors`](super::Client::cursors) said.
    #[must_use]
    pub fn cursors(mut self, cursors: BTreeMap<String, Cursor>) -> Self {
        self.cursors = cursors;
        self
    }

    /// How many events wait for the application before the client stops reading; 256 if not said.
    #[must_use]
    pub fn events(mut self, count: usize) -> Self {
        self.events = count.max(1);
        self
    }

    /// How many publishes, and how many bytes of bodies, wait for their receipts before more are refused with
    /// [`Full`](super::Error::Full); 10,000 and 16 MiB if not said.
    #[must_use]
    pub fn outbox(mut self, count: usize, bytes: usize) -> Self {
        self.rules.outbox = count;
        self.rules.outbox_bytes = bytes;
        self
    }

    /// Between which waits a lost connection is tried again: a random part of `base`, doubling up to `cap`; 250 ms and
    /// 30 s if not said.
    #[must_use]
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.rules.backoff_base = base;
        self.rules.backoff_cap = cap.max(base);
        self
    }

    /// When, on long-poll, WebSocket is tried again for the first time, and how far the doubling waits between further
    /// tries go; one minute and 15 minutes if not said.
    #[must_use]
    pub fn probe(mut self, first: Duration, cap: Duration) -> Self {
        self.rules.probe_first = first;
        self.rules.probe_cap = cap.max(first);
        self
    }

    /// How long a connection may take to open, and then a hello to be answered; 10 s if not said.
    #[must_use]
    pub fn greeting_timeout(mut self, timeout: Duration) -> Self {
        self.rules.greeting = timeout;
        self
    }

    /// How long a command may take to be answered; 15 s if not said. The server answers within 10.
    #[must_use]
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.rules.answer = timeout;
        self
    }

    /// How long a poll is parked if there is nothing to hear; 25 s if not said.
    #[must_use]
    pub fn poll_wait(mut self, wait: Duration) -> Self {
        self.poll_wait = wait;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", Options::new("http://e.org").token("g1.secret")).contains("secret"));
    }
}
