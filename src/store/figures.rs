//! What the store shows of its work to `/metrics`.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntGauge};

/// Bucket bounds in seconds: 100 µs to 10 s.
const SECONDS: [f64; 16] =
    [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bucket bounds in messages of one commit.
const MESSAGES: [f64; 9] = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The instruments of one store.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// Messages of a commit.
    pub(super) messages: Histogram,
    /// Seconds of a commit, its sync included.
    pub(super) commit: Histogram,
    /// Seconds of a sync.
    pub(super) sync: Histogram,
    /// Writes that wait.
    pub(super) depth: IntGauge,
    /// Bytes on disk, as of when they were last counted.
    pub(super) bytes: IntGauge,
}

impl Figures {
    pub(super) fn new() -> Self {
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
                .expect("a fixed name and fixed buckets are valid")
        };
        let gauge = |name: &str, help: &str| IntGauge::new(name, help).expect("a fixed name is valid");
        Self {
            messages: histogram("parlor_store_commit_messages", "Messages that one commit wrote.", &MESSAGES),
            commit: histogram("parlor_store_commit_seconds", "Time that a commit took, its sync included.", &SECONDS),
            sync: histogram("parlor_store_sync_seconds", "Time that a sync took.", &SECONDS),
            depth: gauge("parlor_store_queue_depth", "Writes that wait for the store's writer."),
            bytes: gauge("parlor_store_disk_bytes", "What the store takes on disk, as it was counted last."),
        }
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.messages.clone()),
            Box::new(self.commit.clone()),
            Box::new(self.sync.clone()),
            Box::new(self.depth.clone()),
            Box::new(self.bytes.clone()),
        ]
    }
}
