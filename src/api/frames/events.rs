//! What the server says by itself.

#![allow(dead_code, reason = "these types are the shape of what is written elsewhere, member by member")]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Frame, Side};
use crate::channel::Closed;
use crate::model::{ChannelName, Epoch, Place, Role, UserName, Wall};
use crate::presence::{Reason, State};

/// A time, in examples.
pub(super) const WHEN: &str = "2026-11-22T18:55:08.468Z";

/// A message of a channel.
#[derive(ToSchema)]
struct Message {
    channel: ChannelName,
    /// Its place.
    #[schema(minimum = 1)]
    seq: u64,
    /// When the channel took it; never goes back within a channel.
    at: Wall,
    /// Who said it.
    from: UserName,
    /// As it was said, to the letter.
    #[schema(value_type = Object)]
    body: Map<String, Value>,
    /// What its author called it.
    #[schema(nullable = false, min_length = 1, max_length = 64)]
    key: Option<String>,
    /// What sort of message, if more than words.
    #[schema(nullable = false)]
    kind: Option<String>,
    /// The place of the one that it answers.
    #[schema(rename = "ref", nullable = false, minimum = 1)]
    reply_to: Option<u64>,
}

#[derive(ToSchema)]
struct Presence {
    user: UserName,
    state: State,
    /// Why the user went; absent if it did not, and where nobody knows.
    #[schema(nullable = false)]
    reason: Option<Reason>,
    /// When last heard from; null if never.
    #[schema(required)]
    last_seen: Option<Wall>,
}

#[derive(ToSchema)]
struct Activity {
    channel: ChannelName,
    epoch: Epoch,
    /// The newest place.
    head: Place,
    /// How many messages of others stand above your read position.
    #[schema(maximum = 1000)]
    unread: u64,
    /// Who did it.
    from: UserName,
    /// What became of you there, if anything.
    #[schema(nullable = false)]
    change: Option<News>,
}

/// What became of a user in a channel that it does not hear.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum News {
    Invited,
    Added,
    Removed,
}

#[derive(ToSchema)]
struct Member {
    channel: ChannelName,
    /// Of whom it tells.
    user: UserName,
    change: Change,
    /// The new role, of a change of that.
    #[schema(nullable = false)]
    role: Option<Role>,
    /// Whose doing it was, if another's.
    #[schema(nullable = false)]
    by: Option<UserName>,
    /// Why, for people.
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// What became of a member.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Change {
    Joined,
    Left,
    Kicked,
    Banned,
    Role,
}

#[derive(ToSchema)]
struct ClosedTo {
    channel: ChannelName,
    reason: Closed,
}

#[derive(ToSchema)]
struct Pulse {
    /// By channel: up to which place everything stands before this in the stream.
    heads: BTreeMap<String, u64>,
    /// By channel: how many hear it, where they are too many for each to be told.
    #[schema(nullable = false)]
    online: Option<BTreeMap<String, u64>>,
}

#[derive(ToSchema)]
struct Typing {
    channel: ChannelName,
    user: UserName,
}

#[derive(ToSchema)]
struct Read {
    channel: ChannelName,
    user: UserName,
    /// Up to which place.
    seq: Place,
}

#[derive(ToSchema)]
struct Notice {
    code: NoticeCode,
    /// For people.
    text: String,
    /// Within which time to come back, in milliseconds.
    #[schema(nullable = false)]
    retry_after_ms: Option<u64>,
    /// When the token ends.
    #[schema(nullable = false)]
    expires_at: Option<Wall>,
}

/// What is coming.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum NoticeCode {
    /// The server is going.
    Draining,
    /// The token ends soon.
    TokenExpiring,
}

fn of<T: ToSchema>(kind: &'static str, about: &'static str, example: Value) -> Frame {
    Frame::of::<T>(Side::Event, kind, about, example)
}

/// All of them but `error` and `joined`, which are as the replies of these names.
pub(in crate::api) fn events() -> Vec<Frame> {
    let epoch = "vp8fe70p6-84rzrbq0t";
    vec![
        of::<Message>(
            "message",
            "A message of a channel that you hear; your own come too.",
            json!({ "channel": "lobby", "seq": 8, "at": WHEN, "from": "~ann-k3x9q", "body": { "text": "good morning" }, "key": "k-1" }),
        ),
        of::<Presence>(
            "presence",
            "Someone whom you watch, or a contact, came or went.",
            json!({ "user": "bob", "state": "offline", "reason": "logout", "last_seen": WHEN }),
        ),
        of::<Activity>(
            "activity",
            "Something happened in a channel of yours that this session does not hear.",
            json!({ "channel": "lobby", "epoch": epoch, "head": 8, "unread": 1, "from": "bob" }),
        ),
        of::<Member>(
            "member",
            "Someone became a member, is one no more, or has another role.",
            json!({ "channel": "lobby", "user": "bob", "change": "role", "role": "muted", "by": "ann" }),
        ),
        of::<ClosedTo>(
            "closed",
            "You hear the channel no more: the last frame of it for this session.",
            json!({ "channel": "lobby", "reason": "left" }),
        ),
        of::<Pulse>("pulse", "How far you have been sent what moved.", json!({ "heads": { "lobby": 8 } })),
        of::<Typing>(
            "typing",
            "Someone is typing; good for five seconds.",
            json!({ "channel": "lobby", "user": "bob" }),
        ),
        of::<Read>("read", "Someone has read up to a place.", json!({ "channel": "lobby", "user": "bob", "seq": 8 })),
        of::<Notice>(
            "notice",
            "Something is coming: the server goes, or the token ends.",
            json!({ "code": "draining", "text": "the server is stopping", "retry_after_ms": 1471 }),
        ),
    ]
}
