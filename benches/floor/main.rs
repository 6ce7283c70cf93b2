//! The floor under every figure: what this machine does for the same frames when nothing stands between.
//!
//! `cargo bench --bench floor -- serve [--port N] [--append DIR]` runs the bare server of `server.rs`, for
//! `examples/load` or anything else to talk to. Without arguments it prints what appending and syncing alone costs, for
//! batches of 1, 8 and 64 messages.

#[allow(dead_code, reason = "examples/load uses what is left over here")]
mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};

use server::disk::Disk;

/// The bare server that every figure stands beside, and the bare disk
#[derive(Parser)]
struct Args {
    /// Passed by cargo
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until the process is ended
    Serve {
        /// The port; 0 takes any free one
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Append every message to a file in this directory, on the disk before anyone hears of it
        #[arg(long, value_name = "DIR")]
        append: Option<PathBuf>,
    },
}

fn main() {
    match Args::parse().command {
        Some(Command::Serve { port, append }) => {
            let served = server::serve(port, append.as_deref(), |at| println!("listening on http://{at}"));
            served.expect("the bare server runs");
        }
        None => figures(),
    }
}

/// Each batch size for a while.
fn figures() {
    const WHILE: Duration = Duration::from_secs(2);
    let own = std::env::current_exe().expect("this program is a file");
    let home = tempfile::tempdir_in(own.parent().expect("it is in a folder")).expect("a directory beside it");
    println!("append + fdatasync, 250 bytes a message");
    println!("{:>6} {:>12} {:>12} {:>10} {:>10}", "batch", "commits/s", "messages/s", "p50 us", "p99 us");
    for batch in [1, 8, 64] {
        let mut disk = Disk::open(&home.path().join(batch.to_string())).expect("a new file");
        let mut times = hdrhistogram::Histogram::<u64>::new(3).expect("three digits");
        let begin = Instant::now();
        while begin.elapsed() < WHILE {
            let since = Instant::now();
            (0..batch).for_each(|_| disk.add(&[b'x'; 250]));
            disk.commit().expect("the disk takes it");
            times.saturating_record(since.elapsed().as_micros() as u64);
        }
        let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
        let (p50, p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
        println!("{batch:>6} {rate:>12.0} {:>12.0} {p50:>10} {p99:>10}", rate * f64::from(batch));
    }
}
