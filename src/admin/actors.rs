//! `GET /v1/admin/actors`: how each kind of actor is, and which of them are slow or far behind. It reads atomics, and
//! enters no mailbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use prometheus::Histogram;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Scrape, operator};
use crate::http::asker::{Answer, respond, written};
use crate::session::App;
use crate::supervise::{Probe, Vitals};

/// How many actors of a kind are named.
const NAMED: usize = 10;

/// How the actors of one kind are.
#[derive(Serialize, ToSchema)]
#[schema(as = ActorKind)]
pub(crate) struct Kind {
    kind: &'static str,
    live: i64,
    started: u64,
    /// By reason.
    stopped: BTreeMap<String, u64>,
    mailbox_depth: i64,
    mailbox_high_water: i64,
    oldest_ms: u64,
    handled: u64,
    /// By type.
    handled_by: BTreeMap<String, u64>,
    handle_seconds: Quantiles,
    wait_seconds: Quantiles,
    restarts: u64,
    panics: u64,
    /// Over their restart budget.
    resting: i64,
    /// Those whose longest handler within the last minute was longest.
    slowest: Vec<Slowest>,
    /// Those for which most messages wait.
    deepest: Vec<Deepest>,
}

/// Times in seconds that half, nine tenths and all but one in a hundred were no longer than.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
}

#[derive(Serialize, ToSchema)]
struct Slowest {
    name: String,
    message: String,
    handle_ms: f64,
}

#[derive(Serialize, ToSchema)]
struct Deepest {
    name: String,
    depth: u32,
    oldest_ms: u64,
}

/// `GET /v1/admin/actors`
pub(super) async fn list(request: HttpRequest, app: web::Data<App>, scrape: web::Data<Scrape>) -> HttpResponse {
    let answer: Answer = async {
        operator(&request, &app).await?;
        let kinds: Vec<Kind> = scrape.probes().iter().map(|probe| kind(probe)).collect();
        written(&json!({ "actors": kinds }))
    }
    .await;
    respond(answer)
}

fn kind(probe: &Probe) -> Kind {
    let (seen, [handle, wait]) = (probe.snapshot(), probe.histograms());
    let (mut slowest, mut deepest) = (Top::default(), Top::default());
    probe.each(|vitals| {
        if let Some(longest) = vitals.longest() {
            slowest.offer(longest, vitals);
        }
        let (depth, oldest) = vitals.waiting();
        if depth > 0 {
            deepest.offer((depth, oldest), vitals);
        }
    });
    // Exact to the message, where the scrape's is to a tenth of a second.
    let oldest = deepest.0.iter().map(|((_, oldest), _)| *oldest).chain([seen.oldest]).max().unwrap_or_default();
    Kind {
        kind: seen.kind,
        live: seen.live,
        started: seen.started,
        stopped: seen.stopped.into_iter().collect(),
        mailbox_depth: seen.mailbox_depth,
        mailbox_high_water: seen.mailbox_high_water,
        oldest_ms: oldest.as_millis() as u64,
        handled: seen.handled.iter().map(|(_, count)| count).sum(),
        handled_by: seen.handled.into_iter().collect(),
        handle_seconds: quantiles(handle),
        wait_seconds: quantiles(wait),
        restarts: seen.restarts,
        panics: seen.panics,
        resting: seen.resting,
        slowest: slowest
            .into_iter()
            .map(|((took, message), vitals)| slow(&vitals, took, probe.message(message)))
            .collect(),
        deepest: deepest.into_iter().map(|((depth, oldest), vitals)| deep(&vitals, depth, oldest)).collect(),
    }
}

fn slow(vitals: &Vitals, took: Duration, message: String) -> Slowest {
    Slowest { name: vitals.name().to_owned(), message, handle_ms: took.as_micros() as f64 / 1000.0 }
}

fn deep(vitals: &Vitals, depth: u32, oldest: Duration) -> Deepest {
    Deepest { name: vitals.name().to_owned(), depth, oldest_ms: oldest.as_millis() as u64 }
}

/// The few of whatever there is that have most of something, most first.
struct Top<T>(Vec<(T, Arc<Vitals>)>);

impl<T> Default for Top<T> {
    fn default() -> Self {
        Self(Vec::with_capacity(NAMED + 1))
    }
}

impl<T: Ord> Top<T> {
    fn offer(&mut self, much: T, vitals: &Arc<Vitals>) {
        let at = self.0.partition_point(|(more, _)| *more >= much);
        if at < NAMED {
            self.0.insert(at, (much, Arc::clone(vitals)));
            self.0.truncate(NAMED);
        }
    }
}

impl<T> IntoIterator for Top<T> {
    type Item = (T, Arc<Vitals>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Since the start, by the histogram's buckets; within one as if its times were spread evenly. What is above the last
/// bucket counts as its bound.
fn quantiles(times: &Histogram) -> Quantiles {
    use prometheus::core::Metric;
    let metric = times.metric();
    let histogram = metric.get_histogram();
    let all = histogram.get_sample_count() as f64;
    let of = |share: f64| {
        let (wanted, mut below, mut from) = (share * all, 0.0, 0.0);
        for bucket in histogram.get_bucket() {
            let (upto, bound) = (bucket.cumulative_count() as f64, bucket.upper_bound());
            if upto >= wanted && upto > below {
                return from + (bound - from) * ((wanted - below) / (upto - below));
            }
            (below, from) = (upto, bound);
        }
        from
    };
    if all == 0.0 {
        return Quantiles { p50: 0.0, p90: 0.0, p99: 0.0 };
    }
    Quantiles { p50: of(0.5), p90: of(0.9), p99: of(0.99) }
}

#[cfg(test)]
#[path = "actors_tests.rs"]
mod tests;
