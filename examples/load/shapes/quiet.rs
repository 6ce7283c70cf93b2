//! Quiet channels, and what their clients notice of something loud beside them: of a flood in one channel, and of a
//! session that reads a long replay.
//!
//! A flood has a thread of its own: a quiet client must not wait for the generator to deal with a thousand others before
//! it reads the clock.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use mio::Events;
use serde_json::json;

use crate::args::{Common, Flood, Replay};
use crate::check::{Faults, Track};
use crate::clock::micros;
use crate::crowd::{Seat, gather};
use crate::floor::scan::kind;
use crate::frames::{Names, hello, is_message, join, put};
use crate::net::{Net, Play};
use crate::progress::Progress;
use crate::report::{Report, Times};
use crate::shapes::pair::Pair;
use crate::shapes::posts::{Pace, Posts, Publisher};
use crate::shapes::setting::Setting;
use crate::stage::{Course, Traffic, settle, turns};
use crate::usage::Sample;

/// A replay that does not get on for so long has stopped, in microseconds.
const PATIENCE: u64 = 15_000_000;

/// Traffic of one session in each quiet channel, which says something once a second and hears it.
fn quiet(setting: &Setting, common: &Common, count: u32, channels: u32) -> Result<Posts, String> {
    let publishers = (0..count).map(|channel| Publisher { who: channel as usize, channel }).collect();
    let hears = (0..count).map(|channel| Some((channel, Track::from(1)))).collect();
    let writer = crate::frames::Writer::new(&setting.names, channels, common.text, common.keys);
    Posts::new(setting.names.clone(), writer, publishers, hears, channels, 1, Pace::Rate(f64::from(count)))
}

/// Lets traffic run for a while that does not count, and then for one that does.
fn measure<T: Traffic>(net: &mut Net, traffic: &mut T, common: &Common) -> Result<(), String> {
    let mut events = Events::with_capacity(4096);
    let begin = net.clock.now();
    let (warm, all) = (micros(common.warmup), micros(common.warmup + common.seconds));
    let mut progress = Progress::new(all);
    turns(net, traffic, &mut events, begin + warm, |now| progress.at(now - begin, "warming up"))?;
    traffic.measure(true, net.clock.now());
    turns(net, traffic, &mut events, begin + all, |now| progress.at(now - begin, "measuring"))?;
    traffic.measure(false, net.clock.now());
    Ok(())
}

/// What the quiet ones noticed.
fn compare(report: &mut Report, alone: &Times, beside: &Times) {
    let ratio = |quantile| beside.value_at_quantile(quantile) as f64 / alone.value_at_quantile(quantile).max(1) as f64;
    report.figure("quiet_p50_ratio", ratio(0.5), 2, "");
    report.figure("quiet_p99_ratio", ratio(0.99), 2, "");
    report.times("quiet_alone", alone);
    report.times("quiet_beside", beside);
}

/// How a flood went.
struct Poured {
    before: Sample,
    after: Sample,
    settled: bool,
}

/// Lets a flood run, and goes on with it until the quiet ones are done.
fn pour(
    net: &mut Net,
    loud: &mut Posts,
    common: &Common,
    pid: Option<u32>,
    done: &AtomicBool,
) -> Result<Poured, String> {
    let mut events = Events::with_capacity(4096);
    let begin = net.clock.now();
    turns(net, loud, &mut events, begin + micros(common.warmup), |_| {})?;
    let before = Sample::take(pid);
    loud.measure(true, net.clock.now());
    turns(net, loud, &mut events, begin + micros(common.warmup + common.seconds), |_| {})?;
    loud.measure(false, net.clock.now());
    let after = Sample::take(pid);
    while !done.load(SeqCst) {
        let soon = net.clock.now() + 10_000;
        turns(net, loud, &mut events, soon, |_| {})?;
    }
    loud.stop();
    let settled = settle(net, loud, &mut events, common)?;
    Ok(Poured { before, after, settled })
}

