//! A channel as the store knows it: its row, and where its log ends.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{BufMut, Bytes};

use super::keys::{self, ChannelId};
use super::record::ROOT;
use super::rows::EngineError;
use super::seal::{self, Bad};
use super::view::View;
use super::{Hash, Head, block};
use crate::model::maps::HashMap;
use crate::model::{ChannelName, Epoch, Seq, Wall};

/// A place in a log and the chain up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) seq: Seq,
    pub(crate) at: Wall,
    pub(crate) hash: Hash,
}

/// One channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: ChannelId,
    /// Random: part of its epoch.
    pub(crate) birth: u64,
    pub(crate) created: Wall,
    /// The newest message that was trimmed away.
    pub(crate) anchor: Mark,
    /// The newest message.
    pub(crate) head: Mark,
}

/// Why an entry cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Engine(EngineError),
    Row(Seq, Bad),
}

impl From<EngineError> for Missing {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl Entry {
    /// A channel that has no message yet.
    pub(crate) fn new(id: ChannelId, birth: u64, created: Wall) -> Self {
        let nothing = Mark { seq: 0, at: Wall(0), hash: ROOT };
        Self { id, birth, created, anchor: nothing, head: nothing }
    }

    /// As the rest of the server sees it.
    pub(crate) fn show(&self, generation: u64) -> Head {
        let mut text = String::with_capacity(32);
        self.epoch(generation, &mut |digit| text.push(char::from(digit)));
        self.show_in(Epoch(Arc::from(text)))
    }

    /// Hands out the characters of its epoch: an append looks at them without writing them down.
    fn epoch(&self, generation: u64, put: &mut dyn FnMut(u8)) {
        base36(generation, put);
        put(b'-');
        base36(self.birth, put);
    }

    /// Whether `head` is what [`show`](Self::show) would give.
    pub(super) fn ends_at(&self, head: &Head, generation: u64) -> bool {
        let own = (self.head.seq, self.head.hash, self.id);
        let (mut there, mut same) = (head.epoch.0.bytes(), true);
        self.epoch(generation, &mut |digit| same &= there.next() == Some(digit));
        same && there.next().is_none() && own == (head.seq, head.hash, head.token)
    }

    /// As [`show`](Self::show), for one who knows the epoch.
    pub(super) fn show_in(&self, epoch: Epoch) -> Head {
        Head {
            epoch,
            seq: self.head.seq,
            first: self.anchor.seq + 1,
            at: self.head.at,
            hash: self.head.hash,
            token: self.id,
        }
    }

    /// The channel's row.
    pub(crate) fn seal(&self, key: &[u8]) -> Bytes {
        seal::seal(key, |out| {
            out.put_u64(self.id);
            out.put_u64(self.birth);
            out.put_i64(self.created.0);
            out.put_u64(self.anchor.seq);
            out.put_i64(self.anchor.at.0);
            out.put_slice(&self.anchor.hash);
        })
    }

    /// Reads the row; the head is the anchor until [`load`] has looked.
    pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Self, Bad> {
        let row: &[u8; 56] = seal::open(key, value)?.try_into().map_err(|_| Bad::Form)?;
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&row[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let mut hash = ROOT;
        hash.copy_from_slice(&row[40..56]);
        let anchor = Mark { seq: number(24), at: Wall(number(32) as i64), hash };
        if anchor.seq > crate::model::MAX_SEQ {
            return Err(Bad::Form);
        }
        Ok(Self { id: number(0), birth: number(8), created: Wall(number(16) as i64), anchor, head: anchor })
    }
}

/// Reads the row of `name`; its head is not looked for.
pub(super) fn row(view: &View, name: &ChannelName) -> Result<Option<Entry>, Missing> {
    let key = keys::channel(name.as_str());
    let value = view.get(&key)?;
    value.map(|value| Entry::open(&key, &value).map_err(|bad| Missing::Row(0, bad))).transpose()
}

/// Reads the row of `name` and finds its head.
pub(super) fn load(view: &View, name: &ChannelName) -> Result<Option<Entry>, Missing> {
    let mut known = row(view, name)?;
    loop {
        let Some(mut entry) = known else { return Ok(None) };
        let range = keys::blocks(entry.id, 0);
        let mut found = None;
        view.scan(&range.start..&range.end, true, &mut |key, value| {
            found = Some(newest(key, value).map_err(|bad| Missing::Row(keys::last(key).unwrap_or(0), bad)));
            ControlFlow::Break(())
        })?;
        if let Some(head) = found.transpose()? {
            entry.head = head;
            return Ok(Some(entry));
        }
        // No message: the anchor is the head, unless a trim or a deletion came between the two looks.
        let again = row(view, name)?;
        if again == known {
            return Ok(known);
        }
        known = again;
    }
}

fn newest(key: &[u8], value: &[u8]) -> Result<Mark, Bad> {
    let records = block::open(key, value)?;
    let last = records.last().ok_or(Bad::Form)?;
    Ok(Mark { seq: last.seq, at: last.at, hash: last.link() })
}

fn base36(number: u64, put: &mut dyn FnMut(u8)) {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    if number >= 36 {
        base36(number / 36, put);
    }
    put(DIGITS[(number % 36) as usize]);
}

/// What the writer knows of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Channel(Entry),
    /// There is none of this name any more.
    Deleted,
}

/// The writer's own knowledge of channels, bounded: the half that was not asked for goes first. It holds what the commit
/// under way did already, so it has to be cleared if that fails.
#[derive(Debug, Default)]
pub(super) struct Cache {
    young: HashMap<ChannelName, Known>,
    old: HashMap<ChannelName, Known>,
}

/// Half of what a cache holds; more than a commit can touch.
const HALF: usize = 16_384;

impl Cache {
    pub(super) fn get(&mut self, name: &ChannelName) -> Option<Known> {
        if let Some(found) = self.young.get(name) {
            return Some(*found);
        }
        let found = self.old.remove(name)?;
        self.put(name, found);
        Some(found)
    }

    pub(super) fn put(&mut self, name: &ChannelName, now: Known) {
        if let Some(known) = self.young.get_mut(name) {
            *known = now;
            return;
        }
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(name);
        self.young.insert(name.clone(), now);
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channels_row_is_read_back() {
        let mut entry = Entry::new(7, 35, Wall(-5));
        entry.anchor = Mark { seq: 9, at: Wall(77), hash: [3; 16] };
        entry.head = entry.anchor;
        let value = entry.seal(b"c");
        assert_eq!(Entry::open(b"c", &value), Ok(entry));
        assert_eq!(Entry::open(b"d", &value), Err(Bad::Checksum));
        assert_eq!(&*entry.show(36).epoch.0, "10-z");
        assert_eq!(entry.show(36).first, 10);
        let head = entry.show(36);
        assert!(entry.ends_at(&head, 36) && !entry.ends_at(&head, 1));
        for epoch in ["10-", "10-zz", "1-z", "10-y", ""] {
            assert!(!entry.ends_at(&Head { epoch: Epoch(epoch.into()), ..head.clone() }, 36), "{epoch}");
        }
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_asked_for() {
        let mut cache = Cache::default();
        let name = |n: usize| ChannelName::stored(&format!("c{n}")).unwrap();
        let here = Known::Channel(Entry::new(1, 1, Wall(0)));
        for n in 0..5 * HALF {
            cache.put(&name(n), here);
            assert_eq!(cache.get(&name(0)), Some(here));
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * HALF);
        cache.put(&name(0), Known::Deleted);
        assert_eq!(cache.get(&name(0)), Some(Known::Deleted));
        cache.clear();
        assert_eq!(cache.get(&name(0)), None);
    }
}
