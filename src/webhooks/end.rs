//! A webhook as the actor sees it: where its requests go, what is counted of them, and what is said in the log.

use std::sync::Arc;
use std::time::Duration;

use super::send::Sender;
use super::step::{Dead, Outcome};
use crate::config::Webhook;
use crate::metrics;
use crate::model::{Moment, Wall};

/// How long nothing more is said of requests that fail, once one was taken again.
const QUIET: Duration = Duration::from_secs(60);

/// One webhook.
pub(super) struct End {
    pub config: Webhook,
    pub sender: Arc<Sender>,
    pub metrics: metrics::Webhook,
    /// Whether it was said that requests fail,
    failing: bool,
    /// and when that was last,
    since: Option<Moment>,
    /// and which dead letters were spoken of.
    said: [bool; 3],
}

impl End {
    /// Reads its secret.
    pub fn new(config: &Webhook, metrics: &metrics::Webhook) -> Result<Self, String> {
        let sender = Sender::new(config).map_err(|why| format!("webhook {}: {why}", config.name))?;
        let (config, metrics) = (config.clone(), metrics.clone());
        Ok(Self { config, sender: Arc::new(sender), metrics, failing: false, since: None, said: [false; 3] })
    }

    /// Counts what came of a request, and says so where it is different from before: once in [`QUIET`], for an endpoint may
    /// fail now and then.
    pub fn note(&mut self, outcome: &Outcome, why: Option<&str>, now: Moment) {
        let failed = *outcome != Outcome::Taken;
        if failed {
            self.metrics.failed.inc();
        } else {
            self.metrics.delivered.inc();
        }
        let (name, why) = (&self.config.name, why.unwrap_or_default());
        let may_say = self.since.is_none_or(|since| now.since(since) >= QUIET);
        if failed && !self.failing && may_say {
            log::warn!("webhook {name} fails and is tried again: {why}");
            (self.failing, self.since) = (true, Some(now));
        } else if failed {
            log::debug!("webhook {name} fails: {why}");
        } else if std::mem::take(&mut self.failing) {
            log::info!("webhook {name} is taken again");
        }
    }

    /// Counts events that were given up, and says so the first time.
    pub fn dead(&mut self, why: Dead, count: u64) {
        let (counter, text) = match why {
            Dead::Overflow => (&self.metrics.overflow, "more wait than its backlog holds"),
            Dead::Expired => (&self.metrics.expired, "they were tried for too long"),
            Dead::Gone => (&self.metrics.gone, "they are not kept any more"),
        };
        counter.inc_by(count);
        if !std::mem::replace(&mut self.said[why as usize], true) {
            let name = &self.config.name;
            log::warn!("events for webhook {name} are given up: {text}; from here on they are only counted");
        }
    }

    /// Shows how many events wait, and since when.
    pub fn show(&self, (count, since): (u64, Option<Wall>), now: Wall) {
        self.metrics.backlog.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.metrics.oldest_seconds.set(since.map_or(0, |since| (now.0 - since.0).max(0) / 1000));
    }
}
