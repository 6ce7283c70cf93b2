//! How far webhooks are and what is in their queues, carried to the disk behind them. A write that failed is tried again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;

use super::records::{cursor_bytes, cursor_key, queue_key};
use super::step::{Number, Stored};
use crate::model::{ChannelName, Cursor};
use crate::store::{Behind, Late, Meta, MetaOp, WriteError};

/// At most so many records are written at once.
pub(super) const BATCH: usize = 128;

type Cursors = BTreeMap<(usize, ChannelName), Option<Cursor>>;

/// An event for a webhook's queue.
#[derive(Debug)]
pub(super) struct Put {
    pub hook: usize,
    pub stored: Stored,
    pub bytes: Bytes,
}

/// What is in memory alone.
#[derive(Debug, Default)]
struct Pending {
    puts: VecDeque<Put>,
    cursors: Cursors,
    /// Those that are being written.
    writing: Cursors,
    removes: BTreeSet<(usize, Number)>,
    /// Whether the last write failed.
    failed: bool,
}

/// One write.
#[derive(Debug, Default)]
pub(super) struct Writing {
    puts: Vec<Put>,
    cursors: Cursors,
    removes: BTreeSet<(usize, Number)>,
}

/// Who hears which events are in the queues now.
type Tell = Box<dyn Fn(Vec<(usize, Stored)>) + Send + Sync>;

/// What has not been written yet, of webhooks of these names.
pub(super) struct Disk {
    names: Vec<String>,
    pending: Mutex<Pending>,
    tell: OnceLock<Tell>,
}

impl Disk {
    pub fn new(meta: Arc<dyn Meta>, names: Vec<String>) -> Arc<Behind<Self>> {
        Behind::new(meta, Self { names, pending: Mutex::default(), tell: OnceLock::new() })
    }

    /// From here on `tell` hears what was put into the queues. It must not block.
    pub fn tell(&self, tell: Tell) {
        drop(self.tell.set(tell));
    }

    /// Up to here everything is done with.
    pub fn keep(&self, hook: usize, channel: ChannelName, cursor: Option<Cursor>) {
        self.pending.lock().cursors.insert((hook, channel), cursor);
    }

    /// What will be kept, if that is not on disk yet.
    #[expect(clippy::option_option, reason = "nothing is known here, or it is known that there is none")]
    pub fn cursor(&self, hook: usize, channel: &ChannelName) -> Option<Option<Cursor>> {
        let (pending, key) = (self.pending.lock(), (hook, channel.clone()));
        pending.cursors.get(&key).or_else(|| pending.writing.get(&key)).cloned()
    }

    /// An event is done with.
    pub fn remove(&self, hook: usize, number: Number) {
        self.pending.lock().removes.insert((hook, number));
    }

    /// Whether an event of the queue is done with, though it may be on disk.
    pub fn is_removed(&self, hook: usize, number: Number) -> bool {
        self.pending.lock().removes.contains(&(hook, number))
    }

    /// An event for a queue.
    pub fn put(&self, put: Put) {
        self.pending.lock().puts.push_back(put);
    }

    /// Whether the last write failed: the next one has time.
    pub fn has_failed(&self) -> bool {
        self.pending.lock().failed
    }

    /// Whether no event waits to be put into a queue.
    pub fn has_room(&self) -> bool {
        self.pending.lock().puts.is_empty()
    }

    /// How many cursors and removals wait, as far as there is no need to wait for the next second.
    pub fn late(&self) -> usize {
        let pending = self.pending.lock();
        if pending.failed {
            return 0;
        }
        pending.cursors.len() + pending.removes.len()
    }

    /// A write came to its end. Returns what is in the queues now, if somebody has to look.
    fn ended(&self, batch: Writing, outcome: Result<(), WriteError>) -> Option<Vec<(usize, Stored)>> {
        let Writing { puts, cursors, removes } = batch;
        let mut pending = self.pending.lock();
        pending.writing.clear();
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut pending.failed) {
                    log::info!("what webhooks have done is written again");
                }
                pending.removes.retain(|one| !removes.contains(one));
                let look = !puts.is_empty() || !pending.puts.is_empty();
                look.then(|| puts.into_iter().map(|put| (put.hook, put.stored)).collect())
            }
            Err(why) => {
                if !std::mem::replace(&mut pending.failed, true) {
                    log::warn!("what webhooks have done is not written, and tried again each second: {why}");
                }
                puts.into_iter().rev().for_each(|put| pending.puts.push_front(put));
                for (key, cursor) in cursors {
                    pending.cursors.entry(key).or_insert(cursor);
                }
                None
            }
        }
    }
}

