//! What the client does, and when: connections, hellos, heartbeats, coming back. Pure.
//!
//! The machine is told what happened, with the time and a random number, and says what should happen as [`Effect`]s. It
//! does no I/O. `heard.rs` holds what it does with frames, `calls.rs` what the application asks of it.

use std::time::Duration;

use serde_json::json;

use super::asks::{Asks, ConnId, Watches, What};
use super::backoff::{Backoff, Hint};
use super::error::{Error, Fault};
use super::event::{Event, State};
use super::frames::{self, Limits};
use super::line::{Answer, Down, Effect, Goodbye, Line, Stage, by_close};
use super::options::{Choice, Options, Rules, Transport};
use super::outbox::{Outbox, Settled};
use super::token::{Identity, Token};
use super::track::Now;
use super::tracks::{Need, Tracks};
use crate::model::Moment;

/// The whole of it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) rules: Rules,
    choice: Choice,
    pub(super) identity: Identity,
    state: State,
    pub(super) backoff: Backoff,
    /// When the next connection is tried.
    again: Option<Moment>,
    pub(super) line: Option<Line>,
    /// WebSocket, tried while long-poll works.
    pub(super) probe: Option<Line>,
    probe_at: Option<Moment>,
    probe_wait: Duration,
    /// The connection before, as long as someone waits for an answer over it.
    pub(super) old: Option<ConnId>,
    pub(super) limits: Limits,
    pub(super) token: Token,
    pub(super) tracks: Tracks,
    pub(super) outbox: Outbox,
    pub(super) asks: Asks,
    pub(super) watches: Watches,
    /// Why nothing is done any more.
    pub(super) end: Option<Error>,
    pub(super) leaving: bool,
    /// The application takes nothing, but waits for an answer.
    parked: bool,
    conns: ConnId,
    ids: u64,
    pub(super) effects: Vec<Effect>,
}

impl Machine {
    /// A client that has not begun.
    pub fn new(options: &Options) -> Self {
        let rules = options.rules.clone();
        let Options { token, guest, client, choice, cursors, .. } = options.clone();
        Self {
            choice,
            identity: Identity { token, guest, client, user: None },
            state: State::Disconnected,
            backoff: Backoff::new(choice, &rules),
            again: None,
            line: None,
            probe: None,
            probe_at: None,
            probe_wait: rules.probe_first,
            old: None,
            limits: Limits::default(),
            token: Token::default(),
            tracks: Tracks::new(rules.clone(), cursors),
            outbox: Outbox::new(rules.clone()),
            asks: Asks::default(),
            watches: Watches::default(),
            end: None,
            leaving: false,
            parked: false,
            conns: 0,
            ids: 0,
            effects: vec![],
            rules,
        }
    }

    /// Begins.
    pub fn start(&mut self, now: Now) {
        self.connect(now);
    }

    /// What should happen, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Who the client is, once it was welcomed.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether nothing will happen any more.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// When to [`tick`](Self::tick).
    pub fn deadline(&self) -> Option<Moment> {
        let lines = self.line.iter().chain(&self.probe).map(Line::deadline);
        let up = self.conn().is_some();
        let needs = [
            self.tracks.deadline(),
            self.watches.deadline().filter(|_| !self.parked),
            self.token.deadline(),
            self.probe_at,
        ];
        let needs = needs.into_iter().flatten().filter(|_| up).chain(self.outbox.deadline().filter(|_| up));
        lines.chain(needs).chain(self.again).chain(self.asks.deadline()).min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now) {
        if self.again.is_some_and(|at| at <= now.at) {
            self.connect(now);
        }
        self.check_lines(now);
        for (id, what) in self.asks.late(now.at) {
            self.unanswered(now, id, what);
        }
        self.outbox.silent(now.at);
        self.pump(now);
    }

    fn check_lines(&mut self, now: Now) {
        let lines = self.line.iter().chain(&self.probe);
        let late: Vec<ConnId> = lines.filter(|line| line.is_late(now.at)).map(|line| line.conn).collect();
        for conn in late {
            self.effects.push(Effect::Hang(conn, Goodbye::Unsaid));
            self.down(now, conn, Down { why: "nothing was heard in time".into(), ..Down::default() });
        }
        if let Some(line) = self.line.as_mut().filter(|line| line.is_quiet(now.at)) {
            line.pinged = true;
            self.ask(now, json!({"type": "ping"}), What::Ping);
        }
    }

    /// The application takes no events, but somebody waits for an answer, perhaps the very one who should take them. From
    /// now on answers are heard, and events are not: what they told is asked for again after [`unpark`](Self::unpark).
    pub fn park(&mut self) {
        self.parked = true;
        self.tracks.park();
    }

