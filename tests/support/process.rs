//! A server in a process of its own, on a directory of the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::client::{Client, DEADLINE};
use super::link::{Dial, Transport};

/// A child that does not outlive the test.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // One that has ended and was waited for is nobody's any more, and `kill` knows it.
        if self.0.kill().is_ok() {
            let _ = self.0.wait();
        }
    }
}

/// A running server.
pub struct Process {
    child: Held,
    turns: AtomicUsize,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The command that serves on `dir`, with further settings as (`section.key`, value); a key without a dot is a variable of
/// the environment as it stands.
fn command(dir: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    command.env_clear().current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let data = dir.join("data").display().to_string();
    let usual = [
        ("server.bind", "127.0.0.1:0"),
        ("server.workers", "2"),
        ("server.drain_notice_ms", "50"),
        ("store.path", &data),
        ("store.cache_bytes", "16777216"),
        ("rates.enabled", "false"),
        ("log.filter", "warn"),
    ];
    for (key, value) in usual.iter().chain(settings) {
        let set = key.contains('.').then(|| format!("PARLOR__{}", key.replace('.', "__").to_uppercase()));
        command.env(set.as_deref().unwrap_or(key), value);
    }
    command
}

impl Process {
    /// Starts a server that has to come up.
    pub fn start(dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_logging(dir, settings, Stdio::inherit())
    }

    /// Starts a server that has to come up, and writes its log there.
    pub fn start_logging(dir: &Path, settings: &[(&str, &str)], log: impl Into<Stdio>) -> Self {
        let mut child = Held(command(dir, settings).stderr(log).spawn().expect("the binary starts"));
        let stdout = child.0.stdout.take().expect("stdout is piped");
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let address =
                    line.strip_prefix("listening on http").map(|rest| rest.trim_start_matches(['s', ':', '/']));
                if let Some(address) = address {
                    let _ = tell.send(address.parse::<SocketAddr>());
                }
            }
        });
        let address = told.recv_timeout(DEADLINE).expect("the server says where it listens").expect("an address");
        Self { child, turns: AtomicUsize::new(0), address }
    }

    /// Starts a server that has to refuse; returns its exit code and what it said.
    pub fn refusal(dir: &Path, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut child = command(dir, settings).spawn().expect("the binary starts");
        let status = await_end(&mut child);
        let mut said = String::new();
        child.stderr.take().expect("stderr is piped").read_to_string(&mut said).expect("what it said is UTF-8");
        (status.code(), said)
    }

    /// Has the binary do something else than serve, on the same directory; returns its exit code, what it printed, and
    /// what it said besides.
    pub fn carry_out(dir: &Path, words: &[&str], stdin: &str) -> (Option<i32>, String, String) {
        let mut child = command(dir, &[]).args(words).stdin(Stdio::piped()).spawn().expect("the binary starts");
        // It may end without reading.
        let _ = child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Has the binary do something else than serve, and kills it with -9 as soon as `moment` has come; false if it ended
    /// before.
    pub fn interrupt(dir: &Path, words: &[&str], moment: impl Fn() -> bool) -> bool {
        let mut child = Held(command(dir, &[]).args(words).spawn().expect("the binary starts"));
        while !moment() {
            if child.0.try_wait().expect("the child can be waited for").is_some() {
                return false;
            }
            std::thread::yield_now();
        }
        child.0.kill().expect("the process is there");
        !child.0.wait().expect("it ends").success()
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// A client of it, over one transport and the other by turns; as this guest if a token is given.
    pub async fn client(&self, name: &str, token: Option<&str>) -> Client {
        let hello =
            token.map_or_else(|| serde_json::json!({"guest": name}), |token| serde_json::json!({"token": token}));
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let dial = Dial { transport: Transport::Mixed, to: self.address, turn, switches: 0, narrow: false };
        Client::connect(dial, name).await.hello(hello).await
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).expect("the process is there");
    }

    /// kill -9, and the end of it.
    pub fn kill(mut self) {
        self.child.0.kill().expect("the process is there");
        self.child.0.wait().expect("it ends");
    }

    /// Waits for the end.
    pub async fn end(mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let status = tokio::task::spawn_blocking(move || await_end(&mut self.child.0)).await.expect("waiting works");
        (status, begun.elapsed())
    }

    /// SIGTERM, and a clean end.
    pub async fn stop(self) {
        self.signal(Signal::TERM);
        let (status, took) = self.end().await;
        assert!(status.success(), "{status} after {took:?}");
    }
}

fn await_end(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + 2 * DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("the process did not end by itself");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
