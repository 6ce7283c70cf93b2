//! What a hub's feed costs: a batch for everyone who hears a channel on one worker, and a join that is answered from the
//! window. This is the inner loop of every delivery. `alone` is the feed by itself; `to outboxes` also finds each
//! session and queues the frames for it, as the hub does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlor::channel::{Ack, Batch, Item, Joined};
use parlor::clock;
use parlor::model::{Conn, Epoch, Seq};
use parlor::protocol::Posted;
use parlor::session::Outbox;
use parlor::session::bench::Feed;

mod support;

/// A feed with those who hear it.
struct World {
    feed: Feed,
    outboxes: HashMap<Conn, Rc<RefCell<Outbox>>>,
    head: Seq,
}

impl World {
    fn new(subscribers: u64) -> Self {
        let mut world = Self { feed: Feed::default(), outboxes: HashMap::new(), head: 1000 };
        for number in 0..subscribers {
            let outbox = Outbox::new(64 << 20);
            world.outboxes.insert(support::conn(number), Rc::new(RefCell::new(outbox)));
            let batch = world.join(number, Vec::new());
            world.feed.batch(batch, &mut |_, messages| messages.len());
        }
        world
    }

    /// A join that is handed `page`, and is live with it.
    fn join(&self, number: u64, page: Vec<Arc<Posted>>) -> Batch {
        let (epoch, head) = (Epoch("10-3w5e".into()), self.head);
        let next = page.first().map_or(head + 1, |first| first.seq);
        let joined = Joined { epoch, member: true, head, first: 1, next, gap: false, stood: false, page };
        self.batch(vec![Item::Joined(support::origin(number, 1), joined)])
    }

    fn batch(&self, items: Vec<Item>) -> Batch {
        Batch { channel: support::channel(), head: self.head, crowd: None, items, ack: Ack::default() }
    }

    /// Hands the feed the next `count` messages; how long it took.
    fn deliver(&mut self, count: u64, queue: bool) -> Duration {
        let messages = support::posted(self.head + 1, count);
        self.head += count;
        let batch = self.batch(vec![Item::Messages(messages)]);
        self.hand(batch, queue)
    }

    fn hand(&mut self, batch: Batch, queue: bool) -> Duration {
        let (feed, outboxes) = (&mut self.feed, &self.outboxes);
        let began = Instant::now();
        if queue {
            feed.batch(batch, &mut |conn, messages| push(outboxes, conn, messages));
        } else {
            feed.batch(batch, &mut |_, messages| messages.len());
        }
        let took = began.elapsed();
        // As a wire does, each for itself.
        for outbox in outboxes.values() {
            outbox.borrow_mut().take(usize::MAX, clock::moment(), drop);
        }
        took
    }
}

fn push(outboxes: &HashMap<Conn, Rc<RefCell<Outbox>>>, conn: Conn, messages: &[Arc<Posted>]) -> usize {
    let Some(outbox) = outboxes.get(&conn).cloned() else { return messages.len() };
    let (mut outbox, now) = (outbox.borrow_mut(), clock::moment());
    let taken = messages
        .iter()
        .take_while(|message| outbox.fits(message.frame.len()) && outbox.push(message.frame.clone(), now).is_ok());
    taken.count()
}

fn deliver(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("deliver");
    for subscribers in [10, 1000, 9000] {
        let mut world = World::new(subscribers);
        for batch in [1, 32] {
            group.throughput(Throughput::Elements(subscribers * batch));
            for (what, queue) in [("alone", false), ("to outboxes", true)] {
                group.bench_function(format!("{batch} to {subscribers}, {what}"), |bench| {
                    bench.iter_custom(|times| (0..times).map(|_| world.deliver(batch, queue)).sum());
                });
            }
        }
    }
    group.finish();
}

fn join(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("join");
    for subscribers in [10, 1000, 9000] {
        let mut world = World::new(subscribers);
        let page = support::posted(world.head - 49, 50).to_vec();
        // One who was not there, and has a place to be handed to.
        let newcomer = subscribers;
        let outbox = Outbox::new(64 << 20);
        world.outboxes = HashMap::from([(support::conn(newcomer), Rc::new(RefCell::new(outbox)))]);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("50 from the window, beside {subscribers}"), |bench| {
            bench.iter_custom(|times| {
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    let batch = world.join(newcomer, page.clone());
                    took += world.hand(batch, true);
                    assert!(world.feed.remove(support::conn(newcomer)));
                }
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, deliver, join);
criterion_main!(benches);
