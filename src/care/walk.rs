//! Rows one after the other, read in pages, so that whoever looks at one may ask for others; and past what the engine does not
//! give.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use crate::store::{EngineError, Rows, keys};

/// How much is read at a time, in bytes.
const PAGE: usize = 256 << 10;
/// How much of a key is looked at to find the next one that is given, in bytes: all of a message's, and of a name's its
/// front.
const WIDE: usize = 32;

/// How many messages further on are looked for one by one.
const NEAR: usize = 4096;

/// The rows of a range, ascending.
pub(super) struct Walk<'a> {
    rows: &'a dyn Rows,
    range: Range<Vec<u8>>,
    page: VecDeque<(Bytes, Bytes)>,
    /// From which keys on the engine gave none, and why; each until the next row that it gave.
    pub(super) torn: Vec<(Vec<u8>, EngineError)>,
    ended: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(rows: &'a dyn Rows, range: Range<Vec<u8>>) -> Self {
        Self { rows, range, page: VecDeque::new(), torn: Vec::new(), ended: false }
    }

    fn fill(&mut self) {
        let (page, mut bytes) = (&mut self.page, 0);
        let read = self.rows.scan(&self.range.start..&self.range.end, false, &mut |key, value| {
            bytes += key.len() + value.len();
            page.push_back((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            if bytes < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if let Some((last, _)) = self.page.back() {
            self.range.start = [last, &[0][..]].concat();
        }
        match read {
            Ok(()) => self.ended = bytes < PAGE,
            // A closed engine gives nothing further on, either.
            Err(error) => {
                let start = self.range.start.clone();
                let next = if error == EngineError::Closed { None } else { self.past(&start) };
                self.torn.push((start, error));
                self.ended = next.is_none();
                self.range.start = next.unwrap_or_else(|| self.range.end.clone());
            }
        }
    }

    /// The first key behind `start`, or nearly, from which on the engine gives rows; `None` if there is none in the range.
    fn past(&self, start: &[u8]) -> Option<Vec<u8>> {
        // One that was longer than a row's key would begin behind that row.
        let width = keys::width(start).unwrap_or(WIDE);
        let origin = wide(&start[..start.len().min(width)]);
        let gives = |key: &[u8; WIDE]| {
            let scanned = self.rows.scan(&key[..width]..&self.range.end, false, &mut |_, _| ControlFlow::Break(()));
            scanned.is_ok()
        };
        // One by one first, where keys are numbers: longer steps pass over what is whole between two pieces that are not.
        let one = (WIDE - width) * 8;
        let near = (width < WIDE).then(|| std::iter::successors(further(&origin, one), |key| further(key, one)));
        if let Some(key) = near.into_iter().flatten().take(NEAR).find(&gives) {
            return (key[..width] < self.range.end[..]).then(|| key[..width].to_vec());
        }
        let steps = ((WIDE - width) * 8..WIDE * 8).map_while(|bit| further(&origin, bit));
        let (mut bad, mut good) = (origin, None);
        for key in steps {
            if gives(&key) {
                good = Some(key);
                break;
            }
            bad = key;
        }
        let mut good = good?;
        loop {
            let between = wide(&middle(&bad, &good)[..width]);
            if between == bad {
                break;
            }
            if gives(&between) {
                good = between;
            } else {
                bad = between;
            }
        }
        (good[..width] < self.range.end[..]).then(|| good[..width].to_vec())
    }

    /// The next row, which stays.
    pub(super) fn peek(&mut self) -> Option<&(Bytes, Bytes)> {
        while self.page.is_empty() && !self.ended {
            self.fill();
        }
        self.page.front()
    }
}

impl Iterator for Walk<'_> {
    type Item = (Bytes, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        self.peek()?;
        self.page.pop_front()
    }
}

/// The front of a key, filled up with zeros: the first key of that front.
fn wide(key: &[u8]) -> [u8; WIDE] {
    let mut wide = [0; WIDE];
    wide.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    wide
}

/// A key so many places further on, as a number of which this is the lowest bit; `None` behind the last.
fn further(key: &[u8; WIDE], bit: usize) -> Option<[u8; WIDE]> {
    let mut sum = *key;
    let mut carry = 1_u16 << (bit % 8);
    for byte in sum.iter_mut().rev().skip(bit / 8) {
        carry += u16::from(*byte);
        *byte = carry as u8;
        carry >>= 8;
    }
    (carry == 0).then_some(sum)
}

/// The key half way between two.
fn middle(low: &[u8; WIDE], high: &[u8; WIDE]) -> [u8; WIDE] {
    let (mut sum, mut carry) = ([0_u8; WIDE], 0_u16);
    for at in (0..WIDE).rev() {
        carry += u16::from(low[at]) + u16::from(high[at]);
        sum[at] = carry as u8;
        carry >>= 8;
    }
    // Half of the sum, whose highest bit is in `carry` still.
    for byte in &mut sum {
        let whole = (carry << 8) | u16::from(*byte);
        *byte = (whole >> 1) as u8;
        carry = whole & 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{Batch, MemoryRows, Visit};

    /// An engine that does not give some rows, nor what is read together with them.
    struct Torn(MemoryRows, Vec<Range<u64>>);

    impl Rows for Torn {
        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
            self.0.get(key)
        }

        fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
            // A scan begins with the row before its start if that is on the same page: one that begins within is torn.
            let within =
                |key: &[u8]| keys::last(&wide(key)).is_some_and(|seq| self.1.iter().any(|bad| bad.contains(&seq)));
            if within(range.start) {
                return Err(EngineError::Damaged("torn".into()));
            }
            let mut torn = false;
            self.0.scan(range, reverse, &mut |key, value| {
                torn = within(key);
                if torn { ControlFlow::Break(()) } else { visit(key, value) }
            })?;
            if torn { Err(EngineError::Damaged("torn".into())) } else { Ok(()) }
        }

        fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
            self.0.apply(batch)
        }

        fn sync(&self) -> Result<(), EngineError> {
            Ok(())
        }

        fn reopen(&self) -> Result<(), EngineError> {
            Ok(())
        }

        fn close(&self) {}

        fn free_bytes(&self) -> Result<u64, EngineError> {
            Ok(0)
        }

        fn bytes_on_disk(&self) -> Result<u64, EngineError> {
            Ok(0)
        }
    }

    proptest! {
        #[test]
        fn all_rows_are_given_but_those_that_the_engine_does_not_give(
            pages in prop::collection::vec((any::<bool>(), 1..40_u64), 1..12), first in 0..1000_u64,
        ) {
            let (mut bad, mut batch, mut expected) = (Vec::new(), Batch::default(), Vec::new());
            let mut seq = first;
            for (is_bad, length) in pages {
                if is_bad {
                    bad.push(seq..seq + length);
                }
                for seq in seq..seq + length {
                    batch.put(keys::block(7, seq), vec![0; 9]);
                    expected.extend((!is_bad).then_some(seq));
                }
                seq += length;
            }
            let rows = Torn(MemoryRows::default(), bad);
            rows.apply(&batch).unwrap();
            let mut walk = Walk::new(&rows, keys::blocks(7, 0));
            let given: Vec<u64> = walk.by_ref().filter_map(|(key, _)| keys::last(&key)).collect();
            prop_assert_eq!(given, expected);
            prop_assert_eq!(walk.torn.is_empty(), rows.1.is_empty());
        }

        #[test]
        fn the_middle_lies_between(low: [u8; WIDE], high: [u8; WIDE], bit in 0..WIDE * 8) {
            let (low, high) = (low.min(high), low.max(high));
            let between = middle(&low, &high);
            prop_assert!(low <= between && between <= high && (low == high || between < high));
            prop_assert!(further(&low, bit).is_none_or(|further| further > low));
        }
    }
}