/// Runs the flood.
pub fn flood(common: &Common, flood: &Flood) -> Result<Report, String> {
    let Flood { publishers, quiet: count, inflight, rate } = *flood;
    let pace = rate.map_or(Pace::Each(inflight), Pace::Rate);
    let mut setting = Setting::new(common, count + 1, &[("limits.outstanding", 1024)])?;
    gather(&mut setting.net, &setting.writer, (0..count).map(Seat::hears).collect(), common.members)?;
    let mut calm = quiet(&setting, common, count, count + 1)?;
    let mut loud_net = Net::new(setting.server.address).map_err(|why| format!("no epoll: {why}"))?;
    // The first one hears the flood.
    let mut seats = vec![Seat::hears(count)];
    seats.extend((0..publishers).map(|_| Seat::default()));
    gather(&mut loud_net, &setting.writer, seats, common.members)?;
    let Setting { server, mut net, names, writer } = setting;
    let all = (1..=publishers).map(|place| Publisher { who: place as usize, channel: count }).collect();
    let mut hears = vec![None; 1 + publishers as usize];
    hears[0] = Some((count, Track::from(1)));
    let mut loud = Posts::new(names, writer, all, hears, count + 1, 1, pace)?;
    measure(&mut net, &mut calm, common)?;
    let alone = calm.take_delivery()?;
    let (pid, done) = (server.pid, AtomicBool::new(false));
    let (measured, poured) = std::thread::scope(|scope| {
        let pouring = scope.spawn(|| pour(&mut loud_net, &mut loud, common, pid, &done));
        let measured = measure(&mut net, &mut calm, common);
        done.store(true, SeqCst);
        (measured, pouring.join())
    });
    measured?;
    let Poured { before, after, settled } = poured.map_err(|_| "the flood's thread panicked".to_owned())??;
    calm.stop();
    let calmed = settle(&mut net, &mut calm, &mut Events::with_capacity(4096), common)?;
    calm.end(calmed);
    let beside = calm.take_delivery()?;
    loud.end(settled);
    let options = json!({
        "publishers": publishers, "quiet": count, "inflight": inflight, "rate": rate, "text": common.text,
        "seconds": common.seconds, "warmup": common.warmup,
    });
    let mut report = Report::new("flood", server.name, options);
    report.figure("flood_per_second", loud.receipts as f64 / common.seconds, 0, "/s");
    report.used(&before.until(&after), 0, "message");
    report.memory(&before, &after);
    compare(&mut report, &alone, &beside);
    report.faults(&calm.faults);
    report.faults(&loud.faults);
    drop((net, loud_net));
    server.stop()?;
    Ok(report)
}

/// A session that joins far behind.
struct Reader {
    names: Names,
    join: String,
    track: Track,
    head: u64,
    course: Course,
    faults: Faults,
}

impl Play for Reader {
    fn opened(&mut self, net: &mut Net, who: usize) {
        put(net.out(who), hello(None).as_bytes());
        put(net.out(who), self.join.as_bytes());
    }

    fn frame(&mut self, _net: &mut Net, _who: usize, frame: &[u8], _now: u64) {
        let said = || String::from_utf8_lossy(frame).into_owned();
        if is_message(frame) {
            match self.names.message(frame) {
                Some(message) => self.track.hear(message.seq, || "the reader".to_owned(), &mut self.faults),
                None => self.faults.add("not understood", 1, said),
            }
        } else if matches!(kind(frame), b"error" | b"closed") {
            self.faults.add("refused", 1, said);
        }
    }

    fn ended(&mut self, _net: &mut Net, _who: usize, _why: &str) {}
}

impl Traffic for Reader {
    fn due(&mut self, _net: &mut Net, _now: u64) -> Option<u64> {
        None
    }

    fn course(&mut self) -> &mut Course {
        &mut self.course
    }

    fn is_settled(&mut self) -> bool {
        self.track.next() > self.head
    }
}

