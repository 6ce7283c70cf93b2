//! The session's actor: it does what the machine says, whatever transport the frames came by.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Context as Ctx, Handler};
use serde_json::json;

use super::cell::{Cell, Shared, draining};
use super::machine::{Desk, Effect, Machine, Rules};
use super::messages::Ending;
use super::outbox::Outbox;
use super::pass;
use super::pending::{ANSWER_WITHIN, To};
use super::rates::Pace;
use super::worker::{Purpose, Worker};
use super::{HubIn, SessionIn};
use super::{contacts, memberships, queries};
use crate::channel::{Action, ChannelIn, Origin};
use crate::clock;
use crate::model::{ChannelName, Moment, Secret, Standing, UserName};
use crate::presence::{Reason, RegistryIn, Seen};
use crate::protocol::{Bounds, CloseCode, ErrorCode, Problem, reply};
use crate::supervise::{Envelope, Life, Post, attempt, endure};

/// What a publish takes in memory besides its body, in bytes.
const PUBLISH_OVERHEAD: usize = 512;

/// One client session.
pub struct Session {
    pub(super) machine: Machine,
    /// In which standing its user speaks.
    pub(super) standing: Standing,
    pub(super) life: Life,
    pub(super) cell: Shared,
    pub(super) worker: Rc<Worker>,
    pub(super) bearer: Option<String>,
    pace: Pace,
    /// What its user may send over all sessions.
    pub(super) shared: Option<Arc<Pace>>,
    /// Whether a timer looks after overdue commands.
    timed: bool,
    /// Whether something of it panicked.
    broken: bool,
    /// Whether it is there for one command, and nobody learns of it.
    errand: bool,
    /// The goodbye that is answered when everything before it is.
    goodbye: Option<To>,
    /// Whose turn it is of the commands that read a record and write it.
    pub(super) turn: Rc<tokio::sync::Mutex<()>>,
}

impl Session {
    /// Starts a session's actor on this thread.
    pub(super) fn start(worker: &Rc<Worker>, address: Option<IpAddr>, purpose: Purpose) -> Shared {
        let app = &worker.app;
        let config = &app.context.config;
        let secret = Secret::new(worker.id, clock::random());
        let rules = Rules {
            bounds: Bounds { body_bytes: config.limits.body_bytes, page_max: config.limits.page_max },
            outstanding: config.limits.outstanding,
            channels: config.limits.channels_per_session,
        };
        let sid = secret.sid();
        let life = Life::begin(&app.sessions_probe, Arc::clone(&sid.0));
        let ctx = Ctx::<Self>::new();
        let post = Post::new(ctx.address().recipient(), life.vitals());
        let address = address.map_or_else(|| "unix".into(), |address| address.to_string());
        let now = clock::moment();
        let queue = config.limits.session_queue_bytes;
        let numbered = matches!(purpose, Purpose::Numbered(_));
        let outbox = if numbered { Outbox::numbered(queue) } else { Outbox::new(queue) };
        let cell = Rc::new(RefCell::new(Cell::new(app.next_conn(), (secret, sid), address, outbox, now, post)));
        let mut machine = Machine::new(rules);
        let mut standing = Standing::Guest;
        let (bearer, errand, shared) = match purpose {
            Purpose::Stream(bearer) | Purpose::Numbered(bearer) => (bearer, false, None),
            Purpose::Errand(caller) => {
                let shared = app.rates.user(&caller.user);
                machine.welcome(caller.user);
                standing = caller.standing;
                cell.borrow_mut().grants = caller.grants;
                (None, true, shared)
            }
        };
        let session = Self {
            machine,
            standing,
            life,
            cell: Rc::clone(&cell),
            worker: Rc::clone(worker),
            bearer,
            pace: app.rates.session(),
            shared,
            timed: false,
            broken: false,
            errand,
            goodbye: None,
            turn: Rc::default(),
        };
        actix::spawn(ctx.into_future(session));
        cell
    }

    /// The user that the session is.
    pub(super) fn user(&self) -> Option<&UserName> {
        self.machine.user()
    }

    fn frame(&mut self, text: &str, slot: Option<u64>, came: Moment, ctx: &mut Ctx<Self>) {
        let now = clock::moment();
        let effects = {
            let cell = &mut *self.cell.borrow_mut();
            if cell.over().is_some() || self.goodbye.is_some() {
                return;
            }
            let refusal = if cell.winding_up {
                Some(draining())
            } else if now.since(came) >= ANSWER_WITHIN {
                Some(Problem::unavailable("it waited too long for its turn"))
            } else {
                let shared = self.shared.as_ref().map_or(Ok(()), |shared| shared.take(text.len()));
                let early = self.pace.take(text.len()).and(shared).err();
                self.worker.app.context.metrics.rate_limited.inc_by(u64::from(early.is_some()));
                early
            };
            let desk = Desk { pending: &mut cell.pending, channels: &mut cell.channels, watched: cell.watched };
            self.machine.frame(came, text, slot, refusal, desk)
        };
        effects.into_iter().for_each(|effect| self.perform(effect, now, ctx));
        self.look_after(ctx);
    }

