//! Sessions that are cut all at once, and come back with their tokens and cursors to what was said meanwhile.

use mio::Events;
use serde_json::json;

use crate::args::{Common, Reconnect};
use crate::check::{Faults, Track};
use crate::crowd::{Seat, Session, gather};
use crate::floor::scan::{kind, number};
use crate::frames::{Names, Writer, hello, is_message, is_receipt, join, put};
use crate::net::{Net, Play};
use crate::progress::Progress;
use crate::report::{Report, Times, times};
use crate::shapes::setting::Setting;
use crate::usage::Sample;

/// A crowd that does not get on for so long has got lost, in microseconds.
const PATIENCE: u64 = 15_000_000;

struct Return {
    names: Names,
    writer: Writer,
    sessions: Vec<Session>,
    tracks: Vec<Track>,
    /// When each began to come back; zero if it is there.
    begun: Vec<u64>,
    heads: Vec<u64>,
    receipts_due: u64,
    back: usize,
    times: Times,
    faults: Faults,
}

impl Return {
    /// The channel that a session hears.
    fn channel(&self, who: usize) -> u32 {
        self.sessions[who].joined.first().map_or(0, |joined| joined.channel)
    }

    /// A session that has all there is has come back.
    fn look(&mut self, who: usize, now: u64) {
        if self.begun[who] > 0 && self.tracks[who].next() > self.heads[self.channel(who) as usize] {
            self.times.saturating_record(now.saturating_sub(self.begun[who]));
            self.begun[who] = 0;
            self.back += 1;
        }
    }
}

impl Play for Return {
    fn opened(&mut self, net: &mut Net, who: usize) {
        let session = &self.sessions[who];
        put(net.out(who), hello(Some(&session.token)).as_bytes());
        for joined in &session.joined {
            let since = Some((joined.epoch.as_str(), self.tracks[who].next() - 1));
            put(net.out(who), join(self.writer.name(joined.channel), since, false).as_bytes());
        }
    }

