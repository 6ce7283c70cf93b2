//! What actor, hub and wire of one session share, on their worker's thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::outbox::Outbox;
use super::pass::Pass;
use super::pending::{Pending, To, Waiting};
use super::{Admission, SessionIn, Wire};
use crate::clock;
use crate::model::maps::HashSet;
use crate::model::{ChannelName, Conn, Grants, Moment, Secret, Sid, UserName, Wall};
use crate::presence::Reason;
use crate::protocol::{CloseCode, ErrorCode, Frame, Problem};
use crate::supervise::Post;

/// How long a client may take nothing while its queue is over its limit: the time that its wire needs to be written to,
const BURST: Duration = Duration::from_millis(150);
/// or, where it has to say what it has, the time for an answer's way there and a request's way back.
const ROUND_TRIP: Duration = Duration::from_secs(2);
/// An answer of at most so many bytes is kept whatever waits; those of commands that change something are.
const SMALL: usize = 4096;

/// What became of a command whose transport keeps a slot for the answer.
#[derive(Debug)]
pub struct Settled {
    /// The slot.
    pub slot: u64,
    /// The answer.
    pub frame: Frame,
    /// Why it was not carried out, if it was not.
    pub problem: Option<Box<Problem>>,
}

/// One session's shared state.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, set and looked at in one place")]
pub struct Cell {
    /// Its connection.
    pub conn: Conn,
    /// Its credential.
    pub secret: Secret,
    /// Its public name.
    pub sid: Sid,
    /// Where its client is, for operators.
    pub address: String,
    /// When it began.
    pub since: Wall,
    /// What its client calls itself, for operators.
    pub client: Option<Box<str>>,
    /// Who it is, once it has said hello.
    pub user: Option<UserName>,
    /// Where its user may go.
    pub grants: Grants,
    /// By which token it came, once it has said hello.
    pub pass: Option<Pass>,
    /// What waits to be written.
    pub outbox: Outbox,
    /// Answers that go to slots, for the wire to take.
    pub settled: VecDeque<Settled>,
    /// Bytes of answers in slots that the transport has not written yet.
    pub settled_bytes: usize,
    /// What has not been answered.
    pub pending: Pending,
    /// Channels that it subscribes to, or has asked to.
    pub channels: HashSet<ChannelName>,
    /// Frames that the actor has not looked at yet.
    pub unread: usize,
    /// The server is stopping: no more commands are taken.
    pub winding_up: bool,
    /// The client said goodbye: the session ends once what it asked before is answered.
    pub leaving: bool,
    /// Whom to wake when the client may be read from again.
    pub gate: Option<Waker>,
    /// How many users it watches.
    pub watched: usize,
    /// Whether a replay waits until there is room in the outbox.
    pub wants_room: bool,
    /// When its client was last heard from.
    pub heard: Moment,
    /// When the registry was last told so.
    pub reported: Moment,
    /// Which of its worker's sessions it is, in the order in which they came.
    pub turn: u64,
    /// Its place among the sessions that there may be.
    pub admission: Option<Admission>,
    /// The actor.
    pub session: Post<SessionIn>,
    wire: Option<Rc<dyn Wire>>,
    woken: bool,
    overfull: bool,
    over: Option<Over>,
}

/// A session that has ended, while its wire still writes.
#[derive(Clone, Debug)]
pub struct Over {
    /// How.
    pub code: CloseCode,
    /// Since when.
    pub since: Moment,
    /// The error that precedes the close.
    pub problem: Option<Problem>,
}

/// A cell as it is passed around on its thread.
pub type Shared = Rc<RefCell<Cell>>;

impl Cell {
    /// A session that has not said hello, with its secret and the name that stands for it.
    pub fn new(
        conn: Conn,
        (secret, sid): (Secret, Sid),
        address: String,
        outbox: Outbox,
        now: Moment,
        session: Post<SessionIn>,
    ) -> Self {
        Self {
            conn,
            secret,
            sid,
            address,
            since: clock::wall(),
            client: None,
            user: None,
            grants: Grants::Any,
            pass: None,
            outbox,
            settled: VecDeque::new(),
            settled_bytes: 0,
            pending: Pending::default(),
            channels: HashSet::default(),
            unread: 0,
            winding_up: false,
            leaving: false,
            gate: None,
            watched: 0,
            wants_room: false,
            heard: now,
            reported: now,
            turn: 0,
            admission: None,
            session,
            wire: None,
            woken: false,
            overfull: false,
            over: None,
        }
    }

    /// Gives the session its wire.
    pub fn connect(&mut self, wire: Rc<dyn Wire>) {
        self.wire = Some(wire);
        if !self.outbox.is_empty() || !self.settled.is_empty() || self.over.is_some() {
            self.wake();
        }
    }

    /// The wire is gone: nothing will be written any more.
    pub fn disconnected(&mut self, reason: Reason, now: Moment) {
        self.wire = None;
        self.end(CloseCode::Normal, None, reason, now);
    }

    /// Queues a frame. A session whose queue is full ends, with 4001.
    pub fn send(&mut self, frame: Frame, now: Moment) {
        if self.outbox.push(frame, now).is_err() {
            self.end(CloseCode::TooSlow, None, Reason::Disconnected, now);
        }
        self.wake();
    }

    /// There was no room for a message that was to be heard at once. A burst may do that to anyone; a client that has
    /// taken nothing for a while as well ends, with 4001.
    pub fn crowded(&mut self, now: Moment) {
        self.wants_room = true;
        self.overfull = true;
        self.check_pace(now);
    }

