//! The journal: one file in front of sled, in which a commit is one write and one sync.
//!
//! It holds the batches that sled does not durably hold yet, one record each, and is written from its beginning again
//! when sled holds them all. Each such turn is a round with a number of its own, which sled knows: a record of another
//! round is none. `docs/format.md` draws a record. What is read is what was written, or it is not read; of what was
//! synced nothing is left out silently.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::{Buf, Bytes};

use super::super::rows::{Batch, EngineError};

/// How long the file is made, in zeros: writes that make a file longer cost a sync more. It may grow beyond.
const LENGTH: usize = 3 * 1024 * 1024;
/// The head of a record: checksum `u32`, length of the rows `u32`, round `u64`, how far the round was synced `u64`.
const HEAD: usize = 24;
/// Records begin at multiples of this.
const STEP: usize = 8;
/// The length of a value that is none: its row is removed.
const REMOVED: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    round: u64,
    /// Where the next record begins.
    end: usize,
    /// Everything before it is on disk.
    synced: usize,
}

impl Journal {
    /// Makes the file in `path`, durably but for its name.
    pub(super) fn make(path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(&vec![0; LENGTH])?;
        file.sync_all()
    }

    /// Opens it, and reads the batches of `round`; what is read is on disk.
    pub(super) fn open(path: &Path, round: u64) -> Result<(Self, Vec<Batch>), EngineError> {
        let failed = |error: io::Error| EngineError::Failed(error.to_string());
        let file = File::options().read(true).write(true).open(path).map_err(failed)?;
        // After a kill the system may hold what the disk does not.
        file.sync_data().map_err(failed)?;
        let bytes = std::fs::read(path).map_err(failed)?;
        let batches = read(&Bytes::from(bytes), round)?;
        Ok((Self { file, round, end: 0, synced: 0 }, batches))
    }

    /// Writes a batch behind those before it; gives it back as slices of what was written, which is one piece of memory.
    pub(super) fn write(&mut self, batch: &Batch) -> io::Result<Batch> {
        let (record, rows) = encode(batch, self.round, self.synced);
        self.file.write_all_at(&record, self.end as u64)?;
        self.end += record.len();
        Ok(rows)
    }

    /// Returns when all that was written is on disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.synced < self.end {
            self.file.sync_data()?;
            self.synced = self.end;
        }
        Ok(())
    }

    /// Begins again: sled holds all that was written, and knows of this round.
    pub(super) fn begin(&mut self, round: u64) {
        (self.round, self.end, self.synced) = (round, 0, 0);
    }

    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// How much of it is written.
    pub(super) fn length(&self) -> usize {
        self.end
    }

    /// Whether all that was written is on disk.
    pub(super) fn is_synced(&self) -> bool {
        self.synced == self.end
    }
}

