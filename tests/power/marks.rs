//! What the traced program says about itself: lines of a file in the watched folder, so that each has its place in the
//! trace among the file operations. And the messages and records that it writes, which follow from what it says.

use std::hash::{DefaultHasher, Hash, Hasher};

use parlor::config::Durability;
use parlor::model::{Key, Kind, Message, UserName, Wall};
use parlor::store::Head;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::truth::Store;

/// The file of the marks, and beside it the store's data directory, in the watched folder.
pub const MARKS: &str = "marks";
pub const DATA: &str = "data";

/// The largest body that fits a row, less some room for the header.
pub const LARGEST: u32 = 65_000;
/// The middle of some hour.
const NOON: i64 = 1_795_348_800_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Mark {
    /// A store is about to be opened; true: with `always`.
    Opening(bool),
    /// It is open, and this is in it.
    Opened(Store),
    /// A write is about to be queued.
    Ask(u64, Op),
    /// The write of that number was answered with success.
    Told(u64, Option<Shown>),
    /// The store was closed in order.
    Closed,
}

/// A write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Op {
    Create(String),
    /// Messages from a place on, with bodies of these sizes.
    Append {
        channel: String,
        from: u64,
        salt: u64,
        sizes: Vec<u32>,
    },
    Trim(String, u64),
    Redact(String, u64),
    Delete(String),
    /// Records with values of these sizes; `None` removes.
    Records(u64, Vec<(String, Option<u32>)>),
}

/// A head as it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub epoch: String,
    pub seq: u64,
    pub first: u64,
    pub hash: [u8; 16],
}

impl From<&Head> for Shown {
    fn from(head: &Head) -> Self {
        Self { epoch: head.epoch.0.to_string(), seq: head.seq, first: head.first, hash: head.hash }
    }
}

/// The messages of an append.
pub fn messages(from: u64, salt: u64, sizes: &[u32]) -> Vec<Message> {
    (from..).zip(sizes).map(|(seq, &size)| message(seq, salt, size)).collect()
}

fn message(seq: u64, salt: u64, size: u32) -> Message {
    let mut random = SmallRng::seed_from_u64(salt ^ seq << 20);
    Message {
        seq,
        // Half a minute apart: an hour has 120 of them.
        at: Wall(NOON + seq as i64 * 30_000),
        from: UserName::parse(if random.random() { "ann" } else { "bob" }).expect("a name"),
        key: random.random::<bool>().then(|| Key::new(&format!("{salt}-{seq}"))).flatten(),
        kind: random.random_bool(0.1).then(|| Kind::new("x-poll")).flatten(),
        reply_to: random.random_bool(0.1).then_some(seq / 2).filter(|seq| *seq > 0),
        body: format!("{{\"text\":\"{}\"}}", text(&mut random, size)).into(),
    }
}

/// The value of a record.
pub fn value(salt: u64, name: &str, size: u32) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    (salt, name).hash(&mut hasher);
    text(&mut SmallRng::seed_from_u64(hasher.finish()), size).into_bytes()
}

fn text(random: &mut SmallRng, size: u32) -> String {
    let mut bytes = vec![0; size as usize];
    random.fill(&mut bytes[..]);
    bytes.iter().map(|byte| char::from(b'a' + byte % 16)).collect()
}

/// What a message comes to: two with the same print are the same.
pub fn print(message: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    let (key, kind) = (message.key.as_ref().map(Key::as_str), message.kind.as_ref().map(Kind::as_str));
    let body: &str = &message.body;
    (message.seq, message.at.0, message.from.as_str(), key, kind, message.reply_to, body).hash(&mut hasher);
    hasher.finish()
}

/// The print of a message, and what is left of it once it is erased.
pub fn prints(message: Message) -> (u64, u64) {
    let whole = print(&message);
    (whole, print(&Message { body: "{}".into(), ..message }))
}

/// The configuration of the traced stores.
pub fn config(path: std::path::PathBuf, durability: Durability) -> parlor::config::Store {
    parlor::config::Store {
        engine: parlor::config::Engine::Sled,
        path,
        durability,
        sync_interval: std::time::Duration::from_millis(20),
        cache_bytes: 16 << 20,
        reserve_bytes: 0,
        read_threads: 1,
    }
}
