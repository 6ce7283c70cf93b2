//! The server's process: started, killed, stopped for a while, asked to stop, told to break.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::gate::Target;

/// How long a server may take to come up, or to stop when it is asked to.
const PATIENCE: Duration = Duration::from_secs(20);

/// What runs, and on what.
#[derive(Clone, Debug)]
pub struct House {
    /// Another program than this one; it does not obey.
    pub binary: Option<PathBuf>,
    /// Where its log goes.
    pub dir: PathBuf,
    /// Where its store is.
    pub store: PathBuf,
    /// `section.key` and value.
    pub settings: Vec<(&'static str, String)>,
}

struct Running {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// The server; it is killed when this is dropped.
pub struct Server {
    house: House,
    target: Target,
    running: Option<Running>,
}

impl Server {
    /// Starts one on a free port.
    pub async fn start(house: House, target: Target) -> Result<Self, String> {
        let mut server = Self { house, target, running: None };
        server.up().await?;
        Ok(server)
    }

    /// Starts it, on the same port if that is still free.
    pub async fn up(&mut self) -> Result<(), String> {
        let last = *self.target.lock();
        let mut why = match self.try_up(last).await {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        // Somebody may have got the port meanwhile.
        let free = ([127, 0, 0, 1], 0).into();
        if last != free {
            match self.try_up(free).await {
                Ok(()) => return Ok(()),
                Err(second) => why = second,
            }
        }
        Err(why)
    }

    async fn try_up(&mut self, bind: SocketAddr) -> Result<(), String> {
        let log = self.house.dir.join("server.log");
        let log = OpenOptions::new().create(true).append(true).open(log).map_err(|why| format!("no log: {why}"))?;
        let mut command = match &self.house.binary {
            Some(binary) => Command::new(binary),
            None => {
                let own = std::env::current_exe().map_err(|why| format!("this program is not there: {why}"))?;
                let mut command = Command::new(own);
                command.arg("serve");
                command
            }
        };
        command.env_clear().current_dir(&self.house.dir).kill_on_drop(true);
        command
            .envs(["PARLOR_PLANTED", "RUST_BACKTRACE"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("PARLOR__SERVER__BIND", bind.to_string()).env("PARLOR__STORE__PATH", &self.house.store);
        for (key, value) in &self.house.settings {
            command.env(format!("PARLOR__{}", key.replace('.', "__").to_uppercase()), value);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|why| format!("the server does not start: {why}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the server's stdin and stdout are not there".to_owned());
        };
        let mut running = Running { child, stdin, lines: BufReader::new(stdout).lines() };
        let said = timeout(PATIENCE, running.says("listening on http://")).await;
        let said = said.map_err(|_| "the server does not come up in time".to_owned())??;
        *self.target.lock() =
            said.parse().map_err(|_| format!("the server listens on {said:?}, which is no address"))?;
        self.running = Some(running);
        Ok(())
    }

    /// kill -9, and the end of it.
    pub async fn kill(&mut self) -> Result<(), String> {
        let Some(mut running) = self.running.take() else { return Err("the server does not run".to_owned()) };
        running.child.kill().await.map_err(|why| format!("the server cannot be killed: {why}"))
    }

    /// SIGTERM, and a clean end in time.
    pub async fn stop(&mut self) -> Result<(), String> {
        self.signal(Signal::TERM)?;
        let Some(mut running) = self.running.take() else { return Err("the server does not run".to_owned()) };
        match timeout(PATIENCE, running.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the server was asked to stop, and ended with {status}")),
            Ok(Err(why)) => Err(format!("the server cannot be waited for: {why}")),
            Err(_) => Err(format!("the server was asked to stop, and did not within {PATIENCE:?}")),
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        let id = self.running.as_ref().and_then(|running| running.child.id());
        let pid = id.and_then(|id| Pid::from_raw(id as i32)).ok_or("the server does not run")?;
        kill_process(pid, signal).map_err(|why| format!("the server gets no signal: {why}"))
    }

    /// How it ended, if it did so by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.running.as_mut().and_then(|running| running.child.try_wait().ok().flatten())
    }

    /// Gives an order, and returns its answer.
    pub async fn tell(&mut self, order: &str) -> Result<String, String> {
        let running = self.running.as_mut().ok_or("the server does not run")?;
        let line = format!("{order}\n");
        running.stdin.write_all(line.as_bytes()).await.map_err(|why| format!("{order:?} cannot be said: {why}"))?;
        let answer = timeout(PATIENCE, running.says("")).await;
        let answer = answer.map_err(|_| format!("{order:?} is not answered"))??;
        if answer == "what?" { Err(format!("{order:?} is not understood")) } else { Ok(answer) }
    }
}

impl Running {
    /// The next line that begins so, without that beginning.
    async fn says(&mut self, begins: &str) -> Result<String, String> {
        loop {
            match self.lines.next_line().await {
                Ok(Some(line)) if begins.is_empty() && line.starts_with("point a ") => {}
                Ok(Some(line)) => {
                    if let Some(rest) = line.strip_prefix(begins) {
                        return Ok(rest.to_owned());
                    }
                }
                Ok(None) => return Err("the server ended at once; server.log says why".to_owned()),
                Err(why) => return Err(format!("the server is not understood: {why}")),
            }
        }
    }
}
