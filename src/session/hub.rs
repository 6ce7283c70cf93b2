//! The worker's hub: hands every channel's stream to the sessions of one HTTP worker.
//!
//! It is the only one that channels and the registry address. It hands shared bytes into outboxes and wakes their wires;
//! what it reads, it reads on the pool. Its one interval sends the pings and pulses, spread over a heartbeat, and cuts
//! those who take nothing.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context as Ctx, Handler};

use super::beats::SLOTS;
use super::cell::Shared;
use super::counts::Counts;
use super::feed::{Feed, Outlet};
use super::lists::Lists;
use super::pulls::Floor;
use super::watches::Watches;
use super::worker::Worker;
use super::{App, HUB, HubIn};
use super::{asides, contacts, pass, survey};
use crate::channel::{Batch, ChannelIn, Closed, Hears, Subscriber, ToHub, Told};
use crate::clock;
use crate::config::Durability;
use crate::model::maps::{HashMap, HashSet};
use crate::model::{ChannelName, Conn, Moment, UserName};
use crate::presence::{self, Reason, RegistryIn};
use crate::protocol::{CloseCode, ErrorCode, Frame, Problem};
use crate::store::ReadError;
use crate::supervise::{Budget, Envelope, Keeper, Life, Named, Post, caught};

/// What a hub knows; dropped when one of its handlers panics.
pub(super) struct State {
    pub worker: Rc<Worker>,
    pub feeds: HashMap<ChannelName, Feed>,
    pub watches: Watches,
    pub lists: Lists,
    pub counts: Counts,
    pub by_user: HashMap<UserName, HashSet<Conn>>,
    pub crowds: HashMap<ChannelName, usize>,
    pub subscriptions: HashMap<Conn, HashSet<ChannelName>>,
    pub slot: u64,
}

/// The actor around it.
pub struct Hub {
    keeper: Keeper<State>,
    worker: Rc<Worker>,
    introduce: Post<presence::ToHub>,
}

impl Hub {
    /// Starts a hub on this thread, and the worker that it belongs to.
    pub(super) fn start(app: &Arc<App>) -> Rc<Worker> {
        let id = app.next_hub();
        let life = Life::begin(&app.context.probes.of(&HUB), id.0.to_string().into());
        let ctx = Ctx::<Self>::new();
        let address = ctx.address();
        let own = Post::new(address.clone().recipient(), life.vitals());
        let from_channels = Post::new(address.clone().recipient(), life.vitals());
        let introduce = Post::new(address.recipient(), life.vitals());
        let worker = Rc::new(Worker::new(id, Arc::clone(app), own.clone()));
        let factory = {
            let worker = Rc::clone(&worker);
            move || State::new(Rc::clone(&worker))
        };
        let keeper = Keeper::new(life, Budget::default(), factory);
        app.context.hubs.add(id, from_channels);
        app.registry.send(RegistryIn::Hub { hub: id, post: introduce.clone() });
        app.add_worker(own);
        actix::spawn(ctx.into_future(Self { keeper, worker: Rc::clone(&worker), introduce }));
        worker
    }

    /// After a panic: the state is new, so the sessions that it knew of have to come back, and everyone else is told.
    fn begin_again(&self) {
        self.send_away();
        let app = &self.worker.app;
        app.directory.hub_reset(self.worker.id);
        app.registry.send(RegistryIn::Hub { hub: self.worker.id, post: self.introduce.clone() });
    }

    fn send_away(&self) {
        self.worker.app.context.faults.pass("hub.again");
        let now = clock::moment();
        for cell in self.worker.cells() {
            let problem = Problem::new(ErrorCode::Internal, "the worker broke; come back");
            cell.borrow_mut().end(CloseCode::Later, Some(problem), Reason::Disconnected, now);
        }
    }

    fn receive<M: Named + Send>(&mut self, envelope: Envelope<M>, handle: impl FnOnce(&mut State, M)) {
        let rested = self.keeper.is_down();
        let mut rebuilt = self.keeper.receive(envelope, handle);
        while rebuilt {
            rebuilt = caught(|| self.begin_again()).is_err_and(|panic| self.keeper.broke("its new life", &panic));
        }
        // Other workers may serve them.
        if self.keeper.is_down()
            && !rested
            && let Err(panic) = caught(|| self.send_away())
        {
            self.keeper.vitals().broke("sending sessions away", &panic);
        }
    }
}

impl Actor for Hub {
    type Context = Ctx<Self>;

    fn started(&mut self, ctx: &mut Ctx<Self>) {
        let heartbeat = self.worker.app.context.config.presence.heartbeat;
        let own = self.worker.hub.clone();
        ctx.run_interval(heartbeat / SLOTS as u32, move |_, _| own.send(HubIn::Tick));
    }
}

impl Handler<Envelope<HubIn>> for Hub {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<HubIn>, _: &mut Ctx<Self>) {
        self.receive(envelope, State::take);
    }
}

