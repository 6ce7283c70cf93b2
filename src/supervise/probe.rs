//! What an actor kind shows of itself, through atomics.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::{Histogram, HistogramOpts};
use slab::Slab;

use super::ages::Ages;
use super::kind::snake;
use super::slow::Slow;
use super::{Kind, Vitals};
use crate::clock;

/// Bucket bounds in seconds: 10 µs to 10 s, three to a decade.
const BUCKETS: [f64; 19] = [
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// What takes so long is worth a warning, if nobody says otherwise.
const SLOW: Duration = Duration::from_millis(100);

/// Counts, each under its name.
#[derive(Debug)]
struct Counts(Box<[(String, AtomicU64)]>);

impl Counts {
    fn of<'a>(names: impl Iterator<Item = &'a &'a str>) -> Self {
        Self(names.map(|name| (snake(name), AtomicU64::new(0))).collect())
    }

    fn count(&self, index: usize) {
        if let Some((_, count)) = self.0.get(index) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// What was counted; what has the same name together.
    fn read(&self) -> Vec<(String, u64)> {
        let mut all: Vec<(String, u64)> = Vec::new();
        for (name, count) in &self.0 {
            let count = count.load(Relaxed);
            match all.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += count,
                None => all.push((name.clone(), count)),
            }
        }
        all
    }
}

/// One kind of actor, all of its instances together.
#[derive(Debug)]
pub struct Probe {
    kind: &'static Kind,
    live: AtomicI64,
    started: AtomicU64,
    stopped: Counts,
    depth: AtomicI64,
    high_water: AtomicI64,
    handled: Counts,
    panics: AtomicU64,
    restarts: AtomicU64,
    resting: AtomicI64,
    ages: Ages,
    made: Instant,
    handle: Histogram,
    wait: Histogram,
    slow: Slow,
    shown: Mutex<Slab<Arc<Vitals>>>,
}

/// A probe's figures at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The actor kind.
    pub kind: &'static str,
    /// Instances alive.
    pub live: i64,
    /// Instances that ever came to life.
    pub started: u64,
    /// Instances that ended, by why.
    pub stopped: Vec<(String, u64)>,
    /// Messages sent and not yet handled.
    pub mailbox_depth: i64,
    /// The most that ever waited at once.
    pub mailbox_high_water: i64,
    /// How long the oldest of them has waited, whichever actor it waits for; up to a tenth of a second more than this.
    pub oldest: Duration,
    /// Messages handled, by type.
    pub handled: Vec<(String, u64)>,
    /// Handlers that panicked.
    pub panics: u64,
    /// Actors rebuilt after a panic.
    pub restarts: u64,
    /// Actors over their restart budget now.
    pub resting: i64,
}

impl Probe {
    /// A probe for actors of `kind`; a handler that takes as long as `slow` is worth a line in the log, none if zero.
    pub fn new(kind: &'static Kind, slow: Duration) -> Self {
        let histogram = |name: &str, help: &str| {
            let opts = HistogramOpts::new(name, help).const_label("kind", kind.name).buckets(BUCKETS.to_vec());
            Histogram::with_opts(opts).expect("a fixed name and fixed buckets are valid")
        };
        Self {
            kind,
            live: AtomicI64::new(0),
            started: AtomicU64::new(0),
            stopped: Counts::of(kind.endings.iter()),
            depth: AtomicI64::new(0),
            high_water: AtomicI64::new(0),
            handled: Counts::of(kind.messages.iter().copied().flatten()),
            panics: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            resting: AtomicI64::new(0),
            ages: Ages::new(),
            made: clock::stamp(),
            handle: histogram("parlor_actor_handle_seconds", "Time that an actor took to handle a message."),
            wait: histogram("parlor_actor_wait_seconds", "Time that a message waited in an actor's mailbox."),
            slow: Slow::new(slow),
            shown: Mutex::default(),
        }
    }

    /// The kind that this probe is of.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Nanoseconds since the probe was made.
    pub(crate) fn now(&self) -> u64 {
        clock::stamp().saturating_duration_since(self.made).as_nanos() as u64
    }

    /// An instance came to life of which nothing is shown by itself.
    pub fn started(&self) {
        self.live.fetch_add(1, Relaxed);
        self.started.fetch_add(1, Relaxed);
    }

