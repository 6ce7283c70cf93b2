//! What a new data directory begins with: the first operator's token, in a file that its owner alone can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::auth::{FirstError, Gate};
use crate::clock;

/// The file's name in the data directory.
const FILE: &str = "operator.token";

/// Makes the first operator, unless there has been one. A server without one runs all the same.
pub(super) async fn provide(folder: &Path, gate: &Gate) {
    let path = folder.join(FILE);
    match gate.first_operator(clock::wall(), |token| write(folder, &path, token)).await {
        Ok(true) => log::info!("the first operator's token is in {}", path.display()),
        Ok(false) => {}
        // It would be good for nothing.
        Err(FirstError::Taken) => drop(std::fs::remove_file(&path)),
        Err(why) => log::error!("there is no operator's token in {}: {why}", path.display()),
    }
}

/// All of it or nothing, and on disk when this returns.
fn write(folder: &Path, path: &Path, token: &str) -> io::Result<()> {
    let new = path.with_extension("token.new");
    // What a start left behind that was interrupted might be somebody else's to read.
    match std::fs::remove_file(&new) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}
