//! Publishers, their receipts, and those who hear them: the traffic of several shapes.

use std::collections::{HashMap, VecDeque};

use crate::check::{Faults, Track};
use crate::floor::scan::kind;
use crate::frames::{Message, Names, Writer, is_message, is_receipt, put};
use crate::net::{Net, Play};
use crate::report::{Report, Times, times};
use crate::stage::{Course, Measured, Traffic};
use crate::usage::Sample;

/// How publishers take turns.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Closed loop: each has so many in flight.
    Each(u32),
    /// Closed loop: all together have so many in flight.
    All(u32),
    /// Open loop: so many a second over all.
    Rate(f64),
}

/// Who publishes where.
#[derive(Clone, Copy, Debug)]
pub struct Publisher {
    /// The connection.
    pub who: usize,
    /// The channel.
    pub channel: u32,
}

/// A channel's messages that not everyone has yet.
#[derive(Debug)]
struct Room {
    base: u64,
    /// How many still have to hear each; a receipt is one of them.
    waiting: VecDeque<u32>,
    sent: u64,
}

/// The traffic.
pub struct Posts {
    names: Names,
    writer: Writer,
    publishers: Vec<Publisher>,
    /// Which publisher a connection is.
    places: HashMap<usize, u32>,
    /// What each connection hears, by its number.
    hears: Vec<Option<(u32, Track)>>,
    rooms: Vec<Room>,
    /// How many hear a message, its receipt among them.
    each: u32,
    pace: Pace,
    turn: usize,
    begun: Option<u64>,
    paced: u64,
    sent: u64,
    limit: u64,
    course: Course,
    /// Messages heard while it counted.
    pub heard: u64,
    /// Receipts that came while it counted.
    pub receipts: u64,
    /// From when a message was due until it was heard.
    pub delivery: Times,
    /// From when a message was due until its receipt.
    pub receipt: Times,
    /// What was wrong.
    pub faults: Faults,
}

impl Posts {
    /// Traffic of these publishers; every channel has `each` who hear it, by `hears`.
    pub fn new(
        names: Names,
        writer: Writer,
        publishers: Vec<Publisher>,
        hears: Vec<Option<(u32, Track)>>,
        channels: u32,
        each: u32,
        pace: Pace,
    ) -> Result<Self, String> {
        let rooms = (0..channels).map(|_| Room { base: 1, waiting: VecDeque::new(), sent: 0 }).collect();
        let (delivery, receipt) = (times()?, times()?);
        let places = publishers.iter().zip(0..).map(|(publisher, place)| (publisher.who, place)).collect();
        Ok(Self {
            names,
            writer,
            publishers,
            places,
            limit: u64::MAX,
            hears,
            rooms,
            each: each + 1,
            pace,
            turn: 0,
            begun: None,
            paced: 0,
            sent: 0,
            course: Course::default(),
            heard: 0,
            receipts: 0,
            delivery,
            receipt,
            faults: Faults::default(),
        })
    }

    fn publish(&mut self, net: &mut Net, publisher: usize, due: u64) {
        let Publisher { who, channel } = self.publishers[publisher];
        self.course.in_flight += 1;
        self.sent += 1;
        self.course.stopped |= self.sent >= self.limit;
        self.rooms[channel as usize].sent += 1;
        put(net.out(who), self.writer.publish(channel, publisher as u32, due));
    }

    /// Whose turn it is.
    fn take_turn(&mut self) -> usize {
        self.turn = (self.turn + 1) % self.publishers.len();
        self.turn
    }

    /// One of those who have to hear a message has; when all have, its publisher may send another.
    fn arrived(&mut self, net: &mut Net, channel: u32, seq: u64, publisher: u32) -> bool {
        let each = self.each;
        let Some(room) = self.rooms.get_mut(channel as usize) else { return false };
        let Some(place) = seq.checked_sub(room.base).map(|place| place as usize) else { return false };
        if place >= room.waiting.len() {
            if seq > room.sent {
                let sent = room.sent;
                self.faults.add("invented", 1, || format!("{seq} in channel {channel}, of {sent}"));
                return false;
            }
            room.waiting.resize(place + 1, each);
        }
        let Some(left) = room.waiting[place].checked_sub(1) else { return false };
        room.waiting[place] = left;
        if left > 0 {
            return true;
        }
        while room.waiting.front() == Some(&0) {
            room.waiting.pop_front();
            room.base += 1;
        }
        self.course.in_flight -= 1;
        if !self.course.stopped {
            match self.pace {
                Pace::Each(_) => self.publish(net, publisher as usize, net.clock.now()),
                Pace::All(_) => {
                    let turn = self.take_turn();
                    self.publish(net, turn, net.clock.now());
                }
                Pace::Rate(_) => {}
            }
        }
        true
    }

