//! One channel's messages and its hours: whether each is there, whole, and names the one before it; and what they come to
//! when what is lost has been replaced.
//!
//! A log has no gaps, so what cannot be read is replaced by a message that says nothing, with the kind `server.lost`, and
//! the headers behind it name each other anew. A message of which only the body is damaged keeps its header, and its body is
//! erased.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::channels::{ended, places, time, unknown};
use super::fault::{Fault, Sink, Stop, What};
use super::salvage::salvage;
use super::walk::Walk;
use crate::model::{ChannelName, Hour, Kind, MAX_SEQ, Message, Seq, UserName, Wall};
use crate::store::entry::Entry;
use crate::store::record::Record;
use crate::store::{Hash, Rows, block, keys, life, mend, seal};

/// Who is said to have written what is lost. No guest is called so: their names end at random.
const LOST_FROM: &str = "~lost-00000";
/// What sort of message stands in its place.
const LOST_KIND: &str = "server.lost";
/// More places in a row than this are not taken for lost: what says that they were there is not believed.
const MOST_LOST: u64 = 1 << 24;
/// How many places are filled at a time.
const PAGE: u64 = 1000;

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Messages, those that only stand for lost ones too.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// The newest place.
    pub head: Seq,
    /// How many messages are lost, or have lost their bodies.
    pub lost: u64,
    /// How many pieces of it the engine does not give; what was behind its last message is not counted as lost.
    pub torn: u64,
}

/// A log that is being gone through.
struct Log<'a> {
    name: &'a ChannelName,
    entry: &'a Entry,
    sink: &'a mut dyn Sink,
    /// The place that comes next.
    next: Seq,
    /// The chain as it will be.
    chain: Hash,
    /// The chain as it is; `None` behind what is lost.
    old: Option<Hash>,
    at: Option<Wall>,
    /// Places before `next` that have yet to be filled.
    lost: Option<(Seq, Seq)>,
    hour: Option<Hour>,
    hours: BTreeMap<Hour, Seq>,
    /// Whether the first kept message continues the hour of the newest one that was trimmed away.
    continues: Option<Hour>,
    held: Held,
    changed: bool,
}

/// Goes through the log of a channel; gives what it holds. The channel has another epoch if messages were lost.
pub(super) fn examine(
    rows: &dyn Rows,
    name: &ChannelName,
    entry: &mut Entry,
    sink: &mut dyn Sink,
) -> Result<Held, Stop> {
    let trimmed = (entry.anchor.seq > 0).then_some(entry.anchor.at);
    let mut log = Log {
        name,
        entry,
        sink,
        next: entry.anchor.seq + 1,
        chain: entry.anchor.hash,
        old: Some(entry.anchor.hash),
        at: trimmed,
        lost: None,
        hour: trimmed.map(Wall::hour),
        hours: BTreeMap::new(),
        continues: None,
        held: Held::default(),
        changed: false,
    };
    let mut walk = Walk::new(rows, keys::blocks(entry.id, 0));
    while let Some((key, value)) = walk.next() {
        log.sink.passed(1);
        let behind = walk.peek().and_then(|(key, value)| first_names(key, value));
        log.block(&key, &value, behind)?;
    }
    ended(&walk, &format!("messages of {name}"), log.sink)?;
    log.changed |= !walk.torn.is_empty();
    log.held.torn = walk.torn.len() as u64;
    let at = time(log.at, log.entry);
    log.fill(at)?;
    log.hours(rows)?;
    let (mut held, changed) = (log.held, log.changed);
    held.head = log.next - 1;
    if changed {
        entry.birth = life::short_random();
    }
    Ok(held)
}

/// The place of the first record of a block, and the header that it names.
fn first_names(key: &[u8], value: &[u8]) -> Option<(Seq, Hash)> {
    let records = block::open(key, value).ok()?;
    records.first().map(|first| (first.seq, first.before))
}

/// The records of a block that is sound in itself.
fn sound<'a>(key: &[u8], value: &'a [u8]) -> Result<Vec<Record<'a>>, String> {
    let records = block::open(key, value).map_err(|bad| bad.to_string())?;
    match records.iter().find(|record| !record.fits_its_body() || record.message().is_err()) {
        Some(record) => Err(format!("the message at {} is not what its header says", record.seq)),
        None => Ok(records),
    }
}

