//! What an actor kind shows of itself, through atomics.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::{Histogram, HistogramOpts};

use crate::clock;

/// Bucket bounds in seconds: 10 µs to 10 s, three to a decade.
const BUCKETS: [f64; 19] = [
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// One kind of actor, all of its instances together.
#[derive(Debug)]
pub struct Probe {
    kind: &'static str,
    live: AtomicI64,
    depth: AtomicI64,
    high_water: AtomicI64,
    handled: AtomicU64,
    panics: AtomicU64,
    restarts: AtomicU64,
    resting: AtomicI64,
    /// When the last message that was handled had been sent, in nanoseconds after the probe was made.
    reached: AtomicU64,
    made: Instant,
    handle: Histogram,
    wait: Histogram,
}

/// A probe's figures at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The actor kind.
    pub kind: &'static str,
    /// Instances alive.
    pub live: i64,
    /// Messages sent and not yet handled.
    pub mailbox_depth: i64,
    /// The most that ever waited at once.
    pub mailbox_high_water: i64,
    /// How long the oldest of them has waited, at most: as long ago as the last one that was handled was sent. Exact to a
    /// message where there is one actor of the kind.
    pub oldest: Duration,
    /// Messages handled.
    pub handled: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Actors rebuilt after a panic.
    pub restarts: u64,
    /// Actors over their restart budget now.
    pub resting: i64,
}

impl Probe {
    /// A probe for actors of `kind`.
    pub fn new(kind: &'static str) -> Self {
        let histogram = |name: &str, help: &str| {
            let opts = HistogramOpts::new(name, help).const_label("kind", kind).buckets(BUCKETS.to_vec());
            Histogram::with_opts(opts).expect("a fixed name and fixed buckets are valid")
        };
        Self {
            kind,
            live: AtomicI64::new(0),
            depth: AtomicI64::new(0),
            high_water: AtomicI64::new(0),
            handled: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            resting: AtomicI64::new(0),
            reached: AtomicU64::new(0),
            made: clock::stamp(),
            handle: histogram("parlor_actor_handle_seconds", "Time that an actor took to handle a message."),
            wait: histogram("parlor_actor_wait_seconds", "Time that a message waited in an actor's mailbox."),
        }
    }

    /// The kind that this probe is of.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// An instance came to life.
    pub fn started(&self) {
        self.live.fetch_add(1, Relaxed);
    }

    /// An instance ended.
    pub fn stopped(&self) {
        self.live.fetch_sub(1, Relaxed);
    }

    /// A message was put into a mailbox.
    pub(crate) fn entered(&self) {
        let depth = self.depth.fetch_add(1, Relaxed) + 1;
        self.high_water.fetch_max(depth, Relaxed);
    }

    /// A message left a mailbox, handled or dropped with it.
    pub(crate) fn left(&self) {
        self.depth.fetch_sub(1, Relaxed);
    }

    /// A message was handled that had been `sent` then, after `wait` in the mailbox, in `took`.
    pub fn handled(&self, sent: Instant, wait: Duration, took: Duration) {
        self.handled.fetch_add(1, Relaxed);
        self.reached.store(sent.saturating_duration_since(self.made).as_nanos() as u64, Relaxed);
        self.wait.observe(wait.as_secs_f64());
        self.handle.observe(took.as_secs_f64());
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// An actor was rebuilt.
    pub fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    /// An actor went over its restart budget (1) or came back (−1).
    pub(super) fn rested(&self, by: i64) {
        self.resting.fetch_add(by, Relaxed);
    }

    /// The figures now.
    pub fn snapshot(&self) -> Snapshot {
        let mailbox_depth = self.depth.load(Relaxed);
        let reached = Duration::from_nanos(self.reached.load(Relaxed));
        let oldest = clock::stamp().saturating_duration_since(self.made).saturating_sub(reached);
        Snapshot {
            kind: self.kind,
            live: self.live.load(Relaxed),
            mailbox_depth,
            oldest: if mailbox_depth > 0 { oldest } else { Duration::ZERO },
            mailbox_high_water: self.high_water.load(Relaxed),
            handled: self.handled.load(Relaxed),
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
#[derive(Clone, Debug, Default)]
pub struct Probes(Arc<Mutex<Vec<Arc<Probe>>>>);

impl Probes {
    /// The probe of `kind`, made at the first call.
    pub fn of(&self, kind: &'static str) -> Arc<Probe> {
        let mut all = self.0.lock();
        if let Some(found) = all.iter().find(|probe| probe.kind == kind) {
            return Arc::clone(found);
        }
        let made = Arc::new(Probe::new(kind));
        all.push(Arc::clone(&made));
        made
    }

    /// Every probe, in the order in which kinds first appeared.
    pub fn all(&self) -> Vec<Arc<Probe>> {
        self.0.lock().clone()
    }
}
