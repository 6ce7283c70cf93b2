//! The channel's core against a naive model: a log that is a list, hubs that take what they are handed, and a store that
//! fails, forgets to answer for a while, and breaks off lives.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::super::ack::Ack;
use super::super::messages::{Action, Draft, Hears, Joined, Subscriber};
use super::super::step::{Loaded, NotMade};
use super::*;
use crate::model::{Epoch, Key, Message, Seq, Standing, UserName};
use crate::protocol::{Posted, Publish, Start};
use crate::store::{AppendError, Head, MetaOp};

/// Small enough that everything has an end, here and in the tests beside it.
pub const SETTINGS: Settings = Settings {
    window: 4,
    dedup_window: 2,
    dedup_scan: 1_000_000,
    announce_max: 10,
    replay_max: 1000,
    create_on_join: true,
    durable: true,
    tells_members: false,
};
/// When nothing depends on it.
pub const TIME: Time = Time { now: Moment(0), wall: Wall(0) };

fn name() -> ChannelName {
    ChannelName::stored("a").unwrap()
}

fn user(session: u64) -> UserName {
    UserName::parse(&format!("u{}", session % 2)).unwrap()
}

/// Sessions 0 and 2 are one user's, 1 and 3 another's; each pair of neighbours shares a hub.
fn origin(session: u64, ticket: u64) -> Origin {
    let hub = HubId(u32::try_from(session / 2).unwrap());
    Origin { hub, conn: Conn { boot: 1, count: session }, ticket, user: user(session), standing: Standing::Guest }
}

#[derive(Debug, Default)]
struct Hub {
    subs: BTreeSet<u64>,
    /// The next message that it should be handed.
    next: Seq,
    unacked: Option<Ack>,
}

/// A key's history: the base that its first use named.
type Keys = HashMap<(u64, u8), Seq>;

struct World {
    state: State,
    exists: bool,
    log: Vec<Message>,
    hubs: BTreeMap<HubId, Hub>,
    todo: Vec<Effect>,
    /// Commands without an answer, per session in the order in which they were given, with the key of a publish.
    open: BTreeMap<u64, Vec<(u64, Option<u8>)>>,
    bases: Keys,
    ticket: u64,
    members: BTreeSet<UserName>,
}

impl World {
    fn new() -> Self {
        Self {
            state: State::new(name(), 1, SETTINGS),
            exists: false,
            log: Vec::new(),
            hubs: BTreeMap::new(),
            todo: Vec::new(),
            open: BTreeMap::new(),
            bases: HashMap::new(),
            ticket: 0,
            members: BTreeSet::new(),
        }
    }

    fn head(&self) -> Head {
        let seq = self.log.len() as Seq;
        Head { epoch: Epoch("e".into()), seq, first: 1, at: Wall(0), hash: [0; 16], token: 0 }
    }

    fn command(&mut self, session: u64, key: Option<u8>, action: Action) {
        self.ticket += 1;
        self.open.entry(session).or_default().push((self.ticket, key));
        let effects = self.state.command(TIME, origin(session, self.ticket), action);
        self.take(effects);
    }