    /// Ends the session if its queue is over its limit and its client takes nothing.
    pub fn check_pace(&mut self, now: Moment) {
        let patience = if self.outbox.is_numbered() { ROUND_TRIP } else { BURST };
        if self.overfull && self.outbox.stuck(now) >= patience {
            self.end(CloseCode::TooSlow, None, Reason::Disconnected, now);
        }
    }

    /// Asks the wire for a ping.
    pub fn ping(&mut self, now: Moment) {
        self.outbox.ping(now);
        self.wake();
    }

    /// Ends a command's wait; `None` if it was answered before.
    pub fn settle(&mut self, ticket: u64) -> Option<Waiting> {
        let waiting = self.pending.take(ticket);
        self.unblock();
        waiting
    }

    /// Whether the client should not be read from: more than `most` frames were not looked at, or so many commands
    /// wait that answering them comes first.
    pub fn is_busy(&self, most: usize) -> bool {
        self.unread > most || self.pending.len() > most.saturating_mul(2)
    }

    /// Something was answered: lets the transport look whether it may read on, and a client that said goodbye go.
    pub fn unblock(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.wake();
        }
        if self.leaving && self.pending.is_empty() {
            self.leaving = false;
            self.session.send(SessionIn::Leave);
        }
    }

    /// Answers a command that was carried out: in its slot, or with a frame if its client gave it an id.
    pub fn answer(&mut self, to: &To, frame: impl FnOnce(Option<&str>) -> Frame, now: Moment) {
        let id = to.id.as_deref();
        match to.slot {
            Some(slot) => self.settle_slot(slot, id, frame(id), None),
            None if id.is_some() => self.send(frame(id), now),
            None => {}
        }
    }

    /// Tells the client why a command was not carried out: as its reply, or as an event if it gave no id.
    pub fn refuse(&mut self, to: &To, problem: &Problem, now: Moment) {
        let (id, frame) = (to.id.as_deref(), problem.frame(to.id.as_deref()));
        match to.slot {
            Some(slot) => self.settle_slot(slot, id, frame, Some(problem)),
            None => self.send(frame, now),
        }
    }

    fn settle_slot(&mut self, slot: u64, id: Option<&str>, frame: Frame, problem: Option<&Problem>) {
        let mut settled = Settled { slot, frame, problem: problem.cloned().map(Box::new) };
        if settled.frame.len() > SMALL && self.settled_bytes + settled.frame.len() > self.outbox.limit() {
            let full = Problem::new(ErrorCode::Overloaded, "too much was asked for at once").retry_after(100);
            settled = Settled { slot, frame: full.frame(id), problem: Some(Box::new(full)) };
        }
        self.settled_bytes += settled.frame.len();
        self.settled.push_back(settled);
        self.wake();
    }

    /// Ends the session, once: queues the close, with the error that precedes it, and tells the actor.
    pub fn end(&mut self, code: CloseCode, problem: Option<Problem>, reason: Reason, now: Moment) {
        if self.over.is_some() {
            return;
        }
        let problem = problem.or_else(|| code.error().map(|error| Problem::new(error, words(code))));
        let problem = problem.map(|problem| {
            let later =
                problem.retry_after_ms.or_else(|| (code == CloseCode::Later).then(|| 1000 + clock::jitter(4000)));
            Problem { close: Some(code), retry_after_ms: later, ..problem }
        });
        let last = problem.as_ref().map(|problem| problem.frame(None));
        self.over = Some(Over { code, since: now, problem });
        let broken = [CloseCode::ProtocolError, CloseCode::Unsupported, CloseCode::BadText, CloseCode::TooBig];
        let discard = code == CloseCode::TooSlow || broken.contains(&code);
        self.outbox.close(code, last, discard, now);
        self.session.send(SessionIn::Over(reason));
        self.wake();
    }

    /// How the session ended, if it has.
    pub fn over(&self) -> Option<&Over> {
        self.over.as_ref()
    }

    /// Whether its client has taken nothing for as long as `patience` allows. One that fetches its frames may also leave
    /// it, and only say things, while they do not fill half of the queue; and if it was not heard from meanwhile, that is
    /// for the registry to judge.
    pub fn is_stuck(&self, patience: Duration, now: Moment) -> bool {
        let stuck = self.outbox.stuck(now);
        let fetched = self.outbox.is_numbered();
        stuck >= patience && (!fetched || (!self.outbox.has_room() && now.since(self.heard) < stuck))
    }

    /// The wire has looked into the outbox. Returns whether a replay that waited for room can go on.
    pub fn looked(&mut self) -> bool {
        self.woken = false;
        self.overfull &= !self.outbox.has_room();
        self.outbox.has_room() && std::mem::take(&mut self.wants_room)
    }

    /// Cuts the connection from outside.
    pub fn cut(&self) {
        if let Some(wire) = &self.wire {
            wire.cut();
        }
    }

    fn wake(&mut self) {
        if let Some(wire) = self.wire.as_ref().filter(|_| !self.woken) {
            self.woken = true;
            Rc::clone(wire).wake();
        }
    }
}

/// What an error says before a close.
fn words(code: CloseCode) -> &'static str {
    match code {
        CloseCode::TooSlow => "too much waits to be read; come back with your cursors",
        CloseCode::NoHello => "no hello in time",
        CloseCode::Later => "no room now; come back later",
        CloseCode::BadFrames => "too many bad frames in a row",
        _ => "the session ends",
    }
}

/// An error that says why a command cannot be taken while the server stops.
pub fn draining() -> Problem {
    Problem::new(ErrorCode::Unavailable, "the server is stopping; come back soon").retry_after(1000)
}

#[cfg(test)]
#[path = "cell_tests.rs"]
mod tests;
