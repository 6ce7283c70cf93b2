//! sled's pages, read without sled: which rows a leaf holds.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};

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

    /// The page's rows, with the changes made since; `None` if they are not what was written.
    pub(super) fn rows(&self, changes: impl IntoIterator<Item = Bytes>) -> Option<Leaf> {
        let whole = |key: Bytes| Bytes::from([&self.low[..self.prefix], &key[..]].concat());
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
        Some(leaf)
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