    fn publish(&mut self, session: u64, key: u8) {
        let known = self.log.len() as Seq;
        let base = *self.bases.entry((session % 2, key)).or_insert(known);
        let publish = Publish {
            channel: name(),
            body: "{}".into(),
            key: Key::new(&format!("k{key}")),
            base: Some(base),
            kind: None,
            reply_to: None,
        };
        let draft = Box::new(Draft { publish, permit: None });
        self.command(session, Some(key), Action::Publish(draft));
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(hub, batch) => self.batch(hub, batch),
                Effect::Later(_, Input::Retry) => self.todo.push(effect),
                Effect::Aside(_) | Effect::Report | Effect::Later(..) => {}
                other => self.todo.push(other),
            }
        }
    }

    /// A hub deals with a batch at once, and acknowledges later.
    fn batch(&mut self, id: HubId, batch: Batch) {
        assert!(batch.head <= self.log.len() as Seq, "a head that is not in the log");
        let mut hub = self.hubs.remove(&id).unwrap_or_default();
        assert!(hub.unacked.is_none(), "two batches under way to one hub");
        hub.unacked = Some(batch.ack);
        for item in batch.items {
            match item {
                Item::Messages(messages) => {
                    for message in messages.iter() {
                        assert!(message.seq <= self.log.len() as Seq, "announced before it was committed");
                        if !hub.subs.is_empty() {
                            assert!(message.seq >= hub.next, "{} again, after {}", message.seq, hub.next);
                            hub.next = message.seq + 1;
                        }
                    }
                }
                Item::Joined(origin, joined) => {
                    self.answered(&origin);
                    self.joined(&mut hub, &origin, &joined);
                }
                Item::Left(origin) => {
                    self.answered(&origin);
                    hub.subs.remove(&origin.conn.count);
                }
                Item::Closed(conn, _) => drop(hub.subs.remove(&conn.count)),
                Item::Published { origin, seq, .. } => {
                    let key = self.answered(&origin).expect("a receipt answers a publish");
                    let message = &self.log[usize::try_from(seq).unwrap() - 1];
                    assert_eq!(message.from, origin.user);
                    assert_eq!(message.key, Key::new(&format!("k{key}")));
                }
                // An error may overtake (protocol, section 2).
                Item::Refused(origin, _) => {
                    let open = self.open.entry(origin.conn.count).or_default();
                    let at = open.iter().position(|(ticket, _)| *ticket == origin.ticket);
                    open.remove(at.expect("an error answers a command once"));
                }
                _ => {}
            }
        }
        hub.next = hub.next.max(batch.head + 1);
        self.hubs.insert(id, hub);
    }

    fn joined(&self, hub: &mut Hub, origin: &Origin, joined: &Joined) {
        assert!(joined.head <= self.log.len() as Seq && joined.next <= joined.head + 1);
        let places: Vec<Seq> = joined.page.iter().map(|message| message.seq).collect();
        assert!(places.is_empty() || places == (joined.next..=joined.head).collect::<Vec<_>>());
        if hub.subs.is_empty() {
            hub.next = joined.head + 1;
        } else {
            assert!(joined.head + 1 >= hub.next, "the hub was ahead of the channel");
            hub.next = joined.head + 1;
        }
        hub.subs.insert(origin.conn.count);
    }

    /// Each command is answered once, and joins, leaves and publishes of a session in their order.
    fn answered(&mut self, origin: &Origin) -> Option<u8> {
        let open = self.open.entry(origin.conn.count).or_default();
        assert!(!open.is_empty(), "an answer to nothing: {origin:?}");
        let (ticket, key) = open.remove(0);
        assert_eq!(ticket, origin.ticket, "answers in another order than commands");
        key
    }

    /// One of the things under way comes to its end.
    fn settle(&mut self, which: usize, luck: u8) {
        let input = match self.todo.remove(which % self.todo.len()) {
            Effect::Load(_) if luck == 0 => Input::Loaded(Err(crate::store::ReadError::Unavailable("no luck".into()))),
            Effect::Later(_, retry) => retry,
            Effect::Load(_) if !self.exists => Input::Loaded(Ok(Found::Nothing)),
            Effect::Load(_) => Input::Loaded(Ok(Found::There(Box::new(self.loaded())))),
            Effect::Make(_) if luck == 0 => Input::Made(Err(NotMade::Failed("no luck".into()))),
            Effect::Make(_) => {
                self.exists = true;
                Input::Made(Ok(self.head()))
            }
            Effect::Append(after, batch) => Input::Appended(self.append(&after, batch, luck)),
            Effect::Find { job, user, key, from, to } => {
                let range = self.log.iter().filter(|message| (from..=to).contains(&message.seq));
                let mut found = range.filter(|message| message.from == user && message.key.as_ref() == Some(&key));
                Input::Found(job, Ok(found.next().map(|message| (message.seq, message.at))))
            }
            Effect::Note(job, ops) => {
                let user = |key: &str| key.strip_prefix("c/a/").map(|user| UserName::parse(user).unwrap());
                for op in ops {
                    match op {
                        MetaOp::Put(key, _) => self.members.extend(user(&key)),
                        MetaOp::Remove(key) => drop(user(&key).map(|user| self.members.remove(&user))),
                        other => panic!("{other:?} is not expected of a channel"),
                    }
                }
                Input::Noted(job, Ok(()))
            }
            other => panic!("{other:?} was not to be settled"),
        };
        let effects = self.state.input(TIME, input);
        self.take(effects);
    }

    fn append(&mut self, after: &Head, batch: Vec<Message>, luck: u8) -> Result<Head, AppendError> {
        if after.seq != self.log.len() as Seq {
            return Err(AppendError::Conflict(self.head()));
        }
        match luck {
            0 => Err(AppendError::Unknown),
            1 => Err(AppendError::Unavailable("no luck".into())),
            _ => {
                let places: Vec<Seq> = batch.iter().map(|message| message.seq).collect();
                assert_eq!(places, (after.seq + 1..=after.seq + batch.len() as Seq).collect::<Vec<_>>());
                self.log.extend(batch);
                // Written, but the writer could not say so.
                if luck == 2 { Err(AppendError::Unknown) } else { Ok(self.head()) }
            }
        }
    }

    fn loaded(&self) -> Loaded {
        let before = self.log.len().saturating_sub(4) as Seq;
        let mut loaded = Loaded::empty(Head { seq: before, ..self.head() }, SETTINGS);
        let newest = self.log.iter().filter(|message| message.seq > before);
        newest.for_each(|message| loaded.note(Arc::new(Posted::new(&name(), message))));
        loaded.head = self.head();
        loaded.members = self.members.iter().map(|user| (user.clone(), 0)).collect();
        loaded
    }

    fn ack(&mut self, id: u32) {
        let ack = self.hubs.get_mut(&HubId(id)).and_then(|hub| hub.unacked.take());
        if ack.is_some_and(|ack| ack.done()) {
            let effects = self.state.acked(TIME);
            self.take(effects);
        }
    }

    /// A life breaks off; an append that was in flight may yet be written.
    fn begin_again(&mut self, written: bool) {
        for effect in std::mem::take(&mut self.todo) {
            match effect {
                Effect::Append(after, batch) if written && after.seq == self.log.len() as Seq => self.log.extend(batch),
                Effect::Make(_) if written => self.exists = true,
                _ => {}
            }
        }
        self.open.clear();
        self.state = State::new(name(), self.state.life + 1, SETTINGS);
        let ids = vec![HubId(0), HubId(1)];
        let effects = self.state.begin_again(TIME, ids.clone());
        self.take(effects);
        for id in ids {
            let hub = self.hubs.entry(id).or_default();
            hub.unacked = None;
            let subs = hub.subs.iter().map(|session| {
                let Origin { conn, user, standing, .. } = origin(*session, 0);
                let hears = Some(Hears { epoch: Epoch("e".into()), member: false });
                Subscriber { conn, user, standing, hears, watching: false }
            });
            let subs = subs.collect();
            let effects = self.state.attached(TIME, id, subs);
            self.take(effects);
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Publish(u64, u8),
    Join(u64, bool),
    Leave(u64, bool),
    Settle(usize, u8),
    Ack(u32),
    BeginAgain(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u64..4, 0u8..8).prop_map(|(session, key)| Op::Publish(session, key)),
        3 => (0u64..4, any::<bool>()).prop_map(|(session, member)| Op::Join(session, member)),
        1 => (0u64..4, any::<bool>()).prop_map(|(session, only)| Op::Leave(session, only)),
        8 => (any::<usize>(), 0u8..20).prop_map(|(which, luck)| Op::Settle(which, luck)),
        5 => (0u32..2).prop_map(Op::Ack),
        1 => any::<bool>().prop_map(Op::BeginAgain),
    ]
}

