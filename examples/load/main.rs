//! Parlor's load generator: fan-out, receipts, idle sessions and more, against a server of its own or one that runs.
//!
//! ```text
//! cargo run --release --example load -- fanout --subscribers 1000 --inflight 32
//! cargo run --release --example load -- receipts --floor --json
//! cargo run --release --example load -- idle --url http://127.0.0.1:8080 --pid 4242
//! cargo run --release --example load -- growth sessions --into target/growth.json --plots target
//! ```
//!
//! One thread and one epoll drive all connections, so that the generator takes as little as can be of the cores that it
//! shares with the server. Every receiver checks what it hears: what was lost, doubled or out of order ends the run with
//! 1, and a line says so. In closed loop a time runs from sending; in open loop (`--rate`) from when the message was
//! due, so that a server that stalls cannot hide it.
//!
//! Without `--url` it starts a server of its own, from the binary that was built beside it (`cargo build --release`),
//! with a directory of its own, and takes both away however it ends; `--floor` starts the bare server of `benches/floor` instead, which every figure should
//! stand beside.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod check;
mod clock;
mod crowd;
mod ending;
#[path = "../../benches/floor/server.rs"]
mod floor;
mod frames;
mod growth;
mod http;
mod link;
mod net;
mod pollers;
mod progress;
mod report;
mod server;
mod shapes;
mod stage;
mod table;
mod usage;

use args::{Cli, Shape};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("load: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a shape and prints what it found; false if something was wrong.
fn run(cli: &Cli) -> Result<bool, String> {
    raise_file_limit();
    if !matches!(cli.shape, Shape::ServeFloor { .. }) {
        ending::listen().map_err(|why| format!("no signals: {why}"))?;
    }
    let common = &cli.common;
    let report = match &cli.shape {
        Shape::Fanout(fanout) => shapes::fanout::run(common, fanout)?,
        Shape::Receipts(receipts) => shapes::receipts::run(common, receipts)?,
        Shape::Idle(idle) => shapes::idle::run(common, idle)?,
        Shape::Reconnect(reconnect) => shapes::reconnect::run(common, reconnect)?,
        Shape::Longpoll(longpoll) => shapes::longpoll::run(common, longpoll)?,
        Shape::Mixed(mixed) => shapes::mixed::run(common, mixed)?,
        Shape::Flood(flood) => shapes::quiet::flood(common, flood)?,
        Shape::Replay(replay) => shapes::quiet::replay(common, replay)?,
        Shape::Table(table) => return table::run(common, table),
        Shape::Growth(growth) => return growth::run(common, growth),
        Shape::ServeFloor { port, append } => {
            let served = floor::serve(*port, append.as_deref(), |at| println!("listening on http://{at}"));
            return served.map(|()| true).map_err(|why| format!("the bare server fails: {why}"));
        }
    };
    report.print(common.json);
    Ok(report.is_good())
}

/// As many connections as may be.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