impl Handler<Envelope<ToHub>> for Hub {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<ToHub>, _: &mut Ctx<Self>) {
        self.receive(envelope, |state, message| match message {
            ToHub::Batch(batch) => state.batch(batch),
            ToHub::Report { channel, life } => state.report(&channel, life),
            ToHub::Aside(aside) => asides::pass_on(state, &aside),
        });
    }
}

impl Handler<Envelope<presence::ToHub>> for Hub {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<presence::ToHub>, _: &mut Ctx<Self>) {
        self.receive(envelope, asides::presence);
    }
}

impl State {
    fn new(worker: Rc<Worker>) -> Self {
        Self {
            worker,
            feeds: HashMap::default(),
            watches: Watches::default(),
            lists: Lists::default(),
            counts: Counts::default(),
            by_user: HashMap::default(),
            crowds: HashMap::default(),
            subscriptions: HashMap::default(),
            slot: 0,
        }
    }

    fn take(&mut self, message: HubIn) {
        match message {
            HubIn::Coming(conn, user) => self.lists.coming(conn, user),
            HubIn::Arrived(conn, user) => {
                self.by_user.entry(user).or_default().insert(conn);
            }
            HubIn::Gone(conn, user) => self.gone(conn, user.as_ref()),
            HubIn::Unwatch(conn, users, channel) => {
                let unwatched = self.watches.remove(conn, users, channel);
                self.unwatched(conn, unwatched);
            }
            HubIn::Room(conn) => {
                let channels: Vec<_> = self.subscriptions.get(&conn).into_iter().flatten().cloned().collect();
                channels.iter().for_each(|channel| self.with_feed(channel, |feed, out| feed.pull(conn, false, out)));
            }
            HubIn::Filled(channel, _, Err(ReadError::Unavailable(_))) => self.retry(channel, None),
            HubIn::Filled(channel, read, page) => {
                let page = page.map_err(|error| self.lost_by(&channel, &error));
                self.with_feed(&channel, |feed, out| feed.filled(read, page, out));
            }
            HubIn::Read { channel, conn, page: Err(ReadError::Unavailable(_)), .. } => self.retry(channel, Some(conn)),
            HubIn::Read { channel, conn, read, page } => {
                let page = page.map_err(|error| self.lost_by(&channel, &error));
                self.with_feed(&channel, |feed, out| feed.page(conn, read, page, out));
            }
            HubIn::Retry(channel, Some(conn)) => self.with_feed(&channel, |feed, out| feed.pull(conn, true, out)),
            HubIn::Retry(channel, None) => self.with_feed(&channel, |feed, out| {
                feed.not_filled();
                feed.go_on(out);
            }),
            HubIn::Ask(conn, ticket, users) => asides::ask(self, conn, ticket, users),
            HubIn::Listed(conn, ticket, roll) => contacts::listed(self, conn, ticket, roll),
            HubIn::Shown(user, told) => self.shown(&user, &told),
            HubIn::Contacts(user, listed) => contacts::changed(self, &user, listed),
            HubIn::Activity { channel, read, frame } => {
                let conns = self.counts.end(&channel, read);
                let Some(frame) = frame else { return };
                for conn in conns.into_iter().filter(|conn| !self.hears(*conn, &channel)) {
                    self.tell_of(&channel, conn, &frame);
                }
            }
            HubIn::Narrowed(conn) => asides::narrowed(self, conn),
            HubIn::Void(user) => {
                for conn in self.by_user.get(&user).into_iter().flatten() {
                    self.with_cell(*conn, |cell, _| pass::look_again(&self.worker.app, cell));
                }
            }
            HubIn::Survey(channel, tell) => drop(tell.send(survey::rows(&self.worker, channel.as_ref()))),
            HubIn::Kick(sid, tell) => drop(tell.send(survey::kick(&self.worker, &sid))),
            HubIn::Tick => self.tick(),
            HubIn::Notice => self.notice(),
            HubIn::Drain => self.drain(),
            HubIn::Broken(panic) => panic.again(),
        }
    }

    /// Tells the channels that a user's sessions hear here, or are about to, that the user began to hide or ended it.
    fn shown(&self, user: &UserName, told: &Told) {
        let cells = self.by_user.get(user).into_iter().flatten().filter_map(|conn| self.worker.cell(*conn));
        let channels: HashSet<ChannelName> = cells.flat_map(|cell| cell.borrow().channels.clone()).collect();
        for channel in channels {
            self.worker.app.directory.send(&channel, ChannelIn::Shown(user.clone(), told.clone()));
        }
    }

    /// Tells a session of a channel that it need not hear, but has to be let into.
    pub fn tell_of(&self, channel: &ChannelName, conn: Conn, frame: &Frame) {
        self.with_cell(conn, |cell, now| {
            let mut cell = cell.borrow_mut();
            if cell.grants.hold(channel.as_str()) {
                cell.send(frame.clone(), now);
            }
        });
    }

