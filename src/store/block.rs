//! The row that messages stand in: a block of 1 to n records, cut at the hour and at about 8 KiB.
//!
//! Why blocks: a row costs the engine more than the bytes in it (`docs/adr/0001-blocks-of-messages.md`). A block's
//! key holds the place of its last record. Nothing here touches an engine.

use bytes::{Bytes, BytesMut};

use super::Hash;
use super::keys::{self, ChannelId};
use super::record::{self, Record};
use super::rows::{EngineError, MAX_VALUE};
use super::seal::{self, Bad};
use crate::model::{Hour, Message, Seq};

/// A block is cut before the message that would make it longer than this, in bytes; one message may be longer.
pub(super) const CUT: usize = 8 * 1024;

/// A block ready to be written.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Bytes,
}

/// Whether `message` fits a row of its own.
pub(crate) fn fits(message: &Message) -> bool {
    record::length(message) + seal::OVERHEAD <= MAX_VALUE
}

/// Cuts `batch` into rows behind a header with hash `before`; gives the last header's hash too.
pub(crate) fn cut(channel: ChannelId, batch: &[Message], mut before: Hash) -> (Vec<Row>, Hash) {
    let mut rows = Vec::new();
    let mut rest = batch;
    while let Some((first, more)) = rest.split_first() {
        let mut size = record::length(first);
        let joined = more.iter().take_while(|next| {
            let longer = size + record::length(next);
            let fits = longer <= CUT && next.at.hour() == first.at.hour();
            size = if fits { longer } else { size };
            fits
        });
        let (block, left) = rest.split_at(1 + joined.count());
        rest = left;
        let key = keys::block(channel, block.last().map_or(first.seq, |last| last.seq));
        let value = seal::seal_long(&key, size, |out| {
            for message in block {
                before = record::write(out, message, before);
            }
        });
        rows.push(Row { key, value });
    }
    (rows, before)
}

/// The records of a block, ascending; at least one, without a gap, the last at the place that the key names.
pub(crate) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<Vec<Record<'a>>, Bad> {
    let mut rest = seal::open(key, value)?;
    let mut records: Vec<Record<'a>> = Vec::new();
    while !rest.is_empty() {
        let record = record::read(&mut rest)?;
        let follows = records.last().is_none_or(|before| before.seq.checked_add(1) == Some(record.seq));
        if !follows {
            return Err(Bad::Form);
        }
        records.push(record);
    }
    if records.last().map(|last| last.seq) == keys::last(key) { Ok(records) } else { Err(Bad::Form) }
}

