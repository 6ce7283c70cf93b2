//! The server's instruments, and the text that Prometheus scrapes.
//!
//! Each instrument stands in [`Metrics`] under the name of what it counts; its labels are enumerations, so that nothing
//! a client sends can make a new series. Counting is one atomic addition. Nobody reads a metric to decide anything.

mod labels;
mod retention;
mod text;
mod webhooks;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

pub use labels::{Direction, Family, Labels, Outcome, Sort, Transport, Way};
pub use retention::Retention;
pub use text::{CONTENT_TYPE, families, render};
pub use webhooks::Webhook;

/// Close codes with a series of their own (protocol, section 4, and RFC 6455, section 7.4.1); all others share one.
const CLOSE_CODES: [u16; 18] =
    [1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 4000, 4001, 4002, 4003, 4500, 4501, 4502, 4503, 4504];

/// One server's instruments. Names and help texts are at [`Metrics::new`].
#[derive(Debug)]
#[expect(missing_docs, reason = "each is described where it is made, in the words that a scrape shows")]
pub struct Metrics {
    registry: Registry,
    pub publishes: Family<Outcome, IntCounter>,
    pub deliveries: IntCounter,
    pub replays: IntCounter,
    pub gaps: IntCounter,
    pub slow_sessions: IntCounter,
    pub connections_opened: Family<Transport, IntCounter>,
    pub connections: Family<Transport, IntGauge>,
    pub polls_parked: IntGauge,
    pub sessions: IntGauge,
    pub channels_active: IntGauge,
    pub frames: Family<Way, IntCounter>,
    pub bytes: Family<Way, IntCounter>,
    pub bad_frames: IntCounter,
    pub requests: Family<Sort, IntCounter>,
    pub rate_limited: IntCounter,
    pub sockets_refused: IntCounter,
    pub inflight_bytes: IntGauge,
    pub presence: Presence,
    pub retention: Retention,
    closes: Vec<IntCounter>,
    other_closes: IntCounter,
}

/// What the presence registry counts.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is described where it is made, in the words that a scrape shows")]
pub struct Presence {
    pub online_users: IntGauge,
    pub sessions: IntGauge,
    pub reaped: IntCounter,
    pub beats: IntCounter,
    pub sweep_seconds: Histogram,
}

impl Metrics {
    /// Makes and registers every instrument, at zero. It fails only if two of them had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let r = &registry;
        let closes = IntCounterVec::new(Opts::new("parlor_closes_total", "Sessions ended, by close code."), &["code"])?;
        r.register(Box::new(closes.clone()))?;
        build_info(r)?;
        #[cfg(target_os = "linux")]
        r.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            publishes: Family::counters(r, "parlor_publishes_total", "Publishes, by what became of them.")?,
            deliveries: counter(r, "parlor_deliveries_total", "Messages queued to a subscribed session.")?,
            replays: counter(r, "parlor_replays_total", "Joins that replayed messages.")?,
            gaps: counter(r, "parlor_gaps_total", "Joins that could not be given everything after their cursor.")?,
            slow_sessions: counter(r, "parlor_slow_sessions_total", "Sessions ended because they read too slowly.")?,
            connections_opened: Family::counters(
                r,
                "parlor_connections_total",
                "Connections opened; over long-poll, sessions begun.",
            )?,
            connections: Family::gauges(
                r,
                "parlor_connections",
                "Connections that are open; over long-poll, sessions that have not ended.",
            )?,
            polls_parked: gauge(r, "parlor_polls_parked", "Long-polls that wait for an event.")?,
            sessions: gauge(r, "parlor_sessions", "Sessions that have said hello and not ended.")?,
            channels_active: gauge(r, "parlor_channels_active", "Channels that are in memory.")?,
            frames: Family::counters(r, "parlor_frames_total", "Frames of clients, both ways.")?,
            bytes: Family::counters(r, "parlor_bytes_total", "Bytes of clients' frames, both ways.")?,
            bad_frames: counter(r, "parlor_bad_frames_total", "Frames that could not be understood.")?,
            requests: Family::counters(
                r,
                "parlor_http_requests_total",
                "Requests under /v1 that were answered, by their status; a WebSocket is none.",
            )?,
            rate_limited: counter(
                r,
                "parlor_rate_limited_total",
                "Commands, requests and sessions refused because they came too fast.",
            )?,
            sockets_refused: counter(
                r,
                "parlor_sockets_refused_total",
                "Connections closed at once, of too many or opened too fast.",
            )?,
            inflight_bytes: gauge(r, "parlor_inflight_bytes", "Bytes of publishes that have not been answered.")?,
            presence: Presence::new(r)?,
            retention: Retention::new(r)?,
            closes: CLOSE_CODES
                .iter()
                .map(|code| closes.get_metric_with_label_values(&[code.to_string().as_str()]))
                .collect::<Result<_, _>>()?,
            other_closes: closes.get_metric_with_label_values(&["other"])?,
            registry,
        })
    }

    /// The counter of sessions ended with this close code.
    pub fn closes(&self, code: u16) -> &IntCounter {
        let known = CLOSE_CODES.iter().position(|&listed| listed == code);
        known.and_then(|at| self.closes.get(at)).unwrap_or(&self.other_closes)
    }

    /// Where further instruments are registered, such as those of a store.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Every instrument, and `extra`, in the text format 0.0.4.
    pub fn render(&self, extra: Vec<prometheus::proto::MetricFamily>) -> String {
        let mut all = self.registry.gather();
        all.extend(extra);
        render(all)
    }
}

