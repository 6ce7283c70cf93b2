//! How commands and their replies are worded.

use serde_json::{Value, json};

/// A `publish` of words with further members.
pub fn publish(channel: &str, text: &str, members: Value) -> Value {
    let mut command = json!({"type": "publish", "channel": channel, "body": {"text": text}});
    merge(&mut command, members);
    command
}

/// The type of the reply that says that a command was done.
pub(super) fn done(command: &str) -> &str {
    match command {
        "hello" => "welcome",
        "refresh" => "refreshed",
        "join" => "joined",
        "leave" => "left",
        "publish" => "published",
        "watch" => "watching",
        "unwatch" => "unwatched",
        "create" => "created",
        "typing" | "read" | "visible" | "invite" | "kick" | "ban" | "unban" | "role" | "delete" => "ok",
        "ping" => "pong",
        "logout" => "bye",
        same => same,
    }
}

/// Puts members into an object, over those of the same name.
pub(super) fn merge(into: &mut Value, members: Value) {
    if let (Value::Object(into), Value::Object(members)) = (into, members) {
        into.extend(members);
    }
}
