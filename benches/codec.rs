//! What reading and writing frames costs: every command is read once, by its session, and every message is written
//! once, however many hear it. A worker reads as many publishes a second as this allows, and a channel cannot number
//! messages faster than it encodes them.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlor::model::Epoch;
use parlor::protocol::{Bounds, Incoming, Posted, event, published};
use parlor::store::conformance::NOON;
use serde_json::{Map, json};

mod support;

const BOUNDS: Bounds = Bounds { body_bytes: 32_768, page_max: 1000 };

fn decode(bench: &mut Criterion) {
    let publish = format!(
        r#"{{"type":"publish","id":"17","channel":"general","body":{},"key":"{}","base":123456}}"#,
        support::body(),
        support::key(1).as_str()
    );
    let long = format!(
        r#"{{"type":"publish","id":"17","channel":"general","body":{{"text":"{}"}},"key":"{}","base":123456}}"#,
        "lorem ipsum ".repeat(341),
        support::key(1).as_str()
    );
    let join = r#"{"type":"join","id":"3","channel":"general","since":{"epoch":"10-3w5e11264sgsf","seq":123456}}"#;
    let frames =
        [("a publish", &*publish), ("a publish of 4 kB", &*long), ("a join", join), ("a ping", r#"{"type":"ping"}"#)];
    let me = support::user(7);
    let mut group = bench.benchmark_group("decode");
    for (what, text) in frames {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(what, |bench| {
            bench.iter(|| {
                let frame = Incoming::read(black_box(text)).expect("a frame");
                let command = frame.command(&me, &BOUNDS).expect("a command");
                (frame.id, command)
            });
        });
    }
    // The part of it that every frame takes, before its members are looked at.
    group.throughput(Throughput::Bytes(publish.len() as u64));
    group.bench_function("a publish, its type and id alone", |bench| {
        bench.iter(|| Incoming::read(black_box(&publish)).expect("a frame"));
    });
    group.finish();
}

fn encode(bench: &mut Criterion) {
    let channel = support::channel();
    let message = support::message(123_456);
    let epoch = Epoch("10-3w5e11264sgsf".into());
    let mut group = bench.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("a message", |bench| bench.iter(|| Posted::new(&channel, black_box(&message))));
    group.bench_function("a receipt", |bench| {
        bench.iter(|| published(Some("17"), &channel, &epoch, black_box(123_456), NOON, false));
    });
    // As a hub writes it for each session that hears these.
    for count in [1u64, 10] {
        let channels: Vec<String> = (0..count).map(|number| format!("channel-{number}")).collect();
        group.bench_function(format!("a pulse of {count}"), |bench| {
            bench.iter(|| {
                let mut heads = Map::new();
                for name in &channels {
                    heads.insert(name.clone(), black_box(123_456).into());
                }
                event("pulse", json!({ "heads": heads }))
            });
        });
    }
    let batch = support::messages(1, 32);
    group.throughput(Throughput::Elements(32));
    group.bench_function("32 messages", |bench| {
        bench.iter(|| batch.iter().map(|message| Posted::new(&channel, message)).collect::<Vec<_>>());
    });
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
