//! The small records that say how much of a channel is to be kept, and how much there is. Pure.
//!
//! `keep/<channel>` is what operators want; without it what the configuration says holds. `size/<channel>` is what was counted
//! of the log: it says of which part, so that it can be counted on, and it can be lost: then it is counted anew.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Head, MetaOp};
use crate::model::Seq;

/// How much of a channel is kept: each that is there goes before the configuration's; 0 is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// Messages older than this go, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u64>,
    /// So many of the newest stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// So many bytes of the newest bodies stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Keep {
    /// Reads a record's value. One that cannot be read keeps everything: what is gone does not come back.
    pub fn read(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap_or(Self { age_s: Some(0), count: Some(0), bytes: Some(0) })
    }

    /// Writes down what is wanted of a channel; nothing, if it says nothing.
    pub fn write(self, channel: &str) -> MetaOp {
        let key = keep_key(channel);
        if self == Self::default() { MetaOp::Remove(key) } else { MetaOp::Release(key, bytes(&self)) }
    }
}

/// What was counted of a log's bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// The log's life.
    pub epoch: String,
    /// The oldest message that was counted …
    pub first: Seq,
    /// … and the newest.
    pub upto: Seq,
    /// The bytes of all those bodies.
    pub bytes: u64,
    /// The newest message of the oldest hour that was counted by itself; `first - 1` if none was …
    pub front_upto: Seq,
    /// … and the bytes from the first up to it.
    pub front_bytes: u64,
}

impl Size {
    /// Of a log that ends at `head`, nothing was counted.
    pub fn none(head: &Head) -> Self {
        let before = head.first.saturating_sub(1);
        let epoch = head.epoch.0.to_string();
        Self { epoch, first: head.first, upto: before, bytes: 0, front_upto: before, front_bytes: 0 }
    }

    /// Reads a record's value, if it is of this log as it is kept now.
    pub fn read(value: &[u8], head: &Head) -> Option<Self> {
        let size: Self = serde_json::from_slice(value).ok()?;
        let same = *size.epoch == *head.epoch.0 && size.first == head.first && size.upto <= head.seq;
        same.then_some(size)
    }

    /// Writes it down.
    pub fn write(&self, channel: &str) -> MetaOp {
        MetaOp::Release(size_key(channel), bytes(self))
    }

    /// What is left when the messages below `first` are gone, whose bodies had so many bytes; `None` if not all of them
    /// had been counted.
    pub fn without(mut self, first: Seq, bytes: u64) -> Option<Self> {
        if first <= self.first {
            return Some(self);
        }
        if first > self.upto + 1 {
            return None;
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        self.first = first;
        if self.front_upto + 1 > first {
            self.front_bytes = self.front_bytes.saturating_sub(bytes);
        } else {
            (self.front_upto, self.front_bytes) = (first - 1, 0);
        }
        Some(self)
    }
}

/// Numbers and a text: there is nothing in them that could fail to be written.
fn bytes(record: &impl Serialize) -> Bytes {
    serde_json::to_vec(record).unwrap_or_default().into()
}

/// The key of how much is to be kept of a channel.
pub fn keep_key(channel: &str) -> String {
    format!("keep/{channel}")
}

/// The key of how much was counted of a channel.
pub fn size_key(channel: &str) -> String {
    format!("{SIZES}{channel}")
}

/// What the keys of those begin with; the channel follows.
pub const SIZES: &str = "size/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Epoch, Wall};

    fn head(first: Seq, seq: Seq) -> Head {
        Head { epoch: Epoch("e".into()), seq, first, at: Wall(0), hash: [0; 16], token: 1 }
    }

    #[test]
    fn what_is_to_be_kept_is_read_back_and_a_damaged_record_lets_nothing_go() {
        let keep = Keep { count: Some(7), ..Keep::default() };
        let MetaOp::Release(key, value) = keep.write("a") else { panic!("a put") };
        assert_eq!((key.as_str(), &value[..], Keep::read(&value)), ("keep/a", &br#"{"count":7}"#[..], keep));
        assert_eq!(Keep::default().write("a"), MetaOp::Remove("keep/a".into()));
        assert_eq!(Keep::read(b"nonsense"), Keep { age_s: Some(0), count: Some(0), bytes: Some(0) });
    }

    #[test]
    fn what_was_counted_holds_for_the_log_of_which_it_was_and_as_it_is_kept() {
        let size = Size { upto: 9, bytes: 70, front_upto: 5, front_bytes: 20, ..Size::none(&head(3, 12)) };
        let MetaOp::Release(key, value) = size.write("a") else { panic!("a put") };
        assert_eq!((key.as_str(), Size::read(&value, &head(3, 12))), ("size/a", Some(size.clone())));
        let other = Head { epoch: Epoch("f".into()), ..head(3, 12) };
        for head in [head(4, 12), head(3, 8), other] {
            assert_eq!(Size::read(&value, &head), None, "{head:?}");
        }
        assert_eq!(size.clone().without(2, 5), Some(size.clone()), "nothing is gone");
        let within = size.clone().without(5, 12).unwrap();
        assert_eq!((within.first, within.bytes, within.front_upto, within.front_bytes), (5, 58, 5, 8));
        let past = size.clone().without(6, 20).unwrap();
        assert_eq!((past.first, past.bytes, past.front_upto, past.front_bytes), (6, 50, 5, 0));
        assert_eq!(size.without(11, 80), None, "what was not counted is gone, too");
    }
}
