//! The real process, killed: what was acknowledged is there after a kill -9, and signals end it as they should.
//!
//! `PARLOR_CRASH_ROUNDS` makes the kill loop longer, `PARLOR_CRASH_SEED` repeats one.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other integration binary, which uses more of it")]
mod support;

mod interval;
mod kill;
mod signals;

/// Runs a test on a runtime of its own.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}
