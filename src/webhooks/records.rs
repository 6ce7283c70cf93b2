//! Where it is kept among the small records how far webhooks are, and what waits for them. Pure.
//!
//! `hooks/<webhook>` is there once a webhook has begun, and says with what. `hook/<webhook>/<channel>` holds up to where
//! the channel's messages are done with: the epoch and the seq. `hookq/<webhook>/<number>` holds an event that is in no log.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::step::{Event, LaneKey, Number, Place, Stored};
use crate::model::{ChannelName, Cursor, Epoch, UserName, Wall};

/// The record that says that a webhook has begun.
pub(super) fn begun_key(hook: &str) -> String {
    format!("hooks/{hook}")
}

/// The record of a cursor.
pub(super) fn cursor_key(hook: &str, channel: &ChannelName) -> String {
    format!("hook/{hook}/{channel}")
}

/// What the keys of a webhook's queue begin with.
pub(super) fn queue_prefix(hook: &str) -> String {
    format!("hookq/{hook}/")
}

/// The record of an event in the queue.
pub(super) fn queue_key(hook: &str, number: Number) -> String {
    format!("{}{number}", queue_prefix(hook))
}

/// A cursor as it is kept.
pub(super) fn cursor_bytes(cursor: &Cursor) -> Bytes {
    format!("{} {}", cursor.epoch, cursor.seq).into()
}

/// Reads a cursor; `None` if it is not one.
pub(super) fn cursor_of(bytes: &[u8]) -> Option<Cursor> {
    let (epoch, seq) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some(Cursor { epoch: Epoch(epoch.into()), seq: seq.parse().ok()? })
}

/// An event of the queue, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<'a> {
    id: &'a str,
    at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// An event of the queue, to be kept; `None` if its body is no JSON.
pub(super) fn event_bytes(key: &LaneKey, id: &str, at: Wall, body: &str) -> Option<Bytes> {
    let (channel, user) = match key {
        LaneKey::Channel(channel) => (Some(channel.as_str()), None),
        LaneKey::User(user) => (None, Some(user.as_str())),
    };
    let kept = Kept { id, at: at.0, channel, user, event: serde_json::from_str(body).ok()? };
    serde_json::to_vec(&kept).ok().map(Bytes::from)
}

/// Reads an event of the queue; `None` if it is not one.
pub(super) fn event_of(number: Number, bytes: &[u8]) -> Option<(Stored, Event)> {
    let kept: Kept<'_> = serde_json::from_slice(bytes).ok()?;
    let key = match (kept.channel, kept.user) {
        (Some(channel), _) => LaneKey::Channel(ChannelName::stored(channel).ok()?),
        (None, Some(user)) => LaneKey::User(UserName::parse(user).ok()?),
        (None, None) => return None,
    };
    let (at, id, body) = (Wall(kept.at), kept.id.to_owned(), kept.event.get().into());
    Some((Stored { number, key, at }, Event { place: Place::Queue(number), id, at, body }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::damaged_text;

    #[test]
    fn a_queue_is_in_order_over_all_starts_of_the_server() {
        let number = |boot, count| Number { boot, count };
        let all = [number(1, 9), number(1, 10), number(2, 0), number(16, 0)];
        assert!(all.map(|number| queue_key("a", number)).is_sorted());
        assert!(all.iter().all(|number| Number::parse(&number.to_string()) == Some(*number)));
        assert_eq!([Number::parse(""), Number::parse("é"), Number::parse(&"g".repeat(32))], [None; 3]);
    }

    proptest! {
        #[test]
        fn what_was_kept_is_read_back_and_what_was_damaged_makes_no_panic(seq: u64, at: i64, seed: u64) {
            let cursor = Cursor { epoch: Epoch("1-x".into()), seq };
            prop_assert_eq!(cursor_of(&cursor_bytes(&cursor)), Some(cursor.clone()));
            let _ = cursor_of(damaged_text(&format!("1-x {seq}"), seed).as_bytes());
            let number = Number { boot: seq, count: seed };
            for key in [LaneKey::User(UserName::parse("ann").unwrap()), LaneKey::Channel(ChannelName::stored("a").unwrap())] {
                let bytes = event_bytes(&key, "evt_1", Wall(at), r#"{"type":"x"}"#).unwrap();
                let (stored, event) = event_of(number, &bytes).unwrap();
                prop_assert_eq!(stored, Stored { number, key, at: Wall(at) });
                prop_assert_eq!((event.id.as_str(), &*event.body), ("evt_1", r#"{"type":"x"}"#));
                let _ = event_of(number, damaged_text(std::str::from_utf8(&bytes).unwrap(), seed).as_bytes());
            }
        }
    }
}
