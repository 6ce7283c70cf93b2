//! What a session is told, and what its worker's hub is told by sessions and by itself.

use std::sync::Arc;

use bytestring::ByteString;
use tokio::sync::oneshot;

use super::Row;
use super::contacts::Roll;
use super::lists::Listed;
use crate::channel::{Answer, Told};
use crate::model::{ChannelName, Conn, Moment, Sid, UserName};
use crate::presence::{Asked, Reason};
use crate::protocol::Posted;
use crate::store::ReadError;

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
    /// An operator asks which sessions there are.
    Survey(oneshot::Sender<Vec<Row>>),
    /// An operator ends the session of this public name. It is told whether it was here.
    Kick(Sid, oneshot::Sender<bool>),
    /// The interval timer.
    Tick,
    /// The server is stopping: say so.
    Notice,
    /// The server is stopping: end sessions as soon as nothing of theirs is under way.
    Drain,
}
