//! When users were last heard from, carried to the disk behind the registry.
//!
//! What is noted survives a rebuilt registry, and a write that failed is tried again. What a crash of the server loses
//! is the last few seconds of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{last_seen_key, last_seen_text};
use crate::model::{UserName, Wall};
use crate::store::{Behind, Late, Meta, MetaOp, WriteError};

/// At most so many rows are written at once.
pub(super) const BATCH: usize = 512;
/// While the store takes no writes, so many users are remembered; a later one is dropped.
const PENDING_MAX: usize = 100_000;

/// What has not been written yet.
#[derive(Default)]
pub(super) struct Notes {
    pending: Mutex<BTreeMap<UserName, Wall>>,
}

impl Notes {
    pub(super) fn new(meta: Arc<dyn Meta>) -> Arc<Behind<Self>> {
        Behind::new(meta, Self::default())
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
}

impl Late for Notes {
    type Batch = Vec<(UserName, Wall)>;

    fn take(&self) -> (Self::Batch, Vec<MetaOp>) {
        let mut pending = self.pending.lock();
        let batch: Self::Batch = (0..BATCH).map_while(|_| pending.pop_first()).collect();
        let put = |(user, at): &(UserName, Wall)| MetaOp::Put(last_seen_key(user), Bytes::from(last_seen_text(*at)));
        let ops = batch.iter().map(put).collect();
        (batch, ops)
    }

    fn written(&self, batch: Self::Batch, outcome: Result<(), WriteError>) -> impl FnOnce() {
        if let Err(why) = outcome {
            log::warn!("when {} users were last seen is not written yet: {why}", batch.len());
            for (user, at) in batch {
                self.note(user, at);
            }
        }
        || ()
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
