//! What an active channel shows of itself to those who only look: atomics, and a short count. Pure.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::model::Moment;

/// For how long messages count in a rate, in ms …
const SPAN_MS: u64 = 60_000;
/// … and in how many steps they are forgotten.
const STEPS: usize = 12;
const STEP_MS: u64 = SPAN_MS / STEPS as u64;
/// Not known.
const UNKNOWN: usize = usize::MAX;

/// How many messages came in each step of about the last minute.
#[derive(Debug, Default)]
struct Rate {
    steps: [u32; STEPS],
    /// The step that is under way.
    now: u64,
}

impl Rate {
    fn go_on(&mut self, now: Moment) {
        let step = now.0 / STEP_MS;
        for passed in self.now + 1..=step.min(self.now + STEPS as u64) {
            self.steps[(passed % STEPS as u64) as usize] = 0;
        }
        self.now = self.now.max(step);
    }

    fn add(&mut self, now: Moment, messages: u32) {
        self.go_on(now);
        let step = &mut self.steps[(self.now % STEPS as u64) as usize];
        *step = step.saturating_add(messages);
    }

    fn per_second(&mut self, now: Moment) -> f64 {
        self.go_on(now);
        let all: u64 = self.steps.iter().map(|&step| u64::from(step)).sum();
        all as f64 * 1000.0 / SPAN_MS as f64
    }
}

/// What one active channel shows.
#[derive(Debug)]
pub(super) struct Shown {
    online: AtomicUsize,
    members: AtomicUsize,
    rate: Mutex<Rate>,
}

/// An active channel at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glance {
    /// How many users hear it.
    pub online: usize,
    /// How many belong to it; `None` before it has read that.
    pub members: Option<usize>,
    /// Messages a second over about the last minute.
    pub rate: f64,
}

impl Default for Shown {
    fn default() -> Self {
        Self { online: AtomicUsize::new(0), members: AtomicUsize::new(UNKNOWN), rate: Mutex::default() }
    }
}

impl Shown {
    /// So many hear it and belong to it now, and so many messages have come since the last call.
    pub fn show(&self, now: Moment, online: usize, members: Option<usize>, messages: u32) {
        self.online.store(online, Relaxed);
        self.members.store(members.unwrap_or(UNKNOWN), Relaxed);
        if messages > 0 {
            self.rate.lock().add(now, messages);
        }
    }

    /// How many hear it.
    pub fn online(&self) -> usize {
        self.online.load(Relaxed)
    }

    /// All of it.
    pub fn glance(&self, now: Moment) -> Glance {
        let members = Some(self.members.load(Relaxed)).filter(|members| *members != UNKNOWN);
        Glance { online: self.online(), members, rate: self.rate.lock().per_second(now) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_known_is_not_shown() {
        let shown = Shown::default();
        assert_eq!(shown.glance(Moment(0)), Glance { online: 0, members: None, rate: 0.0 });
        shown.show(Moment(5), 3, Some(4), 60);
        assert_eq!(shown.glance(Moment(9)), Glance { online: 3, members: Some(4), rate: 1.0 });
    }

    proptest! {
        #[test]
        fn a_rate_counts_what_came_in_about_the_last_minute(
            came in prop::collection::vec((0..20_000_u64, 0..50_u32), 0..30), later in 0..90_000_u64,
        ) {
            let (mut rate, mut now, mut all) = (Rate::default(), 0, Vec::new());
            for (wait, messages) in came {
                now += wait;
                rate.add(Moment(now), messages);
                all.push((now, messages));
            }
            now += later;
            let within = |ms: u64| all.iter().filter(|(at, _)| now - at < ms).map(|(_, n)| f64::from(*n)).sum::<f64>() / 60.0;
            let shown = rate.per_second(Moment(now));
            prop_assert!(within(SPAN_MS - STEP_MS) <= shown + 1e-9 && shown <= within(SPAN_MS) + 1e-9, "{shown}");
        }
    }
}
