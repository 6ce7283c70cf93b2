//! What benches share: the names and messages that they work with. A text has 120 bytes, as in the measurements that
//! the design rests on.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::sync::Arc;

use bytestring::ByteString;
use parlor::channel::{Draft, Origin};
use parlor::model::{ChannelName, Conn, HubId, Key, Message, Seq, Standing, UserName, Wall};
use parlor::protocol::{Posted, Publish};
use parlor::store::conformance::NOON;

/// A body with a text of 120 bytes.
pub fn body() -> ByteString {
    format!(r#"{{"text":"{}"}}"#, "lorem ipsum ".repeat(10)).into()
}

/// The channel that everything happens in.
pub fn channel() -> ChannelName {
    ChannelName::stored("general").expect("a name")
}

/// A user for each number; guests, which have the longer names.
pub fn user(number: u64) -> UserName {
    let tail = [number, number >> 8, number >> 16, 0, 0].map(|byte| byte as u8 % 32);
    UserName::guest(&format!("user{number}"), tail).expect("a name")
}

/// A connection for each number.
pub fn conn(number: u64) -> Conn {
    Conn { boot: 1, count: number }
}

/// Session `number` gives its command `ticket`; the sessions are spread over two workers.
pub fn origin(number: u64, ticket: u64) -> Origin {
    Origin { hub: HubId(number as u32 % 2), conn: conn(number), ticket, user: user(number), standing: Standing::Guest }
}

/// The key that a publish carries: random, and as long as a UUID.
pub fn key(number: u64) -> Key {
    Key::new(&format!("{:036x}", u128::from(number) * 0x9e37_79b9_7f4a_7c15)).expect("a key")
}

/// A publish with a key.
pub fn draft(number: u64) -> Draft {
    let (channel, body, key) = (channel(), body(), Some(key(number)));
    Draft { publish: Publish { channel, body, key, base: None, kind: None, reply_to: None }, permit: None }
}

/// A message that has its place.
pub fn message(seq: Seq) -> Message {
    let (from, key, body) = (user(seq % 1000), Some(key(seq)), body());
    Message { seq, at: Wall(NOON.0 + seq as i64 / 1000), from, key, kind: None, reply_to: None, body }
}

/// So many messages from `from` on.
pub fn messages(from: Seq, count: u64) -> Vec<Message> {
    (from..from + count).map(message).collect()
}

/// The same, encoded.
pub fn posted(from: Seq, count: u64) -> Arc<[Arc<Posted>]> {
    let channel = channel();
    (from..from + count).map(|seq| Arc::new(Posted::new(&channel, &message(seq)))).collect()
}
