//! The channel's core: fed inputs with the time, returns what should happen. Pure.
//!
//! It is loaded before it answers, in one step fixes where a replay ends and who hears what follows, and says nothing of
//! a message that its log has not acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use super::dedup::{Keys, Used};
use super::lanes::Lanes;
use super::links::Links;
use super::messages::{Action, Batch, Closed, Hears, Item, Origin, Subscriber};
use super::orders::Orders;
use super::resume::Kept;
use super::rights::Rights;
use super::roster::Roster;
use super::sequencer::{Sequencer, blank};
use super::step::{Effect, Found, Input, Job, Settings, Time, overloaded};
use super::tending::Edits;
use super::window::Window;
use crate::model::maps::{HashMap, HashSet};
use crate::model::{ChannelName, Conn, HubId, Moment, Seq, UserName, Wall};
use crate::presence::Hidden;
use crate::protocol::Problem;

/// How many commands may wait while the channel is being loaded.
const HELD_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was read yet.
    New,
    /// The log is being read or made.
    Loading,
    /// There is no such channel.
    Absent,
    Ready,
}

/// How often hubs are told how many hear a large channel, at most, in ms.
const CROWD_MS: u64 = 500;

/// One channel.
#[derive(Debug)]
pub(super) struct State {
    pub name: ChannelName,
    pub life: u64,
    pub settings: Settings,
    pub time: Time,
    pub phase: Phase,
    /// Hubs that have yet to say who subscribes.
    pub awaited: HashSet<HubId>,
    pub held: VecDeque<(Origin, Action)>,
    pub seqs: Sequencer,
    pub window: Window,
    pub keys: Keys,
    pub roster: Roster,
    pub links: Links,
    pub lanes: Lanes<Conn, (Origin, Action), Item>,
    freed: Vec<Conn>,
    /// Work that waits for a search or a write.
    pub jobs: HashMap<u64, Job>,
    last_job: u64,
    pub told_activity: Option<Moment>,
    pub activity_waits: bool,
    /// What is special about the channel, and whom it has made what.
    pub rights: Rights,
    /// Changes of that which wait their turn.
    pub edits: Edits,
    /// What no session asked for.
    pub orders: Orders,
    /// The command for which the channel is being made.
    pub making: Option<(Origin, Action)>,
    /// Those who came to belong to it, and have not been told.
    pub added: Vec<UserName>,
    /// Those who were reported to hear it, and have not been looked at.
    pub reported: Vec<(Origin, Option<Hears>)>,
    /// Messages that lost their bodies while it was being loaded.
    pub erased: Vec<Seq>,
    /// How it ended, where it is not there.
    pub ended: Closed,
    /// Messages that have come, until someone has taken note of them.
    pub said: u32,
    /// How many hear the channel, where they are many, and whether the hubs will be told.
    crowd: Option<usize>,
    crowd_waits: bool,
    pub effects: Vec<Effect>,
}

impl State {
    /// A channel that has read nothing yet, in its `life`th life.
    pub fn new(name: ChannelName, life: u64, settings: Settings) -> Self {
        Self {
            rights: Rights::of(&name),
            name,
            life,
            settings,
            time: Time { now: Moment(0), wall: Wall(0) },
            phase: Phase::New,
            awaited: HashSet::default(),
            held: VecDeque::new(),
            seqs: Sequencer::new(blank()),
            window: Window::new(settings.window),
            keys: Keys::new(settings.dedup_window, 1),
            roster: Roster::default(),
            links: Links::default(),
            lanes: Lanes::new(),
            freed: Vec::new(),
            jobs: HashMap::default(),
            last_job: 0,
            told_activity: None,
            activity_waits: false,
            edits: Edits::default(),
            orders: Orders::default(),
            making: None,
            added: Vec::new(),
            reported: Vec::new(),
            erased: Vec::new(),
            ended: Closed::Reset,
            said: 0,
            crowd: None,
            crowd_waits: false,
            effects: Vec::new(),
        }
    }

    /// The same, where these users hide.
    pub fn hiding(mut self, hidden: Hidden) -> Self {
        self.roster = Roster::hiding(hidden);
        self
    }

    /// Carries out a session's command.
    pub fn command(&mut self, time: Time, origin: Origin, action: Action) -> Vec<Effect> {
        self.time = time;
        self.take(origin, action);
        self.finish()
    }

