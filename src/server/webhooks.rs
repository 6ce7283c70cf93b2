//! The webhooks of a server: their thread, and what they work with.

use actix::Arbiter;

use crate::channel::Context;
use crate::cli::ServeError;
use crate::config::Config;
use crate::metrics::Webhook;
use crate::store::Store;
use crate::webhooks::{self, Handle, Setting};

/// Those that run.
pub(super) struct Webhooks {
    arbiter: Arbiter,
    handle: Handle,
}

impl Webhooks {
    /// Starts those that are configured; none, if none are.
    pub fn start(config: &Config, store: &Store, context: &Context) -> Result<Option<Self>, ServeError> {
        if config.webhooks.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = config.webhooks.iter().map(|webhook| webhook.name.clone()).collect();
        let metrics = Webhook::all(context.metrics.registry(), &names);
        let setting = Setting {
            webhooks: config.webhooks.clone(),
            signals: context.signals.clone(),
            log: store.log(),
            meta: store.meta(),
            reads: store.reads(),
            boot: store.boot(),
            metrics: metrics.map_err(|why| ServeError::Other(why.to_string()))?,
            probes: context.probes.clone(),
            faults: context.faults.clone(),
        };
        let arbiter = Arbiter::new();
        let handle = webhooks::Webhooks::start(&arbiter.handle(), setting)
            .map_err(|why| ServeError::Other(format!("webhooks could not be started: {why}")))?;
        Ok(Some(Self { arbiter, handle }))
    }

    /// Ends them; what was not told is told after the next start.
    pub async fn stop(self) {
        self.handle.stop().await;
        // Not waited for: the name of an endpoint may be being looked up, which cannot be broken off.
        self.arbiter.stop();
    }
}
