//! Mending a store: all that is to be there is written anew beside it, to take its place.
//!
//! Nothing is written over: until the new store is whole, the old one is what it was. What is damaged or belongs nowhere is
//! set aside in a file of its own first.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;

use super::examine::{Counts, Scope, examine};
use super::fault::{Fault, Sink, Stop};
use crate::model::Wall;
use crate::store::{Beside, Rows, keys, life, seal};

/// How much is gathered before it is written, in bytes.
const PAGE: usize = 1 << 20;

/// What is damaged goes by this name in the data directory.
pub fn aside(now: Wall) -> String {
    let stamp: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("damaged-{stamp}")
}

/// A row that gives every channel another epoch: where nobody knows what was lost, no cursor of before may count.
pub fn another_life() -> (Bytes, Option<Bytes>) {
    let key = keys::store(life::GENERATION);
    let value = seal::number(&key, life::short_random());
    (key.into(), Some(value))
}

/// What came of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// What the store holds now.
    pub counts: Counts,
    /// How many faults there were.
    pub faults: u64,
    /// Where the damaged rows are, if there were any.
    pub aside: Option<PathBuf>,
}

/// What listens while the store is written anew.
struct Anew<'a> {
    next: &'a Beside,
    rows: Vec<(Bytes, Option<Bytes>)>,
    bytes: usize,
    folder: &'a Path,
    now: Wall,
    aside: Option<(PathBuf, BufWriter<File>)>,
    faults: u64,
    tell: &'a mut dyn FnMut(&Fault) -> std::io::Result<()>,
    passed: &'a mut dyn FnMut(u64),
}

impl Anew<'_> {
    fn flush(&mut self) -> Result<(), Stop> {
        self.next.put(&self.rows)?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    fn open_aside(&self) -> std::io::Result<(PathBuf, BufWriter<File>)> {
        let path = self.folder.join(aside(self.now));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        Ok((path, BufWriter::new(file)))
    }
}

impl Sink for Anew<'_> {
    fn fault(&mut self, fault: Fault) -> Result<(), Stop> {
        self.faults += 1;
        Ok((self.tell)(&fault)?)
    }

    fn keep(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.bytes += key.len() + value.len();
        self.rows.push((Bytes::copy_from_slice(key), Some(Bytes::copy_from_slice(value))));
        if self.bytes < PAGE { Ok(()) } else { self.flush() }
    }

    fn aside(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        let mut aside = match self.aside.take() {
            Some(aside) => aside,
            None => self.open_aside()?,
        };
        let line = json!({ "key": hex::encode(key), "value": hex::encode(value) });
        writeln!(aside.1, "{line}")?;
        self.aside = Some(aside);
        Ok(())
    }

    fn passed(&mut self, rows: u64) {
        (self.passed)(rows);
    }
}

/// Writes into `next` what of `rows` is to be there, and tells each fault with what is made of it. What is damaged goes into a
/// file in `folder`, the data directory; nothing else there is changed.
pub fn repair(
    rows: &dyn Rows,
    next: &Beside,
    folder: &Path,
    now: Wall,
    tell: &mut dyn FnMut(&Fault) -> std::io::Result<()>,
    passed: &mut dyn FnMut(u64),
) -> Result<Repaired, Stop> {
    let mut anew = Anew { next, rows: Vec::new(), bytes: 0, folder, now, aside: None, faults: 0, tell, passed };
    let counts = examine(rows, &Scope::All, &mut anew)?;
    anew.flush()?;
    let (faults, aside) = (anew.faults, anew.aside.take());
    let aside = aside.map(|(path, file)| {
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok::<_, std::io::Error>(path)
    });
    Ok(Repaired { counts, faults, aside: aside.transpose()? })
}