    /// Takes what came back from outside.
    pub fn input(&mut self, time: Time, input: Input) -> Vec<Effect> {
        self.time = time;
        match input {
            // One load is under way at a time; nothing else may put what was read before in the place of what is known.
            Input::Loaded(_) | Input::Made(_) if self.phase != Phase::Loading => {}
            Input::Loaded(Ok(Found::There(loaded))) => self.loaded(*loaded),
            // Nobody deleted it: what made it was lost before it was on disk, which only an interval allows.
            Input::Loaded(Ok(Found::Nothing)) => self.absent(Closed::Reset),
            Input::Loaded(Ok(Found::Deleted)) => self.absent(Closed::Deleted),
            Input::Loaded(Err(error)) => self.not_loaded(&error.to_string()),
            Input::Made(result) => self.made(result),
            Input::Appended(result) => self.appended(result),
            Input::Trimmed(result) => self.trimmed(result),
            Input::Found(job, result) => {
                if let Some(Job::Publish { origin, draft, to }) = self.jobs.remove(&job) {
                    let used = result.map(|found| found.map(|(seq, at)| Used { seq, at }));
                    self.found(origin, draft, to, used);
                }
            }
            Input::Known(job, known) => {
                if let Some(Job::Known { origin, tending }) = self.jobs.remove(&job) {
                    self.known(origin, tending, known);
                }
            }
            Input::Noted(job, result) => {
                if let Some(job) = self.jobs.remove(&job) {
                    self.noted(job, result);
                }
            }
            Input::AttachOver => {
                self.awaited.clear();
                self.open();
            }
            Input::ActivityDue => self.activity_due(),
            Input::CrowdDue => {
                self.crowd_waits = false;
                self.nudge();
            }
            Input::Retry => {
                if self.phase == Phase::New && self.is_needed() {
                    self.load();
                }
            }
        }
        self.finish()
    }

    /// A hub says who subscribes there.
    pub fn attached(&mut self, time: Time, hub: HubId, subscribers: Vec<Subscriber>) -> Vec<Effect> {
        self.time = time;
        for Subscriber { conn, user, standing, hears, watching } in subscribers {
            let origin = Origin { hub, conn, ticket: 0, user, standing };
            self.roster.attach(&origin, hears.is_some(), watching);
            self.reported.push((origin, hears));
        }
        self.awaited.remove(&hub);
        if self.phase == Phase::New {
            self.load();
        }
        self.open();
        self.finish()
    }

    /// A hub has dealt with a batch that was waited for.
    pub fn acked(&mut self, time: Time) -> Vec<Effect> {
        self.time = time;
        self.finish()
    }

    /// A session is gone.
    pub fn gone(&mut self, conn: Conn) -> Vec<Effect> {
        self.roster.gone(conn);
        self.finish()
    }

    /// A session stopped hearing, because what it was owed is no more.
    pub fn lost(&mut self, conn: Conn) -> Vec<Effect> {
        self.roster.unsubscribe(conn);
        self.finish()
    }

    /// A user who may hear it began to hide, or ended it.
    pub fn shown(&mut self, user: &UserName) -> Vec<Effect> {
        self.roster.shown(user);
        self.finish()
    }

    /// A hub began anew, without the sessions that it had.
    pub fn hub_reset(&mut self, hub: HubId) -> Vec<Effect> {
        self.roster.hub_gone(hub);
        self.links.reset(hub);
        self.awaited.remove(&hub);
        self.open();
        self.finish()
    }

    /// Whether nothing would be lost by forgetting everything here.
    pub fn is_idle(&self) -> bool {
        self.phase != Phase::Loading
            && self.awaited.is_empty()
            && self.roster.is_empty()
            && self.links.is_empty()
            && self.lanes.is_empty()
            && self.held.is_empty()
            && self.jobs.is_empty()
            && self.edits.is_empty()
            && self.orders.is_idle()
            && self.seqs.is_idle()
            && !self.activity_waits
            && !self.crowd_waits
    }

    /// Whether somebody hears or watches it, or may.
    pub fn is_heard(&self) -> bool {
        !(self.roster.is_empty() && self.awaited.is_empty())
    }

    /// Whether somebody hears the channel, or waits in a lane, and so needs its log.
    pub(super) fn is_needed(&self) -> bool {
        self.is_heard() || !self.lanes.is_empty()
    }

    /// Whether there is nothing here that anyone could come back to.
    pub fn is_absent(&self) -> bool {
        self.phase != Phase::Ready && self.is_idle()
    }

