//! The publishes that have no receipt yet: in order for each channel, bounded, and sent again until it is known what
//! became of them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Code;
use super::backoff::wait;
use super::error::{Error, Fault};
use super::event::{Message, Receipt};
use super::frames::{Limits, Words};
use super::options::Rules;
use crate::model::maps::HashMap;
use crate::model::{Cursor, Epoch, Moment};
use crate::planted::{Bug, planted};

/// Names what a caller waits for.
pub(super) type Ticket = u64;

/// Whether the publishes of a channel may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// They wait until the channel is joined again.
    Shut,
    /// They may, and this is the newest message that is known of it.
    Open(Option<Cursor>),
}

/// A publish.
#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    words: Words,
    bytes: usize,
    base: Base,
    /// Whether an earlier try of it may have been stored.
    unsure: bool,
    /// How often the server put it off.
    put_off: u32,
}

/// The newest message that was known when the key was first sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// It was not sent yet.
    Unsent,
    /// This; none if nothing was known.
    Is(Option<Cursor>),
}

/// Those of one channel that are not under way.
#[derive(Debug, Default)]
struct Lane {
    unsent: BTreeSet<u64>,
    /// How many the channel has, those under way too.
    all: usize,
    not_before: Option<Moment>,
}

/// One that is under way on the connection.
#[derive(Debug)]
struct Flight {
    /// None if it was settled by its `message` before its receipt came.
    entry: Option<u64>,
    until: Moment,
}

/// What became of a publish.
pub(super) type Settled = (Ticket, Result<Receipt, Error>);

/// All of them.
#[derive(Debug)]
pub(super) struct Outbox {
    entries: HashMap<u64, Entry>,
    lanes: BTreeMap<String, Lane>,
    flights: HashMap<u64, Flight>,
    keys: HashMap<(String, String), u64>,
    bytes: usize,
    next: u64,
    /// Nothing is sent before this: the server said that the whole client is too fast.
    hold: Option<Moment>,
    /// When it was last looked which may be sent.
    looked: Moment,
    rules: Rules,
}

impl Outbox {
    /// With these bounds, and empty.
    pub fn new(rules: Rules) -> Self {
        Self {
            entries: HashMap::default(),
            lanes: BTreeMap::new(),
            flights: HashMap::default(),
            keys: HashMap::default(),
            bytes: 0,
            next: 0,
            hold: None,
            looked: Moment(0),
            rules,
        }
    }

    /// Takes a publish.
    pub fn accept(&mut self, ticket: Ticket, words: Words, base: Base) -> Result<(), Error> {
        let bytes = words.bytes();
        if self.entries.len() >= self.rules.outbox || self.bytes + bytes > self.rules.outbox_bytes {
            return Err(Error::Full);
        }
        let number = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.keys.insert((words.channel.clone(), words.key.clone()), number);
        let lane = self.lanes.entry(words.channel.clone()).or_default();
        lane.unsent.insert(number);
        lane.all += 1;
        let unsure = matches!(base, Base::Is(_));
        self.entries.insert(number, Entry { ticket, words, bytes, base, unsure, put_off: 0 });
        Ok(())
    }

    /// The next one to be sent, if one may be: writes it with the id that `id` gives. One that is too large for the
    /// server comes back settled.
    pub fn next(
        &mut self,
        now: Moment,
        limits: &Limits,
        gate: impl Fn(&str) -> Gate,
        id: &mut dyn FnMut() -> u64,
    ) -> Option<Result<String, Settled>> {
        self.looked = now;
        if self.flights.len() >= limits.outstanding.max(1) || self.hold.is_some_and(|hold| hold > now) {
            return None;
        }
        let due = |lane: &Lane| lane.not_before.is_none_or(|at| at <= now);
        let open = |(channel, lane): (&String, &Lane)| {
            let first = *lane.unsent.first().filter(|_| due(lane))?;
            match gate(channel) {
                Gate::Open(known) => Some((first, known)),
                Gate::Shut => None,
            }
        };
        let (number, known) = self.lanes.iter().filter_map(open).min_by_key(|(first, _)| *first)?;
        let entry = self.entries.get_mut(&number)?;
        if let Base::Unsent = entry.base {
            entry.base = Base::Is(known.clone());
        }
        let Base::Is(base) = &entry.base else { return None };
        let lives = |base: &&Cursor| known.as_ref().is_none_or(|known| known.epoch == base.epoch);
        let id = id();
        let frame = entry.words.frame(id, base.as_ref().filter(lives));
        if frame.len() > limits.frame_bytes {
            let why = format!("a frame may have {} bytes at most, this one has {}", limits.frame_bytes, frame.len());
            return self
                .remove(number)
                .map(|entry| Err((entry.ticket, Err(refusal(&entry, Fault::new(Code::TooLarge, why))))));
        }
        let channel = &entry.words.channel;
        if let Some(lane) = self.lanes.get_mut(channel) {
            lane.unsent.remove(&number);
            lane.not_before = None;
        }
        self.flights.insert(id, Flight { entry: Some(number), until: now.after(self.rules.answer) });
        Some(Ok(frame))
    }

    /// Whether the command with this id is a publish that is under way.
    pub fn has(&self, id: u64) -> bool {
        self.flights.contains_key(&id)
    }

