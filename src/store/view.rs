//! What readers see of the rows: only what is committed.
//!
//! An engine shows a batch to readers as soon as it is applied, but it is not durable before it is synced. Between
//! the two, and until a failed engine was reopened, readers are given the rows as they were before.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use parking_lot::RwLock;

use super::ReadError;
use super::rows::{EngineError, Rows, Visit};

/// How often a read is begun again because the engine was reopened meanwhile.
const TRIES: usize = 3;

/// The rows, less what is not committed.
pub(super) struct View {
    pub(super) rows: Arc<dyn Rows>,
    /// What the rows of the commit under way held before it.
    before: RwLock<BTreeMap<Bytes, Option<Bytes>>>,
    /// Odd while the engine is being reopened.
    turns: AtomicU64,
}

impl View {
    pub(super) fn new(rows: Arc<dyn Rows>) -> Self {
        Self { rows, before: RwLock::default(), turns: AtomicU64::new(0) }
    }

    /// A batch is about to be applied over rows that hold this now.
    pub(super) fn hide(&self, before: BTreeMap<Bytes, Option<Bytes>>) {
        *self.before.write() = before;
    }

    /// That batch is durable.
    pub(super) fn show(&self) {
        self.before.write().clear();
    }

    /// Runs `reopen`; no read mixes what was there before it with what is there after.
    pub(super) fn turn<T>(&self, reopen: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        /// Ends the turn, also if reopening panics: the reads have to go on.
        struct Turn<'a>(&'a AtomicU64);
        impl Drop for Turn<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        self.turns.fetch_add(1, SeqCst);
        let _turn = Turn(&self.turns);
        let done = reopen();
        if done.is_ok() {
            self.show();
        }
        done
    }

    /// Runs a read of several steps; again, if the engine was reopened between them.
    pub(super) fn stable<T>(&self, read: impl Fn() -> Result<T, ReadError>) -> Result<T, ReadError> {
        for _ in 0..TRIES {
            let turn = self.turns.load(SeqCst);
            if turn % 2 == 1 {
                break;
            }
            let done = read();
            if self.turns.load(SeqCst) == turn {
                return done;
            }
        }
        Err(ReadError::Unavailable("it is being reopened".into()))
    }

    /// One row.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let now = self.rows.get(key)?;
        Ok(self.before.read().get(key).cloned().unwrap_or(now))
    }

    /// As [`Rows::scan`].
    pub(super) fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        // What was not visited yet. A row that the commit under way removed is no longer in the engine: it is
        // given from `before` when the scan passes its place.
        let (mut start, mut end) = (Bound::Included(range.start.to_vec()), Bound::Excluded(range.end.to_vec()));
        if range.start >= range.end {
            return Ok(());
        }
        let mut ended = false;
        self.rows.scan(range, reverse, &mut |key, now| {
            let here = Bound::Excluded(key.to_vec());
            let passed = if reverse { (here.clone(), end.clone()) } else { (start.clone(), here.clone()) };
            if reverse {
                end = here;
            } else {
                start = here;
            }
            let mut flow = self.removed(passed, reverse, visit);
            if flow.is_continue() {
                flow = match self.before.read().get(key) {
                    None => visit(key, now),
                    Some(Some(old)) => visit(key, old),
                    Some(None) => ControlFlow::Continue(()),
                };
            }
            ended |= flow.is_break();
            flow
        })?;
        if !ended {
            let _ = self.removed((start, end), reverse, visit);
        }
        Ok(())
    }

    fn removed(&self, range: (Bound<Vec<u8>>, Bound<Vec<u8>>), reverse: bool, visit: Visit<'_>) -> ControlFlow<()> {
        let before = self.before.read();
        if before.is_empty() || is_empty(&range) {
            return ControlFlow::Continue(());
        }
        let bounds = (range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice));
        let mut within = before.range::<[u8], _>(bounds);
        while let Some((key, old)) = if reverse { within.next_back() } else { within.next() } {
            if let Some(old) = old {
                visit(key, old)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Whether nothing can lie in `range`; a map's own `range` panics if its ends are the same and both excluded.
fn is_empty(range: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> bool {
    match range {
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryRows;
    use super::super::rows::Batch;
    use super::*;

    fn row(name: &'static str) -> Bytes {
        Bytes::from_static(name.as_bytes())
    }

    fn names(view: &View, reverse: bool) -> Vec<String> {
        let mut seen = Vec::new();
        view.scan(b"a".as_slice()..b"z", reverse, &mut |key, value| {
            seen.push(format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)));
            ControlFlow::Continue(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn a_batch_is_seen_only_when_it_is_shown() {
        let view = View::new(Arc::new(MemoryRows::default()));
        let mut batch = Batch::default();
        for name in ["b", "d", "f"] {
            batch.put(row(name), row("old"));
        }
        view.rows.apply(&batch).unwrap();
        let old = Some(row("old"));
        view.hide([(row("b"), old.clone()), (row("c"), None), (row("d"), old.clone()), (row("f"), old)].into());
        let mut batch = Batch::default();
        batch.remove(row("b"));
        batch.put(row("c"), row("new"));
        batch.put(row("d"), row("new"));
        batch.remove(row("f"));
        view.rows.apply(&batch).unwrap();
        assert_eq!(names(&view, false), ["b=old", "d=old", "f=old"]);
        assert_eq!(names(&view, true), ["f=old", "d=old", "b=old"]);
        assert_eq!(view.get(b"c").unwrap(), None);
        view.show();
        assert_eq!(names(&view, false), ["c=new", "d=new"]);
    }

    #[test]
    fn a_read_that_spans_a_reopening_begins_again() {
        let view = View::new(Arc::new(MemoryRows::default()));
        let runs = AtomicU64::new(0);
        let read = view.stable(|| {
            if runs.fetch_add(1, SeqCst) == 0 {
                view.turn(|| Ok(())).unwrap();
            }
            Ok(runs.load(SeqCst))
        });
        assert_eq!(read, Ok(2));
    }
}
