//! What benches drive of the store's form on disk, which nobody else sees from outside; with the feature `testing`.

use super::block::{self, Row};
use super::{Hash, record};
use crate::model::Message;

/// The rows that a batch comes to.
#[derive(Debug)]
pub struct Blocks(Vec<Row>);

impl Blocks {
    /// Writes and seals a batch of channel `channel`, whose log is empty; with it comes the last header's hash.
    pub fn seal(channel: u64, batch: &[Message]) -> (Self, Hash) {
        let (rows, hash) = block::cut(channel, batch, record::ROOT);
        (Self(rows), hash)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.0.len()
    }

    /// Bytes in all their values.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|row| row.value.len()).sum()
    }

    /// Opens all of them and reads their messages; `None` if one of them is damaged.
    pub fn messages(&self) -> Option<Vec<Message>> {
        let mut messages = Vec::new();
        for row in &self.0 {
            for record in block::open(&row.key, &row.value).ok()? {
                messages.push(record.message().ok()?);
            }
        }
        Some(messages)
    }

    /// Opens all of them and follows their chain, as a load does to find a head; `None` if one of them is damaged.
    pub fn link(&self) -> Option<Hash> {
        let mut link = None;
        for row in &self.0 {
            link = block::open(&row.key, &row.value).ok()?.last().map(record::Record::link);
        }
        link
    }
}
