//! Parlor on a storage engine of your own: an ordered map of bytes is all that one is (`parlor::store::Rows`).
//!
//! ```sh
//! cargo run --example engine -- ./journal            # serves on http://127.0.0.1:8080
//! cargo run --example engine -- ./journal 3000       # on another port; 0 takes a free one
//! cargo run --example engine -- ./journal --check    # runs the suite that every engine has to pass
//! ```
//!
//! `journal/mod.rs` is the engine. All else is what it takes to put one in: [`Parts::rows`]. The environment sets
//! everything but the port and the directory, as it does for the server itself (`PARLOR__CHANNELS__WINDOW=100`).

mod journal;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use parlor::config::{Bind, Config};
use parlor::server::{self, Parts};
use parlor::store::conformance;

use journal::{JournalRows, Rewriting};

#[derive(Parser)]
struct Args {
    /// Where the data is kept
    dir: PathBuf,
    /// Listen on this port of the loopback; 0 takes a free one
    #[arg(default_value_t = 8080)]
    port: u16,
    /// Run the conformance suite instead, on stores that are made in DIR and removed again
    #[arg(long)]
    check: bool,
    /// Do not rewrite the journal before it is this long
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    rewrite_from: u64,
    /// Rewrite it when it is this many times as long as what is of use in it
    #[arg(long, value_name = "TIMES", default_value_t = 4)]
    rewrite_ratio: u64,
}

fn main() -> ExitCode {
    env_logger::init();
    let args = Args::parse();
    let done = if args.check { check(&args.dir) } else { serve(&args) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("engine: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until it is told to stop.
fn serve(args: &Args) -> Result<(), Box<dyn Error>> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut config = Config::load(None, variables)?;
    config.server.bind = Bind::Tcp(([127, 0, 0, 1], args.port).into());
    config.store.path.clone_from(&args.dir);
    let rows = JournalRows::open(&args.dir, Rewriting { from: args.rewrite_from, ratio: args.rewrite_ratio })?;
    Ok(server::serve_with(config, Parts { rows: Some(Arc::new(rows)), ..Parts::default() })?)
}

/// Runs the suite, each case on a journal of its own that is rewritten all the time.
fn check(dir: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(dir)?;
    let home = tempfile::tempdir_in(dir)?;
    let mut cases = 0;
    let make = || {
        cases += 1;
        Ok(Arc::new(JournalRows::open(&home.path().join(cases.to_string()), Rewriting { from: 0, ratio: 2 })?) as _)
    };
    conformance::run_with(make, |name| println!("passed: {name}"))?;
    println!("the engine conforms");
    Ok(())
}
