//! What webhooks count: a series for each that is configured, and nothing else.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Upper bounds of a request's time, in seconds.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
const LABEL: &[&str] = &["webhook"];

/// One webhook's instruments. Names and help texts are at [`Webhook::all`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is described where it is made, in the words that a scrape shows")]
pub struct Webhook {
    pub delivered: IntCounter,
    pub failed: IntCounter,
    pub overflow: IntCounter,
    pub expired: IntCounter,
    pub gone: IntCounter,
    pub backlog: IntGauge,
    pub oldest_seconds: IntGauge,
    pub request_seconds: Histogram,
}

impl Webhook {
    /// Makes and registers the instruments of webhooks of these names.
    pub fn all(r: &Registry, names: &[String]) -> Result<Vec<Self>, prometheus::Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(name, help), labels)?;
            r.register(Box::new(made.clone())).map(|()| made)
        };
        let gauge = |name: &str, help: &str| {
            let made = IntGaugeVec::new(Opts::new(name, help), LABEL)?;
            r.register(Box::new(made.clone())).map(|()| made)
        };
        let delivered = counter("parlor_webhook_delivered_total", "Events that an endpoint took.", LABEL)?;
        let failed = counter("parlor_webhook_failed_attempts_total", "Requests that were not taken.", LABEL)?;
        let dead = counter(
            "parlor_webhook_dead_letters_total",
            "Events that were given up: too many waited, tried for too long, or not kept any more.",
            &["webhook", "reason"],
        )?;
        let backlog = gauge("parlor_webhook_backlog", "Events that wait to be told, as far as it is known.")?;
        let oldest = gauge("parlor_webhook_oldest_seconds", "How old the oldest event is that waits.")?;
        let opts = HistogramOpts::new("parlor_webhook_request_seconds", "Time that a request took, taken or not.");
        let seconds = HistogramVec::new(opts.buckets(SECONDS.to_vec()), LABEL)?;
        r.register(Box::new(seconds.clone()))?;
        let one = |name: &String| {
            let label = &[name.as_str()];
            let dead = |reason| dead.get_metric_with_label_values(&[name.as_str(), reason]);
            Ok(Self {
                delivered: delivered.get_metric_with_label_values(label)?,
                failed: failed.get_metric_with_label_values(label)?,
                overflow: dead("overflow")?,
                expired: dead("expired")?,
                gone: dead("gone")?,
                backlog: backlog.get_metric_with_label_values(label)?,
                oldest_seconds: oldest.get_metric_with_label_values(label)?,
                request_seconds: seconds.get_metric_with_label_values(label)?,
            })
        };
        names.iter().map(one).collect()
    }
}
