//! The machine against a naive server over a network that loses what it likes: in the end the application has seen every
//! message once and in order, or was told of a hole exactly where the log has one, and every publish is stored once.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

#[path = "sim_server_tests.rs"]
mod server;

use self::server::{Fault, Server, epoch};
use super::super::asks::ConnId;
use super::super::event::{Event, Receipt};
use super::super::frames::Words;
use super::super::line::{Answer, Down, Effect};
use super::super::machine::Machine;
use super::super::options::{Choice, Options, Start, Transport};
use super::super::outbox::Base;
use super::super::track::Now;
use crate::model::Moment;

const CHANNELS: [&str; 2] = ["a", "b"];

/// What may happen.
#[derive(Clone, Debug)]
enum Act {
    Join(usize, u64),
    Publish(usize),
    /// Another user says something.
    Post(usize, u64),
    /// The network carries some frames, up or down.
    Up(usize),
    Down(usize),
    /// It carries some down, and breaks.
    Cut(usize),
    /// It swallows a message in mid-stream.
    Swallow(usize),
    /// The server ends the session.
    End(bool),
    Refuse(bool, bool),
    Fault(Fault),
    Anew(usize, u64),
    Trim(usize, u64),
    Pulse,
    /// The application stops taking events, or begins again.
    Park(bool),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let channel = || 0..CHANNELS.len();
    let faults = prop_oneof![
        Just(Fault::Before("unavailable")),
        Just(Fault::Before("overloaded")),
        Just(Fault::Before("rate_limited")),
        Just(Fault::After("unavailable")),
        Just(Fault::After("internal")),
    ];
    prop_oneof![
        1 => (channel(), 0..4u64).prop_map(|(channel, tail)| Act::Join(channel, tail)),
        4 => channel().prop_map(Act::Publish),
        3 => (channel(), 1..6u64).prop_map(|(channel, count)| Act::Post(channel, count)),
        8 => (1..6usize).prop_map(Act::Up),
        8 => (1..6usize).prop_map(Act::Down),
        2 => (0..6usize).prop_map(Act::Cut),
        1 => (0..6usize).prop_map(Act::Swallow),
        1 => any::<bool>().prop_map(Act::End),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(socket, poll)| Act::Refuse(socket, poll)),
        2 => faults.prop_map(Act::Fault),
        1 => (channel(), 0..8u64).prop_map(|(channel, keep)| Act::Anew(channel, keep)),
        1 => (channel(), 1..20u64).prop_map(|(channel, below)| Act::Trim(channel, below)),
        1 => Just(Act::Pulse),
        1 => any::<bool>().prop_map(Act::Park),
        4 => (1..3000u64).prop_map(Act::Wait),
    ]
}

/// What a connection has under way.
#[derive(Debug, Default)]
struct Wire {
    over: Option<Transport>,
    up: VecDeque<String>,
    down: VecDeque<Value>,
    closes: Option<u16>,
}

/// What the application should see next of a channel.
#[derive(Debug)]
struct Seen {
    epoch: String,
    next: u64,
}

struct World {
    machine: Machine,
    server: Server,
    wires: BTreeMap<ConnId, Wire>,
    refuses: HashMap<Transport, bool>,
    now: u64,
    dice: u64,
    tickets: u64,
    seen: HashMap<String, Seen>,
    keys: HashMap<u64, (String, String)>,
    receipts: HashMap<u64, Receipt>,
}

impl World {
    fn new(choice: Choice) -> Self {
        let options = Options::new("").guest("ann").transport(choice);
        let options = options.probe(Duration::from_millis(500), Duration::from_secs(4));
        let mut options = options.backoff(Duration::from_millis(50), Duration::from_secs(1));
        options.rules.held = 3;
        let mut world = Self {
            machine: Machine::new(&options),
            server: Server::default(),
            wires: BTreeMap::new(),
            refuses: HashMap::new(),
            now: 1,
            dice: 7,
            tickets: 0,
            seen: HashMap::new(),
            keys: HashMap::new(),
            receipts: HashMap::new(),
        };
        let now = world.now();
        world.machine.start(now);
        world.settle();
        world
    }

