//! The seam for small records over one machine's rows: reads go to the rows at once, writes to the writer's queue.

use std::ops::ControlFlow;

use super::commit::open_meta;
use super::local::Local;
use super::queue::Op;
use super::reply::Reply;
use super::{Done, Meta, MetaOp, ReadError, Tell, Versioned, WriteError, keys};

impl Meta for Local {
    fn get(&self, key: &str) -> Result<Option<Versioned>, ReadError> {
        self.0.view.stable(|| {
            let row = keys::meta(key);
            let value = self.0.view.get(&row)?;
            value.map(|value| open_record(&row, &value)).transpose()
        })
    }

    fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<(String, Versioned)>, ReadError> {
        self.0.view.stable(|| {
            let mut found = Vec::new();
            let mut outcome = Ok(());
            if max == 0 {
                return Ok(found);
            }
            let range = keys::metas(prefix, after);
            self.0.view.scan(&range.start..&range.end, false, &mut |key, value| {
                match open_record(key, value) {
                    Ok(record) => found.extend(keys::name(key).map(|name| (name.to_owned(), record))),
                    Err(error) => outcome = Err(error),
                }
                if outcome.is_ok() && found.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            outcome.map(|()| found)
        })
    }

    fn write(&self, ops: Vec<MetaOp>, done: Done<(), WriteError>) {
        self.push(Op::Meta(ops, Reply::new(done)));
    }

    fn watch(&self, prefix: &str, tell: Tell) {
        self.0.watchers.write().push((prefix.to_owned(), tell.into()));
    }
}

fn open_record(key: &[u8], value: &[u8]) -> Result<Versioned, ReadError> {
    open_meta(key, value).map_err(|bad| {
        ReadError::Unavailable(format!("the record {:?} is damaged: {bad}", keys::name(key).unwrap_or_default()))
    })
}
