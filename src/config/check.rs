//! From what was written to what it means: ranges and relations, all faults at once.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::fault::{Fault, Place, Places};
use super::load::quoted;
use super::raw::{ALGORITHMS, DURABILITIES, ENGINES, LOG_FORMATS, PROXY_HEADERS, REGISTRATIONS, Raw};
use super::valid::{
    Admin, Algorithm, Argon2, Auth, Bind, Channels, Config, Jwt, JwtKey, Limits, Logging, Presence, Proxy, Rates,
    Server, Store, Tls,
};

const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: u64 = 60_000;
const TEN_YEARS_S: u64 = 315_360_000;
/// The longest path of a Unix socket, by `unix(7)`, without the closing zero.
const SOCKET_PATH_BYTES: usize = 107;

/// The shortest secret for HS256 (RFC 7518, section 3.2), in bytes.
pub(crate) const HS256_BYTES: usize = 32;

/// What a raw configuration means. Where there are faults, the values at them stand for nothing.
pub(super) fn check(raw: Raw, places: &Places) -> (Config, Vec<Fault>) {
    let mut check = Check { places, faults: Vec::new() };
    let config = Config {
        admin: check.admin(&raw.admin.bind, &raw.server.bind),
        server: check.server(raw.server),
        store: check.store(raw.store),
        presence: check.presence(&raw.presence),
        channels: check.channels(&raw.channels),
        limits: check.limits(&raw.limits),
        auth: check.auth(&raw.auth),
        jwt: check.jwt(raw.jwt),
        rates: check.rates(&raw.rates),
        retention: raw.retention.check(&mut check),
        web: raw.web,
        webhooks: check.webhooks(raw.webhooks),
        log: Logging {
            format: check.one_of("log.format", &raw.log.format, &LOG_FORMATS),
            filter: check.filter(raw.log.filter),
            slow: check.ms("log.slow_ms", raw.log.slow_ms, 0..=MINUTE_MS),
        },
    };
    (config, check.faults)
}

