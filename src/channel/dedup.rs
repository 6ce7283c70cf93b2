//! Which keys the newest messages carry. Pure.

use std::collections::VecDeque;

use crate::model::maps::HashMap;
use crate::model::{Key, Seq, UserName, Wall};
use crate::planted::{Bug, planted};

/// A message that used a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub seq: Seq,
    pub at: Wall,
}

/// Where a key has still to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It made this message.
    Used(Used),
    /// It was never used, as far as is promised.
    New,
    /// It may be among these messages of the log, first and last.
    Search(Seq, Seq),
    /// The search would be longer than allowed.
    TooFar,
}

/// The keys of the newest `reach` messages.
#[derive(Debug)]
pub(super) struct Keys {
    by_key: HashMap<(UserName, Key), Used>,
    in_order: VecDeque<(Seq, UserName, Key)>,
    reach: u64,
    /// Every key of a message at or above this place is known.
    from: Seq,
    head: Seq,
}

impl Keys {
    /// No keys yet: the log's messages up to `head` have still to be [`note`](Self::note)d, from `from` on.
    pub fn new(reach: usize, from: Seq) -> Self {
        let reach = reach.max(1) as u64;
        Self { by_key: HashMap::default(), in_order: VecDeque::new(), reach, from, head: from.saturating_sub(1) }
    }

    /// Takes note of the next message.
    pub fn note(&mut self, seq: Seq, at: Wall, from: &UserName, key: Option<&Key>) {
        self.head = seq;
        if let Some(key) = key {
            self.by_key.insert((from.clone(), key.clone()), Used { seq, at });
            self.in_order.push_back((seq, from.clone(), key.clone()));
        }
        self.from = self.from.max((seq + 1).saturating_sub(self.reach));
        while self.in_order.front().is_some_and(|(old, ..)| *old < self.from) {
            if let Some((old, user, key)) = self.in_order.pop_front() {
                let entry = (user, key);
                if self.by_key.get(&entry).is_some_and(|used| used.seq == old) {
                    self.by_key.remove(&entry);
                }
            }
        }
    }

    /// Whether `user` has used `key`. With `base`, among all messages after it, of which no more than `scan` may be
    /// passed; without, among the newest `reach` (promise 5). `first` is the oldest message kept.
    pub fn look(&self, user: &UserName, key: &Key, base: Option<Seq>, scan: u64, first: Seq) -> Verdict {
        // The borrowed pair would need an allocation-free key type; publishes with a key are not that many.
        if let Some(&used) = self.by_key.get(&(user.clone(), key.clone())) {
            return Verdict::Used(used);
        }
        let Some(base) = base else { return Verdict::New };
        if self.head.saturating_sub(base) > scan {
            return Verdict::TooFar;
        }
        let from = (base + 1).max(first);
        if from >= self.from || planted(Bug::SearchStopsEarly) {
            Verdict::New
        } else {
            Verdict::Search(from, self.from - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(n: u8) -> UserName {
        UserName::parse(&format!("u{n}")).unwrap()
    }

    fn key(n: u8) -> Key {
        Key::new(&format!("k{n}")).unwrap()
    }

    proptest! {
        #[test]
        fn a_key_is_found_wherever_the_promise_says(
            uses in proptest::collection::vec((0u8..3, proptest::option::of(0u8..6)), 0..40),
            reach in 1usize..12, base in proptest::option::of(0u64..45), scan in 1u64..50, who in 0u8..3, which in 0u8..6,
        ) {
            let mut keys = Keys::new(reach, 1);
            let mut log: Vec<(Seq, u8, Option<u8>)> = Vec::new();
            for (n, (u, k)) in uses.iter().enumerate() {
                let seq = n as Seq + 1;
                // A key makes one message only: the naive model skips what the channel would refuse.
                let k = k.filter(|k| !log.iter().any(|&(_, lu, lk)| lu == *u && lk == Some(*k)));
                keys.note(seq, Wall(seq as i64), &user(*u), k.map(key).as_ref());
                log.push((seq, *u, k));
            }
            let head = log.len() as Seq;
            let used = log.iter().find(|&&(_, u, k)| u == who && k == Some(which)).map(|&(seq, ..)| seq);
            match keys.look(&user(who), &key(which), base, scan, 1) {
                Verdict::Used(found) => prop_assert_eq!(Some(found.seq), used),
                Verdict::New => {
                    let promised = base.unwrap_or_else(|| head.saturating_sub(reach as u64));
                    prop_assert!(used.is_none_or(|seq| seq <= promised));
                }
                Verdict::Search(from, to) => {
                    let base = base.unwrap();
                    prop_assert_eq!(from, base + 1);
                    prop_assert!(used.is_none_or(|seq| seq <= to));
                    prop_assert!(to <= head && head - base <= scan);
                }
                Verdict::TooFar => prop_assert!(head - base.unwrap() > scan),
            }
        }
    }
}
