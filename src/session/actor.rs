//! The session's actor: it does what the machine says, whatever transport the frames came by.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context as Ctx, Handler, WrapFuture};
use serde_json::json;

use super::cell::{Cell, Shared, draining};
use super::machine::{Desk, Effect, Machine, Rules};
use super::outbox::Outbox;
use super::pending::{ANSWER_WITHIN, To};
use super::queries;
use super::rate::Rate;
use super::worker::{Purpose, Worker};
use super::{HubIn, SessionIn};
use crate::auth::{AuthError, Identity};
use crate::channel::{Action, ChannelIn, Origin};
use crate::clock;
use crate::model::{ChannelName, Moment, Secret, UserName};
use crate::presence::{Reason, RegistryIn, Seen};
use crate::protocol::{Bounds, CloseCode, ErrorCode, Hello, Problem, VERSIONS, Welcome, reply};
use crate::supervise::{Envelope, Post, Probe, attempt};

/// What a publish takes in memory besides its body, in bytes.
const PUBLISH_OVERHEAD: usize = 512;

/// One client session.
pub struct Session {
    machine: Machine,
    probe: Arc<Probe>,
    pub(super) cell: Shared,
    pub(super) worker: Rc<Worker>,
    bearer: Option<String>,
    rate: Rate,
    /// Whether a timer looks after overdue commands.
    timed: bool,
    /// Whether it is there for one command, and nobody learns of it.
    errand: bool,
    /// The goodbye that is answered when everything before it is.
    goodbye: Option<To>,
}

impl Session {
    /// Starts a session's actor on this thread.
    pub(super) fn start(worker: &Rc<Worker>, address: Option<IpAddr>, purpose: Purpose) -> Shared {
        let app = &worker.app;
        let config = &app.context.config;
        let probe = app.context.probes.of("session");
        let secret = Secret::new(worker.id, clock::random());
        let rules = Rules {
            bounds: Bounds { body_bytes: config.limits.body_bytes, page_max: config.limits.page_max },
            outstanding: config.limits.outstanding,
            channels: config.limits.channels_per_session,
        };
        let ctx = Ctx::<Self>::new();
        let post = Post::new(ctx.address().recipient(), Arc::clone(&probe));
        let address = address.map_or_else(|| "unix".into(), |address| address.to_string());
        let now = clock::moment();
        let queue = config.limits.session_queue_bytes;
        let numbered = matches!(purpose, Purpose::Numbered(_));
        let outbox = if numbered { Outbox::numbered(queue) } else { Outbox::new(queue) };
        let cell = Rc::new(RefCell::new(Cell::new(app.next_conn(), secret, address, outbox, now, post)));
        probe.started();
        let mut machine = Machine::new(rules);
        let (bearer, errand) = match purpose {
            Purpose::Stream(bearer) | Purpose::Numbered(bearer) => (bearer, false),
            Purpose::Errand(user) => {
                machine.welcome(user);
                (None, true)
            }
        };
        let session = Self {
            machine,
            probe,
            cell: Rc::clone(&cell),
            worker: Rc::clone(worker),
            bearer,
            rate: Rate::new(&config.rates),
            timed: false,
            errand,
            goodbye: None,
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
                let early = |wait| Problem::new(ErrorCode::RateLimited, "too many commands").retry_after(wait);
                self.rate.take().err().map(early)
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
            Effect::Channels { ticket, after, limit } => queries::channels(self, ticket, after, limit),
            Effect::Refresh { ticket, token } => queries::refresh(self, ticket, token),
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
            app.context.metrics.inflight_bytes.set(app.volume.taken() as i64);
            let full = || Problem::new(ErrorCode::Overloaded, "too many publishes are under way").retry_after(200);
            draft.permit.is_none().then(full)
        } else {
            None
        };
        let mut cell = self.cell.borrow_mut();
        if let Some(problem) = refused {
            if let Some(waiting) = cell.settle(ticket) {
                cell.refuse(&waiting.to, &problem, now);
            }
            return;
        }
        let origin = Origin { hub: self.worker.id, conn: cell.conn, ticket, user };
        app.directory.send(channel, ChannelIn::Command(origin, action));
    }

    /// Finds out who says hello. What the client sends meanwhile waits.
    fn greet(&mut self, to: To, hello: Hello, ctx: &mut Ctx<Self>) {
        let app = Arc::clone(&self.worker.app);
        let client = hello.client;
        let token = hello.token.or_else(|| self.bearer.clone());
        let found = async move {
            if app.is_draining() {
                return Err(AuthError::Unavailable("the server is stopping".into()));
            }
            let found = async {
                match token {
                    Some(token) => app.guests.return_with(&token, clock::wall()).await,
                    None => app.guests.arrive(hello.guest.as_deref(), clock::wall()).await,
                }
            };
            let late = || AuthError::Unavailable("the store gave no answer in time".into());
            tokio::time::timeout(ANSWER_WITHIN, found).await.unwrap_or_else(|_| Err(late()))
        };
        ctx.wait(found.into_actor(self).map(move |found, session, _| session.greeted(to, client, found)));
    }

