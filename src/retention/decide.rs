//! What has to go of a log. Pure.

use serde::Serialize;

use crate::config;
use crate::store::Keep;

/// How much of one channel is kept; 0 is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Messages older than this go, in seconds.
    pub age_s: u64,
    /// So many of the newest stay.
    pub count: u64,
    /// So many bytes of the newest bodies stay.
    pub bytes: u64,
}

impl Bounds {
    /// What holds for a channel of which this is said: each that is set goes before the configuration's.
    pub fn of(config: &config::Retention, keep: Keep) -> Self {
        Self {
            age_s: keep.age_s.unwrap_or(config.age_s),
            count: keep.count.unwrap_or(config.count),
            bytes: keep.bytes.unwrap_or(config.bytes),
        }
    }
}
