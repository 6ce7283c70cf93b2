//! The actor around the webhooks' cores, on a thread of its own: it hears, reads, sends and keeps what they say.
//!
//! When a handler panics, the cores are dropped and what they knew is read anew: from the cursors and queues on disk, and
//! what has not come there yet from `disk`, which is kept outside. Requests that were under way are given up first.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::begin;
use super::disk::{BATCH, Disk, Put};
use super::end::End;
use super::hook::{Hook, READ_AGAIN};
use super::read::{self, Part};
use super::records::event_bytes;
use super::signals::Signals;
use super::step::{Dead, Effect, Event, Fetched, Input, LaneKey, Now, Number, Outcome, Stored, What};
use crate::clock;
use crate::config::Webhook;
use crate::metrics;
use crate::model::{ChannelName, Cursor, Moment};
use crate::store::{Behind, ChannelLog, Meta, ReadError, Reads};
use crate::supervise::{
    Budget, Envelope, Faults, Keeper, Kind, Lasting, Life, Named, Panic, Post, Probes, caught, caught_all, named,
};

/// How often what is late is written, and what waits is counted.
const TICK: Duration = Duration::from_secs(1);
/// What tells webhooks.
static WEBHOOK: Kind = Kind { name: "webhook", messages: &[In::NAMES], endings: Lasting::NAMES };

named!(In: Look, Stored, Queue, Behind, Fetched, Sent, Due, Broken);

/// What webhooks work with.
pub struct Setting {
    /// Whom to tell.
    pub webhooks: Vec<Webhook>,
    /// Where it is said what happens.
    pub signals: Signals,
    /// The messages.
    pub log: Arc<dyn ChannelLog>,
    /// Cursors and queues.
    pub meta: Arc<dyn Meta>,
    /// Where reading is done.
    pub reads: Reads,
    /// How often the store was opened.
    pub boot: u64,
    /// What is counted, for each.
    pub metrics: Vec<metrics::Webhook>,
    /// What shows the actor's work.
    pub probes: Probes,
    /// Where a test may have it panic: `webhook.step`.
    pub faults: Faults,
}

/// What the actor is told. What belongs to an earlier life of the cores is dropped.
enum In {
    /// There is something to look at.
    Look,
    /// These are in the queues.
    Stored(Vec<(usize, Stored)>),
    /// A part of a queue of before.
    Queue(u64, usize, Result<Part<Stored, Number>, ReadError>, Option<Number>),
    /// Channels that had something new.
    Behind(u64, Result<Part<(usize, ChannelName, Cursor), ChannelName>, ReadError>, Option<ChannelName>),
    Fetched(u64, usize, LaneKey, Fetched),
    Sent(u64, usize, LaneKey, Outcome, Option<String>),
    /// The time has come for something.
    Due,
    /// What was done beside the actor panicked with this.
    Broken(u64, Panic),
}

/// The actor.
pub struct Webhooks {
    keeper: Keeper<Vec<Hook>>,
    life: u64,
    setting: Arc<Setting>,
    ends: Vec<End>,
    disk: Arc<Behind<Disk>>,
    own: Post<In>,
    tasks: JoinSet<()>,
    timer: Option<(Moment, SpawnHandle)>,
    /// What the ids of events begin with, and how many there were.
    start: String,
    count: u64,
}

/// Running webhooks.
pub struct Handle {
    stop: Recipient<Stop>,
    disk: Arc<Behind<Disk>>,
}

/// Take what was said, and end.
#[derive(Message)]
#[rtype(result = "()")]
struct Stop(oneshot::Sender<()>);

impl Webhooks {
    /// Has all of them begin, and starts the actor on `arbiter`, which should be its own; its probe is of kind `webhook`.
    /// Blocks on the disk: longer if one is there for the first time.
    pub fn start(arbiter: &ArbiterHandle, setting: Setting) -> Result<Handle, String> {
        begin::begin(&setting.webhooks, &*setting.log, &*setting.meta)?;
        let ends = setting.webhooks.iter().zip(&setting.metrics).map(|(config, metrics)| End::new(config, metrics));
        let ends = ends.collect::<Result<Vec<End>, String>>()?;
        let names = setting.webhooks.iter().map(|webhook| webhook.name.clone()).collect();
        let disk = Disk::new(Arc::clone(&setting.meta), names);
        let life = Life::begin(&setting.probes.of(&WEBHOOK), "webhooks".into());
        let kept = Arc::clone(&disk);
        let setting = Arc::new(setting);
        let address = Self::start_in_arbiter(arbiter, move |ctx| {
            let own = Post::new(ctx.address().recipient(), life.vitals());
            let (looks, stores) = (own.clone(), own.clone());
            setting.signals.wake(move || looks.send(In::Look));
            disk.tell(Box::new(move |stored| stores.send(In::Stored(stored))));
            let webhooks = setting.webhooks.clone();
            let fresh = move || webhooks.iter().map(|one| Hook::new(one.backlog, one.retry_max)).collect();
            Self {
                keeper: Keeper::new(life, Budget::default(), fresh),
                life: 0,
                setting,
                ends,
                disk,
                own,
                tasks: JoinSet::new(),
                timer: None,
                start: hex::encode(clock::random::<6>()),
                count: 0,
            }
        });
        Ok(Handle { stop: address.recipient(), disk: kept })
    }

