//! What a store has to hold after a crash, from what its program said before: the promise, and whether it was kept.
//!
//! Writes take effect in the order in which they were asked for. So whatever is found has to be what some number of
//! them, from the first on, come to: no fewer than were acknowledged, and no more than were asked for.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::log::{Edit, Found, Log};
use crate::marks::{self, Mark, Op, Shown};

/// Something that is written to, with the writes that may be lost.
#[derive(Clone, Debug)]
struct Object<S, E> {
    certain: S,
    /// The place, among all writes, of the newest that is certain.
    newest: usize,
    open: VecDeque<Open<E>>,
}

impl<S: Default, E> Default for Object<S, E> {
    fn default() -> Self {
        Self { certain: S::default(), newest: 0, open: VecDeque::new() }
    }
}

#[derive(Clone, Debug)]
struct Open<E> {
    /// Its place among all that was asked for.
    place: usize,
    number: u64,
    edit: E,
    /// The head with which it was answered, and at which step.
    told: Option<(usize, Option<Shown>)>,
}

type Channel = Object<Log, Edit>;
/// A record: version and print of its value.
type Record = Object<Option<(u64, u64)>, Option<u64>>;

/// What is found in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    pub channels: BTreeMap<String, Found>,
    /// Version and print of the value.
    pub records: BTreeMap<String, (u64, u64)>,
}

/// What is promised at a moment.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    channels: BTreeMap<String, Channel>,
    records: BTreeMap<String, Record>,
    asked: usize,
    /// Acknowledged is as good as durable.
    always: bool,
    /// No epoch may change.
    strict: bool,
    /// A store is being opened: what another one had told of may be lost already.
    opening: bool,
}

