//! What can be read of a journal that is damaged.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use super::super::mend;
use super::super::rows::Batch;
use super::journal::{HEAD, STEP, record, rows};
use super::segments::Hole;

/// What was read past damage.
#[derive(Debug)]
pub(super) struct Salvaged {
    pub(super) batches: Vec<Batch>,
    /// What is damaged, by file.
    pub(super) holes: Vec<(&'static str, Hole)>,
    /// The first round that nothing is known of.
    pub(super) next: u64,
    /// What says that `first` is the first was lost.
    pub(super) is_ahead: bool,
}

/// Reads, of the rounds from `first` on, what can be read of the newest and the one before it, past what is damaged; says what that is,
/// by file; and which round nothing is known of. A file that is not there is empty.
pub(super) fn salvage(paths: &[PathBuf; 2], first: u64) -> io::Result<Salvaged> {
    let mut found = Salvaged { batches: Vec::new(), holes: Vec::new(), next: first, is_ahead: false };
    let mut files = Vec::new();
    for (name, path) in ["journal", "journal.odd"].into_iter().zip(paths) {
        match std::fs::read(path) {
            Ok(bytes) => files.push((name, Bytes::from(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let newest = files.iter().filter_map(|(_, bytes)| newest(bytes)).max().unwrap_or(0);
    found.next = first.max(newest) + 2;
    found.is_ahead = newest > first + 1;
    for round in first.max(newest.saturating_sub(1))..=newest {
        for (name, bytes) in &files {
            let (batches, holes) = past_damage(bytes, round);
            found.batches.extend(batches);
            found.holes.extend(holes.into_iter().map(|hole| (*name, hole)));
        }
    }
    Ok(found)
}

/// The highest number of a round of which a record stands in `bytes`.
pub(super) fn newest(bytes: &Bytes) -> Option<u64> {
    let places = (0..bytes.len().saturating_sub(HEAD)).step_by(STEP);
    let rounds = places.filter_map(|at| {
        let round = u64::from_be_bytes(*bytes[at + 8..].first_chunk()?);
        // Zeros are no record, and are most of it.
        (bytes[at..at + 8] != [0; 8]).then(|| record(&bytes.slice(at..), round)).flatten().map(|_| round)
    });
    rounds.max()
}

/// The batches of a round that stand in `bytes`, from the front; and what is damaged between them.
fn past_damage(bytes: &Bytes, round: u64) -> (Vec<Batch>, Vec<Hole>) {
    let (mut batches, mut holes, mut at) = (Vec::new(), Vec::new(), 0);
    loop {
        if let Some((content, _, whole)) = record(&bytes.slice(at..), round) {
            batches.extend(rows(content));
            at += whole;
            continue;
        }
        let mut behind = (at + STEP..bytes.len()).step_by(STEP);
        let Some(next) = behind.find(|place| record(&bytes.slice(*place..), round).is_some()) else { break };
        let right = mended(&bytes[at..next], round);
        if let Some((content, ..)) = right.as_ref().and_then(|right| record(right, round)) {
            batches.extend(rows(content));
        }
        holes.push(Hole { at: at as u64, length: (next - at) as u64, mended: right.is_some() });
        at = next;
    }
    (batches, holes)
}

/// The one record that all of `bytes` were before one of them changed.
fn mended(bytes: &[u8], round: u64) -> Option<Bytes> {
    let trace = u32::from_be_bytes(*bytes.first_chunk()?) ^ crc32fast::hash(&bytes[4..]);
    let mut right = bytes.to_vec();
    if let Some(at) = (0..4).find(|at| trace & !(0xff << (at * 8)) == 0) {
        right[3 - at] ^= trace.to_le_bytes()[at];
    } else {
        let (at, by) = mend::spot(trace, bytes.len() - 4)?;
        right[4 + at] ^= by;
    }
    let right = Bytes::from(right);
    record(&right, round).filter(|(.., whole)| *whole == right.len()).map(|_| right.clone())
}
