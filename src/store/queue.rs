//! Writes that wait for the writer, first in, first out.
//!
//! Callers bound it: a channel has one append in flight. Small records are bounded here.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::keys::ChannelId;
use super::prune::Gone;
use super::reply::Reply;
use super::{AppendError, Head, MetaOp, Trimmed, WriteError};
use crate::model::{ChannelName, Message, Seq};
use crate::supervise::{Kind, Lasting, Named, named};

/// The one who writes.
pub static LOG_WRITER: Kind = Kind { name: "log_writer", messages: &[Op::NAMES], endings: Lasting::NAMES };

/// Messages of one commit, at most; one append may be larger.
pub(super) const COMMIT_MESSAGES: usize = 128;
/// Writes of one commit, at most.
const COMMIT_OPS: usize = 256;
/// Writes of small records that may wait.
pub(super) const METAS: usize = 65_536;

/// One write.
pub(super) enum Op {
    Create(ChannelName, Reply<Head, AppendError>),
    Append(ChannelName, Head, Vec<Message>, Reply<Head, AppendError>),
    Trim(ChannelName, Seq, Gone, Reply<Trimmed, AppendError>),
    /// With the number that the channel is to have, if it is to be that one and no other of the name.
    Redact(ChannelName, Option<ChannelId>, Vec<Seq>, Reply<Head, AppendError>),
    Delete(ChannelName, Reply<(), AppendError>),
    Meta(Vec<MetaOp>, Reply<(), WriteError>),
}

named!(Op: Create, Append, Trim, Redact, Delete, Meta);

impl Op {
    fn channel(&self) -> Option<&ChannelName> {
        match self {
            Self::Create(name, _)
            | Self::Append(name, ..)
            | Self::Trim(name, ..)
            | Self::Redact(name, ..)
            | Self::Delete(name, _) => Some(name),
            Self::Meta(..) => None,
        }
    }

    /// Whether it reads rows back, and so cannot share a commit with what wrote them.
    pub(super) fn reads_back(&self) -> bool {
        matches!(self, Self::Trim(..) | Self::Redact(..) | Self::Delete(..))
    }

    fn messages(&self) -> usize {
        if let Self::Append(_, _, batch, _) = self { batch.len() } else { 0 }
    }

    /// Answers that nothing was written.
    pub(super) fn refuse(self, why: &str) {
        let append = || AppendError::Unavailable(why.to_owned());
        match self {
            Self::Create(_, reply) | Self::Append(_, _, _, reply) | Self::Redact(_, _, _, reply) => {
                reply.tell(Err(append()));
            }
            Self::Trim(_, _, _, reply) => reply.tell(Err(append())),
            Self::Delete(_, reply) => reply.tell(Err(append())),
            Self::Meta(_, reply) => reply.tell(Err(WriteError::Unavailable(why.to_owned()))),
        }
    }
}

/// A write, and when it was sent, as the writer's clock has it.
pub(super) struct Waiting {
    pub(super) op: Op,
    pub(super) sent: u64,
}

/// How the writer is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// After everything that waits was written.
    Clean,
    /// Now, as in a crash.
    Now,
}

/// What the writer wakes up to.
pub(super) enum Next {
    Ops(Vec<Waiting>),
    /// The time is up, or somebody called [`Queue::wake`].
    Woken,
    End(Ending),
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    metas: usize,
    ending: Option<Ending>,
    woken: bool,
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

impl Queue {
    /// Puts a write at the end; gives it back, with a reason, if it cannot be taken.
    #[expect(clippy::result_large_err, reason = "a refused write goes back to its caller whole, and rarely")]
    pub(super) fn push(&self, op: Op, sent: u64) -> Result<(), (Op, &'static str)> {
        let mut state = self.state.lock();
        if state.ending.is_some() {
            return Err((op, "it is closed"));
        }
        if matches!(op, Op::Meta(..)) {
            if state.metas >= METAS {
                return Err((op, "too many writes wait"));
            }
            state.metas += 1;
        }
        state.waiting.push_back(Waiting { op, sent });
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Puts the rest of a write back to the front.
    pub(super) fn push_front(&self, waiting: Waiting) {
        self.state.lock().waiting.push_front(waiting);
    }

    /// Waits for writes, until `deadline` if there is one, and takes as many as one commit may hold.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Next {
        let mut state = self.state.lock();
        loop {
            if state.ending == Some(Ending::Now) {
                return Next::End(Ending::Now);
            }
            if !state.waiting.is_empty() {
                return Next::Ops(state.drain());
            }
            if state.ending.is_some() {
                return Next::End(Ending::Clean);
            }
            if std::mem::take(&mut state.woken) {
                return Next::Woken;
            }
            match deadline {
                None => self.filled.wait(&mut state),
                Some(deadline) => {
                    if self.filled.wait_until(&mut state, deadline).timed_out() && state.waiting.is_empty() {
                        return state.ending.map_or(Next::Woken, Next::End);
                    }
                }
            }
        }
    }

    /// Takes as many writes as one commit may hold, if any wait.
    #[cfg(feature = "testing")]
    pub(super) fn take(&self) -> Vec<Waiting> {
        self.state.lock().drain()
    }

    /// Has the writer look up.
    pub(super) fn wake(&self) {
        self.state.lock().woken = true;
        self.filled.notify_one();
    }

    /// Takes no more writes; the writer ends.
    pub(super) fn end(&self, ending: Ending) {
        let mut state = self.state.lock();
        let strongest = if state.ending == Some(Ending::Now) { Ending::Now } else { ending };
        state.ending = Some(strongest);
        drop(state);
        self.filled.notify_one();
    }

    /// Refuses what waits, at the very end; tells when each was sent.
    pub(super) fn clear(&self) -> Vec<u64> {
        let left = std::mem::take(&mut self.state.lock().waiting);
        let refuse = |waiting: Waiting| {
            waiting.op.refuse("it is closed");
            waiting.sent
        };
        left.into_iter().map(refuse).collect()
    }

    /// How many writes wait.
    #[cfg(feature = "testing")]
    pub(super) fn depth(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

impl State {
    fn drain(&mut self) -> Vec<Waiting> {
        let mut taken: Vec<Waiting> = Vec::new();
        let mut messages = 0;
        while let Some(next) = self.waiting.front() {
            let size = next.op.messages();
            let channel = next.op.channel();
            let shares = |taken: &Waiting| channel.is_some() && taken.op.channel() == channel;
            let apart = next.op.reads_back() && taken.iter().any(shares);
            if !taken.is_empty() && (apart || taken.len() >= COMMIT_OPS || messages + size > COMMIT_MESSAGES) {
                break;
            }
            messages += size;
            let Some(next) = self.waiting.pop_front() else { break };
            self.metas -= usize::from(matches!(next.op, Op::Meta(..)));
            taken.push(next);
        }
        taken
    }
}
