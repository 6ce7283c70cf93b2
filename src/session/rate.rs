//! How fast someone may go: commands, bytes, requests, each by an allowance that fills up again.

use std::num::NonZeroU32;

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::{Clock, Governed, Tick};

type Limiter = RateLimiter<NotKeyed, InMemoryState, Governed, NoOpMiddleware<Tick>>;

/// An allowance of so many a second, and twice that in a burst. Taking from it is one atomic exchange, whoever shares it.
#[derive(Debug)]
pub(crate) struct Rate(Option<(Limiter, u32)>);

impl Rate {
    /// So many a second; with 0 there is no limit.
    pub fn new(per_second: u32) -> Self {
        Self(NonZeroU32::new(per_second).map(|each| {
            let burst = each.saturating_mul(NonZeroU32::MIN.saturating_add(1));
            (RateLimiter::direct_with_clock(Quota::per_second(each).allow_burst(burst), Governed), burst.get())
        }))
    }

    /// Takes one, or says after how many milliseconds there is one.
    pub fn take(&self) -> Result<(), u64> {
        self.take_all(1)
    }

    /// Takes so many, and if they are more than a burst, a whole one; or nothing, and says when to try again.
    pub fn take_all(&self, count: usize) -> Result<(), u64> {
        let Some((limiter, burst)) = &self.0 else { return Ok(()) };
        let count = u32::try_from(count).unwrap_or(*burst).min(*burst);
        let Some(count) = NonZeroU32::new(count) else { return Ok(()) };
        match limiter.check_n(count) {
            Ok(Err(early)) => Err((early.wait_time_from(Governed.now()).as_millis() as u64).max(1)),
            _ => Ok(()),
        }
    }
}
