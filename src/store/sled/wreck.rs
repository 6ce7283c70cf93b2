//! A store whose files are damaged, read without sled and past the damage; nothing of it is written.
//!
//! Of each page the newest that can be read counts, with the changes made to it since. Where the newest is lost an older one
//! takes its place, as far as nothing newer says what stood there: pages are laid over each other by their place in the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::super::OpenError;
use super::super::rows::{Batch, EngineError, Rows, Visit};
use super::beside::Beside;
use super::dir::{Dir, Found};
use super::journal_salvage::salvage;
use super::pages::{Leaf, Page};
use super::segments::{self, Hole, Kind, Message};
use super::tree::{ROUND, io};
use crate::model::maps::HashMap;

/// A piece of a file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in the data directory.
    pub file: &'static str,
    /// Where in it; all of it, if that is not known.
    pub hole: Option<Hole>,
}

/// Where a body stands in sled's file.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    length: usize,
}

/// The newest of a page that can be read.
#[derive(Debug)]
struct Chain {
    lsn: u64,
    low: Bytes,
    high: Bytes,
    base: Place,
    changes: Vec<Place>,
    /// Changes behind a hole, in which the page may have been written anew.
    doubtful: Vec<Place>,
    /// How many holes were before it.
    lost: usize,
}

/// Which page holds the keys from here to there.
#[derive(Debug)]
struct Span {
    low: Bytes,
    /// Empty if there is no bound.
    high: Bytes,
    page: Option<u64>,
}

/// Rows that are read from damaged files. Locked while it is there.
pub struct Wreck {
    dir: Mutex<Dir>,
    cache: u64,
    file: File,
    chains: HashMap<u64, Chain>,
    /// Bodies that are not as they stand in the file.
    mended: HashMap<u64, Bytes>,
    /// All keys there can be, ascending.
    spans: Vec<Span>,
    /// What sled does not hold yet.
    journal: BTreeMap<Bytes, Option<Bytes>>,
    /// The first round of the journal that nothing is known of.
    round: u64,
    damage: Vec<Damage>,
    /// The span that was read last.
    last: Mutex<Option<(usize, Arc<Leaf>)>>,
}

impl Wreck {
    /// Looks through the files of the store in `path`; `None` if they are what was written.
    pub fn find(path: &Path, cache: u64) -> Result<Option<Self>, OpenError> {
        let mut dir = Dir::new(path);
        match dir.lock() {
            Ok(Found::Nothing) => return Ok(None),
            Ok(_) => {}
            Err(OpenError::Damaged { .. }) if dir.data().exists() => {}
            Err(error) => return Err(error),
        }
        let failed = |why: EngineError| OpenError::Io { path: path.display().to_string(), why: why.to_string() };
        let damage = dir.broken().map_err(|why| failed(io(why)))?;
        let damage = damage.into_iter().map(|file| Damage { file, hole: None }).collect();
        let wreck = Self::read(dir, cache, damage).map_err(failed)?;
        Ok((!wreck.damage.is_empty()).then_some(wreck))
    }

    fn read(dir: Dir, cache: u64, damage: Vec<Damage>) -> Result<Self, EngineError> {
        let file = File::open(dir.data()).map_err(io)?;
        let (mut chains, mut mended) = (HashMap::default(), HashMap::default());
        let holes = segments::read(&file, 0, &mut |message| follow(&mut chains, &mut mended, message)).map_err(io)?;
        let spans = spans(&chains);
        let mut wreck = Self {
            dir: Mutex::new(dir),
            cache,
            file,
            chains,
            mended,
            spans,
            journal: BTreeMap::new(),
            round: 0,
            damage,
            last: Mutex::default(),
        };
        wreck.damage.extend(holes.into_iter().map(|hole| Damage { file: "sled/db", hole: Some(hole) }));
        let round = wreck.get(ROUND)?.and_then(|value| value[..].try_into().ok()).map_or(0, u64::from_be_bytes);
        let paths = wreck.dir.lock().journal();
        let found = salvage(&paths, round).map_err(io)?;
        wreck.journal = found.batches.into_iter().flat_map(|batch| batch.0).collect();
        wreck.round = found.next;
        wreck.damage.extend(found.is_ahead.then_some(Damage { file: "sled/db", hole: None }));
        wreck.damage.extend(found.holes.into_iter().map(|(file, hole)| Damage { file, hole: Some(hole) }));
        Ok(wreck)
    }

    /// What of its files is damaged.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Begins a store beside this one.
    pub fn beside(&self) -> Result<Beside, EngineError> {
        Beside::begin(self.dir.lock().path(), self.cache, self.round)
    }

    /// Puts `next` in its place. sled's directory becomes that of the name `aside` in the data directory, with copies of the
    /// journal in it.
    pub fn replace(self, next: Beside, aside: &str) -> Result<(), OpenError> {
        let dir = self.dir.into_inner();
        let failed = |why: EngineError| OpenError::Io { path: dir.path().display().to_string(), why: why.to_string() };
        next.end().map_err(failed)?;
        dir.copy_journal().and_then(|()| dir.swap(Some(aside))).map_err(|why| failed(io(why)))?;
        dir.write_format()
    }

    fn body(&self, place: Place) -> Result<Bytes, EngineError> {
        if let Some(body) = self.mended.get(&place.at) {
            return Ok(body.clone());
        }
        let mut bytes = vec![0; place.length];
        self.file.read_exact_at(&mut bytes, place.at).map_err(io)?;
        Ok(bytes.into())
    }

