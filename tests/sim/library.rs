//! An agent that is the client library, and the promises that the library makes to its application.

use std::collections::{BTreeMap, BTreeSet};

use parlor::checker::SessionNo;
use parlor::client::stepped::{self, Stepped, Wish};
use parlor::client::{Choice, Code, Draft, Event, Fault, Options, Start, Transport};
use parlor::model::Moment;
use serde_json::{Value, json};

use crate::agent::{Agent, At};
use crate::line::Heard;

/// What the application saw of a channel.
#[derive(Debug)]
struct Seen {
    epoch: String,
    next: u64,
}

/// The library with an application that counts.
pub struct Library {
    number: usize,
    client: Option<Stepped>,
    /// Which line each of its connections is.
    lines: BTreeMap<u64, SessionNo>,
    seen: BTreeMap<String, Seen>,
    /// Publishes that were accepted and have no receipt.
    waiting: BTreeSet<u64>,
    keys: u64,
    act: u64,
    pace: u64,
}

impl Library {
    pub fn new(number: usize, pace: u64) -> Self {
        Self {
            number,
            client: None,
            lines: BTreeMap::new(),
            seen: BTreeMap::new(),
            waiting: BTreeSet::new(),
            keys: 0,
            act: 0,
            pace,
        }
    }

    fn carry_out(&mut self, at: &mut At<'_>) {
        let Some(client) = &mut self.client else { return };
        let mut wishes = client.wishes();
        for wish in wishes.drain(..) {
            match wish {
                Wish::Open(conn, over) => {
                    let no = at.open(self.number, over == Transport::WebSocket);
                    self.lines.insert(conn, no);
                }
                Wish::Say(conn, frame) => {
                    if let Some(no) = self.lines.get(&conn) {
                        at.say(*no, serde_json::from_str(&frame).unwrap_or_default());
                    }
                }
                Wish::Hang(conn, told) => {
                    if let Some(no) = self.lines.remove(&conn) {
                        at.leave(no, told);
                    }
                }
                Wish::Tell(event) => see(&mut self.seen, self.number, event),
                Wish::Done(ticket, answer) => {
                    if self.waiting.remove(&ticket) {
                        // Stored, or refused for good: nothing else may become of it.
                        let refused = |fault: &Fault| match fault.code {
                            // What was not on disk is lost, and who one was with it.
                            Some(Code::Unauthenticated) => !at.durable,
                            code => matches!(code, Some(Code::NotFound | Code::Conflict)),
                        };
                        let known =
                            answer.as_ref().map_or_else(|why| why.fault().is_some_and(refused), Option::is_some);
                        assert!(known, "library {}: publish {ticket} was given up: {answer:?}", self.number);
                    }
                }
            }
        }
    }
}

/// Every message once and in order, or a word about what is missing.
fn see(seen: &mut BTreeMap<String, Seen>, number: usize, event: Event) {
    match event {
        Event::Joined(joined) => {
            let fresh = || Seen { epoch: joined.epoch.0.to_string(), next: joined.next };
            seen.entry(joined.channel.clone()).or_insert_with(fresh);
        }
        Event::Message(message) => {
            let Some(seen) = seen.get_mut(&message.channel) else {
                panic!("library {number}: a message before it was joined: {message:?}");
            };
            let same = seen.epoch == *message.epoch.0;
            assert!(same && seen.next == message.seq, "library {number}: after {seen:?} came {message:?}");
            seen.next += 1;
        }
        Event::Hole { channel, from, to } => {
            if let Some(seen) = seen.get_mut(&channel) {
                assert_eq!(seen.next, from, "library {number}: a hole that begins elsewhere, in {channel}");
                seen.next = to + 1;
            }
        }
        Event::Reset { channel, epoch, next, .. } => {
            seen.insert(channel, Seen { epoch: epoch.0.to_string(), next });
        }
        _ => {}
    }
}

impl Agent for Library {
    fn hear(&mut self, at: &mut At<'_>, no: SessionNo, heard: Heard, _: Option<&Value>) {
        let Some((conn, _)) = self.lines.iter().find(|(_, line)| **line == no) else { return };
        let (conn, dice) = (*conn, at.dice.any());
        let heard = match heard {
            Heard::Opened => stepped::Heard::Opened,
            Heard::Alive => stepped::Heard::Alive,
            Heard::Frame(text) => stepped::Heard::Frame(text),
            Heard::Down(code) => {
                self.lines.remove(&conn);
                stepped::Heard::Down(code)
            }
        };
        if let Some(client) = &mut self.client {
            client.hear(Moment(at.now), dice, conn, heard);
        }
        self.carry_out(at);
    }

    fn due(&self) -> u64 {
        let deadline = self.client.as_ref().and_then(Stepped::deadline);
        deadline.map_or(self.act, |deadline| self.act.min(deadline.0))
    }

    fn act(&mut self, at: &mut At<'_>) {
        let (now, dice) = (Moment(at.now), at.dice.any());
        let (number, pace) = (self.number, self.pace);
        let client = self.client.get_or_insert_with(|| {
            let options = Options::new("").guest(format!("l{number}")).transport(Choice::Auto);
            Stepped::start(options, now, dice)
        });
        client.tick(now, dice);
        if at.now >= self.act {
            self.act = at.now + 1 + at.dice.below(2 * pace);
            let channel = *at.dice.one_of(at.channels);
            match at.dice.below(10) {
                _ if at.calm => {}
                0..6 => {
                    self.keys += 1;
                    let key = format!("l{number}-{}", self.keys);
                    let draft = Draft::new(json!({"key": key}));
                    if let Ok(ticket) = client.publish(now, dice, channel, &key, draft) {
                        self.waiting.insert(ticket);
                    }
                }
                6 => drop(client.join(now, dice, channel, Start::Stood)),
                7 if !at.users.is_empty() => drop(client.watch(now, dice, vec![at.dice.one_of(at.users).clone()])),
                8 => drop(client.raw(now, dice, json!({"type": "history", "channel": channel}))),
                _ => {}
            }
        }
        self.carry_out(at);
    }

    fn unsettled(&self) -> Option<String> {
        let waits = self.waiting.first();
        waits.map(|ticket| format!("library {} waits for the receipt of publish {ticket}", self.number))
    }
}
