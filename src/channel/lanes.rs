//! Keeps one session's joins, leaves and publishes in order. Pure.
//!
//! Publishes follow each other without waiting; a join or a leave waits until everything before it is done, and so does
//! what comes after it. Sessions do not wait for each other.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Whether a command may run beside those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gait {
    /// Beside others of its sort.
    Together,
    /// Alone.
    Alone,
}

#[derive(Debug)]
struct Lane<C> {
    running: usize,
    alone: bool,
    held: VecDeque<(Gait, C)>,
}

/// Lanes by whose commands run in them.
#[derive(Debug)]
pub(super) struct Lanes<K, C>(HashMap<K, Lane<C>>);

impl<K: Eq + Hash + Clone, C> Lanes<K, C> {
    pub fn new() -> Self {
        Self(HashMap::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the command back if it may run now, and counts it as running; else holds it.
    pub fn enter(&mut self, key: &K, gait: Gait, command: C) -> Option<C> {
        let lane =
            self.0.entry(key.clone()).or_insert_with(|| Lane { running: 0, alone: false, held: VecDeque::new() });
        if lane.held.is_empty() && lane.admits(gait) {
            lane.start(gait);
            Some(command)
        } else {
            lane.held.push_back((gait, command));
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

    /// A running command is done.
    pub fn leave(&mut self, key: &K) {
        if let Some(lane) = self.0.get_mut(key) {
            lane.running = lane.running.saturating_sub(1);
            if lane.running == 0 {
                lane.alone = false;
            }
        }
        self.tidy(key);
    }

    /// The next held command that may run now; it counts as running.
    pub fn next(&mut self, key: &K) -> Option<C> {
        let lane = self.0.get_mut(key)?;
        let gait = lane.held.front()?.0;
        if !lane.admits(gait) {
            return None;
        }
        lane.start(gait);
        lane.held.pop_front().map(|(_, command)| command)
    }

    fn tidy(&mut self, key: &K) {
        if self.0.get(key).is_some_and(|lane| lane.running == 0 && lane.held.is_empty()) {
            self.0.remove(key);
        }
    }
}

impl<C> Lane<C> {
    fn admits(&self, gait: Gait) -> bool {
        !self.alone && (gait == Gait::Together || self.running == 0)
    }

    fn start(&mut self, gait: Gait) {
        self.running += 1;
        self.alone = gait == Gait::Alone;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Commands enter and end in any order that the lanes allow; what the naive model wants is that they start in
        /// the order in which they entered, and that one that runs alone overlaps with nothing.
        #[test]
        fn commands_start_in_order_and_alone_means_alone(steps in proptest::collection::vec(0u8..4, 1..100)) {
            let mut lanes: Lanes<u8, (usize, Gait)> = Lanes::new();
            let (mut count, mut running, mut started) = (0, Vec::new(), Vec::new());
            for step in steps {
                let mut begun = Vec::new();
                match step {
                    0 | 1 => {
                        let gait = if step == 0 { Gait::Together } else { Gait::Alone };
                        begun.extend(lanes.enter(&1, gait, (count, gait)));
                        count += 1;
                    }
                    _ if !running.is_empty() => {
                        running.remove(0);
                        lanes.leave(&1);
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
            while !running.is_empty() {
                running.remove(0);
                lanes.leave(&1);
                while let Some(next) = lanes.next(&1) {
                    started.push(next.0);
                    running.push(next);
                }
            }
            prop_assert!(lanes.is_empty());
            prop_assert_eq!(started, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_slow_publish_holds_those_behind_it() {
        let mut lanes = Lanes::new();
        assert!(lanes.enter(&1, Gait::Together, 'a').is_some());
        lanes.slow(&1);
        assert!(lanes.enter(&1, Gait::Together, 'b').is_none());
        assert!(lanes.enter(&2, Gait::Together, 'c').is_some());
        lanes.quicken(&1);
        assert_eq!(lanes.next(&1), Some('b'));
    }
}
