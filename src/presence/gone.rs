//! When those who went were last heard from: a bounded memory of the most recent ones, the rest being on disk, and how
//! the disk spells it.
//!
//! Pure: it neither reads nor writes the disk itself.

use std::collections::BTreeMap;

use crate::model::maps::HashMap;
use crate::model::{UserName, Wall};

/// Below this prefix the store keeps when each user was last heard from.
pub const LAST_SEEN_PREFIX: &str = "seen/";

/// The record that holds when `user` was last heard from.
pub fn last_seen_key(user: &UserName) -> String {
    format!("{LAST_SEEN_PREFIX}{user}")
}

/// What such a record holds: milliseconds since 1970 (UTC), as decimal text.
pub fn last_seen_text(at: Wall) -> String {
    at.0.to_string()
}

/// Reads such a record; `None` if it is damaged.
pub fn parse_last_seen(bytes: &[u8]) -> Option<Wall> {
    std::str::from_utf8(bytes).ok()?.parse().ok().map(Wall)
}

/// The most recent of those who went.
#[derive(Debug)]
pub struct Gone {
    max: usize,
    next: u64,
    users: HashMap<UserName, (u64, Wall)>,
    order: BTreeMap<u64, UserName>,
}

impl Gone {
    /// Remembers at most `max` users.
    pub fn new(max: usize) -> Self {
        Self { max, next: 0, users: HashMap::default(), order: BTreeMap::new() }
    }

    /// `user` went, and was last heard from then; who went longest ago makes room.
    pub fn insert(&mut self, user: UserName, at: Wall) {
        self.remove(&user);
        self.next += 1;
        self.order.insert(self.next, user.clone());
        self.users.insert(user, (self.next, at));
        if self.users.len() > self.max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.users.remove(&oldest);
        }
    }

    /// When `user` was last heard from, if it is remembered.
    pub fn get(&self, user: &UserName) -> Option<Wall> {
        self.users.get(user).map(|&(_, at)| at)
    }

    /// `user` is back.
    pub fn remove(&mut self, user: &UserName) -> Option<Wall> {
        let (number, at) = self.users.remove(user)?;
        self.order.remove(&number);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_the_most_recent_and_no_more() {
        let user = |n: i64| UserName::parse(&format!("u{n}")).unwrap();
        let mut gone = Gone::new(3);
        for n in 0..5 {
            gone.insert(user(n), Wall(n));
        }
        gone.insert(user(2), Wall(9));
        gone.insert(user(6), Wall(6));
        let kept: Vec<_> = (0..7).map(|n| gone.get(&user(n)).map(|at| at.0)).collect();
        assert_eq!(kept, [None, None, Some(9), None, Some(4), None, Some(6)]);
        assert_eq!(gone.order.len(), 3);
    }

    #[test]
    fn a_last_seen_record_reads_back_and_damage_is_no_time() {
        let ann = UserName::parse("ann").unwrap();
        assert_eq!(last_seen_key(&ann), "seen/ann");
        let at = Wall(1_795_341_600_007);
        assert_eq!(parse_last_seen(last_seen_text(at).as_bytes()), Some(at));
        for damaged in [&b""[..], b"x", b"1.5", b"\xff"] {
            assert_eq!(parse_last_seen(damaged), None);
        }
    }
}
