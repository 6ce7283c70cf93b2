//! The feed against a naive model: every session hears its channel from where it joined, without a hole or a double.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::{ChannelName, Epoch, HubId, Message, Standing, Wall};

fn posted(seq: Seq) -> Arc<Posted> {
    Arc::new(Posted::new(&ChannelName::stored("a").unwrap(), &Message::sample(seq, Wall(0))))
}

fn page(from: Seq, to: Seq) -> Arc<[Arc<Posted>]> {
    (from..=to).map(posted).collect()
}

fn conn(count: u64) -> Conn {
    Conn { boot: 1, count }
}

/// What the feed's sessions have heard, and what it waits for.
#[derive(Default)]
struct Floor {
    head: Seq,
    /// The next place that each session should hear.
    heard: BTreeMap<Conn, Seq>,
    reads: Vec<(Option<Conn>, u64, Seq, Seq)>,
    begun: u64,
    acked: usize,
    /// How many messages a session has room for at a time.
    room: usize,
    /// Who had no room, and will say when it has; nobody else ever does.
    full: BTreeSet<Conn>,
}

impl Outlet for Floor {
    fn push(&mut self, conn: Conn, messages: &[Arc<Posted>], _: bool) -> usize {
        let next = self.heard.get_mut(&conn).expect("a session that joined");
        for message in messages.iter().take(self.room) {
            assert_eq!(message.seq, *next, "to {conn}");
            assert!(message.seq <= self.head, "from nowhere");
            *next += 1;
        }
        if self.room < messages.len() {
            self.full.insert(conn);
        }
        self.room.min(messages.len())
    }

    fn joined(&mut self, origin: &Origin, _: &Joined, next: Seq) -> bool {
        self.heard.insert(origin.conn, next);
        true
    }

    fn pull(&mut self, conn: Conn, from: Seq, to: Seq) -> Option<u64> {
        if self.room == 0 {
            self.full.insert(conn);
            return None;
        }
        self.begun += 1;
        self.reads.push((Some(conn), self.begun, from, to));
        Some(self.begun)
    }

    fn fill(&mut self, from: Seq, to: Seq) -> u64 {
        self.begun += 1;
        self.reads.push((None, self.begun, from, to));
        self.begun
    }

    fn item(&mut self, item: Item, _: &[Conn]) {
        if let Item::Left(origin) = item {
            self.heard.remove(&origin.conn);
        }
    }

    fn lost(&mut self, conn: Conn, _: Closed) {
        panic!("{conn} lost what is still in the log");
    }

    fn acked(&mut self, _: &Ack) {
        self.acked += 1;
    }
}

/// A channel with its hub's feed.
struct World {
    feed: Feed,
    floor: Floor,
    sent: usize,
}

impl World {
    fn new() -> Self {
        Self { feed: Feed::new(), floor: Floor { room: 99, ..Floor::default() }, sent: 0 }
    }

    fn send(&mut self, items: Vec<Item>) {
        self.sent += 1;
        let channel = ChannelName::stored("a").unwrap();
        let batch = Batch { channel, head: self.floor.head, crowd: None, items, ack: Ack::default() };
        self.feed.batch(batch, &mut self.floor);
    }

    fn origin(count: u64) -> Origin {
        Origin {
            hub: HubId(0),
            conn: conn(count),
            ticket: 1,
            user: UserName::parse("ann").unwrap(),
            standing: Standing::Guest,
        }
    }

    fn join(&mut self, count: u64, back: u64, stood: bool, in_memory: bool) {
        let stood = stood && self.floor.heard.contains_key(&conn(count));
        let head = self.floor.head;
        let next = if stood { head + 1 } else { (head + 1).saturating_sub(back).max(1) };
        let page = if in_memory { page(next, head).to_vec() } else { Vec::new() };
        let joined = Joined { epoch: Epoch("e".into()), member: true, head, first: 1, next, gap: false, stood, page };
        self.send(vec![Item::Joined(Self::origin(count), joined)]);
    }

