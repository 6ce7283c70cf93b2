//! What answers a command.

#![allow(dead_code, reason = "these types are the shape of what is written elsewhere, member by member")]

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{Array, ArrayBuilder};

use super::events::WHEN;
use super::{Frame, Side, named};
use crate::model::{ChannelName, Epoch, Place, Role, UserName, Wall};
use crate::presence::Row;
use crate::protocol::said::Nothing;
use crate::protocol::{Problem, Published, Welcome};

#[derive(ToSchema)]
struct Refreshed {
    /// When the token ends now.
    expires_at: Wall,
}

#[derive(ToSchema)]
struct Joined {
    channel: ChannelName,
    epoch: Epoch,
    /// The newest place; 0 if it is empty.
    head: Place,
    /// The oldest place that is kept; `head` + 1 if none is.
    #[schema(minimum = 1)]
    first: u64,
    /// The place of the first message that this session will hear.
    #[schema(minimum = 1)]
    next: u64,
    /// How many messages come before it is live.
    replay: u64,
    /// Something between the cursor and `next` is missing: read it with `history`, as far as it is kept.
    gap: bool,
}

#[derive(ToSchema)]
struct Left {
    channel: ChannelName,
}

#[derive(ToSchema)]
struct Page {
    channel: ChannelName,
    epoch: Epoch,
    /// The oldest place that is kept; `head` + 1 if none is.
    #[schema(minimum = 1)]
    first: u64,
    /// The newest place.
    head: Place,
    /// In the order of their places.
    #[schema(schema_with = messages)]
    messages: Vec<Value>,
    /// There are more in the direction in which was read.
    more: bool,
}

fn messages() -> Array {
    ArrayBuilder::new().items(named("MessageEvent")).build()
}

#[derive(ToSchema)]
struct Rows {
    users: Vec<Row>,
}

#[derive(ToSchema)]
struct Who {
    channel: ChannelName,
    /// In the order of their names.
    users: Vec<UserName>,
    /// How many there are in all.
    count: usize,
    more: bool,
}

/// A channel of yours.
#[derive(ToSchema)]
struct Membership {
    channel: ChannelName,
    epoch: Epoch,
    /// The newest place; 0 if it is empty.
    head: Place,
    /// How far you have read.
    read: Place,
    /// How many messages of others stand above that.
    #[schema(maximum = 1000)]
    unread: u64,
    /// What you may do there.
    role: Role,
    /// What it is called, if anything.
    #[schema(nullable = false)]
    title: Option<String>,
}

#[derive(ToSchema)]
struct Channels {
    /// In the order of their names.
    channels: Vec<Membership>,
    more: bool,
}

#[derive(ToSchema)]
struct Pong {
    /// The server's time.
    now: Wall,
}

#[derive(ToSchema)]
struct Created {
    channel: ChannelName,
    epoch: Epoch,
    /// For those alone who are asked in.
    private: bool,
}

/// Who belongs to a channel.
#[derive(ToSchema)]
struct Member {
    user: UserName,
    role: Role,
    /// Whether the user is there at all; not whether it hears this channel.
    online: bool,
}

#[derive(ToSchema)]
struct Members {
    channel: ChannelName,
    /// In the order of their names.
    members: Vec<Member>,
    more: bool,
}

fn of<T: ToSchema>(kind: &'static str, about: &'static str, example: Value) -> Frame {
    Frame::of::<T>(Side::Reply, kind, about, example)
}

/// All of them.
pub(in crate::api) fn replies() -> Vec<Frame> {
    let epoch = "vp8fe70p6-84rzrbq0t";
    let rows = || json!({ "users": [{ "user": "bob", "state": "online", "sessions": 1, "last_seen": WHEN }] });
    vec![
        of::<Welcome>(
            "welcome",
            "You are in. It comes even where `hello` had no `id`.",
            json!({
                "id": "1", "session": format!("1-{}", "29b4".repeat(16)), "sid": "44d13497f61a", "user": "~ann-k3x9q", "guest": true,
                "token": "g1.~ann-k3x9q.5415", "expires_at": WHEN, "heartbeat_ms": 25000, "timeout_ms": 60000, "now": WHEN,
                "server": "parlor/0.1.0", "versions": [1], "features": [],
                "limits": {
                    "frame_bytes": 65536, "body_bytes": 32768, "page_max": 1000, "replay_max": 10000, "outstanding": 64,
                    "channels": 256,
                },
            }),
        ),
        of::<Refreshed>("refreshed", "The token lives longer.", json!({ "expires_at": WHEN })),
        of::<Joined>(
            "joined",
            "The channel is heard from `next` on. Over long-poll it comes among the events as well, where the replay begins.",
            json!({ "channel": "lobby", "epoch": epoch, "head": 7, "first": 1, "next": 8, "replay": 0, "gap": false }),
        ),
        of::<Left>("left", "The channel is left, or heard no more.", json!({ "channel": "lobby" })),
        of::<Published<'static>>(
            "published",
            "It is stored, and has its place.",
            json!({ "channel": "lobby", "epoch": epoch, "seq": 8, "at": WHEN, "duplicate": false }),
        ),
        of::<Page>(
            "history",
            "A page of the log.",
            json!({ "channel": "lobby", "epoch": epoch, "first": 1, "head": 8, "messages": [], "more": false }),
        ),
        of::<Rows>("presence", "How these users are, in the order in which they were asked for.", rows()),
        of::<Who>(
            "who",
            "Who hears a channel.",
            json!({ "channel": "lobby", "users": ["ann"], "count": 1, "more": false }),
        ),
        of::<Rows>("watching", "How these users are; from here on each change is an event.", rows()),
        of::<Nothing>("unwatched", "They are watched no more.", json!({})),
        of::<Channels>("channels", "The channels that you are a member of.", json!({ "channels": [], "more": false })),
        of::<Rows>("contacts", "Your contacts, in the order of their names.", rows()),
        of::<Pong>("pong", "A sign of life.", json!({ "now": WHEN })),
        of::<Nothing>("bye", "The session ends at once.", json!({})),
        of::<Nothing>("ok", "It is done.", json!({})),
        of::<Created>(
            "created",
            "The channel is there, and yours.",
            json!({ "channel": "ours", "epoch": epoch, "private": true }),
        ),
        of::<Members>(
            "members",
            "Who belongs to a channel.",
            json!({ "channel": "ours", "members": [{ "user": "ann", "role": "owner", "online": true }], "more": false }),
        ),
        of::<Problem>(
            "error",
            "It was not done, and why; or, without `id`, what goes before the end of a session.",
            json!({ "id": "5", "code": "not_found", "message": "there is no such channel" }),
        ),
    ]
}
