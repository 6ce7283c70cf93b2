//! Where a subscription begins: what a `joined` says, against the join that it answers.
//!
//! - `replay-count`: `replay` is not what lies between `next` and `head`, or the places cannot be.
//! - `resume-gap`: `gap` is false and something is left out, or it is true and nothing had to be.
//! - `resume-next`: the replay does not begin where it has to.
//! - `tail`: not the newest that were asked for.
//! - `stands`: joining again without `since` and `tail` does not go on where it stood.
//! - `first-visit`: a first visit gives more than 50 messages, or fewer than 20 though there are.

use serde_json::Value;

use super::Terms;
use super::frame::{flag, number, text};

/// What a `joined` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin<'h> {
    pub epoch: &'h str,
    pub head: u64,
    pub first: u64,
    pub next: u64,
    pub replay: u64,
    pub gap: bool,
}

impl<'h> Begin<'h> {
    /// Reads a `joined`.
    pub fn read(frame: &'h Value) -> Option<Self> {
        let count = |name| number(frame, name);
        let (head, first, next) = (count("head")?, count("first")?, count("next")?);
        let (epoch, replay, gap) = (text(frame, "epoch")?, count("replay")?, flag(frame, "gap"));
        Some(Self { epoch, head, first, next, replay, gap })
    }

    /// Whether its places can be at all.
    pub fn is_possible(&self) -> bool {
        let bounds = self.first <= self.head + 1 && self.first <= self.next && self.next <= self.head + 1;
        bounds && self.replay == (self.head + 1).saturating_sub(self.next)
    }

    /// The newest `n` that are kept.
    fn newest(&self, n: u64) -> u64 {
        (self.head + 1).saturating_sub(n).max(self.first)
    }
}

/// Where the session stood, as far as that can be known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stood {
    /// It heard the channel, and this was next.
    At(u64),
    /// It did not hear it.
    Nowhere,
    /// Either.
    Unknown(u64),
}

/// What is wrong with where it begins.
pub(super) fn fault(join: &Value, begin: &Begin<'_>, stood: Stood, terms: &Terms) -> Option<&'static str> {
    if let Some(since) = join.get("since").filter(|since| !since.is_null()) {
        let (epoch, seq) = (text(since, "epoch")?, number(since, "seq")?);
        let whole = epoch == begin.epoch && seq <= begin.head && seq + 1 >= begin.first;
        let whole = whole && begin.head - seq <= terms.replay_max;
        return match (begin.gap, whole) {
            (true, true) | (false, false) => Some("resume-gap"),
            (true, false) => (begin.next != begin.newest(terms.replay_max)).then_some("resume-next"),
            (false, true) => (begin.next != seq + 1).then_some("resume-next"),
        };
    }
    if begin.gap {
        return Some("resume-gap");
    }
    if let Some(tail) = number(join, "tail") {
        let right = [tail, tail.min(terms.replay_max)].map(|n| begin.newest(n)).contains(&begin.next);
        return (!right).then_some("tail");
    }
    let goes_on = |next: u64| begin.next == next;
    let first_visit = begin.next <= begin.newest(20) && begin.next >= begin.newest(50);
    match stood {
        Stood::At(next) => (!goes_on(next)).then_some("stands"),
        Stood::Nowhere => (!first_visit).then_some("first-visit"),
        // Where it stood may have moved on, too.
        Stood::Unknown(next) => (!first_visit && begin.next < next).then_some("stands"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checker::sample::terms;

    fn begin(first: u64, head: u64, next: u64, gap: bool) -> Begin<'static> {
        Begin { epoch: "e", head, first, next, replay: (head + 1).saturating_sub(next), gap }
    }

    fn of(join: &Value, begin: &Begin<'_>, stood: Stood) -> Option<&'static str> {
        fault(join, begin, stood, &terms())
    }

    #[test]
    fn a_cursor_is_resumed_exactly_or_with_a_gap_where_it_has_to_be() {
        let since = |epoch: &str, seq: u64| json!({"since": {"epoch": epoch, "seq": seq}});
        let most = terms().replay_max;
        let good = [
            (since("e", 3), begin(1, 9, 4, false)),
            (since("e", 9), begin(1, 9, 10, false)),
            (since("e", 4), begin(5, 9, 5, false)),
            (since("old", 3), begin(1, 9, 1, true)),
            (since("e", 10), begin(1, 9, 1, true)),
            (since("e", 3), begin(5, 9, 5, true)),
            (since("e", 0), begin(1, most + 5, 6, true)),
        ];
        for (join, begin) in good {
            assert_eq!(of(&join, &begin, Stood::Nowhere), None, "{join} {begin:?}");
        }
        let bad = [
            (since("e", 3), begin(1, 9, 5, false), "resume-next"),
            (since("e", 3), begin(1, 9, 1, true), "resume-gap"),
            (since("old", 3), begin(1, 9, 4, false), "resume-gap"),
            (since("e", 10), begin(1, 9, 10, false), "resume-gap"),
            (since("e", 3), begin(5, 9, 5, false), "resume-gap"),
            (since("e", 0), begin(1, most + 1, 1, false), "resume-gap"),
            (since("old", 3), begin(1, 9, 8, true), "resume-next"),
        ];
        for (join, begin, rule) in bad {
            assert_eq!(of(&join, &begin, Stood::Nowhere), Some(rule), "{join} {begin:?}");
        }
    }

    #[test]
    fn tails_first_visits_and_going_on_are_told_apart() {
        let (tail, plain) = (json!({"tail": 3}), json!({}));
        assert_eq!(of(&tail, &begin(1, 9, 7, false), Stood::Nowhere), None);
        assert_eq!(of(&tail, &begin(8, 9, 8, false), Stood::Nowhere), None);
        assert_eq!(of(&tail, &begin(1, 9, 6, false), Stood::Nowhere), Some("tail"));
        for (next, rule) in [(81, None), (51, None), (50, Some("first-visit")), (82, Some("first-visit"))] {
            assert_eq!(of(&plain, &begin(1, 100, next, false), Stood::Nowhere), rule, "{next}");
        }
        assert_eq!(of(&plain, &begin(1, 5, 1, false), Stood::Nowhere), None);
        assert_eq!(of(&plain, &begin(1, 100, 98, false), Stood::At(98)), None);
        assert_eq!(of(&plain, &begin(1, 100, 101, false), Stood::At(98)), Some("stands"));
        assert_eq!(of(&plain, &begin(1, 100, 101, false), Stood::Unknown(98)), None);
        assert_eq!(of(&plain, &begin(1, 100, 51, true), Stood::Nowhere), Some("resume-gap"));
    }

    #[test]
    fn places_that_cannot_be_are_found() {
        assert!(begin(1, 0, 1, false).is_possible() && begin(5, 9, 10, false).is_possible());
        assert!(!begin(5, 9, 4, false).is_possible() && !begin(1, 9, 11, false).is_possible());
        assert!(!Begin { replay: 2, ..begin(1, 9, 9, false) }.is_possible());
    }
}
