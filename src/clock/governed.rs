//! The process's own clock, as rate limiters ask for it.

use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::nanos::Nanos;

/// Tells governor the [`moment`](super::moment).
#[derive(Clone, Debug)]
pub struct Governed;

/// A moment, as governor reckons with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u64);

impl Reference for Tick {
    fn duration_since(&self, earlier: Self) -> Nanos {
        Duration::from_millis(self.0.saturating_sub(earlier.0)).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        let duration: Duration = duration.into();
        Self(self.0.saturating_sub(duration.as_millis() as u64))
    }
}

impl std::ops::Add<Nanos> for Tick {
    type Output = Self;

    fn add(self, duration: Nanos) -> Self {
        let duration: Duration = duration.into();
        Self(self.0 + duration.as_millis() as u64)
    }
}

impl Clock for Governed {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(super::moment().0)
    }
}
