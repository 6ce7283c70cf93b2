//! What can still be read of a damaged block of messages, and how far that is to be believed. Pure.
//!
//! A body is believed that fits the hash in its header; a header that is named by the one behind it. A header that nobody
//! names, because what stood behind it is lost, is believed if it names the one before it and something else explains the
//! damage.

use std::ops::RangeInclusive;

use crate::model::Seq;
use crate::store::Hash;
use crate::store::record::{self, Record};
use crate::store::seal;

/// The records of `value` with places in `places` that are believed, ascending. `before` is the hash of the header before the
/// first of these places, `behind` the one that the first header behind the block names, where they are known.
pub(super) fn salvage(
    value: &[u8],
    places: RangeInclusive<Seq>,
    before: Option<Hash>,
    behind: Option<Hash>,
) -> Vec<Record<'_>> {
    let found = find(value.get(seal::OVERHEAD..).unwrap_or_default(), &places);
    let whole = found.len() as u64 == (places.end() - places.start()).saturating_add(1);
    let damaged = !whole || found.iter().any(|record| !is_whole(record));
    let mut believed: Vec<Record<'_>> = Vec::new();
    // From the last to the first: whether one is believed depends on the one behind it.
    for (index, record) in found.iter().enumerate().rev() {
        let named = match found.get(index + 1).filter(|next| next.seq == record.seq + 1) {
            Some(next) => Some(next.before),
            None if record.seq == *places.end() => behind,
            None => None,
        };
        let follows = || match index.checked_sub(1).and_then(|at| found.get(at)) {
            Some(last) if last.seq + 1 == record.seq => last.link() == record.before,
            _ if record.seq == *places.start() => before.is_none_or(|before| before == record.before),
            _ => true,
        };
        // Behind the last of the log nobody names it; then the damage has to be elsewhere.
        let explained = damaged && is_whole(record);
        let good = named.map_or_else(|| explained && follows(), |named| named == record.link());
        if good && record.message().is_ok() {
            believed.push(*record);
        }
    }
    believed.reverse();
    believed
}

fn is_whole(record: &Record<'_>) -> bool {
    record.body.is_some()
}

/// Everything that looks like a record of one of these places: at each byte where the one before did not end with another.
fn find<'a>(bytes: &'a [u8], places: &RangeInclusive<Seq>) -> Vec<Record<'a>> {
    let (mut found, mut at, mut next) = (Vec::<Record<'a>>::new(), 0, *places.start());
    while at < bytes.len() {
        match record::salvage(&bytes[at..]) {
            Ok((record, length)) if (next..=*places.end()).contains(&record.seq) => {
                next = record.seq + 1;
                found.push(record);
                // The length of a body that is not what it was may not be, either.
                at += if is_whole(&record) { length } else { record.head_length() };
            }
            _ => at += 1,
        }
    }
    found
}
