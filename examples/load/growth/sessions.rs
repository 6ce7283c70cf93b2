//! Idle sessions: what one takes, what all of them keep the server busy with, and what a channel of ten notices.

use mio::Events;

use crate::args::Common;
use crate::check::Track;
use crate::clock::micros;
use crate::crowd::{Seat, gather};
use crate::growth::point::Point;
use crate::net::Net;
use crate::shapes::idle::Silence;
use crate::shapes::pair::Pair;
use crate::shapes::posts::{Pace, Posts, Publisher};
use crate::shapes::setting::Setting;
use crate::stage::{self, turns};
use crate::usage::{cpu_nanos, rss};

/// Subscribers of the channel in which something is said.
const TEN: u32 = 10;
/// How often, a second.
const RATE: f64 = 200.0;
/// Idle sessions hear so many channels.
const CHANNELS: u32 = 100;
/// The window is longer than a phase by this: half a heartbeat, in which half of the sessions are pinged.
const WINDOW: f64 = 2.4;
/// Memory is settled when it has not grown by more than this a second, in parts.
const SETTLED: f64 = 0.002;
/// It is waited for at most so long, in seconds.
const SETTLING: u32 = 8;

/// Measures with so many.
pub fn measure(common: &Common, count: u64) -> Result<Point, String> {
    let count = u32::try_from(count).map_err(|_| "there cannot be so many sessions".to_owned())?;
    let setting = Setting::new(common, 1 + CHANNELS, &[("limits.outstanding", 1024)])?;
    let Setting { server, mut net, names, writer } = setting;
    let pid = server.pid.ok_or("the server's process is not known")?;
    let ten = gather(&mut net, &writer, (0..TEN).map(|_| Seat::hears(0)).collect(), common.members)?;
    let (empty, begun) = (rss(pid).unwrap_or(0), net.clock.now());
    let seats = (0..count).map(|place| Seat::hears(1 + place % CHANNELS)).collect();
    gather(&mut net, &writer, seats, common.members)?;
    let now = net.clock.now();
    let mut point = Point::default();
    point.figure("came_in_per_second", f64::from(count) * 1e6 / (now - begun).max(1) as f64);
    let publishers = (0..TEN as usize).map(|who| Publisher { who, channel: 0 }).collect();
    let hears = ten.iter().flat_map(|session| &session.joined).map(|joined| Some((0, Track::from(joined.next))));
    let ten = Posts::new(names, writer, publishers, hears.collect(), 1, TEN, Pace::Rate(RATE))?;
    // As long as nobody says anything, the ten are idle, too.
    let mut idle = Silence::long((TEN + count) as usize, now);
    let mut events = Events::with_capacity(4096);
    let mut watch = |idle: &mut Silence, net: &mut Net, seconds: f64| {
        let until = net.clock.now() + micros(seconds);
        turns(net, idle, &mut events, until, |_| {})
    };
    watch(&mut idle, &mut net, common.warmup)?;
    let mut before = rss(pid).unwrap_or(0);
    for _ in 0..SETTLING {
        watch(&mut idle, &mut net, common.seconds.min(1.0))?;
        let now = rss(pid).unwrap_or(0);
        let grew = now.abs_diff(before) as f64;
        before = now;
        if grew <= SETTLED * now as f64 {
            break;
        }
    }
    let (cpu, since) = (cpu_nanos(pid), net.clock.now());
    watch(&mut idle, &mut net, common.seconds * WINDOW)?;
    let busy = cpu_nanos(pid).saturating_sub(cpu) as f64 / 1e3;
    let memory = rss(pid).unwrap_or(0);
    point.figure("memory_bytes", memory as f64);
    point.figure("memory_each_bytes", memory.saturating_sub(empty) as f64 / f64::from(count));
    point.figure("idle_cpu_percent", busy * 100.0 / (net.clock.now() - since) as f64);
    let mut beside = Pair { border: TEN as usize, quiet: ten, loud: idle };
    let measured = stage::run(&mut net, &mut beside, common, server.pid)?;
    beside.quiet.end(measured.settled);
    point.times("receipt", &beside.quiet.receipt);
    point.times("delivery", &beside.quiet.delivery);
    point.faults(&beside.quiet.faults);
    point.faults(&beside.loud.faults);
    drop(net);
    server.stop()?;
    Ok(point)
}
