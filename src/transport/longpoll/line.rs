//! One session's end of its requests: hands it commands as fast as it takes them, and answers a poll when there are
//! events.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

use bytestring::ByteString;
use tokio::sync::oneshot;

use super::ended::End;
use super::lines::{LineIn, Missed};
use super::slots::{Done, Slots};
use super::{Digest, Polled};
use crate::clock;
use crate::metrics::{Direction, Transport, Way};
use crate::model::Moment;
use crate::presence::Reason;
use crate::protocol::{CloseCode, ErrorCode, Frame, Problem};
use crate::session::{Door, Settled, Wire};
use crate::supervise::Post;
use crate::transport::wire::{Ending, Life};

/// How many bytes of events one poll is answered with, beyond the first.
const PAGE: usize = 256 * 1024;
/// How many requests of one session may wait for their answers.
const REQUESTS: usize = 64;

/// How the answers to a request get to it.
pub(super) type Tell = oneshot::Sender<Result<Vec<Settled>, Missed>>;

/// A way to tell a line of one worker that it has something to do.
pub(super) struct Bell {
    pub lines: Post<LineIn>,
    pub session: Digest,
}

impl Wire for Bell {
    fn wake(self: Rc<Self>) {
        self.lines.send(LineIn::Look(self.session));
    }

    /// There is no connection that is the session's own; its parked poll is answered when the session's end is seen.
    fn cut(&self) {}
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.lines.send(LineIn::Look(self.session));
    }
}

/// A session as its requests see it.
pub(super) struct Line {
    door: Door,
    slots: Slots<Tell>,
    /// Commands that the session has no room for yet.
    inbox: VecDeque<(u64, ByteString, Moment)>,
    inbox_bytes: usize,
    parked: Option<oneshot::Sender<Polled>>,
    gate: Waker,
    requests: usize,
    alive: Life,
}

impl Line {
    /// A line for a session that was just opened, whose hello is asked for by `tell`.
    pub fn new(door: Door, hello: ByteString, tell: Tell, gate: Waker) -> Self {
        let metrics = &door.app().context.metrics;
        metrics.connections_opened.of(Transport::LongPoll).inc();
        metrics.connections.of(Transport::LongPoll).inc();
        let (slots, inbox) = (Slots::new(), VecDeque::new());
        let alive = Life::begin(door.app());
        let mut line = Self { door, slots, inbox, inbox_bytes: 0, parked: None, gate, requests: 0, alive };
        line.take(vec![hello], tell);
        line
    }

    /// Whether one more request of so many bytes can be taken.
    pub fn has_room(&self, bytes: usize) -> bool {
        let most = self.door.app().context.config.limits.session_queue_bytes;
        self.requests < REQUESTS && (self.inbox.is_empty() || self.inbox_bytes + bytes <= most)
    }

    /// A request with commands came.
    pub fn take(&mut self, texts: Vec<ByteString>, tell: Tell) {
        self.door.heard();
        self.count(Direction::In, texts.iter().map(|text| text.len()));
        match self.slots.open(&texts, tell) {
            Ok(first) => {
                self.requests += 1;
                self.inbox_bytes += texts.iter().map(|text| text.len()).sum::<usize>();
                let now = clock::moment();
                self.inbox.extend((first..).zip(texts).map(|(slot, text)| (slot, text, now)));
                self.feed();
                for (_, text, _) in self.inbox.iter_mut().filter(|(slot, ..)| *slot >= first) {
                    // A part of the request's body would keep all of it in memory.
                    *text = ByteString::from(text.to_string());
                }
            }
            Err(done) => drop(finish(done)),
        }
    }

    /// A poll came, which says that the client has everything up to `after`. It waits if nothing newer is there and it
    /// wants to, and takes the place of one that waits.
    pub fn poll(&mut self, after: u64, wait: bool, tell: oneshot::Sender<Polled>) {
        self.door.heard();
        let acknowledged = self.door.cell().borrow_mut().outbox.acknowledge(after, clock::moment());
        if let Err(next) = acknowledged {
            drop(tell.send(Polled::Conflict(next)));
            return;
        }
        if let Some(first) = self.parked.replace(tell) {
            drop(first.send(Polled::Nothing));
        }
        self.door.looked();
        self.hand_out();
        if !wait && let Some(tell) = self.parked.take() {
            drop(tell.send(Polled::Nothing));
        }
    }

    /// The poll that was parked waited as long as it wanted to.
    pub fn unpark(&mut self) {
        if self.parked.as_ref().is_some_and(oneshot::Sender::is_closed) {
            self.parked = None;
            self.door.heard();
        }
    }

