//! An engine in memory, for tests and trials. It promises everything but to outlive the process; closing it keeps
//! its rows, so that a test can open a store on them again.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use bytes::Bytes;
use parking_lot::RwLock;

use super::rows::{Batch, EngineError, Rows, Visit};

/// Rows in a tree in memory.
#[derive(Debug, Default)]
pub struct MemoryRows(RwLock<BTreeMap<Bytes, Bytes>>);

impl Rows for MemoryRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        if range.start >= range.end {
            return Ok(());
        }
        let rows = self.0.read();
        let mut within = rows.range::<[u8], _>((Bound::Included(range.start), Bound::Excluded(range.end)));
        while let Some((key, value)) = if reverse { within.next_back() } else { within.next() } {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut rows = self.0.write();
        for (key, value) in &batch.0 {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn close(&self) {}

    fn free_bytes(&self) -> Result<u64, EngineError> {
        Ok(u64::MAX)
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        Ok(self.0.read().iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }
}
