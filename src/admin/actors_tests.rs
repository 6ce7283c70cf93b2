//! What operators see of actors: times as quantiles, and by name those that are slow or behind.

use super::*;
use crate::session::{SESSION, SessionIn};
use crate::supervise::{Life, Named, Probes};

const OVER: usize = 4;

fn lives(count: usize) -> (Arc<Probe>, Vec<Life>) {
    let probe = Probes::default().of(&SESSION);
    let lives = (0..count).map(|n| Life::begin(&probe, format!("s{n}").into())).collect();
    (probe, lives)
}

/// As if it had been handled in so long, up to now.
fn handled(life: &Life, index: usize, took: Duration) {
    let now = life.vitals().probe().now();
    let begun = now.saturating_sub(took.as_nanos() as u64);
    life.vitals().handled::<SessionIn>(index, begun, begun);
}

#[test]
fn quantiles_lie_in_the_buckets_of_their_times() {
    let times = Histogram::with_opts(prometheus::HistogramOpts::new("t", "t").buckets(vec![1e-5, 2.5e-5, 5e-4, 1e-3]));
    let times = times.unwrap();
    assert_eq!(quantiles(&times), Quantiles { p50: 0.0, p90: 0.0, p99: 0.0 });
    for n in 0..100 {
        times.observe(if n < 60 { 1.5e-5 } else { 7e-4 });
    }
    let Quantiles { p50, p90, p99 } = quantiles(&times);
    assert!((1e-5..=2.5e-5).contains(&p50), "{p50}");
    assert!((5e-4..=1e-3).contains(&p90) && (p90..=1e-3).contains(&p99), "{p90} {p99}");
    (0..1000).for_each(|_| times.observe(99.0));
    assert!((quantiles(&times).p50 - 1e-3).abs() < 1e-9, "above the last bucket");
}

#[test]
fn the_ten_slowest_and_the_ten_deepest_are_named_worst_first() {
    let (probe, lives) = lives(30);
    std::thread::sleep(Duration::from_millis(40));
    for (n, life) in lives.iter().enumerate() {
        handled(life, OVER, Duration::from_millis(n as u64));
        for _ in 0..n % 15 {
            life.vitals().entered();
        }
    }
    let seen = kind(&probe);
    let slow: Vec<_> = seen.slowest.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(slow, ["s29", "s28", "s27", "s26", "s25", "s24", "s23", "s22", "s21", "s20"]);
    assert!(seen.slowest.iter().all(|one| one.message == "over" && one.handle_ms >= 20.0));
    let deep: Vec<_> = seen.deepest.iter().map(|one| one.depth).collect();
    assert_eq!(deep, [14, 14, 13, 13, 12, 12, 11, 11, 10, 10]);
    assert_eq!(seen.handled_by[&SessionIn::NAMES[OVER].to_lowercase()], 30);
    assert_eq!((seen.handled, seen.started, seen.live), (30, 30, 30));
}

#[test]
fn the_oldest_message_is_as_old_as_it_is_and_nothing_where_none_waits() {
    let (probe, lives) = lives(2);
    assert_eq!(kind(&probe).oldest_ms, 0);
    let sent = lives[0].vitals().entered();
    std::thread::sleep(Duration::from_millis(20));
    assert!(kind(&probe).oldest_ms >= 20);
    lives[0].vitals().left(sent);
    let sent = lives[0].vitals().entered();
    assert!(kind(&probe).oldest_ms < 20);
    lives[0].vitals().left(sent);
    assert_eq!(kind(&probe).oldest_ms, 0);
}
