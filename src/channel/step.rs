//! What goes into a step of the channel's core, and what comes out. Plain data.

use std::sync::Arc;

use super::decision::Edit;
use super::dedup::Keys;
use super::messages::{Aside, Batch, Draft, Origin};
use super::orders::{Asker, Tell};
use super::window::Window;
use crate::config::{Config, Durability};
use crate::model::{HubId, Key, Message, Moment, Seq, UserName, Wall};
use crate::protocol::{ErrorCode, Frame, Posted, Problem, Start, Tending};
use crate::store::{AppendError, Head, Mark, MetaOp, Place, ReadError, Trimmed, WriteError};

/// What the configuration says of every channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub window: usize,
    pub dedup_window: usize,
    pub dedup_scan: u64,
    pub announce_max: usize,
    pub replay_max: u64,
    pub create_on_join: bool,
    /// Whether what was answered is on disk: else a membership can be lost.
    pub durable: bool,
    /// Whether webhooks are told of members.
    pub tells_members: bool,
}

impl Settings {
    /// What `config` says.
    pub fn of(config: &Config) -> Self {
        let (channels, limits) = (&config.channels, &config.limits);
        Self {
            window: channels.window,
            dedup_window: channels.dedup_window,
            dedup_scan: limits.dedup_scan,
            announce_max: channels.announce_max,
            replay_max: limits.replay_max,
            create_on_join: channels.create_on_join,
            durable: config.store.durability == Durability::Always,
            tells_members: config.webhooks.iter().any(|webhook| webhook.members),
        }
    }
}

/// The time of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub now: Moment,
    pub wall: Wall,
}

/// What the store knows of a channel.
#[derive(Debug)]
pub struct Loaded {
    pub(super) head: Head,
    pub(super) window: Window,
    pub(super) keys: Keys,
    pub(super) members: Vec<(UserName, Seq)>,
    pub(super) place: Place,
    pub(super) marks: Vec<(UserName, Mark)>,
}

impl Loaded {
    /// A log of which nothing was read yet: its messages are noted from the one that follows `head.seq` on.
    pub(super) fn empty(head: Head, settings: Settings) -> Self {
        let keys = Keys::new(settings.dedup_window, head.seq + 1);
        Self {
            window: Window::new(settings.window),
            keys,
            head,
            members: Vec::new(),
            place: Place::default(),
            marks: Vec::new(),
        }
    }

    /// Takes note of the log's next message.
    pub(super) fn note(&mut self, message: Arc<Posted>) {
        self.keys.note(message.seq, message.at, &message.from, message.key.as_ref());
        self.window.push(message);
    }
}

/// What became of looking for a channel.
#[derive(Debug)]
pub enum Found {
    /// It is there.
    There(Box<Loaded>),
    /// There is none.
    Nothing,
    /// It was deleted, and nothing is left of it.
    Deleted,
}

/// What comes back from outside.
#[derive(Debug)]
pub enum Input {
    /// The log was read.
    Loaded(Result<Found, ReadError>),
    /// The log was made.
    Made(Result<Head, NotMade>),
    /// Whether there is a user of this name.
    Known(u64, Result<bool, ReadError>),
    /// A bite of a trim came to an end.
    Trimmed(Result<Trimmed, AppendError>),
    /// The append in flight came to an end.
    Appended(Result<Head, AppendError>),
    /// A key was looked for; the message that carries it.
    Found(u64, Result<Option<(Seq, Wall)>, ReadError>),
    /// Records were written.
    Noted(u64, Result<(), WriteError>),
    /// Hubs that have not reported by now will not.
    AttachOver,
    /// Members may be told of activity again.
    ActivityDue,
    /// Hubs may be told how many hear the channel.
    CrowdDue,
    /// The log may be loaded again after a failure.
    Retry,
}

/// What should happen.
#[derive(Debug)]
pub(super) enum Effect {
    /// Read the log; with `true`, after everything that was appended to it before.
    Load(bool),
    /// Make the log.
    Make(Box<Making>),
    /// Remove what is left of a deleted channel.
    Clear,
    /// Find out whether there is such a user.
    Known(u64, UserName),
    Append(Head, Vec<Message>),
    /// Forget the messages below this one.
    Trim(Seq),
    Find {
        job: u64,
        user: UserName,
        key: Key,
        from: Seq,
        to: Seq,
    },
    Note(u64, Vec<MetaOp>),
    Send(HubId, Batch),
    Report,
    Aside(Arc<Aside>),
    /// Tell webhooks what became of a member.
    Member(Frame),
    /// Come back with this in so many milliseconds.
    Later(u64, Input),
}

/// How a channel is made.
#[derive(Debug, Default)]
pub(super) struct Making {
    /// Only if there is this account.
    pub account: Option<UserName>,
    /// What is written first.
    pub ops: Vec<MetaOp>,
}

/// Why a channel was not made.
#[derive(Debug)]
pub enum NotMade {
    /// The account that it would be shared with is not there.
    NoAccount,
    /// The store said no.
    Failed(String),
}

/// Work that goes on when a search or a write is done.
#[derive(Debug)]
pub(super) enum Job {
    Publish {
        origin: Origin,
        draft: Box<Draft>,
        to: Seq,
    },
    Join {
        origin: Origin,
        start: Start,
    },
    Leave {
        origin: Origin,
        /// The membership that it ends, if nothing else ends it as well.
        read: Option<Seq>,
    },
    Read {
        origin: Origin,
        seq: Seq,
        before: Seq,
    },
    /// A publish in a direct channel that one of the two had left.
    Readmit {
        origin: Origin,
        draft: Box<Draft>,
        users: Vec<UserName>,
    },
    Edit {
        origin: Origin,
        edit: Box<Edit>,
    },
    Delete(Asker),
    /// Something that no session asked for.
    Order(Tell<()>),
    /// It has to be known whether there is a user.
    Known {
        origin: Origin,
        tending: Tending,
    },
    /// Nobody waits for it.
    Tidy,
}

impl Job {
    /// Takes the membership of a user from what is ending it.
    pub fn take_read(&mut self, user: &UserName) -> Option<Seq> {
        match self {
            Self::Leave { origin, read } if origin.user == *user => read.take(),
            Self::Edit { edit, .. } => edit.take_read(user),
            _ => None,
        }
    }

    /// Who waits for it.
    pub fn into_origin(self) -> Option<Origin> {
        match self {
            Self::Publish { origin, .. }
            | Self::Join { origin, .. }
            | Self::Leave { origin, .. }
            | Self::Read { origin, .. }
            | Self::Readmit { origin, .. }
            | Self::Edit { origin, .. }
            | Self::Known { origin, .. } => Some(origin),
            Self::Delete(asker) => asker.into_origin(),
            Self::Order(_) | Self::Tidy => None,
        }
    }
}

/// Too many wait here already.
pub(super) fn overloaded() -> Problem {
    Problem::new(ErrorCode::Overloaded, "too many commands wait for this channel").retry_after(200)
}