    /// An instance ended, for the reason at this place among those of its kind.
    pub fn stopped(&self, ending: usize) {
        self.live.fetch_sub(1, Relaxed);
        self.stopped.count(ending);
    }

    /// An instance came to life, and shows this.
    pub(super) fn show(&self, vitals: Arc<Vitals>) -> u32 {
        self.started();
        self.shown.lock().insert(vitals) as u32
    }

    /// An instance that showed itself ended.
    pub(super) fn hide(&self, place: u32, ending: usize) {
        let gone = self.shown.lock().try_remove(place as usize);
        drop(gone);
        self.stopped(ending);
    }

    /// Looks at what every instance shows; takes the longer the more there are. What it is given must not begin or end one.
    pub fn each(&self, mut look: impl FnMut(&Arc<Vitals>)) {
        self.shown.lock().iter().for_each(|(_, vitals)| look(vitals));
    }

    /// The names of those that are over their restart budget, at most `most`.
    pub fn resting(&self, most: usize) -> Vec<String> {
        if self.resting.load(Relaxed) <= 0 {
            return Vec::new();
        }
        let shown = self.shown.lock();
        shown
            .iter()
            .filter(|(_, vitals)| vitals.rests())
            .take(most)
            .map(|(_, vitals)| vitals.name().to_owned())
            .collect()
    }

    /// A message was put into a mailbox.
    pub(super) fn entered(&self, now: u64) {
        let depth = self.depth.fetch_add(1, Relaxed) + 1;
        if depth > self.high_water.load(Relaxed) {
            self.high_water.fetch_max(depth, Relaxed);
        }
        self.ages.enter(now);
    }

    /// A message that was sent then left a mailbox, handled or dropped with it.
    pub(super) fn left(&self, sent: u64) {
        self.depth.fetch_sub(1, Relaxed);
        self.ages.leave(sent);
    }

    /// The message at this place among those of its kind was handled, after `wait` in the mailbox, in `took`.
    pub(super) fn handled(&self, message: usize, wait: Duration, took: Duration) {
        self.handled.count(message);
        self.wait.observe(wait.as_secs_f64());
        self.handle.observe(took.as_secs_f64());
    }

    /// The name of the message at this place among those of its kind.
    pub fn message(&self, place: usize) -> String {
        self.handled.0.get(place).map_or_else(|| "another message".to_owned(), |(name, _)| name.clone())
    }

    /// Its warnings of what takes long.
    pub(super) fn slow(&self) -> &Slow {
        &self.slow
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// An actor was rebuilt.
    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    /// An actor went over its restart budget (1) or came back (−1).
    pub(super) fn rested(&self, by: i64) {
        self.resting.fetch_add(by, Relaxed);
    }

    /// The figures now. It takes the same time however many instances there are.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            kind: self.kind.name,
            live: self.live.load(Relaxed),
            started: self.started.load(Relaxed),
            stopped: self.stopped.read(),
            mailbox_depth: self.depth.load(Relaxed),
            oldest: Duration::from_nanos(self.ages.oldest(self.now())),
            mailbox_high_water: self.high_water.load(Relaxed),
            handled: self.handled.read(),
            panics: self.panics.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
            resting: self.resting.load(Relaxed),
        }
    }

    /// Time in handlers and time in mailboxes, for rendering.
    pub fn histograms(&self) -> [&Histogram; 2] {
        [&self.handle, &self.wait]
    }
}

/// All probes of a server, one per actor kind.
#[derive(Clone, Debug)]
pub struct Probes {
    slow: Duration,
    all: Arc<Mutex<Vec<Arc<Probe>>>>,
}

impl Default for Probes {
    fn default() -> Self {
        Self::new(SLOW)
    }
}

impl Probes {
    /// None yet; handlers that take as long as `slow` are worth a line in the log, none if zero.
    pub fn new(slow: Duration) -> Self {
        Self { slow, all: Arc::default() }
    }

    /// The probe of `kind`, made at the first call.
    pub fn of(&self, kind: &'static Kind) -> Arc<Probe> {
        let mut all = self.all.lock();
        if let Some(found) = all.iter().find(|probe| probe.kind.name == kind.name) {
            return Arc::clone(found);
        }
        let made = Arc::new(Probe::new(kind, self.slow));
        all.push(Arc::clone(&made));
        made
    }

    /// Every probe, in the order in which kinds first appeared.
    pub fn all(&self) -> Vec<Arc<Probe>> {
        self.all.lock().clone()
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
