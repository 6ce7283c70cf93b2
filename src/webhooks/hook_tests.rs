//! What a webhook's core promises, against a world of logs, a queue and an endpoint that does as it likes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{Epoch, Seq, UserName};
use crate::webhooks::step::Event;

const HOUR: Duration = Duration::from_secs(3600);

fn channel(name: &str) -> ChannelName {
    ChannelName::stored(name).unwrap()
}

fn lane(name: &str) -> LaneKey {
    LaneKey::Channel(channel(name))
}

fn cursor(seq: Seq) -> Cursor {
    Cursor { epoch: Epoch("1-a".into()), seq }
}

/// Logs, a queue, and what is under way.
struct World {
    hook: Hook,
    now: u64,
    logs: BTreeMap<ChannelName, Seq>,
    kept: BTreeMap<ChannelName, Cursor>,
    queue: BTreeMap<Number, LaneKey>,
    fetches: Vec<(LaneKey, What)>,
    requests: Vec<(LaneKey, Event)>,
    told: Vec<(LaneKey, Place)>,
    dead: u64,
}

impl World {
    fn new(backlog: u64, retry_max: Duration) -> Self {
        let mut world = Self {
            hook: Hook::new(backlog, retry_max),
            now: 0,
            logs: BTreeMap::new(),
            kept: BTreeMap::new(),
            queue: BTreeMap::new(),
            fetches: Vec::new(),
            requests: Vec::new(),
            told: Vec::new(),
            dead: 0,
        };
        world.step(Input::Opened);
        world
    }

    fn step(&mut self, input: Input) {
        let now = Now { moment: Moment(self.now), wall: Wall(self.now as i64) };
        for effect in self.hook.step(input, now, 7919 * (self.now + 1)) {
            match effect {
                Effect::Fetch(key, what) => self.fetches.push((key, what)),
                Effect::Send(key, event) => self.requests.push((key, event)),
                Effect::Keep(name, Some(cursor)) => {
                    let before = self.kept.insert(name, cursor.clone());
                    assert!(before.is_none_or(|before| before.seq <= cursor.seq), "a cursor went back");
                }
                Effect::Keep(name, None) => drop(self.kept.remove(&name)),
                Effect::Remove(number) => drop(self.queue.remove(&number)),
                Effect::Dead(_, count) => self.dead += count,
            }
        }
        let mut busy: Vec<&LaneKey> = self.fetches.iter().map(|(key, _)| key).collect();
        busy.extend(self.requests.iter().map(|(key, _)| key));
        assert!(busy.len() <= PARALLEL, "too many at once");
        busy.sort();
        assert!(busy.windows(2).all(|two| two[0] != two[1]), "two at once in a lane");
    }

    fn publish(&mut self, name: &str, told: bool) {
        let seq = self.logs.entry(channel(name)).or_default();
        *seq += 1;
        let stand = told.then(|| cursor(*seq));
        self.step(Input::Moved(channel(name), stand));
    }

    fn put(&mut self, key: LaneKey) {
        let number = Number { boot: 1, count: self.now };
        self.queue.insert(number, key.clone());
        self.step(Input::Stored(vec![Stored { number, key, at: Wall(self.now as i64) }]));
    }

    fn event(&self, place: Place) -> Event {
        Event { place, id: String::new(), at: Wall(self.now as i64), body: "{}".into() }
    }

    /// A read comes to its end.
    fn fetch(&mut self, at: usize, works: bool) {
        if self.fetches.is_empty() {
            return;
        }
        let (key, what) = self.fetches.swap_remove(at % self.fetches.len());
        let fetched = match (&key, what) {
            _ if !works => Fetched::Failed,
            (_, What::Queue(number)) => {
                Fetched::Queue(self.queue.get(&number).map(|_| self.event(Place::Queue(number))))
            }
            (LaneKey::Channel(name), What::Log(from)) => {
                let anew = from.is_none() && !self.kept.contains_key(name);
                let from = from.or_else(|| self.kept.get(name).cloned()).map_or(0, |cursor| cursor.seq);
                let head = self.logs[name];
                let events = (from + 1..=head).take(3).map(|seq| self.event(Place::Log(seq))).collect();
                Fetched::Log(Page::Kept { at: cursor(from), head, trimmed: 0, anew, events })
            }
            (LaneKey::User(_), What::Log(_)) => panic!("a user has no log"),
        };
        self.step(Input::Fetched(key, fetched));
    }

