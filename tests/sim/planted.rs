//! Faults planted on purpose: worlds find them, and one that needs an unlikely moment is found where every order is tried.

use std::panic::catch_unwind;

use parlor::planted::{BUGS, Bug, plant};

use crate::explore::a_channel_that_falls_asleep_loses_no_command_in_any_order;
use crate::{judge, words};

/// In so many worlds at most a fault shows.
const WORLDS: u64 = 800;

/// The world in which a fault shows first, and how.
fn first(bug: Bug) -> Option<(u64, String)> {
    plant(&[bug]);
    let found = (1..=WORLDS).find_map(|seed| judge(seed, false).err().map(|why| (seed, why)));
    plant(&[]);
    found
}

/// Plants every second fault, from this one on.
fn all_show(from: usize) {
    let mut missed = Vec::new();
    for (bug, name) in BUGS.iter().skip(from).step_by(2).filter(|(bug, _)| *bug != Bug::AsleepUnderWay) {
        match first(*bug) {
            Some((seed, why)) => println!("{name}: seed {seed}: {}", why.lines().next().unwrap_or_default()),
            None => missed.push(*name),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn every_planted_fault_shows() {
    all_show(0);
}

#[test]
fn every_other_planted_fault_shows_too() {
    all_show(1);
}

#[test]
fn a_channel_that_falls_asleep_under_way_shows_where_every_order_is_tried() {
    plant(&[Bug::AsleepUnderWay]);
    let found = catch_unwind(a_channel_that_falls_asleep_loses_no_command_in_any_order);
    plant(&[]);
    assert!(words(&*found.expect_err("it was not found")).contains("rest-unanswered"));
}
