//! What is wrong with a store, and who is told of it.

use std::fmt;

use thiserror::Error;

use crate::store::{Damage, EngineError, ReadError};

/// What sort of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A piece of a file.
    File,
    /// Rows that the engine does not give.
    Unreadable,
    /// A row of messages, or some of them.
    Messages,
    /// Messages that are not there.
    Missing,
    /// A header that does not name the one before it.
    Chain,
    /// A row of the hour index.
    Hour,
    /// A channel's own row.
    Channel,
    /// A row of the index of channels.
    Listing,
    /// A small record.
    Record,
    /// One of the store's own numbers.
    Number,
    /// The mark of a deleted channel.
    Deleted,
    /// Rows that belong to no channel.
    Orphan,
    /// A row of an unknown sort.
    Unknown,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Unreadable => "unreadable",
            Self::Messages => "messages",
            Self::Missing => "missing",
            Self::Chain => "chain",
            Self::Hour => "hour",
            Self::Channel => "channel",
            Self::Listing => "listing",
            Self::Record => "record",
            Self::Number => "number",
            Self::Deleted => "deleted",
            Self::Orphan => "orphan",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What sort of thing.
    pub what: What,
    /// Where: a channel and places in it, a record's name, or a key in hex.
    pub place: String,
    /// What is wrong there.
    pub why: String,
    /// What a repair makes of it.
    pub mend: &'static str,
}

impl From<&Damage> for Fault {
    fn from(damage: &Damage) -> Self {
        let Damage { file, hole } = damage;
        let (place, mend) = match hole {
            Some(hole) if hole.mended => (format!("{file} at {}", hole.at), "its one wrong byte is put right"),
            Some(hole) => (format!("{file} at {}, {} bytes", hole.at, hole.length), "what stood there is lost"),
            None => ((*file).to_owned(), "made anew"),
        };
        Self { what: What::File, place, why: "it is not what was written".into(), mend }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.what.name(), self.place, self.why)
    }
}

/// Why it did not go on.
#[derive(Debug, Error)]
pub enum Stop {
    /// The store cannot be read or written.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Something of it cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was read is not what it should be, or was refused.
    #[error("{0}")]
    File(String),
    /// What comes of it cannot be written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Who listens while a store is gone through.
pub trait Sink {
    /// This is wrong.
    fn fault(&mut self, fault: Fault) -> Result<(), Stop>;

    /// This row is to be there when all is well. Told in no order; a later row for a key is over an earlier one.
    fn keep(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop>;

    /// This row is damaged, or not to be there, and is lost unless it is kept elsewhere.
    fn aside(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop>;

    /// So many rows more were read.
    fn passed(&mut self, _rows: u64) {}
}
