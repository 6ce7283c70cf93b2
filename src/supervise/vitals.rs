//! What one actor shows of itself, through atomics of its own, for as long as it lives. Nobody needs its mailbox for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use log::Level;

use super::panics::Panic;
use super::say::say;
use super::{Named, Probe};

/// For how long an actor's longest handler counts as of late, in tens of seconds.
const OF_LATE: u64 = 6;

/// One actor's figures. Times are nanoseconds after its probe was made.
#[derive(Debug)]
pub struct Vitals {
    probe: Arc<Probe>,
    name: Arc<str>,
    /// When the oldest message that waits was sent, or one before it.
    since: AtomicU64,
    /// Its longest handler of late: [`Long`].
    long: AtomicU64,
    depth: AtomicU32,
    rests: AtomicBool,
}

/// A handler that took long, in one word: when in tens of seconds (24 bits), which message (8), microseconds (32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Long {
    when: u64,
    message: u8,
    micros: u32,
}

impl Long {
    fn pack(self) -> u64 {
        (self.when << 40) | (u64::from(self.message) << 32) | u64::from(self.micros)
    }

    fn unpack(word: u64) -> Self {
        Self { when: word >> 40, message: (word >> 32) as u8, micros: word as u32 }
    }
}

/// Tens of seconds.
fn tens(now: u64) -> u64 {
    (now / 10_000_000_000) & 0xff_ffff
}

impl Vitals {
    pub(super) fn new(probe: Arc<Probe>, name: Arc<str>) -> Self {
        let (since, long, depth) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU32::new(0));
        Self { probe, name, since, long, depth, rests: AtomicBool::new(false) }
    }

    /// The probe of its kind.
    pub fn probe(&self) -> &Arc<Probe> {
        &self.probe
    }

    /// What the actor is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A message is put into its mailbox. Returns when.
    pub(crate) fn entered(&self) -> u64 {
        let now = self.probe.now();
        self.entered_at(now);
        now
    }

    /// A message that was sent then is put into its mailbox.
    pub(crate) fn entered_at(&self, sent: u64) {
        if self.depth.fetch_add(1, Relaxed) == 0 {
            self.since.store(sent, Relaxed);
        }
        self.probe.entered(sent);
    }

    /// A message that was sent then left its mailbox, handled or dropped.
    pub(crate) fn left(&self, sent: u64) {
        if self.depth.fetch_sub(1, Relaxed) > 1 {
            self.since.store(sent, Relaxed);
        }
        self.probe.left(sent);
    }

    /// A message that was sent then was handled from `begun` on, until now.
    pub(crate) fn handled<M: Named>(&self, index: usize, sent: u64, begun: u64) {
        let (now, message) = (self.probe.now(), self.probe.kind().first::<M>() + index);
        let took = Duration::from_nanos(now.saturating_sub(begun));
        self.probe.handled(message, Duration::from_nanos(begun.saturating_sub(sent)), took);
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let known = Long::unpack(self.long.load(Relaxed));
        if micros > known.micros || !is_late(known.when, now) {
            let message = u8::try_from(message).unwrap_or(u8::MAX);
            self.long.store(Long { when: tens(now), message, micros }.pack(), Relaxed);
        }
        self.took(took, now, || self.probe.message(message));
    }

    /// Something was done that took so long: the log is told if that is long.
    pub(super) fn took(&self, took: Duration, now: u64, what: impl FnOnce() -> String) {
        self.probe.slow().took(took, now, || (self.probe.kind().name, self.name.to_string(), what()));
    }

    /// Something of the actor's panicked: counts it and says so, once.
    pub fn broke(&self, what: &str, panic: &Panic) {
        self.probe.panicked();
        let who = (self.probe.kind().name, self.name());
        say(Level::Error, module_path!(), who, format_args!("panicked over {what}: {panic}"));
    }

    /// Whether the actor is over its restart budget. Returns whether that is news.
    pub(super) fn rest(&self, rests: bool) -> bool {
        let news = self.rests.swap(rests, Relaxed) != rests;
        if news {
            self.probe.rested(if rests { 1 } else { -1 });
        }
        news
    }

    /// Whether it is.
    pub fn rests(&self) -> bool {
        self.rests.load(Relaxed)
    }

    /// How many messages wait, and how long the oldest has, at most: as long ago as the one before it was sent, if that one
    /// was not the last.
    pub fn waiting(&self) -> (u32, Duration) {
        let (depth, since) = (self.depth.load(Relaxed), self.since.load(Relaxed));
        let oldest = if depth > 0 { self.probe.now().saturating_sub(since) } else { 0 };
        (depth, Duration::from_nanos(oldest))
    }

    /// What took it longest within the last minute: how long, and over which message.
    pub fn longest(&self) -> Option<(Duration, usize)> {
        let long = Long::unpack(self.long.load(Relaxed));
        let is = long.micros > 0 && is_late(long.when, self.probe.now());
        is.then(|| (Duration::from_micros(long.micros.into()), long.message.into()))
    }
}

fn is_late(when: u64, now: u64) -> bool {
    tens(now).saturating_sub(when) < OF_LATE
}

/// An actor's life: while it lasts, the actor is counted and shown.
#[derive(Debug)]
pub struct Life {
    vitals: Arc<Vitals>,
    place: u32,
    ending: u8,
}

impl Life {
    /// An actor of the probe's kind comes to life.
    pub fn begin(probe: &Arc<Probe>, name: Arc<str>) -> Self {
        let vitals = Arc::new(Vitals::new(Arc::clone(probe), name));
        let place = probe.show(Arc::clone(&vitals));
        Self { vitals, place, ending: 0 }
    }

    /// What it shows.
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// When it ends, it will be for this: one of the endings of its kind.
    pub fn ends(&mut self, how: impl Named) {
        self.ending = how.index() as u8;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.vitals.rest(false);
        self.vitals.probe.hide(self.place, self.ending.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_handler_is_one_word() {
        let long = Long { when: 0xab_cdef, message: 200, micros: u32::MAX };
        assert_eq!(Long::unpack(long.pack()), long);
    }

    #[test]
    fn what_an_idle_actor_shows_is_small() {
        assert!(size_of::<Vitals>() <= 48 && size_of::<Life>() <= 16);
    }
}
