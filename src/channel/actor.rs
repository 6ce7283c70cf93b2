//! The actor around a channel's core: it carries out what the core says, and reads the clock for it.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ArbiterHandle, AsyncContext, Context as Ctx, Handler, WrapFuture};
use tokio::task::yield_now;

use super::directory::{Context, Directory};
use super::disk;
use super::messages::{CHANNEL, ChannelIn, Ending, ToHub};
use super::orders::{Order, Tell};
use super::shown::Shown;
use super::state::State;
use super::step::{Effect, Found, Input, Settings, Time};
use crate::auth::is_known;
use crate::clock;
use crate::model::{ChannelName, Cursor, Moment};
use crate::protocol::{ErrorCode, Problem};
use crate::store::Head;
use crate::supervise::{Budget, Envelope, Keeper, Life, Post, caught};

/// How long an actor waits for more commands to a channel that is not there.
const ABSENT: Duration = Duration::from_millis(500);
/// How soon it looks again whether it may sleep, if that is wanted.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How many messages it handles before other channels on its thread have their turn.
const STREAK: usize = 16;

/// One active channel.
pub(super) struct ChannelActor {
    name: ChannelName,
    keeper: Keeper<State>,
    context: Arc<Context>,
    directory: Arc<Directory>,
    own: Post<ChannelIn>,
    handled: u64,
    /// How many messages it handled since others had their turn.
    streak: usize,
    /// The log's generation when it was last looked at.
    generation: u64,
    /// What it shows to those who only look.
    shown: Arc<Shown>,
    idle_since: Option<Moment>,
    /// Whether webhooks are told of its messages,
    followed: bool,
    /// and whether there may be some of which they were not.
    doubtful: bool,
    /// Who wants it to sleep now.
    put_to_rest: Vec<Tell<()>>,
    /// When it looks again whether it may.
    look_again: Option<actix::SpawnHandle>,
    /// Whether it looks soon whether it may end because there is no such channel.
    leaving: bool,
}

impl ChannelActor {
    /// Starts a channel's actor on `arbiter`.
    pub fn start(
        name: ChannelName,
        context: Arc<Context>,
        directory: Arc<Directory>,
        shown: Arc<Shown>,
        arbiter: &ArbiterHandle,
    ) -> Post<ChannelIn> {
        let life = Life::begin(&context.probes.of(&CHANNEL), name.as_str().into());
        let vitals = Arc::clone(life.vitals());
        let address = Self::start_in_arbiter(arbiter, move |ctx| {
            let own = Post::new(ctx.address().recipient(), life.vitals());
            let settings = Settings::of(&context.config);
            let (lives, called, hidden) = (Rc::new(Cell::new(0)), name.clone(), context.hidden.clone());
            let factory = move || {
                lives.set(lives.get() + 1);
                State::new(called.clone(), lives.get(), settings).hiding(hidden.clone())
            };
            let keeper = Keeper::new(life, Budget::default(), factory);
            let generation = context.log.generation();
            let followed = context.signals.wants(&name);
            Self {
                name,
                keeper,
                context,
                directory,
                own,
                handled: 0,
                streak: 0,
                generation,
                shown,
                idle_since: None,
                followed,
                doubtful: false,
                put_to_rest: Vec::new(),
                look_again: None,
                leaving: false,
            }
        });
        Post::new(address.recipient(), &vitals)
    }

    /// Does what the core said; if it was rebuilt, what it says first. What panics over that costs the core its life, too.
    fn go_on(&mut self, mut rebuilt: bool, mut effects: Vec<Effect>, ctx: &mut Ctx<Self>) {
        loop {
            while rebuilt {
                let hubs = self.context.hubs.ids();
                rebuilt = self.keeper.run("its new life", |state| effects = state.begin_again(time(), hubs));
            }
            let todo = std::mem::take(&mut effects);
            let Err(panic) = caught(|| self.carry_out(todo, ctx)) else { return };
            rebuilt = self.keeper.broke("what followed", &panic);
            if !rebuilt {
                return;
            }
        }
    }

