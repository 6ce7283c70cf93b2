//! The server that is measured: one of its own, in a directory of its own, or one that runs already.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::args::Target;
use crate::ending::{Home, Process};

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that is there.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process to watch, if it is known.
    pub pid: Option<u32>,
    /// What it is called in what is printed.
    pub name: &'static str,
    process: Option<Process>,
    /// Kept open: what a server says into a closed pipe ends it.
    out: Option<Lines>,
    own: Option<Own>,
}

/// How a server of its own is started.
struct Own {
    home: Home,
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Asked to.
    Clean,
    /// By kill -9.
    Killed,
}

type Lines = std::io::Lines<BufReader<ChildStdout>>;

/// Settings of a server of its own, by their keys.
pub type Settings = BTreeMap<&'static str, String>;

impl Server {
    /// Starts the one that is asked for, or finds it.
    pub fn start(target: &Target, settings: &Settings) -> Result<Self, String> {
        if let Some(url) = &target.url {
            let host = url.trim_start_matches("http://").trim_start_matches("ws://").trim_end_matches('/');
            let found = host.to_socket_addrs().map_err(|why| format!("--url {url}: {why}"))?.next();
            let address = found.ok_or_else(|| format!("--url {url}: no such host"))?;
            return Ok(Self { address, pid: target.pid, name: "given", process: None, out: None, own: None });
        }
        Self::start_in(Home::new(target.data.as_deref())?, target, settings)
    }

    /// Starts one in a directory whose `data` may have something in it already.
    pub fn start_in(home: Home, target: &Target, settings: &Settings) -> Result<Self, String> {
        let this = std::env::current_exe().map_err(|why| format!("this program is not there: {why}"))?;
        let (program, arguments, name) = if target.floor || target.floor_append {
            let mut arguments = vec![OsString::from("serve-floor")];
            if target.floor_append {
                arguments.extend(["--append".into(), home.path().into()]);
            }
            (this, arguments, if target.floor { "floor" } else { "floor-append" })
        } else {
            let binary =
                target.server.clone().or_else(|| beside(&this)).ok_or("no --server, and none beside this one")?;
            let config = configure(home.path(), settings, &target.set)?;
            (binary, vec!["--config".into(), config.into()], "parlor")
        };
        let own = Some(Own { home, program, arguments });
        let address = SocketAddr::from(([0; 4], 0));
        let mut server = Self { address, pid: None, name, process: None, out: None, own };
        server.run()?;
        Ok(server)
    }

    /// Starts its process, and returns how long it took to say where it listens.
    fn run(&mut self) -> Result<Duration, String> {
        let own = self.own.as_ref().ok_or("a server that is not its own is not started")?;
        let mut log = File::options();
        let log = log.create(true).append(true).open(own.home.path().join("server.log"));
        let log = log.map_err(|why| format!("no log: {why}"))?;
        let mut command = Command::new(&own.program);
        command.args(&own.arguments).env_clear().current_dir(own.home.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let since = Instant::now();
        let mut process = Process::start(&mut command).map_err(|why| format!("the server does not start: {why}"))?;
        let mut out = process.child.stdout.take().map(|out| BufReader::new(out).lines());
        let address = out.as_mut().ok_or("the server's stdout is not there".to_owned()).and_then(listens);
        let took = since.elapsed();
        (self.pid, self.process, self.out) = (Some(process.child.id()), Some(process), out);
        self.address = address.map_err(|why| format!("{why}\n{}", self.said()))?;
        Ok(took)
    }

    /// Ends it and starts it again on what it left; returns how long that start took.
    pub fn again(&mut self, end: End) -> Result<Duration, String> {
        match (end, self.process.as_mut()) {
            (End::Clean, _) => self.end()?,
            (End::Killed, Some(process)) => {
                process.child.kill().map_err(|why| format!("the server cannot be killed: {why}"))?;
                process.child.wait().map_err(|why| format!("the server cannot be waited for: {why}"))?;
            }
            (End::Killed, None) => {}
        }
        (self.process, self.out) = (None, None);
        self.run()
    }

    /// The bytes that its data takes on the disk.
    pub fn bytes_on_disk(&self) -> u64 {
        self.own.as_ref().map_or(0, |own| taken(&own.home.path().join("data")))
    }

    /// What it has written to stderr.
    pub fn said(&self) -> String {
        let log = self.own.as_ref().and_then(|own| std::fs::read_to_string(own.home.path().join("server.log")).ok());
        log.unwrap_or_default()
    }

    /// Ends it, if it is one of its own, and waits for that.
    pub fn stop(mut self) -> Result<(), String> {
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Process { child, .. }) = &mut self.process else { return Ok(()) };
        terminate(child);
        let since = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() || self.name != "parlor" => {
                    self.process = None;
                    return Ok(());
                }
                Ok(Some(status)) => return Err(format!("the server ended with {status}\n{}", self.said())),
                Ok(None) if since.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
                _ => {
                    let _ = child.kill();
                    return Err("the server was asked to stop, and did not".to_owned());
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(Process { child, .. }) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The bytes that a directory takes on the disk.
fn taken(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => taken(&entry.path()),
        // Blocks, not the length: a file may have holes.
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(of).sum()
}

fn terminate(child: &Child) {
    if let Some(pid) = Pid::from_raw(child.id() as i32) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// The server that was built together with this program.
fn beside(own: &Path) -> Option<PathBuf> {
    let path = own.parent()?.parent()?.join("parlor");
    path.is_file().then_some(path)
}

/// Writes a configuration, of the shape's settings and over them those of `--set`.
fn configure(home: &Path, settings: &Settings, more: &[String]) -> Result<PathBuf, String> {
    let mut all: BTreeMap<&str, String> = settings.iter().map(|(key, value)| (*key, value.clone())).collect();
    all.insert("server.bind", r#""127.0.0.1:0""#.to_owned());
    all.insert("store.path", r#""data""#.to_owned());
    for pair in more {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("--set {pair}: expected KEY=VALUE"))?;
        let plain = value.parse::<f64>().is_ok() || ["true", "false"].contains(&value) || value.starts_with(['"', '[']);
        all.insert(key, if plain { value.to_owned() } else { format!("{value:?}") });
    }
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for (key, value) in &all {
        let (section, name) = key.split_once('.').ok_or_else(|| format!("{key}: expected section.name"))?;
        let text = sections.entry(section).or_insert_with(|| format!("[{section}]\n"));
        let _ = writeln!(text, "{name} = {value}");
    }
    let path = home.join("config.toml");
    let text: String = sections.into_values().collect();
    std::fs::write(&path, text).map_err(|why| format!("no configuration: {why}"))?;
    Ok(path)
}

/// Where a server that was just started says that it listens.
fn listens(lines: &mut Lines) -> Result<SocketAddr, String> {
    for line in lines {
        let line = line.map_err(|why| format!("the server is not understood: {why}"))?;
        if let Some(address) = line.strip_prefix("listening on http://") {
            return address.parse().map_err(|_| format!("the server listens on {address:?}, which is no address"));
        }
    }
    Err("the server ended at once".to_owned())
}
