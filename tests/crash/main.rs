//! The real process: what was acknowledged is there after a kill -9, signals end it as they should, its log keeps
//! secrets, and ten thousand wait at it.
//!
//! `PARLOR_CRASH_ROUNDS` makes the kill loop longer, `PARLOR_CRASH_SEED` repeats one.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other integration binary, which uses more of it")]
mod support;

mod care;
mod crowd;
mod edge;
mod interval;
mod kill;
mod logs;
mod manager;
mod operators;
mod places;
mod polls;
mod retention;
mod signals;
mod users;
mod webhooks;

use std::sync::{PoisonError, RwLock};

/// Held by tests that may run beside others, and taken by one that leaves no room for them.
static ROOM: RwLock<()> = RwLock::new(());

/// Runs a test on a runtime of its own.
fn run(test: impl Future<Output = ()>) {
    let _shared = ROOM.read().unwrap_or_else(PoisonError::into_inner);
    block_on(test);
}

/// Runs a test while no other runs here.
fn run_alone(test: impl Future<Output = ()>) {
    let _alone = ROOM.write().unwrap_or_else(PoisonError::into_inner);
    block_on(test);
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}
