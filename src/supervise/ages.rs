//! What waits, counted by when it was sent: how old the oldest is, whoever it waits for. Pure.
//!
//! A thousand mailboxes that are emptied all the time do not hide one that is not: its messages stay in the count of
//! their time. Asking costs the same however many mailboxes there are.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// How long the times are that are told apart, in nanoseconds: a tenth of a second …
const TICK: u64 = 100_000_000;
/// … and how many of them, until one is used again: 102 s.
const TICKS: usize = 1024;

/// The counts. Times are nanoseconds since a moment of the caller's.
#[derive(Debug)]
pub(super) struct Ages {
    /// By the time's number: in which round it was used last, and how many wait that were sent in it.
    ticks: Box<[AtomicU64]>,
    /// How many wait that were sent in times that were used again since.
    past: AtomicI64,
    /// The oldest time of those, since there were none of them.
    since: AtomicU64,
}

/// Round and count of one time.
fn split(cell: u64) -> (u64, u64) {
    (cell >> 32, cell & u64::from(u32::MAX))
}

fn place(at: u64) -> (usize, u64) {
    let tick = at / TICK;
    ((tick % TICKS as u64) as usize, tick / TICKS as u64)
}

fn tick_of(place: usize, round: u64) -> u64 {
    round * TICKS as u64 + place as u64
}

impl Ages {
    pub fn new() -> Self {
        let ticks = (0..TICKS).map(|_| AtomicU64::new(0)).collect();
        Self { ticks, past: AtomicI64::new(0), since: AtomicU64::new(0) }
    }

    /// One that was sent then waits.
    pub fn enter(&self, at: u64) {
        let (place, round) = place(at);
        let next = |cell| match split(cell) {
            (known, _) if known == round => Some(cell + 1),
            (known, _) if known < round => Some((round << 32) | 1),
            _ => None,
        };
        match self.ticks[place].fetch_update(Relaxed, Relaxed, next) {
            Ok(before) => {
                let (known, left) = split(before);
                if known < round && left > 0 {
                    let tick = tick_of(place, known);
                    if self.past.fetch_add(left as i64, Relaxed) <= 0 {
                        self.since.store(tick, Relaxed);
                    } else {
                        self.since.fetch_min(tick, Relaxed);
                    }
                }
            }
            Err(_) => drop(self.past.fetch_add(1, Relaxed)),
        }
    }

    /// One that was sent then waits no more.
    pub fn leave(&self, at: u64) {
        let (place, round) = place(at);
        let less = |cell| match split(cell) {
            (known, left) if known == round && left > 0 => Some(cell - 1),
            _ => None,
        };
        if self.ticks[place].fetch_update(Relaxed, Relaxed, less).is_err() {
            self.past.fetch_sub(1, Relaxed);
        }
    }

    /// How old the oldest is that waits, 0 if none does: up to a tenth of a second more than that. Where some are older than
    /// the times that are told apart, as old as the first of them was.
    pub fn oldest(&self, now: u64) -> u64 {
        let waiting = self.ticks.iter().enumerate().filter_map(|(place, cell)| {
            let (round, left) = split(cell.load(Relaxed));
            (left > 0).then(|| tick_of(place, round))
        });
        let past = (self.past.load(Relaxed) > 0).then(|| self.since.load(Relaxed));
        let oldest = waiting.chain(past).min();
        oldest.map_or(0, |tick| now.saturating_sub((tick + 1) * TICK))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn one_that_waits_shows_among_a_thousand_that_come_and_go() {
        let ages = Ages::new();
        ages.enter(5 * SECOND);
        for at in 0..1000 {
            let at = 5 * SECOND + at * TICK;
            ages.enter(at);
            ages.leave(at);
        }
        assert!((94 * SECOND..=95 * SECOND).contains(&ages.oldest(100 * SECOND)));
        ages.leave(5 * SECOND);
        assert_eq!(ages.oldest(100 * SECOND), 0);
    }

    #[test]
    fn one_that_waits_for_hours_is_as_old_as_that() {
        let ages = Ages::new();
        ages.enter(SECOND);
        let now = 10_000 * SECOND;
        for at in (0..now).step_by(TICK as usize * 7) {
            ages.enter(at);
            ages.leave(at);
        }
        assert!((9_998 * SECOND..=9_999 * SECOND).contains(&ages.oldest(now)), "{}", ages.oldest(now));
        ages.leave(SECOND);
        assert_eq!(ages.oldest(now), 0);
    }

    proptest! {
        /// Whatever comes and goes in any order: the oldest is known to a tick while it is younger than a round, and is
        /// never forgotten.
        #[test]
        fn the_oldest_is_never_forgotten(steps in prop::collection::vec((0u64..40 * TICK, any::<u8>()), 1..200)) {
            let (ages, mut waiting, mut now) = (Ages::new(), Vec::new(), 0);
            for (later, what) in steps {
                now += later;
                if what % 3 == 0 && !waiting.is_empty() {
                    ages.leave(waiting.swap_remove(what as usize % waiting.len()));
                } else {
                    ages.enter(now);
                    waiting.push(now);
                }
                let (seen, true_age) = (ages.oldest(now), waiting.iter().min().map_or(0, |at| now - at));
                prop_assert!(true_age.saturating_sub(seen) <= TICK, "{} is seen as {}", true_age, seen);
                if ages.past.load(Relaxed) == 0 {
                    prop_assert!(seen <= true_age, "{} is seen as {}", true_age, seen);
                }
            }
        }
    }
}
