//! Where a channel's actor is found, or made.
//!
//! Shards by name, no global actor. Commands go through here because a send to an actor that ended is silent: under the
//! shard's lock an actor is either in the table, and what is sent to it will be handled, or it is not, and a new one is
//! made. An actor that wants to sleep asks here, and may only if it has handled everything that was sent to it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use actix::ArbiterHandle;
use parking_lot::{Mutex, RwLock};

use super::actor::ChannelActor;
use super::messages::{ChannelIn, ToHub};
use super::shown::{Glance, Shown};
use crate::clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::maps::HashMap;
use crate::model::{ChannelName, HubId, Seq};
use crate::planted::{Bug, planted};
use crate::presence::Hidden;
use crate::store::{ChannelLog, Meta, Reads};
use crate::supervise::{Faults, Post, Probes};
use crate::webhooks::Signals;

/// How many locks the table is spread over.
const SHARDS: usize = 64;

/// The workers' hubs, by number.
#[derive(Clone, Debug, Default)]
pub struct Hubs(Arc<RwLock<BTreeMap<HubId, Post<ToHub>>>>);

impl Hubs {
    /// Makes a hub known.
    pub fn add(&self, hub: HubId, post: Post<ToHub>) {
        self.0.write().insert(hub, post);
    }

    /// The numbers of all hubs.
    pub fn ids(&self) -> Vec<HubId> {
        self.0.read().keys().copied().collect()
    }

    /// Sends to one hub.
    pub fn send(&self, hub: HubId, message: ToHub) {
        if let Some(post) = self.0.read().get(&hub) {
            post.send(message);
        }
    }

    /// Sends to every hub.
    pub fn send_all(&self, message: &ToHub) {
        self.0.read().values().for_each(|post| post.send(message.clone()));
    }
}

/// What every channel works with.
pub struct Context {
    /// The effective configuration.
    pub config: Arc<Config>,
    /// The messages.
    pub log: Arc<dyn ChannelLog>,
    /// The memberships.
    pub meta: Arc<dyn Meta>,
    /// Where reading is done.
    pub reads: Reads,
    /// Whom a channel speaks to.
    pub hubs: Hubs,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What shows the actors' work.
    pub probes: Probes,
    /// Who hides.
    pub hidden: Hidden,
    /// Where webhooks hear of it.
    pub signals: Signals,
    /// Where a test may have an actor panic.
    pub faults: Faults,
}

struct Entry {
    post: Post<ChannelIn>,
    sent: u64,
    shown: Arc<Shown>,
}

/// All active channels of a server.
pub struct Directory {
    shards: Vec<Mutex<HashMap<ChannelName, Entry>>>,
    hash: RandomState,
    arbiters: Vec<ArbiterHandle>,
    context: Arc<Context>,
}

impl Directory {
    /// An empty directory whose actors will be spread over `arbiters`, of which there is at least one.
    pub fn new(arbiters: Vec<ArbiterHandle>, context: Arc<Context>) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { shards, hash: RandomState::new(), arbiters, context })
    }

    fn place(&self, channel: &ChannelName) -> usize {
        self.hash.hash_one(channel) as usize
    }

    /// Sends to a channel, waking it if it sleeps.
    pub fn send(self: &Arc<Self>, channel: &ChannelName, message: ChannelIn) {
        let place = self.place(channel);
        let mut shard = self.shards[place % SHARDS].lock();
        if !shard.contains_key(channel) {
            let arbiter = &self.arbiters[(place / SHARDS) % self.arbiters.len()];
            let shown = Arc::<Shown>::default();
            let (context, directory) = (Arc::clone(&self.context), Arc::clone(self));
            let post = ChannelActor::start(channel.clone(), context, directory, Arc::clone(&shown), arbiter);
            shard.insert(channel.clone(), Entry { post, sent: 0, shown });
            self.context.metrics.channels_active.inc();
        }
        if let Some(entry) = shard.get_mut(channel) {
            entry.sent += 1;
            entry.post.send(message);
        }
    }

    /// Sends to a channel, unless it sleeps: false then.
    pub fn send_awake(&self, channel: &ChannelName, message: ChannelIn) -> bool {
        let mut shard = self.shards[self.place(channel) % SHARDS].lock();
        let Some(entry) = shard.get_mut(channel) else { return false };
        entry.sent += 1;
        entry.post.send(message);
        true
    }

    /// How many users hear a channel now, as far as it has said; waking nobody.
    pub fn online(&self, channel: &ChannelName) -> usize {
        let shard = self.shards[self.place(channel) % SHARDS].lock();
        shard.get(channel).map_or(0, |entry| entry.shown.online())
    }

    /// What an active channel shows of itself; `None` if it sleeps. Wakes nobody.
    pub fn glance(&self, channel: &ChannelName) -> Option<Glance> {
        let shard = self.shards[self.place(channel) % SHARDS].lock();
        shard.get(channel).map(|entry| entry.shown.glance(clock::moment()))
    }

    /// Every active channel, in no order, and what it shows of itself.
    pub fn active(&self) -> Vec<(ChannelName, Glance)> {
        let now = clock::moment();
        let glance = |(name, entry): (&ChannelName, &Entry)| (name.clone(), entry.shown.glance(now));
        self.shards.iter().flat_map(|shard| shard.lock().iter().map(glance).collect::<Vec<_>>()).collect()
    }

    /// Tells a channel, if it is active, that these of its messages have no bodies any more.
    pub fn erased(&self, channel: &ChannelName, seqs: &[Seq]) {
        let mut shard = self.shards[self.place(channel) % SHARDS].lock();
        if let Some(entry) = shard.get_mut(channel) {
            entry.sent += 1;
            entry.post.send(ChannelIn::Erased(seqs.into()));
        }
    }

    /// Tells every active channel that a hub began anew.
    pub fn hub_reset(&self, hub: HubId) {
        for shard in &self.shards {
            for entry in shard.lock().values_mut() {
                entry.sent += 1;
                entry.post.send(ChannelIn::HubReset(hub));
            }
        }
    }

    /// Lets an actor go that has handled `handled` messages from here; false if more are on their way to it.
    pub(super) fn retire(&self, channel: &ChannelName, handled: u64) -> bool {
        let mut shard = self.shards[self.place(channel) % SHARDS].lock();
        let done = shard.get(channel).is_none_or(|entry| entry.sent == handled || planted(Bug::AsleepUnderWay));
        if done && shard.remove(channel).is_some() {
            self.context.metrics.channels_active.dec();
        }
        done
    }
}
