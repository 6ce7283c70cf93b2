//! The feed against a naive model: every session hears its channel from where it joined, without a hole or a double.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{ChannelName, Epoch, HubId, Message, Wall};

fn posted(seq: Seq) -> Arc<Posted> {
    let message = Message {
        seq,
        at: Wall(0),
        from: UserName::parse("ann").unwrap(),
        key: None,
        kind: None,
        reply_to: None,
        body: "{}".into(),
    };
    Arc::new(Posted::new(&ChannelName::stored("a").unwrap(), &message))
}

fn page(from: Seq, to: Seq) -> Arc<[Arc<Posted>]> {
    (from..=to).map(posted).collect()
}

fn conn(count: u64) -> Conn {
    Conn { boot: 1, count }
}

/// A channel, its hub's feed, and what each session has heard.
struct World {
    feed: Feed,
    head: Seq,
    /// The next place that each session should hear.
    heard: BTreeMap<Conn, Seq>,
    reads: Vec<(Option<Conn>, Seq, Seq)>,
    acked: usize,
    sent: usize,
    /// For how many bytes of a replay there is room.
    room: usize,
}

impl World {
    fn new() -> Self {
        Self { feed: Feed::new(), head: 0, heard: BTreeMap::new(), reads: Vec::new(), acked: 0, sent: 0, room: 9999 }
    }

    fn send(&mut self, items: Vec<Item>) {
        self.sent += 1;
        let channel = ChannelName::stored("a").unwrap();
        let mut out = Vec::new();
        let room = self.room;
        self.feed.batch(Batch { channel, life: 1, head: self.head, crowd: None, items }, &|_| room, &mut out);
        self.carry(out);
    }

    fn carry(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Joined { origin, next, .. } => drop(self.heard.insert(origin.conn, next)),
                Step::Push(conn, messages) => {
                    let next = self.heard.get_mut(&conn).expect("a session that joined");
                    for message in messages.iter() {
                        assert_eq!(message.seq, *next, "to {conn}");
                        *next += 1;
                    }
                }
                Step::Pull { conn, from, to } => self.reads.push((Some(conn), from, to)),
                Step::Fill { from, to } => self.reads.push((None, from, to)),
                Step::Item(Item::Left(origin), _) => drop(self.heard.remove(&origin.conn)),
                Step::Item(..) => {}
                Step::Lost(conn) => panic!("{conn} lost what is still in the log"),
                Step::Acked { .. } => self.acked += 1,
            }
        }
    }

    fn origin(count: u64) -> Origin {
        Origin { hub: HubId(0), conn: conn(count), ticket: 1, user: UserName::parse("ann").unwrap() }
    }

    fn join(&mut self, count: u64, back: u64, stood: bool, in_memory: bool) {
        let stood = stood && self.heard.contains_key(&conn(count));
        let next = if stood { self.head + 1 } else { (self.head + 1).saturating_sub(back).max(1) };
        let page = if in_memory { page(next, self.head).to_vec() } else { Vec::new() };
        let joined = Joined { epoch: Epoch("e".into()), head: self.head, first: 1, next, gap: false, stood, page };
        self.send(vec![Item::Joined(Self::origin(count), joined)]);
    }

    fn read(&mut self, which: usize, most: u64) {
        let (who, from, to) = self.reads.remove(which % self.reads.len());
        let part = page(from, to.min(from + most - 1));
        let mut out = Vec::new();
        match who {
            Some(conn) => self.feed.page(conn, from, part, &mut out),
            None => self.feed.filled(from, part, &|_| self.room, &mut out),
        }
        self.carry(out);
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// New messages, handed on.
    Say(u64),
    /// New messages that were committed and never announced.
    Lose(u64),
    /// A batch with nothing in it, as a channel sends that began anew.
    Nudge,
    Join(u64, u64, bool, bool),
    Leave(u64),
    Read(usize, u64),
    PutOff(u64),
    Room(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1u64..5).prop_map(Op::Say),
        1 => (1u64..5).prop_map(Op::Lose),
        1 => Just(Op::Nudge),
        3 => (0u64..4, 0u64..12, any::<bool>(), any::<bool>()).prop_map(|(a, b, c, d)| Op::Join(a, b, c, d)),
        1 => (0u64..4).prop_map(Op::Leave),
        4 => (any::<usize>(), 1u64..6).prop_map(|(a, b)| Op::Read(a, b)),
        1 => (0u64..4).prop_map(Op::PutOff),
        1 => (0usize..1000).prop_map(Op::Room),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn everyone_hears_everything_once_and_in_order(ops in proptest::collection::vec(op(), 0..60)) {
        let mut world = World::new();
        for op in ops {
            match op {
                Op::Say(n) => {
                    let from = world.head + 1;
                    world.head += n;
                    let said = page(from, world.head);
                    world.send(vec![Item::Messages(said)]);
                }
                Op::Lose(n) => world.head += n,
                Op::Nudge => world.send(vec![Item::Messages(Arc::from([]))]),
                Op::Join(count, back, stood, in_memory) => world.join(count, back, stood, in_memory),
                Op::Leave(count) => world.send(vec![Item::Left(World::origin(count))]),
                Op::Read(which, most) if !world.reads.is_empty() => world.read(which, most),
                Op::Read(..) => {}
                Op::Room(bytes) => world.room = bytes,
                Op::PutOff(count) => {
                    if let Some(at) = world.reads.iter().position(|read| read.0 == Some(conn(count))) {
                        world.reads.remove(at);
                        world.feed.put_off(conn(count));
                        let mut out = Vec::new();
                        world.feed.pull(conn(count), false, &mut out);
                        world.carry(out);
                    }
                }
            }
        }
        world.send(vec![Item::Messages(Arc::from([]))]);
        while !world.reads.is_empty() {
            world.read(0, 3);
        }
        prop_assert_eq!(world.acked, world.sent);
        for (conn, next) in &world.heard {
            prop_assert_eq!(*next, world.head + 1, "{} stands", conn);
            prop_assert!(world.feed.hears(*conn));
        }
    }
}

