//! Rule `shape`: every frame of a known type has its members, of their types, and no values that the protocol does not
//! name. Members and types that are not known are passed over, as a client does.

use serde_json::Value;

use super::frame::{kind, list, stamp, text};

/// What a member has to be.
#[derive(Clone, Copy, Debug)]
enum Is {
    Text,
    /// A whole number from 0 on.
    Count,
    /// A whole number from 1 on.
    Place,
    Flag,
    Object,
    List,
    Time,
    MaybeTime,
    OneOf(&'static [&'static str]),
    Messages,
    Rows,
}

use Is::{Count, Flag, List, MaybeTime, Messages, Object, OneOf, Place, Rows, Text, Time};

const CODES: Is = OneOf(&[
    "bad_frame",
    "unknown_type",
    "version_unsupported",
    "unauthenticated",
    "forbidden",
    "not_found",
    "not_joined",
    "too_large",
    "rate_limited",
    "overloaded",
    "conflict",
    "unavailable",
    "internal",
]);
const STATES: Is = OneOf(&["online", "offline", "unknown"]);
const REASONS: Is = OneOf(&["logout", "disconnected", "timeout", "kicked", "drained"]);
const CLOSED: Is = OneOf(&["left", "kicked", "banned", "deleted", "reset"]);
const CHANGES: Is = OneOf(&["joined", "left", "kicked", "banned", "role"]);
const ROLES: Is = OneOf(&["owner", "moderator", "member", "muted"]);
const NEWS: Is = OneOf(&["invited", "added", "removed"]);
const NOTICES: Is = OneOf(&["draining", "token_expiring"]);

/// A member that has to be there, or may be.
type Member = (&'static str, Is, bool);

const MESSAGE: &[Member] = &[
    ("channel", Text, true),
    ("seq", Place, true),
    ("at", Time, true),
    ("from", Text, true),
    ("body", Object, true),
    ("key", Text, false),
    ("kind", Text, false),
    ("ref", Place, false),
];
const JOINED: &[Member] = &[
    ("channel", Text, true),
    ("epoch", Text, true),
    ("head", Count, true),
    ("first", Place, true),
    ("next", Place, true),
    ("replay", Count, true),
    ("gap", Flag, true),
];
const PUBLISHED: &[Member] = &[
    ("channel", Text, true),
    ("epoch", Text, true),
    ("seq", Place, true),
    ("at", Time, true),
    ("duplicate", Flag, true),
];
const HISTORY: &[Member] = &[
    ("channel", Text, true),
    ("epoch", Text, true),
    ("first", Place, true),
    ("head", Count, true),
    ("messages", Messages, true),
    ("more", Flag, true),
];
const WELCOME: &[Member] = &[
    ("session", Text, true),
    ("sid", Text, true),
    ("user", Text, true),
    ("guest", Flag, true),
    ("token", Text, true),
    ("expires_at", MaybeTime, false),
    ("heartbeat_ms", Count, true),
    ("timeout_ms", Count, true),
    ("now", Time, true),
    ("server", Text, true),
    ("versions", List, true),
    ("features", List, true),
    ("limits", Object, true),
];
const PRESENCE: &[Member] =
    &[("user", Text, true), ("state", STATES, true), ("reason", REASONS, false), ("last_seen", MaybeTime, true)];
const ROW: &[Member] =
    &[("user", Text, true), ("state", STATES, true), ("sessions", Count, true), ("last_seen", MaybeTime, true)];
const CHANNEL: &[Member] = &[
    ("channel", Text, true),
    ("epoch", Text, true),
    ("head", Count, true),
    ("read", Count, true),
    ("unread", Count, true),
    ("role", ROLES, true),
];
const ACTIVITY: &[Member] = &[
    ("channel", Text, true),
    ("epoch", Text, true),
    ("head", Count, true),
    ("unread", Count, true),
    ("from", Text, true),
    ("change", NEWS, false),
];
const ERROR: &[Member] =
    &[("code", CODES, true), ("message", Text, true), ("retry_after_ms", Count, false), ("close", Count, false)];

/// The members of a known type.
fn members(frame: &Value) -> &'static [Member] {
    let answers = frame.get("id").is_some();
    match kind(frame) {
        "message" => MESSAGE,
        "joined" => JOINED,
        "published" => PUBLISHED,
        "history" => HISTORY,
        "welcome" => WELCOME,
        "refreshed" => &[("expires_at", MaybeTime, true)],
        "left" => &[("channel", Text, true)],
        "presence" if answers || frame.get("users").is_some() => &[("users", Rows, true)],
        "watching" => &[("users", Rows, true)],
        "presence" => PRESENCE,
        "who" => &[("channel", Text, true), ("users", List, true), ("count", Count, true), ("more", Flag, true)],
        "channels" => &[("channels", List, true), ("more", Flag, true)],
        "created" => &[("channel", Text, true), ("epoch", Text, true)],
        "members" => &[("members", List, true), ("more", Flag, true)],
        "pong" => &[("now", Time, true)],
        "activity" => ACTIVITY,
        "member" => &[
            ("channel", Text, true),
            ("user", Text, true),
            ("change", CHANGES, true),
            ("role", ROLES, false),
            ("by", Text, false),
        ],
        "closed" => &[("channel", Text, true), ("reason", CLOSED, true)],
        "pulse" => &[("heads", Object, true), ("online", Object, false)],
        "typing" => &[("channel", Text, true), ("user", Text, true)],
        "read" => &[("channel", Text, true), ("user", Text, true), ("seq", Count, true)],
        "notice" => &[("code", NOTICES, true), ("text", Text, true), ("retry_after_ms", Count, false)],
        "error" => ERROR,
        _ => &[],
    }
}

