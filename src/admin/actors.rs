//! `GET /v1/admin/actors`: how each kind of actor is. It reads atomics, and enters no mailbox.

use actix_web::{HttpRequest, HttpResponse, web};
use prometheus::Histogram;
use serde::Serialize;
use serde_json::json;

use super::{Scrape, operator};
use crate::http::asker::{Answer, respond, written};
use crate::session::App;
use crate::supervise::Probe;

#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    live: i64,
    mailbox_depth: i64,
    mailbox_high_water: i64,
    oldest_ms: u64,
    handled: u64,
    handle_seconds: Quantiles,
    wait_seconds: Quantiles,
    restarts: u64,
    panics: u64,
    /// Over their restart budget.
    resting: i64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
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
    Kind {
        kind: seen.kind,
        live: seen.live,
        mailbox_depth: seen.mailbox_depth,
        mailbox_high_water: seen.mailbox_high_water,
        oldest_ms: seen.oldest.as_millis() as u64,
        handled: seen.handled,
        handle_seconds: quantiles(handle),
        wait_seconds: quantiles(wait),
        restarts: seen.restarts,
        panics: seen.panics,
        resting: seen.resting,
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
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn quantiles_lie_in_the_buckets_of_their_times() {
        let probe = Probe::new("test");
        assert_eq!(kind(&probe).handle_seconds, Quantiles { p50: 0.0, p90: 0.0, p99: 0.0 });
        for n in 0..100 {
            let took = Duration::from_micros(if n < 60 { 15 } else { 700 });
            probe.handled(clock::stamp(), Duration::from_secs(99), took);
        }
        let seen = kind(&probe);
        let Quantiles { p50, p90, p99 } = seen.handle_seconds;
        assert!((1e-5..=2.5e-5).contains(&p50), "{p50}");
        assert!((5e-4..=1e-3).contains(&p90) && (p90..=1e-3).contains(&p99), "{p90} {p99}");
        assert!((seen.wait_seconds.p50 - 10.0).abs() < 1e-9, "above the last bucket");
    }

    #[test]
    fn the_oldest_message_is_as_old_as_the_last_that_was_handled_and_nothing_where_none_waits() {
        let probe = Probe::new("test");
        assert_eq!(kind(&probe).oldest_ms, 0);
        probe.entered();
        std::thread::sleep(Duration::from_millis(20));
        assert!(kind(&probe).oldest_ms >= 20);
        probe.handled(clock::stamp(), Duration::ZERO, Duration::ZERO);
        assert!(kind(&probe).oldest_ms < 20);
        probe.left();
        assert_eq!(kind(&probe).oldest_ms, 0);
    }
}