impl Log<'_> {
    fn fault(&mut self, what: What, place: String, why: String, mend: &'static str) -> Result<(), Stop> {
        self.sink.fault(Fault { what, place, why, mend })
    }

    fn block(&mut self, key: &[u8], value: &[u8], behind: Option<(Seq, Hash)>) -> Result<(), Stop> {
        let Some((_, last)) = keys::of_block(key) else { return unknown(key, value, self.sink) };
        if last < self.next || last > MAX_SEQ || last - self.next > MOST_LOST {
            self.sink.aside(key, value)?;
            let why = format!("a row stands there that does not follow {}", self.next - 1);
            return self.fault(What::Messages, format!("{} up to {last}", self.name), why, "set aside");
        }
        let why = match sound(key, value) {
            Ok(records) => return self.records(key, Some(value), &records, last),
            Err(why) => why,
        };
        let place = places(self.name, self.next, last);
        let mended = mend::mend(key, value);
        if let Some(records) = mended.as_ref().and_then(|value| sound(key, value).ok()) {
            self.fault(What::Messages, place, why, "its one wrong byte is put right")?;
            return self.records(key, mended.as_deref(), &records, last);
        }
        self.sink.aside(key, value)?;
        let behind = behind.filter(|(seq, _)| *seq == last + 1).map(|(_, before)| before);
        let left = salvage(value, self.next..=last, self.old, behind);
        let (erased, kept) = (left.iter().filter(|record| record.body.is_none()).count(), left.len());
        let all = last - self.next + 1;
        let why = format!(
            "{why}; {} of {all} messages can be read, {erased} without their bodies, {} are lost",
            kept,
            all - kept as u64
        );
        self.held.lost += erased as u64;
        self.changed = true;
        self.fault(What::Messages, place, why, "what can be read is kept, what cannot is replaced, another epoch")?;
        self.records(key, None, &left, last)
    }

    /// Takes the records of a block that ends with `last`; all of it stands in `whole`, unless something is missing.
    fn records(&mut self, key: &[u8], whole: Option<&[u8]>, records: &[Record<'_>], last: Seq) -> Result<(), Stop> {
        let (mut next, mut chain) = (self.next, self.chain);
        let clean = self.lost.is_none()
            && records.iter().all(|record| {
                let follows = (record.seq, record.before) == (next, chain);
                (next, chain) = (record.seq + 1, record.link());
                follows
            });
        if let (Some(value), true) = (whole, clean) {
            self.sink.keep(key, value)?;
            records.iter().for_each(|record| self.pass(record));
            (self.next, self.chain, self.old) = (next, chain, Some(chain));
            return Ok(());
        }
        let mut group = BytesMut::new();
        for record in records {
            if record.seq < self.next {
                let place = places(self.name, record.seq, record.seq);
                self.fault(What::Messages, place, "it is there twice".into(), "the first one is kept")?;
                continue;
            }
            if record.seq > self.next {
                let place = places(self.name, self.next, record.seq - 1);
                if whole.is_some() {
                    self.fault(What::Missing, place, "they are not there".into(), "replaced, another epoch")?;
                }
                self.lose(record.seq - 1);
            }
            if self.lost.is_some() {
                self.close(&mut group, record.seq)?;
                let at = self.at.unwrap_or(record.at);
                self.fill(at)?;
            }
            if self.old.is_some_and(|old| old != record.before) {
                let place = places(self.name, record.seq, record.seq);
                self.changed = true;
                let why = "its header does not name the one before it".into();
                self.fault(What::Chain, place, why, "linked anew, another epoch")?;
            }
            self.pass(record);
            self.old = Some(record.link());
            self.chain = record.relink(&mut group, self.chain);
            self.next = record.seq + 1;
        }
        self.close(&mut group, self.next)?;
        if self.next <= last {
            self.lose(last);
        }
        Ok(())
    }

    /// Writes the records of a block down that end before `next`.
    fn close(&mut self, group: &mut BytesMut, next: Seq) -> Result<(), Stop> {
        if group.is_empty() {
            return Ok(());
        }
        // What is filled in behind them stands before `next`.
        let last = self.lost.map_or(next, |(from, _)| from) - 1;
        let key = keys::block(self.entry.id, last);
        let value = seal::seal_long(&key, group.len(), |out| out.extend_from_slice(group));
        group.clear();
        self.sink.keep(&key, &value)
    }

    /// Takes note of a message.
    fn pass(&mut self, record: &Record<'_>) {
        self.held.messages += 1;
        self.held.bytes += record.body.map_or(0, str::len) as u64;
        self.note(record.seq, record.at);
    }

    fn note(&mut self, seq: Seq, at: Wall) {
        let hour = at.hour();
        if self.hour != Some(hour) {
            self.hours.insert(hour, seq);
        } else if seq == self.entry.anchor.seq + 1 {
            self.continues = Some(hour);
        }
        (self.hour, self.at) = (Some(hour), Some(at));
    }

    /// Nothing is left of the places up to `to`.
    fn lose(&mut self, to: Seq) {
        let from = self.lost.map_or(self.next, |(from, _)| from);
        (self.lost, self.next) = (Some((from, to)), to + 1);
        (self.old, self.changed) = (None, true);
    }

    /// Fills the places that are lost.
    fn fill(&mut self, at: Wall) -> Result<(), Stop> {
        let Some((mut from, to)) = self.lost.take() else { return Ok(()) };
        let (Ok(user), kind) = (UserName::parse(LOST_FROM), Kind::new(LOST_KIND)) else { return Ok(()) };
        while from <= to {
            let until = to.min(from + PAGE - 1);
            let stand_in = |seq| Message {
                seq,
                at,
                from: user.clone(),
                key: None,
                kind: kind.clone(),
                reply_to: None,
                body: "{}".into(),
            };
            let batch: Vec<Message> = (from..=until).map(stand_in).collect();
            let (rows, chain) = block::cut(self.entry.id, &batch, self.chain);
            rows.iter().try_for_each(|row| self.sink.keep(&row.key, &row.value))?;
            batch.iter().for_each(|message| self.note(message.seq, at));
            let count = batch.len() as u64;
            self.held.messages += count;
            self.held.lost += count;
            self.held.bytes += 2 * count;
            (self.chain, from) = (chain, until + 1);
        }
        Ok(())
    }

    /// Goes through the rows of hours, and makes those anew that do not agree with the messages.
    fn hours(&mut self, rows: &dyn Rows) -> Result<(), Stop> {
        let anchor = self.entry.anchor.seq;
        let mut expected = std::mem::take(&mut self.hours);
        if let Some(hour) = self.continues {
            expected.entry(hour).or_insert(anchor + 1);
        }
        let continues = self.continues;
        let mut walk = Walk::new(rows, keys::hours(self.entry.id, None));
        for (key, value) in &mut walk {
            self.sink.passed(1);
            let hour = key.get(9..).and_then(|hour| Some(Hour(u32::from_be_bytes(hour.try_into().ok()?))));
            let Some(hour) = hour else {
                unknown(&key, &value, self.sink)?;
                continue;
            };
            let (wanted, noted) = (expected.remove(&hour), seal::open_number(&key, &value));
            let good = match (wanted, &noted) {
                (Some(wanted), Ok(noted)) => *noted == wanted || (continues == Some(hour) && *noted <= wanted),
                // Of what was trimmed away.
                (None, Ok(noted)) => *noted <= anchor,
                (_, Err(_)) => false,
            };
            if good {
                self.sink.keep(&key, &value)?;
                continue;
            }
            let why = match (wanted, noted) {
                (_, Err(bad)) => bad.to_string(),
                (Some(wanted), Ok(noted)) => format!("it says {noted}, and begins at {wanted}"),
                (None, Ok(noted)) => format!("it says {noted}, and there are no messages of it"),
            };
            self.fault(What::Hour, format!("{} {}", self.name, shown(hour)), why, "made anew")?;
            if let Some(wanted) = wanted {
                self.sink.keep(&key, &seal::number(&key, wanted))?;
            }
        }
        ended(&walk, &format!("the hours of {}", self.name), self.sink)?;
        for (hour, wanted) in expected {
            let why = format!("it is not there, and begins at {wanted}");
            self.fault(What::Hour, format!("{} {}", self.name, shown(hour)), why, "made anew")?;
            let key = keys::hour(self.entry.id, hour);
            self.sink.keep(&key, &seal::number(&key, wanted))?;
        }
        Ok(())
    }
}

