//! What it costs that a frame waits for its client: into a session's outbox and out of it, over a connection, and over
//! long-poll, where frames are numbered and kept until the client has them. A delivery is one push, so this is paid for
//! every message and every subscriber.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlor::model::Moment;
use parlor::protocol::Frame;
use parlor::session::Outbox;

mod support;

/// `limits.session_queue_bytes`
const LIMIT: usize = 1 << 20;
/// What a wire takes at a time.
const CHUNK: usize = 64 * 1024;

fn frames(count: u64) -> Vec<Frame> {
    support::posted(1, count).iter().map(|message| message.frame.clone()).collect()
}

fn outbox(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("outbox");
    let now = Moment(1);
    for count in [1, 32] {
        let frames = frames(count);
        group.throughput(Throughput::Elements(count));
        let mut outbox = Outbox::new(LIMIT);
        group.bench_function(format!("push and take {count}"), |bench| {
            bench.iter(|| {
                for frame in &frames {
                    assert!(outbox.fits(frame.len()));
                    outbox.push(frame.clone(), now).expect("there is room");
                }
                outbox.take(CHUNK, now, |frame| drop(std::hint::black_box(frame)))
            });
        });
        let mut outbox = Outbox::numbered(LIMIT);
        group.bench_function(format!("push, page and acknowledge {count}, numbered"), |bench| {
            bench.iter(|| {
                for frame in &frames {
                    assert!(outbox.fits(frame.len()));
                    outbox.push(frame.clone(), now).expect("there is room");
                }
                let (page, last) = outbox.page(CHUNK, now);
                outbox.acknowledge(last, now).expect("it was sent");
                page
            });
        });
    }
    group.finish();
}

criterion_group!(benches, outbox);
criterion_main!(benches);
