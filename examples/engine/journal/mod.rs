//! A storage engine to learn from: one file to which everything is appended, and an index in memory of where each
//! value stands.
//!
//! It is small and it is honest, which is all that [`Rows`] asks for:
//!
//! - **A batch is one record** with a checksum (`record.rs`), so it is there wholly or not at all.
//! - **`sync` is `fdatasync`**, and what was never synced was never promised.
//! - **A torn tail is cut off** when the file is opened: it is what a crash leaves of a record that nobody was told of.
//!   **Anything else that is wrong is an error**, and the file is left for a person to look at.
//! - **After a failed write or sync nothing is done until [`Rows::reopen`]**. To sync again would be no use: the system
//!   may have dropped what it could not write, and says so only once. Instead, the file is read again, and after a failed
//!   sync all that was not synced before is cut off.
//! - **One process at a time**: a lock file is held while it is open.
//!
//! What it does not do: hold more keys than memory does, open fast (it reads the whole file), let readers go on while the
//! file is rewritten, or tell damage in the very last record from a power cut on a file system that writes the pages of a
//! file out of order. In doubt it reports damage.

mod file;
mod record;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::{RwLock, RwLockUpgradableReadGuard};
use parlor::store::{Batch, EngineError, Rows, Visit};

use file::Journal;
pub use file::Rewriting;
use record::Draft;

/// Rows in a journal, in a directory of its own.
#[derive(Debug)]
pub struct JournalRows {
    dir: PathBuf,
    rewriting: Rewriting,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// Held while the directory is ours.
    lock: Option<File>,
    /// The journal, or what everyone is told instead.
    journal: Result<Journal, EngineError>,
    /// After a failed sync: how much of the file is to be believed.
    trusted: Option<u64>,
}

impl State {
    fn journal(&self) -> Result<&Journal, EngineError> {
        self.journal.as_ref().map_err(Clone::clone)
    }

    /// Lets go of the journal; everyone is told this error until it is reopened.
    fn fail(&mut self, error: EngineError, trusted: Option<u64>) -> EngineError {
        self.journal = Err(error.clone());
        self.trusted = trusted;
        error
    }
}

impl JournalRows {
    /// Opens the journal in `dir`, or makes one that its owner alone can read.
    pub fn open(dir: &Path, rewriting: Rewriting) -> Result<Self, EngineError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let state = State { lock: None, journal: Err(EngineError::Closed), trusted: None };
        let rows = Self { dir: dir.to_owned(), rewriting, state: RwLock::new(state) };
        rows.reopen()?;
        Ok(rows)
    }

    fn lock(&self) -> Result<File, EngineError> {
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(self.dir.join("lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(EngineError::Failed("it is in use by another process".into())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn failed(error: io::Error) -> EngineError {
    EngineError::Failed(error.to_string())
}

impl Rows for JournalRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.state.read().journal()?.get(key)?.map(Bytes::from))
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        self.state.read().journal()?.scan(range, reverse, visit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut draft = Draft::default();
        for (key, value) in &batch.0 {
            match value {
                Some(value) => draft.put(key, value),
                None => draft.remove(key),
            }
        }
        // A batch that is too long is refused before anything is touched.
        let record = draft.seal().map_err(|wrong| EngineError::Failed(wrong.to_string()))?;
        let mut state = self.state.write();
        let journal = state.journal.as_mut().map_err(|error| error.clone())?;
        let done = journal.append(&record).and_then(|()| journal.rewrite_if_due());
        done.map_err(|error| state.fail(error, None))
    }

    fn sync(&self) -> Result<(), EngineError> {
        // Readers go on meanwhile, writers do not: nothing comes between a failed sync and its consequence.
        let state = self.state.upgradable_read();
        let journal = state.journal()?;
        let (done, trusted) = (journal.sync(), journal.synced());
        done.map_err(|error| RwLockUpgradableReadGuard::upgrade(state).fail(error, Some(trusted)))
    }

    fn reopen(&self) -> Result<(), EngineError> {
        let mut state = self.state.write();
        // Whatever there was is dropped before it is opened again.
        state.journal = Err(EngineError::Closed);
        if state.lock.is_none() {
            state.lock = Some(self.lock()?);
        }
        state.journal = Journal::open(&self.dir, self.rewriting, state.trusted);
        state.journal()?;
        state.trusted = None;
        Ok(())
    }

    fn close(&self) {
        // Without the lock, what this process knows of the file means nothing.
        *self.state.write() = State { lock: None, journal: Err(EngineError::Closed), trusted: None };
    }

    fn free_bytes(&self) -> Result<u64, EngineError> {
        let disk = rustix::fs::statvfs(&self.dir).map_err(|error| failed(error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        Journal::bytes(&self.dir).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failed_sync_nothing_is_done_and_then_only_what_was_synced_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let rows = JournalRows::open(dir.path(), Rewriting { from: u64::MAX, ratio: 4 }).unwrap();
        let one = |key: &'static str| Batch(vec![(key.into(), Some(key.into()))]);
        rows.apply(&one("told")).unwrap();
        rows.sync().unwrap();
        let length = rows.bytes_on_disk().unwrap();
        rows.apply(&one("not told")).unwrap();
        rows.state.write().journal.as_mut().unwrap().unplug().unwrap();
        let why = rows.sync().unwrap_err();
        assert_eq!(rows.sync(), Err(why.clone()));
        assert_eq!(rows.apply(&one("late")), Err(why.clone()));
        assert_eq!(rows.get(b"told"), Err(why));
        assert!(rows.bytes_on_disk().unwrap() > length);
        rows.reopen().unwrap();
        assert_eq!(rows.get(b"told"), Ok(Some("told".into())));
        assert_eq!(rows.get(b"not told"), Ok(None));
        assert_eq!(rows.bytes_on_disk(), Ok(length));
        rows.apply(&one("later")).unwrap();
        rows.sync().unwrap();
        rows.reopen().unwrap();
        assert_eq!(rows.get(b"later"), Ok(Some("later".into())));
    }
}
