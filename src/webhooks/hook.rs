//! One webhook's core: fed what happened and the time, it says what is to be read, sent, kept and given up. Pure.
//!
//! Of each lane one thing is under way at a time, so its order is kept; of all lanes together a few. A lane that failed
//! waits by itself. If nothing at all is taken, one at a time is tried.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::lane::{Lane, Turn};
use super::step::{Dead, Effect, Fetched, Input, LaneKey, Now, Number, Outcome, Page, Place, Stored, What};
use crate::model::maps::HashMap;
use crate::model::{ChannelName, Cursor, Moment, Wall};

/// Of how many lanes something is under way at the same time.
pub(super) const PARALLEL: usize = 8;
/// How long to wait after a read that failed.
pub(super) const READ_AGAIN: Duration = Duration::from_secs(1);

/// One webhook.
#[derive(Debug)]
pub(super) struct Hook {
    backlog: u64,
    retry_max: Duration,
    lanes: HashMap<LaneKey, Lane>,
    ready: VecDeque<LaneKey>,
    waiting: BTreeSet<(Moment, LaneKey)>,
    /// Whose each event of the queue is.
    queue: BTreeMap<Number, LaneKey>,
    busy: usize,
    /// Requests that failed, since one was taken.
    failures: usize,
    is_open: bool,
    out: Vec<Effect>,
}

impl Hook {
    /// One of which so many events may wait, and that tries each for so long.
    pub fn new(backlog: u64, retry_max: Duration) -> Self {
        Self {
            backlog,
            retry_max,
            lanes: HashMap::default(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            queue: BTreeMap::new(),
            busy: 0,
            failures: 0,
            is_open: false,
            out: Vec::new(),
        }
    }

    /// Takes one input; `dice` is any number.
    pub fn step(&mut self, input: Input, now: Now, dice: u64) -> Vec<Effect> {
        match input {
            Input::Moved(channel, stand) => self.moved(channel, stand, now.wall),
            Input::Stored(stored) => self.stored(stored),
            Input::Opened => self.is_open = true,
            Input::Fetched(key, fetched) => self.fetched(key, fetched, now),
            Input::Sent(key, outcome) => self.sent(key, outcome, now, dice),
            Input::Due => {}
        }
        while self.waiting.first().is_some_and(|(at, _)| *at <= now.moment) {
            let Some((_, key)) = self.waiting.pop_first() else { break };
            self.enlist(key);
        }
        while self.is_open && self.busy < if self.failures < PARALLEL { PARALLEL } else { 1 } {
            let Some(key) = self.ready.pop_front() else { break };
            self.busy += 1;
            self.proceed(key);
        }
        std::mem::take(&mut self.out)
    }

    /// When it has to be asked again, at the latest.
    pub fn due(&self) -> Option<Moment> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// How many events wait, and since when the oldest of them, as far as it is known.
    pub fn backlog(&self) -> (u64, Option<Wall>) {
        let all = self.lanes.values().filter(|lane| !lane.is_done());
        all.fold((0, None), |(count, since), lane| {
            (count + lane.waiting(), Some(since.map_or(lane.since, |since: Wall| since.min(lane.since))))
        })
    }

    fn moved(&mut self, channel: ChannelName, stand: Option<Cursor>, now: Wall) {
        let key = LaneKey::Channel(channel);
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane::new(now));
        lane.moved(stand);
        if lane.turn != Turn::Busy {
            self.overflow(&key);
        }
        self.enlist_idle(key);
    }

