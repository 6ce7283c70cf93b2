//! What an append costs: through the whole store for so many channels at a time, and what blocks save over a row a
//! message. Each in time and, in the groups that end with `cpu`, in processor time of all threads, the system's part too.

use std::cell::Cell;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Bencher, Criterion, Throughput, criterion_group, criterion_main};
use parlor::config::{self, Durability, Engine};
use parlor::model::{ChannelName, Message};
use parlor::store::{AppendError, Batch, ChannelLog, Head, Rows, SledRows, Store, conformance};
use parlor::supervise::Probes;

fn config(path: &Path) -> config::Store {
    config::Store {
        engine: Engine::Sled,
        path: path.to_owned(),
        durability: Durability::Always,
        sync_interval: Duration::from_secs(1),
        cache_bytes: 64 << 20,
        reserve_bytes: 0,
        read_threads: 1,
    }
}

/// Processor time of this process.
struct Cpu(WallTime);

impl Cpu {
    fn now() -> Duration {
        let tasks = fs::read_dir("/proc/self/task").expect("the system tells of threads");
        let spent = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_once(' ')?.0.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }
}

impl Measurement for Cpu {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        Self::now()
    }

    fn end(&self, start: Duration) -> Duration {
        Self::now().saturating_sub(start)
    }

    fn add(&self, left: &Duration, right: &Duration) -> Duration {
        *left + *right
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self.0.formatter()
    }
}

/// Channels that each wait for an append before the next.
struct Site {
    log: Arc<dyn ChannelLog>,
    heads: Vec<(ChannelName, Head)>,
    tell: mpsc::Sender<(usize, Result<Head, AppendError>)>,
    told: mpsc::Receiver<(usize, Result<Head, AppendError>)>,
}

impl Site {
    fn new(store: &Store, channels: usize) -> Self {
        let log = store.log();
        let name = |n: usize| ChannelName::stored(&format!("bench-{n}")).expect("a name");
        let heads =
            (0..channels).map(|n| (name(n), conformance::create(&*log, &name(n)).expect("a channel"))).collect();
        let (tell, told) = mpsc::channel();
        Self { log, heads, tell, told }
    }

    fn batches(&self, size: u64) -> Vec<Vec<Message>> {
        let body = "words ".repeat(20);
        self.heads.iter().map(|(_, head)| conformance::batch(head.seq + 1, head.seq + size, &body)).collect()
    }

    /// An append to each channel; comes back when all are durable.
    fn append(&mut self, batches: Vec<Vec<Message>>) {
        for (n, batch) in batches.into_iter().enumerate() {
            let tell = self.tell.clone();
            let (name, head) = &self.heads[n];
            self.log.append(name, head, batch, Box::new(move |done| tell.send((n, done)).expect("somebody waits")));
        }
        for _ in 0..self.heads.len() {
            let (n, head) = self.told.recv().expect("an answer comes");
            self.heads[n].1 = head.expect("it is taken");
        }
    }
}

/// So many channels, an append of so many messages each.
const SHAPES: [(usize, u64); 5] = [(1, 1), (1, 8), (1, 32), (64, 1), (512, 1)];

fn append<M: Measurement + 'static>(bench: &mut Criterion<M>, name: &str) {
    let mut group = bench.benchmark_group(name);
    for (channels, size) in SHAPES {
        let home = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(&config(home.path()), &Probes::default()).expect("a new store opens");
        let site = Cell::new(Some(Site::new(&store, channels)));
        group.throughput(Throughput::Elements(channels as u64 * size));
        group.bench_function(format!("{channels} x {size}"), |bench: &mut Bencher<'_, M>| {
            let mut own = site.take().expect("one at a time");
            bench.iter(|| own.append(own.batches(size)));
            site.set(Some(own));
        });
    }
    group.finish();
}

fn append_time(bench: &mut Criterion) {
    append(bench, "append");
}

fn append_cpu(bench: &mut Criterion<Cpu>) {
    append(bench, "append cpu");
}

/// What a reader waits for: where a channel ends, and its newest messages; of one that was written just now, and of one
/// that has left the journal.
fn reads(bench: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&config(home.path()), &Probes::default()).expect("a new store opens");
    let mut old = Site::new(&store, 64);
    for _ in 0..300 {
        old.append(old.batches(1));
    }
    let log = store.log();
    let new = ChannelName::stored("new").expect("a name");
    let mut head = conformance::create(&*log, &new).expect("a channel");
    for seq in 1..=300 {
        let batch = conformance::batch(seq, seq, &"words ".repeat(20));
        head = conformance::append(&*log, &new, &head, batch).expect("it is taken");
    }
    let mut group = bench.benchmark_group("reads");
    for (what, name) in [("old", &old.heads[7].0), ("new", &new)] {
        group.bench_function(format!("head, {what}"), |bench| bench.iter(|| log.head(black_box(name))));
        group.bench_function(format!("tail of 50, {what}"), |bench| bench.iter(|| log.tail(black_box(name), 50)));
    }
    group.finish();
}

/// The same 32 records of 250 bytes in one row, and in one each.
fn rows(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("rows");
    group.throughput(Throughput::Elements(32));
    for (what, rows, size) in [("a block of 32", 1, 32 * 250), ("32 rows", 32, 250)] {
        for sync in [true, false] {
            let home = tempfile::tempdir().expect("a temporary directory");
            let engine: Arc<dyn Rows> = Arc::new(SledRows::open(home.path(), 64 << 20).expect("a new store opens"));
            let mut next = 0u64;
            let mut batch = || {
                let mut batch = Batch::default();
                for _ in 0..rows {
                    next += 1;
                    batch.put([&[1; 9][..], &next.to_be_bytes()].concat(), vec![7; size]);
                }
                batch
            };
            group.bench_function(format!("{what}, {}", if sync { "synced" } else { "applied" }), |bench| {
                bench.iter_batched(
                    &mut batch,
                    |batch| {
                        engine.apply(black_box(&batch)).expect("it is applied");
                        if sync {
                            engine.sync().expect("it is synced");
                        }
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(times, append_time, reads, rows);
criterion_group!(name = cpu; config = Criterion::default().with_measurement(Cpu(WallTime)); targets = append_cpu);
criterion_main!(times, cpu);
