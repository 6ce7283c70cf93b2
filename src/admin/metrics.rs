//! `GET /metrics`: the instruments, every actor kind's probe and the store's collectors, as one text.
//!
//! A scrape reads atomics. It sends no message, so that a jammed actor shows instead of jamming the scrape.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, web};
use prometheus::core::Collector;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::metrics::{CONTENT_TYPE as TEXT, Metrics, families};
use crate::supervise::{Probe, Probes, Snapshot};

/// All that a scrape shows.
pub struct Scrape {
    metrics: Arc<Metrics>,
    probes: Probes,
    store: Vec<Box<dyn Collector>>,
}

/// A figure of a probe: name, help, type, and how it is read.
type Figure = (&'static str, &'static str, MetricType, fn(&Snapshot) -> f64);
/// A count of a probe that is split: name, help, what it is split by, and how it is read.
type Split = (&'static str, &'static str, &'static str, fn(&Snapshot) -> &[(String, u64)]);

const FIGURES: [Figure; 8] = [
    ("parlor_actor_live", "Actors that are alive.", MetricType::GAUGE, |of| of.live as f64),
    ("parlor_actor_started_total", "Actors that came to life.", MetricType::COUNTER, |of| of.started as f64),
    ("parlor_actor_mailbox_depth", "Messages that wait in mailboxes.", MetricType::GAUGE, |of| of.mailbox_depth as f64),
    (
        "parlor_actor_mailbox_high_water",
        "The most messages that ever waited in mailboxes at once.",
        MetricType::GAUGE,
        |of| of.mailbox_high_water as f64,
    ),
    (
        "parlor_actor_oldest_seconds",
        "How long the oldest message that waits has waited, whichever actor it waits for.",
        MetricType::GAUGE,
        |of| of.oldest.as_secs_f64(),
    ),
    ("parlor_actor_panics_total", "Handlers that panicked.", MetricType::COUNTER, |of| of.panics as f64),
    ("parlor_actor_restarts_total", "Actors rebuilt after a panic.", MetricType::COUNTER, |of| of.restarts as f64),
    ("parlor_actor_resting", "Actors that do nothing, since they panicked too often.", MetricType::GAUGE, |of| {
        of.resting as f64
    }),
];

const SPLITS: [Split; 2] = [
    ("parlor_actor_stopped_total", "Actors that ended, by why.", "reason", |of| &of.stopped),
    ("parlor_actor_handled_total", "Messages handled, by type.", "message", |of| &of.handled),
];

impl Scrape {
    /// Shows these instruments, these actor kinds, and what the store collects about itself.
    pub fn new(metrics: Arc<Metrics>, probes: Probes, store: Vec<Box<dyn Collector>>) -> Self {
        Self { metrics, probes, store }
    }

    /// The probe of every actor kind.
    pub(super) fn probes(&self) -> Vec<Arc<Probe>> {
        self.probes.all()
    }

    /// Everything, in the text format 0.0.4.
    pub fn text(&self) -> String {
        let probes = self.probes.all();
        let snapshots: Vec<Snapshot> = probes.iter().map(|probe| probe.snapshot()).collect();
        let mut extra: Vec<MetricFamily> = FIGURES.iter().map(|figure| whole(*figure, &snapshots)).collect();
        extra.extend(SPLITS.iter().map(|split| parts(*split, &snapshots)));
        for probe in probes.iter().filter(|probe| !probe.kind().messages.is_empty()) {
            extra.extend(probe.histograms().into_iter().flat_map(Collector::collect));
        }
        extra.extend(families(self.store.iter().map(|collector| &**collector)));
        self.metrics.render(extra)
    }
}

/// One figure of every actor kind.
fn whole((name, help, kind, read): Figure, snapshots: &[Snapshot]) -> MetricFamily {
    let samples = snapshots.iter().map(|of| sample(kind, read(of), &[("kind", of.kind)]));
    family(name, help, kind, samples.collect())
}

/// One count of every actor kind, split.
fn parts((name, help, by, read): Split, snapshots: &[Snapshot]) -> MetricFamily {
    let kind = MetricType::COUNTER;
    let part = |of: &Snapshot, (value, count): &(String, u64)| {
        sample(kind, *count as f64, &[("kind", of.kind), (by, value.as_str())])
    };
    let samples = snapshots.iter().flat_map(|of| read(of).iter().map(move |counted| part(of, counted)));
    family(name, help, kind, samples.collect())
}

fn sample(kind: MetricType, value: f64, labels: &[(&str, &str)]) -> Metric {
    let pair = |&(name, value): &(&str, &str)| {
        let mut label = LabelPair::default();
        label.set_name(name.to_owned());
        label.set_value(value.to_owned());
        label
    };
    let mut metric = Metric::from_label(labels.iter().map(pair).collect());
    if kind == MetricType::COUNTER {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}

fn family(name: &str, help: &str, kind: MetricType, samples: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples);
    family
}

pub(super) async fn metrics(scrape: web::Data<Scrape>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(TEXT)))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body(scrape.text())
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
