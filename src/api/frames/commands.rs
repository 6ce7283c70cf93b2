//! What a client may say: each command, its members, and the type of its reply.

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Frame, Side};
use crate::protocol::said;

/// A command.
pub(in crate::api) struct Command {
    /// Its frame.
    pub frame: Frame,
    /// The type of the reply that says that it was done.
    pub reply: &'static str,
}

fn of<T: ToSchema>(kind: &'static str, reply: &'static str, about: &'static str, example: Value) -> Command {
    Command { frame: Frame::of::<T>(Side::Command, kind, about, example), reply }
}

/// All of them.
pub(in crate::api) fn commands() -> Vec<Command> {
    let mut all = talking();
    all.extend(tending());
    all
}

fn talking() -> Vec<Command> {
    let lobby = || json!({ "channel": "lobby" });
    vec![
        of::<said::Hello>(
            "hello",
            "welcome",
            "Says who you are: the first command of every session.",
            json!({ "id": "1", "version": 1, "guest": "ann", "client": "demo/1" }),
        ),
        of::<said::Refresh>(
            "refresh",
            "refreshed",
            "Prolongs a token, and has the session live by it.",
            json!({ "token": "g1.~ann-k3x9q.5415" }),
        ),
        of::<said::Join>(
            "join",
            "joined",
            "Has this session hear a channel, and you be a member of it.",
            json!({ "id": "2", "channel": "lobby", "since": { "epoch": "vp8fe70p6-84rzrbq0t", "seq": 7 } }),
        ),
        of::<said::Leave>(
            "leave",
            "left",
            "Ends a membership and its subscriptions, or what this session hears.",
            lobby(),
        ),
        of::<said::Publish>(
            "publish",
            "published",
            "Says something in a channel.",
            json!({ "id": "3", "channel": "lobby", "body": { "text": "good morning" }, "key": "k-1", "base": 7 }),
        ),
        of::<said::History>(
            "history",
            "history",
            "Reads what was said, without hearing the channel.",
            json!({ "channel": "lobby", "before": 90, "limit": 20 }),
        ),
        of::<said::Presence>("presence", "presence", "Asks how users are.", json!({ "users": ["ann", "~bob-5q8hk"] })),
        of::<said::Page>("who", "who", "Asks who hears a channel.", lobby()),
        of::<said::Watch>(
            "watch",
            "watching",
            "Tells this session how users are, and of each change: of `users`, of a `channel`, or of both.",
            json!({ "users": ["bob"] }),
        ),
        of::<said::Watch>("unwatch", "unwatched", "Ends what `watch` began.", json!({ "users": ["bob"] })),
        of::<said::InChannel>("typing", "ok", "Tells the others in a channel that you are typing.", lobby()),
        of::<said::Read>("read", "ok", "Says how far you have read.", json!({ "channel": "lobby", "seq": 7 })),
        of::<said::Channels>("channels", "channels", "Asks for the channels that you are a member of.", json!({})),
        of::<said::Contacts>(
            "contacts",
            "contacts",
            "Changes the list of those whom your account wants to hear of, and shows it.",
            json!({ "add": ["bob"] }),
        ),
        of::<said::Visible>("visible", "ok", "Says whether others see how you are.", json!({ "on": false })),
        of::<said::Nothing>("ping", "pong", "Asks for a sign of life.", json!({ "id": "4" })),
        of::<said::Nothing>("logout", "bye", "Ends this session; the token lives on.", json!({})),
    ]
}

/// Those about a channel as a place, which are plain requests, too.
fn tending() -> Vec<Command> {
    let bob = || json!({ "channel": "ours", "user": "bob" });
    let ours = || json!({ "channel": "ours" });
    vec![
        of::<said::Create>(
            "create",
            "created",
            "Makes a channel, and you its owner.",
            json!({ "channel": "ours", "private": true, "title": "Our room" }),
        ),
        of::<said::Page>("members", "members", "Asks who belongs to a channel.", ours()),
        of::<said::Invite>("invite", "ok", "Asks an account into a channel.", bob()),
        of::<said::Order>("kick", "ok", "Ends someone's membership and subscriptions.", bob()),
        of::<said::Order>("ban", "ok", "Shuts someone out.", bob()),
        of::<said::Order>("unban", "ok", "Shuts someone out no more.", bob()),
        of::<said::RoleOf>(
            "role",
            "ok",
            "Gives someone another role.",
            json!({ "channel": "ours", "user": "bob", "role": "moderator" }),
        ),
        of::<said::InChannel>("delete", "ok", "Ends a channel, with its log.", ours()),
    ]
}
