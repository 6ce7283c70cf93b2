//! The only reader of time and randomness.
//!
//! Everything else is handed a [`Moment`] or a [`Wall`], so that it can be stepped through logical time in a test.

mod governed;
#[cfg(feature = "testing")]
pub mod made_up;

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Moment, Wall};

pub use governed::{Governed, Tick};
pub use governor::clock::Clock;

/// Milliseconds of the monotonic clock since this process first asked.
pub fn moment() -> Moment {
    static START: OnceLock<Instant> = OnceLock::new();
    #[cfg(feature = "testing")]
    if let Some(made_up) = made_up::read(|time| time.moment) {
        return made_up;
    }
    Moment(START.get_or_init(Instant::now).elapsed().as_millis() as u64)
}

/// A point of the monotonic clock, to measure how long something took.
pub fn stamp() -> Instant {
    #[cfg(feature = "testing")]
    if let Some(made_up) = made_up::read(made_up::Time::stamp) {
        return made_up;
    }
    Instant::now()
}

/// Milliseconds since 1970 (UTC) by the system's clock, which may jump.
pub fn wall() -> Wall {
    #[cfg(feature = "testing")]
    if let Some(made_up) = made_up::read(|time| time.wall) {
        return made_up;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Wall(since.map_or(0, |d| d.as_millis() as i64))
}

/// `N` unpredictable bytes, fit for secrets.
pub fn random<const N: usize>() -> [u8; N] {
    #[cfg(feature = "testing")]
    if let Some(made_up) = made_up::dice(rand::RngExt::random) {
        return made_up;
    }
    rand::random()
}

/// An evenly distributed number below `bound` (0 if `bound` is 0), for jitter.
pub fn jitter(bound: u64) -> u64 {
    #[cfg(feature = "testing")]
    if let Some(made_up) = made_up::dice(|dice| if bound == 0 { 0 } else { rand::RngExt::random_range(dice, 0..bound) })
    {
        return made_up;
    }
    if bound == 0 { 0 } else { rand::random_range(0..bound) }
}