    /// Does what a timer asks for.
    fn timed(&mut self, ctx: &mut Ctx<Self>, act: impl FnOnce(&mut Self, &mut Ctx<Self>)) {
        if let Err(panic) = caught(|| act(self, ctx))
            && self.keeper.broke("a timer", &panic)
        {
            self.go_on(true, Vec::new(), ctx);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Ctx<Self>) {
        if !effects.is_empty() {
            self.context.faults.pass("channel.effects");
        }
        let life = self.keeper.state().life;
        for effect in effects {
            match effect {
                Effect::Load(after) => {
                    let load = disk::load(self.name.clone(), Arc::clone(&self.context), after);
                    let name = self.name.clone();
                    self.later(life, async move {
                        let loaded = load.await;
                        match &loaded {
                            Ok(_) => log::debug!(channel:% = name; "the channel is awake"),
                            Err(error) => log::warn!(channel:% = name; "the channel cannot be read: {error}"),
                        }
                        Input::Loaded(loaded)
                    });
                }
                Effect::Make(making) => {
                    let make = disk::make(self.name.clone(), Arc::clone(&self.context), *making);
                    self.later(life, async move { Input::Made(make.await) });
                }
                Effect::Clear => {
                    let (name, context) = (self.name.clone(), Arc::clone(&self.context));
                    let clear = async move { disk::clear(&name, &context).await.map(|()| Found::Deleted) };
                    self.later(life, async move { Input::Loaded(clear.await) });
                }
                Effect::Known(job, user) => {
                    let meta = Arc::clone(&self.context.meta);
                    let known = self.context.reads.run(move || is_known(&*meta, &user));
                    self.later(life, async move { Input::Known(job, known.await) });
                }
                Effect::Append(after, batch) => {
                    let tell = self.teller(life);
                    let done = Box::new(move |result| tell(Input::Appended(result)));
                    self.context.log.append(&self.name, &after, batch, done);
                }
                Effect::Trim(below) => {
                    let tell = self.teller(life);
                    let done = Box::new(move |result| tell(Input::Trimmed(result)));
                    self.context.log.trim(&self.name, below, done);
                }
                Effect::Find { job, user, key, from, to } => {
                    let (log, name) = (Arc::clone(&self.context.log), self.name.clone());
                    let search = self.context.reads.run(move || disk::find(&*log, &name, &user, &key, from, to));
                    self.later(life, async move { Input::Found(job, search.await) });
                }
                Effect::Note(job, ops) => {
                    let tell = self.teller(life);
                    self.context.meta.write(ops, Box::new(move |result| tell(Input::Noted(job, result))));
                }
                Effect::Send(hub, batch) => self.context.hubs.send(hub, ToHub::Batch(batch)),
                Effect::Report => {
                    self.context.hubs.send_all(&ToHub::Report { channel: self.name.clone(), life });
                }
                Effect::Aside(aside) => self.context.hubs.send_all(&ToHub::Aside(aside)),
                Effect::Member(frame) => self.context.signals.member(&self.name, &frame, clock::wall()),
                Effect::Later(ms, input) => {
                    let own = self.own.clone();
                    ctx.run_later(Duration::from_millis(ms), move |_, _| {
                        own.send(ChannelIn::Own(life, Box::new(input)));
                    });
                }
            }
        }
    }

    /// A way back for the store's answers.
    fn teller(&self, life: u64) -> impl FnOnce(Input) + Send + use<> {
        let own = self.own.clone();
        move |input| own.send(ChannelIn::Own(life, Box::new(input)))
    }

    fn later(&self, life: u64, work: impl Future<Output = Input> + 'static) {
        let (own, faults) = (self.own.clone(), self.context.faults.clone());
        let broken = move |panic| ChannelIn::Broken(life, panic);
        self.own.beside(broken, async move {
            let input = work.await;
            faults.pass("channel.later");
            own.send(ChannelIn::Own(life, Box::new(input)));
        });
    }

    /// Has webhooks hear of what the store answered, whatever the core makes of it.
    fn signal(&mut self, message: &ChannelIn) {
        let ChannelIn::Own(_, input) = message else { return };
        let stand = |head: &Head| Some(Cursor { epoch: head.epoch.clone(), seq: head.seq });
        let stand = match &**input {
            Input::Appended(Ok(head)) => stand(head),
            Input::Appended(Err(_)) => return self.doubtful = true,
            Input::Loaded(Ok(Found::There(loaded))) if self.doubtful => stand(&loaded.head),
            Input::Loaded(Ok(Found::Deleted)) => None,
            _ => return,
        };
        self.doubtful = false;
        self.context.signals.moved(&self.name, stand);
    }

    /// Goes to sleep if that is wanted, as soon as it has nothing left to do; not while somebody hears it.
    fn rest_now(&mut self, ctx: &mut Ctx<Self>) {
        self.put_to_rest.retain(|tell| !tell.is_closed());
        if self.put_to_rest.is_empty() || self.keeper.is_down() {
            // Over its budget it answers nobody.
            return self.put_to_rest.clear();
        }
        let state = self.keeper.state();
        let answer = if state.is_heard() {
            Err(Problem::new(ErrorCode::Conflict, "somebody hears the channel"))
        } else if state.is_idle() && self.directory.retire(&self.name, self.handled) {
            self.keeper.ends(Ending::Idle);
            ctx.stop();
            Ok(())
        } else {
            self.look_again.get_or_insert_with(|| {
                ctx.run_later(LOOK_AGAIN, |actor, ctx| {
                    actor.look_again = None;
                    actor.timed(ctx, Self::rest_now);
                })
            });
            return;
        };
        for tell in std::mem::take(&mut self.put_to_rest) {
            let _ = tell.send(answer.clone());
        }
    }

    /// Goes to sleep once nobody has needed the channel for a while.
    fn rest(&mut self, ctx: &mut Ctx<Self>) {
        self.context.faults.pass("channel.rest");
        let now = clock::moment();
        if self.keeper.recover() {
            self.go_on(true, Vec::new(), ctx);
        }
        if !self.keeper.is_down() && !self.keeper.state().is_idle() {
            self.idle_since = None;
            return;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.since(since) >= self.context.config.channels.idle && self.directory.retire(&self.name, self.handled) {
            self.keeper.ends(if self.keeper.is_down() { Ending::Failed } else { Ending::Idle });
            ctx.stop();
        }
    }

    /// Goes at once if there is no such channel: a name that somebody made up is not worth an actor.
    fn leave(&mut self, ctx: &mut Ctx<Self>) {
        self.leaving = false;
        let absent = !self.keeper.is_down() && self.keeper.state().is_absent();
        if absent && self.directory.retire(&self.name, self.handled) {
            let state = self.keeper.state();
            let ending = match () {
                () if state.was_deleted() => Ending::Deleted,
                () if state.is_asleep() => Ending::Idle,
                () => Ending::Absent,
            };
            self.keeper.ends(ending);
            ctx.stop();
        }
    }
}

impl Actor for ChannelActor {
    type Context = Ctx<Self>;

    fn started(&mut self, ctx: &mut Ctx<Self>) {
        let every = (self.context.config.channels.idle / 2).max(Duration::from_millis(20));
        ctx.run_interval(every, |actor, ctx| actor.timed(ctx, Self::rest));
    }
}

impl Handler<Envelope<ChannelIn>> for ChannelActor {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<ChannelIn>, ctx: &mut Ctx<Self>) {
        let mut effects = Vec::new();
        let mut wanted = None;
        // Held until the number of those who hear it is the new one.
        let told = if let ChannelIn::Shown(_, told) = envelope.message() { Some(told.clone()) } else { None };
        self.handled += u64::from(!matches!(envelope.message(), ChannelIn::Own(..) | ChannelIn::Broken(..)));
        if self.followed {
            self.signal(envelope.message());
        }
        let faults = &self.context.faults;
        let generation = self.context.log.generation();
        let lost = std::mem::replace(&mut self.generation, generation) != generation;
        let rebuilt = self.keeper.receive(envelope, |state, message| {
            let committed = matches!(&message, ChannelIn::Own(_, input) if matches!(**input, Input::Appended(Ok(_))));
            let mut next = if lost { state.doubt(time()) } else { Vec::new() };
            match message {
                ChannelIn::Order(Order::Rest(tell)) => wanted = Some(tell),
                message => next.extend(step(state, message)),
            }
            faults.pass("channel.step");
            if committed {
                faults.pass("channel.committed");
            }
            effects = next;
        });
        self.idle_since = None;
        let state = self.keeper.state();
        self.shown.show(clock::moment(), state.online(), state.belonging(), std::mem::take(&mut state.said));
        drop(told);
        self.go_on(rebuilt, effects, ctx);
        self.put_to_rest.extend(wanted);
        if !self.put_to_rest.is_empty() {
            self.rest_now(ctx);
        }
        self.streak += 1;
        if self.streak == STREAK {
            self.streak = 0;
            // An actor empties its mailbox before anybody else on its thread does anything.
            ctx.wait(yield_now().into_actor(self));
        }
        if !self.keeper.is_down() && self.keeper.state().is_absent() && !std::mem::replace(&mut self.leaving, true) {
            ctx.run_later(ABSENT, |actor, ctx| actor.timed(ctx, Self::leave));
        }
    }
}

fn time() -> Time {
    Time { now: clock::moment(), wall: clock::wall() }
}

fn step(state: &mut State, message: ChannelIn) -> Vec<Effect> {
    match message {
        ChannelIn::Command(origin, action) => state.command(time(), origin, action),
        ChannelIn::Acked => state.acked(time()),
        // One of a later life was asked for by an actor that went to sleep before the hub came to it: this is its heir.
        ChannelIn::Attached(hub, life, subscribers) if life >= state.life => state.attached(time(), hub, subscribers),
        ChannelIn::Own(life, input) if life == state.life => state.input(time(), *input),
        ChannelIn::Broken(life, panic) if life == state.life => panic.again(),
        // What an earlier life set in motion.
        ChannelIn::Attached(..) | ChannelIn::Own(..) | ChannelIn::Broken(..) => Vec::new(),
        ChannelIn::Gone(conn) => state.gone(conn),
        ChannelIn::Lost(conn) => state.lost(conn),
        ChannelIn::Shown(user, _) => state.shown(&user),
        ChannelIn::Erased(seqs) => state.erased(&seqs),
        ChannelIn::Order(order) => state.ordered(time(), order),
        ChannelIn::HubReset(hub) => state.hub_reset(hub),
    }
}
