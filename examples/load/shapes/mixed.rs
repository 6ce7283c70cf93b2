//! Everything at once, at given rates: what a server has to do on an ordinary day.

use mio::Events;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::args::{Common, Mixed};
use crate::check::{Faults, Track};
use crate::crowd::{Seat, Session, gather};
use crate::floor::scan::{kind, leading, number, string};
use crate::frames::{Message, Names, Writer, hello, is_message, is_receipt, join, put};
use crate::net::{Net, Play};
use crate::pollers::Pollers;
use crate::report::{Report, Times, times};
use crate::shapes::setting::Setting;
use crate::stage::{self, Course, Traffic};
use crate::usage::Sample;

/// Channels of one session.
const CHANNELS: usize = 3;

/// What is done, in the order of [`KINDS`].
const POST: usize = 0;
const TYPING: usize = 1;
const READ: usize = 2;
const HISTORY: usize = 3;
const REJOIN: usize = 4;
const RECONNECT: usize = 5;
/// Heard over WebSocket; the next one is over long-poll.
const DELIVERY: usize = 6;
/// What is timed: what is done, and what is heard over either transport.
const KINDS: [&str; 8] =
    ["receipt", "typing", "read", "history", "rejoin", "reconnect", "delivery_websocket", "delivery_longpoll"];

/// A session over WebSocket.
struct Member {
    session: Session,
    tracks: Vec<Track>,
    /// What it waits for: answers, or to be in again.
    waiting: u32,
    /// Since when it has been coming back, if it is.
    back_since: Option<u64>,
    /// Whether it comes back to a channel, not to the server.
    rejoins: bool,
}

impl Member {
    /// Which of its channels this is.
    fn place(&self, channel: u32) -> Option<usize> {
        self.session.joined.iter().position(|joined| joined.channel == channel)
    }
}

struct Day {
    names: Names,
    writer: Writer,
    members: Vec<Member>,
    /// What each poller hears.
    polled: Vec<Vec<(u32, Track)>>,
    pollers: Pollers,
    heads: Vec<u64>,
    rates: [f64; 6],
    done: [u64; 6],
    begun: Option<u64>,
    course: Course,
    dice: StdRng,
    times: Vec<Times>,
    heard: u64,
    skipped: u64,
    faults: Faults,
}

impl Day {
    fn time(&mut self, what: usize, due: u64, now: u64) {
        if self.course.window.has(due) {
            self.times[what].saturating_record(now.saturating_sub(due));
        }
    }

