//! The engine on disk: a journal, and behind it sled, one tree. The only place where sled appears.
//!
//! A batch is written to the journal and to a map in memory, and a sync syncs the journal. When that has grown, another
//! round of it begins, and a thread hands the rows of the last one to sled, blocks of neighbours joined
//! ([`Rows::settle`]). Why: a row costs sled more than all else in a commit (`docs/adr/0010-a-journal-before-sled.md`).
//! `docs/format.md` says which file is what.

mod beside;
mod dir;
mod journal;
mod journal_salvage;
mod pages;
mod recent;
mod segments;
mod tree;
mod wreck;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::rows::{Batch, EngineError, Rows, Visit};
use super::{OpenError, block};
pub use beside::Beside;
use dir::{Dir, Found};
use journal::Journal;
use recent::Layers;
pub use segments::Hole;
use tree::{Tree, caught, error, io};
pub use wreck::{Damage, Wreck};

/// How long the journal becomes before its rows go to sled. More of it joins more blocks; less makes a shorter pause.
const SETTLED: usize = 2 * 1024 * 1024;
/// How long it becomes if nobody says that it is time.
const FULL: usize = 16 * 1024 * 1024;

/// Where the rows stand: what was written of late over sled's tree.
struct Stand {
    tree: Tree,
    /// The journal's rows. Another map for each round, so that whoever reads sled under the old one loses none.
    layers: RwLock<Layers>,
}

impl Stand {
    /// Hands the rows of the round that leaves to sled, which goes on with `next`. Blocks may be joined if nobody is about
    /// to write over what he has read of them, before this is done.
    fn hand_over(&self, next: u64, join: bool) -> Result<(), EngineError> {
        let mut rows = self.layers.read().leaving.rows();
        if join {
            rows = block::join(rows, |channel| self.tree.newest(channel))?;
        }
        self.tree.apply(&rows)?;
        self.tree.begin(next)?;
        // Dropped when readers no longer wait for the lock.
        let _old = std::mem::take(&mut self.layers.write().leaving);
        Ok(())
    }
}

/// The journal, and the thread that hands what its last round left to sled.
struct Rounds {
    journal: Journal,
    leaving: Option<JoinHandle<Result<(), EngineError>>>,
}

impl Rounds {
    /// Whether sled is taking a round over.
    fn are_settling(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| !leaving.is_finished())
    }

    /// Returns when sled has what it was given, if it was given anything.
    fn settled(&mut self) -> Result<(), EngineError> {
        let Some(leaving) = self.leaving.take() else { return Ok(()) };
        leaving.join().unwrap_or_else(|_| Err(EngineError::Failed("what hands rows to sled panicked".into())))
    }

    /// Begins another round; what the last one left goes to sled meanwhile.
    fn turn(&mut self, stand: &Arc<Stand>, join: bool) -> Result<(), EngineError> {
        self.settled()?;
        // sled may write some of it to the disk, and the rest be lost: it has to come from here then.
        self.journal.sync().map_err(io)?;
        stand.layers.write().turn();
        self.journal.turn();
        let (stand, next) = (Arc::clone(stand), self.journal.round());
        let thread = std::thread::Builder::new().name("parlor-settle".into());
        self.leaving = Some(thread.spawn(move || caught(|| stand.hand_over(next, join))).map_err(io)?);
        Ok(())
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        // Nobody opens sled again before its last handle is gone.
        let _ = self.settled();
    }
}

struct Open {
    stand: Arc<Stand>,
    rounds: Mutex<Rounds>,
}

