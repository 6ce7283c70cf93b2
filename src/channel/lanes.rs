//! Keeps one session's joins, leaves and publishes in order, and their answers too. Pure.
//!
//! Publishes follow each other without waiting; a join or a leave waits until everything before it is done, and so does
//! what comes after it. An answer that is there before that of an earlier command waits for it: a duplicate's receipt is
//! known at once, but the publish before it may still be on its way to disk. Sessions do not wait for each other.

use std::collections::VecDeque;
use std::hash::Hash;

use crate::model::maps::HashMap;
use crate::planted::{Bug, planted};

/// Whether a command may run beside those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gait {
    /// Beside others of its sort.
    Together,
    /// Alone.
    Alone,
}

#[derive(Debug)]
struct Held<C> {
    ticket: u64,
    gait: Gait,
    command: C,
}

#[derive(Debug)]
struct Lane<C, R> {
    /// Tickets in order, each with its answer once that is there.
    running: VecDeque<(u64, Option<R>)>,
    alone: bool,
    held: VecDeque<Held<C>>,
}

/// Lanes by whose commands run in them.
#[derive(Debug)]
pub(super) struct Lanes<K, C, R>(HashMap<K, Lane<C, R>>);

impl<K: Eq + Hash + Clone, C, R> Lanes<K, C, R> {
    pub fn new() -> Self {
        Self(HashMap::default())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the command back if it may run now; else holds it.
    pub fn enter(&mut self, key: &K, ticket: u64, gait: Gait, command: C) -> Option<C> {
        let empty = || Lane { running: VecDeque::new(), alone: false, held: VecDeque::new() };
        let lane = self.0.entry(key.clone()).or_insert_with(empty);
        if lane.held.is_empty() && lane.admits(gait) {
            lane.start(ticket, gait);
            Some(command)
        } else {
            lane.held.push_back(Held { ticket, gait, command });
            None
        }
    }

    /// A running command must have no company until it is done (a publish whose key is being looked for).
    pub fn slow(&mut self, key: &K) {
        if let Some(lane) = self.0.get_mut(key) {
            lane.alone = true;
        }
    }

    /// The slow command goes on like any other.
    pub fn quicken(&mut self, key: &K) {
        if let Some(lane) = self.0.get_mut(key) {
            lane.alone = false;
        }
    }

    /// A running command has its answer. Returns the answers that can go out now, in order.
    pub fn settle(&mut self, key: &K, ticket: u64, answer: R) -> Vec<R> {
        let Some(lane) = self.0.get_mut(key) else { return vec![answer] };
        let Some(place) = lane.running.iter_mut().find(|(running, _)| *running == ticket) else { return vec![answer] };
        if planted(Bug::ReceiptsOvertake) {
            lane.running.retain(|(running, _)| *running != ticket);
            lane.alone &= !lane.running.is_empty();
            return vec![answer];
        }
        place.1 = Some(answer);
        let mut ready = Vec::new();
        while lane.running.front().is_some_and(|(_, answer)| answer.is_some()) {
            ready.extend(lane.running.pop_front().and_then(|(_, answer)| answer));
        }
        if lane.running.is_empty() {
            lane.alone = false;
            if lane.held.is_empty() {
                self.0.remove(key);
            }
        }
        ready
    }

    /// The next held command that may run now; it counts as running.
    pub fn next(&mut self, key: &K) -> Option<C> {
        let lane = self.0.get_mut(key)?;
        let (ticket, gait) = lane.held.front().map(|held| (held.ticket, held.gait))?;
        if !lane.admits(gait) {
            return None;
        }
        lane.start(ticket, gait);
        lane.held.pop_front().map(|held| held.command)
    }
}

impl<C, R> Lane<C, R> {
    fn admits(&self, gait: Gait) -> bool {
        !self.alone && (gait == Gait::Together || self.running.is_empty())
    }

    fn start(&mut self, ticket: u64, gait: Gait) {
        self.running.push_back((ticket, None));
        self.alone = gait == Gait::Alone;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Commands enter and end in any order that the lanes allow. The naive model wants that they start, and are
        /// answered, in the order in which they entered, and that one that runs alone overlaps with nothing.
        #[test]
        fn commands_start_and_are_answered_in_order(steps in proptest::collection::vec((0u8..4, any::<usize>()), 1..100)) {
            let mut lanes: Lanes<u8, (u64, Gait), u64> = Lanes::new();
            let (mut count, mut running, mut started, mut answered) = (0, Vec::new(), Vec::new(), Vec::new());
            for (step, which) in steps {
                let mut begun = Vec::new();
                match step {
                    0 | 1 => {
                        let gait = if step == 0 { Gait::Together } else { Gait::Alone };
                        begun.extend(lanes.enter(&1, count, gait, (count, gait)));
                        count += 1;
                    }
                    _ if !running.is_empty() => {
                        let (ticket, _) = running.remove(which % running.len());
                        answered.extend(lanes.settle(&1, ticket, ticket));
                    }
                    _ => {}
                }
                while let Some(next) = lanes.next(&1) {
                    begun.push(next);
                }
                for command in begun {
                    started.push(command.0);
                    running.push(command);
                }
                let alone = running.iter().any(|(_, gait)| *gait == Gait::Alone);
                prop_assert!(!alone || running.len() == 1);
            }
            while let Some((ticket, _)) = running.pop() {
                answered.extend(lanes.settle(&1, ticket, ticket));
                while let Some(next) = lanes.next(&1) {
                    started.push(next.0);
                    running.push(next);
                }
            }
            prop_assert!(lanes.is_empty());
            prop_assert_eq!(&started, &(0..count).collect::<Vec<_>>());
            prop_assert_eq!(&answered, &started);
        }
    }

    #[test]
    fn a_slow_publish_holds_those_behind_it() {
        let mut lanes: Lanes<u8, char, ()> = Lanes::new();
        assert!(lanes.enter(&1, 1, Gait::Together, 'a').is_some());
        lanes.slow(&1);
        assert!(lanes.enter(&1, 2, Gait::Together, 'b').is_none());
        assert!(lanes.enter(&2, 1, Gait::Together, 'c').is_some());
        lanes.quicken(&1);
        assert_eq!(lanes.next(&1), Some('b'));
    }
}
