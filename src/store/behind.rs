//! Small records that are written late: in bounded batches, one write under way at a time, behind whoever notes them, who
//! never waits. What a crash loses is what was not written yet.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use super::{Meta, MetaOp, WriteError};

/// What has not been written yet.
pub trait Late: Send + Sync + 'static {
    /// What one write takes with it.
    type Batch: Send + 'static;

    /// Takes the next batch, and what it changes, which is nothing if nothing waits.
    fn take(&self) -> (Self::Batch, Vec<MetaOp>);

    /// A write came to its end; what was not written is to be tried again. What comes of it is done when the next may begin.
    fn written(&self, batch: Self::Batch, outcome: Result<(), WriteError>) -> impl FnOnce();
}

/// Carries it to the disk.
pub struct Behind<L> {
    meta: Arc<dyn Meta>,
    /// One permit: the right to have a write under way.
    turn: Arc<Semaphore>,
    late: L,
}

impl<L> Deref for Behind<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.late
    }
}

impl<L: Late> Behind<L> {
    /// Writes to `meta` what `late` has.
    pub fn new(meta: Arc<dyn Meta>, late: L) -> Arc<Self> {
        Arc::new(Self { meta, turn: Arc::new(Semaphore::new(1)), late })
    }

    /// Begins to write one batch, unless a write is under way.
    pub fn flush(self: &Arc<Self>) {
        let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() else { return };
        let behind = Arc::clone(self);
        self.write(move |batch, outcome| {
            let then = behind.late.written(batch, outcome);
            drop(turn);
            then();
        });
    }

    /// Writes everything, and returns when it is on disk or the store refuses.
    pub async fn finish(self: &Arc<Self>) {
        loop {
            let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return };
            let (tell, told) = oneshot::channel();
            let begun = self.write(move |batch, outcome| drop(tell.send((batch, outcome))));
            if !begun {
                return;
            }
            let Ok((batch, outcome)) = told.await else { return };
            let failed = outcome.is_err();
            drop(self.late.written(batch, outcome));
            drop(turn);
            if failed {
                return;
            }
        }
    }

    /// Hands one batch to the store; returns whether there was one.
    fn write(&self, done: impl FnOnce(L::Batch, Result<(), WriteError>) + Send + 'static) -> bool {
        let (batch, ops) = self.late.take();
        if ops.is_empty() {
            return false;
        }
        self.meta.write(ops, Box::new(move |outcome| done(batch, outcome)));
        true
    }
}
