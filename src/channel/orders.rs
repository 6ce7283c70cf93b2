//! What is asked of a channel by no session: to forget its oldest messages, to note how much is kept of it, to be no more. It
//! waits in the channel's own queue like everything else. Pure.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::messages::{Item, Origin};
use super::state::{Phase, State};
use super::step::{Effect, Job, Time, overloaded};
use crate::model::{Epoch, Seq, UserName};
use crate::protocol::Problem;
use crate::store::{AppendError, Head, Keep, Trimmed};

/// How many messages are forgotten at a time: one commit of the store takes that many, whatever stands in them, so that
/// what others write comes between.
const BITE: Seq = 256;
/// How many orders may wait.
const WAITING_MAX: usize = 64;

/// Where an order's outcome goes. Dropped, it says that nobody knows.
pub type Tell<T> = oneshot::Sender<Result<T, Problem>>;

/// What is asked of a channel by no session.
#[derive(Debug)]
pub enum Order {
    /// Forget the messages below this one. A channel that sleeps is not loaded for it.
    Trim {
        /// The log as it was when this was decided: nothing that came later goes, and nothing of another log.
        of: Head,
        /// The oldest message that is to be kept.
        below: Seq,
        /// Who is told what it came to.
        tell: Tell<Trimmed>,
    },
    /// Note how much of it is to be kept.
    Keep(Keep, Tell<()>),
    /// Be deleted, by this operator.
    Delete(UserName, Tell<()>),
    /// Sleep, if nobody hears it.
    Rest(Tell<()>),
}

/// A trim under way.
#[derive(Debug)]
struct Trimming {
    /// The log that is meant.
    epoch: Epoch,
    /// Up to where it has come.
    at: Seq,
    below: Seq,
    messages: u64,
    bytes: u64,
    tell: Tell<Trimmed>,
}

/// What was asked and is not done.
#[derive(Debug, Default)]
pub(super) struct Orders {
    waiting: VecDeque<Order>,
    trimming: Option<Trimming>,
    /// Whether a bite of a trim is being written.
    biting: bool,
}

impl Orders {
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.trimming.is_none() && !self.biting
    }

    /// Whether the log is being shortened now: whoever reads it has to wait for that.
    pub fn is_biting(&self) -> bool {
        self.biting
    }

    /// The oldest message that may still be given to anyone, by what is being forgotten.
    pub fn floor(&self) -> Seq {
        self.trimming.as_ref().map_or(0, |trimming| trimming.below)
    }
}

/// Who wants a channel deleted.
#[derive(Debug)]
pub(super) enum Asker {
    /// Someone who may, by a command.
    Session(Origin),
    /// An operator.
    Operator(UserName, Tell<()>),
}

impl Asker {
    pub fn user(&self) -> &UserName {
        match self {
            Self::Session(origin) => &origin.user,
            Self::Operator(user, _) => user,
        }
    }

    pub fn into_origin(self) -> Option<Origin> {
        if let Self::Session(origin) = self { Some(origin) } else { None }
    }
}

impl State {
    /// Takes what no session asked for.
    pub fn ordered(&mut self, time: Time, order: Order) -> Vec<Effect> {
        self.time = time;
        if self.orders.waiting.len() < WAITING_MAX {
            self.orders.waiting.push_back(order);
        } else {
            refuse(order, overloaded());
        }
        self.finish()
    }

    /// Tells whoever asked for a deletion what came of it.
    pub(super) fn tell_asker(&mut self, asker: Asker, result: Result<(), Problem>) {
        match (asker, result) {
            (Asker::Session(origin), Ok(())) => {
                self.settle(origin, |o| Item::Answer(o, super::messages::Answer::Ok));
            }
            (Asker::Session(origin), Err(problem)) => self.settle(origin, |o| Item::Refused(o, problem)),
            // Whoever asked may have gone.
            (Asker::Operator(_, tell), result) => drop(tell.send(result)),
        }
    }

