//! The engine on disk: sled, one tree. The only place where sled appears.
//!
//! It promises what [`Rows`] does in spite of three habits of sled 0.34: its `flush` is no fsync on Linux, it keeps
//! an error until it is dropped, and it panics on some damage. `docs/format.md` says which file is what.

mod dir;

use std::fs::File;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::OpenError;
use super::rows::{Batch, EngineError, Rows, Visit};
use dir::Dir;

/// sled writes a page above a quarter of this to a file of its own that nobody syncs. A leaf holds up to some thirty
/// rows of 64 KiB before it splits. Fixed when a store is made.
const SEGMENT: usize = 8 * 1024 * 1024;

/// A row that is written when a store is made: if it is missing later, so may be others.
const MARKER: (&[u8], &[u8]) = (b"\0parlor", b"1");

struct Open {
    tree: ::sled::Db,
    /// The same file that sled writes to, to sync it.
    file: File,
    /// The newest segment of sled's log when it was last synced.
    synced: AtomicI64,
}

impl Open {
    /// Where the newest segment of sled's log begins, if that is behind `from`.
    fn newest_segment(&self, from: i64) -> i64 {
        self.tree.context.pagecache.log.iter_from(from).segments.keys().next_back().copied().unwrap_or(from)
    }

    fn sync(&self) -> Result<(), EngineError> {
        let newest = self.newest_segment(self.synced.load(SeqCst));
        self.tree.flush().map_err(error)?;
        self.file.sync_data().map_err(io)?;
        self.synced.store(newest, SeqCst);
        Ok(())
    }

    /// Each segment of sled's log says how far the log was written when it began, and sled takes all before that for
    /// durable: after a power loss it looks for torn writes behind it alone. So a segment may begin only after all that
    /// was written before the one in front of it is on disk, or torn pages are read as the store. A batch by itself may
    /// be as long as it likes: sled says nothing of its end before all of it is written.
    fn sync_if_segment_began(&self) -> Result<(), EngineError> {
        let synced = self.synced.load(SeqCst);
        if self.newest_segment(synced) > synced { self.sync() } else { Ok(()) }
    }
}

/// How many times it is tried to open what was just closed, with 5 ms between.
const PATIENCE: usize = 400;

/// Rows in a sled tree in a directory of its own, which is locked against other processes.
pub struct SledRows {
    /// Locked while open.
    dir: Mutex<Dir>,
    /// The same place, to look at without waiting for the lock.
    place: Dir,
    cache: u64,
    open: RwLock<Option<Open>>,
}

impl SledRows {
    /// Opens the store in `path`, or makes it (readable by its owner alone); caches up to `cache` bytes of pages.
    pub fn open(path: &Path, cache: u64) -> Result<Self, OpenError> {
        let mut dir = Dir::new(path);
        let known = dir.lock()?;
        let open =
            open_tree(&dir, cache, known).and_then(|open| check(&open, known).map(|()| open)).map_err(|error| {
                match error {
                    EngineError::Damaged(why) => OpenError::Damaged { path: path.display().to_string(), why },
                    error => OpenError::Io { path: path.display().to_string(), why: error.to_string() },
                }
            })?;
        if !known {
            dir.write_format()?;
        }
        Ok(Self { place: Dir::new(path), dir: Mutex::new(dir), cache, open: RwLock::new(Some(open)) })
    }

    /// Drops sled's handle; the directory stays taken.
    fn let_go(&self) {
        let open = self.open.write().take();
        let dropped = caught(|| {
            drop(open);
            Ok(())
        });
        if dropped.is_err() {
            log::error!("sled panicked when it was closed");
        }
    }

    fn with<T>(&self, work: impl FnOnce(&Open) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let open = self.open.read();
        let open = open.as_ref().ok_or(EngineError::Closed)?;
        caught(|| work(open))
    }
}

/// sled's panics are damage to us.
fn caught<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(EngineError::Damaged(text.unwrap_or_else(|| "sled panicked".into())))
    })
}