    fn read(&mut self, which: usize, most: u64) {
        let (who, read, from, to) = self.floor.reads.remove(which % self.floor.reads.len());
        let part = page(from, to.min(from + most - 1));
        match who {
            Some(conn) => self.feed.page(conn, read, Ok(part), &mut self.floor),
            None => self.feed.filled(read, Ok(part), &mut self.floor),
        }
    }

    /// A session that had no room says that it has.
    fn room(&mut self, count: u64) {
        if self.floor.full.remove(&conn(count)) {
            self.feed.pull(conn(count), false, &mut self.floor);
        }
    }

    /// A page comes that a feed of this channel asked for before the hub began anew: it lies below all that whoever came
    /// since is owed live.
    fn stale(&mut self, from: Seq, most: u64) {
        let part = page(from, self.feed.next.saturating_sub(1).min(from + most - 1));
        if !part.is_empty() {
            self.feed.filled(0, Ok(part), &mut self.floor);
        }
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
    Room(usize),
    HasRoom(u64),
    /// Messages in several parts of one batch.
    SayTwice(u64, u64),
    /// An answer to a hub that is no more.
    Stale(u64, u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1u64..5).prop_map(Op::Say),
        1 => (1u64..5).prop_map(Op::Lose),
        1 => Just(Op::Nudge),
        3 => (0u64..4, 0u64..12, any::<bool>(), any::<bool>()).prop_map(|(a, b, c, d)| Op::Join(a, b, c, d)),
        1 => (0u64..4).prop_map(Op::Leave),
        4 => (any::<usize>(), 1u64..6).prop_map(|(a, b)| Op::Read(a, b)),
        2 => (0usize..6).prop_map(Op::Room),
        2 => (0u64..4).prop_map(Op::HasRoom),
        2 => (1u64..5, 1u64..5).prop_map(|(a, b)| Op::SayTwice(a, b)),
        1 => (1u64..20, 1u64..6).prop_map(|(a, b)| Op::Stale(a, b)),
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
                    let from = world.floor.head + 1;
                    world.floor.head += n;
                    let said = page(from, world.floor.head);
                    world.send(vec![Item::Messages(said)]);
                }
                Op::SayTwice(first, second) => {
                    let from = world.floor.head + 1;
                    world.floor.head += first + second;
                    let (said, more) = (page(from, from + first - 1), page(from + first, world.floor.head));
                    world.send(vec![Item::Messages(said), Item::Messages(more)]);
                }
                Op::Lose(n) => world.floor.head += n,
                Op::Nudge => world.send(vec![Item::Messages(Arc::from([]))]),
                Op::Join(count, back, stood, in_memory) => world.join(count, back, stood, in_memory),
                Op::Leave(count) => world.send(vec![Item::Left(World::origin(count))]),
                Op::Read(which, most) if !world.floor.reads.is_empty() => world.read(which, most),
                Op::Read(..) => {}
                Op::Room(messages) => world.floor.room = messages,
                Op::HasRoom(count) => world.room(count),
                Op::Stale(from, most) => world.stale(from, most),
            }
        }
        world.floor.room = 99;
        world.send(vec![Item::Messages(Arc::from([]))]);
        // Only those who were said to have no room are reminded.
        (0..4).for_each(|count| world.room(count));
        while !world.floor.reads.is_empty() {
            world.read(0, 3);
        }
        prop_assert_eq!(world.floor.acked, world.sent);
        for (conn, next) in &world.floor.heard {
            prop_assert_eq!(*next, world.floor.head + 1, "{} stands", conn);
            prop_assert!(world.feed.hears(*conn));
        }
    }
}

/// Takes everything, and keeps what the feed says of lost sessions and of events.
#[derive(Default)]
struct Record {
    lost: Vec<(Conn, Closed)>,
    events: Vec<Vec<Conn>>,
    pushed: usize,
    reads: u64,
}

impl Outlet for Record {
    fn push(&mut self, _: Conn, messages: &[Arc<Posted>], _: bool) -> usize {
        self.pushed += messages.len();
        messages.len()
    }

