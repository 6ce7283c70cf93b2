//! Where it is kept among the small records who belongs to a channel and what its owners made of it, and what such a record
//! holds. Pure.
//!
//! A membership stands at `c/<channel>/<user>`, so that a channel finds its members; `m/<user>/<channel>` is empty and
//! says that it is there, so that a user's channels are found. Both are written and removed together. What outlasts a
//! membership (a role, a ban, an invitation) stands at `p/<channel>/<user>`, and `a/<user>/<channel>` is there, empty, if a
//! private channel is there for the user by that. What is said of the channel itself stands at `place/<channel>`; a
//! channel of which nothing special is said has neither.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::MetaOp;
use crate::model::{ChannelName, Role, Seq};

/// A membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Up to where the member has read.
    pub read: Seq,
}

impl Membership {
    /// Reads a record's value; `None` if it is not one.
    pub fn parse(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }

    /// Writes a member's read position down.
    pub fn write(channel: &ChannelName, user: &str, read: Seq) -> MetaOp {
        MetaOp::Put(member_key(channel.as_str(), user), bytes(&Self { read }))
    }

    /// Makes a member who has read up to `read`.
    pub fn begin(channel: &ChannelName, user: &str, read: Seq) -> [MetaOp; 2] {
        [Self::write(channel, user, read), MetaOp::Put(format!("{}{channel}", places_prefix(user)), Bytes::new())]
    }

    /// Ends a membership.
    pub fn end(channel: &str, user: &str) -> [MetaOp; 2] {
        let place = format!("{}{channel}", places_prefix(user));
        [MetaOp::Remove(member_key(channel, user)), MetaOp::Remove(place)]
    }
}

/// What a channel has made of a user, whether a member or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// What the user may do.
    pub role: Role,
    /// Whether the user is shut out.
    pub banned: bool,
    /// Whether the user was asked in.
    pub invited: bool,
}

impl Mark {
    /// Reads a record's value. One that cannot be read shuts its user out.
    pub fn read(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap_or(Self { role: Role::Member, banned: true, invited: false })
    }

    /// Whether it says nothing.
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }

    /// Whether a private channel is there for its user by this alone.
    pub fn asks(self) -> bool {
        !self.banned && (self.invited || matches!(self.role, Role::Owner | Role::Moderator))
    }

    /// Writes down what a channel makes of a user.
    pub fn write(self, channel: &ChannelName, user: &str) -> [MetaOp; 2] {
        let (key, asked) = (mark_key(channel.as_str(), user), asked_key(channel.as_str(), user));
        [
            if self.is_plain() { MetaOp::Remove(key) } else { MetaOp::Put(key, bytes(&self)) },
            if self.asks() { MetaOp::Put(asked, Bytes::new()) } else { MetaOp::Remove(asked) },
        ]
    }

    /// Has a channel make nothing of a user.
    pub fn end(channel: &str, user: &str) -> [MetaOp; 2] {
        [MetaOp::Remove(mark_key(channel, user)), MetaOp::Remove(asked_key(channel, user))]
    }
}

/// What is said of a channel as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Whether it is there for its members and those they invite alone.
    pub private: bool,
    /// What it is called, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It is being deleted: nobody is told that it was there, and what is left of it has yet to go.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ending: bool,
}

impl Place {
    /// Reads a record's value. One that cannot be read keeps strangers out.
    pub fn read(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap_or(Self { private: true, title: None, ending: false })
    }

    /// Writes down what is said of a channel.
    pub fn write(&self, channel: &ChannelName) -> MetaOp {
        MetaOp::Put(place_key(channel.as_str()), bytes(self))
    }

    /// Writes down that a channel is being deleted.
    pub fn end(self, channel: &ChannelName) -> MetaOp {
        MetaOp::Release(place_key(channel.as_str()), bytes(&Self { ending: true, ..self }))
    }
}

/// Flags, numbers and a text: there is nothing in them that could fail to be written.
fn bytes(record: &impl Serialize) -> Bytes {
    serde_json::to_vec(record).unwrap_or_default().into()
}

/// What the keys of a channel's memberships begin with; the user follows.
pub fn members_prefix(channel: &str) -> String {
    format!("c/{channel}/")
}

/// The key of one membership.
pub fn member_key(channel: &str, user: &str) -> String {
    format!("{}{user}", members_prefix(channel))
}

/// What the keys of a user's places begin with; the channel follows.
pub fn places_prefix(user: &str) -> String {
    format!("m/{user}/")
}

/// What the keys of a channel's marks begin with; the user follows.
pub fn marks_prefix(channel: &str) -> String {
    format!("p/{channel}/")
}

/// The key of one mark.
pub fn mark_key(channel: &str, user: &str) -> String {
    format!("{}{user}", marks_prefix(channel))
}

/// What the keys begin with of a user's channels that are there for the user though not a member; the channel follows.
pub fn asked_prefix(user: &str) -> String {
    format!("a/{user}/")
}

/// The key of one of those.
pub(crate) fn asked_key(channel: &str, user: &str) -> String {
    format!("{}{channel}", asked_prefix(user))
}

/// The key of what is said of a channel.
pub fn place_key(channel: &str) -> String {
    format!("place/{channel}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_begun_is_ended_and_can_be_read_between() {
        let channel = ChannelName::stored("a").unwrap();
        let begun = Membership::begin(&channel, "ann", 7);
        let MetaOp::Put(key, value) = &begun[0] else { panic!("a put") };
        assert_eq!((key.as_str(), Membership::parse(value).unwrap().read), ("c/a/ann", 7));
        let keys = |ops: &[MetaOp]| -> Vec<String> {
            let of = |op: &MetaOp| match op {
                MetaOp::Put(key, _) | MetaOp::Remove(key) => key.clone(),
                other => panic!("{other:?}"),
            };
            ops.iter().map(of).collect()
        };
        assert_eq!(keys(&begun), keys(&Membership::end("a", "ann")));
        assert_eq!(Membership::parse(b"nonsense"), None);
        assert_eq!(Membership::parse(br#"{"role":"member","read":3}"#), Some(Membership { read: 3 }), "of before");
    }

    #[test]
    fn a_mark_that_says_nothing_is_not_kept() {
        let channel = ChannelName::stored("a").unwrap();
        let ends = ["p/a/ann", "a/ann/a"].map(|key| MetaOp::Remove(key.into()));
        assert_eq!((Mark::default().write(&channel, "ann"), Mark::end("a", "ann")), (ends.clone(), ends.clone()));
        let mark = Mark { role: Role::Muted, banned: true, invited: false };
        let [MetaOp::Put(key, value), ended] = mark.write(&channel, "ann") else { panic!("a put") };
        assert_eq!((key.as_str(), Mark::read(&value), &ended), ("p/a/ann", mark, &ends[1]));
        let asked = |mark: Mark| mark.write(&channel, "ann")[1] == MetaOp::Put("a/ann/a".into(), Bytes::new());
        let owner = Mark { role: Role::Owner, ..Mark::default() };
        assert!(asked(owner) && asked(Mark { invited: true, ..Mark::default() }));
        assert!(!asked(Mark { banned: true, ..owner }));
        let place = Place { private: true, title: Some("A".into()), ending: false };
        let MetaOp::Put(key, value) = place.write(&channel) else { panic!("a put") };
        assert_eq!((key.as_str(), Place::read(&value)), ("place/a", place));
        assert!(Mark::read(b"nonsense").banned && Place::read(b"nonsense").private);
    }
}