    /// Begins a life of the cores: reads what waits in the queues, and which channels have something new.
    fn begin_again(&mut self) {
        self.tasks.abort_all();
        self.life += 1;
        (0..self.ends.len()).for_each(|hook| self.read_queue(hook, None));
        self.read_channels(None);
    }

    /// Has work done beside the actor, of which it is told, whatever comes of it.
    fn beside(&mut self, work: impl Future<Output = In> + 'static) {
        let (own, life) = (self.own.clone(), self.life);
        self.tasks.spawn_local(async move {
            own.send(caught_all(work).await.unwrap_or_else(|panic| In::Broken(life, panic)));
        });
    }

    fn read_queue(&mut self, hook: usize, after: Option<Number>) {
        let setting = Arc::clone(&self.setting);
        let Some(name) = self.ends.get(hook).map(|end| end.config.name.clone()) else { return };
        let read = self.setting.reads.run(move || read::queue(&*setting.meta, &name, after));
        let life = self.life;
        self.beside(async move { In::Queue(life, hook, read.await, after) });
    }

    fn read_channels(&mut self, after: Option<ChannelName>) {
        let (setting, from) = (Arc::clone(&self.setting), after.clone());
        let behind = move || read::behind(&*setting.log, &*setting.meta, &setting.webhooks, from.as_ref());
        let read = self.setting.reads.run(behind);
        let life = self.life;
        self.beside(async move { In::Behind(life, read.await, after) });
    }

    /// Takes events that have no log, as long as the disk takes them.
    fn take_told(&mut self) {
        if self.disk.has_room() {
            self.queue_told(BATCH);
        }
        if !self.disk.has_room() && !self.disk.has_failed() {
            self.disk.flush();
        }
    }

    fn queue_told(&mut self, most: usize) {
        let (told, lost) = self.setting.signals.take_told(most);
        for (hook, lost) in lost.into_iter().enumerate().filter(|(_, lost)| *lost > 0) {
            self.ends.get_mut(hook).into_iter().for_each(|end| end.dead(Dead::Overflow, lost));
        }
        for told in told {
            for &hook in &told.hooks {
                self.count += 1;
                let number = Number { boot: self.setting.boot, count: self.count };
                let id = format!("evt_{}_{}", self.start, self.count);
                if let Some(bytes) = event_bytes(&told.key, &id, told.at, &told.body) {
                    let stored = Stored { number, key: told.key.clone(), at: told.at };
                    self.disk.put(Put { hook, stored, bytes });
                }
            }
        }
    }

    fn perform(&mut self, effects: Vec<(usize, Effect)>, ctx: &mut Context<Self>) {
        for (hook, effect) in effects {
            match effect {
                Effect::Fetch(key, what) => self.fetch(hook, key, what),
                Effect::Send(key, event) => self.send(hook, key, event),
                Effect::Keep(channel, cursor) => self.disk.keep(hook, channel, cursor),
                Effect::Remove(number) => self.disk.remove(hook, number),
                Effect::Dead(why, count) => self.ends.get_mut(hook).into_iter().for_each(|end| end.dead(why, count)),
            }
        }
        while self.tasks.try_join_next().is_some() {}
        if self.disk.late() >= BATCH {
            self.disk.flush();
        }
        self.schedule(ctx);
    }

    /// Has the cores asked again when it is time.
    fn schedule(&mut self, ctx: &mut Context<Self>) {
        let due = self.keeper.state().iter().filter_map(Hook::due).min();
        let Some(due) = due.filter(|due| self.timer.is_none_or(|(known, _)| *due < known)) else { return };
        if let Some((_, timer)) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let wait = due.since(clock::moment());
        let timer = ctx.run_later(wait, |actor, _| {
            actor.timer = None;
            actor.own.send(In::Due);
        });
        self.timer = Some((due, timer));
    }

    fn fetch(&mut self, hook: usize, key: LaneKey, what: What) {
        let Some(name) = self.ends.get(hook).map(|end| end.config.name.clone()) else { return };
        let channel = if let LaneKey::Channel(channel) = &key { Some(channel.clone()) } else { None };
        let what = match (what, &channel) {
            // What is known here is newer than what is on disk.
            (What::Log(None), Some(channel)) => What::Log(self.disk.cursor(hook, channel).flatten()),
            (what, _) => what,
        };
        let setting = Arc::clone(&self.setting);
        let read = move || read::fetch(&*setting.log, &*setting.meta, &name, channel.as_ref(), what);
        let read = self.setting.reads.run(read);
        let (life, of) = (self.life, key.clone());
        self.beside(async move {
            let fetched = read.await.unwrap_or_else(|why| {
                log::debug!("what a webhook is to tell of {of:?} cannot be read now: {why}");
                Fetched::Failed
            });
            In::Fetched(life, hook, key, fetched)
        });
    }

