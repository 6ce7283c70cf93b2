//! Whose turn it is: a worker's connections do their work a few at a time, and those first that had the fewest turns of
//! late.
//!
//! Otherwise a thousand connections that are always busy would each have their turn before one that has something to say
//! now and then. Where few are busy nobody waits, and the order costs next to nothing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::clock;
use crate::model::Moment;

/// How many connections have a turn before others that became ready meanwhile are looked at.
const AT_ONCE: usize = 16;
/// After how many milliseconds a turn counts half.
const HALF: u64 = 128;
/// What a turn counts at first.
const WHOLE: u32 = 1 << 16;

/// A worker's order of turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// How many may begin at once, while nobody waits.
    left: Cell<usize>,
    /// Those who wait: the least busy first, and of those the one who waits longest.
    waiting: RefCell<BTreeMap<(u32, u64), Waiting>>,
    /// How many ever waited.
    count: Cell<u64>,
    /// Whether somebody gives turns to those who wait.
    dealing: Cell<bool>,
}

#[derive(Debug)]
struct Waiting {
    stage: Rc<Cell<Stage>>,
    waker: Waker,
}

/// One connection's place in that order.
#[derive(Debug)]
pub struct Turn {
    turns: Rc<Turns>,
    load: Load,
    stage: Rc<Cell<Stage>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has to ask for its next turn.
    Rests,
    Waits,
    /// It was given a turn, and has to begin.
    Called,
}

impl Turns {
    /// A place for one more connection.
    pub fn enter(self: &Rc<Self>) -> Turn {
        Turn { turns: Rc::clone(self), load: Load::default(), stage: Rc::new(Cell::new(Stage::Rests)) }
    }

    fn queue(self: &Rc<Self>, load: u32, waiting: Waiting) {
        let count = self.count.get();
        self.count.set(count + 1);
        self.waiting.borrow_mut().insert((load, count), waiting);
        if !self.dealing.replace(true) {
            let turns = Rc::clone(self);
            tokio::task::spawn_local(async move {
                while turns.deal() {
                    tokio::task::yield_now().await;
                }
                turns.dealing.set(false);
            });
        }
    }

    /// Calls the next ones. Returns whether there were any.
    fn deal(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let mut called = 0;
        while called < AT_ONCE
            && let Some((_, next)) = waiting.pop_first()
        {
            next.stage.set(Stage::Called);
            next.waker.wake();
            called += 1;
        }
        self.left.set(AT_ONCE - called);
        called > 0
    }
}

impl Turn {
    /// Wakes the connection when it is its turn. What it waits for then is in [`Turn::poll`].
    pub fn ask(&mut self, waker: &Waker) {
        if self.stage.get() == Stage::Rests && self.begin(waker) {
            self.stage.set(Stage::Called);
            waker.wake_by_ref();
        }
    }

    /// Ready when it is the connection's turn, which lasts until this is asked again.
    pub fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let begins = match self.stage.get() {
            Stage::Waits => false,
            Stage::Called => true,
            Stage::Rests => self.begin(ctx.waker()),
        };
        if !begins {
            return Poll::Pending;
        }
        self.stage.set(Stage::Rests);
        Poll::Ready(())
    }

    /// Begins a turn, or begins to wait for it.
    fn begin(&mut self, waker: &Waker) -> bool {
        let load = self.load.take(clock::moment());
        let left = self.turns.left.get();
        let now = left > 0 && self.turns.waiting.borrow().is_empty();
        if now {
            self.turns.left.set(left - 1);
        } else {
            self.stage.set(Stage::Waits);
            let (stage, waker) = (Rc::clone(&self.stage), waker.clone());
            self.turns.queue(load, Waiting { stage, waker });
        }
        now
    }
}

/// How many turns a connection had of late.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    turns: u32,
    /// As of when, in halves.
    half: u64,
}

impl Load {
    /// How many they are now; there will be one more.
    fn take(&mut self, now: Moment) -> u32 {
        let half = now.0 / HALF;
        let past = half.saturating_sub(self.half).min(u64::from(u32::BITS - 1));
        let load = self.turns >> past;
        *self = Self { turns: load.saturating_add(WHOLE), half };
        load
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// One that has turns all the time, until it is stopped, and counts them.
    async fn be_busy(mut turn: Turn, had: Rc<Cell<usize>>, stop: Rc<Cell<bool>>) {
        while !stop.get() {
            poll_fn(|ctx| turn.poll(ctx)).await;
            had.set(had.get() + 1);
        }
    }

    #[actix::test]
    async fn one_that_is_seldom_busy_waits_for_a_few_of_a_thousand_that_always_are() {
        let (turns, stop) = (Rc::new(Turns::default()), Rc::new(Cell::new(false)));
        let all: Vec<Rc<Cell<usize>>> = (0..1000).map(|_| Rc::default()).collect();
        let busy: Vec<_> =
            all.iter().map(|had| actix::spawn(be_busy(turns.enter(), Rc::clone(had), Rc::clone(&stop)))).collect();
        let had = || all.iter().map(|had| had.get()).sum::<usize>();
        let mut quiet = turns.enter();
        for _ in 0..20 {
            let before = had();
            while had() < before + 2000 {
                tokio::task::yield_now().await;
            }
            let asked = had();
            poll_fn(|ctx| quiet.poll(ctx)).await;
            let waited = had() - asked;
            assert!(waited <= 4 * AT_ONCE, "{waited} were before it");
        }
        let least = all.iter().map(|had| had.get()).min();
        assert!(least > Some(10), "one had {least:?} turns");
        stop.set(true);
        for one in busy {
            one.await.unwrap();
        }
    }

    #[actix::test]
    async fn one_that_is_gone_while_it_waits_holds_nobody_up() {
        let turns = Rc::new(Turns::default());
        let mut all: Vec<Turn> = (0..3 * AT_ONCE).map(|_| turns.enter()).collect();
        let mut kept = all.split_off(2 * AT_ONCE);
        poll_fn(|ctx| {
            for turn in all.iter_mut().chain(&mut kept) {
                let _ = turn.poll(ctx);
            }
            Poll::Ready(())
        })
        .await;
        drop(all);
        for turn in &mut kept {
            poll_fn(|ctx| turn.poll(ctx)).await;
        }
    }

    #[test]
    fn a_turn_counts_half_after_a_while_and_nothing_in_the_end() {
        let mut load = Load::default();
        assert_eq!(load.take(Moment(0)), 0);
        assert_eq!(load.take(Moment(0)), WHOLE);
        assert_eq!(load.take(Moment(HALF)), WHOLE);
        assert_eq!(load.take(Moment(HALF * 3)), WHOLE / 2);
        assert_eq!(load.take(Moment(HALF * 100)), 0);
    }
}
