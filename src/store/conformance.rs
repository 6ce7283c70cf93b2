//! What every engine must do: a suite to run on it, also on one of your own.
//!
//! [`run`] is given a maker of fresh, empty rows and calls every case with rows of its own. A case says what it
//! expected as an error; it asserts nothing by panicking. Cases close rows and open stores on them again, so a maker
//! gives each its own place to keep them in. In a test of an engine of your own:
//!
//! ```
//! use std::sync::Arc;
//! use parlor::store::{MemoryRows, conformance};
//!
//! conformance::run(|| Arc::new(MemoryRows::default())).unwrap();
//! ```
//!
//! [`run_with`] is for a program that wants to say what passed; `examples/engine/main.rs` does.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::{AppendError, ChannelLog, Done, EngineError, Head, Meta, MetaOp, Rows, Store, Versioned, WriteError};
use crate::config;
use crate::model::{ChannelName, Key, Message, UserName, Wall};
use crate::supervise::Probes;

mod logs;
mod records;

/// What a case comes to.
pub type Outcome = Result<(), Box<dyn Error>>;

/// A case: its name, as a sentence, and what it does.
pub type Case = (&'static str, fn(&Rig) -> Outcome);

/// Every case.
pub fn cases() -> Vec<Case> {
    [logs::CASES, records::CASES].concat()
}

/// Runs every case on rows of its own; the first that fails ends it, with its name.
pub fn run(make: impl Fn() -> Arc<dyn Rows>) -> Result<(), String> {
    run_with(|| Ok(make()), |_| {})
}

/// As [`run`], for a maker that may fail; `passed` is told the name of every case that the engine passed, at once.
pub fn run_with(
    mut make: impl FnMut() -> Result<Arc<dyn Rows>, EngineError>,
    mut passed: impl FnMut(&'static str),
) -> Result<(), String> {
    cases().into_iter().try_for_each(|(name, case)| {
        let failed = |error: &dyn Error| format!("{name}: {error}");
        let rig = Rig { rows: make().map_err(|error| failed(&error))?, durability: config::Durability::Always };
        case(&rig).map_err(|error| failed(&*error))?;
        passed(name);
        Ok(())
    })
}

/// Rows to open stores on.
pub struct Rig {
    /// The rows.
    pub rows: Arc<dyn Rows>,
    /// When a write counts as done.
    pub durability: config::Durability,
}

impl Rig {
    /// A store on them.
    pub fn open(&self) -> Result<Store, Box<dyn Error>> {
        let config = config::Store {
            engine: config::Engine::Memory,
            path: PathBuf::from("conformance"),
            durability: self.durability,
            sync_interval: Duration::from_secs(3600),
            cache_bytes: 16 << 20,
            reserve_bytes: 0,
            read_threads: 2,
        };
        Ok(Store::on(Arc::clone(&self.rows), &config, &Probes::default())?)
    }
}

/// Says what was expected, unless it holds.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+).into());
        }
    };
}
pub(super) use ensure;

/// Says what was expected, unless both are the same.
macro_rules! same {
    ($found:expr, $expected:expr, $what:expr) => {{
        let (found, expected) = (&$found, &$expected);
        if found != expected {
            return Err(format!("{}: expected {expected:?}, found {found:?}", $what).into());
        }
    }};
}
pub(super) use same;

/// Calls a write and waits for its answer.
pub fn wait<T: Send + 'static, E: Send + 'static>(call: impl FnOnce(Done<T, E>)) -> Result<T, E> {
    let (tell, told) = mpsc::channel();
    call(Box::new(move |outcome| {
        let _ = tell.send(outcome);
    }));
    // A `Done` is always called: that is the promise that everything here rests on.
    told.recv().unwrap_or_else(|_| unreachable!("an answer was dropped"))
}

/// Appends and waits.
pub fn append(log: &dyn ChannelLog, to: &ChannelName, after: &Head, batch: Vec<Message>) -> Result<Head, AppendError> {
    wait(|done| log.append(to, after, batch, done))
}

/// Creates and waits.
pub fn create(log: &dyn ChannelLog, name: &ChannelName) -> Result<Head, AppendError> {
    wait(|done| log.create(name, done))
}

/// Writes records and waits.
pub fn write(meta: &dyn Meta, ops: Vec<MetaOp>) -> Result<(), WriteError> {
    wait(|done| meta.write(ops, done))
}

/// The middle of some hour.
pub const NOON: Wall = Wall(1_795_348_800_000);

/// Messages `from ..= to`, a millisecond apart in one hour, by `ann`, each with the key `k<seq>`.
pub fn batch(from: u64, to: u64, body: &str) -> Vec<Message> {
    let Ok(ann) = UserName::parse("ann") else { return Vec::new() };
    let message = |seq: u64| Message {
        seq,
        at: Wall(NOON.0 + seq as i64),
        from: ann.clone(),
        key: Key::new(&format!("k{seq}")),
        kind: None,
        reply_to: None,
        body: format!(r#"{{"text":"{body}"}}"#).into(),
    };
    (from..=to).map(message).collect()
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

/// What a record holds, without its version.
fn value(record: Option<Versioned>) -> Option<(u64, String)> {
    record.map(|record| (record.version, String::from_utf8_lossy(&record.value).into_owned()))
}