/// Runs the replay.
pub fn replay(common: &Common, replay: &Replay) -> Result<Report, String> {
    let Replay { messages, quiet: count } = *replay;
    if common.target.floor || common.target.floor_append {
        return Err("the bare server keeps no log".into());
    }
    let settings = [("limits.outstanding", 1024), ("limits.replay_max", messages.clamp(10_000, 1_000_000))];
    let mut setting = Setting::new(common, count + 1, &settings)?;
    let mut seats: Vec<_> = (0..count).map(Seat::hears).collect();
    seats.push(Seat { join: vec![count], leave: true });
    let sessions = gather(&mut setting.net, &setting.writer, seats, common.members)?;
    let (filler, epoch) = (count as usize, sessions.last().map(|session| session.epoch.clone()).unwrap_or_default());
    let calm = quiet(&setting, common, count, count + 1)?;
    let Setting { server, mut net, names, writer } = setting;
    let join = join(writer.name(count), Some((&epoch, 0)), false);
    let publisher = Publisher { who: filler, channel: count };
    let hears = vec![None; filler + 1];
    let fill = Posts::new(names.clone(), writer, vec![publisher], hears, count + 1, 0, Pace::Each(512))?;
    let mut fill = fill.limit(messages);
    let (mut events, begun) = (Events::with_capacity(4096), net.clock.now());
    let mut filling = Progress::new(messages);
    while !fill.is_settled() || fill.sent() < messages {
        filling.at(fill.sent(), "filling the log");
        let now = net.clock.now();
        fill.due(&mut net, now);
        let soon = now + 100_000;
        net.turn(&mut fill, &mut events, soon).map_err(|why| format!("the poll fails: {why}"))?;
        if !fill.faults.is_empty() {
            return Err(format!("the log cannot be filled: {}", fill.faults.lines().join("; ")));
        }
    }
    drop(filling);
    let fill_rate = messages as f64 * 1e6 / (net.clock.now() - begun) as f64;
    let (track, course, faults) = (Track::from(1), Course::default(), Faults::default());
    let reader = Reader { names, join, track, head: messages, course, faults };
    let mut pair = Pair { border: filler, quiet: calm, loud: reader };
    measure(&mut net, &mut pair, common)?;
    let alone = pair.quiet.take_delivery()?;
    let before = Sample::take(server.pid);
    let who = net.open().map_err(|why| format!("no connection: {why}"))?;
    let begun = net.clock.now();
    pair.measure(true, begun);
    // One replay after the other, until the quiet ones have had time to notice.
    let (mut seen, mut moved, mut replays) = (0, begun, 1);
    while net.clock.now() < moved + PATIENCE {
        let soon = net.clock.now() + 10_000;
        turns(&mut net, &mut pair, &mut events, soon, |_| {})?;
        if pair.loud.track.next() != seen {
            (seen, moved) = (pair.loud.track.next(), net.clock.now());
        }
        if pair.loud.is_settled() {
            if net.clock.now() > begun + micros(common.seconds) {
                break;
            }
            replays += 1;
            pair.loud.track = Track::from(1);
            net.cut(who);
            net.reopen(who).map_err(|why| format!("no connection: {why}"))?;
        }
    }
    let took = (net.clock.now() - begun) as f64 / 1e6;
    pair.measure(false, net.clock.now());
    let after = Sample::take(server.pid);
    pair.stop();
    let settled = settle(&mut net, &mut pair, &mut events, common)?;
    pair.quiet.end(settled);
    let beside = pair.quiet.take_delivery()?;
    pair.loud.track.end(messages, || "the reader".to_owned(), &mut pair.loud.faults);
    let options = json!({
        "messages": messages, "quiet": count, "text": common.text, "seconds": common.seconds, "warmup": common.warmup,
    });
    let mut report = Report::new("replay", server.name, options);
    report.figure("replayed_per_second", (messages * replays) as f64 / took, 0, "/s");
    report.figure("seconds_a_replay", took / replays as f64, 2, "s");
    report.figure("filled_per_second", fill_rate, 0, "/s");
    report.used(&before.until(&after), messages * replays, "message");
    report.memory(&before, &after);
    compare(&mut report, &alone, &beside);
    report.faults(&pair.quiet.faults);
    report.faults(&pair.loud.faults);
    drop(net);
    server.stop()?;
    Ok(report)
}
