//! What a round gathered, appended to a file and on the disk before anyone hears of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A file that grows.
#[derive(Debug)]
pub struct Disk {
    file: File,
    gathered: Vec<u8>,
}

impl Disk {
    /// A new file in a directory, which is made if it is not there.
    pub fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = OpenOptions::new().create(true).append(true).open(dir.join("floor.log"))?;
        Ok(Self { file, gathered: Vec::new() })
    }

    /// Takes a record for the next commit.
    pub fn add(&mut self, record: &[u8]) {
        self.gathered.extend_from_slice(record);
    }

    /// Writes what was taken, in one go, and waits for the disk.
    pub fn commit(&mut self) -> io::Result<()> {
        if !self.gathered.is_empty() {
            self.file.write_all(&self.gathered)?;
            self.file.sync_data()?;
            self.gathered.clear();
        }
        Ok(())
    }
}