fn error(error: ::sled::Error) -> EngineError {
    match error {
        ::sled::Error::Io(error) => EngineError::Failed(error.to_string()),
        other => EngineError::Damaged(other.to_string()),
    }
}

fn io(error: std::io::Error) -> EngineError {
    EngineError::Failed(error.to_string())
}

/// Opens sled in a directory that is locked by us. sled's own threads may hold the files of a handle that was dropped
/// for a moment longer; they are waited for.
fn open_locked(config: &::sled::Config) -> Result<::sled::Db, ::sled::Error> {
    for _ in 0..PATIENCE {
        match config.open() {
            Err(::sled::Error::Io(why)) if why.to_string().contains("could not acquire lock") => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
    config.open()
}

fn open_tree(dir: &Dir, cache: u64, known: bool) -> Result<Open, EngineError> {
    dir.prepare(known).map_err(io)?;
    caught(|| {
        // Without sled's own thread, which moves pages about and syncs them later than it may.
        let config = ::sled::Config::new().path(dir.tree()).cache_capacity(cache).segment_size(SEGMENT);
        let config = config.flush_every_ms(None);
        let tree = open_locked(&config).map_err(error)?;
        let file = File::open(dir.data()).map_err(io)?;
        dir.sync_names().map_err(io)?;
        let open = Open { tree, file, synced: AtomicI64::new(0) };
        open.sync()?;
        Ok(open)
    })
}

/// Writes the marker into a new store; looks for it in a known one.
fn check(open: &Open, known: bool) -> Result<(), EngineError> {
    caught(|| {
        if known {
            let found = open.tree.get(MARKER.0).map_err(error)?;
            let whole = found.is_some_and(|value| value == MARKER.1);
            return if whole { Ok(()) } else { Err(EngineError::Damaged("its first row is missing".into())) };
        }
        open.tree.insert(MARKER.0, MARKER.1).map_err(error)?;
        open.sync()
    })
}

impl Rows for SledRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.with(|open| Ok(open.tree.get(key).map_err(error)?.map(|value| Bytes::copy_from_slice(&value))))
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        if range.start >= range.end {
            return Ok(());
        }
        self.with(|open| {
            let mut rows = open.tree.range::<&[u8], _>(range);
            while let Some(row) = if reverse { rows.next_back() } else { rows.next() } {
                let (key, value) = row.map_err(error)?;
                if visit(&key, &value) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut writes = ::sled::Batch::default();
        for (key, value) in &batch.0 {
            match value {
                Some(value) => writes.insert(&key[..], &value[..]),
                None => writes.remove(&key[..]),
            }
        }
        self.with(|open| {
            open.sync_if_segment_began()?;
            open.tree.apply_batch(writes).map_err(error)
        })
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.with(Open::sync)
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.let_go();
        let mut dir = self.dir.lock();
        let known = dir.lock().map_err(|error| EngineError::Failed(error.to_string()))?;
        dir.forget_pages();
        let open = open_tree(&dir, self.cache, known)?;
        check(&open, known)?;
        *self.open.write() = Some(open);
        Ok(())
    }

    fn close(&self) {
        self.let_go();
        self.dir.lock().unlock();
    }

    fn free_bytes(&self) -> Result<u64, EngineError> {
        self.place.free_bytes().map_err(io)
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.place.bytes().map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_begins_only_when_what_is_before_the_last_one_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let rows = SledRows::open(dir.path(), 1 << 20).unwrap();
        let mut segments = 0;
        for n in 0..48_u8 {
            let mut batch = Batch::default();
            (0..16_u8).for_each(|row| batch.put(vec![1, n, row], vec![row; 60_000]));
            rows.apply(&batch).unwrap();
            let open = rows.open.read();
            let open = open.as_ref().unwrap();
            let synced = open.synced.load(SeqCst);
            segments = open.newest_segment(synced) / SEGMENT as i64;
            assert!(segments - synced / SEGMENT as i64 <= 1, "segment {segments} began, and {synced} is synced");
        }
        assert!(segments > 4, "only {segments} segments: nothing was seen");
    }
}
