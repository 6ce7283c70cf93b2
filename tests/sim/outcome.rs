//! How a server is configured in a world, and what is left of it at the end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parlor::checker::{History, Terms, What};
use parlor::config::{Config, Durability};
use parlor::protocol::Posted;
use parlor::store::{Rows, Store};
use parlor::supervise::Probes;
use serde_json::Value;

use crate::agent::{HEARTBEAT, TIMEOUT};
use crate::dice::Chooser;
use crate::trouble::Plan;
use crate::world::World;

/// How often the dead are looked for.
const SWEEP: u64 = 100;
/// How late anything may be.
const SLACK: u64 = 700;

/// What came of it.
pub struct Outcome {
    pub history: History,
    pub terms: Terms,
    pub chooser: Chooser,
    /// What agents still waited for at the end.
    pub unsettled: Vec<String>,
}

impl World {
    /// Reads every log as it is after everything.
    pub fn read_logs(&mut self) {
        self.trouble.disarm();
        // If the disk failed at the very end, another process opens it.
        self.rows.reopen().expect("memory does not fail");
        let opened = Store::stepped(Arc::clone(&self.rows) as Arc<dyn Rows>, &self.config.store, &Probes::default());
        let (store, _stepped) = opened.expect("the store opens");
        let log = store.log();
        for (channel, head) in log.channels(None, 1000).expect("the channels can be read") {
            let messages =
                log.range(&channel, head.first, head.seq, usize::MAX, usize::MAX).expect("a log can be read");
            let frames = messages.iter().map(|message| {
                let frame = Posted::new(&channel, message).frame.to_string();
                serde_json::from_str(&frame).expect("a frame is JSON")
            });
            let messages: Vec<Value> = frames.collect();
            // What agents say under a key carries it inside, too, so that a key that changed on its way shows.
            let mut said = BTreeSet::new();
            for message in &messages {
                let words = (message["from"].to_string(), message["body"]["key"].to_string());
                if message["body"]["key"].is_string() && !said.insert(words.clone()) {
                    self.complaints.push(format!("{channel}: {words:?} was said twice"));
                }
            }
            self.history.add(
                self.now,
                What::Log {
                    channel: channel.to_string(),
                    epoch: head.epoch.0.to_string(),
                    first: head.first,
                    head: head.seq,
                    messages,
                },
            );
        }
    }
}

pub fn configure(plan: &Plan) -> Config {
    let mut config = Config::default();
    config.presence.heartbeat = Duration::from_millis(HEARTBEAT);
    config.presence.timeout = Duration::from_millis(TIMEOUT);
    config.presence.sweep = Duration::from_millis(SWEEP);
    config.channels.window = plan.window;
    config.channels.dedup_window = plan.dedup;
    config.channels.idle = Duration::from_millis(plan.idle);
    config.limits.replay_max = plan.replay_max;
    config.limits.outstanding = 16;
    config.limits.session_queue_bytes = plan.queue;
    config.limits.body_bytes = 4096;
    config.rates.enabled = false;
    config.server.drain_notice = Duration::from_millis(50);
    config.server.drain_timeout = Duration::from_secs(2);
    config.store.durability = if plan.durable { Durability::Always } else { Durability::Interval };
    config.store.sync_interval = Duration::from_millis(100);
    config.store.reserve_bytes = 1;
    config
}

pub fn terms(config: &Config) -> Terms {
    Terms {
        heartbeat_ms: HEARTBEAT,
        timeout_ms: TIMEOUT,
        sweep_ms: SWEEP,
        slack_ms: SLACK,
        replay_max: config.limits.replay_max,
        durable: config.store.durability == Durability::Always,
    }
}
