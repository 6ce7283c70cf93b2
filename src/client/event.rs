//! What the client tells the application, and the records in it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::Fault;
use super::options::Transport;
use crate::model::{Cursor, Epoch, Seq, Wall};

/// How the client stands with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Not begun yet.
    Disconnected,
    /// Opening a connection.
    Connecting(Transport),
    /// Saying hello.
    Greeting(Transport),
    /// Welcomed: commands are carried out.
    Online(Transport),
    /// Waiting this long before the next try.
    Waiting(Duration),
    /// The server does not want this client as it is; it does not come back.
    Refused(Fault),
    /// Ended by the application.
    Ended,
}

impl State {
    /// Whether commands are carried out now.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online(_))
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Ended)
    }
}

/// What the application hears.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection changed.
    State(State),
    /// A message: of each channel all of them, once, in order.
    Message(Message),
    /// A channel is heard, or heard again after the connection was lost.
    Joined(Joined),
    /// Messages that the log no longer has, and that the application did not see: `from` to `to`, both included.
    Hole {
        /// Where.
        channel: String,
        /// The first one missing.
        from: Seq,
        /// The last one missing.
        to: Seq,
    },
    /// A channel's log began anew: what was heard of it before may not be in it. `next` is the first message that follows;
    /// what is before it can be read with `history`.
    Reset {
        /// Where.
        channel: String,
        /// The life of the log that counts from now on.
        epoch: Epoch,
        /// The next message.
        next: Seq,
    },
    /// A channel is not heard any more, and not asked for again.
    Closed {
        /// Where.
        channel: String,
        /// Why, as the protocol words it (`left`, `kicked`, `banned`, `deleted`), or `refused` for a join.
        reason: String,
        /// What was wrong, if a join was refused.
        fault: Option<Fault>,
    },
    /// Someone who is watched came or went.
    Presence(Presence),
    /// How those who are watched stand, after a connection was lost and found again.
    Watching(Vec<Presence>),
    /// Watches that could not be set up again after the connection had been lost.
    Unwatched {
        /// The users that are not watched any more.
        users: Vec<String>,
        /// The channel that is not.
        channel: Option<String>,
        /// Why not.
        fault: Fault,
    },
    /// Something was said in a channel of which the user is a member, and which is not joined here.
    Activity(Activity),
    /// Someone became a member, or ceased to be one.
    Member(Member),
    /// How many hear a channel that is too large to name each.
    Counts(BTreeMap<String, u64>),
    /// Someone is typing; good for five seconds.
    Typing {
        /// Where.
        channel: String,
        /// Who.
        user: String,
    },
    /// Someone has read up to there.
    Read {
        /// Where.
        channel: String,
        /// Who.
        user: String,
        /// Up to which message.
        seq: Seq,
    },
    /// The server has something to say; after `draining` the client comes back by itself.
    Notice {
        /// What sort.
        code: String,
        /// For people.
        text: String,
    },
    /// A frame of a type that this client does not know.
    Other(Value),
}

/// One message.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Message {
    /// Where.
    pub channel: String,
    /// The life of the log that `seq` counts in.
    #[serde(skip, default = "no_epoch")]
    pub epoch: Epoch,
    /// Its place.
    pub seq: Seq,
    /// When the channel took it.
    #[serde(deserialize_with = "wall")]
    pub at: Wall,
    /// Who said it.
    pub from: String,
    /// An object; `text` in it is the convention for words.
    pub body: Value,
    /// The sender's idempotency key.
    pub key: Option<String>,
    /// What sort of message; absent for plain words. One of an unknown kind is not to be shown.
    pub kind: Option<String>,
    /// The message that it answers.
    #[serde(rename = "ref")]
    pub reply_to: Option<Seq>,
}

impl Message {
    /// Its words, if it has some.
    pub fn text(&self) -> Option<&str> {
        self.body["text"].as_str()
    }

    /// "I have everything up to this one."
    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch.clone(), seq: self.seq }
    }
}

