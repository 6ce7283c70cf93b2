//! The data directory: who may enter it, who has it, and which format it says it has.
//!
//! `parlor.lock` is held by the process that has it open; `format` holds one number, written when the store was first
//! complete, and read before anything else is touched.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::OpenError;
use super::journal::Journal;

/// The format that this build writes, and the newest that it reads.
const FORMAT: u32 = 4;
/// An earlier one, without a journal.
const NO_JOURNAL: u32 = 1;
/// Another, with one file of it.
const ONE_JOURNAL: u32 = 2;
/// The one before, whose channels are in no index.
const NO_INDEX: u32 = 3;

/// What is in a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or a store that was never complete.
    Nothing,
    /// A store of an earlier format: it has so many files of the journal.
    Older(usize),
    /// A store.
    Store,
}

/// How the name of a snapshot ends that sled is still writing.
const UNFINISHED: &str = "generating";

/// `None` for what is not there.
fn gone<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// Whether sled wrote a snapshot to its end: its content, a length of 8 bytes, and the content's CRC-32, little-endian.
fn is_snapshot(bytes: &[u8]) -> bool {
    let Some((front, crc)) = bytes.split_last_chunk::<4>() else { return false };
    let Some((content, _)) = front.split_last_chunk::<8>() else { return false };
    !content.is_empty() && u32::from_le_bytes(*crc) == crc32fast::hash(content)
}

/// Where sled's directory is.
const TREE: &str = "sled";
/// Where the one is made that is to take its place.
const NEXT: &str = "sled.new";
/// Where it goes when the other takes its place.
const LAST: &str = "sled.old";

#[derive(Debug)]
pub(super) struct Dir {
    path: PathBuf,
    /// The name of sled's own directory in it.
    tree: &'static str,
    lock: Option<File>,
}

