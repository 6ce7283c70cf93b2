//! The lowest seam: an ordered map of bytes that an engine keeps.
//!
//! An engine promises atomic batches, ordered scans and an honest `sync`; it knows nothing of channels, messages or
//! epochs. All that is built on top is the same for every engine. Nothing here knows a file or a thread.

use std::ops::ControlFlow;
use std::ops::Range;

use bytes::Bytes;
use thiserror::Error;

/// The largest value that is ever given to an engine, in bytes.
pub const MAX_VALUE: usize = 64 * 1024;

/// What went wrong below.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// A read or a write failed; the handle is not to be trusted with writes before it was reopened.
    #[error("{0}")]
    Failed(String),
    /// What was read cannot have been written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It is closed, or being reopened.
    #[error("closed")]
    Closed,
}

/// Rows to write together: key and value, or key and `None` to remove. A later entry for a key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(pub Vec<(Bytes, Option<Bytes>)>);

impl Batch {
    /// Writes a row.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.0.push((key.into(), Some(value.into())));
    }

    /// Removes a row, if it is there.
    pub fn remove(&mut self, key: impl Into<Bytes>) {
        self.0.push((key.into(), None));
    }
}

/// What a scan calls with each row's key and value; it stops at `Break`. It must not call the engine.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// An ordered map of bytes. Keys are compared bytewise; values are at most [`MAX_VALUE`] long.
///
/// Everything may block on the disk. A panic below is an error here.
pub trait Rows: Send + Sync + 'static {
    /// One row.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Visits the rows of `range`, ascending, or descending if `reverse`. Rows written meanwhile may or may not be
    /// visited; those that nobody touches all are.
    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError>;

    /// Writes all of `batch` or none of it, also across a crash. Durable only after the next [`sync`](Self::sync).
    fn apply(&self, batch: &Batch) -> Result<(), EngineError>;

    /// Returns when everything applied before is on disk.
    fn sync(&self) -> Result<(), EngineError>;

    /// A moment to put in order what it keeps, given by the writer between two commits: everything applied is synced and
    /// shown, and nobody has read what he is about to write over. Blocks of messages that follow each other may be
    /// joined into longer ones; otherwise the rows stay as they are. Mostly there is nothing to do, and the engine may go on
    /// with it later; with `all`, at a clean end, nothing is left to do.
    fn settle(&self, _all: bool) -> Result<(), EngineError> {
        Ok(())
    }

    /// Returns when what [`settle`](Self::settle) began is done: called by the writer before it reads blocks that it will
    /// write over.
    fn settled(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Drops whatever handle there is and opens again, so that reads give what is on disk. The way back after any
    /// error, and after [`close`](Self::close).
    fn reopen(&self) -> Result<(), EngineError>;

    /// Lets everything go; all else answers [`EngineError::Closed`] until it is reopened.
    fn close(&self);

    /// What is left for the store to grow into, in bytes.
    fn free_bytes(&self) -> Result<u64, EngineError>;

    /// What the store takes, in bytes.
    fn bytes_on_disk(&self) -> Result<u64, EngineError>;
}
