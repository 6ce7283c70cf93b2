//! A timing wheel: which keys are due, without looking at those that are not.
//!
//! Time is cut into ticks, and the ticks are laid around a ring of slots. A key sits in the slot of its deadline, or in
//! the last one that the ring reaches. Moving a deadline later, which is what every heartbeat does, only notes the new
//! one: the key is moved when its old slot comes up. So `schedule` and `cancel` are O(1), and `advance` touches the
//! slots that have passed (each at most once, however long the pause was) and what lies in them.
//!
//! It promises exactness: `advance(now)` gives precisely the keys whose deadlines are `<= now`, each once, in no
//! particular order. It reads no clock.

use std::hash::Hash;
use std::time::Duration;

use crate::model::Moment;
use crate::model::maps::HashMap;

/// Keys of type `K` with a deadline each.
#[derive(Debug)]
pub struct Wheel<K> {
    /// Milliseconds to a tick, at least 1.
    tick: u64,
    slots: Vec<Vec<Mark<K>>>,
    keys: HashMap<K, Place>,
    /// The latest moment that `advance` was told.
    now: Moment,
    /// Numbers the marks, so that one left behind by `cancel` or by an earlier deadline is recognised.
    next: u64,
}

/// What lies in a slot.
#[derive(Debug)]
struct Mark<K> {
    key: K,
    number: u64,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    deadline: Moment,
    /// The tick in whose slot its mark lies; never after the deadline's.
    tick: u64,
    /// Its mark's number.
    mark: u64,
}

impl<K: Clone + Eq + Hash> Wheel<K> {
    /// A wheel for deadlines that mostly lie up to `horizon` ahead of `now`. Longer ones are right too, and cost one
    /// visit more for each turn of the ring.
    pub fn new(horizon: Duration, now: Moment) -> Self {
        const SLOTS: u64 = 512;
        let tick = (horizon.as_millis() as u64 / (SLOTS / 2)).max(1);
        Self { tick, slots: (0..SLOTS).map(|_| Vec::new()).collect(), keys: HashMap::default(), now, next: 0 }
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key has one.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Gives `key` this deadline, in place of any that it had. One in the past is due at the next `advance`.
    pub fn schedule(&mut self, key: K, deadline: Moment) {
        let wanted = deadline.0 / self.tick;
        if let Some(place) = self.keys.get_mut(&key)
            && place.tick <= wanted
        {
            place.deadline = deadline;
            return;
        }
        self.place(key, deadline);
    }

    /// Takes `key` out; returns whether it was in.
    pub fn cancel(&mut self, key: &K) -> bool {
        self.keys.remove(key).is_some()
    }

    /// Takes out and returns every key whose deadline is `<= now`. Time does not go back: an earlier `now` counts as
    /// the latest one.
    pub fn advance(&mut self, now: Moment) -> Vec<K> {
        let from = self.now.0 / self.tick;
        self.now = self.now.max(now);
        let to = self.now.0 / self.tick;
        let ring = self.slots.len() as u64;
        let mut due = Vec::new();
        for tick in from..=to.min(from.saturating_add(ring - 1)) {
            let at = self.slot(tick);
            for mark in std::mem::take(&mut self.slots[at]) {
                let Some(place) = self.keys.get(&mark.key).filter(|place| place.mark == mark.number) else {
                    continue;
                };
                if place.deadline <= self.now {
                    self.keys.remove(&mark.key);
                    due.push(mark.key);
                } else {
                    let deadline = place.deadline;
                    self.place(mark.key, deadline);
                }
            }
        }
        due
    }

    /// Puts a fresh mark into the slot of `deadline`, or into the nearest one that the ring reaches.
    fn place(&mut self, key: K, deadline: Moment) {
        let first = self.now.0 / self.tick;
        let last = first.saturating_add(self.slots.len() as u64 - 1);
        let tick = (deadline.0 / self.tick).clamp(first, last);
        self.next += 1;
        let at = self.slot(tick);
        self.slots[at].push(Mark { key: key.clone(), number: self.next });
        self.keys.insert(key, Place { deadline, tick, mark: self.next });
    }

    fn slot(&self, tick: u64) -> usize {
        (tick % self.slots.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Schedule(u8, u64),
        Cancel(u8),
        Advance(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        // Deadlines and pauses from nothing to hours, most of them short.
        let span = prop_oneof![6 => 0..2_000u64, 3 => 0..120_000u64, 1 => 0..20_000_000u64];
        prop_oneof![
            5 => (any::<u8>(), span.clone()).prop_map(|(key, ahead)| Op::Schedule(key, ahead)),
            1 => any::<u8>().prop_map(Op::Cancel),
            3 => span.prop_map(Op::Advance),
        ]
    }

    proptest! {
        #[test]
        fn the_wheel_gives_what_a_plain_map_gives(
            horizon in 1..100_000u64,
            start in 0..10_000_000u64,
            ops in prop::collection::vec(op(), 1..300),
        ) {
            let mut now = Moment(start);
            let mut wheel = Wheel::new(Duration::from_millis(horizon), now);
            let mut plain: BTreeMap<u8, Moment> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Schedule(key, ahead) => {
                        // Some lie in the past.
                        let deadline = Moment((now.0 + ahead).saturating_sub(500));
                        wheel.schedule(key, deadline);
                        plain.insert(key, deadline);
                    }
                    Op::Cancel(key) => prop_assert_eq!(wheel.cancel(&key), plain.remove(&key).is_some()),
                    Op::Advance(by) => {
                        now = Moment(now.0 + by);
                        let mut due = wheel.advance(now);
                        due.sort_unstable();
                        let wanted: Vec<u8> = plain.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
                        plain.retain(|_, at| *at > now);
                        prop_assert_eq!(due, wanted);
                    }
                }
                prop_assert_eq!(wheel.len(), plain.len());
            }
        }
    }

    #[test]
    fn a_pause_of_hours_gives_everything_due_at_once() {
        let mut wheel = Wheel::new(Duration::from_secs(60), Moment(0));
        for key in 0..1_000u64 {
            wheel.schedule(key, Moment(key * 37));
        }
        wheel.schedule(5_000, Moment(40_000_000));
        let mut due = wheel.advance(Moment(36_000_000));
        due.sort_unstable();
        assert_eq!(due, (0..1_000).collect::<Vec<_>>());
        assert_eq!(wheel.advance(Moment(39_999_999)), Vec::<u64>::new());
        assert_eq!(wheel.advance(Moment(40_000_000)), [5_000]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn heartbeats_leave_no_marks_behind() {
        let mut wheel = Wheel::new(Duration::from_secs(60), Moment(0));
        for beat in 0..10_000u64 {
            wheel.schedule("ann", Moment(beat * 25_000 + 60_000));
            assert!(wheel.advance(Moment(beat * 25_000)).is_empty());
        }
        assert_eq!(wheel.slots.iter().map(Vec::len).sum::<usize>(), 1);
    }

    #[test]
    fn time_that_goes_back_changes_nothing() {
        let mut wheel = Wheel::new(Duration::from_secs(1), Moment(5_000));
        wheel.schedule(1, Moment(5_100));
        assert!(wheel.advance(Moment(10)).is_empty());
        assert_eq!(wheel.advance(Moment(5_100)), [1]);
    }
}
