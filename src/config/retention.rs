//! `[retention]`: how much of a channel is kept where nothing else is said of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::Check;
use crate::model::MAX_SEQ;

/// A hundred years.
pub(crate) const AGE_MAX_S: u64 = 3_153_600_000;
/// The highest bound of messages.
pub(crate) const COUNT_MAX: u64 = MAX_SEQ;
/// The highest bound of bytes.
pub(crate) const BYTES_MAX: u64 = 1 << 60;

/// How much of a channel is kept where its own record does not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Messages older than this go, in seconds; 0 for ever.
    pub age_s: u64,
    /// So many of the newest stay; 0 for all.
    pub count: u64,
    /// So many bytes of the newest bodies stay; 0 for all.
    pub bytes: u64,
    /// How often channels are looked at.
    pub every: Duration,
}

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) age_s: u64,
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) every_s: u64,
}

impl Default for Raw {
    fn default() -> Self {
        Self { age_s: 0, count: 0, bytes: 0, every_s: 600 }
    }
}

impl From<&Retention> for Raw {
    fn from(from: &Retention) -> Self {
        Self { age_s: from.age_s, count: from.count, bytes: from.bytes, every_s: from.every.as_secs() }
    }
}

impl Raw {
    /// What it means.
    pub(super) fn check(&self, check: &mut Check<'_>) -> Retention {
        Retention {
            age_s: check.within("retention.age_s", self.age_s, 0..=AGE_MAX_S),
            count: check.within("retention.count", self.count, 0..=COUNT_MAX),
            bytes: check.within("retention.bytes", self.bytes, 0..=BYTES_MAX),
            every: Duration::from_secs(check.within("retention.every_s", self.every_s, 1..=24 * 3600)),
        }
    }
}
