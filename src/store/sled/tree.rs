//! sled, opened: where the rows stand that have left the journal.
//!
//! It keeps what [`super`] promises in spite of four habits of sled 0.34: its `flush` is no fsync on Linux, its snapshots
//! replace each other unsynced, it keeps an error until it is dropped, and it panics on some damage.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use ::sled::IVec;
use bytes::Bytes;

use super::super::keys::{self, ChannelId};
use super::super::rows::EngineError;
use super::dir::Dir;
use crate::model::Seq;

/// sled writes a page above a quarter of this to a file of its own that nobody syncs. A leaf holds up to some thirty
/// rows of 64 KiB before it splits. Fixed when a store is made.
pub(super) const SEGMENT: usize = 8 * 1024 * 1024;

/// A row that is written when a store is made: if it is missing later, so may be others.
const MARKER: (&[u8], &[u8]) = (b"\0parlor", b"1");

/// The row that holds the journal's round, `u64`.
pub(super) const ROUND: &[u8] = b"\0round";

/// How many times it is tried to open what was just closed, with 5 ms between.
const PATIENCE: usize = 400;

/// How many rows a leaf of sled has, about.
const LEAF: usize = 16;

/// How often a leaf that is scanned is asked for besides. sled counts what it keeps in memory, and lets go of some of it,
/// only when one of 256 queues has 64 such accesses: of leaves of 100 kB and more, each scanned once, several hundred MB
/// would be kept whatever the cache's size is.
const TOUCHES: usize = 7;

/// Where sled has given a new snapshot its name. It would go on to remove the one before, and to fill what that one still
/// needs with zeros, and sync neither name: after a power loss there could be no snapshot that fits the log. So opening
/// ends here, and begins again when the name lasts.
const SNAPSHOT_NAMED: &str = "snap write mv post";

/// Rows of one batch, at most: readers wait while sled takes one.
const PART: usize = 32;

pub(super) struct Tree {
    pub(super) tree: ::sled::Db,
    /// The same file that sled writes to, to sync it.
    file: File,
    /// The newest segment of sled's log when it was last synced.
    synced: AtomicI64,
}

/// sled's panics are damage to us.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(EngineError::Damaged(text.unwrap_or_else(|| "sled panicked".into())))
    })
}

pub(super) fn error(error: ::sled::Error) -> EngineError {
    match error {
        ::sled::Error::Io(error) => EngineError::Failed(error.to_string()),
        other => EngineError::Damaged(other.to_string()),
    }
}

pub(super) fn io(error: std::io::Error) -> EngineError {
    EngineError::Failed(error.to_string())
}

