//! The channels that are wanted, and how far each was heard: every message once, in order, and told of every hole. Pure.
//!
//! A channel goes from idle over joining to live. If the join leaves a gap, what is missing is read page by page first,
//! and what comes meanwhile is held, up to a bound. A jump, or a pulse ahead of what came, means that something was
//! lost: the channel is joined again from its cursor.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::error::Fault;
use super::event::{Event, Joined, Message};
use super::frames::Page;
use super::known::Known;
use super::options::{Rules, Start};
use super::outbox::{Gate, Ticket};
use super::track::{Fill, Now, Paging, Reader, Stage, Track};
use crate::model::{Cursor, Epoch, Moment, Seq};
use crate::planted::{Bug, planted};

/// What a channel needs said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    Join {
        channel: String,
        start: Start,
        member: bool,
    },
    Page {
        channel: String,
        after: Seq,
        before: Seq,
    },
    /// How far it has come.
    Look {
        channel: String,
    },
}

/// What a refused join leaves behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refused {
    pub waiters: Vec<Ticket>,
    /// Whether it had been heard before.
    pub heard: bool,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Tracks {
    map: BTreeMap<String, Track>,
    /// What is known of channels, heard or not.
    pub known: Known,
    kept: BTreeMap<String, Cursor>,
    /// When some channel may need something said.
    wake: Option<Moment>,
    /// The application takes nothing: nothing is heard until it does.
    parked: bool,
    rules: Rules,
}

impl Tracks {
    /// None yet; `kept` are the cursors of an earlier client.
    pub fn new(rules: Rules, kept: BTreeMap<String, Cursor>) -> Self {
        Self { map: BTreeMap::new(), known: Known::new(rules.clone()), kept, wake: None, parked: false, rules }
    }

    /// Wants a channel. Says how it stands if it is heard already; else whoever waits is told later.
    pub fn want(&mut self, channel: &str, start: Start, member: bool, ticket: Ticket) -> Option<Joined> {
        let kept = self.kept.remove(channel);
        let track = self.map.entry(channel.to_owned()).or_insert_with(|| Track {
            cursor: match &start {
                Start::Since(cursor) => Some(cursor.clone()),
                Start::Stood => kept,
                Start::Tail(_) => None,
            },
            start,
            member,
            stage: Stage::Idle(Moment(0)),
            waiters: vec![],
            joined: None,
            fails: 0,
        });
        track.member |= member;
        if track.joined.is_none() {
            track.waiters.push(ticket);
            self.wake = Some(Moment(0));
        }
        track.joined.clone()
    }

    /// Does not want a channel any more; returns who waited for it.
    pub fn forget(&mut self, channel: &str) -> Vec<Ticket> {
        self.map.remove(channel).map_or_else(Vec::new, |track| track.waiters)
    }