    /// The rows of a span, without the journal's.
    fn leaf(&self, index: usize) -> Result<Arc<Leaf>, EngineError> {
        let mut last = self.last.lock();
        if let Some((known, leaf)) = &*last
            && *known == index
        {
            return Ok(Arc::clone(leaf));
        }
        let mut leaf = Leaf::new();
        if let Some(chain) = self.spans[index].page.and_then(|page| self.chains.get(&page)) {
            let [changes, doubtful] = [&chain.changes, &chain.doubtful]
                .map(|places| places.iter().map(|place| self.body(*place)).collect::<Result<Vec<_>, _>>());
            let (changes, doubtful) = (changes?, doubtful?);
            let rows = Page::read(self.body(chain.base)?).and_then(|page| page.rows(changes, doubtful));
            leaf = rows.ok_or_else(|| EngineError::Damaged("a page that is not as sled writes it".into()))?;
        }
        let leaf = Arc::new(leaf);
        *last = Some((index, Arc::clone(&leaf)));
        Ok(leaf)
    }
}

/// Takes one more message of the log.
fn follow(chains: &mut HashMap<u64, Chain>, mended: &mut HashMap<u64, Bytes>, message: Message) {
    let Message { kind, page, lsn, at, body, mended: is_mended, lost } = message;
    let place = Place { at, length: body.len() };
    match kind {
        Kind::Node => {
            // What leads to other pages is not needed: the rows say where they are.
            let _before = match Page::read(body.clone()) {
                Some(Page { low, high, .. }) => {
                    // A slice would keep all of the segment.
                    let [low, high] = [low, high].map(|key| Bytes::copy_from_slice(&key));
                    let chain = Chain { lsn, low, high, base: place, changes: Vec::new(), doubtful: Vec::new(), lost };
                    chains.insert(page, chain)
                }
                None => chains.remove(&page),
            };
        }
        Kind::Link => match chains.get_mut(&page) {
            Some(chain) if chain.lost == lost => chain.changes.push(place),
            Some(chain) => chain.doubtful.push(place),
            None => return,
        },
        _ => return,
    }
    if is_mended {
        mended.insert(at, body);
    }
}

/// Lays the pages over each other, newer ones over older ones, until all keys are covered.
fn spans(chains: &HashMap<u64, Chain>) -> Vec<Span> {
    let mut newest: Vec<(&u64, &Chain)> = chains.iter().collect();
    newest.sort_unstable_by_key(|(_, chain)| std::cmp::Reverse(chain.lsn));
    // Where something begins, and what; what nobody has is `None`. The last goes on for ever.
    let mut covered: BTreeMap<Bytes, Option<u64>> = BTreeMap::from([(Bytes::new(), None)]);
    for (page, chain) in newest {
        let ends = |key: &Bytes| !chain.high.is_empty() && *key >= chain.high;
        // The free piece that it begins in begins there anew, and the one that it ends in goes on behind it.
        for edge in [&chain.low, &chain.high].into_iter().filter(|edge| !edge.is_empty()) {
            let inside = covered.range::<Bytes, _>(..=edge).next_back().and_then(|(_, of)| *of);
            if inside.is_none() {
                covered.entry(edge.clone()).or_insert(None);
            }
        }
        for (_, of) in covered.range_mut(chain.low.clone()..).take_while(|(low, _)| !ends(low)) {
            of.get_or_insert(*page);
        }
    }
    let highs = covered.keys().skip(1).cloned().chain([Bytes::new()]);
    covered.iter().zip(highs).map(|((low, page), high)| Span { low: low.clone(), high, page: *page }).collect()
}

impl Rows for Wreck {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let (mut found, end) = (None, [key, &[0]].concat());
        self.scan(key..&end, false, &mut |_, value| {
            found = Some(Bytes::copy_from_slice(value));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        if range.start >= range.end {
            return Ok(());
        }
        let first = self.spans.partition_point(|span| &span.low[..] <= range.start).saturating_sub(1);
        let behind = self.spans.partition_point(|span| &span.low[..] < range.end);
        let mut indices: Vec<usize> = (first..behind).collect();
        if reverse {
            indices.reverse();
        }
        for index in indices {
            let span = &self.spans[index];
            let low = Bytes::copy_from_slice(range.start).max(span.low.clone());
            let high = Bytes::copy_from_slice(range.end);
            let high = if span.high.is_empty() { high } else { high.min(span.high.clone()) };
            if low >= high {
                continue;
            }
            let leaf = self.leaf(index)?;
            let mut rows: BTreeMap<&Bytes, Option<&Bytes>> =
                leaf.range(low.clone()..high.clone()).map(|(key, value)| (key, Some(value))).collect();
            rows.extend(self.journal.range(low..high).map(|(key, value)| (key, value.as_ref())));
            let mut rows: Vec<_> = rows.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            if reverse {
                rows.reverse();
            }
            if rows.into_iter().any(|(key, value)| visit(key, value).is_break()) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, _: &Batch) -> Result<(), EngineError> {
        Err(EngineError::Failed("nothing is written to what is damaged".into()))
    }

    fn sync(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn reopen(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn close(&self) {}

    fn free_bytes(&self) -> Result<u64, EngineError> {
        self.dir.lock().free_bytes().map_err(io)
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.dir.lock().bytes().map_err(io)
    }
}

#[cfg(test)]
#[path = "wreck_tests.rs"]
mod tests;