    /// The client says goodbye.
    pub fn logout(&self) {
        self.door.end(CloseCode::Normal, Reason::Logout);
    }

    /// There may be answers, events, room for commands. Returns how the session ended, once it has.
    pub fn look(&mut self) -> Option<End> {
        let settled = std::mem::take(&mut self.door.cell().borrow_mut().settled);
        self.count(Direction::Out, settled.iter().map(|settled| settled.frame.len()));
        let mut unwelcome = false;
        for one in settled {
            let hello = one.slot == 0;
            unwelcome |= hello && one.problem.is_some();
            if let Some(done) = self.slots.fill(one) {
                self.written(&done.1);
                // Nobody else knows of a session whose client does not hear that it is welcome.
                unwelcome |= !finish(done) && hello;
            }
        }
        self.hand_out();
        self.door.looked();
        if unwelcome {
            self.door.end(CloseCode::Normal, Reason::Disconnected);
        } else {
            self.feed();
        }
        let cell = self.door.cell().borrow();
        let over = cell.over()?;
        Some(End { code: over.code, retry_after_ms: over.problem.as_ref().and_then(|problem| problem.retry_after_ms) })
    }

    /// The session has ended: nothing of it stays unanswered. Returns whether its client ever knew of it.
    pub fn close(mut self, end: End) -> bool {
        self.alive.ends(Ending::Closed);
        if let Some(tell) = self.parked.take() {
            drop(tell.send(Polled::Gone(Some(end))));
        }
        let greeted = self.door.cell().borrow().user.is_some();
        let why = self.door.cell().borrow().over().and_then(|over| over.problem.clone()).filter(|_| !greeted);
        let lost = why.unwrap_or_else(|| {
            Problem::new(ErrorCode::Unavailable, "the session ended before this was answered").retry_after(1000)
        });
        for done in self.slots.abandon(&lost) {
            finish(done);
        }
        greeted
    }

    /// Hands the session commands while it has room for them.
    fn feed(&mut self) {
        let most = self.door.app().context.config.limits.outstanding;
        while !self.inbox.is_empty() {
            {
                let mut cell = self.door.cell().borrow_mut();
                if cell.over().is_some() {
                    return;
                }
                if cell.is_busy(most) {
                    cell.gate = Some(self.gate.clone());
                    return;
                }
            }
            if let Some((slot, text, came)) = self.inbox.pop_front() {
                self.inbox_bytes -= text.len();
                self.door.frame_of(text, Some(slot), came);
            }
        }
        self.inbox = VecDeque::new();
    }

    /// Answers the parked poll if there is something to answer it with.
    fn hand_out(&mut self) {
        if self.door.cell().borrow().outbox.is_empty() {
            return;
        }
        // A poll whose client has gone away is answered to nobody, and is no sign of life: the next one gets the same.
        let Some(tell) = self.parked.take().filter(|tell| !tell.is_closed()) else { return };
        let (events, next) = self.door.cell().borrow_mut().outbox.page(PAGE, clock::moment());
        self.count(Direction::Out, events.iter().map(|event| event.len()));
        self.door.heard();
        drop(tell.send(Polled::Events(events, next)));
    }

    /// A request's answers are on their way: there is room for others.
    fn written(&mut self, answers: &[Settled]) {
        self.requests -= 1;
        let bytes: usize = answers.iter().map(|answer| answer.frame.len()).sum();
        let mut cell = self.door.cell().borrow_mut();
        cell.settled_bytes = cell.settled_bytes.saturating_sub(bytes);
    }

    fn count(&self, direction: Direction, sizes: impl Iterator<Item = usize>) {
        let (frames, bytes) = sizes.fold((0, 0), |(frames, bytes), size| (frames + 1, bytes + size as u64));
        let metrics = &self.door.app().context.metrics;
        let way = Way { direction, transport: Transport::LongPoll };
        metrics.frames.of(way).inc_by(frames);
        metrics.bytes.of(way).inc_by(bytes);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.door.app().context.metrics.connections.of(Transport::LongPoll).dec();
    }
}

/// Answers a request; false if its client has gone away.
fn finish((tell, answers): Done<Tell>) -> bool {
    tell.send(Ok(answers)).is_ok()
}

/// The text of an array of frames.
pub(super) fn array<'a>(frames: impl Iterator<Item = &'a Frame>) -> String {
    let mut text = String::from("[");
    for (at, frame) in frames.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(frame);
    }
    text.push(']');
    text
}
