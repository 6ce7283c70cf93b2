//! Where memberships are kept among the small records, and what such a record holds. Pure.
//!
//! A membership stands at `c/<channel>/<user>`, so that a channel finds its members; `m/<user>/<channel>` is empty and
//! says that it is there, so that a user's channels are found. Both are written and removed together.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::MetaOp;
use crate::model::{ChannelName, Seq};

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What everyone may.
    Member,
}

/// A membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// What the member may do.
    pub role: Role,
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
        // A role and a number: there is nothing in it that could fail to be written.
        let value = serde_json::to_vec(&Self { role: Role::Member, read }).unwrap_or_default();
        MetaOp::Put(member_key(channel.as_str(), user), value.into())
    }

    /// Makes a member who has read nothing yet.
    pub fn begin(channel: &ChannelName, user: &str) -> Vec<MetaOp> {
        vec![Self::write(channel, user, 0), MetaOp::Put(format!("{}{channel}", places_prefix(user)), Bytes::new())]
    }

    /// Ends a membership.
    pub fn end(channel: &str, user: &str) -> [MetaOp; 2] {
        let place = format!("{}{channel}", places_prefix(user));
        [MetaOp::Remove(member_key(channel, user)), MetaOp::Remove(place)]
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_begun_is_ended_and_can_be_read_between() {
        let channel = ChannelName::stored("a").unwrap();
        let begun = Membership::begin(&channel, "ann");
        let MetaOp::Put(key, value) = &begun[0] else { panic!("a put") };
        assert_eq!((key.as_str(), Membership::parse(value).unwrap().read), ("c/a/ann", 0));
        let keys = |ops: &[MetaOp]| -> Vec<String> {
            let of = |op: &MetaOp| match op {
                MetaOp::Put(key, _) | MetaOp::Remove(key) => key.clone(),
                other => panic!("{other:?}"),
            };
            ops.iter().map(of).collect()
        };
        assert_eq!(keys(&begun), keys(&Membership::end("a", "ann")));
        assert_eq!(Membership::parse(b"nonsense"), None);
    }
}
