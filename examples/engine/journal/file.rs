//! The journal's file, and the index over it: which value stands where.
//!
//! Everything is appended. When too little of the file is of use any more, what is is written into a new
//! file, which takes the old one's place by a rename: whoever looks, at any moment, finds one of the two whole.
//!
//! What an error here means, and who may go on after it, is for those who call; nothing here tries twice.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read};
use std::ops::{Bound, Range};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parlor::store::{EngineError, Visit};

use super::record::{self, Draft, HEAD, HEADER, Head, Wrong};

/// The file's name.
const NAME: &str = "journal";
/// The name of a file that is to take its place.
const NEXT: &str = "journal.next";
/// About how much goes into one record when it is rewritten, in bytes.
const BITE: usize = 1 << 20;

/// When the file is rewritten.
#[derive(Clone, Copy, Debug)]
pub struct Rewriting {
    /// Not before it is this long, in bytes.
    pub from: u64,
    /// When it is this many times as long as what is of use in it. The larger, the more room it takes, and the less often
    /// everything is written again.
    pub ratio: u64,
}

/// Where a value stands, and what it has to be when it is read: a disk may forget after the file was opened.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    length: u32,
    check: u32,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    file: File,
    /// Where the next record goes.
    end: u64,
    /// How much of the file is surely on disk.
    synced: AtomicU64,
    index: BTreeMap<Box<[u8]>, Place>,
    /// What the rows of the index take in the file, in bytes.
    live: u64,
    rewriting: Rewriting,
    /// It was tried and failed, and is not tried again before the file is this long.
    retry_from: u64,
}

fn failed(error: io::Error) -> EngineError {
    EngineError::Failed(error.to_string())
}

fn damaged(at: u64, wrong: Wrong) -> EngineError {
    EngineError::Damaged(format!("journal, at byte {at}: {wrong}"))
}

impl Journal {
    /// Opens the journal in `dir`, or makes an empty one. If `trusted` is given, what lies beyond it is not believed and
    /// cut off, whatever it says.
    pub fn open(dir: &Path, rewriting: Rewriting, trusted: Option<u64>) -> Result<Self, EngineError> {
        // One that was not finished when its process was killed.
        match fs::remove_file(dir.join(NEXT)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = match OpenOptions::new().read(true).write(true).open(dir.join(NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let fresh = Self::next(dir, rewriting)?;
                fresh.whole()?;
                fresh.take_place()?;
                return Ok(fresh);
            }
            Err(error) => return Err(failed(error)),
        };
        let mut journal = Self::over(dir, file, rewriting);
        journal.load(trusted)?;
        // A rename that a process saw before it was killed may not have reached the disk. If a power cut took it back
        // now, what is appended from here on would be gone with the new file.
        sync_names(dir)?;
        Ok(journal)
    }

    fn over(dir: &Path, file: File, rewriting: Rewriting) -> Self {
        Self {
            dir: dir.to_owned(),
            file,
            end: HEADER.len() as u64,
            synced: AtomicU64::new(0),
            index: BTreeMap::new(),
            live: 0,
            rewriting,
            retry_from: 0,
        }
    }

    /// An empty journal that has not taken its place yet.
    fn next(dir: &Path, rewriting: Rewriting) -> Result<Self, EngineError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(dir.join(NEXT)).map_err(failed)?;
        file.write_all_at(&HEADER, 0).map_err(failed)?;
        Ok(Self::over(dir, file, rewriting))
    }

    /// Everything in a new file is on disk when this returns. Only then may it take its place.
    fn whole(&self) -> Result<(), EngineError> {
        self.file.sync_all().map_err(failed)?;
        self.synced.store(self.end, Relaxed);
        Ok(())
    }

    /// Takes the place of the journal that was there.
    fn take_place(&self) -> Result<(), EngineError> {
        fs::rename(self.dir.join(NEXT), self.dir.join(NAME)).map_err(failed)?;
        sync_names(&self.dir)
    }

    /// Reads the file from its beginning, and cuts off what was never written whole.
    fn load(&mut self, trusted: Option<u64>) -> Result<(), EngineError> {
        let length = self.file.metadata().map_err(failed)?.len();
        let filled = filled(&self.file, trusted.map_or(length, |trusted| trusted.min(length))).map_err(failed)?;
        if filled < HEADER.len() as u64 {
            return Err(damaged(filled, Wrong::Kind));
        }
        let file = self.file.try_clone().map_err(failed)?;
        let mut reader = BufReader::with_capacity(BITE, file);
        let mut header = [0; HEADER.len()];
        reader.read_exact(&mut header).map_err(failed)?;
        record::check_header(header).map_err(|wrong| damaged(0, wrong))?;
        let mut rest = Vec::new();
        while filled - self.end >= HEAD as u64 {
            let mut head = [0; HEAD];
            reader.read_exact(&mut head).map_err(failed)?;
            let head = Head::read(head).map_err(|wrong| damaged(self.end, wrong))?;
            let next = self.end + (HEAD + head.rest()) as u64;
            if next > filled {
                break;
            }
            rest.resize(head.rest(), 0);
            reader.read_exact(&mut rest).map_err(failed)?;
            let rows = head.rows(&rest).map_err(|wrong| damaged(self.end, wrong))?;
            self.learn(rows)?;
            self.end = next;
        }
        if self.end < length {
            log::warn!("the journal's last {} bytes were never written whole and are cut off", length - self.end);
            self.file.set_len(self.end).map_err(failed)?;
        }
        // What was read may have been on its way to the disk still.
        self.whole()
    }

