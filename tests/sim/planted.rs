//! Faults planted on purpose: worlds find them.

use parlor::planted::{BUGS, Bug, plant};

use crate::judge;

/// In so many worlds at most a fault shows.
const WORLDS: u64 = 300;

/// The world in which a fault shows first, and how.
fn first(bug: Bug) -> Option<(u64, String)> {
    plant(&[bug]);
    let found = (1..=WORLDS).find_map(|seed| judge(seed, false).err().map(|why| (seed, why)));
    plant(&[]);
    found
}

/// What worlds cannot see.
const ELSEWHERE: [Bug; 0] = [];

#[test]
fn every_planted_fault_shows() {
    let mut missed = Vec::new();
    for (bug, name) in BUGS.iter().filter(|(bug, _)| !ELSEWHERE.contains(bug)) {
        match first(*bug) {
            Some((seed, why)) => println!("{name}: seed {seed}: {}", why.lines().next().unwrap_or_default()),
            None => missed.push(*name),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
