//! The course of a run: warming up, measuring, and waiting until everything that is on its way has arrived.

use mio::Events;

use crate::args::Common;
use crate::clock::micros;
use crate::net::{Net, Play};
use crate::progress::Progress;
use crate::usage::{Sample, Used};

/// Traffic that begins, is measured for a while, and stops.
pub trait Traffic: Play {
    /// Does what is due, and returns when something is due next.
    fn due(&mut self, net: &mut Net, now: u64) -> Option<u64>;
    /// How far it is; of traffic that is made of other traffic, how far that is whose times count.
    fn course(&mut self) -> &mut Course;
    /// From now on what comes counts, or no longer.
    fn measure(&mut self, on: bool, now: u64) {
        self.course().window.set(on, now);
    }
    /// Nothing new begins from now on.
    fn stop(&mut self) {
        self.course().stopped = true;
    }
    /// Whether nothing is on its way.
    fn is_settled(&mut self) -> bool {
        self.course().in_flight == 0
    }
}

/// How far traffic is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Course {
    /// What is on its way.
    pub in_flight: u64,
    /// Whether nothing new begins.
    pub stopped: bool,
    /// The time that counts.
    pub window: Window,
}

/// The time that counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    since: Option<u64>,
    until: Option<u64>,
}

impl Window {
    /// It begins, or ends.
    pub fn set(&mut self, on: bool, now: u64) {
        if on {
            *self = Self { since: Some(now), until: None };
        } else {
            self.until = Some(now);
        }
    }

    /// Whether what comes now counts.
    pub fn is_open(&self) -> bool {
        self.since.is_some() && self.until.is_none()
    }

    /// Whether the time of what was due then counts, however late it comes.
    pub fn has(&self, due: u64) -> bool {
        self.since.is_some_and(|since| due >= since) && self.until.is_none_or(|until| due < until)
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// At its end.
    pub after: Sample,
    /// What lay between.
    pub used: Used,
    /// Whether everything arrived.
    pub settled: bool,
}

/// Lets traffic run its course.
pub fn run<T: Traffic>(net: &mut Net, traffic: &mut T, common: &Common, pid: Option<u32>) -> Result<Measured, String> {
    let mut events = Events::with_capacity(4096);
    let begin = net.clock.now();
    let warm = begin + micros(common.warmup);
    let end = warm + micros(common.seconds);
    let mut progress = Progress::new(end - begin);
    turns(net, traffic, &mut events, warm, |now| progress.at(now - begin, "warming up"))?;
    let before = Sample::take(pid);
    traffic.measure(true, net.clock.now());
    turns(net, traffic, &mut events, end, |now| progress.at(now - begin, "measuring"))?;
    traffic.measure(false, net.clock.now());
    let after = Sample::take(pid);
    traffic.stop();
    let settled = settle(net, traffic, &mut events, common)?;
    Ok(Measured { after, used: before.until(&after), settled })
}

/// Turns until a moment.
pub fn turns<T: Traffic>(
    net: &mut Net,
    traffic: &mut T,
    events: &mut Events,
    until: u64,
    mut each: impl FnMut(u64),
) -> Result<(), String> {
    loop {
        let now = net.clock.now();
        if now >= until {
            return Ok(());
        }
        each(now);
        let due = traffic.due(net, now).unwrap_or(until).min(until).min(now + 200_000);
        net.turn(traffic, events, due).map_err(|why| format!("the poll fails: {why}"))?;
    }
}

/// Waits until nothing is on its way; false if that takes too long.
pub fn settle<T: Traffic>(
    net: &mut Net,
    traffic: &mut T,
    events: &mut Events,
    common: &Common,
) -> Result<bool, String> {
    let until = net.clock.now() + micros(common.patience);
    while !traffic.is_settled() && net.clock.now() < until {
        let due = traffic.due(net, net.clock.now()).unwrap_or(until);
        let soon = net.clock.now() + 50_000;
        net.turn(traffic, events, due.min(soon)).map_err(|why| format!("the poll fails: {why}"))?;
    }
    Ok(traffic.is_settled())
}