    fn send(&mut self, hook: usize, key: LaneKey, event: Event) {
        let Some(end) = self.ends.get(hook) else { return };
        let (sender, seconds) = (Arc::clone(&end.sender), end.metrics.request_seconds.clone());
        let life = self.life;
        self.beside(async move {
            let begun = clock::stamp();
            let (outcome, why) = sender.send(event).await;
            seconds.observe(begun.elapsed().as_secs_f64());
            In::Sent(life, hook, key, outcome, why)
        });
    }

    fn tick(&mut self) {
        self.take_told();
        self.disk.flush();
        let now = clock::wall();
        self.keeper.state().iter().zip(&self.ends).for_each(|(hook, end)| end.show(hook.backlog(), now));
    }
}

impl Actor for Webhooks {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.begin_again();
        ctx.run_interval(TICK, |actor, ctx| {
            if actor.keeper.recover() {
                actor.begin_again();
            }
            if let Err(panic) = caught(|| actor.tick())
                && actor.keeper.broke("a tick", &panic)
            {
                actor.begin_again();
            }
            actor.schedule(ctx);
        });
    }
}

impl Handler<Envelope<In>> for Webhooks {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<In>, ctx: &mut Self::Context) {
        let life = self.life;
        let mut moved = None;
        // First, what has to be done even if the cores panic.
        match envelope.message() {
            In::Look => {
                moved = Some(self.setting.signals.take_moved());
                self.take_told();
            }
            In::Stored(_) => self.take_told(),
            In::Queue(of, hook, read, after) if *of == life => match read {
                Ok(part) => part.after.into_iter().for_each(|after| self.read_queue(*hook, Some(after))),
                Err(_) => {
                    let (hook, after) = (*hook, *after);
                    ctx.run_later(READ_AGAIN, move |actor, _| {
                        if actor.life == life {
                            actor.read_queue(hook, after);
                        }
                    });
                }
            },
            In::Behind(of, read, after) if *of == life => match read {
                Ok(part) => part.after.iter().for_each(|after| self.read_channels(Some(after.clone()))),
                Err(_) => {
                    let after = after.clone();
                    ctx.run_later(READ_AGAIN, move |actor, _| {
                        if actor.life == life {
                            actor.read_channels(after);
                        }
                    });
                }
            },
            In::Sent(of, hook, _, outcome, why) if *of == life => {
                self.ends.get_mut(*hook).into_iter().for_each(|end| end.note(outcome, why.as_deref(), clock::moment()));
            }
            _ => {}
        }
        let Self { keeper, ends, disk, setting, .. } = self;
        let mut effects = Vec::new();
        let rebuilt = keeper.receive(envelope, |hooks, message| {
            let now = Now { moment: clock::moment(), wall: clock::wall() };
            let mut step = |at: usize, input: Input| {
                if let Some(hook) = hooks.get_mut(at) {
                    let dice = clock::jitter(u64::MAX);
                    effects.extend(hook.step(input, now, dice).into_iter().map(|effect| (at, effect)));
                }
            };
            match message {
                In::Look => {
                    for (channel, stand) in moved.into_iter().flatten() {
                        for (at, end) in ends.iter().enumerate() {
                            if end.config.messages && end.config.holds(&channel) {
                                step(at, Input::Moved(channel.clone(), stand.clone()));
                            }
                        }
                    }
                }
                In::Stored(stored) => stored.into_iter().for_each(|(at, one)| step(at, Input::Stored(vec![one]))),
                In::Queue(of, at, Ok(mut part), _) if of == life => {
                    part.found.retain(|stored| !disk.is_removed(at, stored.number));
                    step(at, Input::Stored(part.found));
                    if part.after.is_none() {
                        step(at, Input::Opened);
                    }
                }
                In::Behind(of, Ok(part), _) if of == life => {
                    part.found.into_iter().for_each(|(at, name, stand)| step(at, Input::Moved(name, Some(stand))));
                }
                In::Fetched(of, at, key, fetched) if of == life => step(at, Input::Fetched(key, fetched)),
                In::Sent(of, at, key, outcome, _) if of == life => step(at, Input::Sent(key, outcome)),
                In::Due => (0..ends.len()).for_each(|at| step(at, Input::Due)),
                In::Broken(of, panic) if of == life => panic.again(),
                In::Broken(..) | In::Queue(..) | In::Behind(..) | In::Fetched(..) | In::Sent(..) => {}
            }
            setting.faults.pass("webhook.step");
        });
        if rebuilt {
            return self.begin_again();
        }
        self.perform(effects, ctx);
    }
}

impl Handler<Stop> for Webhooks {
    type Result = ();

    fn handle(&mut self, Stop(stopped): Stop, ctx: &mut Self::Context) {
        self.tasks.abort_all();
        self.queue_told(usize::MAX);
        ctx.stop();
        // Whoever stops the server may have given up waiting.
        let _ = stopped.send(());
    }
}

impl Handle {
    /// Gives up what is under way, and returns when it is on disk how far everything is, or the store refuses it.
    pub async fn stop(self) {
        let (tell, told) = oneshot::channel();
        self.stop.do_send(Stop(tell));
        // An error means that the actor is gone already; what it noted is still here.
        drop(told.await);
        self.disk.finish().await;
    }
}