/// Opens sled in a directory that is locked by us. sled's own threads may hold the files of a handle that was dropped
/// for a moment longer; they are waited for.
fn open_locked(config: &::sled::Config, dir: &Dir) -> Result<::sled::Db, ::sled::Error> {
    for _ in 0..PATIENCE {
        ::sled::fail::set(SNAPSHOT_NAMED, u64::MAX);
        match config.open() {
            Err(::sled::Error::FailPoint) => dir.settle_snapshots()?,
            Err(::sled::Error::Io(why)) if why.to_string().contains("could not acquire lock") => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
    config.open()
}

impl Tree {
    /// Opens what `dir` holds, or makes it: everything that is there is on disk then.
    pub(super) fn open(dir: &Dir, cache: u64, known: bool) -> Result<Self, EngineError> {
        caught(|| {
            // Without sled's own thread, which moves pages about and syncs them later than it may.
            let config = ::sled::Config::new().path(dir.tree()).cache_capacity(cache).segment_size(SEGMENT);
            let config = config.flush_every_ms(None);
            let tree = open_locked(&config, dir).map_err(error)?;
            let file = File::open(dir.data()).map_err(io)?;
            dir.sync_names().map_err(io)?;
            let open = Self { tree, file, synced: AtomicI64::new(0) };
            open.sync()?;
            open.check(known)?;
            Ok(open)
        })
    }

    /// Writes the marker into a new store; looks for it in a known one.
    fn check(&self, known: bool) -> Result<(), EngineError> {
        if known {
            let found = self.tree.get(MARKER.0).map_err(error)?;
            let whole = found.is_some_and(|value| value == MARKER.1);
            return if whole { Ok(()) } else { Err(EngineError::Damaged("its first row is missing".into())) };
        }
        self.tree.insert(MARKER.0, MARKER.1).map_err(error)?;
        self.sync()
    }

    /// Where the newest segment of sled's log begins, if that is behind `from`.
    fn newest_segment(&self, from: i64) -> i64 {
        self.tree.context.pagecache.log.iter_from(from).segments.keys().next_back().copied().unwrap_or(from)
    }

    /// Returns when everything that was applied is on disk.
    pub(super) fn sync(&self) -> Result<(), EngineError> {
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

    /// Writes rows, in several batches, none of them synced for certain.
    pub(super) fn apply(&self, rows: &[(Bytes, Option<Bytes>)]) -> Result<(), EngineError> {
        for part in rows.chunks(PART) {
            let mut writes = ::sled::Batch::default();
            for (key, value) in part {
                match value {
                    Some(value) => writes.insert(&key[..], &value[..]),
                    None => writes.remove(&key[..]),
                }
            }
            self.sync_if_segment_began()?;
            self.tree.apply_batch(writes).map_err(error)?;
        }
        Ok(())
    }

    /// The rows of `range`, ascending, or descending if `reverse`.
    pub(super) fn scan(
        &self,
        range: Range<&[u8]>,
        reverse: bool,
    ) -> impl Iterator<Item = Result<(IVec, IVec), EngineError>> {
        let mut rows = self.tree.range::<&[u8], _>(range);
        let mut until_leaf = 0;
        std::iter::from_fn(move || {
            let row = if reverse { rows.next_back() } else { rows.next() };
            let row = row?.map_err(error);
            if until_leaf == 0 {
                until_leaf = LEAF;
                if let Ok((key, _)) = &row {
                    (0..TOUCHES).for_each(|_| drop(self.tree.get(key)));
                }
            }
            until_leaf -= 1;
            Some(row)
        })
    }

    /// The last place in the blocks of `channel`.
    pub(super) fn newest(&self, channel: ChannelId) -> Result<Option<Seq>, EngineError> {
        let last = self.tree.range(keys::blocks(channel, 0)).next_back().transpose().map_err(error)?;
        Ok(last.and_then(|(key, _)| keys::last(&key)))
    }

    /// The round of the journal whose rows are not all here.
    pub(super) fn round(&self) -> Result<u64, EngineError> {
        let Some(value) = self.tree.get(ROUND).map_err(error)? else { return Ok(0) };
        let number = value[..].try_into().map(u64::from_be_bytes);
        number.map_err(|_| EngineError::Damaged("the journal's round is not a number".into()))
    }

    /// What was applied is on disk, and then that the journal goes on with `round`.
    pub(super) fn begin(&self, round: u64) -> Result<(), EngineError> {
        self.sync()?;
        self.tree.insert(ROUND, &round.to_be_bytes()).map_err(error)?;
        self.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_begins_only_when_what_is_before_the_last_one_is_synced() {
        let home = tempfile::tempdir().unwrap();
        let mut dir = Dir::new(home.path());
        let found = dir.lock().unwrap();
        dir.prepare(found).unwrap();
        let open = Tree::open(&dir, 1 << 20, false).unwrap();
        let mut segments = 0;
        for n in 0..48_u8 {
            let row = |row: u8| (Bytes::from(vec![1, n, row]), Some(Bytes::from(vec![row; 60_000])));
            open.apply(&(0..16).map(row).collect::<Vec<_>>()).unwrap();
            let synced = open.synced.load(SeqCst);
            segments = open.newest_segment(synced) / SEGMENT as i64;
            assert!(segments - synced / SEGMENT as i64 <= 1, "segment {segments} began, and {synced} is synced");
        }
        assert!(segments > 4, "only {segments} segments: nothing was seen");
    }
}
