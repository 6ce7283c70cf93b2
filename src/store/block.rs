//! The row that messages stand in: a block of 1 to n records, cut at the hour and at about 8 KiB.
//!
//! Why blocks: a row costs the engine more than the bytes in it (`docs/adr/0001-blocks-of-messages.md`). A block's
//! key holds the place of its last record. Nothing here touches an engine.

use bytes::{Bytes, BytesMut};

use super::Hash;
use super::keys::{self, ChannelId};
use super::record::{self, Record};
use super::rows::MAX_VALUE;
use super::seal::{self, Bad};
use crate::model::{Message, Seq};

/// A block is cut before the message that would make it longer than this, in bytes; one message may be longer.
pub(super) const CUT: usize = 8 * 1024;

/// A block ready to be written.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    pub(super) value: Bytes,
}

/// Whether `message` fits a row of its own.
pub(super) fn fits(message: &Message) -> bool {
    record::length(message) + seal::OVERHEAD <= MAX_VALUE
}

/// Cuts `batch` into rows behind a header with hash `before`; gives the last header's hash too.
pub(super) fn cut(channel: ChannelId, batch: &[Message], mut before: Hash) -> (Vec<Row>, Hash) {
    let mut rows = Vec::new();
    let mut rest = batch;
    while let Some((first, more)) = rest.split_first() {
        let mut size = record::length(first);
        let joined = more.iter().take_while(|next| {
            size += record::length(next);
            size <= CUT && next.at.hour() == first.at.hour()
        });
        let (block, left) = rest.split_at(1 + joined.count());
        rest = left;
        let key = keys::block(channel, block.last().map_or(first.seq, |last| last.seq));
        let value = seal::seal(&key, |out| {
            for message in block {
                before = record::write(out, message, before);
            }
        });
        rows.push(Row { key, value });
    }
    (rows, before)
}

/// The records of a block, ascending; at least one, without a gap, the last at the place that the key names.
pub(super) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<Vec<Record<'a>>, Bad> {
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

/// Seals `records` again under `key`, without those below `first` and without the body of `erased`.
pub(super) fn rewrite(key: &[u8], records: &[Record<'_>], first: Seq, erased: Option<Seq>) -> Bytes {
    seal::seal(key, |out: &mut BytesMut| {
        for record in records.iter().filter(|record| record.seq >= first) {
            if erased == Some(record.seq) { record.erase(out) } else { record.copy(out) }
        }
    })
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
        let value = rewrite(&rows[0].key, &records, 3, Some(4));
        let left = open(&rows[0].key, &value).unwrap();
        assert_eq!(
            left.iter().map(|r| (r.seq, r.body.is_some())).collect::<Vec<_>>(),
            [(3, true), (4, false), (5, true)]
        );
    }
}
