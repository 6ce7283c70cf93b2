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
    /// How long what is on its way at the end may take to arrive
    #[arg(long, global = true, default_value_t = 15.0)]
    pub patience: f64,
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
    /// Sessions that are cut all at once, and come back with their tokens and cursors
    Reconnect(Reconnect),
    /// Many who hear one channel over long-poll, and a publisher over WebSocket
    Longpoll(Longpoll),
    /// Everything at once, at given rates, in channels of uneven sizes, over both transports
    Mixed(Mixed),
    /// Quiet channels alone, and beside a flood in another one
    Flood(Flood),
    /// Quiet channels alone, and beside a session that reads a long replay
    Replay(Replay),
    /// All of these against Parlor and against the bare server in turn, and one table of medians
    Table(Table),
    /// One thing measured as another one grows, point by point, and plots of it
    Growth(crate::growth::Growth),
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

#[derive(Clone, Debug, Args)]
pub struct Reconnect {
    /// Sessions
    #[arg(long, default_value_t = 2000)]
    pub sessions: u32,
    /// Channels, over which the sessions are spread
    #[arg(long, default_value_t = 20)]
    pub channels: u32,
    /// What is said in each channel while they are away
    #[arg(long, default_value_t = 10)]
    pub missed: u32,
    /// How often they are cut; the median is reported
    #[arg(long, default_value_t = 5)]
    pub cuts: u32,
    /// How many are on their way back at a time
    #[arg(long, default_value_t = 256)]
    pub at_once: u32,
}

#[derive(Clone, Debug, Args)]
pub struct Longpoll {
    /// Clients that poll
    #[arg(long, default_value_t = 200)]
    pub clients: u32,
    /// Closed loop: messages in flight. One is in flight until its receipt and every client have it
    #[arg(long, default_value_t = 8)]
    pub inflight: u32,
}

#[derive(Clone, Debug, Args)]
pub struct Mixed {
    /// Sessions over WebSocket, each in three channels
    #[arg(long, default_value_t = 500)]
    pub sessions: u32,
    /// Sessions over long-poll, each in three channels
    #[arg(long, default_value_t = 50)]
    pub pollers: u32,
    /// Channels, of sizes after Zipf
    #[arg(long, default_value_t = 50)]
    pub channels: u32,
    /// Messages a second
    #[arg(long, default_value_t = 200.0)]
    pub posts: f64,
    /// Typing, a second
    #[arg(long, default_value_t = 50.0)]
    pub typing: f64,
    /// Read marks a second
    #[arg(long, default_value_t = 50.0)]
    pub reads: f64,
    /// Requests for history a second
    #[arg(long, default_value_t = 50.0)]
    pub history: f64,
    /// Leaves a second, each followed by a join with a cursor
    #[arg(long, default_value_t = 20.0)]
    pub joins: f64,
    /// Sessions cut a second, each of which comes back
    #[arg(long, default_value_t = 5.0)]
    pub reconnects: f64,
}

#[derive(Clone, Debug, Args)]
pub struct Flood {
    /// Publishers of the flood, in one channel
    #[arg(long, default_value_t = 1000)]
    pub publishers: u32,
    /// Closed loop: messages in flight of each of them
    #[arg(long, default_value_t = 1)]
    pub inflight: u32,
    /// Open loop: messages a second of all of them together
    #[arg(long, conflicts_with = "inflight")]
    pub rate: Option<f64>,
    /// Quiet channels, in each of which something is said once a second
    #[arg(long, default_value_t = 500)]
    pub quiet: u32,
}

#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// Messages that the session is behind
    #[arg(long, default_value_t = 1_000_000)]
    pub messages: u64,
    /// Quiet channels, in each of which something is said once a second
    #[arg(long, default_value_t = 500)]
    pub quiet: u32,
}

#[derive(Clone, Debug, Args)]
pub struct Table {
    /// Runs of each shape against each server
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Only the works whose names contain one of these words
    #[arg(long, value_name = "WORD")]
    pub only: Vec<String>,
    /// A fraction of the sizes, for a quick look that says nothing of speed
    #[arg(long, default_value_t = 1.0, hide = true)]
    pub scale: f64,
}
