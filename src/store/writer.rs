//! The one who writes: a thread that makes one commit of whatever waits, over all channels.
//!
//! It promises that an answer is told once, and `Ok` only when the write is as durable as the configuration says. It
//! never retries a failed write on the same handle: it says `Unknown`, reopens the engine and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use super::commit::{Change, Commit, Watchers};
use super::entry::Cache;
use super::figures::Figures;
use super::health::Watch;
use super::keys::ChannelId;
use super::queue::{Ending, Next, Op, Queue, Waiting};
use super::reply::Answer;
use super::rows::EngineError;
use super::view::View;
use super::{life, prune};

#[cfg(feature = "testing")]
#[path = "stepped.rs"]
mod stepped;
use crate::clock;
use crate::config::Durability;
use crate::planted::{Bug, planted};
use crate::supervise::{Life, Named, Panic, Vitals, caught};
#[cfg(feature = "testing")]
pub use stepped::Stepped;

/// The first wait before reopening, after a failure that followed another at once.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest.
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// What the writer and the readers share.
pub(super) struct Core {
    pub(super) view: View,
    pub(super) queue: Queue,
    pub(super) watch: Watch,
    pub(super) generation: AtomicU64,
    pub(super) durability: Durability,
    pub(super) sync_interval: Duration,
    pub(super) watchers: RwLock<Watchers>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) figures: Figures,
}

impl Core {
    /// Opens the engine again; a panic is an error like others.
    fn reopen(&self) -> Result<(), EngineError> {
        let reopen = || {
            self.view.rows.reopen()?;
            let life = life::settle(&*self.view.rows, self.durability, false)?;
            self.generation.store(life.generation, SeqCst);
            Ok(())
        };
        caught(|| self.view.turn(reopen)).unwrap_or_else(|panic| self.broke("a reopening", &panic))
    }

    /// A write that was sent then waits.
    pub(super) fn entered(&self, sent: u64) {
        self.vitals.entered_at(sent);
        self.figures.depth.inc();
    }

    /// It waits no more.
    pub(super) fn left(&self, sent: u64) {
        self.vitals.left(sent);
        self.figures.depth.dec();
    }

    /// A panic is counted, and an error like others.
    fn broke<T>(&self, what: &str, panic: &Panic) -> Result<T, EngineError> {
        self.vitals.broke(what, panic);
        Err(EngineError::Failed(format!("{what} panicked")))
    }

    fn sync(&self) -> Result<(), EngineError> {
        let timer = self.figures.sync.start_timer();
        let done = self.view.rows.sync();
        timer.observe_duration();
        done
    }

    fn tell(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let watchers = self.watchers.read().clone();
        for (name, record) in changes {
            for (_, tell) in watchers.iter().filter(|(prefix, _)| name.starts_with(prefix)) {
                if let Err(panic) = caught(|| tell(name, record.as_ref())) {
                    self.vitals.broke("telling of a record", &panic);
                }
            }
        }
    }
}

/// The thread's own state.
pub(super) struct Writer {
    core: Arc<Core>,
    _life: Life,
    cache: Cache,
    next_channel: Option<ChannelId>,
    /// Deleted channels whose rows are not all removed yet.
    chores: Vec<ChannelId>,
    /// With `interval`: when what is written and not synced has to be.
    sync_due: Option<Instant>,
    /// How long to wait before the next reopening.
    pause: Duration,
}

impl Writer {
    pub(super) fn new(core: Arc<Core>, life: Life) -> Result<Self, EngineError> {
        let chores = prune::left_behind(&core.view)?;
        let (cache, pause) = (Cache::default(), Duration::ZERO);
        Ok(Self { core, _life: life, cache, next_channel: None, chores, sync_due: None, pause })
    }

    /// Runs until the queue ends; `Ok` if it ended clean and everything is on disk.
    pub(super) fn run(mut self) -> Result<(), EngineError> {
        let ended = loop {
            // With chores left it looks up at once, when nobody waits.
            let deadline = if self.chores.is_empty() { self.sync_due } else { Some(clock::stamp()) };
            let done = match self.core.queue.next(deadline) {
                Next::Ops(ops) => self.guarded(ops),
                Next::Woken if self.chores.is_empty() => Ok(()),
                Next::Woken => self.guarded(Vec::new()),
                Next::End(Ending::Clean) => break self.end(),
                Next::End(Ending::Now) => break Err(EngineError::Closed),
            };
            if let Err(error) = done.and_then(|()| self.tidy_up())
                && !self.recover(&error)
            {
                break Err(error);
            }
        };
        self.core.queue.clear().into_iter().for_each(|sent| self.core.left(sent));
        self.core.view.rows.close();
        ended
    }

    /// A commit whose panic is an error like others.
    fn guarded(&mut self, ops: Vec<Waiting>) -> Result<(), EngineError> {
        ops.iter().for_each(|waiting| self.core.left(waiting.sent));
        caught(|| self.commit(ops)).unwrap_or_else(|panic| self.core.broke("a commit", &panic))
    }

    /// What comes behind a commit, with the same care.
    fn tidy_up(&mut self) -> Result<(), EngineError> {
        let done = caught(|| self.sync_if_due().and_then(|()| self.settle()));
        done.unwrap_or_else(|panic| self.core.broke("settling", &panic))
    }

