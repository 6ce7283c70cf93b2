//! Whose turn it is: a worker's connections do their work a few at a time, in the order in which they asked; but a turn
//! counts as asked for later if the connection had many of late.
//!
//! Otherwise a thousand connections that are always busy would each have their turn before one that has something to say
//! now and then. And the busiest is never put off by more than [`MOST`]: it may be hearing what all others say. Where few
//! are busy nobody waits, and the order costs next to nothing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Poll;

use crate::model::Moment;

/// How many connections have a turn before others that became ready meanwhile are looked at.
const AT_ONCE: usize = 16;
/// After how many milliseconds a turn counts half.
const HALF: u64 = 128;
/// What a turn counts at first: it puts the next one off by a millisecond.
const WHOLE: u32 = 1 << 16;
/// By how many milliseconds a turn is put off at most.
const MOST: u32 = 16;

/// A worker's order of turns.
#[derive(Default)]
pub(super) struct Turns {
    /// How many may begin at once, while nobody waits.
    left: Cell<usize>,
    /// Those who wait, by when their turns count as asked for, and of those the one who waits longest.
    waiting: RefCell<BTreeMap<(Moment, u64), Rc<dyn Seat>>>,
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

    fn queue(self: &Rc<Self>, asked: Moment, seat: Rc<dyn Seat>) {
        let count = self.count.get();
        self.count.set(count + 1);
        self.waiting.borrow_mut().insert((asked, count), seat);
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
    pub fn ask(&mut self, now: Moment, seat: impl FnOnce() -> Rc<dyn Seat>) {
        if self.stage == Stage::Rests {
            self.stage = Stage::Writes;
            self.queue(now, seat());
        }
    }

    /// It is its turn. Returns whether the task has to be woken, else there is but something to write.
    pub fn called(&mut self) -> bool {
        let task = self.stage == Stage::Waits;
        self.stage = if task { Stage::Called } else { Stage::Rests };
        task
    }

    /// Ready when it is the task's turn, which lasts until this is asked again.
    pub fn poll(&mut self, now: Moment, seat: impl FnOnce() -> Rc<dyn Seat>) -> Poll<()> {
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
                    self.queue(now, seat());
                    return Poll::Pending;
                }
                self.turns.left.set(left - 1);
                self.load.take(now);
            }
        }
        self.stage = Stage::Rests;
        Poll::Ready(())
    }

    fn queue(&mut self, now: Moment, seat: Rc<dyn Seat>) {
        let late = (self.load.take(now) / WHOLE).min(MOST);
        self.turns.queue(Moment(now.0 + u64::from(late)), seat);
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
    use super::*;

    /// A connection that counts the turns of its task, and those that it has only to write.
    struct Busy {
        turn: RefCell<Turn>,
        writes: Cell<usize>,
        tasks: Cell<usize>,
    }

    impl Busy {
        fn new(turns: &Rc<Turns>) -> Rc<Self> {
            Rc::new(Self { turn: RefCell::new(turns.enter()), writes: Cell::new(0), tasks: Cell::new(0) })
        }

        fn ask(self: &Rc<Self>, now: u64) {
            self.turn.borrow_mut().ask(Moment(now), || Rc::clone(self) as _);
        }

        fn poll(self: &Rc<Self>, now: u64) -> Poll<()> {
            self.turn.borrow_mut().poll(Moment(now), || Rc::clone(self) as _)
        }
    }

    impl Seat for Busy {
        fn called(&self) {
            let had = if self.turn.borrow_mut().called() { &self.tasks } else { &self.writes };
            had.set(had.get() + 1);
        }
    }

    /// Lets those who wait have so many turns. A millisecond is a hundred turns.
    fn deal(turns: &Turns, count: usize) {
        for _ in (0..count).step_by(AT_ONCE) {
            turns.deal();
        }
    }

    #[actix::test]
    async fn one_that_is_seldom_busy_waits_for_a_few_of_a_thousand_that_always_are() {
        let turns = Rc::new(Turns::default());
        let all: Vec<_> = (0..1000).map(|_| Busy::new(&turns)).collect();
        let quiet = Busy::new(&turns);
        let mut asked = 0;
        for now in 0..2000 {
            // Each of them asks a hundred times a second, and writes each time.
            all.iter().skip(now as usize % 10).step_by(10).for_each(|busy| busy.ask(now));
            if now % 500 == 499 {
                quiet.ask(now);
                asked += 1;
                deal(&turns, AT_ONCE);
                assert_eq!(quiet.writes.get(), asked, "at {now} ms, {} wait", turns.waiting.borrow().len());
            }
            deal(&turns, 90);
        }
        assert!(turns.waiting.borrow().len() > 500, "nobody had to wait");
    }

    #[actix::test]
    async fn one_that_was_the_busiest_by_far_waits_hardly_longer_than_all_others_when_they_become_busy() {
        let turns = Rc::new(Turns::default());
        let all: Vec<_> = (0..1000).map(|_| Busy::new(&turns)).collect();
        let hearer = Busy::new(&turns);
        let (mut had, mut since, mut longest) = (0, 0, 0);
        for now in 0..2000 {
            hearer.ask(now);
            if now > 500 {
                all.iter().for_each(|busy| busy.ask(now));
            }
            deal(&turns, 4 * AT_ONCE);
            if hearer.writes.get() > had {
                had = hearer.writes.get();
                since = now;
            }
            longest = longest.max(now - since);
        }
        let all_once = all.len() as u64 / (4 * AT_ONCE as u64);
        assert!((all_once..2 * (all_once + 16)).contains(&longest), "it waited for {longest} ms");
    }

    #[actix::test]
    async fn one_that_is_gone_while_it_waits_holds_nobody_up() {
        let turns = Rc::new(Turns::default());
        let mut all: Vec<_> = (0..3 * AT_ONCE).map(|_| Busy::new(&turns)).collect();
        let kept = all.split_off(2 * AT_ONCE);
        all.iter().chain(&kept).for_each(|busy| busy.ask(0));
        drop(all);
        deal(&turns, 3 * AT_ONCE);
        assert!(kept.iter().all(|busy| busy.writes.get() == 1));
    }

    #[actix::test]
    async fn whoever_waits_to_write_and_has_a_task_woken_meanwhile_has_one_turn_for_both() {
        let turns = Rc::new(Turns::default());
        let busy = Busy::new(&turns);
        busy.ask(0);
        busy.ask(0);
        assert!(busy.poll(0).is_pending());
        busy.ask(0);
        deal(&turns, 1);
        assert_eq!((busy.writes.get(), busy.tasks.get()), (0, 1));
        busy.ask(0);
        assert!(busy.poll(0).is_ready());
        busy.ask(0);
        deal(&turns, 1);
        assert_eq!((busy.writes.get(), busy.tasks.get(), turns.waiting.borrow().len()), (1, 1, 0));
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
