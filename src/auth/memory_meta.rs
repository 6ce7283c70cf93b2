//! Small records in a map: what unit tests put in the store's place.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::shelf::Shelf;
use crate::store::{Done, Meta, MetaOp, ReadError, Versioned, WriteError};

/// Records, and how often a write of what kind is to fail next.
#[derive(Debug, Default)]
pub(crate) struct MemoryMeta {
    rows: Mutex<BTreeMap<String, Versioned>>,
    failures: Mutex<Vec<WriteError>>,
    batches: Mutex<Vec<usize>>,
}

impl MemoryMeta {
    /// The next write fails with `why`; a later call's failure comes first.
    pub(crate) fn fail_next(&self, why: WriteError) {
        self.failures.lock().push(why);
    }

    /// The same as this folder uses it.
    pub(super) fn shelf(self: &Arc<Self>) -> Shelf {
        Shelf::new(Arc::clone(self) as _, Arc::new(|read| drop(std::thread::spawn(read))))
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.rows.lock().keys().cloned().collect()
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.rows.lock().get(key).map(|row| String::from_utf8_lossy(&row.value).into_owned())
    }

    /// How many operations each write held.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.batches.lock().clone()
    }

    fn apply(&self, ops: Vec<MetaOp>) -> Result<(), WriteError> {
        self.batches.lock().push(ops.len());
        if let Some(why) = self.failures.lock().pop() {
            return Err(why);
        }
        let mut rows = self.rows.lock();
        let mut after = rows.clone();
        for op in ops {
            let (key, wanted, value) = match op {
                MetaOp::Create(key, value) => (key, Some(0), value),
                MetaOp::Swap(key, version, value) => (key, Some(version), value),
                MetaOp::Put(key, value) | MetaOp::Release(key, value) => (key, None, value),
                MetaOp::Remove(key) => {
                    after.remove(&key);
                    continue;
                }
            };
            let version = after.get(&key).map_or(0, |row: &Versioned| row.version);
            if wanted.is_some_and(|wanted| wanted != version) {
                return Err(WriteError::Conflict(key));
            }
            after.insert(key, Versioned { version: version + 1, value });
        }
        *rows = after;
        Ok(())
    }

    pub(crate) fn put(&self, key: &str, value: &str) {
        let value = Bytes::copy_from_slice(value.as_bytes());
        self.rows.lock().insert(key.to_owned(), Versioned { version: 1, value });
    }
}

impl Meta for MemoryMeta {
    fn get(&self, key: &str) -> Result<Option<Versioned>, ReadError> {
        Ok(self.rows.lock().get(key).cloned())
    }

    fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<(String, Versioned)>, ReadError> {
        let rows = self.rows.lock();
        let wanted =
            rows.iter().filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| after < &***key));
        Ok(wanted.take(max).map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    fn write(&self, ops: Vec<MetaOp>, done: Done<(), WriteError>) {
        done(self.apply(ops));
    }

    fn watch(&self, _: &str, _: Box<dyn Fn(&str, Option<&Versioned>) + Send + Sync>) {}
}