    /// A request comes to its end.
    fn answer(&mut self, at: usize, taken: bool) {
        if self.requests.is_empty() {
            return;
        }
        let (key, event) = self.requests.swap_remove(at % self.requests.len());
        let outcome = if taken {
            self.told.push((key.clone(), event.place));
            Outcome::Taken
        } else {
            Outcome::Failed { gone: false, after: None }
        };
        self.step(Input::Sent(key, outcome));
    }

    /// Everything works until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.fetch(0, true);
            self.answer(0, true);
            if self.fetches.is_empty() && self.requests.is_empty() {
                let Some(due) = self.hook.due() else { return };
                self.now = self.now.max(due.0);
                self.step(Input::Due);
            }
        }
        panic!("it does not come to rest");
    }

    fn seqs(&self, name: &str) -> Vec<Seq> {
        let of = |(key, place): &(LaneKey, Place)| match place {
            Place::Log(seq) if *key == lane(name) => Some(*seq),
            _ => None,
        };
        self.told.iter().filter_map(of).collect()
    }
}

#[derive(Clone, Debug)]
enum Act {
    Publish(u8, bool),
    Put(u8),
    Fetch(usize, bool),
    Answer(usize, bool),
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0u8..12, any::<bool>()).prop_map(|(lane, told)| Act::Publish(lane, told)),
        (0u8..12).prop_map(Act::Put),
        (any::<usize>(), prop::bool::weighted(0.9)).prop_map(|(at, works)| Act::Fetch(at, works)),
        (any::<usize>(), prop::bool::weighted(0.6)).prop_map(|(at, taken)| Act::Answer(at, taken)),
        (0u64..2000).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 0..150)
}

proptest! {
    #[test]
    fn every_event_is_told_once_and_in_its_lanes_order_whatever_fails(acts in acts()) {
        let mut world = World::new(1_000_000, HOUR);
        let mut put: BTreeMap<LaneKey, Vec<Number>> = BTreeMap::new();
        for act in acts {
            world.now += 1;
            match act {
                Act::Publish(lane, told) => world.publish(&format!("c{lane}"), told),
                Act::Put(n) => {
                    let key = if n < 6 { lane(&format!("c{n}")) } else {
                        LaneKey::User(UserName::parse(&format!("u{n}")).unwrap())
                    };
                    put.entry(key.clone()).or_default().push(Number { boot: 1, count: world.now });
                    world.put(key);
                }
                Act::Fetch(at, works) => world.fetch(at, works),
                Act::Answer(at, taken) => world.answer(at, taken),
                Act::Pass(ms) => {
                    world.now += ms;
                    world.step(Input::Due);
                }
            }
        }
        world.settle();
        for (name, head) in &world.logs {
            prop_assert_eq!(world.seqs(name.as_str()), (1..=*head).collect::<Vec<_>>());
            prop_assert_eq!(world.kept[name].seq, *head);
        }
        for (key, numbers) in put {
            let of = |(told, place): &(LaneKey, Place)| match place {
                Place::Queue(number) if *told == key => Some(*number),
                _ => None,
            };
            prop_assert_eq!(world.told.iter().filter_map(of).collect::<Vec<_>>(), numbers);
        }
        prop_assert_eq!((world.dead, world.queue.len(), world.hook.backlog()), (0, 0, (0, None)));
        prop_assert!(world.hook.lanes.is_empty() && world.hook.busy == 0, "nothing is remembered of those that rest");
    }

    #[test]
    fn of_too_many_the_oldest_are_given_up_and_each_event_is_told_or_counted(acts in acts(), backlog in 1u64..4) {
        let mut world = World::new(backlog, HOUR);
        let mut made = 0;
        for act in acts {
            world.now += 1;
            match act {
                Act::Publish(lane, told) => {
                    made += 1;
                    world.publish(&format!("c{}", lane % 3), told);
                }
                Act::Put(n) => {
                    made += 1;
                    world.put(lane(&format!("c{}", n % 3)));
                }
                Act::Fetch(at, works) => world.fetch(at, works),
                Act::Answer(at, taken) => world.answer(at, taken),
                Act::Pass(_) => {}
            }
            prop_assert!(world.queue.len() as u64 <= backlog + PARALLEL as u64);
        }
        world.settle();
        prop_assert_eq!(world.told.len() as u64 + world.dead, made);
        prop_assert!(["c0", "c1", "c2"].iter().all(|name| world.seqs(name).is_sorted()));
    }
}

