//! A store written anew beside the one that is there, and put in its place when it is whole.
//!
//! It is written into a directory of sled's own, past the journal; what it replaces is with sled altogether by then. A kill
//! at any moment leaves the one or the other (`docs/format.md`).

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::super::OpenError;
use super::super::rows::{EngineError, Rows, Visit};
use super::dir::{Dir, Found};
use super::tree::{Tree, caught, io};
use super::{Open, SledRows};

/// The first key that is not the engine's own.
const OWN: &[u8] = &[1];
/// A key behind every other.
const END: &[u8] = &[0xff; 40];

/// The store that is being written.
pub struct Beside {
    tree: Tree,
    /// Where that is.
    folder: PathBuf,
    /// The first round of the journal that counts.
    round: u64,
}

impl Beside {
    /// Begins one in an empty directory.
    pub(super) fn begin(path: &Path, cache: u64, round: u64) -> Result<Self, EngineError> {
        let dir = Dir::next(path);
        match std::fs::remove_dir_all(dir.tree()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        Ok(Self { tree: Tree::open(&dir, cache, false)?, folder: dir.tree(), round })
    }

    /// Writes rows; a later one for a key wins.
    pub fn put(&self, rows: &[(Bytes, Option<Bytes>)]) -> Result<(), EngineError> {
        caught(|| self.tree.apply(rows))
    }

    /// Visits the rows that were written, ascending.
    pub fn scan(&self, range: Range<&[u8]>, visit: Visit<'_>) -> Result<(), EngineError> {
        caught(|| {
            for row in self.tree.scan(range, false) {
                let (key, value) = row?;
                if visit(&key, &value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Whether it takes more room than the one that it is to replace.
    pub fn is_larger(&self, than: &SledRows) -> Result<bool, EngineError> {
        caught(|| self.tree.sync())?;
        let length = |dir: &Dir| std::fs::metadata(dir.data()).map(|data| data.len()).map_err(io);
        Ok(length(&Dir::next(than.place.path()))? > length(&than.place)?)
    }

    /// Removes it; what cannot be removed goes when the store is opened next.
    pub fn give_up(self) {
        let folder = self.folder.clone();
        drop(self);
        let _ = std::fs::remove_dir_all(folder);
    }

    /// All of it is on disk.
    pub(super) fn end(self) -> Result<(), EngineError> {
        caught(|| self.tree.begin(self.round))?;
        caught(|| {
            drop(self);
            Ok(())
        })
    }
}

impl SledRows {
    /// Begins a store beside this one, to which nobody writes until it is replaced.
    pub fn beside(&self) -> Result<Beside, EngineError> {
        self.settle(true)?;
        let round = self.with(|open| open.stand.tree.round())?;
        Beside::begin(self.place.path(), self.cache, round)
    }

    /// Puts `next` in the place of this store, and lets go of it.
    pub fn replace(self, next: Beside) -> Result<(), EngineError> {
        next.end()?;
        self.let_go();
        let dir = self.dir.lock();
        // sled's threads may hold its files for a moment longer; they write nothing any more.
        dir.swap(None).map_err(io)
    }

    /// Makes a store of what `fill` writes, in a directory that holds none. Nothing is there unless all of it is.
    pub fn make<T, E: From<EngineError>>(
        path: &Path,
        cache: u64,
        fill: impl FnOnce(&Beside) -> Result<T, E>,
    ) -> Result<Result<T, E>, OpenError> {
        let failed = |why: EngineError| OpenError::Io { path: path.display().to_string(), why: why.to_string() };
        if Dir::is_taken(path) {
            return Err(OpenError::Taken(path.display().to_string()));
        }
        let mut dir = Dir::new(path);
        if dir.lock()? != Found::Nothing || Dir::is_taken(path) {
            return Err(OpenError::Taken(path.display().to_string()));
        }
        let next = Beside::begin(path, cache, 0).map_err(failed)?;
        let done = match fill(&next) {
            Ok(done) => done,
            Err(error) => {
                next.give_up();
                return Ok(Err(error));
            }
        };
        next.end().map_err(failed)?;
        dir.swap(None).map_err(|why| failed(io(why)))?;
        // As a new one is opened: the journal is made beside it, and `format` is written last.
        drop(Open::new(&dir, cache, Found::Nothing).map_err(failed)?);
        dir.write_format()?;
        Ok(Ok(done))
    }

    /// Copies every row into `next`, and calls `passed` with the number of rows so far; gives how many there are.
    pub fn copy(&self, next: &Beside, passed: &mut dyn FnMut(u64)) -> Result<u64, EngineError> {
        let (mut from, mut rows) = (Digest::default(), Vec::new());
        let mut start = OWN.to_vec();
        loop {
            let mut bytes = 0;
            self.scan(&start..END, false, &mut |key, value| {
                from.add(key, value);
                bytes += key.len() + value.len();
                rows.push((Bytes::copy_from_slice(key), Some(Bytes::copy_from_slice(value))));
                if bytes < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            let Some((last, _)) = rows.last() else { break };
            start = [last, &[0][..]].concat();
            next.put(&rows)?;
            rows.clear();
            passed(from.rows);
        }
        let mut to = Digest::default();
        next.scan(OWN..END, &mut |key, value| {
            to.add(key, value);
            ControlFlow::Continue(())
        })?;
        if to != from {
            let why = format!("{} rows were written, and {} are there, or they are not the same", from.rows, to.rows);
            return Err(EngineError::Damaged(why));
        }
        Ok(from.rows)
    }
}

/// How much is read before it is written, in bytes.
const PAGE: usize = 1 << 20;

/// How many rows there are, and a checksum over all of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Digest {
    rows: u64,
    sum: u32,
}

impl Digest {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut crc = crc32fast::Hasher::new_with_initial(self.sum);
        crc.update(&(key.len() as u64).to_be_bytes());
        crc.update(key);
        crc.update(value);
        (self.rows, self.sum) = (self.rows + 1, crc.finalize());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::super::rows::Batch;
    use super::*;

    fn filled(path: &Path) -> SledRows {
        let rows = SledRows::open(path, 1 << 20).unwrap();
        for n in 0..200_u8 {
            let mut batch = Batch::default();
            batch.put(vec![1, n], vec![n; 300]);
            rows.apply(&batch).unwrap();
        }
        rows.sync().unwrap();
        rows
    }

    fn count(rows: &SledRows) -> usize {
        let mut count = 0;
        rows.scan(OWN..END, false, &mut |key, value| {
            assert_eq!(value, vec![key[1]; 300]);
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        count
    }

    #[test]
    fn a_store_that_was_copied_takes_the_others_place_and_goes_on() {
        let home = tempfile::tempdir().unwrap();
        let rows = filled(home.path());
        let next = rows.beside().unwrap();
        assert_eq!(rows.copy(&next, &mut |_| ()).unwrap(), 200);
        rows.replace(next).unwrap();
        for _ in 0..2 {
            let rows = SledRows::open(home.path(), 1 << 20).unwrap();
            assert_eq!(count(&rows), 200);
            let mut batch = Batch::default();
            batch.put(vec![1, 7], vec![7; 300]);
            rows.apply(&batch).unwrap();
            rows.sync().unwrap();
        }
    }

    #[test]
    fn nothing_is_left_of_a_store_that_was_given_up() {
        let home = tempfile::tempdir().unwrap();
        let rows = filled(home.path());
        let next = rows.beside().unwrap();
        rows.copy(&next, &mut |_| ()).unwrap();
        assert!(home.path().join("sled.new").exists());
        next.give_up();
        assert!(!home.path().join("sled.new").exists());
        assert_eq!(count(&rows), 200);
    }

    #[test]
    fn what_a_kill_leaves_of_it_is_the_one_or_the_other() {
        for moment in ["written", "old one aside", "new one in place"] {
            let home = tempfile::tempdir().unwrap();
            let rows = filled(home.path());
            let next = rows.beside().unwrap();
            rows.copy(&next, &mut |_| ()).unwrap();
            next.end().unwrap();
            drop(rows);
            let [tree, new, old] = ["sled", "sled.new", "sled.old"].map(|name| home.path().join(name));
            if moment != "written" {
                fs::rename(&tree, &old).unwrap();
            }
            if moment == "new one in place" {
                fs::rename(&new, &tree).unwrap();
            }
            assert_eq!(count(&SledRows::open_known(home.path(), 1 << 20).unwrap()), 200, "{moment}");
            assert!(tree.exists() && !new.exists() && !old.exists(), "{moment}");
        }
    }

    #[test]
    fn a_store_is_made_whole_or_not_at_all_and_over_no_other() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        assert!(matches!(SledRows::open_known(&path, 1 << 20), Err(OpenError::Nothing(_))));
        let failed = SledRows::make(&path, 1 << 20, |next| {
            next.put(&[(Bytes::from_static(&[1, 1]), Some(vec![1; 300].into()))])?;
            Err::<(), _>(EngineError::Closed)
        });
        assert_eq!(failed.unwrap(), Err(EngineError::Closed));
        assert!(matches!(SledRows::open_known(&path, 1 << 20), Err(OpenError::Nothing(_))));
        let made = SledRows::make(&path, 1 << 20, |next| {
            next.put(&[(Bytes::from_static(&[1, 9]), Some(vec![9; 300].into()))])
        });
        made.unwrap().unwrap();
        assert_eq!(count(&SledRows::open_known(&path, 1 << 20).unwrap()), 1);
        let again = SledRows::make(&path, 1 << 20, |_| Ok::<_, EngineError>(()));
        assert!(matches!(again, Err(OpenError::Taken(_))));
    }
}