    fn joined(&mut self, _: &Origin, _: &Joined, _: Seq) -> bool {
        true
    }

    fn pull(&mut self, _: Conn, _: Seq, _: Seq) -> Option<u64> {
        self.reads += 1;
        Some(self.reads)
    }

    fn fill(&mut self, _: Seq, _: Seq) -> u64 {
        0
    }

    fn item(&mut self, item: Item, whom: &[Conn]) {
        if matches!(item, Item::Event { .. }) {
            self.events.push(whom.to_vec());
        }
    }

    fn lost(&mut self, conn: Conn, why: Closed) {
        self.lost.push((conn, why));
    }

    fn acked(&mut self, _: &Ack) {}
}

fn joined(count: u64, head: Seq, next: Seq) -> Item {
    let epoch = Epoch("e".into());
    let joined = Joined { epoch, member: true, head, first: 1, next, gap: false, stood: false, page: Vec::new() };
    Item::Joined(World::origin(count), joined)
}

fn batch(head: Seq, items: Vec<Item>) -> Batch {
    Batch { channel: ChannelName::stored("a").unwrap(), head, crowd: None, items, ack: Ack::default() }
}

#[test]
fn a_session_whose_messages_were_trimmed_away_is_told() {
    let (mut feed, mut record) = (Feed::new(), Record::default());
    feed.batch(batch(9, vec![joined(1, 9, 2)]), &mut record);
    feed.page(conn(1), 1, Ok(page(5, 9)), &mut record);
    assert_eq!(record.lost, [(conn(1), Closed::Reset)]);
    assert!(feed.is_empty());
}

#[test]
fn who_is_owed_messages_of_a_deleted_log_is_told_that_it_was_deleted() {
    let (mut feed, mut record) = (Feed::new(), Record::default());
    feed.batch(batch(9, vec![joined(1, 9, 2), joined(2, 9, 10)]), &mut record);
    feed.page(conn(1), 1, Err(Closed::Deleted), &mut record);
    feed.batch(batch(11, vec![Item::Messages(page(11, 11))]), &mut record);
    feed.filled(0, Err(Closed::Deleted), &mut record);
    assert_eq!(record.lost, [(conn(1), Closed::Deleted), (conn(2), Closed::Deleted)]);
    assert!(feed.is_empty());
}

#[test]
fn an_event_goes_to_everyone_but_the_one_that_it_is_not_for() {
    let (mut feed, mut record) = (Feed::new(), Record::default());
    let event = Item::Event { frame: "{}".into(), not: Some(conn(1)), not_user: None };
    feed.batch(batch(0, vec![joined(1, 0, 1), joined(2, 0, 1), event]), &mut record);
    assert_eq!(record.events, [vec![conn(2)]]);
}

#[test]
fn a_page_that_was_asked_for_before_the_hub_began_anew_ends_no_subscription() {
    let (mut feed, mut record) = (Feed::new(), Record::default());
    feed.batch(batch(9, vec![joined(1, 9, 10)]), &mut record);
    feed.filled(4, Ok(page(4, 6)), &mut record);
    assert_eq!(record.lost, []);
    assert!(feed.hears(conn(1)));
}

#[test]
fn a_page_that_was_asked_for_before_the_channel_was_closed_is_not_handed_to_who_joins_it_anew() {
    let (mut feed, mut record) = (Feed::new(), Record::default());
    feed.batch(batch(9, vec![joined(1, 9, 2)]), &mut record);
    feed.batch(batch(0, vec![Item::Closed(conn(1), Closed::Deleted)]), &mut record);
    assert!(feed.is_empty());
    let mut feed = Feed::new();
    feed.batch(batch(9, vec![joined(1, 9, 2)]), &mut record);
    feed.page(conn(1), 1, Ok(page(2, 9)), &mut record);
    assert_eq!(record.pushed, 0, "it is of another log");
    feed.page(conn(1), 2, Ok(page(2, 9)), &mut record);
    assert_eq!(record.pushed, 8);
}