    /// Gives up on all; returns who waited.
    pub fn give_up(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.map).into_values().flat_map(|track| track.waiters).collect()
    }

    /// The names of all that are wanted.
    pub fn names(&self) -> Vec<String> {
        self.map.keys().cloned().collect()
    }

    /// A channel is called something else.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(cursor) = self.kept.remove(from) {
            self.kept.insert(to.to_owned(), cursor);
        }
        let Some(track) = self.map.remove(from) else { return };
        match self.map.get_mut(to) {
            Some(there) => there.waiters.extend(track.waiters),
            None => drop(self.map.insert(to.to_owned(), track)),
        }
    }

    /// The connection went: everything has to be joined anew.
    pub fn offline(&mut self) {
        self.known.offline();
        self.idle();
    }

    fn idle(&mut self) {
        for track in self.map.values_mut() {
            track.stage = Stage::Idle(Moment(0));
        }
        self.wake = Some(Moment(0));
    }

    /// The application takes nothing, and what it lacks will be asked for when it does. A first join is still made, so that
    /// whoever waits for it is answered.
    pub fn park(&mut self) {
        self.parked = true;
        self.idle();
    }

    /// The application takes what there is again.
    pub fn unpark(&mut self) {
        self.parked = false;
        self.idle();
    }

    /// What has to be said now.
    pub fn needs(&mut self, now: Moment) -> Vec<Need> {
        if self.wake.is_none_or(|wake| wake > now) {
            return vec![];
        }
        let (mut needs, mut wake) = (vec![], None);
        let mut later = |at: Moment| wake = Some(wake.map_or(at, |wake: Moment| wake.min(at)));
        for (channel, track) in &self.map {
            let channel = channel.clone();
            match &track.stage {
                Stage::Idle(at) | Stage::Filling(Fill { page: Paging::Due(at), .. }) if *at > now => later(*at),
                Stage::Idle(_) if self.parked && track.joined.is_some() => {}
                Stage::Idle(_) => {
                    let start = track.cursor.clone().map_or_else(|| track.start.clone(), Start::Since);
                    needs.push(Need::Join { channel, start, member: track.member });
                }
                Stage::Filling(Fill { page: Paging::Due(_), next, .. }) => {
                    let after = track.cursor.as_ref().map_or(0, |cursor| cursor.seq);
                    needs.push(Need::Page { channel, after, before: *next });
                }
                _ => {}
            }
        }
        let (looks, at) = self.known.needs(now);
        needs.extend(looks.into_iter().map(|channel| Need::Look { channel }));
        self.wake = wake.into_iter().chain(at).min();
        needs
    }

    /// When something has to be said next.
    pub fn deadline(&self) -> Option<Moment> {
        self.wake
    }

    /// A need was seen to, under this id.
    pub fn asked(&mut self, channel: &str, id: u64) {
        match self.map.get_mut(channel).map(|track| &mut track.stage) {
            Some(stage @ Stage::Idle(_)) => *stage = Stage::Joining(id),
            Some(Stage::Filling(fill)) => fill.page = Paging::Asked(id),
            _ => {}
        }
    }

    /// Under which id a channel is being joined.
    pub fn joining(&self, channel: &str) -> Option<u64> {
        match self.map.get(channel)?.stage {
            Stage::Joining(id) => Some(id),
            _ => None,
        }
    }

    /// The subscription starts, or starts anew, at this place of the stream. Returns who waited for it.
    pub fn joined(&mut self, mut joined: Joined, out: &mut Vec<Event>) -> Vec<(Ticket, Joined)> {
        let Some(track) = self.map.get_mut(&joined.channel) else { return vec![] };
        let here = Cursor { epoch: joined.epoch.clone(), seq: joined.next.saturating_sub(1) };
        if self.parked {
            joined.cursor = track.cursor.get_or_insert(here).clone();
            track.stage = Stage::Idle(Moment(0));
            track.joined = Some(joined.clone());
            return std::mem::take(&mut track.waiters).into_iter().map(|ticket| (ticket, joined.clone())).collect();
        }
        let cursor = match track.cursor.take() {
            Some(had) if had.epoch == joined.epoch && had.seq <= joined.head => {
                if planted(Bug::HoleForgotten) {
                    here
                } else {
                    had
                }
            }
            Some(_) => {
                let (channel, epoch) = (joined.channel.clone(), joined.epoch.clone());
                out.push(Event::Reset { channel, epoch, next: joined.next });
                here
            }
            None => here,
        };
        track.stage = if cursor.seq + 1 < joined.next {
            self.wake = Some(Moment(0));
            let page = Paging::Due(Moment(0));
            Stage::Filling(Fill { next: joined.next, held: VecDeque::new(), over: false, page })
        } else {
            Stage::Live
        };
        joined.cursor = cursor.clone();
        track.cursor = Some(cursor);
        track.joined = Some(joined.clone());
        let waiters = std::mem::take(&mut track.waiters).into_iter();
        let waiters = waiters.map(|ticket| (ticket, joined.clone())).collect();
        self.learn(&joined.channel, &joined.epoch, joined.head);
        out.push(Event::Joined(joined));
        waiters
    }

    /// A join was answered by an error, or not at all. Returns what is left of the channel if it is given up.
    pub fn join_failed(&mut self, now: Now, channel: &str, id: u64, fault: Option<&Fault>) -> Option<Refused> {
        let track = self.map.get_mut(channel).filter(|track| matches!(track.stage, Stage::Joining(it) if it == id))?;
        if fault.is_none_or(Fault::passes) {
            let wait = fault.and_then(|fault| fault.retry_after_ms).map(Duration::from_millis);
            track.again(now, wait, &self.rules);
            self.wake = Some(Moment(0));
            return None;
        }
        self.map.remove(channel).map(|track| Refused { heard: track.joined.is_some(), waiters: track.waiters })
    }

    /// A message came. Hands on what is due.
    pub fn message(&mut self, now: Now, mut message: Message, out: &mut Vec<Event>) {
        let Some(track) = self.map.get_mut(&message.channel) else { return };
        let Some(cursor) = &mut track.cursor else { return };
        message.epoch = cursor.epoch.clone();
        let seq = message.seq;
        match &mut track.stage {
            Stage::Live if seq == cursor.seq + 1 => {
                cursor.seq = seq;
                track.fails = 0;
                self.known.learn(&message.channel, &message.epoch, seq);
                out.push(Event::Message(message));
            }
            Stage::Live if seq > cursor.seq => {
                track.lost(now, &self.rules);
                self.wake = Some(Moment(0));
            }
            Stage::Filling(fill) => {
                let due = fill.next + fill.held.len() as u64;
                if seq > due || seq == due && fill.held.len() >= self.rules.held {
                    fill.over = true;
                } else if seq == due && !fill.over {
                    fill.held.push_back(message);
                }
            }
            _ => {}
        }
    }

    /// Everything up to there stands before this in the stream: what did not come was lost.
    pub fn pulse(&mut self, now: Now, heads: &BTreeMap<String, Seq>) {
        for (channel, head) in heads {
            let Some(track) = self.map.get_mut(channel) else { continue };
            let Some(cursor) = &track.cursor else { continue };
            match &mut track.stage {
                Stage::Live if *head > cursor.seq => {
                    track.lost(now, &self.rules);
                    self.wake = Some(Moment(0));
                }
                Stage::Filling(fill) => fill.over |= *head >= fill.next + fill.held.len() as u64,
                _ => {}
            }
        }
    }

    /// A page came of what is missing.
    pub fn page(&mut self, now: Now, channel: &str, id: u64, page: Page, out: &mut Vec<Event>) {
        self.learn(channel, &page.epoch, page.head);
        let Some(track) = self.map.get_mut(channel) else { return };
        let (Stage::Filling(fill), Some(cursor)) = (&mut track.stage, &mut track.cursor) else { return };
        if !matches!(fill.page, Paging::Asked(it) if it == id) {
            return;
        }
        self.wake = Some(Moment(0));
        if page.epoch != cursor.epoch {
            return track.lost(now, &self.rules);
        }
        let (stood, next) = (cursor.seq, fill.next);
        let mut reader = Reader { channel, cursor, out };
        reader.miss(page.first.min(next));
        for message in page.messages.into_iter().filter(|message| message.seq < next) {
            reader.hand(message);
        }
        if !page.more {
            reader.miss(next);
        }
        let came = cursor.seq;
        if came + 1 >= next {
            track.filled(now, &self.rules, out);
        } else if came > stood {
            fill.page = Paging::Due(Moment(0));
        } else {
            track.page_later(now, None, &self.rules);
        }
    }

    /// A page could not be had, for good or for now.
    pub fn page_failed(&mut self, now: Now, channel: &str, id: u64, fault: Option<&Fault>, out: &mut Vec<Event>) {
        let Some(track) = self.map.get_mut(channel) else { return };
        let (Stage::Filling(fill), Some(cursor)) = (&mut track.stage, &mut track.cursor) else { return };
        if !matches!(fill.page, Paging::Asked(it) if it == id) {
            return;
        }
        self.wake = Some(Moment(0));
        if fault.is_none_or(Fault::passes) {
            let wait = fault.and_then(|fault| fault.retry_after_ms).map(Duration::from_millis);
            return track.page_later(now, wait, &self.rules);
        }
        Reader { channel, cursor, out }.miss(fill.next);
        track.filled(now, &self.rules, out);
    }

    /// The server ended the subscription. Returns whether the channel is given up.
    pub fn closed(&mut self, now: Now, channel: &str, reason: &str) -> bool {
        self.known.doubt(channel);
        let Some(track) = self.map.get_mut(channel) else { return false };
        match track.stage {
            // It is about an older subscription: what becomes of the join says how it stands.
            Stage::Idle(_) | Stage::Joining(_) => false,
            _ if reason == "reset" => {
                track.lost(now, &self.rules);
                self.wake = Some(Moment(0));
                false
            }
            _ => self.map.remove(channel).is_some(),
        }
    }

    /// The life of the log that a channel's messages count in now; none while it is not heard, when that may have changed.
    pub fn epoch(&self, channel: &str) -> Option<&Epoch> {
        let track = self.map.get(channel).filter(|track| matches!(track.stage, Stage::Live | Stage::Filling(_)))?;
        track.cursor.as_ref().map(|cursor| &cursor.epoch)
    }

    /// A channel's log has come as far as this.
    pub fn learn(&mut self, channel: &str, epoch: &Epoch, seq: Seq) {
        if self.epoch(channel).is_none_or(|live| live == epoch) {
            self.known.learn(channel, epoch, seq);
        }
    }

    /// Something waits to be published there: if the channel is not heard, it has to be known how far it has come.
    pub fn publishes(&mut self, channel: &str) {
        if (self.parked || !self.map.contains_key(channel)) && self.known.want(channel) {
            self.wake = Some(Moment(0));
        }
    }

    /// Nobody said how far a channel has come.
    pub fn not_known(&mut self, now: Now, channel: &str, id: u64, fault: Option<&Fault>) {
        self.known.failed(now, channel, id, fault);
        self.wake = Some(Moment(0));
    }

    /// Whether a channel's publishes may go.
    pub fn gate(&self, channel: &str) -> Gate {
        let open = match self.map.get(channel).map(|track| &track.stage) {
            Some(stage) if !self.parked => matches!(stage, Stage::Filling(_) | Stage::Live),
            _ => self.known.is_fresh(channel),
        };
        if open { Gate::Open(self.known.newest(channel).cloned()) } else { Gate::Shut }
    }
}

#[cfg(test)]
#[path = "tracks_tests.rs"]
mod tests;
