//! Reading frames: members by their names and types, and messages as far as they are compared.

use serde_json::Value;

use super::names::{Names, digest};

/// A member that is text.
pub(super) fn text<'h>(frame: &'h Value, name: &str) -> Option<&'h str> {
    frame.get(name)?.as_str()
}

/// A member that is a number from 0 on.
pub(super) fn number(frame: &Value, name: &str) -> Option<u64> {
    frame.get(name)?.as_u64()
}

/// A member that is true.
pub(super) fn flag(frame: &Value, name: &str) -> bool {
    frame.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// What sort of frame it is.
pub(super) fn kind(frame: &Value) -> &str {
    text(frame, "type").unwrap_or_default()
}

/// The elements of a member that is a list.
pub(super) fn list<'h>(frame: &'h Value, name: &str) -> &'h [Value] {
    frame.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A time in UTC with milliseconds (RFC 3339) as a number that grows with it.
pub(super) fn stamp(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:dd.dddZ";
    if bytes.len() != shape.len() {
        return None;
    }
    bytes.iter().zip(shape).try_fold(0, |number: u64, (byte, place)| match place {
        b'd' if byte.is_ascii_digit() => Some(number * 10 + u64::from(byte - b'0')),
        b'd' => None,
        other => (byte == other).then_some(number),
    })
}

/// What was said, apart from who said it and when: body, kind and reference.
pub(super) fn said(frame: &Value) -> u64 {
    let part = |name: &str| frame.get(name).filter(|value| !value.is_null()).map_or(0, digest);
    let whole = part("body").wrapping_mul(31).wrapping_add(part("kind"));
    whole.wrapping_mul(31).wrapping_add(part("ref"))
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its place.
    pub seq: u64,
    /// When.
    pub stamp: u64,
    /// Who.
    pub from: u32,
    /// The key, or 0.
    pub key: u32,
    /// What.
    pub said: u64,
}

impl Message {
    /// Reads a `message` frame; `None` if it is none.
    pub fn read(frame: &Value, names: &mut Names) -> Option<Self> {
        let (seq, stamp) = (number(frame, "seq")?, stamp(text(frame, "at")?)?);
        let from = names.id(text(frame, "from")?);
        Some(Self { seq, stamp, from, key: names.maybe(text(frame, "key")), said: said(frame) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stamp_grows_with_time_and_nothing_else_is_one() {
        let early = stamp("2026-11-22T16:32:41.850Z").unwrap();
        assert!(early < stamp("2026-11-22T16:32:42.000Z").unwrap());
        for bad in ["", "2026-11-22T16:32:41Z", "2026-11-22 16:32:41.850Z", "2026-11-22T16:32:41.85xZ"] {
            assert_eq!(stamp(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_was_said_is_body_kind_and_reference() {
        let plain = said(&json!({"body": {"text": "a"}}));
        assert_eq!(plain, said(&json!({"body": {"text": "a"}, "key": "k", "base": 3, "kind": null})));
        for other in [json!({"body": {"text": "b"}}), json!({"body": {"text": "a"}, "kind": "x-a"})] {
            assert_ne!(plain, said(&other));
        }
    }
}
