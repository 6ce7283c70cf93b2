//! A message's whole way through the server without its sockets: from a session's frame through its channel, the log
//! writer and the hub to the outboxes of 1,000 sessions; and receipts from 64 channels at once, which share the writer's
//! commits. The actors are the real ones, on their own threads; a wire here takes what waits as soon as it is woken. What
//! a load run takes beyond this is sockets and clients.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use actix::{System, SystemRunner};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlor::clock;
use parlor::config::{Config, Engine};
use parlor::server::{Parts, Server};
use parlor::session::{Door, Purpose, Wire, Worker, pose};
use tempfile::TempDir;

mod support;

/// What a wire takes at a time.
const CHUNK: usize = 64 * 1024;

/// What all wires share: who has something to take, and what was taken.
#[derive(Default)]
struct Floor {
    woken: RefCell<Vec<usize>>,
    waker: RefCell<Option<Waker>>,
    welcomes: Cell<u64>,
    joins: Cell<u64>,
    messages: Cell<u64>,
    receipts: Cell<u64>,
}

impl Floor {
    /// Counts a frame by its type.
    fn count(&self, frame: &str) {
        let of = |kind: &str| frame.strip_prefix(r#"{"type":""#).is_some_and(|rest| rest.starts_with(kind));
        let counter = match () {
            () if of("message") => &self.messages,
            () if of("published") => &self.receipts,
            () if of("joined") => &self.joins,
            () if of("welcome") => &self.welcomes,
            () => return assert!(!of("error"), "{frame}"),
        };
        counter.set(counter.get() + 1);
    }
}

/// One session's wire.
struct Bell(Rc<Floor>, usize);

impl Wire for Bell {
    fn wake(self: Rc<Self>) {
        self.0.woken.borrow_mut().push(self.1);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    fn cut(&self) {}
}

/// A server whose only worker is this thread, and its sessions.
struct House {
    system: SystemRunner,
    server: Option<Server>,
    floor: Rc<Floor>,
    doors: Vec<Door>,
    published: u64,
    _home: TempDir,
}

impl House {
    /// With so many guests, each in the channel that `place` says.
    fn new(engine: Engine, guests: usize, place: impl Fn(usize) -> String) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut config = Config::default();
        config.store.engine = engine;
        config.store.path = home.path().join("data");
        config.store.reserve_bytes = 0;
        config.rates.enabled = false;
        // Nobody here answers pings.
        config.presence.heartbeat = Duration::from_secs(1800);
        config.presence.timeout = Duration::from_secs(3600);
        let system = System::new();
        let server = system.block_on(async { Server::open(config, Parts::default()) }).expect("a server");
        let floor = Rc::new(Floor::default());
        let mut house =
            Self { system, server: None, floor: Rc::clone(&floor), doors: Vec::new(), published: 0, _home: home };
        house.doors = house.system.block_on(async {
            let worker = Worker::here(&server.app());
            let open = |number| {
                let door = worker.open(None, Purpose::Stream(None));
                door.connect(Rc::new(Bell(Rc::clone(&floor), number)));
                door
            };
            (0..guests).map(open).collect()
        });
        house.server = Some(server);
        let all = guests as u64;
        house.say(0..guests, |n| format!(r#"{{"type":"hello","version":1,"guest":"user{n}"}}"#));
        house.until(|floor| floor.welcomes.get() == all);
        house.say(0..guests, |n| format!(r#"{{"type":"join","id":"1","channel":"{}","tail":0}}"#, place(n)));
        house.until(|floor| floor.joins.get() == all);
        house
    }

    fn say(&self, who: impl IntoIterator<Item = usize>, frame: impl Fn(usize) -> String) {
        who.into_iter().for_each(|number| self.doors[number].frame(frame(number).into(), None));
    }

    /// Runs until the floor is so.
    fn until(&self, done: impl Fn(&Floor) -> bool) {
        self.system.block_on(poll_fn(|context| {
            loop {
                let woken = self.floor.woken.take();
                woken.iter().for_each(|number| self.take(*number));
                if done(&self.floor) {
                    return Poll::Ready(());
                }
                if woken.is_empty() {
                    *self.floor.waker.borrow_mut() = Some(context.waker().clone());
                    return Poll::Pending;
                }
            }
        }));
    }

    fn take(&self, number: usize) {
        let door = &self.doors[number];
        loop {
            let more = {
                let mut cell = door.cell().borrow_mut();
                cell.outbox.take(CHUNK, clock::moment(), |frame| self.floor.count(&frame));
                cell.outbox.take_ping();
                !cell.outbox.is_empty()
            };
            if !more {
                return door.looked();
            }
        }
    }

    /// So many sessions publish `each` to the channel that they are in, which so many hear; ends when all of it was
    /// taken.
    fn publish(&mut self, who: usize, each: u64, place: impl Fn(usize) -> String, hear: u64) {
        let body = support::body();
        for _ in 0..each {
            let first = self.published;
            self.published += who as u64;
            self.say(0..who, |number| {
                let (place, key) = (place(number), support::key(first + number as u64));
                format!(r#"{{"type":"publish","id":"17","channel":"{place}","body":{body},"key":"{key}"}}"#)
            });
        }
        let count = who as u64 * each;
        let (receipts, messages) = (self.floor.receipts.get() + count, self.floor.messages.get() + count * hear);
        self.until(|floor| floor.receipts.get() == receipts && floor.messages.get() == messages);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let server = self.server.take();
        let doors = std::mem::take(&mut self.doors);
        self.system.block_on(async {
            drop(doors);
            if let Some(server) = server {
                server.stop().await.expect("it stops");
            }
            drop(pose(Vec::new()));
        });
    }
}

const ENGINES: [(&str, Engine); 2] = [("memory", Engine::Memory), ("sled", Engine::Sled)];

fn fanout(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("fanout to 1,000");
    for (name, engine) in ENGINES {
        let place = |_| "general".to_owned();
        let mut house = House::new(engine, 1000, place);
        for flight in [1, 32, 256] {
            group.throughput(Throughput::Elements(1000 * flight as u64));
            group.bench_function(format!("{flight} in flight, {name}"), |bench| {
                bench.iter(|| house.publish(flight, 1, place, 1000));
            });
        }
    }
    group.finish();
}

fn receipts(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("receipts from 64 channels");
    for (name, engine) in ENGINES {
        let place = |number| format!("channel-{number}");
        let mut house = House::new(engine, 64, place);
        for each in [1, 8] {
            group.throughput(Throughput::Elements(64 * each));
            group.bench_function(format!("{each} each, {name}"), |bench| {
                bench.iter(|| house.publish(64, each, place, 1));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fanout, receipts);
criterion_main!(benches);
