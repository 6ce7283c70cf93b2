//! The server that is measured: one of its own, in a directory of its own, or one that runs already.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::args::Target;

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
    child: Option<Child>,
    /// Kept open: what a server says into a closed pipe ends it.
    _out: Option<Lines>,
    home: Option<tempfile::TempDir>,
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
            return Ok(Self { address, pid: target.pid, name: "given", child: None, _out: None, home: None });
        }
        let place = target.data.clone().unwrap_or_else(std::env::temp_dir);
        let home = tempfile::Builder::new().prefix("load-").tempdir_in(&place);
        let home = home.map_err(|why| format!("no directory in {}: {why}", place.display()))?;
        let own = std::env::current_exe().map_err(|why| format!("this program is not there: {why}"))?;
        let (mut command, name) = if target.floor || target.floor_append {
            let mut command = Command::new(&own);
            command.arg("serve-floor");
            if target.floor_append {
                command.arg("--append").arg(home.path());
            }
            (command, if target.floor { "floor" } else { "floor-append" })
        } else {
            let binary =
                target.server.clone().or_else(|| beside(&own)).ok_or("no --server, and none beside this one")?;
            let mut command = Command::new(&binary);
            command.arg("--config").arg(configure(home.path(), settings, &target.set)?);
            (command, "parlor")
        };
        let log = home.path().join("server.log");
        let log = File::create(log).map_err(|why| format!("no log: {why}"))?;
        command.env_clear().current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|why| format!("the server does not start: {why}"))?;
        let mut out = child.stdout.take().map(|out| BufReader::new(out).lines());
        let address = out.as_mut().ok_or("the server's stdout is not there".to_owned()).and_then(listens);
        let (pid, child) = (Some(child.id()), Some(child));
        let mut server = Self { address: SocketAddr::from(([0; 4], 0)), pid, name, child, _out: out, home: Some(home) };
        server.address = address.map_err(|why| format!("{why}\n{}", server.said()))?;
        Ok(server)
    }

    /// What it has written to stderr.
    pub fn said(&self) -> String {
        let log = self.home.as_ref().and_then(|home| std::fs::read_to_string(home.path().join("server.log")).ok());
        log.unwrap_or_default()
    }

    /// Ends it, if it is one of its own, and waits for that.
    pub fn stop(mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        terminate(&child);
        let since = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() || self.name != "parlor" => return Ok(()),
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
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
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
