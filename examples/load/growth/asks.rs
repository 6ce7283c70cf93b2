//! One session that asks one kind of thing of many channels, again and again, and times each.

use mio::Events;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::args::Common;
use crate::check::{Faults, Track};
use crate::clock::micros;
use crate::crowd::{Seat, Session, gather};
use crate::floor::scan::{kind, leading, number, string};
use crate::frames::{Names, Writer, is_message, is_receipt, join, put};
use crate::growth::point::Point;
use crate::net::{Net, Play};
use crate::report::{Times, times};
use crate::stage::{self, Course, Traffic};

/// An answer that does not come for so long will not come, in seconds.
const PATIENCE: f64 = 20.0;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A publish to a channel, so many a second; timed until its receipt.
    Publish(f64),
    /// A join that begins so many messages before the head, one at a time; timed until the last of them is there.
    Join(u64),
    /// The newest messages of a channel, one page at a time.
    Newest(u64),
    /// These pages, a few at a time: the channel, and what they come after.
    Pages(Vec<(u32, u64)>),
}

/// The most messages of a page.
pub const PAGE: u64 = 1000;
/// So many pages are asked for at a time.
const PAGES: u64 = 4;

/// A channel as the session knows it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its epoch.
    pub epoch: String,
    /// Its newest message.
    pub head: u64,
}

/// A join under way.
struct Joining {
    channel: u32,
    since: u64,
    track: Track,
    behind: u64,
    joined: bool,
    timed: bool,
}

/// The session, and what it asks.
pub struct Asks {
    names: Names,
    writer: Writer,
    who: usize,
    /// The channels.
    pub places: Vec<Place>,
    ask: Ask,
    dice: StdRng,
    joining: Option<Joining>,
    /// Channels that are asked first, one after the other.
    first: std::ops::Range<u32>,
    begun: Option<u64>,
    paced: u64,
    course: Course,
    /// Messages that came in pages.
    pub read: u64,
    times: Times,
    /// What was wrong.
    pub faults: Faults,
}

impl Asks {
    /// A new session, which asks nothing yet.
    pub fn new(net: &mut Net, names: Names, writer: Writer, places: Vec<Place>) -> Result<Self, String> {
        let who = net.len();
        gather(net, &writer, vec![Seat::default()], false)?;
        Ok(Self {
            names,
            writer,
            who,
            places,
            ask: Ask::Pages(Vec::new()),
            dice: StdRng::seed_from_u64(1),
            joining: None,
            first: 0..0,
            begun: None,
            paced: 0,
            course: Course::default(),
            read: 0,
            times: times()?,
            faults: Faults::default(),
        })
    }

    /// Asks for as long as is to be measured, and adds how long the answers took to a point.
    pub fn run(
        &mut self,
        net: &mut Net,
        common: &Common,
        ask: Ask,
        point: &mut Point,
        name: &str,
    ) -> Result<(), String> {
        self.begin(ask)?;
        let measured = stage::run(net, self, common, None)?;
        if !measured.settled {
            let waiting = self.course.in_flight;
            self.faults.add("unanswered", waiting, || format!("{name}, for {} s", common.patience));
        }
        point.times(name, &self.times);
        Ok(())
    }

    /// Asks this of each channel once, or for all of these pages; returns how many seconds that took.
    pub fn once(&mut self, net: &mut Net, ask: Ask) -> Result<f64, String> {
        let rounds = !matches!(ask, Ask::Pages(_));
        self.begin(ask)?;
        self.first = if rounds { 0..self.places.len() as u32 } else { 0..0 };
        let begun = net.clock.now();
        let (mut events, mut moved, mut seen) = (Events::with_capacity(256), begun, u64::MAX);
        while !self.is_through() && self.faults.is_empty() {
            let now = net.clock.now();
            self.due(net, now);
            net.turn(self, &mut events, now + 100_000).map_err(|why| format!("the poll fails: {why}"))?;
            if seen != self.paced {
                (seen, moved) = (self.paced, now);
            } else if now > moved + micros(PATIENCE) {
                self.faults.add("unanswered", self.course.in_flight, || format!("for {PATIENCE} s"));
            }
        }
        self.course.stopped = true;
        Ok((net.clock.now() - begun) as f64 / 1e6)
    }

