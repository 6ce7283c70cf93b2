//! Where a replay begins. Pure.

use crate::model::{Cursor, Epoch, Seq};
use crate::planted::{Bug, planted};

/// A first visit shows the current hour, or this many if it has fewer (protocol, promise 4) …
pub(super) const FIRST_MIN: u64 = 20;
/// … and at most this many.
pub(super) const FIRST_MAX: u64 = 50;

/// A log as far as it is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<'a> {
    pub epoch: &'a Epoch,
    pub first: Seq,
    pub head: Seq,
}

/// The verdict: the first message to send, and whether something before it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replay {
    pub next: Seq,
    pub gap: bool,
}

impl Kept<'_> {
    /// The newest `n` that are kept, but no more than `most`.
    pub fn tail(&self, n: u64, most: u64) -> Replay {
        let from = (self.head + 1).saturating_sub(n.min(most));
        Replay { next: from.max(self.first), gap: false }
    }

    /// Everything after `cursor`, or the newest `most` with a gap if part of it cannot be given (promise 3).
    pub fn since(&self, cursor: &Cursor, most: u64) -> Replay {
        let whole = cursor.epoch == *self.epoch
            && cursor.seq <= self.head
            && cursor.seq + 1 >= self.first
            && self.head - cursor.seq <= most;
        if whole {
            let skipped = u64::from(planted(Bug::ReplayOffByOne) && cursor.seq + 1 < self.head);
            Replay { next: cursor.seq + 1 + skipped, gap: false }
        } else {
            Replay { gap: !planted(Bug::GapUntold), ..self.tail(most, most) }
        }
    }

    /// What a first visit shows, when `in_hour` of the newest are of the current hour.
    pub fn first_visit(&self, in_hour: u64) -> Replay {
        self.tail(in_hour.clamp(FIRST_MIN, FIRST_MAX), FIRST_MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn epoch(name: &str) -> Epoch {
        Epoch(name.into())
    }

    #[test]
    fn an_empty_log_replays_nothing() {
        let here = epoch("e");
        let empty = Kept { epoch: &here, first: 1, head: 0 };
        let cursor = Cursor { epoch: epoch("e"), seq: 0 };
        assert_eq!(empty.since(&cursor, 10), Replay { next: 1, gap: false });
        assert_eq!(empty.tail(5, 10), Replay { next: 1, gap: false });
        assert_eq!(empty.first_visit(0), Replay { next: 1, gap: false });
    }

    #[test]
    fn a_first_visit_shows_the_hour_within_its_bounds() {
        let here = epoch("e");
        let kept = Kept { epoch: &here, first: 1, head: 100 };
        for (in_hour, shown) in [(0, 20), (20, 20), (33, 33), (50, 50), (51, 50)] {
            assert_eq!(kept.head + 1 - kept.first_visit(in_hour).next, shown);
        }
    }

    proptest! {
        #[test]
        fn a_replay_is_exactly_what_follows_the_cursor_or_says_that_it_is_not(
            first in 1u64..30, kept in 0u64..30, seq in 0u64..80, most in 1u64..40, same in any::<bool>(),
        ) {
            let here = epoch("e");
            let log = Kept { epoch: &here, first, head: first + kept - 1 };
            let cursor = Cursor { epoch: epoch(if same { "e" } else { "old" }), seq };
            let got = log.since(&cursor, most);
            // The naive model: the places that the client lacks.
            let lacks: Vec<Seq> = (seq + 1..=log.head).collect();
            let given: Vec<Seq> = (got.next..=log.head).collect();
            if got.gap {
                prop_assert!(!same || seq > log.head || seq + 1 < first || lacks.len() as u64 > most);
                prop_assert_eq!(given.len() as u64, most.min(kept));
            } else {
                prop_assert_eq!(given, lacks);
            }
            prop_assert!(got.next >= first && got.next <= log.head + 1);
        }
    }
}
