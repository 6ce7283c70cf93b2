//! The validated configuration: every value in its range, every relation holding.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: Store,
    /// `[presence]`
    pub presence: Presence,
    /// `[channels]`
    pub channels: Channels,
    /// `[limits]`
    pub limits: Limits,
    /// `[auth]`
    pub auth: Auth,
    /// `[rates]`
    pub rates: Rates,
    /// `[log]`
    pub log: Logging,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A TCP address, IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix socket, written `unix:/path`.
    Unix(PathBuf),
}

/// How it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where it listens.
    pub bind: Bind,
    /// HTTP workers; 0 in the file means one fewer than cores.
    pub workers: usize,
    /// How long a stop may take.
    pub drain_timeout: Duration,
    /// How long clients hear the notice before their sockets are closed.
    pub drain_notice: Duration,
    /// Origins besides the server's own that browsers may come from; `*` for any.
    pub allowed_origins: Vec<String>,
}

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// sled, on disk.
    Sled,
    /// In memory, gone with the process.
    Memory,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk.
    Always,
    /// At once; it is on disk within the sync interval.
    Interval,
}

/// How it stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// The engine.
    pub engine: Engine,
    /// The data directory.
    pub path: PathBuf,
    /// When a write counts as done.
    pub durability: Durability,
    /// How often unsynced writes are synced with `interval`.
    pub sync_interval: Duration,
    /// Memory for cached pages, in bytes.
    pub cache_bytes: u64,
    /// Publishes are refused while less than this is free on the disk, in bytes.
    pub reserve_bytes: u64,
    /// Threads that read.
    pub read_threads: usize,
}

/// How presence is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// How often a client is heard from, at least.
    pub heartbeat: Duration,
    /// A session not heard from for this long is dead.
    pub timeout: Duration,
    /// How often the dead are looked for.
    pub sweep: Duration,
}

/// How channels work.
#[derive(Clone, Debug, PartialEq)]
pub struct Channels {
    /// Whether joining an unknown name makes a channel.
    pub create_on_join: bool,
    /// How many of the newest messages an active channel keeps in memory.
    pub window: usize,
    /// Among how many of the newest messages a key without `base` is looked for.
    pub dedup_window: usize,
    /// Up to how many online others' joining, leaving, reading and typing is announced.
    pub announce_max: usize,
    /// A channel that nobody hears is put to sleep after this.
    pub idle: Duration,
    /// Threads that channels are spread over; 0 in the file means half as many as cores.
    pub arbiters: usize,
}

/// What a client may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The largest frame, in bytes.
    pub frame_bytes: usize,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// What may wait to be sent to one session, in bytes.
    pub session_queue_bytes: usize,
    /// How many messages a join replays at most.
    pub replay_max: u64,
    /// How many messages a key's search may pass.
    pub dedup_scan: u64,
    /// The longest page.
    pub page_max: usize,
    /// How many channels a session may subscribe to.
    pub channels_per_session: usize,
    /// Sessions of the whole server.
    pub sessions: usize,
    /// Connections of one address; 0 for no limit.
    pub connections_per_address: usize,
    /// Unanswered publishes of one session.
    pub outstanding: usize,
    /// Bytes of all unanswered publishes together.
    pub inflight_bytes: usize,
    /// How long a connection may take to say hello.
    pub hello_timeout: Duration,
}

/// Who gets in.
#[derive(Clone, Debug, PartialEq)]
pub struct Auth {
    /// Whether guests are let in.
    pub guests: bool,
    /// How long a guest's token and memberships last after it was last used.
    pub guest_ttl: Duration,
    /// Who may make an account.
    pub registration: Registration,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Whoever has a code.
    Invite,
    /// Nobody.
    Closed,
}

/// How fast a client may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Whether rates are limited at all.
    pub enabled: bool,
    /// Commands of one session; twice as many may come in a burst.
    pub commands_per_second: u32,
    /// Attempts to log in, per account and per address.
    pub logins_per_minute: u32,
}

/// How it logs.
#[derive(Clone, Debug, PartialEq)]
pub struct Logging {
    /// Levels, in `env_logger`'s form.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Plain,
    /// One JSON object a line.
    Json,
}
