//! The torture program, for a short while: two plans that are always the same, side by side, the plan itself,
//! and what it says of a history that was doctored and of a server with planted bugs.
//!
//! It is an example, and is run as the program that it is: `cargo test` builds it, `cargo test --test torture` alone
//! does not. `PARLOR_TORTURE_SEED` takes another seed, `PARLOR_TORTURE_SECS` makes faults for longer.

mod doctored;
#[path = "../../examples/torture/figures.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod figures;
#[path = "../../examples/torture/plan.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod plan;
mod planted;
mod run;

use plan::{Plan, Scope, ServerFault};
use run::{Leg, check};

/// How long faults are made, in seconds, if nothing else is said.
const SECS: u64 = 7;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: not a number: {text}")))
}

/// Tortures a server, and wants every promise kept, also when the history is read again. The history of a failure is kept.
fn torture(name: &str, seed: u64, further: &[&str]) {
    let seed = variable("PARLOR_TORTURE_SEED").unwrap_or(seed);
    let secs = variable("PARLOR_TORTURE_SECS").unwrap_or(SECS);
    let done = Leg { name, seed, secs, clients: 12, further, planted: None }.run();
    assert_eq!(done.code, Some(0), "what happened is in {}", done.kept.display());
    let (code, said) = check(&done.history);
    assert_eq!(code, Some(0), "read again: {said}");
    done.forget();
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
