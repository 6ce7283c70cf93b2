//! What is kept between two runs, in a small file: the guest's token, and how far each channel was read.
//!
//! The file belongs to one server and one name. Only its owner may read it, since the token is a secret; it is replaced by
//! renaming, so that there is always a whole one; and a lock beside it sees to it that no two terminals share it.

use std::env;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use parlor::client::Cursor;
use serde::{Deserialize, Serialize};

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub server: String,
    pub user: Option<String>,
    pub token: Option<String>,
    /// The one that was talked in.
    pub current: Option<String>,
    /// The open channels, in the order in which they were opened.
    pub channels: Vec<Place>,
}

/// A channel, and what was had of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub name: String,
    pub cursor: Option<Cursor>,
}

/// The file.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    last: Option<Memory>,
    forgotten: bool,
    _lock: File,
}

/// Where the file of a server and a name is, if nobody says otherwise.
pub fn usual_path(server: &str, name: &str) -> Option<PathBuf> {
    let filled = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = filled("XDG_STATE_HOME").or_else(|| Some(filled("HOME")?.join(".local/state")))?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
    let server: String = server.trim_end_matches('/').chars().map(plain).collect();
    Some(state.join("parlor").join(format!("{server}-{name}.json")))
}

impl Kept {
    /// Opens the file, and says what is in it; nothing if it is not there, or if it is to be forgotten.
    pub fn open(path: &Path, forget: bool) -> io::Result<(Self, Memory)> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let lock = File::create(path.with_extension("lock"))?;
        lock.try_lock().map_err(|why| match why {
            TryLockError::WouldBlock => {
                io::Error::other("another terminal uses it: take another --name, or --state FILE")
            }
            TryLockError::Error(why) => why,
        })?;
        let mut kept = Self { path: path.to_owned(), last: None, forgotten: false, _lock: lock };
        if forget {
            kept.forget()?;
            kept.forgotten = false;
        }
        match std::fs::read(path) {
            Ok(bytes) => {
                let memory = serde_json::from_slice(&bytes)
                    .map_err(|why| io::Error::other(format!("{why}; --forget begins anew")))?;
                Ok((kept, memory))
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok((kept, Memory::default())),
            Err(why) => Err(why),
        }
    }

    /// Replaces what is in it, if that is another, and if it was not forgotten.
    pub fn save(&mut self, memory: &Memory) -> io::Result<()> {
        if self.forgotten || self.last.as_ref() == Some(memory) {
            return Ok(());
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, memory)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        self.last = Some(memory.clone());
        Ok(())
    }

    /// Removes it, for good.
    pub fn forget(&mut self) -> io::Result<()> {
        self.forgotten = true;
        match std::fs::remove_file(&self.path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }
}
