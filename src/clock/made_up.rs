//! Time and randomness that a simulation makes up, for the thread that it runs on; with the feature `testing`.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::model::{Moment, Wall};

thread_local! {
    static TIME: RefCell<Option<(Time, StdRng)>> = const { RefCell::new(None) };
}

/// What the clocks show.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// The monotonic clock.
    pub moment: Moment,
    /// The system's clock.
    pub wall: Wall,
    /// When the monotonic clock began.
    pub start: Instant,
}

impl Time {
    pub(super) fn stamp(&self) -> Instant {
        self.start + Duration::from_millis(self.moment.0)
    }
}

/// From here on this thread's clocks show `time`, and what it draws follows from `seed`.
pub fn begin(time: Time, seed: u64) {
    TIME.with_borrow_mut(|made_up| *made_up = Some((time, StdRng::seed_from_u64(seed))));
}

/// This thread's clocks show something else.
pub fn set(moment: Moment, wall: Wall) {
    TIME.with_borrow_mut(|made_up| {
        if let Some((time, _)) = made_up {
            (time.moment, time.wall) = (moment, wall);
        }
    });
}

/// This thread has the true time again.
pub fn end() {
    TIME.with_borrow_mut(|made_up| *made_up = None);
}

pub(super) fn read<T>(show: impl FnOnce(&Time) -> T) -> Option<T> {
    TIME.with_borrow(|made_up| made_up.as_ref().map(|(time, _)| show(time)))
}

pub(super) fn dice<T>(draw: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
    TIME.with_borrow_mut(|made_up| made_up.as_mut().map(|(_, dice)| draw(dice)))
}
