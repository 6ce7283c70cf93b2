//! What is done step by step beside a server, or without one: each step reads a page, and says some lines about it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::backup::Backup;
use super::erase::Erase;
use super::export::Export;
use super::fault::Stop;
use super::stats::Stats;
use crate::clock;
use crate::model::{ChannelName, Seq};
use crate::store::{Archive, Meta};

/// What is wanted.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// All of it, as lines of a backup.
    Backup,
    /// Channels and messages for other programs; all channels if none is named.
    Export {
        /// Their names.
        channels: Vec<String>,
    },
    /// A user's messages without their bodies.
    Erase {
        /// Whose.
        user: String,
        /// Only say how many there are.
        dry_run: bool,
    },
    /// How much there is.
    Stats,
}

/// Who is told that messages lost their bodies.
pub(crate) type Forget = Arc<dyn Fn(&ChannelName, &[Seq]) + Send + Sync>;

/// What work on a store goes through.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) archive: Archive,
    pub(crate) meta: Arc<dyn Meta>,
    pub(crate) bytes_on_disk: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub(crate) forget: Forget,
}

/// Work that is done in steps.
pub(crate) trait Job: Send {
    /// The next step, and the lines that come of it; `None` when all is done. Blocks on the disk.
    fn step(&mut self) -> Result<Option<Vec<u8>>, Stop>;
}

/// Begins what is wanted.
pub(crate) fn begin(order: Order, tools: Tools) -> Result<Box<dyn Job>, Stop> {
    Ok(match order {
        Order::Backup => Box::new(Backup::new(tools, clock::wall())?),
        Order::Export { channels } => Box::new(Export::new(tools, &channels)?),
        Order::Erase { user, dry_run } => Box::new(Erase::new(tools, &user, dry_run)?),
        Order::Stats => Box::new(Stats::new(tools)),
    })
}

/// The last line of work that failed.
pub(crate) fn failed(why: &str) -> Vec<u8> {
    format!("{}\n", serde_json::json!({ "failed": why })).into_bytes()
}

/// A line of JSON.
pub(super) fn line(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Stop> {
    serde_json::to_writer(&mut *out, value).map_err(std::io::Error::from)?;
    out.push(b'\n');
    Ok(())
}
