//! An example as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::DEADLINE;

/// How long work may take that is bounded by a slow disk.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running example; it is killed when this is dropped.
pub struct Program {
    name: String,
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

/// Where an example stands: beside the folder that this test was built into.
pub fn path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this test is a file");
    let built = own.parent().and_then(|deps| deps.parent()).expect("it is built into a folder in a folder");
    let path = built.join("examples").join(name);
    assert!(path.is_file(), "{} is not there: run cargo build --examples", path.display());
    path
}

impl Program {
    /// Starts an example with arguments and variables; of this process's environment it gets nothing.
    pub fn start(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(path(name));
        command.args(arguments);
        Self::run(name, command, variables)
    }

    /// Starts a command that ends in running an example.
    pub fn run(name: &str, mut command: Command, variables: &[(&str, &str)]) -> Self {
        command.env_clear().envs(variables.iter().copied()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|why| panic!("{name} does not start: {why}"));
        let (out, err) = (child.stdout.take().expect("stdout is piped"), child.stderr.take().expect("stderr is piped"));
        let (tell, lines) = mpsc::unbounded_channel();
        tokio::spawn(each_line(out, move |line| drop(tell.send(line))));
        let said = name.to_owned();
        tokio::spawn(each_line(err, move |line| eprintln!("{said}: {line}")));
        Self { name: name.to_owned(), child, lines }
    }

    /// The next line on its stdout that begins so, without that beginning.
    pub async fn says(&mut self, begins: &str) -> String {
        let find = async {
            loop {
                let line = self.lines.recv().await?;
                if let Some(rest) = line.strip_prefix(begins) {
                    return Some(rest.to_owned());
                }
            }
        };
        let found = timeout(DEADLINE, find).await.ok().flatten();
        found.unwrap_or_else(|| panic!("{} does not say {begins:?}", self.name))
    }

    /// Where it listens, once it says so.
    pub async fn address(&mut self) -> SocketAddr {
        let said = self.says("listening on http://").await;
        said.parse().unwrap_or_else(|_| panic!("{} listens on {said:?}, which is no address", self.name))
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> Pid {
        self.child.id().and_then(|id| Pid::from_raw(id as i32)).expect("it runs")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is there");
    }

    /// Waits for its end.
    pub async fn end(mut self) -> ExitStatus {
        let ended = timeout(2 * DEADLINE, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("{} does not end", self.name)).expect("it can be waited for")
    }

    /// Waits for the end of one that works something off and ends by itself, and returns what it said.
    pub async fn output(mut self) -> (ExitStatus, Vec<String>) {
        let work = async {
            let mut said = Vec::new();
            while let Some(line) = self.lines.recv().await {
                said.push(line);
            }
            said
        };
        let said = timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{} works on and on", self.name));
        (self.end().await, said)
    }

    /// SIGTERM, and a clean end.
    pub async fn stop(self) {
        self.signal(Signal::TERM);
        let name = self.name.clone();
        let status = self.end().await;
        assert_eq!(status.code(), Some(0), "{name} ended with {status}");
    }

    /// kill -9, and the end of it.
    pub async fn kill(self) {
        self.signal(Signal::KILL);
        self.end().await;
    }
}

async fn each_line(from: impl AsyncRead + Unpin, mut take: impl FnMut(String)) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        take(line);
    }
}
