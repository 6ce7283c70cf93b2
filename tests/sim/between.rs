//! A disk on which reads happen between the moment when something is written and the moment when it is on disk.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use parlor::store::{Batch, EngineError, Reads, Rows, Visit};

/// An engine whose syncs take so long that a read falls into every second of them, if one waits.
pub struct Between {
    below: Arc<dyn Rows>,
    reads: Mutex<Option<Reads>>,
    syncs: AtomicU64,
}

impl Between {
    pub fn over(below: Arc<dyn Rows>) -> Self {
        Self { below, reads: Mutex::new(None), syncs: AtomicU64::new(0) }
    }

    /// Where the reads of the store on it wait; `None` once that store is gone, and they with it.
    pub fn reads(&self, reads: Option<Reads>) {
        *self.reads.lock().expect("one thread") = reads;
    }
}

impl Rows for Between {
    fn get(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, EngineError> {
        self.below.get(key)
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        self.below.scan(range, reverse, visit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        self.below.apply(batch)
    }

    fn sync(&self) -> Result<(), EngineError> {
        if self.syncs.fetch_add(1, Relaxed).is_multiple_of(2) {
            let reads = self.reads.lock().expect("one thread").clone();
            if let Some(reads) = reads {
                reads.turn();
            }
        }
        self.below.sync()
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.below.reopen()
    }

    fn close(&self) {
        self.below.close();
    }

    fn free_bytes(&self) -> Result<u64, EngineError> {
        self.below.free_bytes()
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.below.bytes_on_disk()
    }
}
