//! Whose turn it is: a worker's connections do their work a few at a time, and those first that had the fewest turns of
//! late.
//!
//! Otherwise a thousand connections that are always busy would each have their turn before one that has something to say
//! now and then. Where few are busy nobody waits, and the order costs next to nothing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Poll;

use crate::clock;
use crate::model::Moment;

/// How many connections have a turn before others that became ready meanwhile are looked at.
const AT_ONCE: usize = 16;
/// After how many milliseconds a turn counts half.
const HALF: u64 = 128;
/// What a turn counts at first.
const WHOLE: u32 = 1 << 16;

/// A worker's order of turns.
#[derive(Default)]
pub(super) struct Turns {
    /// How many may begin at once, while nobody waits.
    left: Cell<usize>,
    /// Those who wait: the least busy first, and of those the one who waits longest.
    waiting: RefCell<BTreeMap<(u32, u64), Rc<dyn Seat>>>,
    /// How many ever waited.
    count: Cell<u64>,
    /// Whether somebody gives turns to those who wait.
    dealing: Cell<bool>,
}

/// A connection that waits for its turn.
pub trait Seat {
    /// It is its turn: asks [`Turn::called`] what to do.
    fn called(&self);
}

/// One connection's place in that order.
pub struct Turn {
    turns: Rc<Turns>,
    load: Load,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has to ask for its next turn.
    Rests,
    /// It waits, only to write.
    Writes,
    /// Its task waits.
    Waits,
    /// Its task was given a turn, and has to begin.
    Called,
}

impl Turns {
    /// A place for one more connection.
    pub fn enter(self: &Rc<Self>) -> Turn {
        Turn { turns: Rc::clone(self), load: Load::default(), stage: Stage::Rests }
    }

    fn queue(self: &Rc<Self>, load: u32, seat: Rc<dyn Seat>) {
        let count = self.count.get();
        self.count.set(count + 1);
        self.waiting.borrow_mut().insert((load, count), seat);
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
        let mut called = 0;
        while called < AT_ONCE {
            let next = self.waiting.borrow_mut().pop_first();
            let Some((_, next)) = next else { break };
            next.called();
            called += 1;
        }
        self.left.set(AT_ONCE - called);
        called > 0
    }
}

impl Turn {
    /// Has the connection called when it is its turn to write.
    pub fn ask(&mut self, seat: impl FnOnce() -> Rc<dyn Seat>) {
        if self.stage == Stage::Rests {
            self.stage = Stage::Writes;
            self.queue(seat());
        }
    }

    /// It is its turn. Returns whether the task has to be woken, else there is but something to write.
    pub fn called(&mut self) -> bool {
        let task = self.stage == Stage::Waits;
        self.stage = if task { Stage::Called } else { Stage::Rests };
        task
    }

    /// Ready when it is the task's turn, which lasts until this is asked again.
    pub fn poll(&mut self, seat: impl FnOnce() -> Rc<dyn Seat>) -> Poll<()> {
        match self.stage {
            Stage::Waits => return Poll::Pending,
            Stage::Writes => {
                self.stage = Stage::Waits;
                return Poll::Pending;
            }
            Stage::Called => {}
            Stage::Rests => {
                let left = self.turns.left.get();
                if left == 0 || !self.turns.waiting.borrow().is_empty() {
                    self.stage = Stage::Waits;
                    self.queue(seat());
                    return Poll::Pending;
                }
                self.turns.left.set(left - 1);
                self.load.take(clock::moment());
            }
        }
        self.stage = Stage::Rests;
        Poll::Ready(())
    }

    fn queue(&mut self, seat: Rc<dyn Seat>) {
        let load = self.load.take(clock::moment());
        self.turns.queue(load, seat);
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
    use std::task::Waker;

    use super::*;

    /// A connection that counts the turns that it has to write, and has a task.
    struct Busy {
        turn: RefCell<Turn>,
        writes: Cell<usize>,
        waker: RefCell<Option<Waker>>,
    }

    impl Busy {
        fn new(turns: &Rc<Turns>) -> Rc<Self> {
            Rc::new(Self { turn: RefCell::new(turns.enter()), writes: Cell::new(0), waker: RefCell::default() })
        }

        fn ask(self: &Rc<Self>) {
            self.turn.borrow_mut().ask(|| Rc::clone(self) as _);
        }

        /// A turn for its task.
        async fn turn(self: &Rc<Self>) {
            poll_fn(|ctx| {
                *self.waker.borrow_mut() = Some(ctx.waker().clone());
                self.turn.borrow_mut().poll(|| Rc::clone(self) as _)
            })
            .await;
        }
    }

    impl Seat for Busy {
        fn called(&self) {
            if self.turn.borrow_mut().called() {
                self.waker.borrow_mut().take().unwrap().wake();
            } else {
                self.writes.set(self.writes.get() + 1);
            }
        }
    }

    /// One that has turns all the time, until it is stopped, and counts them.
    async fn be_busy(busy: Rc<Busy>, had: Rc<Cell<usize>>, stop: Rc<Cell<bool>>) {
        while !stop.get() {
            busy.turn().await;
            had.set(had.get() + 1);
        }
    }

    #[actix::test]
    async fn one_that_is_seldom_busy_waits_for_a_few_of_a_thousand_that_always_are() {
        let (turns, stop) = (Rc::new(Turns::default()), Rc::new(Cell::new(false)));
        let all: Vec<Rc<Cell<usize>>> = (0..1000).map(|_| Rc::default()).collect();
        let busy = |had| actix::spawn(be_busy(Busy::new(&turns), Rc::clone(had), Rc::clone(&stop)));
        let busy: Vec<_> = all.iter().map(busy).collect();
        let had = || all.iter().map(|had| had.get()).sum::<usize>();
        let quiet = Busy::new(&turns);
        for round in 0..20 {
            let before = had();
            while had() < before + 2000 {
                tokio::task::yield_now().await;
            }
            let asked = had();
            if round % 2 == 0 {
                quiet.turn().await;
            } else {
                let wrote = quiet.writes.get();
                quiet.ask();
                while quiet.writes.get() == wrote {
                    tokio::task::yield_now().await;
                }
            }
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
        let mut all: Vec<_> = (0..3 * AT_ONCE).map(|_| Busy::new(&turns)).collect();
        let kept = all.split_off(2 * AT_ONCE);
        all.iter().chain(&kept).for_each(Busy::ask);
        drop(all);
        for busy in &kept {
            busy.turn().await;
        }
    }

    #[actix::test]
    async fn whoever_waits_to_write_and_has_a_task_woken_meanwhile_has_one_turn_for_both() {
        let turns = Rc::new(Turns::default());
        let busy = Busy::new(&turns);
        busy.ask();
        busy.ask();
        busy.turn().await;
        assert_eq!(busy.writes.get(), 0);
        busy.ask();
        busy.ask();
        while busy.writes.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((busy.writes.get(), turns.waiting.borrow().len()), (1, 0));
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
