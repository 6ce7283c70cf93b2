//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Parlor's load generator: drives a server in one of several shapes, checks everything that every receiver hears, and
/// prints what it measured. Ends with 1 if anything was lost, doubled, out of order or refused.
#[derive(Debug, Parser)]
#[command(name = "load")]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub shape: Shape,
}

/// What every shape takes.
#[derive(Clone, Debug, Args)]
pub struct Common {
    #[command(flatten)]
    pub target: Target,
    /// How long to measure
    #[arg(long, global = true, default_value_t = 10.0)]
    pub seconds: f64,
    /// How long to run before that
    #[arg(long, global = true, default_value_t = 2.0)]
    pub warmup: f64,
    /// Bytes of a message's text (20 at least: it carries when it was due)
    #[arg(long, global = true, default_value_t = 120)]
    pub text: usize,
    /// Give every publish a key
    #[arg(long, global = true)]
    pub keys: bool,
    /// Join as members, not only as subscribers
    #[arg(long, global = true)]
    pub members: bool,
    /// Print one JSON object instead of a table
    #[arg(long, global = true)]
    pub json: bool,
}

/// The server to measure. Without any of these, one of its own is started, from the binary beside this one.
#[derive(Clone, Debug, Default, Args)]
pub struct Target {
    /// A server that runs already
    #[arg(long, global = true, value_name = "URL", conflicts_with_all = ["server", "floor", "floor_append", "data"])]
    pub url: Option<String>,
    /// With --url: the process whose CPU and memory to watch
    #[arg(long, global = true)]
    pub pid: Option<u32>,
    /// The binary of the server to start
    #[arg(long, global = true, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Start the bare server of benches/floor
    #[arg(long, global = true, conflicts_with = "server")]
    pub floor: bool,
    /// Start the bare server, and have it append every message to a file
    #[arg(long, global = true, conflicts_with_all = ["server", "floor"])]
    pub floor_append: bool,
    /// Where to put the server's directory, instead of the system's temporary one
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A setting of the server to start, such as store.durability=interval; may be given often
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Shape {
    /// Publishers and many who hear them
    Fanout(Fanout),
    /// Publishers that wait for their receipts, and nobody who hears them
    Receipts(Receipts),
    /// Sessions that hear a channel in which nothing is said
    Idle(Idle),
    /// Run the bare server
    #[command(hide = true)]
    ServeFloor {
        #[arg(long, default_value_t = 0)]
        port: u16,
        #[arg(long)]
        append: Option<PathBuf>,
    },
}

#[derive(Clone, Debug, Args)]
pub struct Fanout {
    /// Channels
    #[arg(long, default_value_t = 1)]
    pub channels: u32,
    /// Subscribers of each channel
    #[arg(long, default_value_t = 1000)]
    pub subscribers: u32,
    /// Publishers of each channel: the first of its subscribers
    #[arg(long, default_value_t = 1)]
    pub publishers: u32,
    /// Publishers are sessions of their own, which hear nothing
    #[arg(long)]
    pub apart: bool,
    /// Closed loop: messages in flight of each publisher. One is in flight until its receipt and every subscriber have it
    #[arg(long, default_value_t = 1)]
    pub inflight: u32,
    /// Closed loop: messages in flight over all publishers together, which take turns
    #[arg(long, conflicts_with = "inflight")]
    pub inflight_all: Option<u32>,
    /// Open loop: messages a second over all publishers, which take turns; times run from when one was due
    #[arg(long, conflicts_with_all = ["inflight", "inflight_all"])]
    pub rate: Option<f64>,
}

#[derive(Clone, Debug, Args)]
pub struct Receipts {
    /// Publishers in all
    #[arg(long, default_value_t = 64)]
    pub publishers: u32,
    /// Channels, over which the publishers are spread
    #[arg(long, default_value_t = 64)]
    pub channels: u32,
    /// Closed loop: publishes of each publisher that wait for their receipts
    #[arg(long, default_value_t = 1)]
    pub inflight: u32,
    /// Open loop: publishes a second over all publishers
    #[arg(long, conflicts_with = "inflight")]
    pub rate: Option<f64>,
}

#[derive(Clone, Debug, Args)]
pub struct Idle {
    /// Sessions
    #[arg(long, default_value_t = 9000)]
    pub sessions: u32,
    /// Channels, over which the sessions are spread
    #[arg(long, default_value_t = 100)]
    pub channels: u32,
}
