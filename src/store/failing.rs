//! A shim over any engine that breaks it on request, to see what the rest makes of it.
//!
//! It remembers how to undo every batch that was not synced. A crash, or a reopening after a failure, loses the
//! newest of them at any boundary that the test asks for, as a real disk may. For tests; a whole server runs on it.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use super::rows::{Batch, EngineError, Rows, Visit};

/// Which call is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An apply that writes nothing.
    Apply,
    /// An apply that writes everything, and then says that it failed.
    ApplyLate,
    /// An apply that panics.
    Panic,
    /// A sync.
    Sync,
    /// A read.
    Read,
    /// A reopening.
    Reopen,
}

#[derive(Default)]
struct State {
    /// Faults that have not struck yet, in order.
    faults: Vec<Fault>,
    /// Everything but a reopening fails until then, as sled has it.
    broken: bool,
    /// How to undo what is not synced, oldest first.
    undo: Vec<Batch>,
    /// How many unsynced batches survive the next loss.
    keep: usize,
    free: Option<u64>,
    held: bool,
    syncs_waiting: usize,
    applied: u64,
    synced: u64,
    reopened: u64,
}

/// The handle that makes trouble. A clone is the same handle.
#[derive(Clone, Default)]
pub struct Trouble(Arc<(Mutex<State>, Condvar)>);

impl Trouble {
    /// The next call of that sort fails; twice armed, the next two.
    pub fn arm(&self, fault: Fault) {
        self.0.0.lock().faults.push(fault);
    }

    /// Calls off what has not struck.
    pub fn disarm(&self) {
        self.0.0.lock().faults.clear();
    }

    /// How many unsynced batches survive a crash or a reopening after a failure: 0, unless told otherwise.
    pub fn keep(&self, batches: usize) {
        self.0.0.lock().keep = batches;
    }

    /// Makes so many bytes seem free; `None` for the truth.
    pub fn free_bytes(&self, free: Option<u64>) {
        self.0.0.lock().free = free;
    }

    /// Has syncs wait until [`release`](Self::release).
    pub fn hold(&self) {
        self.0.0.lock().held = true;
    }

    /// Lets syncs through.
    pub fn release(&self) {
        self.0.0.lock().held = false;
        self.0.1.notify_all();
    }

    /// Returns when a sync waits.
    pub fn await_held_sync(&self) {
        let mut state = self.0.0.lock();
        while state.syncs_waiting == 0 {
            self.0.1.wait(&mut state);
        }
    }

    /// Whether a sync waits.
    pub fn is_holding(&self) -> bool {
        self.0.0.lock().syncs_waiting > 0
    }

    /// How many batches were applied, syncs done and reopenings made.
    pub fn counts(&self) -> (u64, u64, u64) {
        let state = self.0.0.lock();
        (state.applied, state.synced, state.reopened)
    }
}

impl State {
    fn strikes(&mut self, fault: Fault) -> bool {
        let at = self.faults.iter().position(|&armed| armed == fault);
        at.map(|at| self.faults.remove(at)).is_some()
    }

    fn fail(&mut self, what: &str) -> EngineError {
        self.broken = true;
        EngineError::Failed(format!("{what} failed on request"))
    }

    fn whole(&self) -> Result<(), EngineError> {
        if self.broken { Err(EngineError::Failed("it has failed before".into())) } else { Ok(()) }
    }
}

/// An engine that fails on request.
pub struct Failing {
    below: Arc<dyn Rows>,
    trouble: Trouble,
}

impl Failing {
    /// Over `below`, with the handle to break it.
    pub fn over(below: Arc<dyn Rows>) -> (Arc<Self>, Trouble) {
        let trouble = Trouble::default();
        (Arc::new(Self { below, trouble: trouble.clone() }), trouble)
    }

    /// Kills the process, as far as the rows can tell: what is not synced is lost. No store may be open on it.
    pub fn crash(&self) -> Result<(), EngineError> {
        let mut state = self.trouble.0.0.lock();
        state.broken = false;
        self.lose(&mut state)
    }

    fn lose(&self, state: &mut State) -> Result<(), EngineError> {
        let keep = state.keep;
        while state.undo.len() > keep {
            if let Some(undo) = state.undo.pop() {
                self.below.apply(&undo)?;
            }
        }
        state.undo.clear();
        self.below.sync()
    }
}

impl Rows for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        if self.trouble.0.0.lock().strikes(Fault::Read) {
            return Err(EngineError::Failed("a read failed on request".into()));
        }
        self.below.get(key)
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        if self.trouble.0.0.lock().strikes(Fault::Read) {
            return Err(EngineError::Failed("a read failed on request".into()));
        }
        self.below.scan(range, reverse, visit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut state = self.trouble.0.0.lock();
        state.whole()?;
        if state.strikes(Fault::Panic) {
            state.broken = true;
            drop(state);
            // As a panic, but without the noise of its message.
            resume_unwind(Box::new("a panic on request"));
        }
        if state.strikes(Fault::Apply) {
            return Err(state.fail("an apply"));
        }
        let mut undo = Batch::default();
        for (key, _) in &batch.0 {
            undo.0.push((key.clone(), self.below.get(key)?));
        }
        self.below.apply(batch)?;
        state.undo.push(undo);
        state.applied += 1;
        if state.strikes(Fault::ApplyLate) { Err(state.fail("an apply")) } else { Ok(()) }
    }

    fn sync(&self) -> Result<(), EngineError> {
        let mut state = self.trouble.0.0.lock();
        state.whole()?;
        if state.held {
            state.syncs_waiting += 1;
            self.trouble.0.1.notify_all();
            while state.held {
                self.trouble.0.1.wait(&mut state);
            }
            state.syncs_waiting -= 1;
        }
        if state.strikes(Fault::Sync) {
            return Err(state.fail("a sync"));
        }
        self.below.sync()?;
        state.undo.clear();
        state.synced += 1;
        Ok(())
    }

    fn settle(&self, all: bool) -> Result<(), EngineError> {
        let state = self.trouble.0.0.lock();
        state.whole()?;
        // What a crash may still take away stays as it is.
        if state.undo.is_empty() { self.below.settle(all) } else { Ok(()) }
    }

    fn settled(&self) -> Result<(), EngineError> {
        self.trouble.0.0.lock().whole()?;
        self.below.settled()
    }

    fn reopen(&self) -> Result<(), EngineError> {
        let mut state = self.trouble.0.0.lock();
        if state.strikes(Fault::Reopen) {
            return Err(state.fail("a reopening"));
        }
        // What was closed in order has lost nothing; the shim keeps the engine below open.
        if state.broken && !state.undo.is_empty() {
            self.lose(&mut state)?;
        }
        self.below.reopen()?;
        state.broken = false;
        state.reopened += 1;
        Ok(())
    }

    /// Leaves the engine below open, so that [`Failing::crash`] can still take from it.
    fn close(&self) {}

    fn free_bytes(&self) -> Result<u64, EngineError> {
        let free = self.trouble.0.0.lock().free;
        free.map_or_else(|| self.below.free_bytes(), Ok)
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.below.bytes_on_disk()
    }
}