    fn greeted(&mut self, to: To, client_name: Option<String>, found: Result<Identity, AuthError>) {
        let now = clock::moment();
        let identity = match found {
            Ok(identity) => identity,
            Err(error) => return self.not_welcome(&to, &error, now),
        };
        let mut cell = self.cell.borrow_mut();
        if cell.over().is_some() {
            return;
        }
        let app = &self.worker.app;
        let presence = &app.context.config.presence;
        let welcome = Welcome {
            session: cell.secret.reveal(),
            sid: &cell.sid.0,
            user: &identity.user,
            guest: identity.guest,
            token: &identity.token,
            expires_at: Some(identity.expires_at),
            heartbeat_ms: presence.heartbeat.as_millis() as u64,
            timeout_ms: presence.timeout.as_millis() as u64,
            now: clock::wall(),
            server: concat!("parlor/", env!("CARGO_PKG_VERSION")),
            versions: VERSIONS,
            features: &[],
            limits: app.limits(),
        };
        let client = client_name.as_deref().unwrap_or("a client");
        log::debug!("session {} of {}: {client} at {} says hello", cell.sid, identity.user, cell.address);
        let frame = reply("welcome", to.id.as_deref(), welcome);
        cell.user = Some(identity.user.clone());
        cell.heard = now;
        cell.reported = now;
        self.machine.welcome(identity.user.clone());
        app.registry.send(RegistryIn::Up { hub: self.worker.id, seen: seen(&cell, &identity.user) });
        self.worker.hub.send(HubIn::Arrived(cell.conn, identity.user));
        app.context.metrics.sessions.inc();
        if to.is_wanted() {
            cell.answer(&to, |_| frame, now);
        } else {
            // This one reply comes always.
            cell.send(frame, now);
        }
    }

    fn not_welcome(&mut self, to: &To, error: &AuthError, now: Moment) {
        let mut cell = self.cell.borrow_mut();
        let text = error.to_string();
        let (problem, ends) = match error {
            AuthError::Unauthenticated => (Problem::new(ErrorCode::Unauthenticated, text), true),
            AuthError::Forbidden => (Problem::new(ErrorCode::Forbidden, text), true),
            AuthError::Unavailable(_) => (Problem::unavailable(text), false),
            AuthError::BadName(_) => (Problem::bad_frame(text), false),
        };
        if to.is_wanted() || !ends {
            cell.refuse(to, &problem, now);
        }
        if ends {
            cell.end(CloseCode::Unauthenticated, Some(problem), Reason::Disconnected, now);
        } else {
            self.machine.unwelcome();
        }
    }

    /// Tells the registry that the client was heard from.
    fn beat(&mut self) {
        let cell = self.cell.borrow();
        let Some(user) = self.machine.user().filter(|_| cell.over().is_none()) else { return };
        self.worker.app.registry.send(RegistryIn::Beat { hub: self.worker.id, seen: seen(&cell, user) });
    }

    /// The session has ended: everybody who knows of it is told.
    fn over(&mut self, reason: Reason, ctx: &mut Ctx<Self>) {
        let cell = self.cell.borrow();
        let app = &self.worker.app;
        if let Some(over) = cell.over().filter(|_| !self.errand) {
            app.context.metrics.closes(over.code.number()).inc();
            if over.code == CloseCode::TooSlow {
                app.context.metrics.slow_sessions.inc();
            }
            log::debug!("session {} of {} ends with {}", cell.sid, cell.address, over.code.number());
        }
        if let Some(user) = &cell.user {
            app.registry.send(RegistryIn::Down { user: user.clone(), conn: cell.conn, reason });
            app.context.metrics.sessions.dec();
        }
        self.worker.hub.send(HubIn::Gone(cell.conn, cell.user.clone()));
        ctx.stop();
    }

    /// Answers commands that nobody has answered in time, now or when the oldest is due.
    fn look_after(&mut self, ctx: &mut Ctx<Self>) {
        let due = self.cell.borrow().pending.due();
        let Some(due) = due.filter(|_| !self.timed) else { return };
        self.timed = true;
        ctx.run_later(due.since(clock::moment()), |session, ctx| {
            session.timed = false;
            let now = clock::moment();
            let overdue = || session.cell.borrow_mut().pending.take_overdue(now);
            let late: Vec<_> = std::iter::from_fn(overdue).collect();
            for waiting in late {
                session.cell.borrow_mut().refuse(&waiting.to, &Problem::unavailable("no answer in time"), now);
            }
            session.cell.borrow_mut().unblock();
            session.look_after(ctx);
        });
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
                self.frame(&text, slot, came, ctx);
                let mut cell = self.cell.borrow_mut();
                cell.unread = cell.unread.saturating_sub(1);
                cell.unblock();
            }
            SessionIn::Answer(ticket, answer) => queries::answer(self, ticket, answer),
            SessionIn::Leave => self.leave(),
            SessionIn::Beat => self.beat(),
            SessionIn::Over(reason) => self.over(reason, ctx),
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
            if session.machine.is_fresh() {
                session.cell.borrow_mut().end(CloseCode::NoHello, None, Reason::Disconnected, clock::moment());
            }
        });
    }
}

impl Handler<Envelope<SessionIn>> for Session {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<SessionIn>, ctx: &mut Ctx<Self>) {
        let (probe, name) = (Arc::clone(&self.probe), self.cell.borrow().sid.to_string());
        if !attempt(&probe, &name, envelope, |message| self.take(message, ctx)) {
            let problem = Problem::new(ErrorCode::Internal, "the session broke; come back");
            self.cell.borrow_mut().end(CloseCode::Later, Some(problem), Reason::Disconnected, clock::moment());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.probe.stopped();
    }
}