    fn stored(&mut self, stored: Vec<Stored>) {
        for Stored { number, key, at } in stored {
            let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane::new(at));
            lane.queued.insert(number);
            self.queue.insert(number, key.clone());
            self.enlist_idle(key);
        }
        while self.queue.len() as u64 > self.backlog {
            let is_told = |number: &Number, key: &LaneKey| {
                let lane = self.lanes.get(key).filter(|lane| lane.turn == Turn::Busy);
                lane.is_some_and(|lane| lane.queued.first() == Some(number))
            };
            let Some((number, key)) = self.queue.iter().find(|(number, key)| !is_told(number, key)) else { break };
            let (number, key) = (*number, key.clone());
            self.out.push(Effect::Dead(Dead::Overflow, 1));
            self.done(&key, Place::Queue(number));
        }
    }

    fn fetched(&mut self, key: LaneKey, fetched: Fetched, now: Now) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        match (fetched, &key) {
            (Fetched::Log(Page::Kept { at, head, trimmed, anew, events }), LaneKey::Channel(channel)) => {
                let stalled = events.is_empty() && head > at.seq;
                let head = Cursor { seq: head, epoch: at.epoch.clone() };
                let lost = trimmed + lane.read(at.clone(), head, anew);
                if lost > 0 || anew {
                    self.out.push(Effect::Keep(channel.clone(), Some(at)));
                }
                lane.page = events.into();
                self.give_up(Dead::Gone, lost);
                self.overflow(&key);
                if stalled {
                    return self.wait(key, now.moment.after(READ_AGAIN));
                }
            }
            (Fetched::Log(_), LaneKey::Channel(channel)) => {
                let lost = lane.gone();
                self.out.push(Effect::Keep(channel.clone(), None));
                self.give_up(Dead::Gone, lost);
            }
            (Fetched::Queue(Some(event)), _) => lane.page.push_back(event),
            (Fetched::Queue(None), _) => {
                if let Some(number) = lane.queued.first().copied() {
                    self.done(&key, Place::Queue(number));
                    self.give_up(Dead::Gone, 1);
                }
            }
            (Fetched::Log(_) | Fetched::Failed, _) => {
                lane.look |= lane.looking;
                return self.wait(key, now.moment.after(READ_AGAIN));
            }
        }
        if self.lanes.get(&key).is_some_and(|lane| lane.retry.is_long(now.moment, self.retry_max)) {
            self.expire(&key, now.wall);
        }
        self.go_on(key);
    }

    fn sent(&mut self, key: LaneKey, outcome: Outcome, now: Now, dice: u64) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        match outcome {
            Outcome::Taken => {
                self.failures = 0;
                lane.retry = super::lane::Retry::default();
                if let Some(event) = lane.page.pop_front() {
                    lane.since = lane.page.front().map_or(event.at, |next| next.at);
                    self.done(&key, event.place);
                }
                self.go_on(key);
            }
            Outcome::Failed { gone, after } => {
                self.failures += 1;
                let wait = lane.retry.failed(now.moment, gone, after, dice);
                if lane.retry.is_long(now.moment, self.retry_max) {
                    self.expire(&key, now.wall);
                }
                // It is read anew: those who wait keep nothing in memory.
                self.lanes.entry(key.clone()).and_modify(|lane| lane.page.clear());
                self.overflow(&key);
                self.wait(key, now.moment.after(wait));
            }
        }
    }

    /// Gives up what was read and has been waiting for too long.
    fn expire(&mut self, key: &LaneKey, now: Wall) {
        let oldest = now.0 - i64::try_from(self.retry_max.as_millis()).unwrap_or(i64::MAX);
        let mut count = 0;
        while let Some(lane) = self.lanes.get_mut(key) {
            let Some(place) = lane.page.front().filter(|event| event.at.0 <= oldest).map(|event| event.place) else {
                break;
            };
            lane.page.pop_front();
            self.done(key, place);
            count += 1;
        }
        self.give_up(Dead::Expired, count);
    }

    /// Gives up messages of which too many wait.
    fn overflow(&mut self, key: &LaneKey) {
        let LaneKey::Channel(channel) = key else { return };
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let over = lane.overflow(self.backlog);
        if over == 0 {
            return;
        }
        if let Some(cursor) = lane.cursor.clone() {
            lane.page.retain(|event| !matches!(event.place, Place::Log(seq) if seq <= cursor.seq));
            self.out.push(Effect::Keep(channel.clone(), Some(cursor)));
        }
        self.give_up(Dead::Overflow, over);
    }

    fn give_up(&mut self, why: Dead, count: u64) {
        if count > 0 {
            self.out.push(Effect::Dead(why, count));
        }
    }

    /// An event is done with.
    fn done(&mut self, key: &LaneKey, place: Place) {
        match (place, key) {
            (Place::Queue(number), _) => {
                self.queue.remove(&number);
                if let Some(lane) = self.lanes.get_mut(key) {
                    lane.queued.remove(&number);
                }
                self.out.push(Effect::Remove(number));
            }
            (Place::Log(seq), LaneKey::Channel(channel)) => {
                let cursor = self.lanes.get_mut(key).and_then(|lane| lane.cursor.as_mut());
                if let Some(cursor) = cursor {
                    cursor.seq = seq;
                    self.out.push(Effect::Keep(channel.clone(), Some(cursor.clone())));
                }
            }
            (Place::Log(_), LaneKey::User(_)) => {}
        }
    }

    /// Begins what a lane has to do next, or lets it go; it is one of the busy ones.
    fn proceed(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.turn = Turn::Busy;
            if let Some(&number) = lane.queued.first() {
                lane.looking = false;
                return self.out.push(Effect::Fetch(key, What::Queue(number)));
            }
            if lane.is_behind() {
                (lane.look, lane.looking) = (false, true);
                let what = What::Log(lane.cursor.clone());
                return self.out.push(Effect::Fetch(key, what));
            }
        }
        self.busy -= 1;
        self.lanes.remove(&key);
    }

    /// Tells the next event that was read; behind the last one it is others' turn.
    fn go_on(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if let Some(event) = lane.page.front() {
            lane.since = event.at;
            return self.out.push(Effect::Send(key, event.clone()));
        }
        lane.turn = Turn::Ready;
        self.busy -= 1;
        self.ready.push_back(key);
    }

    /// Has a busy lane wait.
    fn wait(&mut self, key: LaneKey, until: Moment) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.turn = Turn::Waiting;
            self.busy -= 1;
            self.waiting.insert((until, key));
        }
    }

    fn enlist_idle(&mut self, key: LaneKey) {
        if self.lanes.get(&key).is_some_and(|lane| lane.turn == Turn::Idle) {
            self.enlist(key);
        }
    }

    fn enlist(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.turn = Turn::Ready;
            self.ready.push_back(key);
        }
    }
}

#[cfg(test)]
#[path = "hook_tests.rs"]
mod tests;
