//! The way through a whole store, once: what is wrong is told, and so is each row that is to be there.

use std::collections::BTreeSet;

use super::channels::Channels;
use super::fault::{Fault, Sink, Stop, What};
use super::log::{self, Held};
use super::records::Known;
use super::{numbers, records};
use crate::model::ChannelName;
use crate::model::maps::HashMap;
use crate::store::{Rows, keys};

/// What of a store is gone through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// The log of one channel.
    Channel(ChannelName),
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Channels.
    pub channels: u64,
    /// Messages of all of them.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Small records.
    pub records: u64,
    /// Messages that are lost, or have lost their bodies.
    pub lost: u64,
    /// Pieces of logs that the engine does not give; there may have been messages behind the last.
    pub torn: u64,
}

impl Counts {
    fn add(&mut self, held: Held) {
        self.channels += 1;
        self.messages += held.messages;
        self.bytes += held.bytes;
        self.lost += held.lost;
        self.torn += held.torn;
    }
}

/// Goes through a store that nobody writes to, and tells `sink` of everything. It goes on behind what is damaged; it stops
/// if `sink` does, or if the store cannot be read at all.
pub fn examine(rows: &dyn Rows, scope: &Scope, sink: &mut dyn Sink) -> Result<Counts, Stop> {
    let mut channels = Channels::find(rows, sink)?;
    let mut counts = Counts::default();
    let mut heads = HashMap::default();
    let ids: BTreeSet<u64> = channels.used.iter().chain(channels.all.keys()).copied().collect();
    if let Scope::Channel(name) = scope
        && !channels.ids.contains_key(name)
    {
        let (place, why) = (name.to_string(), "there is no such channel".into());
        sink.fault(Fault { what: What::Channel, place, why, mend: "none" })?;
    }
    for id in ids {
        if channels.gone.contains(&id) {
            log::leave(rows, id, sink)?;
            continue;
        }
        match channels.all.get_mut(&id) {
            Some((name, _)) if matches!(scope, Scope::Channel(only) if only != name) => {}
            Some((name, entry)) => {
                let birth = entry.birth;
                let held = log::examine(rows, name, entry, sink)?;
                counts.add(held);
                heads.insert(name.clone(), Known { head: held.head, birth, entry: *entry });
                let key = keys::channel(name.as_str());
                sink.keep(&key, &entry.seal(&key))?;
            }
            None if *scope == Scope::All => log::orphans(rows, id, sink)?,
            None => {}
        }
    }
    if *scope == Scope::All {
        counts.records = records::examine(rows, &heads, sink)?;
        numbers::listing(rows, &channels, sink)?;
        numbers::examine(rows, &channels, sink)?;
    }
    Ok(counts)
}
