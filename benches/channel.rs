//! What a channel's core costs: from a publish to the append that it asks for, and from the commit to what the hubs are
//! told; its window, and its keys. A channel is one actor on one thread: what a message takes here bounds how many
//! messages a second one channel can number.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlor::channel::Action;
use parlor::channel::bench::{Channel, Effects, Keys, Window};
use parlor::config::Config;
use parlor::model::{Epoch, Wall};
use parlor::protocol::{Posted, Start};
use parlor::store::Head;
use parlor::store::conformance::NOON;

mod support;

/// How many hear the channel, on two workers.
const SUBSCRIBERS: u64 = 1000;

/// A channel, and the log and the hubs that it speaks to.
struct World {
    channel: Channel,
    head: Head,
    ticket: u64,
}

/// How long the two halves of a round took.
#[derive(Clone, Copy, Default)]
struct Took {
    to_append: Duration,
    to_hubs: Duration,
}

impl World {
    fn new() -> Self {
        let head = Head { epoch: Epoch("10-3w5e".into()), seq: 0, first: 1, at: Wall(0), hash: [0; 16], token: 1 };
        let channel = Channel::new(support::channel(), &Config::default(), head.clone());
        let mut world = Self { channel, head, ticket: 0 };
        for number in 0..SUBSCRIBERS {
            world.ticket += 1;
            let join = Action::Join { start: Start::Tail(0), member: false };
            world.channel.command(NOON, support::origin(number, world.ticket), join);
            world.acked();
        }
        world
    }

    fn acked(&mut self) {
        self.channel.acked(NOON);
    }

    /// So many publishes arrive while an append is in flight, and are the next one. With one publish at a time the
    /// append begins at once; else it does when the one before it is done, which counts to the hubs' half.
    fn round(&mut self, batch: u64) -> Took {
        let drafts: Vec<_> = (0..batch)
            .map(|n| {
                self.ticket += 1;
                let origin = support::origin((self.ticket + n) % SUBSCRIBERS, self.ticket);
                (origin, Action::Publish(Box::new(support::draft(self.ticket))))
            })
            .collect();
        let mut effects: Vec<Effects> = Vec::with_capacity(drafts.len());
        let began = Instant::now();
        effects.extend(drafts.into_iter().map(|(origin, action)| self.channel.command(NOON, origin, action)));
        let to_append = began.elapsed();
        if batch == 1 {
            self.appended(&effects[0]);
        }
        let began = Instant::now();
        let told = self.channel.appended(NOON, Ok(self.head.clone()));
        let to_hubs = began.elapsed();
        assert_eq!(told.batches().count(), 2);
        self.appended(&told);
        self.acked();
        Took { to_append, to_hubs }
    }

    /// The log takes what it is given.
    fn appended(&mut self, effects: &Effects) {
        if let Some((_, batch)) = effects.append() {
            self.head.seq += batch.len() as u64;
        }
    }

    /// Has an append of so many in flight.
    fn take_off(&mut self, batch: u64) {
        self.ticket += 1;
        let first = self.channel.command(
            NOON,
            support::origin(0, self.ticket),
            Action::Publish(Box::new(support::draft(self.ticket))),
        );
        self.appended(&first);
        for _ in 0..batch {
            self.ticket += 1;
            let origin = support::origin(self.ticket % SUBSCRIBERS, self.ticket);
            self.channel.command(NOON, origin, Action::Publish(Box::new(support::draft(self.ticket))));
        }
        let next = self.channel.appended(NOON, Ok(self.head.clone()));
        self.appended(&next);
        self.acked();
    }
}

fn publish(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("publish");
    for batch in [1, 32] {
        group.throughput(Throughput::Elements(batch));
        for (what, half) in [
            ("from command to append", (|took: Took| took.to_append) as fn(Took) -> Duration),
            ("from commit to hubs", |took: Took| took.to_hubs),
        ] {
            let mut world = World::new();
            if batch > 1 {
                world.take_off(batch);
            }
            group.bench_function(format!("{what}, {batch}"), |bench| {
                bench.iter_custom(|times| (0..times).map(|_| half(world.round(batch))).sum());
            });
        }
    }
    group.finish();
}

fn window(bench: &mut Criterion) {
    let size = Config::default().channels.window;
    let mut group = bench.benchmark_group("window");
    group.throughput(Throughput::Elements(1));
    let messages: Vec<Arc<Posted>> = support::posted(1, 10_000).to_vec();
    let (mut window, mut at) = (Window::new(size), 0);
    group.bench_function("push", |bench| {
        bench.iter(|| {
            // Once around, the next place does not follow, and the window begins afresh.
            window.push(Arc::clone(&messages[at]));
            at = (at + 1) % messages.len();
        });
    });
    let mut window = Window::new(size);
    messages.iter().for_each(|message| window.push(Arc::clone(message)));
    let middle = messages.len() as u64 - size as u64 / 2;
    group.bench_function("a page from the middle", |bench| bench.iter(|| window.since(black_box(middle))));
    group.finish();
}

fn keys(bench: &mut Criterion) {
    let reach = Config::default().channels.dedup_window;
    let messages = support::posted(1, 10_000);
    let mut group = bench.benchmark_group("keys");
    group.throughput(Throughput::Elements(1));
    let (mut keys, mut at) = (Keys::new(reach), 0u64);
    group.bench_function("note", |bench| {
        bench.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                at += 1;
                let message = Posted { seq: at, ..Posted::clone(&messages[at as usize % messages.len()]) };
                let began = Instant::now();
                keys.note(&message);
                took += began.elapsed();
            }
            took
        });
    });
    let mut keys = Keys::new(reach);
    messages.iter().for_each(|message| keys.note(message));
    let (used, new) = (&messages[messages.len() - reach / 2], support::key(99_999));
    let old = used.key.clone().expect("it has one");
    assert!(keys.knows(&used.from, &old, None) && !keys.knows(&used.from, &new, None));
    group.bench_function("look for one that was used", |bench| {
        bench.iter(|| keys.knows(&used.from, black_box(&old), None));
    });
    group.bench_function("look for one that was not", |bench| {
        bench.iter(|| keys.knows(&used.from, black_box(&new), Some(messages.len() as u64 - 10)));
    });
    group.finish();
}

criterion_group!(benches, publish, window, keys);
criterion_main!(benches);
