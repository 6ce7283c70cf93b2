//! What retention counts.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, Registry};

use super::counter;

/// What retention counts.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is described where it is made, in the words that a scrape shows")]
pub struct Retention {
    pub messages: IntCounter,
    pub bytes: IntCounter,
    pub channels: IntCounter,
    pub sweep_seconds: Histogram,
    pub ended: Gauge,
}

impl Retention {
    pub(super) fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Time that it took to look at every channel and to let go what had to go.";
        let sweep = HistogramOpts::new("parlor_retention_sweep_seconds", help)
            .buckets(vec![1e-3, 1e-2, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0]);
        let sweep_seconds = Histogram::with_opts(sweep)?;
        r.register(Box::new(sweep_seconds.clone()))?;
        let help = "When every channel was last looked at, in seconds since 1970; 0 if never.";
        let ended = Gauge::new("parlor_retention_sweep_end_seconds", help)?;
        r.register(Box::new(ended.clone()))?;
        Ok(Self {
            messages: counter(r, "parlor_retention_messages_total", "Messages trimmed.")?,
            bytes: counter(r, "parlor_retention_bytes_total", "Bytes of bodies trimmed.")?,
            channels: counter(r, "parlor_retention_channels_total", "Channels trimmed, once for each sweep.")?,
            sweep_seconds,
            ended,
        })
    }
}
