//! One commit: what a run of writes comes to, before any of it is written.
//!
//! Writes are judged in their order, each seeing what the ones before it in the same commit did. Nothing is told
//! before the commit is durable. This file decides and encodes; it applies and syncs nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::sync::Arc;

use bytes::{BufMut, Bytes};

use super::entry::{self, Cache, Entry, Known, Mark, Missing};
use super::keys::{self, ChannelId};
use super::places::place_key;
use super::prune::Gone;
use super::queue::{Op, Waiting};
use super::reply::Answer;
use super::rows::{Batch, EngineError, MAX_VALUE};
use super::seal;
use super::view::View;
use super::{AppendError, Head, MetaOp, Trimmed, Versioned, WriteError, block, index, life};
use crate::clock;
use crate::model::{ChannelName, MAX_SEQ, Message, Wall};

/// A change of a small record, to be told to those who watch.
pub(super) type Change = (String, Option<Versioned>);

/// A row that a commit will write.
struct Written {
    value: Option<Bytes>,
    /// What it replaces.
    before: Option<Bytes>,
}

/// What one commit will write and tell.
pub(super) struct Commit<'a> {
    pub(super) view: &'a View,
    cache: &'a mut Cache,
    next_channel: &'a mut Option<ChannelId>,
    generation: u64,
    low_space: bool,
    rows: BTreeMap<Bytes, Written>,
    pub(super) answers: Vec<Answer>,
    pub(super) changes: Vec<Change>,
    pub(super) messages: usize,
    /// Writes that take more than one commit.
    pub(super) rest: Vec<Waiting>,
    /// Deleted channels whose rows are to be swept.
    pub(super) gone: Vec<ChannelId>,
}