    fn message(&mut self, net: &mut Net, who: usize, message: Message, now: u64) {
        let Message { channel, seq, due, publisher } = message;
        match self.hears.get_mut(who) {
            Some(Some((heard, track))) if *heard == channel => {
                track.hear(seq, || format!("session {who}"), &mut self.faults);
            }
            _ => self.faults.add("misdelivered", 1, || format!("session {who} heard channel {channel}")),
        }
        self.heard += u64::from(self.course.window.is_open());
        if self.course.window.has(due) {
            self.delivery.saturating_record(now.saturating_sub(due));
        }
        self.arrived(net, channel, seq, publisher);
    }

    fn receipt(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64) {
        let found = self.names.receipt(frame).filter(|receipt| !receipt.duplicate);
        let publisher = self.places.get(&who).copied();
        let (Some(receipt), Some(publisher)) = (found, publisher) else {
            return self.faults.add("odd receipt", 1, || String::from_utf8_lossy(frame).into_owned());
        };
        self.receipts += u64::from(self.course.window.is_open());
        if self.course.window.has(receipt.due) {
            self.receipt.saturating_record(now.saturating_sub(receipt.due));
        }
        if !self.arrived(net, receipt.channel, receipt.seq, publisher) {
            self.faults.add("doubled receipt", 1, || String::from_utf8_lossy(frame).into_owned());
        }
    }

    /// The traffic stops by itself after so many messages.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// How many messages it has sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The times from when a message was due until it was heard; they begin anew.
    pub fn take_delivery(&mut self) -> Result<Times, String> {
        Ok(std::mem::replace(&mut self.delivery, times()?))
    }

    /// A message came: a frame, or what begins with one.
    pub fn polled(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64) {
        match self.names.message(frame) {
            Some(message) => self.message(net, who, message, now),
            None => self.faults.add("not understood", 1, || String::from_utf8_lossy(frame).into_owned()),
        }
    }

    /// Nothing more will come: what is missing is missing.
    pub fn end(&mut self, settled: bool) {
        for (who, heard) in self.hears.iter_mut().enumerate() {
            let Some((channel, track)) = heard else { continue };
            let head = self.rooms[*channel as usize].sent;
            track.end(head, || format!("session {who}, of channel {channel},"), &mut self.faults);
        }
        if !settled && self.faults.is_empty() {
            let waiting = self.course.in_flight;
            self.faults.add("receipts lost", waiting, || "they did not come in time".to_owned());
        }
    }
}

impl Posts {
    /// Says in a report what was delivered, what that took, and how long it took.
    pub fn tell(&self, report: &mut Report, before: &Sample, measured: &Measured) {
        report.count("deliveries", self.heard);
        report.used(&measured.used, self.heard, "delivery");
        report.memory(before, &measured.after);
        report.times("delivery", &self.delivery);
        report.times("receipt", &self.receipt);
        report.faults(&self.faults);
    }
}

impl Play for Posts {
    fn opened(&mut self, _net: &mut Net, _who: usize) {}

    fn frame(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64) {
        if is_message(frame) {
            self.polled(net, who, frame, now);
        } else if is_receipt(frame) {
            self.receipt(net, who, frame, now);
        } else if matches!(kind(frame), b"error" | b"closed") {
            self.faults.add("refused", 1, || String::from_utf8_lossy(frame).into_owned());
        }
    }

    fn ended(&mut self, _net: &mut Net, who: usize, why: &str) {
        self.faults.add("ended", 1, || format!("session {who}: {why}"));
    }
}

impl Traffic for Posts {
    fn due(&mut self, net: &mut Net, now: u64) -> Option<u64> {
        if self.course.stopped {
            return None;
        }
        let begun = *self.begun.get_or_insert(now);
        match self.pace {
            Pace::Rate(rate) => loop {
                let due = begun + (self.paced as f64 * 1e6 / rate) as u64;
                if due > net.clock.now() {
                    return Some(due);
                }
                self.paced += 1;
                let turn = self.take_turn();
                self.publish(net, turn, due);
            },
            Pace::Each(count) if self.paced == 0 => {
                for publisher in 0..self.publishers.len() {
                    let count = u64::from(count).min(self.limit - self.sent);
                    (0..count).for_each(|_| self.publish(net, publisher, now));
                }
                self.paced = 1;
            }
            Pace::All(count) if self.paced == 0 => {
                for _ in 0..count {
                    let turn = self.take_turn();
                    self.publish(net, turn, now);
                }
                self.paced = 1;
            }
            _ => {}
        }
        None
    }

    fn course(&mut self) -> &mut Course {
        &mut self.course
    }
}