    fn frame(&mut self, _net: &mut Net, who: usize, frame: &[u8], now: u64) {
        let said = || String::from_utf8_lossy(frame).into_owned();
        if is_message(frame) {
            match self.names.message(frame) {
                Some(message) if who < self.tracks.len() && message.channel == self.channel(who) => {
                    self.tracks[who].hear(message.seq, || format!("session {who}"), &mut self.faults);
                }
                _ => self.faults.add("not understood", 1, said),
            }
            self.look(who, now);
        } else if is_receipt(frame) {
            match self.names.receipt(frame) {
                Some(receipt) => self.heads[receipt.channel as usize] = receipt.seq,
                None => self.faults.add("not understood", 1, said),
            }
            self.receipts_due -= 1;
        } else if kind(frame) == b"joined" && who < self.tracks.len() {
            let follows = number(frame, br#""next":"#) == Some(self.tracks[who].next());
            if !follows || memchr::memmem::find(frame, br#""gap":true"#).is_some() {
                self.faults.add("not resumed", 1, said);
            }
            self.look(who, now);
        } else if matches!(kind(frame), b"error" | b"closed") {
            self.faults.add("refused", 1, said);
        }
    }

    fn ended(&mut self, _net: &mut Net, who: usize, why: &str) {
        self.faults.add("ended", 1, || format!("session {who}: {why}"));
    }
}

/// Runs it.
pub fn run(common: &Common, reconnect: &Reconnect) -> Result<Report, String> {
    let Reconnect { sessions: count, channels, missed, cuts, at_once } = *reconnect;
    if count == 0 || channels == 0 || cuts == 0 || at_once == 0 {
        return Err("there is nothing to do without sessions, channels and cuts".into());
    }
    let Setting { server, mut net, names, writer } =
        Setting::new(common, channels, &[("limits.outstanding", 100_000)])?;
    let first = Sample::take(server.pid);
    let mut seats: Vec<_> = (0..count).map(|place| Seat::hears(place % channels)).collect();
    seats.push(Seat::default());
    let mut sessions = gather(&mut net, &writer, seats, common.members)?;
    sessions.pop();
    let publisher = sessions.len();
    let tracks = sessions.iter().map(|session| Track::from(session.joined.first().map_or(1, |joined| joined.next)));
    let tracks = tracks.collect();
    let (begun, heads) = (vec![0; sessions.len()], vec![0; channels as usize]);
    let (times, faults) = (times()?, Faults::default());
    let mut play = Return { names, writer, sessions, tracks, begun, heads, receipts_due: 0, back: 0, times, faults };
    let mut events = Events::with_capacity(4096);
    let mut progress = Progress::new(u64::from(cuts) * 1_000_000);
    let (mut rates, mut server_cpu, mut own_cpu, mut took) = (Vec::new(), 0.0, 0.0, 0.0);
    for cut in 0..cuts {
        progress.at(u64::from(cut) * 1_000_000, "coming back");
        (0..publisher).for_each(|who| net.cut(who));
        for channel in 0..channels {
            for _ in 0..missed {
                let due = net.clock.now();
                put(net.out(publisher), play.writer.publish(channel, 0, due));
                play.receipts_due += 1;
            }
        }
        turn_until(&mut net, &mut play, &mut events, |play| play.receipts_due, |_, _| Ok(()))?;
        let before = Sample::take(server.pid);
        (play.back, play.begun) = (0, vec![0; publisher]);
        let mut open = 0;
        let more = |net: &mut Net, play: &mut Return| {
            while open < publisher && open < play.back + at_once as usize {
                play.begun[open] = net.clock.now().max(1);
                net.reopen(open)?;
                open += 1;
            }
            Ok(())
        };
        turn_until(&mut net, &mut play, &mut events, |play| (publisher - play.back) as u64, more)?;
        let used = before.until(&Sample::take(server.pid));
        rates.push(f64::from(count) / used.seconds);
        (server_cpu, own_cpu, took) = (server_cpu + used.server, own_cpu + used.own, took + used.seconds);
    }
    let after = Sample::take(server.pid);
    for who in 0..publisher {
        let head = play.heads[play.channel(who) as usize];
        play.tracks[who].end(head, || format!("session {who}"), &mut play.faults);
    }
    rates.sort_by(f64::total_cmp);
    let options = json!({
        "sessions": count, "channels": channels, "missed": missed, "cuts": cuts, "at_once": at_once, "text": common.text,
    });
    let mut report = Report::new("reconnect", server.name, options);
    report.figure("sessions_per_second", rates[rates.len() / 2], 0, "/s");
    report.figure("slowest_cut_per_second", rates[0], 0, "/s");
    report.count("sessions", u64::from(count) * u64::from(cuts));
    let used = crate::usage::Used { seconds: took, server: server_cpu, own: own_cpu };
    report.used(&used, u64::from(count) * u64::from(cuts), "session");
    report.memory(&first, &after);
    report.times("back", &play.times);
    report.faults(&play.faults);
    drop(net);
    server.stop()?;
    Ok(report)
}

/// Turns until nothing is missing any more.
fn turn_until(
    net: &mut Net,
    play: &mut Return,
    events: &mut Events,
    missing: impl Fn(&Return) -> u64,
    mut more: impl FnMut(&mut Net, &mut Return) -> std::io::Result<()>,
) -> Result<(), String> {
    let (mut seen, mut moved) = (u64::MAX, net.clock.now());
    while missing(play) > 0 {
        more(net, play).map_err(|why| format!("no connection to the server: {why}"))?;
        let now = net.clock.now();
        net.turn(play, events, now + 100_000).map_err(|why| format!("the poll fails: {why}"))?;
        if missing(play) < seen {
            (seen, moved) = (missing(play), now);
        } else if now > moved + PATIENCE || !play.faults.is_empty() {
            let faults = play.faults.lines().join("; ");
            return Err(format!("{seen} were still missing when nothing moved any more: {faults}"));
        }
    }
    Ok(())
}
