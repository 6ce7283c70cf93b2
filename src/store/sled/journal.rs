//! The journal: two files in front of sled, in which a commit is one write and one sync.
//!
//! It holds the batches that sled does not durably hold yet, one record each, in rounds. Each round has a number of its
//! own and is written into one of the files from its beginning; while sled takes over what a round left, the next one
//! goes into the other file. sled knows the first round that it does not hold: a record of an earlier one is none.
//! `docs/format.md` draws a record. What is read is what was written, or it is not read; of what was synced nothing is
//! left out silently.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};

use super::super::rows::{Batch, EngineError};
use super::journal_salvage::newest;

/// How long a file is made, in zeros: writes that make a file longer cost a sync more. It may grow beyond.
const LENGTH: usize = 3 * 1024 * 1024;
/// The head of a record: checksum `u32`, length of the rows `u32`, round `u64`, how far the round was synced `u64`.
pub(super) const HEAD: usize = 24;
/// Records begin at multiples of this.
pub(super) const STEP: usize = 8;
/// The length of a value that is none: its row is removed.
const REMOVED: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Journal {
    /// Rounds of even and of odd numbers.
    files: [File; 2],
    round: u64,
    /// Where the next record begins.
    end: usize,
    /// Everything before it is on disk.
    synced: usize,
    /// Where the round before ended.
    before: usize,
}

impl Journal {
    /// Makes a file of it in `path`, durably but for its name.
    pub(super) fn make(path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(&vec![0; LENGTH])?;
        file.sync_all()
    }

    /// Opens it, and reads the batches of `round` and of the one that follows; what is read is on disk. It goes on with
    /// the round after those.
    pub(super) fn open(paths: &[PathBuf; 2], round: u64) -> Result<(Self, Vec<Batch>), EngineError> {
        let failed = |error: io::Error| EngineError::Failed(error.to_string());
        let open = |path: &PathBuf| {
            let file = File::options().read(true).write(true).open(path)?;
            // After a kill the system may hold what the disk does not.
            file.sync_data()?;
            Ok((file, Bytes::from(std::fs::read(path)?)))
        };
        let [even, odd] = paths.each_ref().map(|path| open(path).map_err(failed));
        let ((even, first), (odd, second)) = (even?, odd?);
        // None is written before sled knows of the one in front of it.
        if let Some(newest) = [&first, &second].into_iter().filter_map(newest).max()
            && newest > round + 1
        {
            return Err(EngineError::Damaged(format!("the journal is in round {newest}, and sled knows of {round}")));
        }
        let journal = Self { files: [even, odd], round: round + 2, end: 0, synced: 0, before: 0 };
        Ok((journal, rounds(&[first, second], round)?))
    }

    fn file(&self) -> &File {
        let [even, odd] = &self.files;
        if self.round.is_multiple_of(2) { even } else { odd }
    }

    /// Writes a batch behind those before it; gives it back as slices of what was written, which is one piece of memory.
    pub(super) fn write(&mut self, batch: &Batch) -> io::Result<Batch> {
        let synced = if self.end == 0 { self.before } else { self.synced };
        let (record, rows) = encode(batch, self.round, synced);
        self.file().write_all_at(&record, self.end as u64)?;
        self.end += record.len();
        Ok(rows)
    }