    fn now(&mut self) -> Now {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Now { at: Moment(self.now), dice: self.dice >> 16 }
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Carries out what the machine wants, and hands what the server said to the network.
    fn settle(&mut self) {
        for (conn, frame) in std::mem::take(&mut self.server.said) {
            if let Some(wire) = self.wires.get_mut(&conn).filter(|wire| wire.closes.is_none()) {
                wire.down.push_back(frame);
            }
        }
        for effect in self.machine.take_effects() {
            match effect {
                Effect::Open(conn, over) => drop(self.wires.insert(conn, Wire { over: Some(over), ..Wire::default() })),
                Effect::Say(conn, frame) => {
                    if let Some(wire) = self.wires.get_mut(&conn) {
                        wire.up.push_back(frame);
                    }
                }
                Effect::Hang(conn, _) => {
                    self.wires.remove(&conn);
                    self.server.gone(conn);
                }
                Effect::Tell(event) => self.see(event),
                Effect::Done(ticket, Ok(Answer::Receipt(receipt))) => {
                    assert!(self.receipts.insert(ticket, receipt).is_none(), "a second receipt");
                }
                Effect::Done(_, Ok(Answer::Joined(joined))) => {
                    let new = Seen { epoch: joined.cursor.epoch.to_string(), next: joined.cursor.seq + 1 };
                    self.seen.entry(joined.channel).or_insert(new);
                }
                Effect::Done(_, Ok(_)) => {}
                Effect::Done(ticket, Err(why)) => panic!("{ticket} failed: {why}"),
            }
        }
    }

    fn see(&mut self, event: Event) {
        match event {
            Event::Joined(joined) => {
                let cursor = &joined.cursor;
                let new = Seen { epoch: cursor.epoch.to_string(), next: cursor.seq + 1 };
                let seen = self.seen.entry(joined.channel).or_insert(new);
                assert_eq!((seen.epoch.as_str(), seen.next), (&*cursor.epoch.0, cursor.seq + 1), "where it goes on");
            }
            Event::Reset { channel, epoch, next } => {
                let seen = self.seen.get_mut(&channel).expect("joined before");
                assert_ne!(seen.epoch, epoch.to_string());
                *seen = Seen { epoch: epoch.to_string(), next };
            }
            Event::Message(message) => {
                let seen = self.seen.get_mut(&message.channel).expect("joined before");
                assert_eq!((seen.epoch.as_str(), seen.next), (&*message.epoch.0, message.seq), "once, in order");
                let lives = &self.server.lives[&message.channel];
                let life = (1..=lives.len()).find(|life| epoch(&message.channel, *life) == seen.epoch).expect("a life");
                let stored = &lives[life - 1].log[message.seq as usize - 1];
                assert_eq!(Some(stored.text.as_str()), message.text());
                seen.next += 1;
            }
            Event::Hole { channel, from, to } => {
                let seen = self.seen.get_mut(&channel).expect("joined before");
                assert_eq!(seen.next, from);
                let lives = &self.server.lives[&channel];
                let life = (1..=lives.len()).find(|life| epoch(&channel, *life) == seen.epoch).expect("a life");
                assert!(to < lives[life - 1].first, "{from} to {to} is no hole");
                seen.next = to + 1;
            }
            _ => {}
        }
    }

    fn act(&mut self, act: Act) {
        let now = self.now();
        match act {
            Act::Join(channel, tail) => {
                let ticket = self.ticket();
                self.machine.join(now, ticket, CHANNELS[channel], Start::Tail(tail), true);
            }
            Act::Publish(channel) => {
                let ticket = self.ticket();
                let (channel, key) = (CHANNELS[channel].to_owned(), format!("k{ticket}"));
                let body = serde_json::value::to_raw_value(&serde_json::json!({"text": key})).unwrap();
                self.keys.insert(ticket, (channel.clone(), key.clone()));
                let words = Words { channel, body, key, kind: None, reply_to: None };
                self.machine.publish(now, ticket, words, Base::Unsent).unwrap();
            }
            Act::Post(channel, count) => {
                for n in 0..count {
                    self.server.post(CHANNELS[channel], "bob", None, &format!("bob {n} at {}", self.now));
                }
            }
            Act::Up(count) => self.carry_up(count),
            Act::Down(count) => self.carry_down(count),
            Act::Cut(after) => {
                self.carry_down(after);
                if let Some(conn) = self.wires.keys().next_back().copied() {
                    self.wires.remove(&conn);
                    self.server.gone(conn);
                    self.machine.down(now, conn, Down::default());
                }
            }
            Act::Swallow(nth) => {
                for wire in self.wires.values_mut() {
                    let is = |frame: &Value| frame["type"] == "message";
                    if let Some(at) = wire.down.iter().skip(nth).position(is) {
                        wire.down.remove(at + nth);
                    }
                }
            }
            Act::End(draining) => {
                let conns: Vec<_> = self.wires.keys().copied().collect();
                for conn in conns {
                    self.server.end(conn, draining);
                    self.settle();
                    self.wires.get_mut(&conn).expect("a wire").closes = Some(if draining { 1001 } else { 4001 });
                    self.server.gone(conn);
                }
            }
            Act::Refuse(socket, poll) => {
                self.refuses = [(Transport::WebSocket, socket), (Transport::LongPoll, poll)].into();
            }
            Act::Fault(fault) => self.server.faults.push(fault),
            Act::Anew(channel, keep) => self.server.begin_anew(CHANNELS[channel], keep),
            Act::Trim(channel, below) => self.server.trim(CHANNELS[channel], below),
            Act::Pulse => self.server.pulse(),
            Act::Park(true) => self.machine.park(),
            Act::Park(false) => self.machine.unpark(now),
            Act::Wait(ms) => {
                self.now += ms;
                let now = self.now();
                self.machine.tick(now);
            }
        }
        self.settle();
    }

    fn carry_up(&mut self, count: usize) {
        for conn in self.wires.keys().copied().collect::<Vec<_>>() {
            let now = self.now();
            let Some(wire) = self.wires.get_mut(&conn) else { continue };
            if let Some(over) = wire.over.take() {
                if self.refuses.get(&over) == Some(&true) {
                    self.wires.remove(&conn);
                    self.machine.down(now, conn, Down::default());
                } else {
                    self.server.connected(conn, over);
                    self.machine.opened(now, conn);
                }
                self.settle();
            }
            for _ in 0..count {
                let Some(frame) = self.wires.get_mut(&conn).and_then(|wire| wire.up.pop_front()) else { break };
                self.server.take(conn, &frame);
                self.settle();
            }
        }
    }

    fn carry_down(&mut self, count: usize) {
        for conn in self.wires.keys().copied().collect::<Vec<_>>() {
            for _ in 0..count {
                let now = self.now();
                let Some(wire) = self.wires.get_mut(&conn) else { break };
                match (wire.down.pop_front(), wire.closes) {
                    (Some(frame), _) => self.machine.heard(now, conn, &frame.to_string()),
                    (None, Some(code)) => {
                        self.wires.remove(&conn);
                        self.machine.down(now, conn, Down { code: Some(code), ..Down::default() });
                    }
                    (None, None) => break,
                }
                self.settle();
            }
        }
    }

    /// Everything works from now on: the machine has to come to rest.
    fn heal(&mut self) {
        self.refuses.clear();
        self.server.faults.clear();
        self.act(Act::Park(false));
        for _ in 0..400 {
            self.carry_up(1000);
            self.carry_down(1000);
            if self.is_at_rest() {
                return;
            }
            self.server.pulse();
            let due = self.machine.deadline().map_or(1000, |at| at.0.saturating_sub(self.now));
            self.act(Act::Wait(due.clamp(1, 1000)));
        }
        panic!("no rest: {:?}", self.machine);
    }

    fn is_at_rest(&mut self) -> bool {
        self.receipts.len() == self.keys.len()
            && self.machine.tracks.names().into_iter().all(|channel| {
                let (epoch, life) = self.server.present(&channel);
                self.seen.get(&channel).is_some_and(|seen| seen.epoch == epoch && seen.next == life.head() + 1)
            })
    }

    fn check(&self) {
        for (ticket, (channel, key)) in &self.keys {
            let receipt = &self.receipts[ticket];
            let lives = &self.server.lives[channel];
            let life = (1..=lives.len()).find(|life| epoch(channel, *life) == *receipt.epoch.0).expect("a life");
            assert_eq!(lives[life - 1].log[receipt.seq as usize - 1].key.as_ref(), Some(key));
            for life in lives {
                let times = life.log.iter().filter(|stored| stored.key.as_ref() == Some(key)).count();
                assert!(times <= 1, "{key} is stored {times} times");
            }
        }
    }
}

fn run(choice: Choice, acts: Vec<Act>) {
    let mut world = World::new(choice);
    for act in acts {
        world.act(act);
    }
    world.heal();
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn whatever_the_network_does_nothing_is_lost_or_doubled(acts in prop::collection::vec(act(), 0..150)) {
        run(Choice::Auto, acts);
    }

    #[test]
    fn neither_is_it_over_long_poll_alone(acts in prop::collection::vec(act(), 0..100)) {
        run(Choice::Only(Transport::LongPoll), acts);
    }
}