/// The record of a batch, and the batch as slices of it.
fn encode(batch: &Batch, round: u64, synced: usize) -> (Bytes, Batch) {
    let length: usize = batch.0.iter().map(|(key, value)| 8 + key.len() + value.as_ref().map_or(0, Bytes::len)).sum();
    let mut out = Vec::with_capacity((HEAD + length).next_multiple_of(STEP));
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.extend_from_slice(&round.to_be_bytes());
    out.extend_from_slice(&(synced as u64).to_be_bytes());
    for (key, value) in &batch.0 {
        out.extend_from_slice(&(key.len() as u32).to_be_bytes());
        out.extend_from_slice(&value.as_ref().map_or(REMOVED, |value| value.len() as u32).to_be_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    out.resize(out.len().next_multiple_of(STEP), 0);
    let crc = crc32fast::hash(&out[4..]);
    out[..4].copy_from_slice(&crc.to_be_bytes());
    let record = Bytes::from(out);
    let mut at = HEAD;
    let mut slice = |length: usize| {
        at += length;
        record.slice(at - length..at)
    };
    let rows = batch.0.iter().map(|(key, value)| {
        slice(8);
        (slice(key.len()), value.as_ref().map(|value| slice(value.len())))
    });
    let rows = Batch(rows.collect());
    (record, rows)
}

/// A record of `round` at the front of `bytes`: its rows, how far the round was synced, and its whole length.
fn record(bytes: &Bytes, round: u64) -> Option<(Bytes, u64, usize)> {
    let mut head = bytes.get(..HEAD)?;
    let (crc, length, found, synced) = (head.get_u32(), head.get_u32() as usize, head.get_u64(), head.get_u64());
    // The round first: it is wrong nearly everywhere.
    if found != round {
        return None;
    }
    let whole = (HEAD + length).next_multiple_of(STEP);
    let intact = crc == crc32fast::hash(bytes.get(4..whole)?);
    intact.then(|| (bytes.slice(HEAD..HEAD + length), synced, whole))
}

fn rows(mut bytes: Bytes) -> Option<Batch> {
    let mut batch = Batch::default();
    while bytes.has_remaining() {
        if bytes.len() < 8 {
            return None;
        }
        let (key, value) = (bytes.get_u32() as usize, bytes.get_u32());
        let whole = key + if value == REMOVED { 0 } else { value as usize };
        if bytes.len() < whole {
            return None;
        }
        let key = bytes.split_to(key);
        let value = (value != REMOVED).then(|| bytes.split_to(value as usize));
        batch.0.push((key, value));
    }
    Some(batch)
}

/// The batches of `round` from the front of `bytes`, up to where the last write tore or none follows. A record behind
/// it that was written when this place had been synced says that what is missing was there.
fn read(bytes: &Bytes, round: u64) -> Result<Vec<Batch>, EngineError> {
    let mut batches = Vec::new();
    let mut at = 0;
    while let Some((content, _, whole)) = record(&bytes.slice(at..), round) {
        let damaged = || EngineError::Damaged(format!("a record of the journal at {at} is not what was written"));
        batches.push(rows(content).ok_or_else(damaged)?);
        at += whole;
    }
    let behind = (at + STEP..bytes.len()).step_by(STEP).filter_map(|place| record(&bytes.slice(place..), round));
    if behind.map(|(_, synced, _)| synced).any(|synced| synced > at as u64) {
        return Err(EngineError::Damaged(format!("the journal is broken at {at}, and goes on behind it")));
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_batch() -> impl Strategy<Value = Batch> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        prop::collection::vec((bytes(), prop::option::of(bytes())), 0..6).prop_map(Batch)
    }

    /// The batches as one round; and where each record ends.
    fn round(batches: &[Batch], number: u64, synced: bool) -> (Vec<u8>, Vec<usize>) {
        let (mut whole, mut ends) = (Vec::new(), vec![0]);
        for batch in batches {
            let (one, rows) = encode(batch, number, if synced { whole.len() } else { 0 });
            assert_eq!(&rows, batch);
            whole.extend_from_slice(&one);
            ends.push(whole.len());
        }
        (whole, ends)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_up_to_where_it_was_cut(
            batches in prop::collection::vec(any_batch(), 0..6),
            before in prop::collection::vec(any_batch(), 0..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let (mut bytes, ends) = round(&batches, 7, true);
            let cut = cut.index(bytes.len() + 1);
            let written = bytes.clone();
            bytes.truncate(cut);
            // What the round before left stands behind it, and may happen to be the same.
            let (old, _) = round(&before, 6, true);
            bytes.extend(old.iter().skip(cut));
            let whole = ends.iter().filter(|&&end| end > 0 && bytes.get(..end) == Some(&written[..end])).count();
            prop_assert_eq!(&read(&Bytes::from(bytes.clone()), 7).unwrap(), &batches[..whole]);
            prop_assert_eq!(read(&Bytes::from(bytes), 8).unwrap(), vec![]);
        }

        #[test]
        fn a_flipped_bit_in_what_was_synced_is_damage_unless_it_is_in_the_last_record(
            batches in prop::collection::vec(any_batch(), 2..6),
            bit in any::<prop::sample::Index>(),
        ) {
            let (mut bytes, ends) = round(&batches, 7, true);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let hit = ends.iter().filter(|&&end| end > 0 && end <= bit / 8).count();
            match read(&Bytes::from(bytes), 7) {
                Ok(read) => prop_assert!(hit == batches.len() - 1 && read == batches[..hit]),
                Err(error) => prop_assert!(hit < batches.len() - 1 && matches!(error, EngineError::Damaged(_))),
            }
        }

        #[test]
        fn of_what_was_not_synced_the_front_is_kept(
            batches in prop::collection::vec(any_batch(), 2..6),
            at in any::<prop::sample::Index>(),
        ) {
            let (mut bytes, ends) = round(&batches, 7, false);
            let at = at.index(bytes.len());
            bytes[at] ^= 0x10;
            let hit = ends.iter().filter(|&&end| end > 0 && end <= at).count();
            prop_assert_eq!(&read(&Bytes::from(bytes), 7).unwrap(), &batches[..hit]);
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in prop::collection::vec(0..3_u8, 0..400)) {
            let _ = read(&Bytes::from(bytes), 0);
        }
    }
}
