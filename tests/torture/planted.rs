//! Bugs that are planted in the server (`parlor::planted`): the program finds them, ends with 1, and names a promise that
//! they break. If it did not, all its other runs would prove nothing.

use std::sync::Mutex;

use parlor::planted::BUGS;

use crate::run::{Leg, names};

/// What is planted, from which seed it shows within how many seconds, and the rules that it breaks.
const PLANTED: [(&str, u64, u64, &[&str]); 5] = [
    ("receipts-overtake", 25, 5, &["reply-order"]),
    ("read-goes-back", 29, 3, &["read-goes-back"]),
    ("skipped-sync", 12, 3, &["one-message-per-place", "two-receipts", "stale-head", "lost"]),
    ("replay-off-by-one", 29, 2, &["resume-next"]),
    ("never-reaped", 29, 2, &["presence", "sessions-count", "not-converged", "ghost"]),
];

fn found(bug: &str, seed: u64, secs: u64, rules: &[&str]) {
    assert!(BUGS.iter().any(|(_, name)| *name == bug), "no bug has the name {bug}");
    let leg = Leg { name: bug, seed, secs, clients: 12, further: &["--no-small-disk"], planted: Some(bug) };
    let done = leg.run();
    assert_eq!(done.code, Some(1), "{bug} was not found: {}", done.said);
    assert!(rules.iter().any(|rule| names(&done.said, rule)), "{bug} is called something else: {}", done.said);
    done.forget();
}

#[test]
fn bugs_that_are_planted_in_the_server_are_found() {
    let left = Mutex::new(PLANTED.iter());
    // Two at a time: they mostly wait.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("nobody fails with it").next();
                    let Some(&(bug, seed, secs, rules)) = next else { return };
                    found(bug, seed, secs, rules);
                }
            });
        }
    });
}