    /// Carries out what waits, as far as it can be now.
    pub(super) fn next_order(&mut self) {
        while let Some(order) = self.orders.waiting.front() {
            let trims = matches!(order, Order::Trim { .. });
            match self.phase {
                Phase::New if !trims => return self.load(),
                Phase::New | Phase::Ready if trims && self.orders.trimming.is_some() => break,
                Phase::New | Phase::Ready if trims => {}
                Phase::Ready | Phase::Absent if !self.is_open() => break,
                Phase::Ready if matches!(order, Order::Delete(..)) && self.edits.busy => break,
                Phase::Ready if matches!(order, Order::Delete(..)) && self.seqs.is_appending() => {
                    // What is being written comes before the end; nothing else does.
                    self.edits.closing = true;
                    break;
                }
                Phase::Ready | Phase::Absent => {}
                Phase::Loading | Phase::New => break,
            }
            let Some(order) = self.orders.waiting.pop_front() else { break };
            match order {
                order if self.phase == Phase::Absent => refuse(order, Problem::not_found()),
                Order::Trim { of, below, tell } => self.begin_trim(of, below, tell),
                Order::Keep(keep, tell) => {
                    let job = self.job(Job::Order(tell));
                    self.effects.push(Effect::Note(job, vec![keep.write(self.name.as_str())]));
                }
                Order::Delete(user, tell) => self.delete(Asker::Operator(user, tell)),
                // The actor's own matter.
                Order::Rest(tell) => drop(tell),
            }
        }
        self.next_bite();
    }

    /// From here on nobody is given what is being forgotten.
    fn begin_trim(&mut self, of: Head, below: Seq, tell: Tell<Trimmed>) {
        let below = below.min(of.seq + 1);
        if self.is_known() {
            if self.seqs.head().epoch != of.epoch {
                return drop(tell.send(Err(another_log())));
            }
            self.seqs.raise_first(below);
            self.window.forget(below);
        }
        self.orders.trimming = Some(Trimming { epoch: of.epoch, at: of.first, below, messages: 0, bytes: 0, tell });
    }

    fn next_bite(&mut self) {
        if self.orders.biting || !matches!(self.phase, Phase::New | Phase::Ready) {
            return;
        }
        if let Some(trimming) = &self.orders.trimming {
            self.orders.biting = true;
            self.effects.push(Effect::Trim(trimming.below.min(trimming.at.saturating_add(BITE))));
        }
    }

    /// A bite was written, or was not.
    pub(super) fn trimmed(&mut self, result: Result<Trimmed, AppendError>) {
        self.orders.biting = false;
        if let Ok(Trimmed { head, .. }) = &result
            && self.seqs.head().epoch == head.epoch
        {
            self.seqs.raise_first(head.first);
            self.window.forget(head.first);
        }
        let Some(mut trimming) = self.orders.trimming.take() else { return };
        match result {
            Ok(Trimmed { head, .. }) if head.epoch != trimming.epoch => {
                drop(trimming.tell.send(Err(another_log())));
            }
            Ok(Trimmed { head, messages, bytes }) => {
                trimming.messages += messages;
                trimming.bytes += bytes;
                // A wrong idea of the first message costs a bite that takes nothing.
                trimming.at = head.first.max(trimming.at.saturating_add(BITE).min(trimming.below));
                if head.first >= trimming.below || head.first > head.seq {
                    let Trimming { messages, bytes, tell, .. } = trimming;
                    let _ = tell.send(Ok(Trimmed { head, messages, bytes }));
                } else {
                    self.orders.trimming = Some(trimming);
                }
            }
            Err(AppendError::NoChannel) => drop(trimming.tell.send(Err(Problem::not_found()))),
            // What is left is not given to anyone before the log is read anew; the next trim has it go.
            Err(error) => drop(trimming.tell.send(Err(Problem::unavailable(error.to_string())))),
        }
    }

    /// The log is no more, and with it what is asked about it.
    pub(super) fn end_orders(&mut self) {
        if let Some(trimming) = self.orders.trimming.take() {
            let _ = trimming.tell.send(Err(Problem::not_found()));
        }
    }

    /// The log cannot be read now: whoever needs it is told.
    pub(super) fn put_off_orders(&mut self, why: &str) {
        for order in std::mem::take(&mut self.orders.waiting) {
            refuse(order, Problem::unavailable(format!("the channel cannot be loaded now: {why}")));
        }
    }
}

fn another_log() -> Problem {
    Problem::unavailable("the channel's log began anew meanwhile; ask again")
}

/// Tells whoever asked that it was not done; they may have gone.
fn refuse(order: Order, problem: Problem) {
    match order {
        Order::Trim { tell, .. } => drop(tell.send(Err(problem))),
        Order::Keep(_, tell) | Order::Delete(_, tell) | Order::Rest(tell) => drop(tell.send(Err(problem))),
    }
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