impl<'a> Commit<'a> {
    pub(super) fn new(
        view: &'a View,
        cache: &'a mut Cache,
        next_channel: &'a mut Option<ChannelId>,
        generation: u64,
        low_space: bool,
    ) -> Self {
        Self {
            view,
            cache,
            next_channel,
            generation,
            low_space,
            rows: BTreeMap::new(),
            answers: Vec::new(),
            changes: Vec::new(),
            messages: 0,
            rest: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Judges one write.
    pub(super) fn add(&mut self, waiting: Waiting) {
        let sent = waiting.sent;
        match waiting.op {
            Op::Create(name, reply) => {
                let outcome = self.create(&name);
                self.answers.push(Answer::Head(reply, outcome));
            }
            Op::Append(name, after, batch, reply) => {
                let outcome = self.append(&name, after, &batch);
                self.answers.push(Answer::Head(reply, outcome));
            }
            Op::Trim(name, below, mut gone, reply) => match self.trim(&name, below, &mut gone) {
                Ok((_, false)) => self.rest.push(Waiting { op: Op::Trim(name, below, gone, reply), sent }),
                Ok((entry, true)) => {
                    let Gone { messages, bytes } = gone;
                    let head = entry.show(self.generation);
                    self.answers.push(Answer::Trimmed(reply, Ok(Trimmed { head, messages, bytes })));
                }
                Err(error) => self.answers.push(Answer::Trimmed(reply, Err(error))),
            },
            Op::Redact(name, id, seqs, reply) => {
                let outcome = self.redact(&name, id, &seqs);
                self.answers.push(Answer::Head(reply, outcome));
            }
            Op::Delete(name, reply) => {
                let outcome = self.delete(&name);
                self.answers.push(Answer::Deleted(reply, outcome));
            }
            Op::Meta(ops, reply) => {
                let outcome = self.meta(ops);
                self.answers.push(Answer::Meta(reply, outcome));
            }
        }
    }

    /// The rows to write, by their keys, and what each of them replaces.
    pub(super) fn take_rows(&mut self) -> (Batch, Vec<Option<Bytes>>) {
        let rows = std::mem::take(&mut self.rows);
        let (batch, before) = rows.into_iter().map(|(key, row)| ((key, row.value), row.before)).unzip();
        (Batch(batch), before)
    }

    /// Writes a row that held `before`.
    pub(super) fn put(&mut self, key: Vec<u8>, value: Option<Bytes>, before: Option<Bytes>) {
        match self.rows.entry(Bytes::from(key)) {
            Place::Vacant(place) => {
                place.insert(Written { value, before });
            }
            Place::Occupied(mut row) => row.get_mut().value = value,
        }
    }

    /// One row, as this commit leaves it.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.rows.get(key).map_or_else(|| self.view.get(key), |row| Ok(row.value.clone()))
    }

    /// As the rest of the server sees it.
    pub(super) fn head(&self, entry: Entry) -> Head {
        entry.show(self.generation)
    }

    pub(super) fn entry(&mut self, name: &ChannelName) -> Result<Option<Entry>, AppendError> {
        match self.cache.get(name) {
            Some(Known::Channel(entry)) => Ok(Some(entry)),
            Some(Known::Deleted) => Ok(None),
            None => entry::load(self.view, name).map_err(unavailable),
        }
    }

    pub(super) fn present(&mut self, name: &ChannelName) -> Result<Entry, AppendError> {
        self.entry(name)?.ok_or(AppendError::NoChannel)
    }

    /// Writes the channel's row too: its anchor moved, or it is new.
    pub(super) fn put_entry(&mut self, name: &ChannelName, entry: Entry) -> Result<(), AppendError> {
        let key = keys::channel(name.as_str());
        let before = self.get(&key).map_err(engine)?;
        let value = entry.seal(&key);
        self.put(key, Some(value), before);
        self.cache.put(name, Known::Channel(entry));
        Ok(())
    }

    fn create(&mut self, name: &ChannelName) -> Result<Head, AppendError> {
        if let Some(entry) = self.entry(name)? {
            return Ok(entry.show(self.generation));
        }
        if self.low_space {
            return Err(AppendError::Full);
        }
        let id = match *self.next_channel {
            Some(id) => id,
            None => life::next_channel(&*self.view.rows).map_err(engine)?,
        };
        *self.next_channel = Some(id + 1);
        let (key, value) = life::next_channel_row(id + 1);
        self.put(key, Some(value), None);
        let entry = Entry::new(id, life::short_random(), clock::wall());
        let place = self.record(&place_key(name.as_str()));
        let place = place.map_err(|error| AppendError::Unavailable(error.to_string()))?;
        if let Some(key) = index::key(name.as_str(), place.as_ref()) {
            let value = seal::number(&key, id);
            self.put(key, Some(value), None);
        }
        self.put_entry(name, entry)?;
        Ok(entry.show(self.generation))
    }

    fn append(&mut self, name: &ChannelName, after: Head, batch: &[Message]) -> Result<Head, AppendError> {
        if self.low_space {
            return Err(AppendError::Full);
        }
        let mut entry = self.present(name)?;
        if !entry.ends_at(&after, self.generation) || !continues(entry.head, batch) {
            return Err(AppendError::Conflict(entry.show(self.generation)));
        }
        let Some(last) = batch.last() else { return Ok(entry.show_in(after.epoch)) };
        if last.seq > MAX_SEQ {
            return Err(AppendError::Unavailable("the channel has no places left".into()));
        }
        if let Some(large) = batch.iter().find(|message| !block::fits(message)) {
            return Err(AppendError::TooLarge(large.body.len()));
        }
        let (rows, hash) = block::cut(entry.id, batch, entry.head.hash);
        for row in rows {
            self.put(row.key, Some(row.value), None);
        }
        // Only the first message of an hour is noted; the very first message begins an hour whatever its time.
        let mut hour = (entry.head.seq > 0).then(|| entry.head.at.hour());
        for message in batch {
            if hour != Some(message.at.hour()) {
                hour = Some(message.at.hour());
                let key = keys::hour(entry.id, message.at.hour());
                let value = seal::number(&key, message.seq);
                self.put(key, Some(value), None);
            }
        }
        entry.head = Mark { seq: last.seq, at: last.at, hash };
        self.messages += batch.len();
        self.cache.put(name, Known::Channel(entry));
        Ok(entry.show_in(after.epoch))
    }

    fn delete(&mut self, name: &ChannelName) -> Result<(), AppendError> {
        let entry = self.present(name)?;
        let key = keys::channel(name.as_str());
        let before = self.get(&key).map_err(engine)?;
        self.put(key, None, before);
        for private in [false, true] {
            let key = keys::listed(private, name.as_str());
            if let Some(before) = self.get(&key).map_err(engine)? {
                self.put(key, None, Some(before));
            }
        }
        let mark = keys::gone(entry.id);
        let value = seal::number(&mark, entry.id);
        self.put(mark, Some(value), None);
        self.cache.put(name, Known::Deleted);
        self.gone.push(entry.id);
        Ok(())
    }

    fn meta(&mut self, ops: Vec<MetaOp>) -> Result<(), WriteError> {
        if self.low_space && !ops.iter().all(MetaOp::makes_room) {
            return Err(WriteError::Unavailable("too little free space on the store's disk".into()));
        }
        // Nothing of it counts before all of it holds.
        let mut staged: Vec<(String, Option<Bytes>, Change)> = Vec::new();
        for op in ops {
            let (name, value, wanted) = match op {
                MetaOp::Create(name, value) => (name, Some(value), Some(0)),
                MetaOp::Swap(name, version, value) => (name, Some(value), Some(version)),
                MetaOp::Put(name, value) | MetaOp::Release(name, value) => (name, Some(value), None),
                MetaOp::Remove(name) => (name, None, None),
            };
            let size = name.len() + value.as_ref().map_or(0, Bytes::len);
            if size > MAX_META {
                return Err(WriteError::TooLarge(size));
            }
            let now = match staged.iter().rev().find(|(staged, ..)| *staged == name) {
                Some((_, _, (_, record))) => record.clone(),
                None => self.record(&name)?,
            };
            let version = now.as_ref().map_or(0, |record| record.version);
            if wanted.is_some_and(|wanted| wanted != version) {
                return Err(WriteError::Conflict(name));
            }
            if now.is_none() && value.is_none() {
                continue;
            }
            let record = value.map(|value| Versioned { version: version + 1, value });
            let key = keys::meta(&name);
            let row = record.as_ref().map(|record| seal_meta(&key, record));
            staged.push((name.clone(), row, (name, record)));
        }
        let before = staged.iter().map(|(name, ..)| self.get(&keys::meta(name))).collect::<Result<Vec<_>, _>>();
        let before = before.map_err(|error| WriteError::Unavailable(error.to_string()))?;
        for ((name, row, change), before) in staged.into_iter().zip(before) {
            self.put(keys::meta(&name), row, before);
            self.changes.push(change);
        }
        Ok(())
    }

    fn record(&self, name: &str) -> Result<Option<Versioned>, WriteError> {
        let key = keys::meta(name);
        let value = self.get(&key).map_err(|error| WriteError::Unavailable(error.to_string()))?;
        value
            .map(|value| open_meta(&key, &value))
            .transpose()
            .map_err(|bad| WriteError::Unavailable(format!("the record {name:?} is damaged: {bad}")))
    }
}

/// The largest small record, its name counted too, in bytes.
pub(crate) const MAX_META: usize = MAX_VALUE - 16;

pub(crate) fn seal_meta(key: &[u8], record: &Versioned) -> Bytes {
    seal::seal(key, |out| {
        out.put_u64(record.version);
        out.put_slice(&record.value);
    })
}

/// Reads a small record.
pub(crate) fn open_meta(key: &[u8], value: &[u8]) -> Result<Versioned, seal::Bad> {
    let (version, value) = seal::open(key, value)?.split_first_chunk::<8>().ok_or(seal::Bad::Form)?;
    Ok(Versioned { version: u64::from_be_bytes(*version), value: Bytes::copy_from_slice(value) })
}

/// Whether `batch` continues a log that ends at `head`: no gap in its places, no step back in time.
fn continues(head: Mark, batch: &[Message]) -> bool {
    let (mut seq, mut at) = (head.seq, if head.seq == 0 { Wall(i64::MIN) } else { head.at });
    batch.iter().all(|message| {
        let good = message.seq == seq + 1 && message.at >= at;
        (seq, at) = (message.seq, message.at);
        good
    })
}

pub(super) fn engine(error: EngineError) -> AppendError {
    AppendError::Unavailable(error.to_string())
}

pub(super) fn unavailable(missing: Missing) -> AppendError {
    match missing {
        Missing::Engine(error) => engine(error),
        Missing::Row(seq, bad) => AppendError::Unavailable(format!("the record at {seq} is damaged: {bad}")),
    }
}

/// Those who watch small records: prefix and whom to tell.
pub(super) type Watchers = Vec<(String, Arc<dyn Fn(&str, Option<&Versioned>) + Send + Sync>)>;