    /// The application has taken all events.
    pub fn unpark(&mut self, now: Now) {
        if std::mem::take(&mut self.parked) {
            self.tracks.unpark();
            self.watches.renew();
            self.pump(now);
        }
    }

    /// Begins a connection.
    fn connect(&mut self, now: Now) {
        self.again = None;
        let over = self.backoff.transport();
        let line = self.open(now, over);
        self.line = Some(line);
        self.turn(State::Connecting(over));
    }

    fn open(&mut self, now: Now, over: Transport) -> Line {
        self.conns += 1;
        self.effects.push(Effect::Open(self.conns, over));
        Line::opening(self.conns, over, now.at, now.at.after(self.rules.greeting))
    }

    /// A connection is open: says hello.
    pub fn opened(&mut self, now: Now, conn: ConnId) {
        let until = now.at.after(self.rules.greeting);
        let id = self.id();
        let Some(line) = [&mut self.line, &mut self.probe].into_iter().flatten().find(|line| line.conn == conn) else {
            return;
        };
        line.stage = Stage::Greeting(until);
        let over = line.over;
        let Identity { token, guest, client, .. } = &self.identity;
        self.effects.push(Effect::Say(
            conn,
            frames::hello(id, token.as_ref().map(|token| token.0.as_str()), guest.as_deref(), client),
        ));
        if self.line.as_ref().is_some_and(|line| line.conn == conn) {
            self.turn(State::Greeting(over));
        }
    }

    /// The server showed that it is there.
    pub fn alive(&mut self, now: Now, conn: ConnId) {
        if let Some(line) = self.line.as_mut().filter(|line| line.conn == conn) {
            line.heard = now.at;
            line.pinged = false;
        }
    }

    /// A connection is gone, or could not be made.
    pub fn down(&mut self, now: Now, conn: ConnId, down: Down) {
        if self.old == Some(conn) {
            self.old = None;
            self.disconnected(conn, &down);
        } else if let Some(line) = self.probe.take_if(|line| line.conn == conn) {
            drop(line);
            self.probe_later(now);
        } else if let Some(line) = self.line.take_if(|line| line.conn == conn) {
            self.lost(now, line, down);
        }
        self.pump(now);
    }

    fn lost(&mut self, now: Now, line: Line, down: Down) {
        self.disconnected(line.conn, &down);
        self.tracks.offline();
        self.outbox.offline();
        self.probe_at = None;
        if let Some(probe) = self.probe.take() {
            self.effects.push(Effect::Hang(probe.conn, Goodbye::Unsaid));
        }
        if self.leaving {
            return self.finish(State::Ended, Error::Ended);
        }
        let spoke = line.parting.is_some() || down.code.is_some();
        let told = line.parting.as_ref().and_then(|fault| fault.retry_after_ms);
        let code = down.code.or(line.parting.as_ref().and_then(|fault| fault.close));
        if let Some(code) = code.filter(|code| *code >= 4500) {
            let mut fault = line.parting.unwrap_or_else(|| Fault::new(by_close(code), down.why));
            fault.close = Some(code);
            return self.refuse(fault);
        }
        let hint = told.map(Hint::NotBefore).or(line.drain.map(Hint::Within));
        let hint = hint.or(down.retry_after_ms.map(Hint::NotBefore));
        let wait = self.backoff.lost(now.at, now.dice, spoke, hint);
        if wait.is_zero() {
            self.connect(now);
        } else {
            self.again = Some(now.at.after(wait));
            self.turn(State::Waiting(wait));
        }
    }

    /// What waits for answers over a connection that is gone.
    fn disconnected(&mut self, conn: ConnId, down: &Down) {
        for what in self.asks.lost(conn) {
            // The end that was asked for may overtake the word that it is done.
            let ended = matches!(what, What::Logout(_)) && down.code == Some(1000);
            let answer = if ended { Ok(Answer::Nothing) } else { Err(Error::Disconnected) };
            self.effects.extend(what.ticket().map(|ticket| Effect::Done(ticket, answer)));
        }
    }

    /// The server does not want this client as it is.
    pub(super) fn refuse(&mut self, fault: Fault) {
        self.finish(State::Refused(fault.clone()), Error::Refused(fault));
    }