    fn perform(&mut self, effect: Effect, now: Moment, ctx: &mut Ctx<Self>) {
        match effect {
            Effect::Done(to, kind) => {
                self.cell.borrow_mut().answer(&to, |id| reply(kind, id, json!({})), now);
            }
            Effect::Refuse(to, problem) => self.cell.borrow_mut().refuse(&to, &problem, now),
            Effect::Bad(to, problem) => {
                self.worker.app.context.metrics.bad_frames.inc();
                self.cell.borrow_mut().refuse(&to, &problem, now);
            }
            Effect::Pong(to) => {
                let pong = |id: Option<&str>| reply("pong", id, json!({ "now": clock::wall() }));
                self.cell.borrow_mut().answer(&to, pong, now);
            }
            Effect::Greet(to, hello) => self.greet(to, hello, ctx),
            Effect::Channel(channel, ticket, action) => self.ask_channel(&channel, ticket, action, now),
            Effect::Ask { ticket, users } => queries::ask(self, ticket, users),
            Effect::Unwatch { users, channel } => {
                let conn = self.cell.borrow().conn;
                self.worker.hub.send(HubIn::Unwatch(conn, users, channel));
            }
            Effect::Channels { ticket, after, limit } => memberships::channels(self, ticket, after, limit),
            Effect::Contacts { ticket, add, remove } => {
                if self.standing == Standing::Guest {
                    self.refuse(ticket, &Problem::new(ErrorCode::Forbidden, "only an account has contacts"), now);
                } else {
                    contacts::command(self, ticket, add, remove);
                }
            }
            Effect::Visible { ticket, on } => contacts::visible(self, ticket, on),
            Effect::Refresh { ticket, token } => pass::refresh(self, ticket, token),
            Effect::Logout(to) => {
                self.goodbye = Some(to);
                let mut cell = self.cell.borrow_mut();
                cell.leaving = true;
                cell.unblock();
            }
            Effect::Close(code, problem) => self.cell.borrow_mut().end(code, problem, Reason::Disconnected, now),
        }
    }

    /// Sends a command on to its channel, a publish only if there is room for its bytes.
    fn ask_channel(&mut self, channel: &ChannelName, ticket: u64, mut action: Action, now: Moment) {
        let app = &self.worker.app;
        let Some(user) = self.machine.user().cloned() else { return };
        let refused = if let Action::Publish(draft) = &mut action {
            draft.permit = app.volume.take(draft.publish.body.len() + PUBLISH_OVERHEAD);
            let full = || Problem::new(ErrorCode::Overloaded, "too many publishes are under way").retry_after(200);
            draft.permit.is_none().then(full)
        } else {
            None
        };
        if let Some(problem) = refused {
            return self.refuse(ticket, &problem, now);
        }
        let cell = self.cell.borrow();
        let standing = cell.grants.in_channel(channel, self.standing);
        let origin = Origin { hub: self.worker.id, conn: cell.conn, ticket, user, standing };
        app.directory.send(channel, ChannelIn::Command(origin, action));
    }

    /// Ends a command's wait, saying why it is not done.
    fn refuse(&self, ticket: u64, problem: &Problem, now: Moment) {
        let mut cell = self.cell.borrow_mut();
        if let Some(waiting) = cell.settle(ticket) {
            self.worker.refused(&waiting);
            cell.refuse(&waiting.to, problem, now);
        }
    }

    /// Tells the registry that the client was heard from.
    fn beat(&mut self) {
        let cell = self.cell.borrow();
        let Some(user) = self.machine.user().filter(|_| cell.over().is_none()) else { return };
        self.worker.app.registry.send(RegistryIn::Beat { hub: self.worker.id, seen: seen(&cell, user) });
    }

