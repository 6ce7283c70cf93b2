//! The seam for small records: guests, memberships, read positions.

use bytes::Bytes;
use thiserror::Error;

use super::{Done, ReadError};

/// A record with its version, which grows with every write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// 1 at creation.
    pub version: u64,
    /// What it holds; at most 64 KiB less its key and 16 bytes.
    pub value: Bytes,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaOp {
    /// Makes a record; fails with a conflict if it is there.
    Create(String, Bytes),
    /// Replaces a record that still has this version; 0 for one that is not there.
    Swap(String, u64, Bytes),
    /// Writes, whatever is there.
    Put(String, Bytes),
    /// The same, of a few bytes that let much more go: it is taken when there is too little free space, too.
    Release(String, Bytes),
    /// Removes, if it is there.
    Remove(String),
}

impl MetaOp {
    /// Whether it makes more room than it takes.
    pub(super) fn makes_room(&self) -> bool {
        matches!(self, Self::Release(..) | Self::Remove(_))
    }
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// A condition did not hold.
    #[error("the record has changed: {0}")]
    Conflict(String),
    /// A record and its key are larger than a row may be; their size in bytes.
    #[error("a record of {0} bytes does not fit a row")]
    TooLarge(usize),
    /// The store takes no writes now.
    #[error("the store takes no writes now: {0}")]
    Unavailable(String),
    /// The write failed half-way: it may or may not be there.
    #[error("the write's outcome is unknown")]
    Unknown,
}

/// Who is told of a change: the key, and the new record or `None` if it was removed.
pub type Tell = Box<dyn Fn(&str, Option<&Versioned>) + Send + Sync>;

/// Small records by name, in one ordered space of keys.
pub trait Meta: Send + Sync + 'static {
    /// One record. Blocks on the disk.
    fn get(&self, key: &str) -> Result<Option<Versioned>, ReadError>;

    /// Records whose keys begin with `prefix` and follow `after`, ascending, at most `max`. Blocks on the disk.
    fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<(String, Versioned)>, ReadError>;

    /// Carries out all of `ops` or none. `Ok` means durable.
    fn write(&self, ops: Vec<MetaOp>, done: Done<(), WriteError>);

    /// Calls `tell` with key and new record (`None`: removed) after each write below `prefix`, from the writer's
    /// thread. It must not block.
    fn watch(&self, prefix: &str, tell: Tell);
}
