//! The registry: the presence table as an actor on a thread of its own.
//!
//! It does what the table says: tells the hubs, and notes for the disk when users were last seen. One interval timer
//! sweeps. When a handler panics, the table is dropped and a recovering one takes its place; the hubs' addresses and what
//! was noted are kept outside, so nobody has to introduce themselves again. It decides nothing by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use actix::prelude::*;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::delta::{Effect, Input, Now};
use super::messages::PRESENCE;
use super::notes::{BATCH, Notes};
use super::{Hidden, RegistryIn, Table, ToHub};
use crate::clock;
use crate::config;
use crate::metrics;
use crate::model::{HubId, Moment};
use crate::store::{Behind, Meta};
use crate::supervise::{Budget, Envelope, Faults, Keeper, Life, Post, Probes, caught};
use crate::webhooks::Signals;

/// How long what was noted may wait until it is written.
const NOTES_WAIT: Duration = Duration::from_secs(3);

/// Who is not seen by others, and where webhooks hear of those who are.
#[derive(Clone, Default)]
pub struct Sight {
    /// Who hides.
    pub hidden: Hidden,
    /// Where webhooks hear.
    pub signals: Signals,
}

/// What outlives a table.
#[derive(Default)]
struct Shared {
    /// Tables built so far; the last one's incarnation.
    lives: AtomicU64,
    hubs: Mutex<BTreeMap<HubId, Post<ToHub>>>,
}

/// The actor. It is spoken to through [`RegistryHandle::post`].
pub struct Registry {
    keeper: Keeper<Table>,
    shared: Arc<Shared>,
    notes: Arc<Behind<Notes>>,
    faults: Faults,
    metrics: metrics::Presence,
    signals: Signals,
    sweep_every: Duration,
    /// The last incarnation whose hubs were asked to report.
    opened: u64,
    /// When what was noted was last written.
    flushed: Moment,
}

/// A running registry.
pub struct RegistryHandle {
    post: Post<RegistryIn>,
    stop: Recipient<Stop>,
    notes: Arc<Behind<Notes>>,
}

/// Keep what has to be kept, and end.
#[derive(Message)]
#[rtype(result = "()")]
struct Stop(oneshot::Sender<()>);

impl Registry {
    /// Starts the registry on `arbiter`, which should be its own. Fault points: `registry.beat` and `registry.sweep`; its
    /// probe is of kind `presence`.
    pub fn start(
        arbiter: &ArbiterHandle,
        config: &config::Presence,
        meta: Arc<dyn Meta>,
        probes: &Probes,
        faults: &Faults,
        metrics: &metrics::Presence,
        sight: &Sight,
    ) -> RegistryHandle {
        let notes = Notes::new(meta);
        let life = Life::begin(&probes.of(&PRESENCE), "registry".into());
        let vitals = Arc::clone(life.vitals());
        let shared = Arc::new(Shared::default());
        let (timeout, sweep_every) = (config.timeout, config.sweep);
        let factory = {
            let (shared, hidden) = (Arc::clone(&shared), sight.hidden.clone());
            let is_public = sight.signals.wants_presence();
            move || {
                let life = shared.lives.fetch_add(1, Relaxed) + 1;
                if life == 1 {
                    return Table::fresh(timeout, life, now()).hiding(hidden.clone()).public(is_public);
                }
                let hubs: Vec<HubId> = shared.hubs.lock().keys().copied().collect();
                Table::recovering(timeout, life, hubs, now()).hiding(hidden.clone()).public(is_public)
            }
        };
        let address = {
            let (shared, notes) = (Arc::clone(&shared), Arc::clone(&notes));
            let (faults, metrics, signals) = (faults.clone(), metrics.clone(), sight.signals.clone());
            Self::start_in_arbiter(arbiter, move |_| Self {
                keeper: Keeper::new(life, Budget::default(), factory),
                shared,
                notes,
                faults,
                metrics,
                signals,
                sweep_every,
                opened: 1,
                flushed: clock::moment(),
            })
        };
        let post = Post::new(address.clone().recipient(), &vitals);
        RegistryHandle { post, stop: address.recipient(), notes }
    }

    /// The interval timer.
    fn tick(&mut self) {
        let (faults, metrics) = (&self.faults, &self.metrics);
        let mut effects = Vec::new();
        self.keeper.run("a sweep", |table| effects = sweep(table, faults, metrics));
        self.settle(effects);
        if let Err(panic) = caught(|| self.write_down()) {
            self.keeper.broke("what it writes down", &panic);
            self.settle(Vec::new());
        }
    }

    /// Has what was noted written, if it is time.
    fn write_down(&mut self) {
        self.faults.pass("registry.notes");
        let now = clock::moment();
        if now.since(self.flushed) >= NOTES_WAIT || self.notes.len() >= BATCH {
            self.flushed = now;
            self.notes.flush();
        }
    }