impl Open {
    /// Opens what is in `dir`; what the journal held is in sled afterwards, and the journal is empty.
    fn new(dir: &Dir, cache: u64, found: Found) -> Result<Self, EngineError> {
        dir.prepare(found).map_err(io)?;
        if found != Found::Nothing {
            segments::check(dir)?;
        }
        let tree = Tree::open(dir, cache, found != Found::Nothing)?;
        let (journal, batches) = Journal::open(&dir.journal(), caught(|| tree.round())?)?;
        let layers = Layers::default();
        batches.into_iter().for_each(|batch| layers.leaving.add(batch));
        let stand = Stand { tree, layers: RwLock::new(layers) };
        // Another round in any case: behind what was read may stand records of this one.
        caught(|| stand.hand_over(journal.round(), true))?;
        Ok(Self { stand: Arc::new(stand), rounds: Mutex::new(Rounds { journal, leaving: None }) })
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

    /// Opens the store in `path` if there is one; makes none.
    pub fn open_known(path: &Path, cache: u64) -> Result<Self, OpenError> {
        if Self::is_there(path) { Self::open(path, cache) } else { Err(OpenError::Nothing(path.display().to_string())) }
    }

    /// Whether there is a store in `path`, or what is left of one.
    pub fn is_there(path: &Path) -> bool {
        Dir::is_taken(path)
    }

    /// With a journal of which another round begins when one is so long, in bytes. For tests.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn settled_at(self, settled: usize) -> Self {
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
            let recent = open.stand.layers.read().get(key);
            match recent {
                Some((_, value)) => Ok(value),
                None => Ok(open.stand.tree.tree.get(key).map_err(error)?.map(|value| Bytes::copy_from_slice(&value))),
            }
        })
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        if range.start >= range.end {
            return Ok(());
        }
        self.with(|open| {
            // Before sled is looked at: a row goes there before it leaves here.
            let layers = open.stand.layers.read().clone();
            let mut rows = open.stand.tree.scan(range.clone(), reverse);
            let below = || rows.next().transpose();
            layers.scan(range, reverse, below, visit)
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        self.with(|open| {
            let mut rounds = open.rounds.lock();
            if rounds.journal.length() >= FULL {
                rounds.turn(&open.stand, false)?;
            }
            let rows = rounds.journal.write(batch).map_err(io)?;
            open.stand.layers.read().now.add(rows);
            Ok(())
        })
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.with(|open| open.rounds.lock().journal.sync().map_err(io))
    }

    fn settle(&self, all: bool) -> Result<(), EngineError> {
        let most = if all { 0 } else { self.settled };
        self.with(|open| {
            let mut rounds = open.rounds.lock();
            if all || !rounds.are_settling() {
                rounds.settled()?;
                if rounds.journal.length() > most && rounds.journal.is_synced() {
                    rounds.turn(&open.stand, true)?;
                }
            }
            if all { rounds.settled() } else { Ok(()) }
        })
    }

    fn settled(&self) -> Result<(), EngineError> {
        self.with(|open| open.rounds.lock().settled())
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

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    fn write(rows: &SledRows, batch: &[(&'static str, Option<&'static str>)]) {
        let batch = batch.iter().map(|(key, value)| (Bytes::from(*key), value.map(Bytes::from)));
        rows.apply(&Batch(batch.collect())).unwrap();
        rows.sync().unwrap();
    }

    fn all(rows: &SledRows) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut found = Vec::new();
        rows.scan(&b"a"[..]..b"z", false, &mut |key, value| {
            found.push((text(key), text(value)));
            ControlFlow::Continue(())
        })
        .unwrap();
        for (key, value) in &found {
            assert_eq!(rows.get(key.as_bytes()).unwrap().unwrap(), value.as_bytes());
        }
        found
    }

    /// Begins another round, and sled does not get to take the last one over.
    fn turn_alone(rows: &SledRows) {
        rows.with(|open| {
            open.stand.layers.write().turn();
            open.rounds.lock().journal.turn();
            Ok(())
        })
        .unwrap();
    }

    fn two_rounds() -> (tempfile::TempDir, SledRows) {
        let home = tempfile::tempdir().unwrap();
        let rows = SledRows::open(home.path(), 1 << 20).unwrap();
        write(&rows, &[("a", Some("sled")), ("b", Some("sled")), ("c", Some("sled"))]);
        rows.settle(true).unwrap();
        write(&rows, &[("b", Some("first")), ("c", Some("first")), ("d", Some("first")), ("e", Some("first"))]);
        turn_alone(&rows);
        write(&rows, &[("c", Some("second")), ("e", None), ("f", Some("second"))]);
        (home, rows)
    }

    #[test]
    fn of_two_rounds_the_later_one_lies_above_also_after_a_crash() {
        let (home, rows) = two_rounds();
        let expected = [("a", "sled"), ("b", "first"), ("c", "second"), ("d", "first"), ("f", "second")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(all(&rows), expected);
        rows.reopen().unwrap();
        assert_eq!(all(&rows), expected);
        drop(rows);
        assert_eq!(all(&SledRows::open(home.path(), 1 << 20).unwrap()), expected);
    }

    #[test]
    fn a_first_round_of_which_the_end_is_missing_is_damage() {
        let (home, rows) = two_rounds();
        let (first, length) = rows
            .with(|open| {
                let journal = &open.rounds.lock().journal;
                Ok(((journal.round() + 1) % 2, journal.before()))
            })
            .unwrap();
        drop(rows);
        let path = Dir::new(home.path()).journal().into_iter().nth(first as usize).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[length - 9] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = SledRows::open(home.path(), 1 << 20).err().unwrap();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }
}
