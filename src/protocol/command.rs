//! What a client may ask, once it has been read.

use bytestring::ByteString;

use super::Tending;
use crate::model::{ChannelName, Cursor, Hour, Key, Kind, Seq, UserName};

/// The first command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// A token that was given earlier.
    pub token: Option<String>,
    /// A guest's wished name.
    pub guest: Option<String>,
    /// What the client calls itself.
    pub client: Option<String>,
}

/// Any command after hello.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A newer token of the same user.
    Refresh {
        /// The token.
        token: String,
    },
    /// Belong to a channel and hear it.
    Join(Join),
    /// Stop belonging, or only stop hearing.
    Leave {
        /// Which channel.
        channel: ChannelName,
        /// Only this session stops hearing; the user stays a member.
        only_session: bool,
    },
    /// Say something.
    Publish(Publish),
    /// Read what was said.
    History(History),
    /// How these users are.
    Presence {
        /// Whom.
        users: Vec<UserName>,
    },
    /// Who hears a channel.
    Who {
        /// Which channel.
        channel: ChannelName,
        /// Names after this one.
        after: Option<UserName>,
        /// At most this many.
        limit: usize,
    },
    /// Hear how users' presence changes.
    Watch(Watch),
    /// Do not hear it any more.
    Unwatch(Watch),
    /// The user is typing.
    Typing {
        /// Where.
        channel: ChannelName,
    },
    /// The user has read up to here.
    Read {
        /// Where.
        channel: ChannelName,
        /// Up to which message.
        seq: Seq,
    },
    /// The user's channels.
    Channels {
        /// Names after this one.
        after: Option<ChannelName>,
        /// At most this many.
        limit: usize,
    },
    /// Have others among one's contacts or not, and see how these are.
    Contacts {
        /// Who is to be one.
        add: Vec<UserName>,
        /// Who is to be none.
        remove: Vec<UserName>,
    },
    /// Whether others see the user's presence.
    Visible {
        /// They do.
        on: bool,
    },
    /// Something about a channel as a place.
    Tend {
        /// Which channel.
        channel: ChannelName,
        /// What is asked of it.
        tending: Tending,
    },
    /// Are you there?
    Ping,
    /// Goodbye.
    Logout,
}

/// Where a subscription begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Where it stood, or as on a first visit.
    Stood,
    /// After this cursor.
    Since(Cursor),
    /// With this many of the newest.
    Tail(u64),
}

/// `join`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Which channel.
    pub channel: ChannelName,
    /// Where to begin.
    pub start: Start,
    /// Whether the user becomes a member.
    pub member: bool,
}

/// `publish`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Which channel.
    pub channel: ChannelName,
    /// A JSON object, as it was sent.
    pub body: ByteString,
    /// The client's idempotency key.
    pub key: Option<Key>,
    /// The newest place that the client knew when it first sent this key.
    pub base: Option<Seq>,
    /// What sort of message.
    pub kind: Option<Kind>,
    /// The message that it answers.
    pub reply_to: Option<Seq>,
}

/// `history`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Which channel.
    pub channel: ChannelName,
    /// Places below this one.
    pub before: Option<Seq>,
    /// Places above this one.
    pub after: Option<Seq>,
    /// Messages of this hour.
    pub hour: Option<Hour>,
    /// At most this many.
    pub limit: usize,
}

/// `watch` and `unwatch`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// These users.
    pub users: Vec<UserName>,
    /// And everyone who is in this channel.
    pub channel: Option<ChannelName>,
}