    /// Whether nobody needed it yet.
    pub fn is_asleep(&self) -> bool {
        self.phase == Phase::New
    }

    /// Whether it was there and is no more.
    pub fn was_deleted(&self) -> bool {
        self.ended == Closed::Deleted
    }

    /// The log as far as it is kept.
    pub fn kept(&self) -> Kept<'_> {
        let head = self.seqs.head();
        Kept { epoch: &head.epoch, first: head.first, head: head.seq }
    }

    /// Remembers work until its search or write is done.
    pub fn job(&mut self, job: Job) -> u64 {
        self.last_job += 1;
        self.jobs.insert(self.last_job, job);
        self.last_job
    }

    fn take(&mut self, origin: Origin, action: Action) {
        match self.phase {
            _ if self.is_open() => self.admit(origin, action),
            // What was announced before can be read, whatever the store is up to.
            _ if self.is_known() && matches!(action, Action::Look) => self.run(origin, action),
            _ if self.held.len() >= HELD_MAX => self.refuse(origin, overloaded()),
            phase => {
                self.held.push_back((origin, action));
                if phase == Phase::New {
                    self.load();
                }
            }
        }
    }

    /// Whether the channel knows what it has to know to carry out commands.
    pub fn is_open(&self) -> bool {
        self.awaited.is_empty() && matches!(self.phase, Phase::Ready | Phase::Absent)
    }

    /// Whether it is known where the log stood.
    pub(super) fn is_known(&self) -> bool {
        !self.seqs.head().epoch.0.is_empty()
    }

    /// Has every hub look where the channel stands.
    pub(super) fn nudge(&mut self) {
        let hubs: Vec<HubId> = self.roster.hubs().collect();
        hubs.into_iter().for_each(|hub| self.links.deliver(hub, Arc::from([])));
    }

    pub(super) fn close_all(&mut self, why: Closed) {
        for (conn, hub) in self.roster.subscribed() {
            self.roster.unsubscribe(conn);
            self.links.say(hub, Item::Closed(conn, why));
        }
    }

    /// Answers a command that runs in no lane.
    pub fn answer(&mut self, origin: Origin, item: impl FnOnce(Origin) -> Item) {
        self.links.say(origin.hub, item(origin));
    }

    /// Refuses a command that runs in no lane.
    pub fn refuse(&mut self, origin: Origin, problem: Problem) {
        self.answer(origin, |origin| Item::Refused(origin, problem));
    }

    /// Answers a command that ran in a lane, after those before it, and lets the next one in.
    pub fn settle(&mut self, origin: Origin, item: impl FnOnce(Origin) -> Item) {
        let (hub, conn, ticket) = (origin.hub, origin.conn, origin.ticket);
        for item in self.lanes.settle(&conn, ticket, item(origin)) {
            self.links.say(hub, item);
        }
        self.freed.push(conn);
    }

    /// A command stays in its lane, but others may come in beside it.
    pub fn freed(&mut self, conn: Conn) {
        self.freed.push(conn);
    }

    /// Ends a step: held commands go on, appends begin, batches are sent.
    pub(super) fn finish(&mut self) -> Vec<Effect> {
        // Not on stale knowledge: while the log is read anew, whoever waits in a lane waits on.
        while self.is_open() {
            let Some(conn) = self.freed.pop() else { break };
            while let Some((origin, action)) = self.lanes.next(&conn) {
                self.run(origin, action);
                if !self.is_open() {
                    self.freed.push(conn);
                    break;
                }
            }
        }
        self.next_order();
        let crowd = self.roster.is_crowded(self.settings.announce_max).then(|| self.online());
        if crowd != self.crowd && !std::mem::replace(&mut self.crowd_waits, true) {
            self.effects.push(Effect::Later(CROWD_MS, Input::CrowdDue));
        }
        self.crowd = crowd;
        for (hub, items, ack) in self.links.ready() {
            let head = self.seqs.head().seq;
            let batch = Batch { channel: self.name.clone(), head, crowd, items, ack };
            self.effects.push(Effect::Send(hub, batch));
        }
        // Whoever still has messages waiting will say when he is ready for them: nothing else may wait for that.
        let slack = self.links.lag() < self.settings.window.max(32);
        if self.phase == Phase::Ready
            && slack
            && !self.edits.closing
            && let Some((after, batch)) = self.seqs.begin(self.time.wall)
        {
            self.effects.push(Effect::Append(after, batch));
        }
        std::mem::take(&mut self.effects)
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
pub(super) mod tests;
