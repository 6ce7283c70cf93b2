//! How many commands a session may send in a second.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock;
use crate::config::Rates;

/// The process's own clock, for the limiter.
#[derive(Clone, Debug)]
struct Ours;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(u64);

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

impl Clock for Ours {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(clock::moment().0)
    }
}

/// A session's allowance; none where rates are not limited.
#[derive(Debug)]
pub(super) struct Rate(Option<RateLimiter<NotKeyed, InMemoryState, Ours, NoOpMiddleware<Tick>>>);

impl Rate {
    /// As `rates.commands_per_second` says, with twice that in a burst.
    pub fn new(rates: &Rates) -> Self {
        let quota = NonZeroU32::new(rates.commands_per_second).filter(|_| rates.enabled).map(|each| {
            let burst = each.saturating_mul(NonZeroU32::MIN.saturating_add(1));
            Quota::per_second(each).allow_burst(burst)
        });
        Self(quota.map(|quota| RateLimiter::direct_with_clock(quota, Ours)))
    }

    /// Takes one command from the allowance, or says after how many milliseconds there is one.
    pub fn take(&self) -> Result<(), u64> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check().map_err(|early| (early.wait_time_from(Ours.now()).as_millis() as u64).max(1))
    }
}
