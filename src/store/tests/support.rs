//! What the store's tests share: messages out of thin air, stores on a bench, calls that wait for their answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Rows, Store};
use crate::config;
use crate::model::{ChannelName, Key, Kind, MAX_SEQ, Message, UserName, Wall};
use crate::supervise::Probes;

pub(in super::super) fn config(durability: config::Durability) -> config::Store {
    config::Store {
        engine: config::Engine::Memory,
        path: PathBuf::from("memory"),
        durability,
        sync_interval: Duration::from_secs(3600),
        cache_bytes: 8 << 20,
        reserve_bytes: 1 << 20,
        read_threads: 1,
    }
}

pub(in super::super) fn open(rows: &Arc<dyn Rows>) -> Store {
    Store::on(Arc::clone(rows), &config(config::Durability::Always), &Probes::default()).unwrap()
}

pub(in super::super) fn channel(name: &str) -> ChannelName {
    ChannelName::stored(name).unwrap()
}

/// Messages `from ..= to`, all in one hour.
pub(in super::super) fn batch(from: u64, to: u64, body: &str) -> Vec<Message> {
    super::super::conformance::batch(from, to, body)
}

fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..30).prop_map(|chars| chars.into_iter().collect())
}

prop_compose! {
    pub(in super::super) fn any_message()(
        seq in 1..=MAX_SEQ,
        at in any::<i64>(),
        from in 0..3usize,
        key in prop::option::of("[a-z]{1,64}"),
        kind in prop::option::of("x-[a-z]{1,20}"),
        reply_to in prop::option::of(1..=MAX_SEQ),
        body in any_text(),
    ) -> Message {
        Message {
            seq,
            at: Wall(at),
            from: UserName::parse(["ann", "b.o-b_9", "~ann-a1b2c"][from]).unwrap(),
            key: key.and_then(|key| Key::new(&key)),
            kind: kind.and_then(|kind| Kind::new(&kind)),
            reply_to,
            body: body.into(),
        }
    }
}

prop_compose! {
    /// Up to `most` messages that follow each other, over some hours, some of them long.
    pub(in super::super) fn any_batch(most: usize)(
        messages in prop::collection::vec((any_message(), 0..2_000_000i64, prop_oneof![9 => 0..900usize, 1 => 0..20_000usize]), 1..most),
    ) -> Vec<Message> {
        let mut at = 1_795_341_600_000;
        messages.into_iter().zip(1..).map(|((mut message, later, padding), seq)| {
            at += later;
            message.seq = seq;
            message.at = Wall(at);
            message.body = format!("{}{}", message.body, "p".repeat(padding)).into();
            message
        }).collect()
    }
}
