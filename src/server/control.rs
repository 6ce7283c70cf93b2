//! The way for the command line to a server that runs: a Unix socket in the data directory. One line of JSON with an order
//! comes, one with its report goes.
//!
//! Whoever may use it may as well read the data directory: nobody but the user that the server runs as, and root. One
//! connection is served at a time.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::auth::Order;
use crate::cli::CONTROL;
use crate::clock;
use crate::session::App;

/// The longest order, in bytes.
const LONGEST: u64 = 64 << 10;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait after a failed accept.
const RETRY: Duration = Duration::from_secs(1);

/// The socket, while it is served.
pub(super) struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Control {
    /// Serves orders in this data directory, which has to be this process's own. Does without if that fails.
    pub fn open(folder: &Path, app: &Arc<App>) -> Option<Self> {
        let path = folder.join(CONTROL);
        let listen = || {
            // What a process left behind that did not end in order.
            drop(std::fs::remove_file(&path));
            let listener = UnixListener::bind(&path)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            io::Result::Ok(listener)
        };
        match listen() {
            Ok(listener) => Some(Self { path, task: actix::spawn(serve(listener, Arc::clone(app))) }),
            Err(why) => {
                log::warn!("no orders from the command line: {}: {why}", path.display());
                None
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        drop(std::fs::remove_file(&self.path));
    }
}

async fn serve(listener: UnixListener, app: Arc<App>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match tokio::time::timeout(PATIENCE, answer(stream, &app)).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => log::warn!("an order from the command line: {why}"),
                Err(_) => log::warn!("an order from the command line took too long"),
            },
            Err(why) => {
                log::warn!("no order from the command line: {why}");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, app: &App) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {peer} may give none")));
    }
    let (read, mut write) = stream.split();
    let mut line = zeroize::Zeroizing::new(String::new());
    BufReader::new(read.take(LONGEST)).read_line(&mut line).await?;
    if line.is_empty() {
        // Somebody only looked whether a server is there.
        return Ok(());
    }
    // Not what serde says: it may name what it found there.
    let order: Order = serde_json::from_str(&line).map_err(|_| io::Error::other("it is none that is known"))?;
    let report = app.gate.obey(order, clock::wall()).await.map_err(|why| why.to_string());
    let mut text = serde_json::to_vec(&report)?;
    text.push(b'\n');
    write.write_all(&text).await
}
