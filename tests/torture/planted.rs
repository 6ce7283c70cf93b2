//! Bugs that are planted in the server (`parlor::planted`): the program finds them, ends with 1, and names a promise that
//! they break. If it did not, all its other runs would prove nothing.

use parlor::planted::BUGS;

use crate::run::{Leg, names};

/// What is planted, from which seeds it mostly shows within how many seconds, and the rules that it breaks. What only a
/// loss of power would show is not among it.
const PLANTED: [(&str, &[u64], u64, &[&str]); 4] = [
    ("receipts-overtake", &[25, 13, 28, 4], 5, &["reply-order"]),
    ("read-goes-back", &[29, 24, 28, 4], 3, &["read-goes-back"]),
    ("replay-off-by-one", &[29, 4, 28], 2, &["resume-next"]),
    ("never-reaped", &[29, 4, 28], 2, &["presence", "sessions-count", "not-converged", "ghost"]),
];

/// What comes of a seed is up to the machine: one that does not show it is followed by another, for longer.
fn found(bug: &str, seeds: &[u64], secs: u64, rules: &[&str]) {
    assert!(BUGS.iter().any(|(_, name)| *name == bug), "no bug has the name {bug}");
    let mut said = String::new();
    for (turn, &seed) in seeds.iter().enumerate() {
        let secs = secs << turn;
        let leg = Leg { name: bug, seed, secs, clients: 12, further: &["--no-small-disk"], planted: Some(bug) };
        let done = leg.run();
        if done.code == Some(1) && rules.iter().any(|rule| names(&done.said, rule)) {
            return done.forget();
        }
        said.push_str(&done.said);
        done.forget();
    }
    panic!("{bug} was not found, or is called something else: {said}");
}

#[test]
fn bugs_that_are_planted_in_the_server_are_found() {
    // All at a time: they mostly wait.
    std::thread::scope(|scope| {
        for (bug, seeds, secs, rules) in PLANTED {
            scope.spawn(move || found(bug, seeds, secs, rules));
        }
    });
}
