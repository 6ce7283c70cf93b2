//! The events that keep one order: where they stand, and when they are tried again. Pure.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::step::{Event, Number};
use crate::model::{Cursor, Moment, Wall, jittered};

/// The first wait is at most this long.
const BASE: Duration = Duration::from_millis(500);
/// No wait is longer,
const CAP: Duration = Duration::from_secs(300);
/// unless the endpoint asked for it, but for no more than this.
const LONGEST: Duration = Duration::from_secs(3600);

/// What a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    Idle,
    /// It waits for its turn.
    Ready,
    /// Something is read or sent for it.
    Busy,
    /// It waits for the time to try again.
    Waiting,
}

/// When to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Retry {
    tries: u32,
    since: Option<Moment>,
}

impl Retry {
    /// Another request failed; returns how long to wait. `gone`: the longest wait at once. `after`: not before this.
    pub fn failed(&mut self, now: Moment, gone: bool, after: Option<Duration>, dice: u64) -> Duration {
        self.since.get_or_insert(now);
        let wait = jittered(BASE, CAP, if gone { u32::MAX } else { self.tries }, dice);
        self.tries = self.tries.saturating_add(1);
        after.map_or(wait, |after| after.min(LONGEST) + wait.min(BASE))
    }

    /// Whether requests have failed for so long, and none was taken.
    pub fn is_long(&self, now: Moment, most: Duration) -> bool {
        self.since.is_some_and(|since| now.since(since) >= most)
    }
}

/// One order.
#[derive(Debug)]
pub(super) struct Lane {
    pub turn: Turn,
    /// Up to where the channel's log is done with, if that is known.
    pub cursor: Option<Cursor>,
    /// Where the log stands, as far as it was heard.
    head: Option<Cursor>,
    /// Whether the log has to be looked at.
    pub look: bool,
    /// Whether that was begun.
    pub looking: bool,
    /// Messages of an earlier log that will not be told.
    lost: u64,
    /// What waits in the queue.
    pub queued: BTreeSet<Number>,
    /// What was read and is being told.
    pub page: VecDeque<Event>,
    pub retry: Retry,
    /// When the oldest that waits happened, as far as it is known.
    pub since: Wall,
}

impl Lane {
    /// One in which nothing has happened before `now`.
    pub fn new(now: Wall) -> Self {
        Self {
            turn: Turn::Idle,
            cursor: None,
            head: None,
            look: false,
            looking: false,
            lost: 0,
            queued: BTreeSet::new(),
            page: VecDeque::new(),
            retry: Retry::default(),
            since: now,
        }
    }

    /// The log stands here, or has to be looked at.
    pub fn moved(&mut self, stand: Option<Cursor>) {
        let Some(stand) = stand else {
            self.look = true;
            return;
        };
        if self.cursor.as_ref().is_some_and(|cursor| cursor.epoch == stand.epoch) {
            let seq = self.head.as_ref().filter(|head| head.epoch == stand.epoch).map_or(0, |head| head.seq);
            self.head = Some(Cursor { seq: stand.seq.max(seq), ..stand });
        } else {
            self.lost += self.in_log();
            (self.look, self.head) = (true, Some(stand));
        }
    }

    /// The log as it was read: everything after `at` up to `head`. Returns how many messages of an earlier one are lost;
    /// if it is `anew`, with those that were still to be told.
    pub fn read(&mut self, at: Cursor, head: Cursor, anew: bool) -> u64 {
        let lost = self.lost + if anew { self.in_log() } else { 0 };
        self.lost = 0;
        let later = self.head.take().filter(|known| known.epoch == head.epoch && known.seq > head.seq);
        self.head = Some(later.unwrap_or(head));
        self.cursor = Some(at);
        if anew { lost } else { 0 }
    }

    /// The channel is no more. Returns how many messages are lost.
    pub fn gone(&mut self) -> u64 {
        let lost = self.lost + self.in_log();
        (self.lost, self.cursor, self.head) = (0, None, None);
        lost
    }

    /// How many messages of the log are still to be told, as far as it is known.
    fn in_log(&self) -> u64 {
        match (&self.cursor, &self.head) {
            (Some(cursor), Some(head)) if cursor.epoch == head.epoch => head.seq.saturating_sub(cursor.seq),
            _ => 0,
        }
    }

    /// Whether something follows in the log, or may.
    pub fn is_behind(&self) -> bool {
        self.look || self.in_log() > 0
    }

    /// Whether there is nothing to tell.
    pub fn is_done(&self) -> bool {
        !self.is_behind() && self.queued.is_empty() && self.page.is_empty()
    }

    /// How many events wait.
    pub fn waiting(&self) -> u64 {
        self.in_log().max(u64::from(self.look)) + self.queued.len() as u64
    }

    /// Gives up the oldest messages above `most`. Returns how many.
    pub fn overflow(&mut self, most: u64) -> u64 {
        let over = self.in_log().saturating_sub(most);
        if let Some(cursor) = self.cursor.as_mut().filter(|_| over > 0) {
            cursor.seq += over;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Epoch;

    fn cursor(epoch: &str, seq: u64) -> Cursor {
        Cursor { epoch: Epoch(epoch.into()), seq }
    }

    proptest! {
        #[test]
        fn a_wait_grows_to_the_cap_and_is_never_shorter_than_was_asked(
            fails in prop::collection::vec((any::<bool>(), prop::option::of(0u64..10_000_000), any::<u64>()), 1..30),
        ) {
            let mut retry = Retry::default();
            for (tries, (gone, after, dice)) in fails.into_iter().enumerate() {
                let after = after.map(Duration::from_millis);
                let wait = retry.failed(Moment(tries as u64), gone, after, dice);
                let doubled = BASE * 2u32.pow((tries as u32).min(10));
                let most = if gone { CAP } else { doubled.min(CAP) };
                match after {
                    None => prop_assert!(wait <= most),
                    Some(after) => prop_assert!(wait >= after.min(LONGEST) && wait <= after.min(LONGEST) + BASE),
                }
            }
        }
    }

    #[test]
    fn how_long_it_failed_is_counted_from_the_first_time() {
        let mut retry = Retry::default();
        assert!(!retry.is_long(Moment(9), Duration::ZERO));
        retry.failed(Moment(5), false, None, 0);
        retry.failed(Moment(9), false, None, 0);
        assert!(retry.is_long(Moment(15), Duration::from_millis(10)));
        assert!(!retry.is_long(Moment(14), Duration::from_millis(10)));
    }

    #[test]
    fn what_a_log_lost_is_counted_when_another_one_takes_its_place() {
        let mut lane = Lane::new(Wall(0));
        assert_eq!(lane.read(cursor("a", 3), cursor("a", 10), false), 0);
        assert_eq!((lane.waiting(), lane.overflow(5), lane.waiting()), (7, 2, 5));
        lane.moved(Some(cursor("b", 4)));
        assert!(lane.look, "where it goes on is not known");
        lane.look = false;
        assert_eq!(lane.read(cursor("b", 0), cursor("b", 4), true), 5);
        lane.moved(Some(cursor("b", 6)));
        assert_eq!((lane.waiting(), lane.gone(), lane.waiting()), (6, 6, 0));
    }
}
