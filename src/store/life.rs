//! The store's own rows: its generation, its mark of unsynced writes, its boots, its next channel
//! number, whether its channels are in the index.
//!
//! Every channel's epoch contains the generation. With `interval`, told writes may be lost in a crash: the mark is
//! durable before the first of them, and whoever finds it at opening makes a new generation.

use super::keys::{self, ChannelId};
use super::rows::{Batch, EngineError, Rows};
use super::seal;
use crate::clock;
use crate::config::Durability;
use crate::planted::{Bug, planted};

pub(crate) const GENERATION: &str = "generation";
pub(crate) const UNSYNCED: &str = "unsynced";
pub(crate) const BOOT: &str = "boot";
pub(crate) const NEXT_CHANNEL: &str = "next_channel";
pub(crate) const INDEXED: &str = "indexed";

/// What opening found and wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) generation: u64,
    pub(super) boot: u64,
}

/// Settles the store's rows after opening it, as a new boot or within one; all that is readable is durable afterwards.
pub(super) fn settle(rows: &dyn Rows, durability: Durability, booting: bool) -> Result<Life, EngineError> {
    let known = read(rows, GENERATION)?;
    let unsynced = read(rows, UNSYNCED)?.unwrap_or(0) == 1;
    let boot = read(rows, BOOT)?.unwrap_or(0) + u64::from(booting);
    let generation = match known {
        Some(known) if !unsynced || planted(Bug::EpochKept) => known,
        _ => short_random(),
    };
    let mut batch = Batch::default();
    let unsynced = u64::from(durability == Durability::Interval);
    for (name, value) in [(GENERATION, generation), (UNSYNCED, unsynced), (BOOT, boot)] {
        put(&mut batch, name, value);
    }
    rows.apply(&batch)?;
    rows.sync()?;
    Ok(Life { generation, boot })
}

/// Takes the mark away, at a clean end.
pub(super) fn end(rows: &dyn Rows) -> Result<(), EngineError> {
    rows.sync()?;
    let mut batch = Batch::default();
    put(&mut batch, UNSYNCED, 0);
    rows.apply(&batch)?;
    rows.sync()
}

/// The number for the next new channel.
pub(crate) fn next_channel(rows: &dyn Rows) -> Result<ChannelId, EngineError> {
    Ok(read(rows, NEXT_CHANNEL)?.unwrap_or(1))
}

/// The row that says so.
pub(crate) fn next_channel_row(next: ChannelId) -> (Vec<u8>, bytes::Bytes) {
    let key = keys::store(NEXT_CHANNEL);
    let value = seal::number(&key, next);
    (key, value)
}

/// Whether all channels are in the index.
pub(super) fn is_indexed(rows: &dyn Rows) -> Result<bool, EngineError> {
    Ok(read(rows, INDEXED)? == Some(1))
}

/// They are from now on.
pub(super) fn indexed(rows: &dyn Rows) -> Result<(), EngineError> {
    let mut batch = Batch::default();
    put(&mut batch, INDEXED, 1);
    rows.apply(&batch)?;
    rows.sync()
}

/// 48 random bits: 10 characters at most in an epoch.
pub(crate) fn short_random() -> u64 {
    u64::from_be_bytes(clock::random()) >> 16
}

fn read(rows: &dyn Rows, name: &str) -> Result<Option<u64>, EngineError> {
    let key = keys::store(name);
    let value = rows.get(&key)?;
    value
        .map(|value| seal::open_number(&key, &value))
        .transpose()
        .map_err(|bad| EngineError::Damaged(format!("the store's row {name:?}: {bad}")))
}

fn put(batch: &mut Batch, name: &str, value: u64) {
    let key = keys::store(name);
    let value = seal::number(&key, value);
    batch.put(key, value);
}