    /// Enters the rows of the record at the end into the index.
    fn learn(&mut self, rows: &[u8]) -> Result<(), EngineError> {
        let start = self.end + HEAD as u64;
        for row in record::rows(rows) {
            let row = row.map_err(|wrong| damaged(self.end, wrong))?;
            let before = match row.value {
                Some((at, value)) => {
                    self.live += record::size(row.key.len(), value.len());
                    let check = crc32fast::hash(value);
                    let place = Place { at: start + at as u64, length: value.len() as u32, check };
                    self.index.insert(row.key.into(), place)
                }
                None => self.index.remove(row.key),
            };
            if let Some(before) = before {
                self.live -= record::size(row.key.len(), before.length as usize);
            }
        }
        Ok(())
    }

    /// Appends a sealed record. After an error the file may end with a part of it.
    pub fn append(&mut self, record: &[u8]) -> Result<(), EngineError> {
        self.file.write_all_at(record, self.end).map_err(failed)?;
        self.learn(&record[HEAD..record.len() - 1])?;
        self.end += record.len() as u64;
        Ok(())
    }

    /// Returns when everything appended is on disk. After an error nobody knows what is.
    pub fn sync(&self) -> Result<(), EngineError> {
        self.file.sync_data().map_err(failed)?;
        self.synced.store(self.end, Relaxed);
        Ok(())
    }

    /// How much of the file was on disk when it was last synced.
    pub fn synced(&self) -> u64 {
        self.synced.load(Relaxed)
    }

    /// Rewrites the file if that is due; everybody waits meanwhile. Where there is no room for a second file, the old one
    /// goes on and nothing is lost; it is tried again when it has doubled. After an error nobody knows which of the two
    /// files is there after a crash. Both hold everything that was synced.
    pub fn rewrite_if_due(&mut self) -> Result<(), EngineError> {
        let due = self.rewriting.ratio.saturating_mul(self.live + HEADER.len() as u64);
        if self.end < due.max(self.rewriting.from).max(self.retry_from) {
            return Ok(());
        }
        let fresh = match self.rewritten() {
            Ok(fresh) => fresh,
            Err(error) => {
                log::warn!("the journal cannot be rewritten now: {error}");
                self.retry_from = self.end * 2;
                // If that fails, too, the next opening removes it.
                let _ = fs::remove_file(self.dir.join(NEXT));
                return Ok(());
            }
        };
        fresh.take_place()?;
        log::info!("the journal was rewritten: {} bytes instead of {}", fresh.end, self.end);
        *self = fresh;
        Ok(())
    }

    /// A new file with what is of use, whole and on disk.
    fn rewritten(&self) -> Result<Self, EngineError> {
        let mut fresh = Self::next(&self.dir, self.rewriting)?;
        let (mut draft, mut value) = (Draft::default(), Vec::new());
        for (key, place) in &self.index {
            self.read(*place, &mut value)?;
            draft.put(key, &value);
            if draft.len() >= BITE {
                fresh.add(std::mem::take(&mut draft))?;
            }
        }
        fresh.add(draft)?;
        fresh.whole()?;
        Ok(fresh)
    }

    fn add(&mut self, draft: Draft) -> Result<(), EngineError> {
        let record = draft.seal().map_err(|wrong| damaged(self.end, wrong))?;
        self.append(&record)
    }

    /// One row's value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let Some(place) = self.index.get(key) else { return Ok(None) };
        let mut value = Vec::new();
        self.read(*place, &mut value)?;
        Ok(Some(value))
    }

    /// Calls `visit` with the rows of `range`, ascending or descending, until it breaks.
    pub fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        if range.start >= range.end {
            return Ok(());
        }
        let mut rows = self.index.range::<[u8], _>((Bound::Included(range.start), Bound::Excluded(range.end)));
        let mut value = Vec::new();
        while let Some((key, place)) = if reverse { rows.next_back() } else { rows.next() } {
            self.read(*place, &mut value)?;
            if visit(key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, place: Place, value: &mut Vec<u8>) -> Result<(), EngineError> {
        value.resize(place.length as usize, 0);
        self.file.read_exact_at(value, place.at).map_err(failed)?;
        if crc32fast::hash(value) == place.check { Ok(()) } else { Err(damaged(place.at, Wrong::Rows)) }
    }

    /// From here on nothing can be read, written or synced.
    #[cfg(test)]
    pub fn unplug(&mut self) -> io::Result<()> {
        self.file = File::open("/dev/null")?;
        Ok(())
    }

    /// How long the journal in `dir` is, with one that is to take its place.
    pub fn bytes(dir: &Path) -> io::Result<u64> {
        let next = fs::metadata(dir.join(NEXT)).map_or(0, |next| next.len());
        Ok(fs::metadata(dir.join(NAME))?.len() + next)
    }
}

/// Where a file's last byte that is not zero ends, of its first `length`.
fn filled(file: &File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut chunk = vec![0; 64 << 10];
    while end > 0 {
        let start = end.saturating_sub(chunk.len() as u64);
        let part = &mut chunk[..(end - start) as usize];
        file.read_exact_at(part, start)?;
        if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Returns when the names in a directory are on disk: a file that is synced may still have no name after a power cut.
fn sync_names(dir: &Path) -> Result<(), EngineError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}
