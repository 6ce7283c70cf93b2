//! What an append costs: through the whole store at several batch sizes, and what blocks save over a row a message.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use parlor::config::{self, Durability, Engine};
use parlor::model::ChannelName;
use parlor::store::{Batch, Rows, SledRows, Store, conformance};
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

/// One append of so many messages, durable.
fn append(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("append");
    for size in [1, 8, 32] {
        let home = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(&config(home.path()), &Probes::default()).expect("a new store opens");
        let name = ChannelName::stored("bench").expect("a name");
        let log = store.log();
        let mut head = conformance::create(&*log, &name).expect("a channel");
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("batch of {size}"), |bench| {
            bench.iter(|| {
                let batch = conformance::batch(head.seq + 1, head.seq + size, &"words ".repeat(20));
                head = conformance::append(&*log, &name, &head, batch).expect("it is taken");
            });
        });
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

criterion_group!(benches, append, rows);
criterion_main!(benches);
