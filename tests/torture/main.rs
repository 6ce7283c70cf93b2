//! The torture program, for a short while: two plans that are always the same, side by side, and the plan itself.
//!
//! It is an example, and is run as the program that it is: `cargo test` builds it, `cargo test --test torture` alone
//! does not. `PARLOR_TORTURE_SEED` takes another seed, `PARLOR_TORTURE_SECS` makes faults for longer.

use std::path::PathBuf;
use std::process::Command;

#[path = "../../examples/torture/figures.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod figures;
#[path = "../../examples/torture/plan.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod plan;

use plan::{Plan, Scope, ServerFault};

/// How long faults are made, in seconds, if nothing else is said.
const SECS: u64 = 7;

/// Where the program stands: beside the folder that this test was built into.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("this test is a file");
    let built = own.parent().and_then(|deps| deps.parent()).expect("it is built into a folder in a folder");
    let path = built.join("examples/torture");
    assert!(path.is_file(), "{} is not there: run cargo build --example torture", path.display());
    path
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: not a number: {text}")))
}

/// Tortures a server, and wants every promise kept, also when the history is read again. What the program said is printed,
/// and the history of a failure is kept.
fn torture(name: &str, seed: u64, further: &[&str]) {
    let seed = variable("PARLOR_TORTURE_SEED").unwrap_or(seed).to_string();
    let secs = variable("PARLOR_TORTURE_SECS").unwrap_or(SECS).to_string();
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("torture-{name}-{seed}"));
    let mut command = Command::new(program());
    command.args(["--seed", &seed, "--secs", &secs, "--clients", "12", "--keep", "--dir"]).arg(&kept).args(further);
    let output = command.output().expect("the program runs");
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: what happened is in {}", output.status, kept.display());
    let history = kept.join(format!("torture-seed-{seed}.ndjson"));
    let output = Command::new(program()).arg("check").arg(&history).output().expect("the program runs");
    assert!(output.status.success(), "read again: {}", String::from_utf8_lossy(&output.stdout));
    let _ = std::fs::remove_dir_all(kept);
}

#[test]
fn a_server_that_is_killed_and_broken_from_within_keeps_its_promises() {
    torture("within", 32, &[]);
}

#[test]
fn the_binary_keeps_its_promises_when_it_is_killed_and_stopped() {
    torture("binary", 3, &["--no-small-disk", "--binary", env!("CARGO_BIN_EXE_parlor")]);
}

#[test]
fn a_seed_makes_the_same_plan_every_time_and_another_seed_another() {
    let scope = |seed| Scope { seed, clients: 20, ms: 60_000, obeys: true, small_disk: true };
    assert_eq!(Plan::of(scope(7)), Plan::of(scope(7)));
    assert_ne!(Plan::of(scope(7)), Plan::of(scope(8)));
    assert_eq!(Plan::of(scope(7)).rounds.iter().map(|round| round.ms).sum::<u64>(), 60_000);
}

#[test]
fn a_server_that_does_not_obey_is_only_done_to_what_can_be_done_from_outside() {
    let plan = Plan::of(Scope { seed: 7, clients: 20, ms: 600_000, obeys: false, small_disk: false });
    let mut faults = plan.rounds.iter().flat_map(|round| &round.server).map(|timed| &timed.fault);
    assert!(faults.all(|fault| matches!(fault, ServerFault::Kill | ServerFault::Restart | ServerFault::Stop(_))));
}

#[test]
fn every_sort_of_fault_comes_sooner_or_later() {
    let plan = Plan::of(Scope { seed: 7, clients: 20, ms: 3_600_000, obeys: true, small_disk: true });
    let words = |text: String| text.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default().to_owned();
    let server = plan.rounds.iter().flat_map(|round| &round.server).map(|timed| words(timed.fault.to_string()));
    let clients = plan.rounds.iter().flat_map(|round| &round.clients).map(|timed| format!("{:?}", timed.fault));
    let kinds: std::collections::BTreeSet<_> = server
        .chain(clients.map(|text| text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_owned()))
        .collect();
    for kind in
        ["a panic at longpoll.step", "a full disk for ", "kill -", "the disk fails: read, read, read", "Jam", "Hostile"]
    {
        assert!(kinds.contains(kind), "{kind:?} is missing in {kinds:?}");
    }
}