#[test]
fn one_channel_that_fails_delays_no_other() {
    let mut world = World::new(1000, HOUR);
    world.publish("bad", true);
    world.fetch(0, true);
    world.answer(0, false);
    for _ in 0..3 {
        world.publish("good", true);
        world.fetch(0, true);
        world.answer(0, true);
    }
    assert_eq!((world.seqs("good"), world.seqs("bad")), (vec![1, 2, 3], vec![]));
    world.settle();
    assert_eq!(world.seqs("bad"), [1]);
}

#[test]
fn an_endpoint_that_takes_nothing_is_tried_by_one_at_a_time() {
    let mut world = World::new(1000, HOUR);
    (0..20).for_each(|n| world.publish(&format!("c{n}"), true));
    assert_eq!(world.fetches.len(), PARALLEL);
    while !world.fetches.is_empty() || !world.requests.is_empty() {
        (0..PARALLEL).for_each(|_| world.fetch(0, true));
        (0..PARALLEL).for_each(|_| world.answer(0, false));
    }
    world.now += 10_000;
    world.step(Input::Due);
    assert_eq!(world.fetches.len() + world.requests.len(), 1);
    world.fetch(0, true);
    world.answer(0, true);
    assert!(world.fetches.len() > 1, "and by more once one was taken");
}

#[test]
fn what_was_tried_for_too_long_is_given_up_and_what_is_newer_is_not() {
    let mut world = World::new(1000, HOUR);
    world.publish("a", true);
    let mut tries = 0;
    while world.dead == 0 {
        world.fetch(0, true);
        // It happened at the beginning, however late it is read.
        if let Some((_, event)) = world.requests.first_mut() {
            event.at = Wall(0);
        }
        if let Some(lane) = world.hook.lanes.get_mut(&lane("a")) {
            lane.page.iter_mut().for_each(|event| event.at = Wall(0));
        }
        world.answer(0, false);
        tries += 1;
        world.now = world.hook.due().map_or(world.now, |due| due.0);
        world.step(Input::Due);
    }
    assert!(world.now >= 3_600_000 && tries > 10, "{tries} tries up to {}", world.now);
    assert_eq!((world.dead, world.kept[&channel("a")].seq), (1, 1));
    world.publish("a", true);
    world.settle();
    assert_eq!(world.seqs("a"), [2]);
}

#[test]
fn without_time_to_try_again_one_failure_is_the_end() {
    let mut world = World::new(1000, Duration::ZERO);
    world.publish("a", true);
    world.publish("a", true);
    world.fetch(0, true);
    world.answer(0, false);
    assert_eq!((world.dead, world.kept[&channel("a")].seq), (2, 2));
}

#[test]
fn a_channel_that_is_gone_is_counted_and_forgotten() {
    let mut world = World::new(1000, HOUR);
    world.publish("a", true);
    world.fetch(0, true);
    world.answer(0, false);
    world.publish("a", true);
    world.step(Input::Moved(channel("a"), None));
    world.now += 10_000;
    world.step(Input::Due);
    let (key, _) = world.fetches.remove(0);
    world.step(Input::Fetched(key, Fetched::Log(Page::Gone)));
    assert_eq!((world.dead, world.kept.len(), world.hook.backlog()), (2, 0, (0, None)));
}
