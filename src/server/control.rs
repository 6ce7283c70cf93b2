//! The way for the command line to a server that runs: a Unix socket in the data directory. One line of JSON with an order
//! comes, one with its report goes; for the care of data, many.
//!
//! Whoever may use it may as well read the data directory: nobody but the user that the server runs as, and root. A few
//! connections are served at a time, so that one that takes long keeps no other waiting.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::auth::Order;
use crate::care::{self, Tools};
use crate::cli::CONTROL;
use crate::clock;
use crate::session::App;

/// The longest order, in bytes.
const LONGEST: u64 = 64 << 10;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one who reads what the care of data says may pause.
const LONG_PATIENCE: Duration = Duration::from_secs(600);
/// How many connections are served at a time.
const MOST: usize = 8;
/// How long to wait after a failed accept.
const RETRY: Duration = Duration::from_secs(1);

/// The socket, while it is served.
pub(super) struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Control {
    /// Serves orders in this data directory, which has to be this process's own. Does without if that fails.
    pub fn open(folder: &Path, app: &Arc<App>, tools: Tools) -> Option<Self> {
        let path = folder.join(CONTROL);
        let listen = || {
            // What a process left behind that did not end in order.
            drop(std::fs::remove_file(&path));
            let listener = UnixListener::bind(&path)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            io::Result::Ok(listener)
        };
        match listen() {
            Ok(listener) => Some(Self { path, task: actix::spawn(serve(listener, Arc::clone(app), tools)) }),
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

async fn serve(listener: UnixListener, app: Arc<App>, tools: Tools) {
    // Those that are served end with this task.
    let mut served = JoinSet::new();
    loop {
        tokio::select! {
            stream = accepted(&listener), if served.len() < MOST => {
                let (app, tools) = (Arc::clone(&app), tools.clone());
                served.spawn_local(async move {
                    if let Err(why) = answer(stream, &app, tools).await {
                        log::warn!("an order from the command line: {why}");
                    }
                });
            }
            Some(_) = served.join_next() => {}
        }
    }
}

async fn accepted(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(why) => {
                log::warn!("no order from the command line: {why}");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, app: &App, tools: Tools) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {peer} may give none")));
    }
    let (read, mut write) = stream.split();
    let mut line = zeroize::Zeroizing::new(String::new());
    timeout(PATIENCE, BufReader::new(read.take(LONGEST)).read_line(&mut line)).await??;
    if line.is_empty() {
        // Somebody only looked whether a server is there.
        return Ok(());
    }
    if let Ok(order) = serde_json::from_str::<care::Order>(&line) {
        return care_for(order, app, tools, &mut write).await;
    }
    // Not what serde says: it may name what it found there.
    let order: Order = serde_json::from_str(&line).map_err(|_| io::Error::other("it is none that is known"))?;
    let report = timeout(PATIENCE, app.gate.obey(order, clock::wall())).await?.map_err(|why| why.to_string());
    let mut text = serde_json::to_vec(&report)?;
    text.push(b'\n');
    timeout(PATIENCE, write.write_all(&text)).await?
}

/// Does step by step what is wanted, on the threads that read, and writes what comes of it as it is taken.
async fn care_for(
    order: care::Order,
    app: &App,
    tools: Tools,
    write: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut begun = care::begin(order, tools);
    loop {
        let step = match begun {
            Ok(mut job) => app.context.reads.run(move || Ok((job.step(), job))).await,
            Err(why) => {
                return timeout(LONG_PATIENCE, write.write_all(&care::failed(&why.to_string()))).await?;
            }
        };
        let (lines, job) = match step {
            Ok((Ok(Some(lines)), job)) => (lines, job),
            Ok((Ok(None), _)) => return Ok(()),
            Ok((Err(why), job)) => {
                drop(job);
                begun = Err(why);
                continue;
            }
            Err(why) => {
                begun = Err(why.into());
                continue;
            }
        };
        // An empty line says that it goes on.
        let lines = if lines.is_empty() { &b"\n"[..] } else { &lines };
        timeout(LONG_PATIENCE, write.write_all(lines)).await??;
        begun = Ok(job);
    }
}