    /// Returns when all that was written is on disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.is_synced() {
            self.file().sync_data()?;
            self.synced = self.end;
        }
        Ok(())
    }

    /// Begins the next round, over the one before the last: that is with sled, and the last one is synced.
    pub(super) fn turn(&mut self) {
        (self.round, self.before) = (self.round + 1, self.end);
        (self.end, self.synced) = (0, 0);
    }

    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// How much of the round is written.
    pub(super) fn length(&self) -> usize {
        self.end
    }

    /// How long the round before was.
    #[cfg(test)]
    pub(super) fn before(&self) -> usize {
        self.before
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
pub(super) fn record(bytes: &Bytes, round: u64) -> Option<(Bytes, u64, usize)> {
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

pub(super) fn rows(mut bytes: Bytes) -> Option<Batch> {
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

/// What a file holds of a round.
#[derive(Debug, PartialEq, Eq)]
struct Round {
    batches: Vec<Batch>,
    /// Where it ends.
    end: usize,
    /// Where the round before ended.
    before: u64,
}

/// The round of that number from the front of `bytes`, up to where the last write tore or none follows; `None` if there is
/// nothing of it. A record behind it that was written when this place had been synced says that what is missing was there.
fn read(bytes: &Bytes, round: u64) -> Result<Option<Round>, EngineError> {
    let (mut batches, mut end, mut before) = (Vec::new(), 0, 0);
    while let Some((content, synced, whole)) = record(&bytes.slice(end..), round) {
        let damaged = || EngineError::Damaged(format!("a record of the journal at {end} is not what was written"));
        batches.push(rows(content).ok_or_else(damaged)?);
        if end == 0 {
            before = synced;
        }
        end += whole;
    }
    let behind = (end + STEP..bytes.len()).step_by(STEP).filter_map(|place| record(&bytes.slice(place..), round));
    if behind.map(|(_, synced, _)| synced).any(|synced| synced > end as u64) {
        return Err(EngineError::Damaged(format!("the journal is broken at {end}, and goes on behind it")));
    }
    Ok((end > 0).then_some(Round { batches, end, before }))
}

/// The batches of `first` and of the round that follows; the second was begun when all of the first was on disk.
fn rounds(files: &[Bytes; 2], first: u64) -> Result<Vec<Batch>, EngineError> {
    // Whichever file it is in: with format 2 there was but one.
    let find = |round| files.iter().find_map(|file| read(file, round).transpose()).transpose();
    let (one, two) = (find(first)?, find(first + 1)?);
    let end = one.as_ref().map_or(0, |round| round.end);
    if let Some(two) = &two
        && two.before != end as u64
    {
        return Err(EngineError::Damaged(format!("the journal ends at {end}, and was {} long", two.before)));
    }
    Ok([one, two].into_iter().flatten().flat_map(|round| round.batches).collect())
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
        round_after(batches, number, synced, 0)
    }

    fn round_after(batches: &[Batch], number: u64, synced: bool, before: usize) -> (Vec<u8>, Vec<usize>) {
        let (mut whole, mut ends) = (Vec::new(), vec![0]);
        for batch in batches {
            let synced = if whole.is_empty() {
                before
            } else if synced {
                whole.len()
            } else {
                0
            };
            let (one, rows) = encode(batch, number, synced);
            assert_eq!(&rows, batch);
            whole.extend_from_slice(&one);
            ends.push(whole.len());
        }
        (whole, ends)
    }

    fn batches_of(bytes: &[u8], number: u64) -> Result<Vec<Batch>, EngineError> {
        Ok(read(&Bytes::copy_from_slice(bytes), number)?.map_or_else(Vec::new, |round| round.batches))
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
            prop_assert_eq!(&batches_of(&bytes, 7).unwrap(), &batches[..whole]);
            prop_assert_eq!(read(&Bytes::from(bytes), 8).unwrap(), None);
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
            match batches_of(&bytes, 7) {
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
            prop_assert_eq!(&batches_of(&bytes, 7).unwrap(), &batches[..hit]);
        }

        #[test]
        fn two_rounds_are_read_one_after_the_other_and_of_the_first_nothing_may_be_missing(
            first in prop::collection::vec(any_batch(), 0..4),
            second in prop::collection::vec(any_batch(), 1..4),
            cut in any::<prop::sample::Index>(),
            turned: bool,
        ) {
            let (one, _) = round(&first, 7, true);
            let (two, _) = round_after(&second, 8, true, one.len());
            let files = |one: &[u8]| {
                let files = [one, &two].map(Bytes::copy_from_slice);
                if turned { let [one, two] = files; [two, one] } else { files }
            };
            prop_assert_eq!(rounds(&files(&one), 7).unwrap(), [&first[..], &second[..]].concat());
            prop_assert_eq!(rounds(&files(&one), 8).unwrap(), second);
            let cut = cut.index(one.len() + 1);
            let damaged = matches!(rounds(&files(&one[..cut]), 7), Err(EngineError::Damaged(_)));
            prop_assert_eq!(damaged, cut < one.len());
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in prop::collection::vec(0..3_u8, 0..400)) {
            let bytes = Bytes::from(bytes);
            let _ = rounds(&[bytes.clone(), bytes], 0);
        }
    }
}