/// The print of a record's value.
pub fn print(value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Record {
    fn after(&self, count: usize) -> Option<(u64, u64)> {
        self.open.iter().take(count).fold(self.certain, |now, open| Self::apply(now, open.edit))
    }

    fn apply(now: Option<(u64, u64)>, edit: Option<u64>) -> Option<(u64, u64)> {
        edit.map(|print| (now.map_or(0, |(version, _)| version) + 1, print))
    }
}

impl Channel {
    /// After so many of the open writes.
    fn after(&self, count: usize) -> Log {
        let mut log = self.certain.clone();
        for (n, open) in self.open.iter().enumerate() {
            match (&open.edit, &open.told) {
                // A trim is carried out in bites, and what was asked for after it may overtake it.
                (Edit::Trim(_), _) if n >= count => log.apply(&open.edit),
                _ if n >= count => {}
                (edit, told) => {
                    log.apply(edit);
                    if let Some((_, Some(told))) = told {
                        let least = log.first.0;
                        log.learn(edit, told);
                        log.first.0 = least;
                    }
                }
            }
        }
        log
    }
}

impl<S, E: Clone> Object<S, E> {
    fn ask(&mut self, place: usize, number: u64, edit: E) {
        self.open.push_back(Open { place, number, edit, told: None });
    }

    fn tell(&mut self, number: u64, step: usize, head: Option<&Shown>) {
        if let Some(open) = self.open.iter_mut().find(|open| open.number == number) {
            open.told = Some((step, head.cloned()));
        }
    }

    /// Of the open writes, how many were acknowledged.
    fn told(&self) -> usize {
        self.open.iter().rposition(|open| open.told.is_some()).map_or(0, |last| last + 1)
    }

    /// The places among all writes at which exactly `count` of the open ones had taken effect.
    fn places(&self, count: usize) -> (usize, usize) {
        let from = count.checked_sub(1).map_or(self.newest, |last| self.open[last].place);
        (from, self.open.get(count).map_or(usize::MAX, |next| next.place))
    }

    /// Takes the writes that are durable: those acknowledged before a step, and all before them.
    fn settle(&mut self, before: usize, mut apply: impl FnMut(&mut S, &Open<E>)) {
        let durable = |open: &Open<E>| open.told.as_ref().is_some_and(|(step, _)| *step < before);
        let count = self.open.iter().rposition(durable).map_or(0, |last| last + 1);
        for open in self.open.drain(..count) {
            self.newest = open.place;
            apply(&mut self.certain, &open);
        }
    }
}

impl Truth {
    /// A mark stands at that step.
    pub fn mark(&mut self, step: usize, mark: &Mark) -> Result<(), String> {
        match mark {
            Mark::Opening(always) => {
                self.always = *always;
                self.opening = true;
                // With `interval` the mark of unsynced writes may be on disk from now on.
                self.strict &= *always;
            }
            Mark::Opened(store) => {
                self.found(store)?;
                self.strict = self.always;
                self.opening = false;
            }
            Mark::Ask(number, op) => self.ask(*number, op),
            Mark::Told(number, head) => {
                self.channels.values_mut().for_each(|channel| channel.tell(*number, step, head.as_ref()));
                self.records.values_mut().for_each(|record| record.tell(*number, step, None));
                if self.always {
                    self.settle(usize::MAX);
                }
            }
            Mark::Closed => {
                self.settle(usize::MAX);
                self.strict = true;
            }
        }
        Ok(())
    }

    /// The writer has synced what was told before a step.
    pub fn synced(&mut self, before: usize) {
        if !self.opening {
            self.settle(before);
        }
    }

    fn settle(&mut self, before: usize) {
        for channel in self.channels.values_mut() {
            channel.settle(before, |log, open| {
                log.apply(&open.edit);
                if let Some((_, Some(told))) = &open.told {
                    log.learn(&open.edit, told);
                }
            });
        }
        for record in self.records.values_mut() {
            record.settle(before, |now, open| *now = Record::apply(*now, open.edit));
        }
    }

    fn ask(&mut self, number: u64, op: &Op) {
        self.asked += 1;
        let place = self.asked;
        let (name, edit) = match op {
            Op::Create(name) => (name, Edit::Create),
            Op::Append { channel, from, salt, sizes } => {
                let messages = marks::messages(*from, *salt, sizes).into_iter();
                (channel, Edit::Append(Arc::new(messages.map(|m| (m.seq, marks::prints(m))).collect())))
            }
            Op::Trim(name, below) => (name, Edit::Trim(*below)),
            Op::Redact(name, seq) => (name, Edit::Redact(*seq)),
            Op::Delete(name) => (name, Edit::Delete),
            Op::Records(salt, records) => {
                for (name, size) in records {
                    let print = size.map(|size| print(&marks::value(*salt, name, size)));
                    self.records.entry(name.clone()).or_default().ask(place, number, print);
                }
                return;
            }
        };
        self.channels.entry(name.clone()).or_default().ask(place, number, edit);
    }

    /// A store was opened and holds this: it is what counts from now on, if it may be.
    fn found(&mut self, store: &Store) -> Result<(), String> {
        self.judge(store)?;
        for (name, found) in &store.channels {
            let channel = self.channels.entry(name.clone()).or_default();
            let count = (0..=channel.open.len()).rev().find(|n| channel.after(*n).differs(Some(found)).is_none());
            channel.certain = channel.after(count.unwrap_or(0));
            channel.certain.first = (found.head.first, found.head.first);
            channel.certain.epoch = Some(found.head.epoch.clone());
        }
        for (name, channel) in &mut self.channels {
            channel.open.clear();
            if !store.channels.contains_key(name) {
                channel.certain = Log::default();
            }
        }
        for (name, record) in &mut self.records {
            record.open.clear();
            record.certain = store.records.get(name).copied();
        }
        Ok(())
    }

    /// Whether a store may hold this after a crash at this moment.
    pub fn judge(&self, store: &Store) -> Result<(), String> {
        let unknown = store.channels.keys().find(|name| !self.channels.contains_key(*name));
        let unknown = unknown.or_else(|| store.records.keys().find(|name| !self.records.contains_key(*name)));
        if let Some(name) = unknown {
            return Err(format!("{name} was never asked for"));
        }
        // For each channel and record: when, among all writes, it may have been as it was found.
        let mut when: Vec<(&str, Vec<(usize, usize)>)> = Vec::new();
        let mut lost = None;
        for (name, channel) in &self.channels {
            let found = store.channels.get(name);
            let mut why = None;
            let mut fits = Vec::new();
            for count in (0..=channel.open.len()).rev() {
                match channel.after(count).differs(found) {
                    None => fits.push(count),
                    Some(wrong) => why = why.or(Some(wrong)),
                }
            }
            let Some(most) = fits.first() else {
                let why = why.unwrap_or_default();
                return Err(format!("{name} is as it cannot have been: {why}"));
            };
            if *most < channel.told() {
                lost = Some(name);
            }
            when.push((name, fits.into_iter().map(|count| channel.places(count)).collect()));
        }
        for (name, record) in &self.records {
            let found = store.records.get(name).copied();
            let fits: Vec<_> = (0..=record.open.len()).rev().filter(|n| record.after(*n) == found).collect();
            let Some(most) = fits.first() else {
                return Err(format!("{name} is as it cannot have been: {found:?}, not {:?}", record.after(usize::MAX)));
            };
            if *most < record.told() {
                lost = Some(name);
            }
            when.push((name, fits.into_iter().map(|count| record.places(count)).collect()));
        }
        one_moment(&when)?;
        self.epochs(store, lost)
    }

    fn epochs(&self, store: &Store, lost: Option<&String>) -> Result<(), String> {
        for (name, found) in &store.channels {
            let told = self.channels.get(name).and_then(|channel| {
                let fits = (0..=channel.open.len()).rev().find(|n| channel.after(*n).differs(Some(found)).is_none());
                channel.after(fits.unwrap_or(0)).epoch
            });
            let Some(told) = told else { continue };
            let same = told == found.head.epoch;
            if self.strict && !same {
                return Err(format!("{name} had the epoch {told} and has {}", found.head.epoch));
            }
            if let Some(lost) = lost.filter(|_| same) {
                return Err(format!("{lost} has lost what was told, and {name} has kept its epoch"));
            }
        }
        Ok(())
    }
}

/// All was so at one moment: nothing is there that was asked for after something that is missing.
fn one_moment(when: &[(&str, Vec<(usize, usize)>)]) -> Result<(), String> {
    let held = |moment: usize| when.iter().find(|(_, all)| !all.iter().any(|(a, b)| (*a..*b).contains(&moment)));
    let mut moments = when.iter().flat_map(|(_, all)| all.iter().map(|(from, _)| *from));
    let newest = when.iter().filter_map(|(_, all)| all.iter().map(|(from, _)| *from).min()).max().unwrap_or(0);
    if when.is_empty() || moments.any(|moment| held(moment).is_none()) {
        return Ok(());
    }
    let (name, _) = held(newest).expect("not everything was so then");
    Err(format!("write {newest} is there, and {name} lacks one from before it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: u64, epoch: &str) -> Shown {
        Shown { epoch: epoch.into(), seq, first: 1, hash: [seq as u8; 16] }
    }

    fn append(from: u64) -> Op {
        Op::Append { channel: "a".into(), from, salt: 7, sizes: vec![10, 20] }
    }

    /// A channel with two messages that were told of, and two that were asked for; a record that was asked for last.
    fn truth(always: bool) -> Truth {
        let mut truth = Truth::default();
        let marks = [
            Mark::Opening(always),
            Mark::Opened(Store::default()),
            Mark::Ask(1, Op::Create("a".into())),
            Mark::Told(1, Some(head(0, "e"))),
            Mark::Ask(2, append(1)),
            Mark::Told(2, Some(head(2, "e"))),
            Mark::Ask(3, append(3)),
            Mark::Ask(4, Op::Records(9, vec![("r".into(), Some(5))])),
        ];
        for (step, mark) in marks.iter().enumerate() {
            truth.mark(step, mark).expect("a good beginning");
        }
        truth
    }

    fn found(seq: u64, epoch: &str, record: bool) -> Store {
        let all = marks::messages(1, 7, &[10, 20]).into_iter().chain(marks::messages(3, 7, &[10, 20]));
        let prints = all.take(seq as usize).map(|message| (message.seq, marks::print(&message))).collect();
        let found = Found { head: head(seq, epoch), prints };
        let records = record.then(|| ("r".to_owned(), (1, print(&marks::value(9, "r", 5)))));
        Store { channels: [("a".to_owned(), found)].into(), records: records.into_iter().collect() }
    }

    #[test]
    fn what_was_asked_for_may_be_there_whole_or_not_at_all() {
        let truth = truth(true);
        for (seq, record) in [(2, false), (4, false), (4, true)] {
            assert_eq!(truth.judge(&found(seq, "e", record)), Ok(()));
        }
        assert!(truth.judge(&found(3, "e", false)).is_err(), "half of a batch");
        assert!(truth.judge(&found(2, "e", true)).is_err(), "a later write without an earlier one");
    }

    #[test]
    fn what_was_told_has_to_be_there_as_it_was() {
        let truth = truth(true);
        assert!(truth.judge(&found(0, "e", false)).is_err(), "lost messages");
        assert!(truth.judge(&Store::default()).is_err(), "a lost channel");
        assert!(truth.judge(&found(2, "f", false)).is_err(), "another epoch");
        let mut other = found(2, "e", false);
        other.channels.get_mut("a").expect("it is there").prints[1].1 ^= 1;
        assert!(truth.judge(&other).is_err(), "another message");
        let mut more = found(2, "e", false);
        more.records.insert("s".into(), (1, 1));
        assert!(truth.judge(&more).is_err(), "a record that nobody asked for");
    }

    #[test]
    fn with_interval_a_loss_has_to_show_until_it_is_synced() {
        let mut truth = truth(false);
        assert_eq!(truth.judge(&found(0, "f", false)), Ok(()));
        assert!(truth.judge(&found(0, "e", false)).is_err(), "a loss in the same epoch");
        assert_eq!(truth.judge(&found(2, "e", false)), Ok(()));
        truth.synced(6);
        assert!(truth.judge(&found(0, "f", false)).is_err(), "a loss of what was synced");
    }
}
