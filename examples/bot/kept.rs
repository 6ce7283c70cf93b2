//! What the bot keeps in its file: who it is, how far it has answered, and what it promised to say.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parlor::client::Cursor;
use serde::{Deserialize, Serialize};

/// The file's content.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// It has to be the same user in every run: a key counts for the user who gave it.
    pub token: Option<String>,
    /// Of each channel: everything up to there has its answer.
    pub answered: BTreeMap<String, Cursor>,
    pub reminders: Vec<Reminder>,
}

/// Something to be said later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    pub channel: String,
    /// The message that asked for it.
    pub asked: Cursor,
    /// When, in milliseconds since 1970.
    pub due: i64,
    pub text: String,
}

/// The file.
pub struct Kept {
    path: PathBuf,
    pub memory: Memory,
}

impl Kept {
    /// Reads it, if it is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let memory = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => Memory::default(),
            Err(why) => return Err(why),
        };
        Ok(Self { path: path.to_owned(), memory })
    }

    /// Replaces it by renaming, so that there is a whole one whenever the bot is killed. Only its owner may read it.
    pub fn save(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, &self.memory)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}