    fn begin(&mut self, ask: Ask) -> Result<(), String> {
        self.ask = ask;
        (self.begun, self.paced, self.course.stopped, self.first) = (None, 0, false, 0..0);
        self.times = times()?;
        Ok(())
    }

    /// Whether everything that was asked once is answered.
    fn is_through(&self) -> bool {
        let more = match &self.ask {
            Ask::Pages(pages) => !pages.is_empty(),
            _ => !self.first.is_empty(),
        };
        self.course.in_flight == 0 && !more
    }

    fn send(&mut self, net: &mut Net, due: u64) {
        // A first round goes to each channel, and is not gone on with.
        let channel = match self.first.next() {
            Some(channel) => {
                self.course.stopped = self.first.is_empty();
                channel
            }
            None => self.dice.random_range(0..self.places.len() as u32),
        };
        let Place { epoch, head } = &self.places[channel as usize];
        let command = match &mut self.ask {
            Ask::Publish(_) => {
                self.course.in_flight += 1;
                return put(net.out(self.who), self.writer.publish(channel, 0, due));
            }
            Ask::Join(behind) => {
                let behind = (*head).min(*behind);
                let since = (behind > 0).then(|| (epoch.as_str(), head - behind));
                let track = Track::from(head + 1 - behind);
                self.joining = Some(Joining { channel, since: due, track, behind, joined: false, timed: false });
                join(self.writer.name(channel), since, false)
            }
            Ask::Newest(count) => {
                let expected = (*head).min(*count);
                let name = self.writer.name(channel);
                format!(r#"{{"type":"history","id":"{due}.{expected}","channel":"{name}","limit":{count}}}"#)
            }
            Ask::Pages(pages) => {
                let Some((channel, after)) = pages.pop() else { return };
                let expected = self.places[channel as usize].head.saturating_sub(after).min(PAGE);
                let name = self.writer.name(channel);
                format!(
                    r#"{{"type":"history","id":"{due}.{expected}","channel":"{name}","after":{after},"limit":{PAGE}}}"#
                )
            }
        };
        self.course.in_flight += 1;
        put(net.out(self.who), command.as_bytes());
    }

    /// Something was answered; perhaps the next thing is asked.
    fn answered(&mut self, due: u64, now: u64) {
        self.course.in_flight = self.course.in_flight.saturating_sub(1);
        self.paced += 1;
        self.time(due, now);
    }

    fn time(&mut self, due: u64, now: u64) {
        if self.course.window.has(due) {
            self.times.saturating_record(now.saturating_sub(due));
        }
    }

    fn receipt(&mut self, frame: &[u8], now: u64) {
        let found = self.names.receipt(frame).filter(|receipt| !receipt.duplicate);
        let place = found.and_then(|receipt| self.places.get_mut(receipt.channel as usize));
        match (found, place) {
            (Some(receipt), Some(place)) if receipt.seq == place.head + 1 => {
                place.head += 1;
                self.course.in_flight = self.course.in_flight.saturating_sub(1);
                self.time(receipt.due, now);
            }
            _ => self.faults.add("odd receipt", 1, || String::from_utf8_lossy(frame).into_owned()),
        }
    }

    fn page(&mut self, frame: &[u8], now: u64) {
        let id = string(frame, br#""id":""#).and_then(|id| {
            let (due, digits) = leading(id)?;
            Some((due, leading(id.get(digits + 1..)?)?.0))
        });
        let count = memchr::memmem::find_iter(frame, br#""seq":"#).count() as u64;
        match id {
            Some((due, expected)) if expected == count => {
                self.read += count;
                self.answered(due, now);
            }
            _ => self.faults.add("odd page", 1, || format!("{count} messages for {id:?}")),
        }
    }

    /// Something about the join under way came: once all of it is there, it is left again.
    fn replayed(&mut self, net: &mut Net, now: u64) {
        let Some(joining) = &mut self.joining else { return };
        let head = self.places[joining.channel as usize].head;
        if joining.joined && joining.track.next() > head && !joining.timed {
            joining.timed = true;
            let (since, name) = (joining.since, self.writer.name(joining.channel));
            let leave = format!(r#"{{"type":"leave","id":"leave","channel":"{name}","only":"session"}}"#);
            put(net.out(self.who), leave.as_bytes());
            self.time(since, now);
        }
    }

    fn joined(&mut self, net: &mut Net, frame: &[u8], now: u64) {
        let Some(joining) = &mut self.joining else { return };
        let right = number(frame, br#""replay":"#) == Some(joining.behind);
        if !right || memchr::memmem::find(frame, br#""gap":true"#).is_some() {
            self.faults.add("odd join", 1, || String::from_utf8_lossy(frame).into_owned());
        }
        joining.joined = true;
        self.replayed(net, now);
    }
}

impl Play for Asks {
    fn opened(&mut self, _net: &mut Net, _who: usize) {}

    fn frame(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64) {
        if who != self.who {
            return;
        }
        if is_receipt(frame) {
            return self.receipt(frame, now);
        }
        if is_message(frame) {
            let found = self.names.message(frame);
            match (&mut self.joining, found) {
                (Some(joining), Some(message)) if message.channel == joining.channel => {
                    joining.track.hear(message.seq, || "the session".to_owned(), &mut self.faults);
                }
                _ => self.faults.add("misdelivered", 1, || String::from_utf8_lossy(frame).into_owned()),
            }
            return self.replayed(net, now);
        }
        match kind(frame) {
            b"history" => self.page(frame, now),
            b"joined" => self.joined(net, frame, now),
            b"left" => {
                self.joining = None;
                self.course.in_flight = self.course.in_flight.saturating_sub(1);
                self.paced += 1;
            }
            b"error" | b"closed" => self.faults.add("refused", 1, || String::from_utf8_lossy(frame).into_owned()),
            _ => {}
        }
    }

    fn ended(&mut self, _net: &mut Net, who: usize, why: &str) {
        if who == self.who {
            self.faults.add("ended", 1, || format!("the session: {why}"));
        }
    }
}

impl Traffic for Asks {
    fn due(&mut self, net: &mut Net, now: u64) -> Option<u64> {
        let begun = *self.begun.get_or_insert(now);
        let at_once = match &self.ask {
            Ask::Publish(rate) => {
                let rate = *rate;
                while !self.course.stopped {
                    let due = begun + (self.paced as f64 * 1e6 / rate) as u64;
                    if due > net.clock.now() {
                        return Some(due);
                    }
                    self.paced += 1;
                    self.send(net, due);
                }
                return None;
            }
            Ask::Pages(pages) => PAGES.min(self.course.in_flight + pages.len() as u64),
            _ => 1,
        };
        while !self.course.stopped && self.course.in_flight < at_once {
            self.send(net, net.clock.now());
        }
        None
    }

    fn course(&mut self) -> &mut Course {
        &mut self.course
    }
}

/// The channels as the sessions found them that made or entered them.
pub fn places(sessions: &[Session], channels: u32) -> Vec<Place> {
    let mut places = vec![Place::default(); channels as usize];
    for joined in sessions.iter().flat_map(|session| &session.joined) {
        if let Some(place) = places.get_mut(joined.channel as usize) {
            *place = Place { epoch: joined.epoch.clone(), head: joined.next - 1 };
        }
    }
    places
}
