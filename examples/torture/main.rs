//! Tortures a server: clients on both transports do everything at random, from a seed, while the server is killed,
//! stopped, broken from within and starved, and the network cuts, swallows and delays. All that the clients said, were told and
//! heard is written down, and held against the promises of the protocol at the end.
//!
//! ```sh
//! cargo run --release --example torture -- --minutes 30 --clients 40 --seed 7
//! cargo run --release --example torture -- --binary target/release/parlor    # any build, from outside alone
//! cargo run --release --example torture -- check torture-seed-7.ndjson       # once more, on what was saved
//! ```
//!
//! It ends with 1 if a promise was broken, lists what is wrong, and keeps the history. The same seed makes the same
//! plan; what comes of it is up to the machine. A long run goes in legs, each with a seed, a store and figures of its own.
//!
//! `plan.rs` decides, `faults.rs` carries out, `agent.rs` and what stands beside it are the clients, `gate.rs` is the network.

mod acts;
mod agent;
mod disk;
mod faults;
mod figures;
mod gate;
mod hearing;
mod hostile;
mod leg;
mod link;
mod longpoll;
mod plan;
mod process;
mod progress;
mod publishes;
mod recorder;
mod rest;
mod scene;
mod serve;
mod support;
mod tracks;
mod verdict;
mod websocket;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use parlor::checker::Breach;

use leg::Place;
use plan::{Plan, Scope};
use progress::Progress;

/// How many breaches of one promise are listed.
const LISTED: usize = 6;

/// Tortures a server, and says which promises it broke.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// What everything is drawn from; any, if it is not said
    #[arg(long)]
    seed: Option<u64>,
    /// How long
    #[arg(long, conflicts_with = "secs")]
    minutes: Option<u64>,
    /// How long, in seconds of faults [default: 60]
    #[arg(long)]
    secs: Option<u64>,
    /// How long a leg is at most, in seconds of faults
    #[arg(long, default_value_t = 60)]
    leg_secs: u64,
    /// How many clients
    #[arg(long, default_value_t = 24)]
    clients: usize,
    /// Torture this server, instead of the one in this program; panics and a failing disk are left out
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where stores, logs and histories go; a temporary directory, but for histories, if it is not said
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Save the history even if nothing is wrong
    #[arg(long)]
    keep: bool,
    /// Do not ask for a small file system, which can be filled
    #[arg(long)]
    no_small_disk: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Check a history that was saved
    Check {
        /// The file
        file: PathBuf,
    },
    /// Be the server
    #[command(hide = true)]
    Serve,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Serve) => return serve::serve(),
        Some(Command::Check { file }) => verdict::recheck(file).map(|(entries, breaches)| {
            println!("{entries} entries");
            list(&breaches, |line| println!("{line}"));
            breaches.is_empty()
        }),
        None => torture(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("torture: {why}");
            ExitCode::from(2)
        }
    }
}

/// Lists what is wrong, the earliest of each sort.
fn list(breaches: &[Breach], say: impl Fn(&str)) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for breach in breaches {
        let count = counts.entry(breach.rule).or_default();
        *count += 1;
        if *count <= LISTED {
            say(&format!("broken: {} at {} ms: {}", breach.rule, breach.at, breach.text));
        }
    }
    for (rule, count) in counts.into_iter().filter(|(_, count)| *count > LISTED) {
        say(&format!("broken: {rule}, {} times more", count - LISTED));
    }
}

/// Leg after leg. Says whether all promises were kept.
fn torture(args: &Args) -> Result<bool, String> {
    let small_disk = !args.no_small_disk && disk::namespace();
    let seed = args.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    let secs = args.minutes.map_or(args.secs.unwrap_or(60), |minutes| minutes * 60);
    let legs = secs.div_ceil(args.leg_secs.max(1)).max(1);
    let progress = Progress::new(legs);
    if !small_disk && !args.no_small_disk {
        progress.say("no file system of its own can be had here: the disk will not really be full");
    }
    let temporary = tempfile::tempdir().map_err(|why| format!("no directory: {why}"))?;
    let below = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let runtime = tokio::runtime::Runtime::new().map_err(|why| format!("no runtime: {why}"))?;
    let mut kept = true;
    for n in 0..legs {
        let seed = seed + n;
        let plan = Plan::of(Scope {
            seed,
            clients: args.clients,
            ms: secs * 1000 / legs,
            obeys: args.binary.is_none(),
            small_disk,
        });
        progress.say(plan.to_string().trim_end());
        let dir = leg::directory(&below, seed)?;
        let binary = args.binary.as_deref().map(std::path::absolute).transpose().map_err(|why| why.to_string())?;
        let place = Place { dir: dir.clone(), binary, small_disk };
        let outcome = runtime.block_on(leg::run(plan, place, &progress))?;
        let (took, words) = (outcome.took.as_secs(), progress::words(outcome.counts));
        progress.say(&format!("seed {seed}: {took} s, {words}; {} breaches", outcome.breaches.len()));
        progress.leg();
        if outcome.breaches.is_empty() && !args.keep {
            let _ = std::fs::remove_dir_all(dir);
            continue;
        }
        kept &= outcome.breaches.is_empty();
        list(&outcome.breaches, |line| progress.say(line));
        let file = args.dir.clone().unwrap_or_default().join(format!("torture-seed-{seed}.ndjson"));
        verdict::save(&outcome.history, &file).map_err(|why| format!("{}: {why}", file.display()))?;
        progress.say(&format!("the history is in {}; check it again with: torture check {0}", file.display()));
        let log = file.with_extension("log");
        if std::fs::copy(dir.join("server.log"), &log).is_ok() {
            progress.say(&format!("what the server said is in {}", log.display()));
        }
    }
    Ok(kept)
}
