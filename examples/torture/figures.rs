//! The figures that the server runs with: short times and small limits, so that all of them are met. Drawn from the seed.

use std::fmt;

use parlor::checker::Terms;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// How late anything may be on a slow machine, in milliseconds.
const SLACK: u64 = 4_000;

/// What is set, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// `presence.heartbeat_ms`
    pub heartbeat_ms: u64,
    /// `presence.timeout_ms`
    pub timeout_ms: u64,
    /// `presence.sweep_ms`
    pub sweep_ms: u64,
    /// `limits.replay_max`
    pub replay_max: u64,
    /// Whether `store.durability` is `always`.
    pub durable: bool,
    /// Whether keys are found without a base however old they are: only then they are used without one.
    pub keys_alone: bool,
    /// `store.reserve_bytes`
    pub reserve: u64,
    window: u64,
    body_bytes: u64,
    queue_bytes: u64,
    idle_ms: u64,
    workers: u64,
    arbiters: u64,
    announce_max: u64,
    page_max: u64,
}

fn one_of(dice: &mut StdRng, of: &[u64]) -> u64 {
    of.choose(dice).copied().unwrap_or(1)
}

impl Figures {
    /// Draws them.
    pub fn draw(dice: &mut StdRng) -> Self {
        let durable = dice.random_ratio(3, 4);
        Self {
            heartbeat_ms: 400,
            timeout_ms: 1_200,
            sweep_ms: 100,
            replay_max: one_of(dice, &[40, 64, 200]),
            durable,
            // Where logs begin new lives, bases mean nothing after it.
            keys_alone: !durable || dice.random_ratio(1, 2),
            reserve: one_of(dice, &[0, 1 << 20, 4 << 20]),
            window: one_of(dice, &[4, 32, 64]),
            body_bytes: one_of(dice, &[1_000, 4_000, 16_000]),
            queue_bytes: one_of(dice, &[32 << 10, 64 << 10, 256 << 10]),
            idle_ms: one_of(dice, &[20, 100, 1_000]),
            workers: one_of(dice, &[1, 2, 3]),
            arbiters: one_of(dice, &[1, 2, 3]),
            announce_max: one_of(dice, &[3, 200]),
            page_max: one_of(dice, &[20, 100, 1_000]),
        }
    }

    /// As settings: `section.key` and value.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let durability = if self.durable { "always" } else { "interval" };
        let dedup_window = if self.keys_alone { 1_000_000 } else { 50 };
        vec![
            ("server.workers", self.workers.to_string()),
            ("server.drain_timeout_ms", "3000".into()),
            ("server.drain_notice_ms", "50".into()),
            ("store.durability", durability.into()),
            ("store.sync_interval_ms", "100".into()),
            ("store.cache_bytes", (8 << 20).to_string()),
            ("store.reserve_bytes", self.reserve.to_string()),
            ("store.read_threads", "2".into()),
            ("presence.heartbeat_ms", self.heartbeat_ms.to_string()),
            ("presence.timeout_ms", self.timeout_ms.to_string()),
            ("presence.sweep_ms", self.sweep_ms.to_string()),
            ("channels.window", self.window.to_string()),
            ("channels.dedup_window", dedup_window.to_string()),
            ("channels.announce_max", self.announce_max.to_string()),
            ("channels.idle_ms", self.idle_ms.to_string()),
            ("channels.arbiters", self.arbiters.to_string()),
            ("limits.body_bytes", self.body_bytes.to_string()),
            ("limits.session_queue_bytes", self.queue_bytes.to_string()),
            ("limits.replay_max", self.replay_max.to_string()),
            ("limits.dedup_scan", "10000000".into()),
            ("limits.page_max", self.page_max.to_string()),
            ("limits.hello_timeout_ms", "2000".into()),
            ("limits.channels_per_session", "16".into()),
            ("limits.connections_per_address", "0".into()),
            ("log.filter", "info".into()),
        ]
    }

    /// What the checker is to expect.
    pub fn terms(&self) -> Terms {
        Terms {
            heartbeat_ms: self.heartbeat_ms,
            timeout_ms: self.timeout_ms,
            sweep_ms: self.sweep_ms,
            slack_ms: SLACK,
            replay_max: self.replay_max,
            durable: self.durable,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings();
        let shown =
            settings.iter().filter(|(key, _)| !key.starts_with("log.")).map(|(key, value)| format!("{key}={value}"));
        write!(f, "{}", shown.collect::<Vec<_>>().join(" "))
    }
}
