//! Which channels there are, by their rows; what is known of those whose rows are damaged or gone.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Sink, Stop, What};
use super::walk::Walk;
use crate::clock;
use crate::model::maps::HashMap;
use crate::model::{ChannelName, Seq, Wall};
use crate::store::entry::{Entry, Mark};
use crate::store::{Rows, block, keys, life, mend, seal};

/// The channels of a store, and the numbers that are, or were, those of one.
pub(super) struct Channels {
    /// By number.
    pub(super) all: BTreeMap<u64, (ChannelName, Entry)>,
    /// Their numbers, by name.
    pub(super) ids: HashMap<ChannelName, u64>,
    /// Deleted ones whose rows are still being removed.
    pub(super) gone: BTreeSet<u64>,
    /// Numbers that have rows of messages or hours.
    pub(super) used: BTreeSet<u64>,
}

impl Channels {
    /// Reads the rows of channels, and makes what is damaged of them anew as far as it is known elsewhere.
    pub(super) fn find(rows: &dyn Rows, sink: &mut dyn Sink) -> Result<Self, Stop> {
        let mut channels =
            Self { all: BTreeMap::new(), ids: HashMap::default(), gone: BTreeSet::new(), used: BTreeSet::new() };
        channels.find_gone(rows, sink)?;
        for tag in [1, 2] {
            channels.find_used(rows, tag, sink)?;
        }
        let lost = channels.read(rows, sink)?;
        channels.rebuild(rows, lost, sink)?;
        Ok(channels)
    }

    fn find_gone(&mut self, rows: &dyn Rows, sink: &mut dyn Sink) -> Result<(), Stop> {
        let mut walk = Walk::new(rows, keys::all_gone());
        for (key, value) in &mut walk {
            sink.passed(1);
            let Some(id) = keys::number(&key).filter(|_| key.len() == 9) else {
                unknown(&key, &value, sink)?;
                continue;
            };
            if let Err(bad) = seal::open_number(&key, &value) {
                let (place, why) = (format!("channel number {id}"), bad.to_string());
                sink.fault(Fault { what: What::Deleted, place, why, mend: "made anew" })?;
            }
            sink.keep(&key, &seal::number(&key, id))?;
            self.gone.insert(id);
        }
        ended(&walk, "the marks of deleted channels", sink)
    }

    /// Looks which numbers have rows with this tag: one row of each is read.
    fn find_used(&mut self, rows: &dyn Rows, tag: u8, sink: &mut dyn Sink) -> Result<(), Stop> {
        let mut start = vec![tag];
        loop {
            let mut found = None;
            let scanned = rows.scan(&start..&[tag + 1], false, &mut |key, value| {
                found = Some((key.to_vec(), value.to_vec()));
                std::ops::ControlFlow::Break(())
            });
            if let Err(error) = scanned {
                let place = format!("rows with tag {tag} from {} on", hex::encode(&start));
                return sink.fault(Fault {
                    what: What::Unreadable,
                    place,
                    why: error.to_string(),
                    mend: "what cannot be read is left out",
                });
            }
            let Some((key, value)) = found else { return Ok(()) };
            match keys::number(&key) {
                Some(id) => {
                    self.used.insert(id);
                    let Some(next) = id.checked_add(1) else { return Ok(()) };
                    start = [&[tag][..], &next.to_be_bytes()].concat();
                }
                None => {
                    unknown(&key, &value, sink)?;
                    start = [&key[..], &[0]].concat();
                }
            }
        }
    }

    /// Gives the names whose rows do not tell their numbers, with those rows.
    fn read(&mut self, rows: &dyn Rows, sink: &mut dyn Sink) -> Result<Vec<ChannelName>, Stop> {
        let mut lost = Vec::new();
        let mut walk = Walk::new(rows, keys::channels(None));
        for (key, value) in &mut walk {
            sink.passed(1);
            let Some(name) = keys::name(&key).and_then(|name| ChannelName::stored(name).ok()) else {
                unknown(&key, &value, sink)?;
                continue;
            };
            let fault = |why: String, mend| Fault { what: What::Channel, place: name.to_string(), why, mend };
            let opened = Entry::open(&key, &value);
            let mended = || Entry::open(&key, &mend::mend(&key, &value)?).ok();
            let entry = match opened {
                Ok(entry) => entry,
                Err(bad) => match mended() {
                    Some(entry) => {
                        sink.fault(fault(bad.to_string(), "its one wrong byte is put right"))?;
                        entry
                    }
                    None => {
                        sink.aside(&key, &value)?;
                        sink.fault(fault(bad.to_string(), "made anew from its messages, if they are found"))?;
                        lost.push(name);
                        continue;
                    }
                },
            };
            if self.all.contains_key(&entry.id) || self.gone.contains(&entry.id) {
                sink.aside(&key, &value)?;
                let why = format!("its number {} is another channel's, or was", entry.id);
                sink.fault(fault(why, "set aside, with nothing in it"))?;
                continue;
            }
            self.put(name, entry);
        }
        ended(&walk, "the rows of channels", sink)?;
        Ok(lost)
    }

