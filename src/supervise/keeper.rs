//! Catches what a handler throws, and rebuilds the actor's state from a factory.
//!
//! After a panic the state is dropped and never reused: it may be half changed. The actor's address and its queue
//! stay, so that no sender has to learn anything. (actix's own `Supervisor` does not restart an actor that panicked.)

use std::collections::VecDeque;
use std::time::Duration;

use log::Level;

use super::panics::{Panic, caught};
use super::say::say;
use super::{Envelope, Life, Named, Vitals};
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

/// Opens an envelope and has `handle` deal with its message. Returns whether it did; if not, it panicked, and what it
/// worked on must not be used again.
pub fn attempt<M: Named>(vitals: &Vitals, envelope: Envelope<M>, handle: impl FnOnce(M)) -> bool {
    let index = envelope.message().index();
    let (message, sent) = envelope.open();
    let begun = vitals.probe().now();
    let done = caught(|| handle(message));
    vitals.handled::<M>(index, sent, begun);
    done.map_err(|panic| vitals.broke(&vitals.probe().message(vitals.probe().kind().first::<M>() + index), &panic))
        .is_ok()
}

/// Does `act`, which is no message. Returns whether it did; if not, it panicked.
pub fn endure(vitals: &Vitals, what: &str, act: impl FnOnce()) -> bool {
    let begun = vitals.probe().now();
    let done = caught(act);
    let now = vitals.probe().now();
    vitals.took(Duration::from_nanos(now.saturating_sub(begun)), now, || what.to_owned());
    done.map_err(|panic| vitals.broke(what, &panic)).is_ok()
}

/// Holds an actor's state `S` and rebuilds it when a handler panics.
pub struct Keeper<S> {
    state: S,
    factory: Box<dyn Fn() -> S>,
    life: Life,
    budget: Budget,
    past: VecDeque<Moment>,
}

impl<S> Keeper<S> {
    /// Builds the first state of an actor whose life begins.
    pub fn new(life: Life, budget: Budget, factory: impl Fn() -> S + 'static) -> Self {
        Self { state: factory(), factory: Box::new(factory), life, budget, past: VecDeque::new() }
    }

    /// The state, for what cannot fail.
    pub fn state(&mut self) -> &mut S {
        &mut self.state
    }

    /// What the actor shows.
    pub fn vitals(&self) -> &Vitals {
        self.life.vitals()
    }

    /// When the actor ends, it will be for this.
    pub fn ends(&mut self, how: impl Named) {
        self.life.ends(how);
    }

    /// Whether the budget is spent: the actor does nothing until it recovers.
    pub fn is_down(&self) -> bool {
        self.vitals().rests()
    }

    /// Opens an envelope and has `handle` deal with its message. Returns whether the state was rebuilt: the actor then
    /// starts again as on its first day.
    pub fn receive<M: Named>(&mut self, envelope: Envelope<M>, handle: impl FnOnce(&mut S, M)) -> bool {
        if self.is_down() {
            return self.rebuild();
        }
        let state = &mut self.state;
        let worked = attempt(self.life.vitals(), envelope, |message| handle(state, message));
        !worked && self.rebuild()
    }

    /// Has `act` work on the state, such as a timer's tick; the log calls it `what`. Returns whether the state was rebuilt;
    /// where that ends a rest, `act` was not called.
    pub fn run(&mut self, what: &str, act: impl FnOnce(&mut S)) -> bool {
        if self.is_down() {
            // A new life begins before anything is handled in it.
            return self.rebuild();
        }
        let state = &mut self.state;
        !endure(self.life.vitals(), what, || act(state)) && self.rebuild()
    }

    /// Something that the actor does beside its state panicked. Returns whether the state was rebuilt.
    pub fn broke(&mut self, what: &str, panic: &Panic) -> bool {
        self.vitals().broke(what, panic);
        self.rebuild()
    }

    /// Ends a rest, if the budget allows. Returns whether the state was rebuilt.
    pub fn recover(&mut self) -> bool {
        self.is_down() && self.rebuild()
    }

    /// Makes a new state if the budget allows.
    fn rebuild(&mut self) -> bool {
        let now = clock::moment();
        while self.past.front().is_some_and(|&then| now.since(then) >= self.budget.within) {
            self.past.pop_front();
        }
        while self.past.len() < self.budget.restarts {
            self.past.push_back(now);
            match caught(|| (self.factory)()) {
                Ok(state) => {
                    self.state = state;
                    self.vitals().probe().restarted();
                    self.vitals().rest(false);
                    return true;
                }
                Err(panic) => self.vitals().broke("its new life", &panic),
            }
        }
        if self.vitals().rest(true) {
            let (kind, name) = (self.vitals().probe().kind().name, self.vitals().name());
            say(Level::Error, module_path!(), (kind, name), format_args!("is over its restart budget and rests"));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::supervise::{Kind, Lasting, Probes};

    static KIND: Kind = Kind { name: "test", messages: &[], endings: Lasting::NAMES };

    fn keeper(restarts: usize, factory: impl Fn() -> u32 + 'static) -> Keeper<u32> {
        let budget = Budget { restarts, within: Duration::from_secs(3600) };
        Keeper::new(Life::begin(&Probes::default().of(&KIND), "it".into()), budget, factory)
    }

    #[test]
    fn a_panic_drops_the_state_and_builds_a_new_one() {
        let mut kept = keeper(3, || 0);
        assert!(!kept.run("a tick", |n| *n = 7));
        assert!(kept.run("a tick", |n| {
            *n = 8;
            panic!("on purpose");
        }));
        assert_eq!(*kept.state(), 0);
        let seen = kept.vitals().probe().snapshot();
        assert_eq!((seen.panics, seen.restarts, seen.live), (1, 1, 1));
    }

    #[test]
    fn over_its_budget_an_actor_rests_and_touches_nothing_and_is_named() {
        let mut kept = keeper(1, || 0);
        kept.run("a tick", |_| panic!("first"));
        assert!(!kept.run("a tick", |_| panic!("second")));
        assert!(kept.is_down());
        assert!(!kept.run("a tick", |n| *n = 9) && !kept.recover());
        assert_ne!(*kept.state(), 9);
        let probe = kept.vitals().probe().clone();
        assert_eq!((probe.resting(9), probe.snapshot().resting), (vec!["it".to_owned()], 1));
        drop(kept);
        assert_eq!((probe.resting(9), probe.snapshot().resting), (vec![], 0));
    }

    #[test]
    fn a_rest_ends_when_the_budget_allows_it() {
        let mut kept = keeper(1, || 0);
        kept.budget.within = Duration::ZERO;
        kept.past.push_back(clock::moment());
        kept.vitals().rest(true);
        assert!(kept.recover() && !kept.is_down() && !kept.recover());
    }

    #[test]
    fn a_state_that_cannot_be_built_costs_the_budget_and_no_more() {
        let fails = Rc::new(Cell::new(0));
        let left = Rc::clone(&fails);
        let mut kept = keeper(4, move || {
            left.set(left.get() - 1);
            assert!(left.get() < 0, "not yet");
            7
        });
        fails.set(3);
        assert!(kept.run("a tick", |_| panic!("on purpose")));
        assert_eq!((*kept.state(), kept.vitals().probe().snapshot().panics), (7, 4));
        fails.set(99);
        assert!(!kept.run("a tick", |_| panic!("on purpose")));
        assert!(kept.is_down());
    }
}
