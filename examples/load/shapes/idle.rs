//! Sessions that hear a channel in which nothing is said: what one takes by being there.

use mio::Events;
use serde_json::json;

use crate::args::{Common, Idle};
use crate::check::Faults;
use crate::clock::micros;
use crate::crowd::{Seat, gather};
use crate::floor::scan::kind;
use crate::frames::put;
use crate::net::{Net, Play};
use crate::report::Report;
use crate::shapes::setting::Setting;
use crate::stage::{Course, Traffic, turns};
use crate::usage::Sample;

/// A client that heard nothing for this long asks, in microseconds.
const HEARTBEAT: u64 = 25_000_000;
/// Memory is settled when it has not grown by more than this a second, in parts.
const SETTLED: f64 = 0.002;

/// Those who say nothing but what keeps them alive.
pub struct Silence {
    /// When each will ask, if it hears nothing until then.
    asks: Vec<u64>,
    next_look: u64,
    course: Course,
    /// What was wrong.
    pub faults: Faults,
}

impl Silence {
    /// Of so many connections, all of which were heard from just now.
    pub fn new(count: usize, now: u64) -> Self {
        let asks = vec![now + HEARTBEAT; count];
        Self { asks, next_look: now, course: Course::default(), faults: Faults::default() }
    }

    /// Of so many, each of which was heard from at a moment of its own, as after a long while.
    pub fn long(count: usize, now: u64) -> Self {
        let asks = (1..=count as u64).map(|place| now + HEARTBEAT * place / count as u64).collect();
        Self { asks, ..Self::new(0, now) }
    }
}

impl Play for Silence {
    fn opened(&mut self, _net: &mut Net, _who: usize) {}

    fn frame(&mut self, _net: &mut Net, who: usize, frame: &[u8], now: u64) {
        self.asks[who] = now + HEARTBEAT;
        if matches!(kind(frame), b"error" | b"closed" | b"message") {
            self.faults.add("uncalled for", 1, || String::from_utf8_lossy(frame).into_owned());
        }
    }

    fn ended(&mut self, _net: &mut Net, who: usize, why: &str) {
        self.faults.add("ended", 1, || format!("session {who}: {why}"));
    }
}

impl Traffic for Silence {
    fn due(&mut self, net: &mut Net, now: u64) -> Option<u64> {
        if now >= self.next_look {
            self.next_look = now + 1_000_000;
            for who in 0..self.asks.len() {
                if now > self.asks[who] {
                    self.asks[who] = now + HEARTBEAT;
                    put(net.out(who), br#"{"type":"ping","id":"ping"}"#);
                }
            }
        }
        Some(self.next_look)
    }

    fn course(&mut self) -> &mut Course {
        &mut self.course
    }
}

/// Runs it.
pub fn run(common: &Common, idle: &Idle) -> Result<Report, String> {
    let Idle { sessions, channels } = *idle;
    if sessions == 0 || channels == 0 {
        return Err("there is nothing to do without sessions and channels".into());
    }
    let Setting { server, mut net, writer, .. } = Setting::new(common, channels, &[])?;
    let empty = Sample::take(server.pid);
    let seats = (0..sessions).map(|place| Seat::hears(place % channels)).collect();
    let begun = net.clock.now();
    gather(&mut net, &writer, seats, common.members)?;
    let now = net.clock.now();
    let mut silence = Silence::new(sessions as usize, now);
    let mut events = Events::with_capacity(4096);
    let came_in = (now - begun) as f64 / 1e6;
    // The warm-up at least, and then until memory has settled.
    let until = now + micros(common.warmup);
    turns(&mut net, &mut silence, &mut events, until, |_| {})?;
    let mut before = Sample::take(server.pid);
    for _ in 0..10 {
        let until = net.clock.now() + 1_000_000.min(micros(common.seconds));
        turns(&mut net, &mut silence, &mut events, until, |_| {})?;
        let now = Sample::take(server.pid);
        let grew = now.rss as f64 - before.rss as f64;
        before = now;
        if grew.abs() <= SETTLED * now.rss as f64 {
            break;
        }
    }
    let until = net.clock.now() + micros(common.seconds);
    turns(&mut net, &mut silence, &mut events, until, |_| {})?;
    let after = Sample::take(server.pid);
    let used = before.until(&after);
    let options = json!({
        "sessions": sessions, "channels": channels, "members": common.members, "seconds": common.seconds,
    });
    let mut report = Report::new("idle", server.name, options);
    report.count("sessions", sessions.into());
    let each = (after.rss as f64 - empty.rss as f64) / f64::from(sessions);
    if server.pid.is_some() {
        report.figure("rss_bytes_per_session", each, 0, "B");
    }
    report.figure("came_in_per_second", f64::from(sessions) / came_in, 0, "/s");
    report.used(&used, 0, "session");
    report.memory(&empty, &after);
    report.faults(&silence.faults);
    drop(net);
    server.stop()?;
    Ok(report)
}