impl Presence {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let sweep = HistogramOpts::new("parlor_presence_sweep_seconds", "Time that a sweep for dead sessions took.")
            .buckets(vec![1e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0]);
        let sweep_seconds = Histogram::with_opts(sweep)?;
        r.register(Box::new(sweep_seconds.clone()))?;
        Ok(Self {
            online_users: gauge(r, "parlor_presence_online_users", "Users with at least one session.")?,
            sessions: gauge(r, "parlor_presence_sessions", "Sessions that the presence registry knows.")?,
            reaped: counter(r, "parlor_presence_reaped_total", "Sessions ended because they were silent too long.")?,
            beats: counter(r, "parlor_presence_beats_total", "Signs of life that reached the registry.")?,
            sweep_seconds,
        })
    }
}

fn counter(r: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let made = IntCounter::new(name, help)?;
    r.register(Box::new(made.clone()))?;
    Ok(made)
}

fn gauge(r: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let made = IntGauge::new(name, help)?;
    r.register(Box::new(made.clone()))?;
    Ok(made)
}

fn build_info(r: &Registry) -> Result<(), prometheus::Error> {
    let opts = Opts::new("parlor_build_info", "1, labelled with the version of this build, and what it was built for.")
        .const_label("version", env!("CARGO_PKG_VERSION"))
        .const_label("os", std::env::consts::OS)
        .const_label("arch", std::env::consts::ARCH);
    let info = IntGauge::with_opts(opts)?;
    info.set(1);
    r.register(Box::new(info))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instrument_is_shown_from_the_start() {
        let text = Metrics::new().unwrap().render(Vec::new());
        for line in [
            "parlor_publishes_total{outcome=\"stored\"} 0",
            "parlor_publishes_total{outcome=\"duplicate\"} 0",
            "parlor_publishes_total{outcome=\"refused\"} 0",
            "parlor_connections{transport=\"longpoll\"} 0",
            "parlor_frames_total{direction=\"in\",transport=\"websocket\"} 0",
            "parlor_closes_total{code=\"4001\"} 0",
            "parlor_presence_sweep_seconds_count 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing from\n{text}");
        }
        let version = format!("version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        assert!(
            text.lines().any(|found| found.starts_with("parlor_build_info{") && found.ends_with(&version)),
            "{text}"
        );
    }

    #[test]
    fn a_counter_counts_under_its_own_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.publishes.of(Outcome::Duplicate).inc();
        metrics.frames.of(Way { direction: Direction::Out, transport: Transport::LongPoll }).inc_by(3);
        metrics.closes(4000).inc();
        metrics.closes(4999).inc();
        metrics.closes(4998).inc();
        let text = metrics.render(Vec::new());
        for line in [
            "parlor_publishes_total{outcome=\"duplicate\"} 1",
            "parlor_frames_total{direction=\"out\",transport=\"longpoll\"} 3",
            "parlor_closes_total{code=\"4000\"} 1",
            "parlor_closes_total{code=\"other\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing from\n{text}");
        }
    }
}
