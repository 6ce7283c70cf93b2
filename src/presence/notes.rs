//! Carries to the disk when users were last heard from: late, in bounded batches, one write under way at a time.
//!
//! What is noted survives a rebuilt registry, and a write that failed is tried again. What a crash of the server loses
//! is the last few seconds of it. It never blocks whoever notes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use super::{last_seen_key, last_seen_text};
use crate::model::{UserName, Wall};
use crate::store::{Meta, MetaOp, WriteError};

/// At most so many rows are written at once.
pub(super) const BATCH: usize = 512;
/// While the store takes no writes, so many users are remembered; a later one is dropped.
const PENDING_MAX: usize = 100_000;

/// What has not been written yet.
pub(super) struct Notes {
    meta: Arc<dyn Meta>,
    pending: Mutex<BTreeMap<UserName, Wall>>,
    /// One permit: the right to have a write under way.
    turn: Arc<Semaphore>,
}

impl Notes {
    pub(super) fn new(meta: Arc<dyn Meta>) -> Arc<Self> {
        Arc::new(Self { meta, pending: Mutex::default(), turn: Arc::new(Semaphore::new(1)) })
    }

    /// `user` was heard from then.
    pub(super) fn note(&self, user: UserName, at: Wall) {
        let mut pending = self.pending.lock();
        if pending.len() < PENDING_MAX || pending.contains_key(&user) {
            let known = pending.entry(user).or_insert(at);
            *known = at.max(*known);
        }
    }

    /// How many users wait to be written.
    pub(super) fn len(&self) -> usize {
        self.pending.lock().len()
    }

    /// Begins to write one batch, unless a write is under way.
    pub(super) fn flush(self: &Arc<Self>) {
        let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() else { return };
        let notes = Arc::clone(self);
        self.write(move |batch, outcome| {
            notes.written(batch, outcome);
            drop(turn);
        });
    }

    /// Writes everything, and returns when it is on disk or the store refuses.
    pub(super) async fn finish(self: &Arc<Self>) {
        loop {
            let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return };
            let (tell, told) = oneshot::channel();
            let begun = self.write(move |batch, outcome| drop(tell.send((batch, outcome))));
            if !begun {
                return;
            }
            let Ok((batch, outcome)) = told.await else { return };
            let failed = outcome.is_err();
            self.written(batch, outcome);
            drop(turn);
            if failed {
                return;
            }
        }
    }

    /// Hands one batch to the store; returns whether there was one.
    fn write(&self, done: impl FnOnce(Vec<(UserName, Wall)>, Result<(), WriteError>) + Send + 'static) -> bool {
        let batch: Vec<(UserName, Wall)> = {
            let mut pending = self.pending.lock();
            (0..BATCH).map_while(|_| pending.pop_first()).collect()
        };
        if batch.is_empty() {
            return false;
        }
        let put = |(user, at): &(UserName, Wall)| MetaOp::Put(last_seen_key(user), Bytes::from(last_seen_text(*at)));
        let ops = batch.iter().map(put).collect();
        self.meta.write(ops, Box::new(move |outcome| done(batch, outcome)));
        true
    }

    fn written(&self, batch: Vec<(UserName, Wall)>, outcome: Result<(), WriteError>) {
        if let Err(why) = outcome {
            log::warn!("when {} users were last seen is not written yet: {why}", batch.len());
            for (user, at) in batch {
                self.note(user, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::memory_meta::MemoryMeta;

    fn user(n: usize) -> UserName {
        UserName::parse(&format!("u{n}")).unwrap()
    }

    #[actix::test]
    async fn the_end_writes_everything_in_bounded_batches() {
        let meta = Arc::new(MemoryMeta::default());
        let notes = Notes::new(Arc::clone(&meta) as _);
        for n in 0..=2 * BATCH {
            notes.note(user(n), Wall(7));
        }
        notes.note(user(0), Wall(3));
        notes.flush();
        notes.finish().await;
        assert_eq!(meta.batches(), [BATCH, BATCH, 1]);
        assert_eq!(meta.text("seen/u0").as_deref(), Some("7"));
        assert_eq!(notes.len(), 0);
    }

    #[actix::test]
    async fn a_write_that_failed_is_tried_again() {
        let meta = Arc::new(MemoryMeta::default());
        let notes = Notes::new(Arc::clone(&meta) as _);
        notes.note(user(1), Wall(1));
        meta.fail_next(WriteError::Unavailable("reopening".into()));
        notes.flush();
        assert_eq!((notes.len(), meta.keys().len()), (1, 0));
        notes.flush();
        assert_eq!((notes.len(), meta.text("seen/u1").as_deref()), (0, Some("1")));
    }
}
