//! The validated configuration: every value in its range, every relation holding.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::retention::Retention;
use super::web::Web;
use super::webhooks::Webhook;

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
    /// `[jwt]`
    pub jwt: Jwt,
    /// `[admin]`
    pub admin: Admin,
    /// `[rates]`
    pub rates: Rates,
    /// `[[webhooks]]`
    pub webhooks: Vec<Webhook>,
    /// `[log]`
    pub log: Logging,
    /// `[retention]`
    pub retention: Retention,
    /// `[web]`
    pub web: Web,
}

/// What is for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// An address of its own for it; `None` if it is answered with everything else.
    pub bind: Option<Bind>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A TCP address, IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix socket, written `unix:/path`.
    Unix(PathBuf),
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
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
    /// Who is believed about where a client is.
    pub trusted_proxies: Vec<Proxy>,
    /// In which header they say it.
    pub proxy_header: ProxyHeader,
    /// What it shows of itself, if it speaks TLS.
    pub tls: Option<Tls>,
}

/// Where a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, as PEM, the server's own first.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// A proxy that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// At these addresses.
    Net(IpNet),
    /// Whoever comes over the Unix socket.
    Unix,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) => net.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Where a proxy says who came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
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
    /// Contacts of an account.
    pub contacts: usize,
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
    /// Sessions of the whole server that have not said hello.
    pub before_hello: usize,
    /// Those of one address; 0 for no limit.
    pub before_hello_per_address: usize,
    /// Connections of the whole server, whatever they carry.
    pub sockets: usize,
    /// Those of one address that is no trusted proxy; 0 for no limit.
    pub sockets_per_address: usize,
    /// How long a TLS handshake may take, and the head of a request from its first byte on.
    pub request_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
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
    /// How long an account's token lasts after it was last used.
    pub token_ttl: Duration,
    /// How many tokens an account has at most.
    pub tokens_max: usize,
    /// How passwords are hashed.
    pub argon2: Argon2,
}

/// How passwords are hashed, by Argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2 {
    /// Memory for one, in KiB; at least 8 for each lane.
    pub memory_kib: u32,
    /// How often the memory is gone over.
    pub passes: u32,
    /// How many parts of it do not wait for each other.
    pub lanes: u32,
    /// How many are worked on at the same time; 0 in the file means half as many as cores.
    pub at_once: usize,
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

/// How tokens of another service are told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// How they are signed; `None` if none is taken.
    pub algorithm: Option<Algorithm>,
    /// What they are verified with.
    pub key: JwtKey,
    /// Who has to have made them, if that is asked.
    pub issuer: Option<String>,
    /// Whom they have to be for; a token that names an audience is refused where none is set (RFC 7519, section 4.1.3).
    pub audience: Option<String>,
    /// The claim that names the user.
    pub user_claim: String,
    /// The claim that names the channels of the user, who without it may go where any account may.
    pub channels_claim: String,
    /// By how much the clocks may differ.
    pub leeway: Duration,
}

/// How a token is signed (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256, and a secret that both sides have.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// Ed25519.
    EdDsa,
}

/// What tokens are verified with.
#[derive(Clone, PartialEq, Eq)]
pub enum JwtKey {
    /// Nothing.
    None,
    /// The key itself: a secret, or a public key in PEM.
    Text(String),
    /// A file with one: a secret, or public keys in PEM, of which any will do.
    File(PathBuf),
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Text(_) => f.write_str("Text"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// How fast a client may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Whether rates are limited at all.
    pub enabled: bool,
    /// Commands of one session; twice as many may come in a burst.
    pub commands_per_second: u32,
    /// Bytes of one session's frames.
    pub bytes_per_second: u32,
    /// Commands of one user, over all sessions and plain requests.
    pub user_commands_per_second: u32,
    /// Bytes of them.
    pub user_bytes_per_second: u32,
    /// HTTP requests of one address.
    pub requests_per_second: u32,
    /// Sessions that one address begins, and connections that it opens.
    pub connects_per_second: u32,
    /// Attempts to log in, per account and per address.
    pub logins_per_minute: u32,
    /// Attempts to make an account, per address.
    pub sign_ups_per_hour: u32,
}

/// How it logs.
#[derive(Clone, Debug, PartialEq)]
pub struct Logging {
    /// Levels, in `env_logger`'s form.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
    /// A handler of an actor that takes so long is worth a line; none, if zero.
    pub slow: Duration,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Plain,
    /// One JSON object a line.
    Json,
}
