//! The program, started as the program that it is.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What one start of it is to do.
pub struct Leg<'a> {
    /// By which its folder is known.
    pub name: &'a str,
    /// What everything is drawn from.
    pub seed: u64,
    /// How long faults are made, in seconds.
    pub secs: u64,
    /// How many clients.
    pub clients: u64,
    /// Further arguments.
    pub further: &'a [&'a str],
    /// A bug that the server is given (`parlor::planted`).
    pub planted: Option<&'a str>,
}

/// What came of it.
pub struct Done {
    /// What it ended with.
    pub code: Option<i32>,
    /// What it said.
    pub said: String,
    /// The history.
    pub history: PathBuf,
    /// Where everything is, until [`forget`](Self::forget).
    pub kept: PathBuf,
}

/// Where the program stands: beside the folder that this test was built into.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("this test is a file");
    let built = own.parent().and_then(|deps| deps.parent()).expect("it is built into a folder in a folder");
    let path = built.join("examples/torture");
    assert!(path.is_file(), "{} is not there: run cargo build --example torture", path.display());
    path
}

fn ended(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

impl Leg<'_> {
    /// Carries it out, and prints what the program said.
    pub fn run(&self) -> Done {
        let seed = self.seed.to_string();
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("torture-{}-{seed}", self.name));
        let mut command = Command::new(program());
        command.args(["--seed", &seed, "--secs", &self.secs.to_string(), "--clients", &self.clients.to_string()]);
        command.args(["--keep", "--dir"]).arg(&kept).args(self.further).env_remove("PARLOR_PLANTED");
        command.envs(self.planted.map(|bug| ("PARLOR_PLANTED", bug)));
        let (code, said) = ended(&mut command);
        println!("{said}");
        Done { code, said, history: kept.join(format!("torture-seed-{seed}.ndjson")), kept }
    }
}

/// Whether the program says that this promise was broken.
pub fn names(said: &str, rule: &str) -> bool {
    said.contains(&format!("broken: {rule} at "))
}

impl Done {
    /// Takes everything away.
    pub fn forget(self) {
        let _ = std::fs::remove_dir_all(self.kept);
    }
}

/// Has the program read a history: what it ends with, and what it says.
pub fn check(history: &Path) -> (Option<i32>, String) {
    ended(Command::new(program()).arg("check").arg(history))
}
