//! Catches what a handler throws, and rebuilds the actor's state from a factory.
//!
//! After a panic the state is dropped and never reused: it may be half changed. The actor's address and its queue
//! stay, so that no sender has to learn anything. (actix's own `Supervisor` does not restart an actor that panicked.)

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::{Envelope, Probe};
use crate::clock;
use crate::model::Moment;

/// How often an actor may be rebuilt.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// At most this many times …
    pub restarts: usize,
    /// … within this time.
    pub within: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { restarts: 5, within: Duration::from_secs(60) }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    /// Over budget: messages are dropped until the budget allows another life.
    Down,
}

/// Opens an envelope and has `handle` deal with its message. Returns whether it did; if not, it panicked, and what it
/// worked on must not be used again.
pub fn attempt<M>(probe: &Probe, name: &str, envelope: Envelope<M>, handle: impl FnOnce(M)) -> bool {
    let (message, sent) = envelope.open();
    let begun = clock::stamp();
    let worked = endure(probe, name, || handle(message));
    probe.handled(sent, begun.duration_since(sent), begun.elapsed());
    worked
}

fn endure(probe: &Probe, name: &str, act: impl FnOnce()) -> bool {
    let worked = catch_unwind(AssertUnwindSafe(act)).is_ok();
    if !worked {
        probe.panicked();
        log::error!("{} {name} panicked; its state is dropped", probe.kind());
    }
    worked
}

/// Holds an actor's state `S` and rebuilds it when a handler panics.
pub struct Keeper<S> {
    state: S,
    factory: Box<dyn Fn() -> S>,
    probe: Arc<Probe>,
    name: String,
    budget: Budget,
    past: VecDeque<Moment>,
    mood: Mood,
}

impl<S> Keeper<S> {
    /// Builds the first state. `name` stands in logs.
    pub fn new(name: String, probe: Arc<Probe>, budget: Budget, factory: impl Fn() -> S + 'static) -> Self {
        probe.started();
        Self {
            state: factory(),
            factory: Box::new(factory),
            probe,
            name,
            budget,
            past: VecDeque::new(),
            mood: Mood::Well,
        }
    }

    /// The state, for what cannot fail.
    pub fn state(&mut self) -> &mut S {
        &mut self.state
    }

    /// The probe that counts this actor.
    pub fn probe(&self) -> &Arc<Probe> {
        &self.probe
    }

    /// Whether the budget is spent: the actor does nothing until it recovers.
    pub fn is_down(&self) -> bool {
        self.mood == Mood::Down
    }

    /// Opens an envelope and has `handle` deal with its message. Returns whether the state was rebuilt: the actor then
    /// starts again as on its first day.
    pub fn receive<M>(&mut self, envelope: Envelope<M>, handle: impl FnOnce(&mut S, M)) -> bool {
        if self.mood == Mood::Down {
            return self.rebuild();
        }
        let state = &mut self.state;
        let worked = attempt(&self.probe, &self.name, envelope, |message| handle(state, message));
        !worked && self.rebuild()
    }

    /// Has `act` work on the state, such as a timer's tick. Returns whether the state was rebuilt; where that ends a
    /// rest, `act` was not called.
    pub fn run(&mut self, act: impl FnOnce(&mut S)) -> bool {
        if self.mood == Mood::Down {
            // A new life begins before anything is handled in it.
            return self.rebuild();
        }
        let state = &mut self.state;
        !endure(&self.probe, &self.name, || act(state)) && self.rebuild()
    }

    /// Makes a new state if the budget allows.
    fn rebuild(&mut self) -> bool {
        let now = clock::moment();
        while self.past.front().is_some_and(|&then| now.since(then) >= self.budget.within) {
            self.past.pop_front();
        }
        if self.past.len() >= self.budget.restarts {
            if self.mood == Mood::Well {
                log::error!("{} {} is over its restart budget and rests", self.probe.kind(), self.name);
            }
            self.fall(Mood::Down);
            return false;
        }
        self.past.push_back(now);
        self.probe.restarted();
        self.state = (self.factory)();
        self.fall(Mood::Well);
        true
    }

    fn fall(&mut self, mood: Mood) {
        match (std::mem::replace(&mut self.mood, mood), mood) {
            (Mood::Well, Mood::Down) => self.probe.rested(1),
            (Mood::Down, Mood::Well) => self.probe.rested(-1),
            _ => {}
        }
    }
}

impl<S> Drop for Keeper<S> {
    fn drop(&mut self) {
        self.fall(Mood::Well);
        self.probe.stopped();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(restarts: usize) -> Keeper<u32> {
        let budget = Budget { restarts, within: Duration::from_secs(3600) };
        Keeper::new("it".into(), Arc::new(Probe::new("test")), budget, || 0)
    }

    #[test]
    fn a_panic_drops_the_state_and_builds_a_new_one() {
        let mut kept = keeper(3);
        assert!(!kept.run(|n| *n = 7));
        assert!(kept.run(|n| {
            *n = 8;
            panic!("on purpose");
        }));
        assert_eq!(*kept.state(), 0);
        let seen = kept.probe().snapshot();
        assert_eq!((seen.panics, seen.restarts, seen.live), (1, 1, 1));
    }

    #[test]
    fn over_its_budget_an_actor_rests_and_touches_nothing() {
        let mut kept = keeper(1);
        kept.run(|_| panic!("first"));
        assert!(!kept.run(|_| panic!("second")));
        assert!(kept.is_down());
        assert!(!kept.run(|n| *n = 9));
        assert_ne!(*kept.state(), 9);
    }
}