impl Late for Disk {
    type Batch = Writing;

    fn take(&self) -> (Writing, Vec<MetaOp>) {
        let batch = {
            let mut pending = self.pending.lock();
            let count = pending.puts.len().min(BATCH);
            let puts: Vec<Put> = pending.puts.drain(..count).collect();
            let removes = pending.removes.iter().take(BATCH).copied().collect();
            let cursors: Cursors = (0..BATCH).map_while(|_| pending.cursors.pop_first()).collect();
            pending.writing.clone_from(&cursors);
            Writing { puts, cursors, removes }
        };
        let name = |hook: &usize| self.names.get(*hook).map_or("", String::as_str);
        let mut ops = Vec::with_capacity(batch.puts.len() + batch.cursors.len() + batch.removes.len());
        for Put { hook, stored, bytes } in &batch.puts {
            ops.push(MetaOp::Put(queue_key(name(hook), stored.number), bytes.clone()));
        }
        for ((hook, channel), cursor) in &batch.cursors {
            let key = cursor_key(name(hook), channel);
            let put = |cursor| MetaOp::Put(key.clone(), cursor_bytes(cursor));
            ops.push(cursor.as_ref().map_or_else(|| MetaOp::Remove(key.clone()), put));
        }
        ops.extend(batch.removes.iter().map(|(hook, number)| MetaOp::Remove(queue_key(name(hook), *number))));
        (batch, ops)
    }

    /// Tells what is in the queues now, if somebody has to look.
    fn written(&self, batch: Writing, outcome: Result<(), WriteError>) -> impl FnOnce() {
        let stored = self.ended(batch, outcome);
        move || {
            if let Some((tell, stored)) = self.tell.get().zip(stored) {
                tell(stored);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::memory_meta::MemoryMeta;
    use crate::model::{Epoch, UserName, Wall};
    use crate::webhooks::step::LaneKey;

    fn disk() -> (Arc<MemoryMeta>, Arc<Behind<Disk>>) {
        let meta = Arc::new(MemoryMeta::default());
        (Arc::clone(&meta), Disk::new(Arc::clone(&meta) as _, vec!["h".into()]))
    }

    fn put(count: u64) -> Put {
        let key = LaneKey::User(UserName::parse("ann").unwrap());
        Put { hook: 0, stored: Stored { number: Number { boot: 1, count }, key, at: Wall(0) }, bytes: Bytes::new() }
    }

    #[test]
    fn a_write_that_failed_is_tried_again_and_a_newer_cursor_stays() {
        let (meta, disk) = disk();
        let channel = ChannelName::stored("a").unwrap();
        let cursor = |seq| Some(Cursor { epoch: Epoch("e".into()), seq });
        disk.keep(0, channel.clone(), cursor(1));
        disk.put(put(7));
        meta.fail_next(WriteError::Unavailable("full".into()));
        disk.flush();
        assert_eq!((disk.cursor(0, &channel), disk.has_room(), disk.late()), (Some(cursor(1)), false, 0));
        assert!(disk.has_failed(), "it has time now");
        disk.keep(0, channel.clone(), cursor(2));
        disk.flush();
        assert_eq!(meta.text("hook/h/a").as_deref(), Some("e 2"));
        assert_eq!((meta.keys().len(), disk.cursor(0, &channel), disk.has_room()), (2, None, true));
    }

    #[actix::test]
    async fn the_end_writes_everything_in_bounded_batches_and_what_is_done_with_is_removed() {
        let (meta, disk) = disk();
        (0..2 * BATCH as u64).for_each(|count| disk.put(put(count)));
        disk.finish().await;
        assert_eq!(meta.batches(), [BATCH, BATCH]);
        (0..2 * BATCH as u64).for_each(|count| disk.remove(0, Number { boot: 1, count }));
        assert!(disk.is_removed(0, Number { boot: 1, count: 3 }));
        disk.finish().await;
        assert_eq!((meta.keys().len(), disk.late()), (0, 0));
    }
}