    /// Does something with a session that is still there.
    pub fn with_cell(&self, conn: Conn, act: impl FnOnce(&Shared, Moment)) {
        if let Some(cell) = self.worker.cell(conn) {
            act(&cell, clock::moment());
        }
    }

    fn batch(&mut self, batch: Batch) {
        self.worker.app.context.faults.pass("hub.batch");
        let channel = batch.channel.clone();
        match batch.crowd {
            Some(crowd) => drop(self.crowds.insert(channel.clone(), crowd)),
            None => drop(self.crowds.remove(&channel)),
        }
        self.feeds.entry(channel.clone()).or_insert_with(Feed::new);
        self.with_feed(&channel, |feed, out| feed.batch(batch, out));
    }

    /// Has a feed take something in, and does what it says as it says it.
    pub fn with_feed(&mut self, channel: &ChannelName, act: impl FnOnce(&mut Feed, &mut dyn Outlet)) {
        let Some(mut feed) = self.feeds.remove(channel) else { return };
        act(&mut feed, &mut Floor { state: self, channel, now: clock::moment() });
        if feed.is_empty() {
            self.crowds.remove(channel);
        } else {
            self.feeds.insert(channel.clone(), feed);
        }
    }

    /// Why those hear no more of a channel who are owed what could not be read. Nothing that waiting would mend: they have
    /// to join anew, if they may.
    fn lost_by(&self, channel: &ChannelName, error: &ReadError) -> Closed {
        let durable = self.worker.app.context.config.store.durability == Durability::Always;
        if *error == ReadError::NoChannel && durable {
            // It will say so itself, but that is still on its way.
            return Closed::Deleted;
        }
        log::error!(channel:%; "{error}");
        Closed::Reset
    }

    /// Whether a session hears a channel.
    pub fn hears(&self, conn: Conn, channel: &ChannelName) -> bool {
        self.subscriptions.get(&conn).is_some_and(|channels| channels.contains(channel))
    }

    /// A session no longer hears a channel, and its feed knows.
    pub fn drop_subscription(&mut self, conn: Conn, channel: &ChannelName) {
        if let Some(channels) = self.subscriptions.get_mut(&conn) {
            channels.remove(channel);
            if channels.is_empty() {
                self.subscriptions.remove(&conn);
            }
        }
    }

    fn gone(&mut self, conn: Conn, user: Option<&UserName>) {
        self.lists.gone(conn);
        let mut channels = self.subscriptions.remove(&conn).unwrap_or_default();
        let (unwatched, watched) = self.watches.gone(conn);
        channels.extend(watched);
        for channel in channels {
            self.with_feed(&channel, |feed, _| {
                feed.remove(conn);
            });
            self.worker.app.directory.send(&channel, ChannelIn::Gone(conn));
        }
        self.unwatched(conn, unwatched);
        if let Some((user, conns)) = user.and_then(|user| Some((user, self.by_user.get_mut(user)?))) {
            conns.remove(&conn);
            if conns.is_empty() {
                self.by_user.remove(user);
            }
        }
    }

    /// A session watches these users no more.
    pub fn unwatched(&self, conn: Conn, users: Vec<UserName>) {
        self.with_cell(conn, |cell, _| cell.borrow_mut().watched = self.watches.count(conn));
        if !users.is_empty() {
            self.worker.app.registry.send(RegistryIn::Forget { hub: self.worker.id, users });
        }
    }

    /// Tells a channel that began anew who hears it here. What it was asked and did not answer is not known to it.
    fn report(&mut self, channel: &ChannelName, life: u64) {
        let now = clock::moment();
        for cell in self.worker.cells() {
            let mut cell = cell.borrow_mut();
            for waiting in cell.pending.take_of(channel, |_| true) {
                self.worker.refused(&waiting);
                cell.refuse(
                    &waiting.to,
                    &Problem::unavailable("the channel broke; whether it was done is not known"),
                    now,
                );
            }
            cell.unblock();
        }
        let mut all: HashMap<Conn, (Option<Hears>, bool)> = HashMap::default();
        if let Some(feed) = self.feeds.get_mut(channel) {
            feed.begin_again();
            all.extend(feed.subscribers().map(|(conn, hears)| (conn, (Some(hears.clone()), false))));
        }
        for conn in self.watches.of_channel(channel) {
            all.entry(conn).or_default().1 = true;
        }
        let subscriber = |(conn, (hears, watching))| {
            let cell = self.worker.cell(conn)?;
            let cell = cell.borrow();
            let standing = cell.pass.as_ref()?.identity.standing;
            let (user, standing) = (cell.user.clone()?, cell.grants.in_channel(channel, standing));
            Some(Subscriber { conn, user, standing, hears, watching })
        };
        let subscribers = all.into_iter().filter_map(subscriber).collect();
        let attached = ChannelIn::Attached(self.worker.id, life, subscribers);
        self.worker.app.directory.send(channel, attached);
    }
}
