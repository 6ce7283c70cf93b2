//! What stands in the journal and not in sled yet, to be read: maps in memory that lie over sled's tree.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow, Range};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::super::rows::{Batch, EngineError, Visit};

/// A row as it is now; with `None` it was removed.
type Row = (Bytes, Option<Bytes>);

/// The rows of one round. They only ever become more: one who still reads them when the next round has begun misses none.
#[derive(Debug, Default)]
pub(super) struct Recent(RwLock<BTreeMap<Bytes, Option<Bytes>>>);

impl Recent {
    pub(super) fn add(&self, batch: Batch) {
        self.0.write().extend(batch.0);
    }

    /// The row as the round left it; `None` if it did not touch it.
    pub(super) fn get(&self, key: &[u8]) -> Option<Row> {
        self.0.read().get_key_value(key).map(|(key, value)| (key.clone(), value.clone()))
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.0.read().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn first(&self, start: Bound<&[u8]>, end: &[u8]) -> Option<Row> {
        let rows = self.0.read();
        rows.range::<[u8], _>((start, Bound::Excluded(end))).next().map(|(key, value)| (key.clone(), value.clone()))
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Option<Row> {
        let rows = self.0.read();
        let mut within = rows.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)));
        within.next_back().map(|(key, value)| (key.clone(), value.clone()))
    }
}

/// The rows of the round that is being written, and under them those of the round that sled is taking over.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    pub(super) now: Arc<Recent>,
    pub(super) leaving: Arc<Recent>,
}

impl Layers {
    /// Another round begins: what was written so far leaves.
    pub(super) fn turn(&mut self) {
        self.leaving = std::mem::take(&mut self.now);
    }

    /// The row as the rounds left it; `None` if they did not touch it.
    pub(super) fn get(&self, key: &[u8]) -> Option<Row> {
        self.now.get(key).or_else(|| self.leaving.get(key))
    }

    fn first(&self, start: Bound<&[u8]>, end: &[u8]) -> Option<Row> {
        let (now, leaving) = (self.now.first(start, end), self.leaving.first(start, end));
        nearer(now, leaving, |now, leaving| now <= leaving)
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Option<Row> {
        let (now, leaving) = (self.now.last(start, end), self.leaving.last(start, end));
        nearer(now, leaving, |now, leaving| now >= leaving)
    }

    /// Visits the rows of `range` in `below` with these over them; `below` gives its next row.
    pub(super) fn scan<K: AsRef<[u8]>>(
        &self,
        range: Range<&[u8]>,
        reverse: bool,
        mut below: impl FnMut() -> Result<Option<(K, K)>, EngineError>,
        visit: Visit<'_>,
    ) -> Result<(), EngineError> {
        let mut over = if reverse {
            self.last(range.start, range.end)
        } else {
            self.first(Bound::Included(range.start), range.end)
        };
        let mut under = below()?;
        loop {
            let order = match (&over, &under) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((over, _)), Some((under, _))) => {
                    let order = over[..].cmp(under.as_ref());
                    if reverse { order.reverse() } else { order }
                }
            };
            let flow = match (&over, &under) {
                (Some((key, value)), _) if order.is_le() => {
                    value.as_ref().map_or(ControlFlow::Continue(()), |value| visit(key, value))
                }
                (_, Some((key, value))) => visit(key.as_ref(), value.as_ref()),
                _ => ControlFlow::Break(()),
            };
            if flow.is_break() {
                return Ok(());
            }
            if order.is_ge() {
                under = below()?;
            }
            if order.is_le() {
                over = over.and_then(|(key, _)| {
                    if reverse { self.last(range.start, &key) } else { self.first(Bound::Excluded(&key), range.end) }
                });
            }
        }
    }
}

/// Of two rows the one that comes first, by their keys; of the same one that of `now`.
fn nearer(now: Option<Row>, leaving: Option<Row>, first: impl Fn(&[u8], &[u8]) -> bool) -> Option<Row> {
    match (now, leaving) {
        (Some(now), Some(leaving)) => Some(if first(&now.0, &leaving.0) { now } else { leaving }),
        (now, leaving) => now.or(leaving),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_map() -> impl Strategy<Value = BTreeMap<u8, Option<u8>>> {
        prop::collection::btree_map(0..20_u8, prop::option::of(any::<u8>()), 0..15)
    }

    proptest! {
        #[test]
        fn a_scan_gives_what_one_map_would(
            over in any_map(), between in any_map(), under in any_map(),
            from in 0..20_u8, to in 0..20_u8, reverse: bool, most in 1..20_usize,
        ) {
            prop_assume!(from < to);
            let under: BTreeMap<u8, u8> = under.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            let mut one: BTreeMap<u8, Option<u8>> = under.iter().map(|(key, value)| (*key, Some(*value))).collect();
            one.extend(between.clone());
            one.extend(over.clone());
            let mut expected: Vec<(u8, u8)> = one.range(from..to).filter_map(|(key, value)| Some((*key, (*value)?))).collect();
            if reverse {
                expected.reverse();
            }
            expected.truncate(most);

            let mut layers = Layers::default();
            let bytes = |byte: u8| Bytes::from(vec![byte]);
            for (n, layer) in [between, over].iter().enumerate() {
                if n > 0 {
                    layers.turn();
                }
                layers.now.add(Batch(layer.iter().map(|(key, value)| (bytes(*key), value.map(bytes))).collect()));
            }
            let mut rows = under.range(from..to).map(|(key, value)| (vec![*key], vec![*value]));
            let mut found = Vec::new();
            let below = || Ok(if reverse { rows.next_back() } else { rows.next() });
            layers.scan(&[from][..]..&[to][..], reverse, below, &mut |key, value| {
                found.push((key[0], value[0]));
                if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            }).unwrap();
            prop_assert_eq!(found, expected);
        }
    }
}