    /// A receipt came.
    pub fn receipt(&mut self, id: u64, receipt: Receipt) -> Option<Settled> {
        let number = self.flights.remove(&id)?.entry?;
        self.remove(number).map(|entry| (entry.ticket, Ok(receipt)))
    }

    /// A message of this user came: if its key is one of these, that is as good as the receipt.
    pub fn heard(&mut self, message: &Message, epoch: &Epoch) -> Option<Settled> {
        let key = message.key.clone()?;
        let number = *self.keys.get(&(message.channel.clone(), key))?;
        for flight in self.flights.values_mut().filter(|flight| flight.entry == Some(number)) {
            flight.entry = None;
        }
        let entry = self.remove(number)?;
        let Message { channel, seq, at, .. } = message.clone();
        Some((entry.ticket, Ok(Receipt { channel, epoch: epoch.clone(), seq, at, duplicate: false })))
    }

    /// An error came. Either it is the end of that publish, or it is put off.
    pub fn refused(&mut self, now: Moment, dice: u64, id: u64, fault: Fault) -> Option<Settled> {
        let number = self.flights.remove(&id)?.entry?;
        let entry = self.entries.get_mut(&number)?;
        if !fault.passes() {
            return self.remove(number).map(|entry| (entry.ticket, Err(refusal(&entry, fault))));
        }
        entry.unsure |= fault.leaves_open();
        let wait = wait(&self.rules, entry.put_off, fault.retry_after_ms, dice);
        entry.put_off += 1;
        if fault.code == Some(Code::RateLimited) {
            self.hold = Some(now.after(wait));
        }
        self.put_back(number, Some(now.after(wait)));
        None
    }

    /// The connection went: whatever was under way goes again, in its old order.
    pub fn offline(&mut self) {
        for (_, flight) in std::mem::take(&mut self.flights) {
            if let Some(number) = flight.entry {
                self.unsure(number);
            }
        }
        self.hold = None;
    }

    /// Those that were not answered in time go again.
    pub fn silent(&mut self, now: Moment) {
        let late: Vec<u64> = self.flights.iter().filter(|(_, flight)| flight.until <= now).map(|(id, _)| *id).collect();
        for id in late {
            if let Some(number) = self.flights.remove(&id).and_then(|flight| flight.entry) {
                self.unsure(number);
            }
        }
    }

    /// A channel is called something else.
    pub fn rename(&mut self, from: &str, to: &str) {
        let Some(lane) = self.lanes.remove(from) else { return };
        for number in &lane.unsent {
            if let Some(entry) = self.entries.get_mut(number) {
                self.keys.remove(&(from.to_owned(), entry.words.key.clone()));
                self.keys.insert((to.to_owned(), entry.words.key.clone()), *number);
                to.clone_into(&mut entry.words.channel);
            }
        }
        let joined = self.lanes.entry(to.to_owned()).or_default();
        joined.all += lane.all;
        joined.unsent.extend(lane.unsent);
    }

    /// Those for which publishes wait.
    pub fn channels(&self) -> Vec<String> {
        self.lanes.keys().cloned().collect()
    }

    /// Those in which something is to be sent.
    pub fn waiting(&self) -> impl Iterator<Item = &String> {
        self.lanes.iter().filter(|(_, lane)| !lane.unsent.is_empty()).map(|(channel, _)| channel)
    }

    /// Gives up on all of them; returns who waits for them.
    pub fn give_up(&mut self) -> Vec<Ticket> {
        let mut numbers: Vec<u64> = self.entries.keys().copied().collect();
        numbers.sort_unstable();
        self.flights.clear();
        numbers.into_iter().filter_map(|number| self.remove(number)).map(|entry| entry.ticket).collect()
    }

    /// When something is due again.
    pub fn deadline(&self) -> Option<Moment> {
        let waits = self.lanes.values().filter(|lane| !lane.unsent.is_empty()).filter_map(|lane| lane.not_before);
        // What was due then and was not sent waits for something else.
        let waits = waits.chain(self.hold.filter(|_| !self.entries.is_empty())).filter(|at| *at > self.looked);
        self.flights.values().map(|flight| flight.until).chain(waits).min()
    }

    fn unsure(&mut self, number: u64) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.unsure = true;
            if planted(Bug::KeyRenewed) {
                entry.words.key.push('n');
            }
        }
        self.put_back(number, None);
    }

    fn put_back(&mut self, number: u64, not_before: Option<Moment>) {
        let Some(entry) = self.entries.get(&number) else { return };
        let lane = self.lanes.entry(entry.words.channel.clone()).or_default();
        lane.unsent.insert(number);
        // The time counts for all of the channel, so that nothing newer goes before this one.
        lane.not_before = lane.not_before.max(not_before);
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.bytes -= entry.bytes;
        let channel = &entry.words.channel;
        let place = (channel.clone(), entry.words.key.clone());
        if self.keys.get(&place) == Some(&number) {
            self.keys.remove(&place);
        }
        if let Some(lane) = self.lanes.get_mut(channel) {
            lane.unsent.remove(&number);
            lane.all -= 1;
            if lane.all == 0 {
                self.lanes.remove(channel);
            }
        }
        Some(entry)
    }
}

fn refusal(entry: &Entry, fault: Fault) -> Error {
    if entry.unsure { Error::Uncertain(fault) } else { Error::Server(fault) }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
