//! What a session is told, and what its worker's hub is told by sessions and by itself.

use std::sync::Arc;

use bytestring::ByteString;
use tokio::sync::oneshot;

use super::Row;
use super::contacts::Roll;
use super::lists::Listed;
use crate::channel::{self, Answer, Told};
use crate::model::{ChannelName, Conn, Moment, Sid, UserName};
use crate::presence::{self, Asked, Reason};
use crate::protocol::{CloseCode, Posted};
use crate::store::ReadError;
use crate::supervise::{Kind, Lasting, Named, Panic, named};

/// A session's actor.
pub static SESSION: Kind = Kind { name: "session", messages: &[SessionIn::NAMES], endings: Ending::NAMES };
/// A worker's hub.
pub static HUB: Kind = Kind {
    name: "hub",
    messages: &[HubIn::NAMES, channel::ToHub::NAMES, presence::ToHub::NAMES],
    endings: Lasting::NAMES,
};

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its thread.
    #[expect(dead_code, reason = "how one ends that says nothing of why")]
    Stopped,
    /// Its client said goodbye.
    Logout,
    /// Its connection ended, or its client closed it.
    Disconnected,
    /// Its client was not heard from in time.
    Timeout,
    /// Its client took too little.
    Slow,
    /// An operator ended it, or it was shut out.
    Kicked,
    /// The server stops.
    Drained,
    /// There was no room for it, or it is to come back for another reason.
    SentBack,
    /// Its client said no hello, had no good token, or broke the protocol.
    Refused,
    /// It was there for one command, which is done.
    Errand,
    /// It panicked.
    Failed,
}

named!(Ending: Stopped, Logout, Disconnected, Timeout, Slow, Kicked, Drained, SentBack, Refused, Errand, Failed);
named!(SessionIn: Frame, Answer, Leave, Beat, Over, Broken);
named!(
    HubIn: Coming, Arrived, Gone, Ask, Listed, Contacts, Shown, Unwatch, Room, Filled, Read, Retry, Activity, Narrowed,
    Void, Survey, Kick, Tick, Notice, Drain, Broken
);

impl Ending {
    /// Of a session that ended by this code, for this reason.
    pub fn of(code: CloseCode, reason: Reason) -> Self {
        match code {
            CloseCode::Normal if reason == Reason::Logout => Self::Logout,
            CloseCode::Normal => Self::Disconnected,
            CloseCode::Timeout => Self::Timeout,
            CloseCode::TooSlow => Self::Slow,
            CloseCode::Kicked | CloseCode::Banned => Self::Kicked,
            CloseCode::Draining => Self::Drained,
            CloseCode::Later => Self::SentBack,
            _ => Self::Refused,
        }
    }
}

/// What a session's actor is told, by its wire and its hub.
#[derive(Debug)]
pub enum SessionIn {
    /// A frame came, at this moment; its transport may keep a slot for the answer.
    Frame(ByteString, Option<u64>, Moment),
    /// A channel answered what needs more work.
    Answer(u64, Answer),
    /// The client said goodbye, and has its answers.
    Leave,
    /// A heartbeat's time has come: report that the client was heard from.
    Beat,
    /// The session has ended, for this reason.
    Over(Reason),
    /// What was done for it beside it panicked.
    Broken(Panic),
}

/// Messages read from a log, encoded.
pub type Page = Result<Arc<[Arc<Posted>]>, ReadError>;

/// What a hub is told.
#[derive(Debug)]
pub enum HubIn {
    /// A session of this account is about to be welcome: from here on it misses no change of its user's contacts.
    Coming(Conn, UserName),
    /// A session said hello.
    Arrived(Conn, UserName),
    /// A session ended, this user's if it had said hello.
    Gone(Conn, Option<UserName>),
    /// A session asks how these users are; if it is to watch them, it does from here on.
    Ask(Conn, u64, Vec<Asked>),
    /// A session's list of contacts was read, or changed by the command of this ticket, or neither could be done.
    Listed(Conn, u64, Option<Roll>),
    /// A user's contacts were changed.
    Contacts(UserName, Listed),
    /// A user began to hide, or ended it.
    Shown(UserName, Told),
    /// A session wants to hear no more of these users, asked for by name or by channel.
    Unwatch(Conn, Vec<UserName>, Option<ChannelName>),
    /// A session has room for more of a replay.
    Room(Conn),
    /// What a feed was not handed was read, by this read.
    Filled(ChannelName, u64, Page),
    /// A page for a session that is behind was read.
    Read {
        /// Where.
        channel: ChannelName,
        /// For whom.
        conn: Conn,
        /// By which read.
        read: u64,
        /// What was read.
        page: Page,
    },
    /// A feed or a session that could not be read for may be tried again.
    Retry(ChannelName, Option<Conn>),
    /// A member's unread messages were counted; the activity can be told.
    Activity {
        /// The event's channel.
        channel: ChannelName,
        /// By which read.
        read: u64,
        /// The event, unless they could not be counted.
        frame: Option<ByteString>,
    },
    /// A session came by another token.
    Narrowed(Conn),
    /// Tokens of this user may have become void.
    Void(UserName),
    /// An operator asks which sessions there are; of one channel, if it is named.
    Survey(Option<ChannelName>, oneshot::Sender<Vec<Row>>),
    /// An operator ends the session of this public name. It is told whether it was here.
    Kick(Sid, oneshot::Sender<bool>),
    /// The interval timer.
    Tick,
    /// The server is stopping: say so.
    Notice,
    /// The server is stopping: end sessions as soon as nothing of theirs is under way.
    Drain,
    /// What was done for it beside it panicked.
    Broken(Panic),
}
