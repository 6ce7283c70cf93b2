//! Whether the store can take writes, for `/readyz` and for the writer itself.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::rows::Rows;
use crate::clock;

/// The disk is asked for its free space no more often than this.
const ASK: Duration = Duration::from_secs(1);

/// What the store is up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// All well.
    Ok,
    /// Appends are refused until there is more free space; reads go on.
    LowSpace,
    /// No write is taken until the engine was reopened.
    Failed(String),
}

/// Keeps the answer.
#[derive(Debug)]
pub(super) struct Watch {
    reserve: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failed: Option<String>,
    asked: Option<Instant>,
    low: bool,
}

impl Watch {
    /// Space is low below `reserve` bytes.
    pub(super) fn new(reserve: u64) -> Self {
        Self { reserve, state: Mutex::default() }
    }

    pub(super) fn failed(&self, why: String) {
        self.state.lock().failed = Some(why);
    }

    pub(super) fn recovered(&self) {
        self.state.lock().failed = None;
    }

    /// Whether too little space is left; asks the disk at most once a second.
    pub(super) fn low_space(&self, rows: &dyn Rows) -> bool {
        if self.reserve == 0 {
            return false;
        }
        let now = clock::stamp();
        let mut state = self.state.lock();
        if state.asked.is_none_or(|asked| now.duration_since(asked) >= ASK) {
            state.asked = Some(now);
            // One who cannot be asked is not full: a write will tell.
            let low = rows.free_bytes().is_ok_and(|free| free < self.reserve);
            if low != state.low {
                log::warn!("free space of the store is {} its reserve", if low { "below" } else { "above" });
            }
            state.low = low;
        }
        state.low
    }

    pub(super) fn show(&self, rows: &dyn Rows) -> Health {
        if let Some(why) = self.state.lock().failed.clone() {
            return Health::Failed(why);
        }
        if self.low_space(rows) { Health::LowSpace } else { Health::Ok }
    }
}
