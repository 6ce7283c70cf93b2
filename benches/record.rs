//! What the form on disk costs without the disk: hashing, chaining, cutting into blocks and sealing what is appended,
//! and the way back. All channels share one writer's thread, so sealing bounds the messages a second of a whole server;
//! reading is what a replay from the log, a page of history and a search for a key pay.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlor::store::bench::Blocks;

mod support;

fn record(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("record");
    for count in [1, 32, 128] {
        let batch = support::messages(1, count);
        let (blocks, _) = Blocks::seal(7, &batch);
        assert_eq!(blocks.messages(), Some(batch.clone()));
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("seal {count}"), |bench| bench.iter(|| Blocks::seal(7, &batch)));
        group.bench_function(format!("read {count}"), |bench| bench.iter(|| blocks.messages()));
        group.bench_function(format!("find the head of {count}"), |bench| bench.iter(|| blocks.link()));
        println!("{count} messages are {} rows of {} bytes in all", blocks.rows(), blocks.bytes());
    }
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