    /// Has someone do something that was due then.
    fn act(&mut self, net: &mut Net, what: usize, due: u64) {
        // Someone who is in; whoever leaves or goes must wait for nothing, and has to be alone in that.
        let free = |member: &Member| match what {
            REJOIN | RECONNECT => member.waiting == 0,
            _ => member.back_since.is_none() && member.waiting < 32,
        };
        let start = self.dice.random_range(0..self.members.len());
        let found = (0..self.members.len()).map(|step| (start + step) % self.members.len());
        let Some(who) = found.take(16).find(|who| free(&self.members[*who])) else {
            self.skipped += 1;
            return;
        };
        let member = &mut self.members[who];
        let place = self.dice.random_range(0..member.session.joined.len());
        let channel = member.session.joined[place].channel;
        let name = self.writer.name(channel);
        member.waiting += 1;
        let command = match what {
            POST => return put(net.out(who), self.writer.publish(channel, who as u32, due)),
            RECONNECT => {
                member.back_since = Some(due);
                member.waiting = member.session.joined.len() as u32;
                net.cut(who);
                if let Err(why) = net.reopen(who) {
                    self.faults.add("no connection", 1, || why.to_string());
                }
                return;
            }
            TYPING => format!(r#"{{"type":"typing","id":"{TYPING}.{due}","channel":"{name}"}}"#),
            READ => {
                let seq = (member.tracks[place].next() - 1).max(1);
                format!(r#"{{"type":"read","id":"{READ}.{due}","channel":"{name}","seq":{seq}}}"#)
            }
            HISTORY => format!(r#"{{"type":"history","id":"{HISTORY}.{due}","channel":"{name}"}}"#),
            _ => {
                (member.back_since, member.rejoins) = (Some(due), true);
                format!(r#"{{"type":"leave","id":"{place}","channel":"{name}","only":"session"}}"#)
            }
        };
        put(net.out(who), command.as_bytes());
    }

    fn rejoin(&self, net: &mut Net, who: usize, place: usize) {
        let member = &self.members[who];
        let joined = &member.session.joined[place];
        let since = Some((joined.epoch.as_str(), member.tracks[place].next() - 1));
        put(net.out(who), join(self.writer.name(joined.channel), since, true).as_bytes());
    }

    fn joined(&mut self, who: usize, frame: &[u8], now: u64) {
        let place = self.names.channel(frame).and_then(|channel| self.members[who].place(channel));
        let member = &mut self.members[who];
        let goes_on = place.is_some_and(|place| number(frame, br#""next":"#) == Some(member.tracks[place].next()));
        if !goes_on || memchr::memmem::find(frame, br#""gap":true"#).is_some() {
            self.faults.add("not resumed", 1, || String::from_utf8_lossy(frame).into_owned());
        }
        member.waiting = member.waiting.saturating_sub(1);
        if let Some(since) = member.back_since.filter(|_| member.waiting == 0) {
            member.back_since = None;
            let what = if member.rejoins { REJOIN } else { RECONNECT };
            member.rejoins = false;
            self.time(what, since, now);
        }
    }

    fn heard(&mut self, who: usize, message: Option<Message>, now: u64) {
        let polled = self.pollers.has(who);
        let track = message.and_then(|message| {
            let channel = message.channel;
            if polled {
                let hears = &mut self.polled[who - self.members.len()];
                return hears.iter_mut().find(|(heard, _)| *heard == channel).map(|(_, track)| track);
            }
            let member = self.members.get_mut(who)?;
            member.place(channel).map(|place| &mut member.tracks[place])
        });
        let (Some(message), Some(track)) = (message, track) else {
            return self.faults.add("misdelivered", 1, || format!("to session {who}: {message:?}"));
        };
        track.hear(message.seq, || format!("session {who}"), &mut self.faults);
        let head = &mut self.heads[message.channel as usize];
        *head = message.seq.max(*head);
        self.heard += u64::from(self.course.window.is_open());
        self.time(if polled { DELIVERY + 1 } else { DELIVERY }, message.due, now);
    }

    fn receipt(&mut self, who: usize, frame: &[u8], now: u64) {
        let Some(receipt) = self.names.receipt(frame).filter(|receipt| !receipt.duplicate) else {
            return self.faults.add("odd receipt", 1, || String::from_utf8_lossy(frame).into_owned());
        };
        let head = &mut self.heads[receipt.channel as usize];
        *head = receipt.seq.max(*head);
        self.members[who].waiting -= 1;
        self.time(POST, receipt.due, now);
    }
}

impl Play for Day {
    fn opened(&mut self, net: &mut Net, who: usize) {
        let member = &self.members[who];
        put(net.out(who), hello(Some(&member.session.token)).as_bytes());
        (0..member.session.joined.len()).for_each(|place| self.rejoin(net, who, place));
    }

    fn frame(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64) {
        if is_message(frame) {
            return self.heard(who, self.names.message(frame), now);
        }
        if is_receipt(frame) {
            return self.receipt(who, frame, now);
        }
        let id = string(frame, br#""id":""#);
        match kind(frame) {
            b"joined" => self.joined(who, frame, now),
            b"left" => {
                let place = id.and_then(leading).map_or(0, |(place, _)| place as usize);
                self.rejoin(net, who, place);
            }
            b"ok" | b"history" => {
                let read = id.and_then(|id| {
                    let (what, digits) = leading(id)?;
                    Some((what as usize, leading(&id[digits + 1..])?.0))
                });
                let Some((what, due)) = read else { return };
                self.members[who].waiting -= 1;
                self.time(what, due, now);
            }
            b"error" | b"closed" => self.faults.add("refused", 1, || String::from_utf8_lossy(frame).into_owned()),
            _ => {}
        }
    }

    fn answer(&mut self, net: &mut Net, who: usize, status: u16, body: &[u8], now: u64) {
        let mut heard = Vec::new();
        let names = &self.names;
        let each = |_: &mut Net, frame: &[u8]| heard.push(names.message(frame));
        if let Err(why) = self.pollers.answer(net, who, status, body, each) {
            self.faults.add("refused", 1, || why);
        }
        heard.into_iter().for_each(|message| self.heard(who, message, now));
    }

    fn ended(&mut self, _net: &mut Net, who: usize, why: &str) {
        self.faults.add("ended", 1, || format!("session {who}: {why}"));
    }
}

impl Traffic for Day {
    fn due(&mut self, net: &mut Net, now: u64) -> Option<u64> {
        if self.course.stopped {
            return None;
        }
        let begun = *self.begun.get_or_insert(now);
        let due = |day: &Self, what: usize| {
            (day.rates[what] > 0.0).then(|| begun + ((day.done[what] + 1) as f64 * 1e6 / day.rates[what]) as u64)
        };
        for what in 0..self.rates.len() {
            while let Some(due) = due(self, what).filter(|due| *due <= now) {
                self.done[what] += 1;
                self.act(net, what, due);
            }
        }
        (0..self.rates.len()).filter_map(|what| due(self, what)).min()
    }

    fn course(&mut self) -> &mut Course {
        &mut self.course
    }

    fn is_settled(&mut self) -> bool {
        let there = |channel: u32, track: &Track| track.next() > self.heads[channel as usize];
        let member = |member: &Member| {
            let mut heard = member.session.joined.iter().zip(&member.tracks);
            member.waiting == 0 && heard.all(|(joined, track)| there(joined.channel, track))
        };
        let polled = |hears: &Vec<(u32, Track)>| hears.iter().all(|(channel, track)| there(*channel, track));
        self.members.iter().all(member) && self.polled.iter().all(polled)
    }
}

/// Some channels, the lower numbers more often than the higher ones: the n-th is as large as an n-th of the first.
fn choose(dice: &mut StdRng, channels: u32) -> Vec<u32> {
    let whole: f64 = (1..=channels).map(|n| 1.0 / f64::from(n)).sum();
    let mut chosen = Vec::new();
    while chosen.len() < CHANNELS.min(channels as usize) {
        let mut left = dice.random_range(0.0..whole);
        let channel = (0..channels).find(|channel| {
            left -= 1.0 / f64::from(channel + 1);
            left < 0.0
        });
        let channel = channel.unwrap_or(0);
        if !chosen.contains(&channel) {
            chosen.push(channel);
        }
    }
    chosen
}

/// Runs it.
pub fn run(common: &Common, mixed: &Mixed) -> Result<Report, String> {
    let Mixed { sessions, pollers, channels, posts, typing, reads, history, joins, reconnects } = *mixed;
    if sessions == 0 || channels == 0 {
        return Err("there is nothing to do without sessions and channels".into());
    }
    if common.target.floor || common.target.floor_append {
        return Err("the bare server knows neither long-poll nor history".into());
    }
    let Setting { server, mut net, names, writer } = Setting::new(common, channels, &[("limits.outstanding", 1024)])?;
    let before = Sample::take(server.pid);
    let mut dice = StdRng::seed_from_u64(1);
    let seats = (0..sessions).map(|_| Seat { join: choose(&mut dice, channels), leave: false }).collect();
    let sessions_in = gather(&mut net, &writer, seats, true)?;
    let lists: Vec<_> = (0..pollers).map(|_| choose(&mut dice, channels)).collect();
    let pollers_in = Pollers::open(&mut net, &writer, &lists).map_err(|why| format!("no connection: {why}"))?;
    let member = |session: Session| {
        let tracks = session.joined.iter().map(|joined| Track::from(joined.next)).collect();
        Member { session, tracks, waiting: 0, back_since: None, rejoins: false }
    };
    let hears = |list: &Vec<u32>| list.iter().map(|channel| (*channel, Track::from(1))).collect();
    let mut day = Day {
        names,
        writer,
        members: sessions_in.into_iter().map(member).collect(),
        polled: lists.iter().map(hears).collect(),
        pollers: pollers_in,
        heads: vec![0; channels as usize],
        rates: [posts, typing, reads, history, joins, reconnects],
        done: [0; 6],
        begun: None,
        course: Course::default(),
        dice,
        times: KINDS.iter().map(|_| times()).collect::<Result<_, _>>()?,
        heard: 0,
        skipped: 0,
        faults: Faults::default(),
    };
    day.come_in(&mut net, pollers as usize)?;
    let measured = stage::run(&mut net, &mut day, common, server.pid)?;
    day.end(measured.settled);
    let options = json!({
        "sessions": sessions, "pollers": pollers, "channels": channels, "posts": posts, "typing": typing,
        "reads": reads, "history": history, "joins": joins, "reconnects": reconnects, "text": common.text,
        "seconds": common.seconds, "warmup": common.warmup,
    });
    let mut report = Report::new("mixed", server.name, options);
    report.figure("deliveries_per_second", day.heard as f64 / measured.used.seconds, 0, "/s");
    report.count("deliveries", day.heard);
    report.count("skipped_for_want_of_a_free_session", day.skipped);
    report.used(&measured.used, day.heard, "delivery");
    report.memory(&before, &measured.after);
    KINDS.iter().zip(&day.times).for_each(|(kind, times)| report.times(kind, times));
    report.faults(&day.faults);
    drop(net);
    server.stop()?;
    Ok(report)
}

impl Day {
    /// Waits until the pollers are in.
    fn come_in(&mut self, net: &mut Net, pollers: usize) -> Result<(), String> {
        let (mut events, patience) = (Events::with_capacity(1024), net.clock.now() + 20_000_000);
        while self.pollers.inside < pollers {
            let now = net.clock.now();
            if now > patience || !self.faults.is_empty() {
                return Err(format!("the pollers do not come in: {}", self.faults.lines().join("; ")));
            }
            net.turn(self, &mut events, now + 100_000).map_err(|why| format!("the poll fails: {why}"))?;
        }
        Ok(())
    }

    /// Nothing more will come: what is missing is missing.
    fn end(&mut self, settled: bool) {
        for (who, member) in self.members.iter_mut().enumerate() {
            for (joined, track) in member.session.joined.iter().zip(&mut member.tracks) {
                track.end(self.heads[joined.channel as usize], || format!("session {who}"), &mut self.faults);
            }
        }
        for (channel, track) in self.polled.iter_mut().flatten() {
            track.end(self.heads[*channel as usize], || "a poller".to_owned(), &mut self.faults);
        }
        if !settled && self.faults.is_empty() {
            let waiting = self.members.iter().map(|member| u64::from(member.waiting)).sum();
            self.faults.add("unanswered", waiting, || "they did not come in time".to_owned());
        }
    }
}
