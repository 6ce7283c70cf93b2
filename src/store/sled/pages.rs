//! sled's pages, read without sled: which rows a leaf holds.

use std::collections::BTreeMap;
use std::iter;

use bytes::{Buf, Bytes};

use super::super::seal;
use super::segments::number;

/// The rows of a leaf, by their whole keys.
pub(super) type Leaf = BTreeMap<Bytes, Bytes>;

/// A page that holds rows, as it was written whole.
#[derive(Debug)]
pub(super) struct Page {
    /// Its keys are no lower than this.
    pub(super) low: Bytes,
    /// Its keys are below this; there is no bound if it is empty.
    pub(super) high: Bytes,
    /// How much of `low` is in front of each key.
    prefix: usize,
    /// The rows, not read yet.
    rows: Bytes,
}

/// A change of such a page.
enum Change {
    Put(Bytes, Bytes),
    Remove(Bytes),
}

fn flag(bytes: &mut Bytes) -> Option<u8> {
    bytes.has_remaining().then(|| bytes.get_u8())
}

fn piece(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(number(bytes)?).ok()?;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

impl Page {
    /// Reads the front of a page; `None` if it holds no rows, but leads to other pages.
    pub(super) fn read(mut body: Bytes) -> Option<Self> {
        let bytes = &mut body;
        // Which page is next, and whether one is being merged.
        let (_, _, _) = (number(bytes)?, number(bytes)?, flag(bytes)?);
        let prefix = usize::from(flag(bytes)?);
        let (low, high) = (piece(bytes)?, piece(bytes)?);
        let is_leaf = flag(bytes)? == 0 && prefix <= low.len();
        is_leaf.then_some(Self { low, high, prefix, rows: body })
    }

    /// The whole of a key that stands here without so much of `low`.
    fn whole(&self, prefix: usize, key: &[u8]) -> Bytes {
        [&self.low[..prefix], key].concat().into()
    }

    /// The page's rows, with the changes made since; `None` if they are not what was written. Of what is doubtful is taken
    /// what can be told to be the page's.
    pub(super) fn rows(&self, changes: Vec<Bytes>, doubtful: Vec<Bytes>) -> Option<Leaf> {
        let whole = |key: Bytes| self.whole(self.prefix, &key);
        let mut bytes = self.rows.clone();
        let count = usize::try_from(number(&mut bytes)?).ok().filter(|count| *count <= bytes.len())?;
        let keys: Vec<Bytes> = (0..count).map(|_| piece(&mut bytes)).collect::<Option<_>>()?;
        let values: Vec<Bytes> = (0..count).map(|_| piece(&mut bytes)).collect::<Option<_>>()?;
        let mut leaf: Leaf = keys.into_iter().map(whole).zip(values).collect();
        for change in changes.into_iter().filter_map(change) {
            match change {
                Change::Put(key, value) => drop(leaf.insert(whole(key), value)),
                Change::Remove(key) => drop(leaf.remove(&whole(key))),
            }
        }
        for change in doubtful.into_iter().filter_map(change) {
            match change {
                Change::Put(key, value) => {
                    let key = self.guess(&key, |key| self.low.is_empty() || seal::open(key, &value).is_ok());
                    key.map(|key| leaf.insert(key, value));
                }
                Change::Remove(key) => {
                    let key = self.guess(&key, |key| leaf.contains_key(key));
                    key.map(|key| leaf.remove(&key));
                }
            }
        }
        Some(leaf)
    }

    /// A whole key that `fits`. A page keeps its lower bound while it is there; how much of it stands in front of its keys
    /// changes as it is split and joined.
    fn guess(&self, key: &[u8], fits: impl Fn(&[u8]) -> bool) -> Option<Bytes> {
        let others = (0..=self.low.len()).filter(|prefix| *prefix != self.prefix);
        iter::once(self.prefix).chain(others).map(|prefix| self.whole(prefix, key)).find(|key| fits(key))
    }
}

/// What a change does to rows, if it does anything to them.
fn change(mut body: Bytes) -> Option<Change> {
    match flag(&mut body)? {
        0 => Some(Change::Put(piece(&mut body)?, piece(&mut body)?)),
        1 => Some(Change::Remove(piece(&mut body)?)),
        _ => None,
    }
}