    fn commit(&mut self, ops: Vec<Waiting>) -> Result<(), EngineError> {
        let core = Arc::clone(&self.core);
        let began = clock::stamp();
        let stamped = core.vitals.probe().now();
        let sent: Vec<(usize, u64)> = ops.iter().map(|waiting| (waiting.op.index(), waiting.sent)).collect();
        if !self.chores.is_empty() || ops.iter().any(|waiting| waiting.op.reads_back()) {
            core.view.rows.settled()?;
        }
        let low_space = core.watch.low_space(&*core.view.rows);
        let generation = core.generation.load(SeqCst);
        let mut commit = Commit::new(&core.view, &mut self.cache, &mut self.next_channel, generation, low_space);
        commit.answers.reserve(ops.len());
        for waiting in ops {
            commit.add(waiting);
        }
        let swept = match self.chores.last() {
            Some(&id) => commit.sweep(id)?.then_some(id),
            None => None,
        };
        let (batch, before) = commit.take_rows();
        let batch = Arc::new(batch);
        if planted(Bug::ReceiptBeforeCommit) {
            commit.answers.drain(..).for_each(Answer::tell);
        }
        if !batch.0.is_empty() {
            if core.durability == Durability::Always {
                core.view.hide(Arc::clone(&batch), before);
            }
            core.view.rows.apply(&batch)?;
            if core.durability == Durability::Always {
                if !planted(Bug::SkippedSync) {
                    core.sync()?;
                }
                core.view.show();
            } else {
                self.sync_due = self.sync_due.or_else(|| clock::stamp().checked_add(core.sync_interval));
            }
            core.figures.messages.observe(commit.messages as f64);
            core.figures.commit.observe(clock::stamp().duration_since(began).as_secs_f64());
            self.pause = Duration::ZERO;
        }
        core.tell(&commit.changes);
        commit.answers.drain(..).for_each(Answer::tell);
        for waiting in commit.rest.drain(..).rev() {
            core.entered(waiting.sent);
            core.queue.push_front(waiting);
        }
        self.chores.retain(|id| Some(*id) != swept);
        self.chores.append(&mut commit.gone);
        sent.into_iter().for_each(|(index, sent)| core.vitals.handled::<Op>(index, sent, stamped));
        Ok(())
    }

    fn sync_if_due(&mut self) -> Result<(), EngineError> {
        if self.sync_due.is_some_and(|due| due <= clock::stamp()) {
            self.sync_due = None;
            self.core.sync()?;
        }
        Ok(())
    }

    /// Lets the engine put its rows in order, now that nothing is under way.
    fn settle(&mut self) -> Result<(), EngineError> {
        if self.sync_due.is_none() { self.core.view.rows.settle(false) } else { Ok(()) }
    }

    /// Everything is on disk, and where it belongs.
    fn end(&self) -> Result<(), EngineError> {
        life::end(&*self.core.view.rows)?;
        self.core.view.rows.settle(true)
    }

    /// What is known of the rows is not true any more.
    fn forget(&mut self, error: &EngineError) {
        log::error!("the store failed and is being reopened: {error}");
        self.core.watch.failed(error.to_string());
        self.cache.clear();
        self.next_channel = None;
        self.sync_due = None;
    }

    /// The engine was reopened.
    fn go_on(&self) {
        log::info!("the store is open again");
        self.core.watch.recovered();
        self.core.vitals.probe().restarted();
    }

    /// Reopens the engine, however often it takes; writes are refused meanwhile. False: the store is to end.
    fn recover(&mut self, error: &EngineError) -> bool {
        self.forget(error);
        loop {
            let Some(until) = clock::stamp().checked_add(self.pause) else { return false };
            self.pause = (self.pause * 2).clamp(PAUSE, LONG_PAUSE);
            if !self.refuse(|| clock::stamp() >= until, Some(until)) {
                return false;
            }
            match self.reopen() {
                None => return false,
                Some(Ok(())) => break,
                Some(Err(error)) => {
                    log::error!("the store did not reopen: {error}");
                    self.core.watch.failed(error.to_string());
                }
            }
        }
        self.go_on();
        true
    }

    /// Reopens on a thread of its own, since it may take seconds; `None`: the store is to end.
    fn reopen(&self) -> Option<Result<(), EngineError>> {
        let outcome: Arc<Mutex<Option<Result<(), EngineError>>>> = Arc::default();
        let (core, told) = (Arc::clone(&self.core), Arc::clone(&outcome));
        let thread = std::thread::Builder::new().name("parlor-reopen".into()).spawn(move || {
            *told.lock() = Some(core.reopen());
            core.queue.wake();
        });
        let thread = match thread {
            Ok(thread) => thread,
            Err(error) => return Some(Err(EngineError::Failed(error.to_string()))),
        };
        let goes_on = self.refuse(|| outcome.lock().is_some(), None);
        let _ = thread.join();
        let done = outcome.lock().take();
        if goes_on { done } else { None }
    }

    fn turn_away(&self, ops: Vec<Waiting>) {
        for waiting in ops {
            self.core.left(waiting.sent);
            waiting.op.refuse("it failed and is being reopened");
        }
    }

    /// Answers all writes with a refusal until `done`; false: the store is to end.
    fn refuse(&self, done: impl Fn() -> bool, deadline: Option<Instant>) -> bool {
        while !done() {
            match self.core.queue.next(deadline) {
                Next::Ops(ops) => self.turn_away(ops),
                Next::Woken => {}
                Next::End(_) => return false,
            }
        }
        true
    }
}