fn shown(hour: Hour) -> String {
    Wall(i64::from(hour.0) * 3_600_000).to_string().chars().take(13).collect()
}

/// Tells of the rows of a number that is no channel's.
pub(super) fn orphans(rows: &dyn Rows, id: u64, sink: &mut dyn Sink) -> Result<(), Stop> {
    let mut count = 0_u64;
    for range in [keys::blocks(id, 0), keys::hours(id, None)] {
        let mut walk = Walk::new(rows, range);
        for (key, value) in &mut walk {
            sink.passed(1);
            sink.aside(&key, &value)?;
            count += 1;
        }
        ended(&walk, &format!("the rows of channel number {id}"), sink)?;
    }
    let place = format!("channel number {id}");
    sink.fault(Fault { what: What::Orphan, place, why: format!("{count} rows of no channel"), mend: "set aside" })
}

/// Keeps the rows of a deleted channel, which are being removed anyway.
pub(super) fn leave(rows: &dyn Rows, id: u64, sink: &mut dyn Sink) -> Result<(), Stop> {
    for range in [keys::blocks(id, 0), keys::hours(id, None)] {
        for (key, value) in Walk::new(rows, range) as Walk<'_> {
            sink.passed(1);
            let (key, value): (Bytes, Bytes) = (key, value);
            sink.keep(&key, &value)?;
        }
    }
    Ok(())
}
