//! Time as the generator counts it: microseconds since it began.

use std::time::Instant;

/// A clock that begins at zero.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// One that begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Microseconds since it began.
    pub fn now(&self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }
}

/// Seconds as microseconds.
pub fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}
