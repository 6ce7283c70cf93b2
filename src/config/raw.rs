//! What may be written: the names, the types and the defaults. What a value must be like is `check`'s matter.
//!
//! `config.toml` at the repository's root says what each key means and costs; a test holds the two equal.

#![expect(clippy::struct_field_names, reason = "a key's name ends in its unit")]

use serde::{Deserialize, Serialize};

use super::valid::{Algorithm, Config, Durability, Engine, JwtKey, LogFormat, Proxy, ProxyHeader, Registration};
use super::webhooks::Written;

/// Declares the sections: each a struct whose fields are its keys, with their defaults; behind the semicolon stand
/// those that have a file of their own.
macro_rules! sections {
    (
        $($(#[$doc:meta])* $section:ident: $name:ident { $($key:ident: $kind:ty = $default:expr),+ $(,)? })+
        ; $($(#[$more:meta])* $beside:ident: $raw:ty),+ $(,)?
    ) => {
        /// Everything that can be set, as it is written.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct Raw {
            $($(#[$doc])* pub(super) $section: $name,)+
            $($(#[$more])* pub(super) $beside: $raw,)+
        }
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub(super) struct $name {
                $(pub(super) $key: $kind,)+
            }

            impl Default for $name {
                fn default() -> Self {
                    Self { $($key: $default,)+ }
                }
            }
        )+
    };
}

sections! {
    /// `[server]`
    server: Server {
        bind: String = "127.0.0.1:8080".into(),
        workers: u64 = 0,
        drain_timeout_ms: u64 = 10_000,
        drain_notice_ms: u64 = 300,
        allowed_origins: Vec<String> = Vec::new(),
        trusted_proxies: Vec<String> = Vec::new(),
        proxy_header: String = "x-forwarded-for".into(),
        tls_cert: String = String::new(),
        tls_key: String = String::new(),
    }
    /// `[store]`
    store: Store {
        engine: String = "sled".into(),
        path: String = "data".into(),
        durability: String = "always".into(),
        sync_interval_ms: u64 = 200,
        cache_bytes: u64 = 64 << 20,
        reserve_bytes: u64 = 64 << 20,
        read_threads: u64 = 4,
    }
    /// `[presence]`
    presence: Presence {
        heartbeat_ms: u64 = 25_000,
        timeout_ms: u64 = 60_000,
        sweep_ms: u64 = 1_000,
    }
    /// `[channels]`
    channels: Channels {
        create_on_join: bool = true,
        window: u64 = 256,
        dedup_window: u64 = 1_000,
        announce_max: u64 = 200,
        idle_ms: u64 = 60_000,
        arbiters: u64 = 0,
    }
    /// `[limits]`
    limits: Limits {
        frame_bytes: u64 = 64 << 10,
        body_bytes: u64 = 32 << 10,
        session_queue_bytes: u64 = 1 << 20,
        replay_max: u64 = 10_000,
        dedup_scan: u64 = 100_000,
        page_max: u64 = 1_000,
        channels_per_session: u64 = 256,
        contacts: u64 = 1_000,
        sessions: u64 = 100_000,
        connections_per_address: u64 = 20_000,
        outstanding: u64 = 64,
        inflight_bytes: u64 = 64 << 20,
        hello_timeout_ms: u64 = 10_000,
        before_hello: u64 = 50_000,
        before_hello_per_address: u64 = 10_000,
        sockets: u64 = 200_000,
        sockets_per_address: u64 = 50_000,
        request_timeout_ms: u64 = 5_000,
        body_timeout_ms: u64 = 10_000,
    }
    /// `[auth]`
    auth: Auth {
        guests: bool = true,
        guest_ttl_s: u64 = 30 * 24 * 3600,
        registration: String = "open".into(),
        token_ttl_s: u64 = 30 * 24 * 3600,
        tokens_max: u64 = 32,
        argon2_memory_kib: u64 = 19 << 10,
        argon2_passes: u64 = 2,
        argon2_lanes: u64 = 1,
        argon2_at_once: u64 = 0,
    }
    /// `[jwt]`
    jwt: Jwt {
        algorithm: String = String::new(),
        key: String = String::new(),
        key_file: String = String::new(),
        issuer: String = String::new(),
        audience: String = String::new(),
        user_claim: String = "sub".into(),
        channels_claim: String = "channels".into(),
        leeway_s: u64 = 30,
    }
    /// `[admin]`
    admin: Admin {
        bind: String = String::new(),
    }
    /// `[rates]`
    rates: Rates {
        enabled: bool = true,
        commands_per_second: u64 = 2_000,
        bytes_per_second: u64 = 8 << 20,
        user_commands_per_second: u64 = 8_000,
        user_bytes_per_second: u64 = 32 << 20,
        requests_per_second: u64 = 10_000,
        connects_per_second: u64 = 5_000,
        logins_per_minute: u64 = 10,
        sign_ups_per_hour: u64 = 100,
    }
    /// `[log]`
    log: Logging {
        filter: String = "info".into(),
        format: String = "plain".into(),
        slow_ms: u64 = 100,
    }
;
    /// `[retention]`
    retention: super::retention::Raw,
    /// `[web]`
    web: super::web::Web,
    /// `[[webhooks]]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhooks: Vec<Written>,
}

/// The values that a key of a few choices may have.
pub(super) const ENGINES: [(&str, Engine); 2] = [("sled", Engine::Sled), ("memory", Engine::Memory)];
/// As [`ENGINES`].
pub(super) const DURABILITIES: [(&str, Durability); 2] =
    [("always", Durability::Always), ("interval", Durability::Interval)];
/// As [`ENGINES`].
pub(super) const REGISTRATIONS: [(&str, Registration); 3] =
    [("open", Registration::Open), ("invite", Registration::Invite), ("closed", Registration::Closed)];
/// As [`ENGINES`].
pub(super) const LOG_FORMATS: [(&str, LogFormat); 2] = [("plain", LogFormat::Plain), ("json", LogFormat::Json)];

/// As [`ENGINES`].
pub(super) const PROXY_HEADERS: [(&str, ProxyHeader); 2] =
    [("x-forwarded-for", ProxyHeader::XForwardedFor), ("forwarded", ProxyHeader::Forwarded)];
pub(super) const ALGORITHMS: [(&str, Option<Algorithm>); 4] = [
    ("", None),
    ("HS256", Some(Algorithm::Hs256)),
    ("RS256", Some(Algorithm::Rs256)),
    ("EdDSA", Some(Algorithm::EdDsa)),
];
/// What stands for a secret where it is shown.
pub(super) const HIDDEN: &str = "(hidden)";

/// The word for a choice.
fn word<T: PartialEq>(choices: &[(&str, T)], chosen: &T) -> String {
    choices.iter().find(|(_, one)| one == chosen).map_or_else(String::new, |(word, _)| (*word).to_owned())
}

/// Whole milliseconds.
fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<&Config> for Raw {
    /// How a configuration would be written.
    fn from(from: &Config) -> Self {
        let (server, store, presence) = (&from.server, &from.store, &from.presence);
        let (channels, limits) = (&from.channels, &from.limits);
        Self {
            server: Server {
                bind: server.bind.to_string(),
                workers: server.workers as u64,
                drain_timeout_ms: ms(server.drain_timeout),
                drain_notice_ms: ms(server.drain_notice),
                allowed_origins: server.allowed_origins.clone(),
                trusted_proxies: server.trusted_proxies.iter().map(Proxy::to_string).collect(),
                proxy_header: word(&PROXY_HEADERS, &server.proxy_header),
                tls_cert: server.tls.as_ref().map_or_else(String::new, |tls| tls.cert.display().to_string()),
                tls_key: server.tls.as_ref().map_or_else(String::new, |tls| tls.key.display().to_string()),
            },
            store: Store {
                engine: word(&ENGINES, &store.engine),
                path: store.path.display().to_string(),
                durability: word(&DURABILITIES, &store.durability),
                sync_interval_ms: ms(store.sync_interval),
                cache_bytes: store.cache_bytes,
                reserve_bytes: store.reserve_bytes,
                read_threads: store.read_threads as u64,
            },
            presence: Presence {
                heartbeat_ms: ms(presence.heartbeat),
                timeout_ms: ms(presence.timeout),
                sweep_ms: ms(presence.sweep),
            },
            channels: Channels {
                create_on_join: channels.create_on_join,
                window: channels.window as u64,
                dedup_window: channels.dedup_window as u64,
                announce_max: channels.announce_max as u64,
                idle_ms: ms(channels.idle),
                arbiters: channels.arbiters as u64,
            },
            limits: Limits {
                frame_bytes: limits.frame_bytes as u64,
                body_bytes: limits.body_bytes as u64,
                session_queue_bytes: limits.session_queue_bytes as u64,
                replay_max: limits.replay_max,
                dedup_scan: limits.dedup_scan,
                page_max: limits.page_max as u64,
                channels_per_session: limits.channels_per_session as u64,
                contacts: limits.contacts as u64,
                sessions: limits.sessions as u64,
                connections_per_address: limits.connections_per_address as u64,
                outstanding: limits.outstanding as u64,
                inflight_bytes: limits.inflight_bytes as u64,
                hello_timeout_ms: ms(limits.hello_timeout),
                before_hello: limits.before_hello as u64,
                before_hello_per_address: limits.before_hello_per_address as u64,
                sockets: limits.sockets as u64,
                sockets_per_address: limits.sockets_per_address as u64,
                request_timeout_ms: ms(limits.request_timeout),
                body_timeout_ms: ms(limits.body_timeout),
            },
            auth: Auth {
                guests: from.auth.guests,
                guest_ttl_s: from.auth.guest_ttl.as_secs(),
                registration: word(&REGISTRATIONS, &from.auth.registration),
                token_ttl_s: from.auth.token_ttl.as_secs(),
                tokens_max: from.auth.tokens_max as u64,
                argon2_memory_kib: u64::from(from.auth.argon2.memory_kib),
                argon2_passes: u64::from(from.auth.argon2.passes),
                argon2_lanes: u64::from(from.auth.argon2.lanes),
                argon2_at_once: from.auth.argon2.at_once as u64,
            },
            jwt: Jwt {
                algorithm: word(&ALGORITHMS, &from.jwt.algorithm),
                key: match &from.jwt.key {
                    JwtKey::Text(_) => HIDDEN.to_owned(),
                    _ => String::new(),
                },
                key_file: match &from.jwt.key {
                    JwtKey::File(path) => path.display().to_string(),
                    _ => String::new(),
                },
                issuer: from.jwt.issuer.clone().unwrap_or_default(),
                audience: from.jwt.audience.clone().unwrap_or_default(),
                user_claim: from.jwt.user_claim.clone(),
                channels_claim: from.jwt.channels_claim.clone(),
                leeway_s: from.jwt.leeway.as_secs(),
            },
            admin: Admin { bind: from.admin.bind.as_ref().map(ToString::to_string).unwrap_or_default() },
            rates: Rates::of(from),
            log: Logging::of(from),
            retention: (&from.retention).into(),
            web: from.web.clone(),
            webhooks: from.webhooks.iter().map(Written::from).collect(),
        }
    }
}

impl Rates {
    fn of(from: &Config) -> Self {
        Self {
            enabled: from.rates.enabled,
            commands_per_second: u64::from(from.rates.commands_per_second),
            bytes_per_second: u64::from(from.rates.bytes_per_second),
            user_commands_per_second: u64::from(from.rates.user_commands_per_second),
            user_bytes_per_second: u64::from(from.rates.user_bytes_per_second),
            requests_per_second: u64::from(from.rates.requests_per_second),
            connects_per_second: u64::from(from.rates.connects_per_second),
            logins_per_minute: u64::from(from.rates.logins_per_minute),
            sign_ups_per_hour: u64::from(from.rates.sign_ups_per_hour),
        }
    }
}

impl Logging {
    fn of(from: &Config) -> Self {
        Self {
            filter: from.log.filter.clone(),
            format: word(&LOG_FORMATS, &from.log.format),
            slow_ms: ms(from.log.slow),
        }
    }
}
