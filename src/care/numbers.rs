//! The store's own numbers, the index of channels, and rows of an unknown sort.

use std::collections::BTreeMap;

use super::channels::{Channels, ended, unknown};
use super::fault::{Fault, Sink, Stop, What};
use super::records::is_private;
use super::walk::Walk;
use crate::clock;
use crate::store::{Rows, keys, life, mend, seal};

/// The last tag that is known, and one more.
const UNKNOWN: u8 = 8;

/// Goes through the index of channels.
pub(super) fn listing(rows: &dyn Rows, channels: &Channels, sink: &mut dyn Sink) -> Result<(), Stop> {
    // A store of an earlier format has no index before it is opened by a server.
    let indexed = is_indexed(rows);
    let mut expected = BTreeMap::new();
    for (id, (name, _)) in channels.all.iter().filter(|(_, (name, _))| !name.is_direct()) {
        expected.insert(keys::listed(is_private(rows, name.as_str())?, name.as_str()), *id);
    }
    let mut walk = Walk::new(rows, vec![7]..vec![UNKNOWN]);
    for (key, value) in &mut walk {
        sink.passed(1);
        let shown = || String::from_utf8_lossy(&key[1..]).into_owned();
        let wanted = expected.remove(&key[..]);
        let why = match (wanted, seal::open_number(&key, &value)) {
            (Some(id), Ok(found)) if id == found => {
                sink.keep(&key, &value)?;
                continue;
            }
            (None, _) => "there is no such channel".to_owned(),
            (Some(id), Ok(found)) => format!("it says number {found}, and the channel has {id}"),
            (_, Err(bad)) => bad.to_string(),
        };
        if let Some(id) = wanted {
            sink.keep(&key, &seal::number(&key, id))?;
        }
        sink.fault(Fault { what: What::Listing, place: shown(), why, mend: "made anew" })?;
    }
    ended(&walk, "the index of channels", sink)?;
    for (key, id) in expected {
        if indexed {
            let (place, why) = (String::from_utf8_lossy(&key[1..]).into_owned(), "it is not there".into());
            sink.fault(Fault { what: What::Listing, place, why, mend: "made anew" })?;
        }
        sink.keep(&key, &seal::number(&key, id))?;
    }
    Ok(())
}

/// Whether all channels are to be in the index. One that cannot be read says so, too.
pub(super) fn is_indexed(rows: &dyn Rows) -> bool {
    let key = keys::store(life::INDEXED);
    let value = rows.get(&key).ok().flatten();
    value.is_some_and(|value| seal::open_number(&key, &value) != Ok(0))
}

/// Goes through the store's numbers, and what has an unknown tag.
pub(super) fn examine(rows: &dyn Rows, channels: &Channels, sink: &mut dyn Sink) -> Result<(), Stop> {
    let largest = channels.all.keys().chain(&channels.gone).max().copied().unwrap_or(0);
    let mut next_is_there = largest == 0;
    let mut walk = Walk::new(rows, vec![5]..vec![6]);
    for (key, value) in &mut walk {
        sink.passed(1);
        let name = keys::name(&key).unwrap_or_default();
        if ![life::GENERATION, life::UNSYNCED, life::BOOT, life::NEXT_CHANNEL, life::INDEXED].contains(&name) {
            unknown(&key, &value, sink)?;
            continue;
        }
        next_is_there |= name == life::NEXT_CHANNEL;
        let fault = |why: String, mend| Fault { what: What::Number, place: name.to_owned(), why, mend };
        let number = match seal::open_number(&key, &value) {
            Ok(number) => number,
            Err(bad) => match mend::mend(&key, &value).and_then(|value| seal::open_number(&key, &value).ok()) {
                Some(number) => {
                    sink.fault(fault(bad.to_string(), "its one wrong byte is put right"))?;
                    number
                }
                None => {
                    sink.aside(&key, &value)?;
                    sink.fault(fault(bad.to_string(), "made anew"))?;
                    anew(name, largest)
                }
            },
        };
        let right = if name == life::NEXT_CHANNEL { number.max(largest + 1) } else { number };
        if right != number {
            let why = format!("it says {number}, and there is a channel with number {largest}");
            sink.fault(fault(why, "made anew"))?;
        }
        sink.keep(&key, &seal::number(&key, right))?;
    }
    ended(&walk, "the store's numbers", sink)?;
    if !next_is_there {
        let (place, why) = (life::NEXT_CHANNEL.to_owned(), "it is not there".into());
        sink.fault(Fault { what: What::Number, place, why, mend: "made anew" })?;
        let (key, value) = life::next_channel_row(largest + 1);
        sink.keep(&key, &value)?;
    }
    let mut walk = Walk::new(rows, vec![UNKNOWN]..vec![0xff; 40]);
    for (key, value) in &mut walk {
        sink.passed(1);
        unknown(&key, &value, sink)?;
    }
    ended(&walk, "rows of unknown sorts", sink)
}

/// More often than any store can have been opened: what is numbered by boots comes behind all that was.
pub(super) fn later_boot() -> u64 {
    clock::wall().0.unsigned_abs() / 1000
}

/// What a number may be of which nothing is known.
fn anew(name: &str, largest: u64) -> u64 {
    match name {
        life::GENERATION => life::short_random(),
        life::BOOT => later_boot(),
        life::NEXT_CHANNEL => largest + 1,
        // Told writes may have been lost: every epoch is another one then.
        _ => 1,
    }
}