/// How a channel stood when it was joined.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Joined {
    /// Its full name.
    pub channel: String,
    /// The life of its log.
    pub epoch: Epoch,
    /// The newest message, 0 if there is none.
    pub head: Seq,
    /// The oldest that is kept.
    pub first: Seq,
    /// The first that this connection hears.
    pub next: Seq,
    /// How many are replayed before it is live.
    #[serde(default)]
    pub replay: u64,
    /// Whether something lies between the cursor and `next`. The client reads it by itself.
    #[serde(default)]
    pub gap: bool,
    /// What the application has of it: the messages after this one follow.
    #[serde(skip, default = "nothing")]
    pub cursor: Cursor,
}

/// A publish that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// Where.
    pub channel: String,
    /// The life of its log.
    pub epoch: Epoch,
    /// Its place.
    pub seq: Seq,
    /// When the channel took it.
    #[serde(deserialize_with = "wall")]
    pub at: Wall,
    /// Whether the server had it from an earlier try.
    pub duplicate: bool,
}

/// How a user is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Presence {
    /// Who.
    pub user: String,
    /// `online`, `offline` or `unknown`.
    pub state: String,
    /// Why, as the protocol words it (`logout`, `disconnected`, `timeout` and so on).
    pub reason: Option<String>,
    /// With how many sessions, where it was asked for.
    #[serde(default)]
    pub sessions: u64,
    /// When the user was heard from last.
    #[serde(default, deserialize_with = "wall_or_none")]
    pub last_seen: Option<Wall>,
}

/// What goes on in a channel that is not joined here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Activity {
    /// Where.
    pub channel: String,
    /// The life of its log.
    pub epoch: Epoch,
    /// The newest message.
    pub head: Seq,
    /// How many the user has not read.
    #[serde(default)]
    pub unread: u64,
    /// Who said it.
    pub from: Option<String>,
    /// `invited`, `added` or `removed`, if that is what happened.
    pub change: Option<String>,
}

/// A change among a channel's members.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Where.
    pub channel: String,
    /// Who.
    pub user: String,
    /// `joined`, `left`, `kicked`, `banned` or `role`.
    pub change: String,
    /// The role, if that changed.
    pub role: Option<String>,
    /// Who did it.
    pub by: Option<String>,
}

/// Where an epoch is not known yet.
fn no_epoch() -> Epoch {
    Epoch("".into())
}

fn nothing() -> Cursor {
    Cursor { epoch: no_epoch(), seq: 0 }
}

/// Reads RFC 3339 as a point of time.
pub(super) fn time(text: &str) -> Option<Wall> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| Wall(at.timestamp_millis()))
}

fn wall<'de, D: Deserializer<'de>>(reader: D) -> Result<Wall, D::Error> {
    let text = String::deserialize(reader)?;
    time(&text).ok_or_else(|| serde::de::Error::custom("expected a time as RFC 3339"))
}

pub(super) fn wall_or_none<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Wall>, D::Error> {
    let text = Option::<String>::deserialize(reader)?;
    Ok(text.as_deref().and_then(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_with_and_without_its_optional_members() {
        let bare = r#"{"type":"message","channel":"a","seq":3,"at":"2026-11-22T10:00:00.007Z","from":"ann","body":{"text":"hi"}}"#;
        let message: Message = serde_json::from_str(bare).unwrap();
        assert_eq!((message.text(), message.at, message.kind.as_deref()), (Some("hi"), Wall(1_795_341_600_007), None));
        let full = bare.replace("\"seq\":3", "\"seq\":3,\"key\":\"k\",\"kind\":\"x-a\",\"ref\":2,\"new\":[]");
        let message: Message = serde_json::from_str(&full).unwrap();
        assert_eq!(
            (message.key.as_deref(), message.kind.as_deref(), message.reply_to),
            (Some("k"), Some("x-a"), Some(2))
        );
        assert!(serde_json::from_str::<Message>(&bare.replace("2026-11", "yesterday")).is_err());
    }

    #[test]
    fn a_user_who_was_never_seen_has_no_time() {
        let row: Presence = serde_json::from_str(r#"{"user":"a","state":"offline","last_seen":null}"#).unwrap();
        assert_eq!((row.last_seen, row.sessions), (None, 0));
    }
}