    fn put(&mut self, name: ChannelName, entry: Entry) {
        self.ids.insert(name.clone(), entry.id);
        self.all.insert(entry.id, (name, entry));
    }

    /// Finds the numbers of channels that lost theirs: by the index, or because only one is left.
    fn rebuild(&mut self, rows: &dyn Rows, mut lost: Vec<ChannelName>, sink: &mut dyn Sink) -> Result<(), Stop> {
        for private in [false, true] {
            let mut walk = Walk::new(rows, keys::all_listed(private, "", None));
            for (key, value) in &mut walk {
                let name = keys::listed_name(&key).and_then(|name| ChannelName::stored(name).ok());
                let (Some(name), Ok(id)) = (name, seal::open_number(&key, &value)) else { continue };
                let taken = self.all.contains_key(&id) || self.gone.contains(&id) || self.ids.contains_key(&name);
                let was_lost = lost.contains(&name);
                if taken || !(was_lost || self.used.contains(&id)) {
                    continue;
                }
                if !was_lost {
                    let (place, why) = (name.to_string(), "its row is not there".into());
                    let mend = "made anew from its messages";
                    sink.fault(Fault { what: What::Channel, place, why, mend })?;
                }
                lost.retain(|other| *other != name);
                self.put(name, revived(rows, id));
            }
        }
        let stray: Vec<u64> = self.used.iter().copied().filter(|id| !self.knows(*id)).collect();
        if let ([name], [id]) = (&lost[..], &stray[..]) {
            self.put(name.clone(), revived(rows, *id));
        }
        Ok(())
    }

    /// Whether this number is that of a channel, or of one that is being removed.
    pub(super) fn knows(&self, id: u64) -> bool {
        self.all.contains_key(&id) || self.gone.contains(&id)
    }
}

/// A channel of which only the messages are there: it begins with the first of them that can be read.
fn revived(rows: &dyn Rows, id: u64) -> Entry {
    let mut entry = Entry::new(id, life::short_random(), clock::wall());
    for (key, value) in Walk::new(rows, keys::blocks(id, 0)) {
        let mended = mend::mend(&key, &value);
        let value = mended.as_ref().unwrap_or(&value);
        let Ok(records) = block::open(&key, value) else { continue };
        if let Some(first) = records.first() {
            entry.created = first.at;
            if first.seq > 1 {
                entry.anchor = Mark { seq: first.seq - 1, at: first.at, hash: first.before };
            }
            break;
        }
    }
    entry.head = entry.anchor;
    entry
}

/// Tells of a row whose key is none that is known.
pub(super) fn unknown(key: &[u8], value: &[u8], sink: &mut dyn Sink) -> Result<(), Stop> {
    sink.aside(key, value)?;
    let (place, why) = (hex::encode(key), "no row has such a key".to_owned());
    sink.fault(Fault { what: What::Unknown, place, why, mend: "set aside" })
}

/// Tells where the engine gave no rows.
pub(super) fn ended(walk: &Walk<'_>, place: &str, sink: &mut dyn Sink) -> Result<(), Stop> {
    walk.torn.iter().try_for_each(|(from, why)| {
        let (place, mend) = (format!("{place}, from key {} on", hex::encode(from)), "what cannot be read is left out");
        sink.fault(Fault { what: What::Unreadable, place, why: why.to_string(), mend })
    })
}

/// How places in a channel are written.
pub(super) fn places(channel: &ChannelName, from: Seq, to: Seq) -> String {
    if from == to { format!("{channel} {from}") } else { format!("{channel} {from} to {to}") }
}

/// When something is taken to have been whose time is lost.
pub(super) fn time(known: Option<Wall>, entry: &Entry) -> Wall {
    known.unwrap_or(entry.created)
}
