//! What readers see of the rows: only what is committed.
//!
//! An engine shows a batch to readers as soon as it is applied, but it is not durable before it is synced. Between
//! the two, and until a failed engine was reopened, readers are given the rows as they were before.

use std::ops::{Bound, ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use parking_lot::RwLock;

use super::ReadError;
use super::rows::{Batch, EngineError, Rows, Visit};

/// How often a read is begun again because the engine was reopened meanwhile.
const TRIES: usize = 3;

/// What the rows of the commit under way held before it.
#[derive(Default)]
struct Hidden {
    /// The commit's rows, by their keys; a key stands there once.
    batch: Arc<Batch>,
    /// What each of them held.
    before: Vec<Option<Bytes>>,
}

impl Hidden {
    fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        let at = self.batch.0.binary_search_by(|(own, _)| own[..].cmp(key)).ok()?;
        self.before.get(at)
    }

    /// The rows of `range` that held something.
    fn within<'a>(
        &'a self,
        range: &(Bound<Vec<u8>>, Bound<Vec<u8>>),
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let below = |bound: &[u8], itself: bool| {
            self.batch.0.partition_point(|(key, _)| if itself { key[..] <= *bound } else { key[..] < *bound })
        };
        let start = match &range.0 {
            Bound::Included(start) => below(start, false),
            Bound::Excluded(start) => below(start, true),
            Bound::Unbounded => 0,
        };
        let end = match &range.1 {
            Bound::Included(end) => below(end, true),
            Bound::Excluded(end) => below(end, false),
            Bound::Unbounded => self.batch.0.len(),
        };
        let rows = self.batch.0.iter().zip(&self.before).take(end).skip(start);
        rows.filter_map(|((key, _), old)| Some((&key[..], old.as_deref()?)))
    }
}

/// The rows, less what is not committed.
pub(super) struct View {
    pub(super) rows: Arc<dyn Rows>,
    hidden: RwLock<Hidden>,
    /// Odd while the engine is being reopened.
    turns: AtomicU64,
}

impl View {
    pub(super) fn new(rows: Arc<dyn Rows>) -> Self {
        Self { rows, hidden: RwLock::default(), turns: AtomicU64::new(0) }
    }

    /// A batch, in the order of its keys, is about to be applied over rows that hold this now.
    pub(super) fn hide(&self, batch: Arc<Batch>, before: Vec<Option<Bytes>>) {
        *self.hidden.write() = Hidden { batch, before };
    }

    /// That batch is durable.
    pub(super) fn show(&self) {
        // Dropped when readers no longer wait for the lock.
        let _shown = std::mem::take(&mut *self.hidden.write());
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
        Ok(self.hidden.read().get(key).cloned().unwrap_or(now))
    }

    /// As [`Rows::scan`].
    pub(super) fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        // What was not visited yet. A row that the commit under way removed is no longer in the engine: it is
        // given from `hidden` when the scan passes its place.
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
                flow = match self.hidden.read().get(key) {
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
        let hidden = self.hidden.read();
        if hidden.before.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut within = hidden.within(&range);
        while let Some((key, old)) = if reverse { within.next_back() } else { within.next() } {
            visit(key, old)?;
        }
        ControlFlow::Continue(())
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
        let mut batch = Batch::default();
        batch.remove(row("b"));
        batch.put(row("c"), row("new"));
        batch.put(row("d"), row("new"));
        batch.remove(row("f"));
        let (batch, old) = (Arc::new(batch), Some(row("old")));
        view.hide(Arc::clone(&batch), vec![old.clone(), None, old.clone(), old]);
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