/// Plays a schedule, then leaves the channel alone with a store that works: everything comes to its end, and holds.
fn play(ops: Vec<Op>) {
    let mut world = World::new();
    for op in ops {
        match op {
            Op::Publish(session, key) => world.publish(session, key),
            Op::Join(session, member) => world.command(session, None, Action::Join { start: Start::Stood, member }),
            Op::Leave(session, only) => world.command(session, None, Action::Leave { only_session: only }),
            Op::Settle(which, luck) if !world.todo.is_empty() => world.settle(which, luck),
            Op::Settle(..) => {}
            Op::Ack(hub) => world.ack(hub),
            Op::BeginAgain(written) => world.begin_again(written),
        }
    }
    for _ in 0..1000 {
        while !world.todo.is_empty() {
            world.settle(0, 9);
        }
        world.ack(0);
        world.ack(1);
    }
    let open: Vec<_> = world.open.values().flatten().collect();
    assert!(open.is_empty(), "without an answer: {open:?}");
    for hub in world.hubs.values().filter(|hub| !hub.subs.is_empty()) {
        assert_eq!(hub.next, world.log.len() as Seq + 1);
    }
    let mut keys = BTreeSet::new();
    for message in &world.log {
        assert!(keys.insert((message.from.clone(), message.key.clone())), "twice: {message:?}");
    }
    assert!(!world.state.is_idle() || world.state.roster.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn order_receipts_and_keys_hold_whatever_fails(ops in proptest::collection::vec(op(), 0..120)) {
        play(ops);
    }
}

#[test]
fn a_receipt_known_at_once_waits_for_those_before_it() {
    play(vec![
        Op::Join(0, false),
        Op::Settle(0, 9),
        Op::Settle(0, 9),
        Op::Publish(0, 0),
        Op::Publish(0, 1),
        Op::Publish(0, 0),
    ]);
}

#[test]
fn who_waits_in_a_lane_is_not_forgotten_when_the_log_cannot_be_read_and_nobody_is_left_to_hear_it() {
    play(vec![
        Op::BeginAgain(false),
        Op::Settle(0, 1),
        Op::Join(2, true),
        Op::Settle(0, 1),
        Op::Settle(0, 0),
        Op::BeginAgain(false),
        Op::Leave(0, false),
        Op::Join(2, true),
        Op::Publish(3, 0),
        Op::Settle(0, 1),
        Op::Join(3, false),
        Op::Settle(1_565_392_165_971_710_212, 0),
        Op::Settle(16_575_370_464_032_377_310, 0),
        Op::Settle(0, 2),
        Op::Settle(0, 0),
    ]);
}

/// A mark is acknowledged when it is on disk, also one that an earlier one, still being written, goes beyond.
#[test]
fn a_reading_mark_is_not_acknowledged_on_the_strength_of_one_that_is_still_being_written() {
    let mut state = State::new(name(), 1, SETTINGS);
    let head = Head { epoch: Epoch("e".into()), seq: 9, first: 1, at: Wall(0), hash: [0; 16], token: 0 };
    state.command(TIME, origin(1, 1), Action::Look);
    let loaded = Loaded { members: vec![(user(1), 2)], ..Loaded::empty(head, SETTINGS) };
    state.input(TIME, Input::Loaded(Ok(Found::There(Box::new(loaded)))));
    let mut writes = |ticket, seq| {
        let effects = state.command(TIME, origin(1, ticket), Action::Read(seq));
        effects.iter().find_map(|effect| if let Effect::Note(job, _) = effect { Some(*job) } else { None })
    };
    let (first, second) = (writes(2, 7), writes(3, 5));
    assert!(first.is_some() && second.is_some() && first != second);
    state.input(TIME, Input::Noted(first.unwrap(), Err(crate::store::WriteError::Unavailable("full".into()))));
    state.input(TIME, Input::Noted(second.unwrap(), Ok(())));
    assert_eq!(state.roster.members().get(&user(1)), Some(&7));
}
