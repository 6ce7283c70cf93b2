//! Sessions that come in: each says hello and joins its channels, so many at a time.

use mio::Events;

use crate::clock::micros;
use crate::floor::scan::{kind, number, string};
use crate::frames::{Writer, hello, join, put};
use crate::net::{Net, Play};

/// So many come in at a time.
const AT_ONCE: usize = 256;
/// A crowd that does not get on for so long does not come in at all, in seconds.
const PATIENCE: f64 = 20.0;

/// A channel that a session has joined.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Its number.
    pub channel: u32,
    /// Its epoch.
    pub epoch: String,
    /// The first message that the session will hear.
    pub next: u64,
}

/// A session that came in.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// What brings it back as the same user.
    pub token: String,
    /// The channels that it hears.
    pub joined: Vec<Joined>,
    /// The epoch of the channel that it joined last.
    pub epoch: String,
    left: usize,
    is_in: bool,
}

/// What a session does when it comes in.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    /// The channels that it joins.
    pub join: Vec<u32>,
    /// Whether it leaves them at once: it was there to make them.
    pub leave: bool,
}

impl Seat {
    /// One who hears a channel.
    pub fn hears(channel: u32) -> Self {
        Self { join: vec![channel], leave: false }
    }
}

/// Opens a session for each seat, as the next connections, and returns when all are in.
pub fn gather(net: &mut Net, writer: &Writer, seats: Vec<Seat>, member: bool) -> Result<Vec<Session>, String> {
    let first = net.len();
    let wanted = seats.len();
    let sessions = vec![Session::default(); wanted];
    let mut crowd = Crowd { first, writer, seats, sessions, done: 0, member, failed: None };
    let mut events = Events::with_capacity(1024);
    let (mut moved, mut seen) = (net.clock.now(), 0);
    while crowd.done < wanted {
        while net.len() - first < wanted && net.len() - first < crowd.done + AT_ONCE {
            net.open().map_err(|why| format!("no connection to the server: {why}"))?;
        }
        let now = net.clock.now();
        net.turn(&mut crowd, &mut events, now + 100_000).map_err(|why| format!("the poll fails: {why}"))?;
        if let Some(why) = crowd.failed {
            return Err(why);
        }
        if crowd.done != seen {
            (moved, seen) = (now, crowd.done);
        } else if now > moved + micros(PATIENCE) {
            return Err(format!("only {seen} of {wanted} sessions came in, and then none for {PATIENCE} s"));
        }
    }
    Ok(crowd.sessions)
}

struct Crowd<'a> {
    first: usize,
    writer: &'a Writer,
    seats: Vec<Seat>,
    sessions: Vec<Session>,
    done: usize,
    member: bool,
    failed: Option<String>,
}

impl Play for Crowd<'_> {
    fn opened(&mut self, net: &mut Net, who: usize) {
        put(net.out(who), hello(None).as_bytes());
    }

    fn frame(&mut self, net: &mut Net, who: usize, frame: &[u8], _now: u64) {
        let Some(place) = who.checked_sub(self.first) else { return };
        let (seat, session) = (&self.seats[place], &mut self.sessions[place]);
        let text = |name: &[u8]| String::from_utf8_lossy(string(frame, name).unwrap_or_default()).into_owned();
        match kind(frame) {
            b"welcome" => {
                session.token = text(br#""token":""#);
                for channel in &seat.join {
                    let name = self.writer.name(*channel);
                    put(net.out(who), join(name, None, self.member).as_bytes());
                }
                if seat.leave {
                    for channel in &seat.join {
                        let name = self.writer.name(*channel);
                        let leave = format!(r#"{{"type":"leave","id":"leave","channel":"{name}","only":"session"}}"#);
                        put(net.out(who), leave.as_bytes());
                    }
                }
            }
            b"joined" => {
                // The answers about several channels come in any order.
                let name = text(br#""channel":""#);
                let channel = seat.join.iter().copied().find(|channel| self.writer.name(*channel) == name);
                let channel = channel.unwrap_or_default();
                let first = number(frame, br#""next":"#).unwrap_or(1);
                session.epoch = text(br#""epoch":""#);
                session.joined.push(Joined { channel, epoch: session.epoch.clone(), next: first });
            }
            b"left" => session.left += 1,
            b"error" => {
                self.failed = Some(format!("a session cannot come in: {}", String::from_utf8_lossy(frame)));
            }
            _ => return,
        }
        let left = if seat.leave { seat.join.len() } else { 0 };
        let all = session.joined.len() == seat.join.len() && session.left == left;
        if all && !std::mem::replace(&mut session.is_in, true) {
            self.done += 1;
        }
    }

    fn ended(&mut self, _net: &mut Net, who: usize, why: &str) {
        self.failed = Some(format!("session {who} did not come in: {why}"));
    }
}