    /// The session has ended: everybody who knows of it is told, whatever else breaks.
    fn over(&mut self, reason: Reason, ctx: &mut Ctx<Self>) {
        ctx.stop();
        let cell = self.cell.borrow();
        let app = &self.worker.app;
        if let Some(user) = &cell.user {
            app.context.metrics.sessions.dec();
            app.registry.send(RegistryIn::Down { user: user.clone(), conn: cell.conn, reason });
        }
        self.worker.hub.send(HubIn::Gone(cell.conn, cell.user.clone()));
        let code = cell.over().map_or(CloseCode::Normal, |over| over.code);
        self.life.ends(match (self.broken, self.errand) {
            (true, _) => Ending::Failed,
            (_, true) => Ending::Errand,
            _ => Ending::of(code, reason),
        });
        app.context.faults.pass("session.over");
        if let Some(over) = cell.over().filter(|_| !self.errand) {
            app.context.metrics.closes(over.code.number()).inc();
            if over.code == CloseCode::TooSlow {
                app.context.metrics.slow_sessions.inc();
            }
            let (user, code) = (cell.user.as_ref().map_or("", UserName::as_str), over.code.number());
            log::debug!(sid:% = cell.sid, user, address:% = cell.address, code; "a session ends");
        }
    }

    /// Does something of the session's that is no message; if that panics, the session ends.
    pub(super) fn guard(&mut self, what: &str, act: impl FnOnce(&mut Self)) {
        let vitals = Arc::clone(self.life.vitals());
        if !endure(&vitals, what, || act(self)) {
            self.break_off();
        }
    }

    /// Something of it panicked: nothing that it knows is used again, and its client comes back.
    fn break_off(&mut self) {
        self.broken = true;
        let problem = Problem::new(ErrorCode::Internal, "the session broke; come back");
        self.cell.borrow_mut().end(CloseCode::Later, Some(problem), Reason::Disconnected, clock::moment());
    }

    /// Answers commands that nobody has answered in time, now or when the oldest is due.
    fn look_after(&mut self, ctx: &mut Ctx<Self>) {
        let due = self.cell.borrow().pending.due();
        let Some(due) = due.filter(|_| !self.timed) else { return };
        self.timed = true;
        ctx.run_later(due.since(clock::moment()), |session, ctx| session.guard("a timer", |session| session.late(ctx)));
    }

    fn late(&mut self, ctx: &mut Ctx<Self>) {
        self.timed = false;
        let now = clock::moment();
        let overdue = || self.cell.borrow_mut().pending.take_overdue(now);
        let late: Vec<_> = std::iter::from_fn(overdue).collect();
        for waiting in late {
            self.worker.refused(&waiting);
            self.cell.borrow_mut().refuse(&waiting.to, &Problem::unavailable("no answer in time"), now);
        }
        self.cell.borrow_mut().unblock();
        self.look_after(ctx);
    }

    /// Everything that the client asked before its goodbye is answered.
    fn leave(&mut self) {
        let Some(to) = &self.goodbye else { return };
        let (mut cell, now) = (self.cell.borrow_mut(), clock::moment());
        if cell.over().is_none() {
            cell.answer(to, |id| reply("bye", id, json!({})), now);
            cell.end(CloseCode::Normal, None, Reason::Logout, now);
        }
    }

    fn take(&mut self, message: SessionIn, ctx: &mut Ctx<Self>) {
        match message {
            SessionIn::Frame(text, slot, came) => {
                self.worker.app.context.faults.pass("session.frame");
                self.frame(&text, slot, came, ctx);
                let mut cell = self.cell.borrow_mut();
                cell.unread = cell.unread.saturating_sub(1);
                cell.unblock();
            }
            SessionIn::Answer(ticket, answer) => queries::answer(self, ticket, answer),
            SessionIn::Leave => self.leave(),
            SessionIn::Beat => self.beat(),
            SessionIn::Over(reason) => self.over(reason, ctx),
            SessionIn::Broken(panic) => panic.again(),
        }
    }
}

/// A session as the registry is told of it.
pub(super) fn seen(cell: &Cell, user: &UserName) -> Seen {
    Seen { user: user.clone(), conn: cell.conn, sid: cell.sid.clone(), heard: cell.heard }
}

impl Actor for Session {
    type Context = Ctx<Self>;

    fn started(&mut self, ctx: &mut Ctx<Self>) {
        ctx.run_later(self.worker.app.context.config.limits.hello_timeout, |session, _| {
            session.guard("its hello's end", |session| {
                if session.machine.is_fresh() {
                    session.cell.borrow_mut().end(CloseCode::NoHello, None, Reason::Disconnected, clock::moment());
                }
            });
        });
    }
}

impl Handler<Envelope<SessionIn>> for Session {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<SessionIn>, ctx: &mut Ctx<Self>) {
        let vitals = Arc::clone(self.life.vitals());
        if !attempt(&vitals, envelope, |message| self.take(message, ctx)) {
            self.break_off();
        }
    }
}