/// Seals `records` again under `key`, without those below `first` and without the bodies of `erased`, ascending.
pub(crate) fn rewrite(key: &[u8], records: &[Record<'_>], first: Seq, erased: &[Seq]) -> Bytes {
    seal::seal(key, |out: &mut BytesMut| {
        for record in records.iter().filter(|record| record.seq >= first) {
            if erased.binary_search(&record.seq).is_ok() { record.erase(out) } else { record.copy(out) }
        }
    })
}

/// A row as an engine keeps it; `None` removes it.
type Kept = (Bytes, Option<Bytes>);

/// Blocks that follow each other, to be one.
struct Run {
    channel: ChannelId,
    hour: Hour,
    first: Seq,
    last: Seq,
    /// The last one's key.
    key: Bytes,
    values: Vec<Bytes>,
    /// What the values hold, in bytes.
    length: usize,
}

impl Run {
    /// The run of one block; `None` if it is not whole.
    fn new(key: &Bytes, value: &Bytes) -> Option<Self> {
        let (channel, last) = keys::of_block(key)?;
        // The checksum says that it is what was written under this key; its records are looked at by those who read them.
        let (first, at) = record::front(seal::open(key, value).ok()?).ok()?;
        let hour = at.hour();
        let length = value.len() - seal::OVERHEAD;
        Some(Self { channel, hour, first, last, key: key.clone(), values: vec![value.clone()], length })
    }

    /// Takes in `next`, or gives it back.
    fn take(&mut self, next: Self) -> Option<Self> {
        let follows = (self.channel, self.hour, self.last + 1) == (next.channel, next.hour, next.first);
        if !follows || self.length + next.length > CUT {
            return Some(next);
        }
        self.last = next.last;
        self.key = next.key;
        self.length += next.length;
        self.values.extend(next.values);
        None
    }

    fn row(self) -> Kept {
        if let [alone] = &self.values[..] {
            return (self.key, Some(alone.clone()));
        }
        let value = seal::seal_long(&self.key, self.length, |out| {
            for value in &self.values {
                out.extend_from_slice(&value[seal::OVERHEAD..]);
            }
        });
        (self.key, Some(value))
    }
}

/// Joins the blocks among `rows`, which are in order, as [`cut`] would have if they had come together. Only blocks behind
/// the `newest` that is kept elsewhere are joined: no row of theirs is there.
pub(super) fn join(
    rows: Vec<Kept>,
    mut newest: impl FnMut(ChannelId) -> Result<Option<Seq>, EngineError>,
) -> Result<Vec<Kept>, EngineError> {
    let mut joined = Vec::new();
    let mut run: Option<Run> = None;
    let mut kept: Option<(ChannelId, Option<Seq>)> = None;
    for (key, value) in rows {
        let block = match (keys::of_block(&key), &value) {
            (Some((channel, last)), Some(value)) => {
                let kept = match kept {
                    Some((of, newest)) if of == channel => newest,
                    _ => kept.insert((channel, newest(channel)?)).1,
                };
                if kept.is_none_or(|kept| kept < last) { Run::new(&key, value) } else { None }
            }
            _ => None,
        };
        let Some(block) = block else {
            joined.extend(run.take().map(Run::row));
            joined.push((key, value));
            continue;
        };
        let next = match &mut run {
            Some(run) => run.take(block),
            None => Some(block),
        };
        if let Some(next) = next {
            joined.extend(run.replace(next).map(Run::row));
        }
    }
    joined.extend(run.map(Run::row));
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::support::any_batch;
    use super::*;

    proptest! {
        #[test]
        fn a_batch_is_cut_at_the_hour_and_at_the_size_and_nothing_is_lost(batch in any_batch(40)) {
            let (rows, link) = cut(3, &batch, record::ROOT);
            let mut read = Vec::new();
            let mut before = record::ROOT;
            for row in &rows {
                let records = open(&row.key, &row.value).unwrap();
                prop_assert!(row.value.len() <= CUT + seal::OVERHEAD || records.len() == 1);
                prop_assert!(records.iter().all(|record| record.at.hour() == records[0].at.hour()));
                for record in records {
                    prop_assert_eq!(record.before, before);
                    before = record.link();
                    read.push(record.message().unwrap());
                }
            }
            prop_assert_eq!(before, link);
            prop_assert_eq!(read, batch);
        }

        #[test]
        fn a_cut_wastes_no_row(batch in any_batch(40)) {
            let (rows, _) = cut(3, &batch, record::ROOT);
            for pair in rows.windows(2) {
                let (left, right) = (open(&pair[0].key, &pair[0].value).unwrap(), open(&pair[1].key, &pair[1].value).unwrap());
                let joined = pair[0].value.len() - seal::OVERHEAD + record::length(&right[0].message().unwrap());
                prop_assert!(joined > CUT || left[0].at.hour() != right[0].at.hour());
            }
        }

        #[test]
        fn what_was_appended_bit_by_bit_is_joined_into_what_one_append_would_have_made(
            batch in any_batch(40), parts in prop::collection::vec(1..6_usize, 40), kept in 0..50_u64,
        ) {
            let (mut rows, mut left, mut before) = (Vec::new(), &batch[..], record::ROOT);
            for part in parts {
                let (now, later) = left.split_at(part.min(left.len()));
                let (cut, hash) = cut(3, now, before);
                rows.extend(cut.into_iter().map(|row| (Bytes::from(row.key), Some(row.value))));
                (left, before) = (later, hash);
            }
            let other = (Bytes::from(keys::channel("c")), None);
            rows.push(other.clone());
            let behind = |key: &Bytes| keys::last(key).unwrap() > kept;
            let (old, new): (Vec<_>, Vec<_>) = rows[..rows.len() - 1].iter().cloned().partition(|(key, _)| !behind(key));
            let joined = join(rows, |_| Ok(Some(kept))).unwrap();
            prop_assert_eq!(joined.last(), Some(&other));
            let (kept, joined) = joined[..joined.len() - 1].split_at(old.len());
            prop_assert_eq!(kept, &old[..]);
            let read = |rows: &[Kept]| {
                let open = |(key, value): &Kept| open(key, value.as_ref().unwrap()).unwrap().iter().map(|r| r.message().unwrap()).collect::<Vec<_>>();
                rows.iter().map(open).collect::<Vec<_>>()
            };
            let (apart, together) = (read(&new), read(joined));
            prop_assert_eq!(apart.concat(), together.concat());
            for pair in together.windows(2) {
                let length = |messages: &[Message]| messages.iter().map(record::length).sum::<usize>();
                let first = &apart.iter().find(|block| block[0] == pair[1][0]).unwrap();
                prop_assert!(length(&pair[0]) + length(first) > CUT || pair[0][0].at.hour() != pair[1][0].at.hour());
            }
            prop_assert!(together.iter().all(|block| block.iter().all(|m| m.at.hour() == block[0].at.hour())));
        }

        #[test]
        fn no_sealed_bytes_make_opening_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let key = keys::block(1, 1);
            let value = seal::seal(&key, |out| out.extend_from_slice(&bytes));
            let _ = open(&key, &value);
            let _ = open(&key, &bytes);
        }
    }

    #[test]
    fn a_rewritten_block_lacks_what_was_asked_to_go() {
        let batch = super::super::tests::support::batch(1, 5, "words");
        let (rows, _) = cut(1, &batch, record::ROOT);
        let records = open(&rows[0].key, &rows[0].value).unwrap();
        let value = rewrite(&rows[0].key, &records, 3, &[4]);
        let left = open(&rows[0].key, &value).unwrap();
        assert_eq!(
            left.iter().map(|r| (r.seq, r.body.is_some())).collect::<Vec<_>>(),
            [(3, true), (4, false), (5, true)]
        );
    }
}