/// What is said of values so far.
pub(super) struct Check<'a> {
    places: &'a Places,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn server(&mut self, raw: super::raw::Server) -> Server {
        let drain_timeout = self.ms("server.drain_timeout_ms", raw.drain_timeout_ms, 0..=10 * MINUTE_MS);
        for origin in &raw.allowed_origins {
            if !is_origin(origin) {
                let expected = "origins as \"https://chat.example.org\" (scheme and host, a port if need be), or \"*\"";
                self.refuse("server.allowed_origins", quoted(origin), expected);
            }
        }
        Server {
            bind: self.bind("server.bind", &raw.bind),
            workers: self.threads("server.workers", raw.workers, |cores| cores - 1),
            drain_timeout,
            drain_notice: self.ms("server.drain_notice_ms", raw.drain_notice_ms, 0..=MINUTE_MS).min(drain_timeout),
            allowed_origins: raw.allowed_origins,
            trusted_proxies: raw.trusted_proxies.iter().filter_map(|text| self.proxy(text)).collect(),
            proxy_header: self.one_of("server.proxy_header", &raw.proxy_header, &PROXY_HEADERS),
            tls: self.tls(&raw.bind, raw.tls_cert, raw.tls_key),
        }
    }

    fn tls(&mut self, bind: &str, cert: String, key: String) -> Option<Tls> {
        for (name, path) in [("server.tls_cert", &cert), ("server.tls_key", &key)] {
            if path.contains(char::is_control) {
                self.refuse(name, quoted(path), "the path of a PEM file");
            }
        }
        match (cert.is_empty(), key.is_empty()) {
            (true, true) => return None,
            (false, true) => self.refuse("server.tls_key", quoted(&key), "the key that goes with server.tls_cert"),
            (true, false) => self.refuse("server.tls_cert", quoted(&cert), "what goes with server.tls_key"),
            (false, false) if bind.starts_with("unix:") => {
                self.refuse("server.tls_cert", quoted(&cert), "none where server.bind is a Unix socket");
            }
            (false, false) => {}
        }
        Some(Tls { cert: cert.into(), key: key.into() })
    }

    fn proxy(&mut self, text: &str) -> Option<Proxy> {
        let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let proxy = match text {
            "unix" => Some(Proxy::Unix),
            _ => text.parse::<IpNet>().ok().or_else(one).map(|net| Proxy::Net(net.trunc())),
        };
        if proxy.is_none() {
            let expected = "addresses or networks as \"10.0.0.0/8\", or \"unix\"";
            self.refuse("server.trusted_proxies", quoted(text), expected);
        }
        proxy
    }

    fn store(&mut self, raw: super::raw::Store) -> Store {
        if raw.path.trim().is_empty() || raw.path.contains(char::is_control) {
            self.refuse("store.path", quoted(&raw.path), "the path of a directory");
        }
        Store {
            engine: self.one_of("store.engine", &raw.engine, &ENGINES),
            path: PathBuf::from(raw.path),
            durability: self.one_of("store.durability", &raw.durability, &DURABILITIES),
            sync_interval: self.ms("store.sync_interval_ms", raw.sync_interval_ms, 1..=MINUTE_MS),
            cache_bytes: self.within("store.cache_bytes", raw.cache_bytes, 1 << 20..=1 << 40),
            reserve_bytes: self.within("store.reserve_bytes", raw.reserve_bytes, 0..=1 << 60),
            read_threads: self.count("store.read_threads", raw.read_threads, 1..=256),
        }
    }

    fn presence(&mut self, raw: &super::raw::Presence) -> Presence {
        let heartbeat = self.ms("presence.heartbeat_ms", raw.heartbeat_ms, 100..=10 * MINUTE_MS);
        let timeout = self.ms("presence.timeout_ms", raw.timeout_ms, 100..=HOUR_MS);
        if raw.timeout_ms <= raw.heartbeat_ms {
            let beside = ("presence.heartbeat_ms", raw.heartbeat_ms);
            self.relation(("presence.timeout_ms", raw.timeout_ms), "more than", beside);
        }
        Presence { heartbeat, timeout, sweep: self.ms("presence.sweep_ms", raw.sweep_ms, 10..=MINUTE_MS) }
    }

    fn channels(&mut self, raw: &super::raw::Channels) -> Channels {
        Channels {
            create_on_join: raw.create_on_join,
            window: self.count("channels.window", raw.window, 1..=100_000),
            dedup_window: self.count("channels.dedup_window", raw.dedup_window, 0..=1_000_000),
            announce_max: self.count("channels.announce_max", raw.announce_max, 0..=100_000),
            idle: self.ms("channels.idle_ms", raw.idle_ms, 10..=24 * HOUR_MS),
            arbiters: self.threads("channels.arbiters", raw.arbiters, |cores| cores / 2),
        }
    }

    fn limits(&mut self, raw: &super::raw::Limits) -> Limits {
        let frame = ("limits.frame_bytes", raw.frame_bytes);
        let frame_bytes = self.count(frame.0, frame.1, 256..=1 << 20);
        let mut body = ("limits.body_bytes", raw.body_bytes);
        if !self.places.contains_key(body.0) {
            body.1 = body.1.min(raw.frame_bytes);
        }
        let body_bytes = self.count(body.0, body.1, 1..=60_000);
        if body.1 > frame.1 {
            self.relation(body, "at most", frame);
        }
        let queue = ("limits.session_queue_bytes", raw.session_queue_bytes);
        let session_queue_bytes = self.count(queue.0, queue.1, 1024..=1 << 30);
        let inflight = ("limits.inflight_bytes", raw.inflight_bytes);
        let inflight_bytes = self.count(inflight.0, inflight.1, 0..=1 << 40);
        if inflight.1 < frame.1 {
            self.relation(inflight, "at least", frame);
        }
        Limits {
            frame_bytes,
            body_bytes,
            session_queue_bytes,
            replay_max: self.within("limits.replay_max", raw.replay_max, 1..=1_000_000),
            dedup_scan: self.within("limits.dedup_scan", raw.dedup_scan, 1..=10_000_000),
            page_max: self.count("limits.page_max", raw.page_max, 1..=10_000),
            channels_per_session: self.count("limits.channels_per_session", raw.channels_per_session, 1..=100_000),
            // All of them are told of at once.
            contacts: self.count("limits.contacts", raw.contacts, 0..=1000).min(session_queue_bytes / 512),
            sessions: self.count("limits.sessions", raw.sessions, 1..=10_000_000),
            connections_per_address: self.count(
                "limits.connections_per_address",
                raw.connections_per_address,
                0..=10_000_000,
            ),
            outstanding: self.count("limits.outstanding", raw.outstanding, 1..=100_000),
            inflight_bytes,
            hello_timeout: self.ms("limits.hello_timeout_ms", raw.hello_timeout_ms, 10..=10 * MINUTE_MS),
            before_hello: self.count("limits.before_hello", raw.before_hello, 1..=10_000_000),
            before_hello_per_address: self.count(
                "limits.before_hello_per_address",
                raw.before_hello_per_address,
                0..=10_000_000,
            ),
            sockets: self.count("limits.sockets", raw.sockets, 1..=20_000_000),
            sockets_per_address: self.count("limits.sockets_per_address", raw.sockets_per_address, 0..=20_000_000),
            request_timeout: self.ms("limits.request_timeout_ms", raw.request_timeout_ms, 10..=10 * MINUTE_MS),
            body_timeout: self.ms("limits.body_timeout_ms", raw.body_timeout_ms, 10..=10 * MINUTE_MS),
        }
    }

    fn rates(&mut self, raw: &super::raw::Rates) -> Rates {
        let mut each = |key: &str, value| self.within(key, value, 1..=1_000_000) as u32;
        let commands_per_second = each("rates.commands_per_second", raw.commands_per_second);
        let user_commands_per_second = each("rates.user_commands_per_second", raw.user_commands_per_second);
        let requests_per_second = each("rates.requests_per_second", raw.requests_per_second);
        let connects_per_second = each("rates.connects_per_second", raw.connects_per_second);
        let mut bytes = |key: &str, value| self.within(key, value, 256..=1 << 30) as u32;
        Rates {
            enabled: raw.enabled,
            commands_per_second,
            bytes_per_second: bytes("rates.bytes_per_second", raw.bytes_per_second),
            user_commands_per_second,
            user_bytes_per_second: bytes("rates.user_bytes_per_second", raw.user_bytes_per_second),
            requests_per_second,
            connects_per_second,
            logins_per_minute: self.within("rates.logins_per_minute", raw.logins_per_minute, 1..=100_000) as u32,
            sign_ups_per_hour: self.within("rates.sign_ups_per_hour", raw.sign_ups_per_hour, 1..=100_000) as u32,
        }
    }

    fn auth(&mut self, raw: &super::raw::Auth) -> Auth {
        Auth {
            guests: raw.guests,
            guest_ttl: Duration::from_secs(self.within("auth.guest_ttl_s", raw.guest_ttl_s, 1..=TEN_YEARS_S)),
            registration: self.one_of("auth.registration", &raw.registration, &REGISTRATIONS),
            token_ttl: Duration::from_secs(self.within("auth.token_ttl_s", raw.token_ttl_s, 1..=TEN_YEARS_S)),
            tokens_max: self.count("auth.tokens_max", raw.tokens_max, 1..=100),
            argon2: Argon2 {
                memory_kib: self.within("auth.argon2_memory_kib", raw.argon2_memory_kib, 7 << 10..=4 << 20) as u32,
                passes: self.within("auth.argon2_passes", raw.argon2_passes, 1..=100) as u32,
                lanes: self.within("auth.argon2_lanes", raw.argon2_lanes, 1..=64) as u32,
                at_once: self.threads("auth.argon2_at_once", raw.argon2_at_once, |cores| cores / 2),
            },
        }
    }

    fn admin(&mut self, bind: &str, clients: &str) -> Admin {
        if bind == clients && !bind.ends_with(":0") {
            self.refuse("admin.bind", quoted(bind), "another address than server.bind, or \"\"");
        }
        Admin { bind: (!bind.is_empty()).then(|| self.bind("admin.bind", bind)) }
    }

    fn jwt(&mut self, raw: super::raw::Jwt) -> Jwt {
        let algorithm = self.one_of("jwt.algorithm", &raw.algorithm, &ALGORITHMS);
        let key = match (raw.key.is_empty(), raw.key_file.is_empty()) {
            (true, true) => JwtKey::None,
            (false, true) => JwtKey::Text(raw.key),
            (true, false) => JwtKey::File(raw.key_file.into()),
            (false, false) => {
                self.refuse("jwt.key_file", quoted(&raw.key_file), "one of jwt.key and jwt.key_file, not both");
                JwtKey::None
            }
        };
        match &key {
            JwtKey::None if algorithm.is_some() => {
                self.refuse("jwt.algorithm", quoted(&raw.algorithm), "jwt.key or jwt.key_file beside it");
            }
            JwtKey::Text(text) if algorithm == Some(Algorithm::Hs256) && text.len() < HS256_BYTES => {
                let bytes = format!("a text of {} bytes", text.len());
                self.refuse(
                    "jwt.key",
                    bytes,
                    format!("a secret of at least {HS256_BYTES} bytes (RFC 7518, section 3.2)"),
                );
            }
            _ => {}
        }
        for (key, claim) in [("jwt.user_claim", &raw.user_claim), ("jwt.channels_claim", &raw.channels_claim)] {
            if claim.is_empty() {
                self.refuse(key, quoted(claim), "a claim's name");
            }
        }
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Jwt {
            algorithm,
            key,
            issuer: some(raw.issuer),
            audience: some(raw.audience),
            user_claim: raw.user_claim,
            channels_claim: raw.channels_claim,
            leeway: Duration::from_secs(self.within("jwt.leeway_s", raw.leeway_s, 0..=600)),
        }
    }

    fn bind(&mut self, key: &str, text: &str) -> Bind {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || path.contains(char::is_control) || path.len() > SOCKET_PATH_BYTES {
                let expected = format!("unix: and a path of 1 to {SOCKET_PATH_BYTES} bytes");
                self.refuse(key, quoted(text), expected);
            }
            return Bind::Unix(PathBuf::from(path));
        }
        let address = text.parse().unwrap_or_else(|_| {
            let expected = "an address and a port as \"127.0.0.1:8080\" or \"[::1]:8080\", or \"unix:/path\"";
            self.refuse(key, quoted(text), expected);
            ([127, 0, 0, 1], 0).into()
        });
        Bind::Tcp(address)
    }

    /// `env_logger` would warn of a wrong level and then ignore it; here it is a fault.
    fn filter(&mut self, text: String) -> String {
        let directives = text.split('/').next().unwrap_or_default();
        let sound = |directive: &str| match directive.split_once('=') {
            Some((target, level)) => !target.trim().is_empty() && is_level(level.trim()),
            None => !directive.trim().is_empty() && !directive.trim().contains(char::is_whitespace),
        };
        if text.contains(char::is_control) || !directives.split(',').all(sound) {
            let expected =
                "levels (off, error, warn, info, debug, trace) as \"info\" or \"warn,parlor::channel=debug\"";
            self.refuse("log.filter", quoted(&text), expected);
        }
        text
    }

    fn one_of<T: Copy>(&mut self, key: &str, text: &str, choices: &[(&str, T)]) -> T {
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == text) {
            return *chosen;
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| quoted(word)).collect();
        self.refuse(key, quoted(text), words.join(" or "));
        choices[0].1
    }

    pub(super) fn within(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) -> u64 {
        if !range.contains(&value) {
            self.refuse(key, value, format!("{} to {}", range.start(), range.end()));
        }
        value
    }

    fn count(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) -> usize {
        self.within(key, value, range) as usize
    }

    pub(super) fn ms(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(key, value, range))
    }

    /// A number of threads; 0 is what `of_cores` makes of the number of cores, and at least one.
    fn threads(&mut self, key: &str, value: u64, of_cores: impl Fn(usize) -> usize) -> usize {
        match self.count(key, value, 0..=1024) {
            0 => of_cores(std::thread::available_parallelism().map_or(1, Into::into)).max(1),
            count => count,
        }
    }

    fn place(&self, key: &str) -> Place {
        // Of a list of tables it is known where each begins.
        let table = || key.split_once('.').and_then(|(table, _)| self.places.get(table));
        self.places.get(key).or_else(table).cloned().unwrap_or(Place::Default)
    }

    pub(super) fn refuse(&mut self, key: &str, value: impl Display, expected: impl Into<String>) {
        self.faults.push(Fault::value(self.place(key), key, value, expected));
    }

    /// Two values that do not go together; said only if each would do by itself.
    fn relation(&mut self, (key, value): (&str, u64), how: &str, (other, beside): (&str, u64)) {
        if !self.faults.iter().any(|fault| fault.key == key || fault.key == other) {
            let place = self.place(other);
            self.refuse(key, value, format!("{how} {other}, which is {beside} ({place})"));
        }
    }
}

/// Whether a text is a level of the log.
fn is_level(text: &str) -> bool {
    text.parse::<log::LevelFilter>().is_ok()
}

/// Whether a text is an origin (RFC 6454, section 6.2), or `*`.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:[]".contains(c);
    text == "*" || host.is_some_and(|host| !host.is_empty() && host.chars().all(plain))
}
