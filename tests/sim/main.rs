//! Whole worlds from a seed: the server's own actors, the client library and careful clients, on made-up time, network and
//! disk, one thing after another in an order that chance decides. What came of it is put before the checker.

mod agent;
mod dice;
mod library;
mod life;
mod line;
mod mail;
mod polls;
mod trouble;
mod world;

use world::World;

#[test]
fn worlds() {
    let from: u64 = std::env::var("PARLOR_SIM_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let count: u64 = std::env::var("PARLOR_SIM_WORLDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let story = std::env::var("PARLOR_SIM_STORY").is_ok();
    for seed in from..from + count {
        let outcome = World::new(seed, story).run(seed);
        println!(
            "seed {seed}: {} entries, {} steps, unsettled {:?}",
            outcome.history.entries.len(),
            outcome.steps,
            outcome.unsettled
        );
    }
}
