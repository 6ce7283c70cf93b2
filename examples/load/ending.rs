//! An end from outside: whoever ends the generator ends with it the servers that it started, and removes their
//! directories. Without this a run that was cut short would leave both behind.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::signal::unix::{SignalKind, signal};

/// So often a directory is removed, if someone still writes to it meanwhile.
const TRIES: u32 = 5;

/// What must not outlive this program.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Own {
    /// A server: it is killed, since its directory goes as well.
    Server(u32),
    /// A generator, which cleans up after itself when it is asked to end.
    Generator(u32),
    /// A directory.
    Home(PathBuf),
}

static ALL: Mutex<Vec<Own>> = Mutex::new(Vec::new());

fn all() -> MutexGuard<'static, Vec<Own>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers something for as long as this lives.
#[derive(Debug)]
struct Kept(Own);

impl Kept {
    fn new(own: Own, all: &mut Vec<Own>) -> Self {
        all.push(own.clone());
        Self(own)
    }
}

impl Drop for Kept {
    /// While an end from outside is under way this waits for it, so that nothing else happens.
    fn drop(&mut self) {
        all().retain(|own| *own != self.0);
    }
}

/// A directory that is removed at the end, however that comes.
#[derive(Debug)]
pub struct Home {
    dir: tempfile::TempDir,
    _kept: Kept,
}

impl Home {
    /// A new one, in this place or in the system's temporary one.
    pub fn new(place: Option<&Path>) -> Result<Self, String> {
        let place = place.map_or_else(std::env::temp_dir, Path::to_owned);
        let mut all = all();
        let dir = tempfile::Builder::new().prefix("load-").tempdir_in(&place);
        let dir = dir.map_err(|why| format!("no directory in {}: {why}", place.display()))?;
        let kept = Kept::new(Own::Home(dir.path().to_owned()), &mut all);
        Ok(Self { dir, _kept: kept })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// A server that is killed with this program.
#[derive(Debug)]
pub struct Process {
    /// It.
    pub child: Child,
    _kept: Kept,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        // Held until it is remembered: no end comes between.
        let mut all = all();
        let child = command.spawn()?;
        let kept = Kept::new(Own::Server(child.id()), &mut all);
        Ok(Self { child, _kept: kept })
    }
}

/// Runs another generator to its end, and returns what it said.
pub fn output(command: &mut Command) -> io::Result<Output> {
    let mut all = all();
    let child = command.spawn()?;
    let _kept = Kept::new(Own::Generator(child.id()), &mut all);
    drop(all);
    child.wait_with_output()
}

/// From now on SIGTERM and SIGINT end all that was started as well.
pub fn listen() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    drop(entered);
    let wait = move || {
        let asked = runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => Signal::TERM,
                _ = int.recv() => Signal::INT,
            }
        });
        // Never given back: whoever wants to start or forget something waits for the end.
        let all = all();
        all.iter().for_each(end);
        all.iter().for_each(remove);
        std::process::exit(128 + asked.as_raw());
    };
    std::thread::Builder::new().name("ending".to_owned()).spawn(wait).map(drop)
}

/// Ends a process and waits for that.
fn end(own: &Own) {
    let (number, signal) = match own {
        Own::Server(number) => (number, Signal::KILL),
        Own::Generator(number) => (number, Signal::TERM),
        Own::Home(_) => return,
    };
    if let Some(pid) = Pid::from_raw(*number as i32) {
        let _ = kill_process(pid, signal);
        // If somebody else waits for it too, one of both is told that it is not there any more.
        let _ = waitpid(Some(pid), WaitOptions::empty());
    }
}

fn remove(own: &Own) {
    let Own::Home(path) = own else { return };
    for _ in 0..TRIES {
        if std::fs::remove_dir_all(path).is_ok() || !path.exists() {
            return;
        }
    }
    eprintln!("load: {} is left behind", path.display());
}