fn is(value: &Value, what: Is) -> bool {
    match what {
        Text => value.is_string(),
        Count => value.is_u64(),
        Place => value.as_u64().is_some_and(|seq| seq > 0),
        Flag => value.is_boolean(),
        Object => value.is_object(),
        List => value.is_array(),
        Time => value.as_str().is_some_and(|text| stamp(text).is_some()),
        MaybeTime => value.is_null() || is(value, Time),
        OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Messages => all(value, MESSAGE, |message| kind(message) == "message"),
        Rows => all(value, ROW, fits_its_state),
    }
}

fn all(value: &Value, members: &'static [Member], good: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(|element| wrong(element, members).is_none() && good(element)))
}

/// Someone online has sessions, and nobody else.
fn fits_its_state(row: &Value) -> bool {
    let sessions = row.get("sessions").and_then(Value::as_u64).unwrap_or_default();
    (text(row, "state") == Some("online")) == (sessions > 0)
}

fn wrong(frame: &Value, members: &'static [Member]) -> Option<&'static str> {
    let bad = |(name, what, needed): &&Member| match frame.get(*name) {
        Some(value) => !is(value, *what),
        None => *needed,
    };
    members.iter().find(bad).map(|(name, ..)| *name)
}

/// Names that have to ascend bytewise, none twice.
fn ascend<'h>(mut names: impl Iterator<Item = Option<&'h str>>) -> bool {
    let mut before = None;
    names.all(|name| name.is_some() && std::mem::replace(&mut before, name) < name)
}

/// Which member of a frame is not as it should be.
pub(super) fn fault(frame: &Value) -> Option<&'static str> {
    if !frame.get("type").is_some_and(Value::is_string) {
        return Some("type");
    }
    if frame.get("id").is_some_and(|id| !id.is_string()) {
        return Some("id");
    }
    if let Some(name) = wrong(frame, members(frame)) {
        return Some(name);
    }
    match kind(frame) {
        "who" => {
            let users = list(frame, "users");
            let count = frame.get("count").and_then(Value::as_u64).unwrap_or_default();
            (!ascend(users.iter().map(Value::as_str)) || count < users.len() as u64).then_some("users")
        }
        "channels" => {
            let rows = list(frame, "channels");
            let good = rows.iter().all(|row| wrong(row, CHANNEL).is_none());
            (!good || !ascend(rows.iter().map(|row| text(row, "channel")))).then_some("channels")
        }
        "pulse" => {
            let mut heads = frame.get("heads").and_then(Value::as_object).into_iter().flat_map(|heads| heads.values());
            (!heads.all(Value::is_u64)).then_some("heads")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_frame_is_known_by_its_members() {
        let now = "2026-11-22T16:32:41.850Z";
        let row = json!({"user": "ann", "state": "online", "sessions": 1, "last_seen": now});
        let good = [
            json!({"type": "message", "channel": "a", "seq": 1, "at": now, "from": "ann", "body": {}, "more": 1}),
            json!({"type": "presence", "id": "1", "users": [row]}),
            json!({"type": "presence", "user": "ann", "state": "offline", "reason": "logout", "last_seen": null}),
            json!({"type": "error", "code": "conflict", "message": "no", "close": 4503}),
            json!({"type": "who", "id": "1", "channel": "a", "users": ["a", "b"], "count": 2, "more": false}),
            json!({"type": "pulse", "heads": {"a": 1}}),
            json!({"type": "later", "id": "1"}),
        ];
        for frame in good {
            assert_eq!(fault(&frame), None, "{frame}");
        }
        let nobody = json!({"user": "ann", "state": "online", "sessions": 0, "last_seen": now});
        let bad = [
            (json!({"type": "message", "channel": "a", "seq": 0, "at": now, "from": "ann", "body": {}}), "seq"),
            (json!({"type": "message", "channel": "a", "seq": 1, "at": now, "from": "ann", "body": "x"}), "body"),
            (
                json!({"type": "joined", "channel": "a", "epoch": "e", "head": 0, "first": 1, "next": 1, "replay": 0}),
                "gap",
            ),
            (json!({"type": "error", "code": "oops", "message": "no"}), "code"),
            (json!({"type": "presence", "user": "ann", "state": "away", "last_seen": null}), "state"),
            (json!({"type": "watching", "id": "1", "users": [nobody]}), "users"),
            (
                json!({"type": "who", "id": "1", "channel": "a", "users": ["b", "a"], "count": 2, "more": false}),
                "users",
            ),
            (json!({"type": "channels", "id": "1", "channels": [{"channel": "a"}], "more": false}), "channels"),
            (json!({"type": "pulse", "heads": {"a": "1"}}), "heads"),
            (json!({"type": "pong", "now": "noon"}), "now"),
            (json!({"type": "ok", "id": 7}), "id"),
            (json!({"kind": "ok"}), "type"),
        ];
        for (frame, member) in bad {
            assert_eq!(fault(&frame), Some(member), "{frame}");
        }
    }
}
