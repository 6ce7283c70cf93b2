//! The writer without a thread: a simulation says when it makes a commit; with the feature `testing`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Writer;
use crate::store::Reads;
use crate::store::rows::EngineError;

/// The two things of a store that otherwise have threads.
pub struct Stepped {
    pub(in crate::store) writer: Writer,
    pub(in crate::store) reads: Reads,
    /// Whether the engine failed and was not reopened since.
    pub(in crate::store) broken: bool,
}

impl Stepped {
    /// Whether there is anything to write, to sync or to reopen.
    pub fn has_work(&self) -> bool {
        self.broken
            || self.writer.core.queue.depth() > 0
            || !self.writer.chores.is_empty()
            || self.writer.sync_due.is_some_and(|due| due <= crate::clock::stamp())
    }

    /// How many reads wait.
    pub fn reads(&self) -> usize {
        self.reads.waiting()
    }

    /// Carries out the oldest read.
    pub fn read(&self) -> bool {
        self.reads.turn()
    }

    /// Makes one commit of what waits. After a failure: refuses what waits, and if `reopen`, reopens the engine.
    pub fn write(&mut self, reopen: bool) {
        let waiting = self.writer.core.queue.take();
        if self.broken {
            self.writer.turn_away(waiting);
            if !reopen {
                return;
            }
            match self.writer.core.reopen() {
                Ok(()) => {
                    self.broken = false;
                    self.writer.go_on();
                }
                Err(error) => self.writer.core.watch.failed(error.to_string()),
            }
            return;
        }
        let done = self.writer.guarded(waiting).and_then(|()| self.writer.tidy_up());
        if let Err(error) = done {
            self.fail(&error);
        }
    }

    /// Ends as the thread does when a store is closed: all is on disk. A panic is the thread's end, and an error.
    pub fn close(mut self) -> Result<(), EngineError> {
        while !self.broken && self.writer.core.queue.depth() > 0 {
            self.write(false);
        }
        catch_unwind(AssertUnwindSafe(|| crate::store::life::end(&*self.writer.core.view.rows)))
            .unwrap_or_else(|_| Err(EngineError::Failed("the writer's thread panicked".into())))
    }

    fn fail(&mut self, error: &EngineError) {
        self.writer.forget(error);
        self.broken = true;
    }
}
