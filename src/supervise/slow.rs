//! The log's warnings of handlers that took long: one a second for each kind of actor, with how many were left out.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use log::Level;

use super::say::say;

/// Where they are logged; `parlor::slow=off` in `log.filter` ends them.
const TARGET: &str = "parlor::slow";
/// How long nothing more is said after a warning, in nanoseconds.
const REST: u64 = 1_000_000_000;

/// One kind's warnings. Times are nanoseconds since a moment of the caller's.
#[derive(Debug)]
pub(super) struct Slow {
    /// What takes so long is worth a warning; never, if zero.
    threshold: Duration,
    /// When the next may be said.
    next: AtomicU64,
    left_out: AtomicU64,
}

impl Slow {
    pub fn new(threshold: Duration) -> Self {
        Self { threshold, next: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// Something took so long: warns, if that is long.
    pub fn took(&self, took: Duration, now: u64, who: impl FnOnce() -> (&'static str, String, String)) {
        if took >= self.threshold && !self.threshold.is_zero() {
            self.warn(took, now, who);
        }
    }

    #[cold]
    fn warn(&self, took: Duration, now: u64, who: impl FnOnce() -> (&'static str, String, String)) {
        let Some(more) = self.turn(now) else { return };
        let ((kind, name, message), took) = (who(), took.as_millis());
        say(Level::Warn, TARGET, (kind, &name), format_args!("took {took} ms for {message}{}", More(more)));
    }

    /// Whether it is time for a warning; how many were left out since the last one.
    fn turn(&self, now: u64) -> Option<u64> {
        let next = self.next.load(Relaxed);
        let turn = now >= next && self.next.compare_exchange(next, now + REST, Relaxed, Relaxed).is_ok();
        if turn {
            return Some(self.left_out.swap(0, Relaxed));
        }
        self.left_out.fetch_add(1, Relaxed);
        None
    }
}

/// How many more there were.
struct More(u64);

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0 { write!(f, "; {} more like it were not logged", self.0) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_is_said_and_the_others_are_counted() {
        let slow = Slow::new(Duration::from_millis(100));
        let said: Vec<_> = [0, 1, REST / 2, REST, REST + 1, 5 * REST].map(|now| slow.turn(now)).into();
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }

    #[test]
    fn what_is_quick_is_not_named() {
        let never = || unreachable!("it was quick");
        Slow::new(Duration::from_millis(100)).took(Duration::from_millis(99), 0, never);
        Slow::new(Duration::ZERO).took(Duration::from_secs(99), 0, never);
    }
}