    /// The end: everyone who waits is told.
    pub(super) fn finish(&mut self, state: State, why: Error) {
        if self.end.is_some() {
            return;
        }
        let lines = self.line.take().into_iter().chain(self.probe.take()).map(|line| line.conn).chain(self.old.take());
        self.effects.extend(lines.map(|conn| Effect::Hang(conn, Goodbye::Said)));
        for what in self.asks.give_up() {
            let answer = if let What::Logout(_) = what { Ok(Answer::Nothing) } else { Err(why.clone()) };
            self.effects.extend(what.ticket().map(|ticket| Effect::Done(ticket, answer)));
        }
        for ticket in self.tracks.give_up().into_iter().chain(self.outbox.give_up()) {
            self.effects.push(Effect::Done(ticket, Err(why.clone())));
        }
        self.again = None;
        self.end = Some(why);
        self.turn(state);
    }

    /// Says whatever there is to say.
    pub(super) fn pump(&mut self, now: Now) {
        self.release();
        let Some(conn) = self.conn() else { return };
        for channel in self.outbox.waiting() {
            self.tracks.publishes(channel);
        }
        for need in self.tracks.needs(now.at) {
            let id = self.id();
            let until = now.at.after(self.rules.answer);
            let (frame, what) = match need {
                Need::Join { channel, start, member } => {
                    self.tracks.asked(&channel, id);
                    (frames::join(id, &channel, &start, member), What::Join(channel))
                }
                Need::Page { channel, after, before } => {
                    self.tracks.asked(&channel, id);
                    let page = self.limits.page_max.clamp(1, 1000);
                    (frames::between(id, &channel, after, before, page), What::Page(channel))
                }
                Need::Look { channel } => {
                    self.tracks.known.asked(&channel, id);
                    let look = json!({"type": "history", "channel": channel, "limit": 1});
                    (frames::command(id, look), What::Look(channel))
                }
            };
            self.asks.add(id, conn, until, what);
            self.effects.push(Effect::Say(conn, frame));
        }
        let watches = if self.parked { vec![] } else { self.watches.needs(now.at) };
        for watched in watches {
            self.ask(now, watched.command("watch"), What::Rewatch(watched));
        }
        loop {
            let Self { outbox, tracks, limits, ids, .. } = self;
            let mut id = || {
                *ids += 1;
                *ids
            };
            match outbox.next(now.at, limits, |channel| tracks.gate(channel), &mut id) {
                Some(Ok(frame)) => self.effects.push(Effect::Say(conn, frame)),
                Some(Err(settled)) => self.settle(Some(settled)),
                None => break,
            }
        }
        if self.token.is_due(now.at) {
            let token = self.identity.token.as_ref().map(|token| token.0.clone());
            self.ask(now, json!({"type": "refresh", "token": token}), What::Refresh);
        }
        if self.probe_at.take_if(|at| *at <= now.at).is_some() {
            self.probe = Some(self.open(now, Transport::WebSocket));
        }
        if let Some(old) = self.old.take_if(|old| !self.asks.wait_for(*old)) {
            self.effects.push(Effect::Hang(old, Goodbye::Said));
        }
    }

    /// When WebSocket is tried again while long-poll is in use.
    pub(super) fn probe_later(&mut self, now: Now) {
        let polls = self.line.as_ref().is_some_and(|line| line.over == Transport::LongPoll);
        if self.choice == Choice::Auto && polls {
            self.probe_at = Some(now.at.after(self.probe_wait));
            self.probe_wait = self.probe_wait.saturating_mul(2).min(self.rules.probe_cap);
        } else {
            self.probe_wait = self.rules.probe_first;
            self.probe_at = None;
        }
    }

    /// Sends a command over the connection, if there is one.
    pub(super) fn ask(&mut self, now: Now, command: serde_json::Value, what: What) {
        let Some(conn) = self.conn() else { return };
        let id = self.id();
        self.asks.add(id, conn, now.at.after(self.rules.answer), what);
        self.effects.push(Effect::Say(conn, frames::command(id, command)));
    }

    /// The connection, if it was welcomed.
    pub(super) fn conn(&self) -> Option<ConnId> {
        self.line.as_ref().filter(|line| line.stage == Stage::Up).map(|line| line.conn)
    }

    pub(super) fn settle(&mut self, settled: Option<Settled>) {
        if let Some((ticket, outcome)) = settled {
            self.effects.push(Effect::Done(ticket, outcome.map(Answer::Receipt)));
        }
    }

    pub(super) fn tell(&mut self, events: Vec<Event>) {
        if !self.parked {
            self.effects.extend(events.into_iter().map(Effect::Tell));
        }
    }

    pub(super) fn turn(&mut self, state: State) {
        if self.state != state {
            self.state = state.clone();
            self.effects.push(Effect::Tell(Event::State(state)));
        }
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }
}

#[cfg(test)]
#[path = "sim_tests.rs"]
mod sim;
#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