impl Dir {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), tree: TREE, lock: None }
    }

    /// The same place with the directory that is to take the place of sled's; it is locked by whoever has the other.
    pub(super) fn next(path: &Path) -> Self {
        Self { tree: NEXT, ..Self::new(path) }
    }

    /// Whether it holds a store, or what is left of one.
    pub(super) fn is_taken(path: &Path) -> bool {
        ["format", TREE, LAST].iter().any(|name| path.join(name).exists())
    }

    /// sled's own directory.
    pub(super) fn tree(&self) -> PathBuf {
        self.path.join(self.tree)
    }

    /// sled's one large file.
    pub(super) fn data(&self) -> PathBuf {
        self.tree().join("db")
    }

    /// What sled does not hold yet.
    pub(super) fn journal(&self) -> [PathBuf; 2] {
        ["journal", "journal.odd"].map(|name| self.path.join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn io(&self, error: &io::Error) -> OpenError {
        OpenError::Io { path: self.shown(), why: error.to_string() }
    }

    /// Makes the directory if need be, takes it, and tells what it holds.
    pub(super) fn lock(&mut self) -> Result<Found, OpenError> {
        if self.lock.is_none() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(|error| self.io(&error))?;
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(self.path.join("parlor.lock"))
                .map_err(|error| self.io(&error))?;
            file.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => OpenError::InUse(self.shown()),
                TryLockError::Error(error) => self.io(&error),
            })?;
            self.lock = Some(file);
            if !matches!(self.found(), Err(OpenError::Newer { .. })) {
                self.finish().map_err(|error| self.io(&error))?;
            }
        }
        self.found()
    }

    /// Ends what a kill may have left of one directory taking the place of another: the new one is whole if the old one has
    /// gone, and nothing if it has not.
    fn finish(&self) -> io::Result<()> {
        let [tree, next, last] = [TREE, NEXT, LAST].map(|name| self.path.join(name));
        if last.exists() && !tree.exists() {
            fs::rename(if next.exists() { &next } else { &last }, &tree)?;
            File::open(&self.path)?.sync_all()?;
        }
        [next, last].iter().try_for_each(|left| gone(fs::remove_dir_all(left)).map(drop))
    }

    /// Puts the directory beside in the place of sled's, if there is one, which is removed or gets the name `aside`; nobody has
    /// either of them open.
    pub(super) fn swap(&self, aside: Option<&str>) -> io::Result<()> {
        let [tree, next, last] = [TREE, NEXT, LAST].map(|name| self.path.join(name));
        let names = File::open(&self.path)?;
        File::open(&next)?.sync_all()?;
        names.sync_all()?;
        if tree.exists() {
            fs::rename(&tree, &last)?;
            names.sync_all()?;
        }
        fs::rename(&next, &tree)?;
        names.sync_all()?;
        match aside {
            None => gone(fs::remove_dir_all(&last)).map(drop),
            Some(aside) => fs::rename(&last, self.path.join(aside)).and_then(|()| names.sync_all()),
        }
    }

    /// Has both files of the journal there, and copies of those that were there in sled's directory.
    pub(super) fn copy_journal(&self) -> io::Result<()> {
        for path in self.journal() {
            match path.file_name().filter(|_| path.exists()) {
                Some(name) => drop(fs::copy(&path, self.tree().join(name))?),
                None => Journal::make(&path)?,
            }
        }
        Ok(())
    }

    /// The files of which each is one piece, if they are not what was written; sled's large one and the journal are looked through
    /// elsewhere.
    pub(super) fn broken(&self) -> io::Result<Vec<&'static str>> {
        let mut broken = Vec::new();
        let older = match self.found() {
            Ok(Found::Older(files)) => Some(files),
            Ok(_) => None,
            Err(_) => {
                let number =
                    fs::read_to_string(self.path.join("format")).ok().and_then(|text| text.trim().parse::<u32>().ok());
                if number.is_none_or(|number| !(NO_JOURNAL..=FORMAT).contains(&number)) {
                    broken.push("format");
                }
                None
            }
        };
        let files = ["journal", "journal.odd"].into_iter().zip(self.journal()).take(older.unwrap_or(2));
        broken.extend(files.filter(|(_, path)| !path.exists()).map(|(name, _)| name));
        if let Some(conf) = gone(fs::read(self.tree().join("conf")))?
            && let Some((content, crc)) = conf.split_last_chunk::<4>().filter(|(content, _)| content.len() > 4)
            && u32::from_le_bytes(*crc) != crc32fast::hash(content)
        {
            broken.push("sled/conf");
        }
        if let Some(path) = self.named_snapshots()?.pop()
            && !is_snapshot(&fs::read(path)?)
        {
            broken.push("sled/snap");
        }
        Ok(broken)
    }

    /// Up to where sled's log needs not be gone through any more: its newest snapshot has what is before.
    pub(super) fn snapshot_lsn(&self) -> io::Result<u64> {
        let newest = self.named_snapshots()?.pop();
        let lsn = newest.and_then(|path| u64::from_str_radix(path.extension()?.to_str()?, 16).ok());
        Ok(lsn.unwrap_or(0))
    }

    /// sled's snapshots that it was done with, oldest first.
    fn named_snapshots(&self) -> io::Result<Vec<PathBuf>> {
        let mut named = self.snapshots()?;
        named.retain(|path| path.extension().is_none_or(|end| end != UNFINISHED));
        Ok(named)
    }

    /// Lets others have it.
    pub(super) fn unlock(&mut self) {
        self.lock = None;
    }

    fn found(&self) -> Result<Found, OpenError> {
        let text = match fs::read(self.path.join("format")) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(self.io(&error)),
        };
        let damaged = |why: String| OpenError::Damaged { path: self.shown(), why };
        let [even, odd] = self.journal();
        match text.parse::<u32>() {
            Ok(found) if found > FORMAT => Err(OpenError::Newer { path: self.shown(), found, known: FORMAT }),
            Ok(NO_JOURNAL..=FORMAT) if !self.data().exists() => Err(damaged("sled/db is missing".into())),
            Ok(NO_JOURNAL) => Ok(Found::Older(0)),
            Ok(ONE_JOURNAL) if even.exists() => Ok(Found::Older(1)),
            Ok(NO_INDEX) if even.exists() && odd.exists() => Ok(Found::Older(2)),
            Ok(FORMAT) if even.exists() && odd.exists() => Ok(Found::Store),
            Ok(ONE_JOURNAL | NO_INDEX | FORMAT) => Err(damaged("its journal is missing".into())),
            _ => Err(damaged(format!("expected a number in its file \"format\", found {text:?}"))),
        }
    }

    /// Makes ready what a loss of power may have left, before it is opened.
    pub(super) fn prepare(&self, found: Found) -> io::Result<()> {
        let tree = self.tree();
        let kept = match found {
            Found::Nothing => 0,
            Found::Older(files) => files,
            Found::Store => 2,
        };
        for path in self.journal().iter().skip(kept) {
            Journal::make(path)?;
        }
        if found == Found::Nothing {
            // sled writes it anew; it refuses one of which only the length reached the disk.
            gone(fs::remove_file(tree.join("conf")))?;
        }
        // sled takes a snapshot that it had only begun to write for its newest one, and refuses the whole store. While
        // that was not whole, the one before is still there, or all of the log. Behind a whole one neither may be.
        for path in self.snapshots()? {
            if path.extension().is_none_or(|end| end != UNFINISHED) {
                continue;
            }
            if is_snapshot(&fs::read(&path)?) {
                File::open(&path)?.sync_all()?;
                fs::rename(&path, path.with_extension(""))?;
            } else {
                fs::remove_file(path)?;
            }
        }
        self.settle_snapshots()?;
        // What sled finds it takes for durable, but after a kill it may not be.
        gone(File::open(self.data()))?.map_or(Ok(()), |data| data.sync_all())
    }

    /// sled's snapshots, oldest first: their names hold how far each goes, in so many digits.
    fn snapshots(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in gone(fs::read_dir(self.tree()))?.into_iter().flatten() {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b"snap.") {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    /// The newest snapshot lasts; only then the others go.
    pub(super) fn settle_snapshots(&self) -> io::Result<()> {
        let Some(names) = gone(File::open(self.tree()))? else { return Ok(()) };
        names.sync_all()?;
        let mut snapshots = self.snapshots()?;
        snapshots.pop();
        snapshots.into_iter().try_for_each(fs::remove_file)
    }

    /// What sled just made lasts: its names, and the one file that it writes and never syncs.
    pub(super) fn sync_names(&self) -> io::Result<()> {
        File::open(self.tree().join("conf"))?.sync_all()?;
        File::open(self.tree())?.sync_all()
    }

    /// The store is complete: says so, durably.
    pub(super) fn write_format(&self) -> Result<(), OpenError> {
        // The directory itself may be new, and some of those that it is in: their names last, as far as we may see to it.
        let whole = std::path::absolute(&self.path).map_err(|error| self.io(&error))?;
        for above in whole.ancestors().skip(1) {
            let _ = File::open(above).and_then(|names| names.sync_all());
        }
        let write = || {
            let draft = self.path.join("format.new");
            let mut file = File::create(&draft)?;
            writeln!(file, "{FORMAT}")?;
            file.sync_all()?;
            // The names of all that it speaks of last before its own does.
            let names = File::open(&self.path)?;
            names.sync_all()?;
            fs::rename(&draft, self.path.join("format"))?;
            names.sync_all()
        };
        write().map_err(|error| self.io(&error))
    }

    /// Has the system forget its copies of the data, so that what is read next comes from the disk: after a failed
    /// fsync they may be newer than what is there, and marked as written.
    pub(super) fn forget_pages(&self) {
        #[cfg(target_os = "linux")]
        for file in self.journal().iter().chain([&self.data()]).filter_map(|path| File::open(path).ok()) {
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }

    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    pub(super) fn bytes(&self) -> io::Result<u64> {
        fn sum(path: &Path) -> io::Result<u64> {
            let mut bytes = 0;
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                // sled may remove a file while this looks.
                if let Ok(data) = entry.metadata() {
                    bytes += if data.is_dir() { sum(&entry.path())? } else { data.len() };
                }
            }
            Ok(bytes)
        }
        sum(&self.path)
    }
}

#[cfg(test)]
#[path = "dir_tests.rs"]
mod tests;