#[test]
fn a_session_whose_messages_were_trimmed_away_is_told() {
    let mut feed = Feed::new();
    let mut out = Vec::new();
    let joined =
        Joined { epoch: Epoch("e".into()), head: 9, first: 1, next: 2, gap: false, stood: false, page: Vec::new() };
    let channel = ChannelName::stored("a").unwrap();
    let items = vec![Item::Joined(World::origin(1), joined)];
    feed.batch(Batch { channel, life: 1, head: 9, crowd: None, items }, &|_| 9999, &mut out);
    out.clear();
    feed.page(conn(1), 2, page(5, 9), &mut out);
    assert!(matches!(out[..], [Step::Lost(lost)] if lost == conn(1)));
    assert!(feed.is_empty());
}

#[test]
fn an_event_goes_to_everyone_but_the_one_that_it_is_not_for() {
    let mut feed = Feed::new();
    let channel = ChannelName::stored("a").unwrap();
    let joined = |count| {
        let joined =
            Joined { epoch: Epoch("e".into()), head: 0, first: 1, next: 1, gap: false, stood: false, page: Vec::new() };
        Item::Joined(World::origin(count), joined)
    };
    let event = Item::Event { frame: "{}".into(), not: Some(conn(1)), not_user: None };
    let items = vec![joined(1), joined(2), event];
    let mut out = Vec::new();
    feed.batch(Batch { channel, life: 1, head: 0, crowd: None, items }, &|_| 9999, &mut out);
    let whom = out.iter().find_map(|step| match step {
        Step::Item(Item::Event { .. }, whom) => Some(whom.clone()),
        _ => None,
    });
    assert_eq!(whom, Some(vec![conn(2)]));
}