    /// Does what the table said. What panics over that costs the table its life, too.
    fn settle(&mut self, mut effects: Vec<Effect>) {
        while let Err(panic) = caught(|| self.carry_out(std::mem::take(&mut effects))) {
            if !self.keeper.broke("what followed", &panic) {
                break;
            }
        }
    }

    /// Does what the table said, and what a rebuilt one has to say first.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        self.faults.pass("registry.effects");
        self.perform(effects);
        if self.keeper.is_down() {
            return;
        }
        let table = self.keeper.state();
        let (users, sessions) = table.counts();
        self.metrics.online_users.set(users as i64);
        self.metrics.sessions.set(sessions as i64);
        if table.incarnation() != self.opened {
            self.opened = table.incarnation();
            let opening = table.opening();
            self.perform(opening);
            // The new table does not remember who went; whoever asks finds it on disk.
            self.notes.flush();
        }
    }

    fn perform(&self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        let hubs = self.shared.hubs.lock();
        for effect in effects {
            match effect {
                Effect::Write(user, at) => self.notes.note(user, at),
                Effect::Public(row, reason) => self.signals.presence(&row.user, &row.frame(reason), clock::wall()),
                Effect::Tell(hub, what) => {
                    if let ToHub::Reap(conns) = &what {
                        self.metrics.reaped.inc_by(conns.len() as u64);
                    }
                    if let Some(post) = hubs.get(&hub) {
                        post.send(what);
                    }
                }
            }
        }
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.sweep_every, |registry, _| registry.tick());
    }
}

impl Handler<Envelope<RegistryIn>> for Registry {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<RegistryIn>, _: &mut Self::Context) {
        let (shared, faults, metrics) = (&self.shared, &self.faults, &self.metrics);
        let mut effects = Vec::new();
        self.keeper.receive(envelope, |table, message| {
            let input = match message {
                RegistryIn::Hub { hub, post } => {
                    // Kept before the table is touched: it has to be there even if that panics.
                    shared.hubs.lock().insert(hub, post);
                    Input::Hub { hub }
                }
                RegistryIn::Report { hub, incarnation, sessions, interest } => {
                    Input::Report { hub, incarnation, sessions, interest }
                }
                RegistryIn::Up { hub, seen } => Input::Up { hub, seen },
                RegistryIn::Beat { hub, seen } => {
                    faults.pass("registry.beat");
                    metrics.beats.inc();
                    Input::Beat { hub, seen }
                }
                RegistryIn::Down { user, conn, reason } => Input::Down { user, conn, reason },
                RegistryIn::Ask { hub, asker, users, watch } => Input::Ask { hub, asker, users, watch },
                RegistryIn::Forget { hub, users } => Input::Forget { hub, users },
                RegistryIn::Shown { user } => Input::Shown { user },
                RegistryIn::Online { after, max, tell } => {
                    // Whoever asked may have gone.
                    drop(tell.send(table.online(after.as_ref(), max)));
                    return;
                }
                RegistryIn::Sweep => {
                    effects = sweep(table, faults, metrics);
                    return;
                }
            };
            effects = table.step(input, now());
        });
        self.settle(effects);
    }
}

impl Handler<Stop> for Registry {
    type Result = ();

    fn handle(&mut self, Stop(stopped): Stop, ctx: &mut Self::Context) {
        let notes = &self.notes;
        self.keeper.run("its end", |table| table.last_seen().for_each(|(user, at)| notes.note(user.clone(), at)));
        ctx.stop();
        // Whoever stops the server may have given up waiting.
        let _ = stopped.send(());
    }
}

impl RegistryHandle {
    /// How the registry is spoken to.
    pub fn post(&self) -> Post<RegistryIn> {
        self.post.clone()
    }

    /// Handles what was sent before, writes when everyone was last seen, and ends the registry. It returns when that is
    /// on disk, or the store refuses it.
    pub async fn stop(self) {
        let (tell, told) = oneshot::channel();
        self.stop.do_send(Stop(tell));
        // An error means that the registry is gone already; what it noted is still here.
        drop(told.await);
        self.notes.finish().await;
    }
}

fn now() -> Now {
    Now { moment: clock::moment(), wall: clock::wall() }
}

fn sweep(table: &mut Table, faults: &Faults, metrics: &metrics::Presence) -> Vec<Effect> {
    faults.pass("registry.sweep");
    let begun = clock::stamp();
    let effects = table.step(Input::Sweep, now());
    metrics.sweep_seconds.observe(begun.elapsed().as_secs_f64());
    effects
}

#[cfg(test)]
#[path = "actor_tests.rs"]
mod tests;
