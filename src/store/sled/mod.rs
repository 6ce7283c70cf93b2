//! The engine on disk: a journal, and behind it sled, one tree. The only place where sled appears.
//!
//! A batch is written to the journal and to a map in memory, and a sync syncs the journal. When that has grown, its
//! rows go to sled in one go, blocks of neighbours joined ([`Rows::settle`]), and it begins again. Why: a row costs
//! sled more than all else in a commit (`docs/adr/0010-a-journal-before-sled.md`). `docs/format.md` says which file is
//! what.

mod dir;
mod journal;
mod recent;
mod tree;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::rows::{Batch, EngineError, Rows, Visit};
use super::{OpenError, block};
use dir::{Dir, Found};
use journal::Journal;
use recent::Recent;
use tree::{Tree, caught, error, io};

/// How long the journal becomes before its rows go to sled. More of it joins more blocks; less makes a shorter pause.
const SETTLED: usize = 2 * 1024 * 1024;
/// How long it becomes if nobody says that it is time.
const FULL: usize = 16 * 1024 * 1024;

struct Open {
    tree: Tree,
    journal: Mutex<Journal>,
    /// The journal's rows. Another map for each round, so that whoever reads sled under the old one loses none.
    recent: RwLock<Arc<Recent>>,
}

impl Open {
    /// Opens what is in `dir`; what the journal held is in sled afterwards, and the journal is empty.
    fn new(dir: &Dir, cache: u64, found: Found) -> Result<Self, EngineError> {
        dir.prepare(found).map_err(io)?;
        let tree = Tree::open(dir, cache, found != Found::Nothing)?;
        let (journal, batches) = Journal::open(&dir.journal(), caught(|| tree.round())?)?;
        let open = Self { tree, journal: Mutex::new(journal), recent: RwLock::default() };
        for batch in batches {
            open.recent.read().add(batch);
        }
        // Another round in any case: behind what was read may stand records of this one.
        caught(|| open.empty(&mut open.journal.lock(), true))?;
        Ok(open)
    }

    /// Hands what the journal holds to sled. Blocks may be joined if all of it is committed and nobody is about to
    /// write over what he has read of it.
    fn empty(&self, journal: &mut Journal, join: bool) -> Result<(), EngineError> {
        // sled may write some of it to the disk, and the rest be lost: it has to come from here then.
        journal.sync().map_err(io)?;
        let mut rows = self.recent.read().rows();
        if join {
            rows = block::join(rows, |channel| self.tree.newest(channel))?;
        }
        let round = journal.round() + 1;
        self.tree.apply(&rows)?;
        self.tree.begin(round)?;
        // Dropped when readers no longer wait for the lock.
        let _old = std::mem::take(&mut *self.recent.write());
        journal.begin(round);
        Ok(())
    }
}

/// Rows in a journal and a sled tree, in a directory of their own, which is locked against other processes.
pub struct SledRows {
    /// Locked while open.
    dir: Mutex<Dir>,
    /// The same place, to look at without waiting for the lock.
    place: Dir,
    cache: u64,
    /// How long the journal becomes before its rows go to sled.
    settled: usize,
    open: RwLock<Option<Open>>,
}

impl SledRows {
    /// Opens the store in `path`, or makes it (readable by its owner alone); caches up to `cache` bytes of pages.
    pub fn open(path: &Path, cache: u64) -> Result<Self, OpenError> {
        let mut dir = Dir::new(path);
        let found = dir.lock()?;
        let open = Open::new(&dir, cache, found).map_err(|error| match error {
            EngineError::Damaged(why) => OpenError::Damaged { path: path.display().to_string(), why },
            error => OpenError::Io { path: path.display().to_string(), why: error.to_string() },
        })?;
        if found != Found::Store {
            dir.write_format()?;
        }
        let (dir, open) = (Mutex::new(dir), RwLock::new(Some(open)));
        Ok(Self { place: Dir::new(path), dir, cache, settled: SETTLED, open })
    }

    /// With a journal whose rows go to sled when it is so long, in bytes.
    #[cfg(test)]
    pub(super) fn settled_at(self, settled: usize) -> Self {
        Self { settled, ..self }
    }

    /// Drops the handles; the directory stays taken.
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

impl Rows for SledRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.with(|open| {
            let recent = open.recent.read().get(key);
            match recent {
                Some((_, value)) => Ok(value),
                None => Ok(open.tree.tree.get(key).map_err(error)?.map(|value| Bytes::copy_from_slice(&value))),
            }
        })
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        if range.start >= range.end {
            return Ok(());
        }
        self.with(|open| {
            // Before sled is looked at: a row goes there before it leaves here.
            let recent = Arc::clone(&open.recent.read());
            let mut rows = open.tree.tree.range::<&[u8], _>(range.clone());
            let below = || {
                let row = if reverse { rows.next_back() } else { rows.next() };
                row.transpose().map_err(error)
            };
            recent.scan(range, reverse, below, visit)
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        self.with(|open| {
            let mut journal = open.journal.lock();
            if journal.length() >= FULL {
                open.empty(&mut journal, false)?;
            }
            let rows = journal.write(batch).map_err(io)?;
            open.recent.read().add(rows);
            Ok(())
        })
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.with(|open| open.journal.lock().sync().map_err(io))
    }

    fn settle(&self, all: bool) -> Result<(), EngineError> {
        let most = if all { 0 } else { self.settled };
        self.with(|open| {
            let mut journal = open.journal.lock();
            if journal.length() > most && journal.is_synced() { open.empty(&mut journal, true) } else { Ok(()) }
        })
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.let_go();
        let mut dir = self.dir.lock();
        let found = dir.lock().map_err(|error| EngineError::Failed(error.to_string()))?;
        dir.forget_pages();
        *self.open.write() = Some(Open::new(&dir, self.cache, found)?);
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
