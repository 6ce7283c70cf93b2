//! What can go wrong with a store.

use thiserror::Error;

use super::Head;
use crate::model::Seq;

/// Why a read gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The channel is not there.
    #[error("no such channel")]
    NoChannel,
    /// A row's checksum or form is wrong.
    #[error("damaged record at {0}")]
    Damaged(Seq),
    /// The engine failed or is being reopened.
    #[error("the store cannot be read now: {0}")]
    Unavailable(String),
}

/// Why an append was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The log ends elsewhere by now: here.
    #[error("the log's head has moved to {}", .0.seq)]
    Conflict(Head),
    /// The channel is not there.
    #[error("no such channel")]
    NoChannel,
    /// A message is larger than a row may be.
    #[error("a message of {0} bytes does not fit a row")]
    TooLarge(usize),
    /// Too little free space; nothing was written.
    #[error("too little free space on the store's disk")]
    Full,
    /// The engine is being reopened; nothing was written.
    #[error("the store takes no writes now: {0}")]
    Unavailable(String),
    /// The write failed half-way: it may or may not be there.
    #[error("the write's outcome is unknown")]
    Unknown,
}

/// Why a store did not open.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data directory {0} is in use by another process")]
    InUse(String),
    /// Nothing is there.
    #[error("there is no store in the data directory {0}")]
    Nothing(String),
    /// A store is there, where none may be.
    #[error("the data directory {0} is not empty: expected none, or one without a store")]
    Taken(String),
    /// A later Parlor wrote it.
    #[error("the data directory {path} has format {found}; this Parlor reads up to {known}")]
    Newer {
        /// Where.
        path: String,
        /// The format that it says.
        found: u32,
        /// The newest that this build reads.
        known: u32,
    },
    /// It cannot be read as a store.
    #[error("the data directory {path} is damaged: {why}; `parlor verify` says more, and `parlor repair` mends it")]
    Damaged {
        /// Where.
        path: String,
        /// What the engine said.
        why: String,
    },
    /// It cannot be made or opened.
    #[error("the data directory {path} cannot be opened: {why}")]
    Io {
        /// Where.
        path: String,
        /// What the system said.
        why: String,
    },
}
