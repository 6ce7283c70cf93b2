//! What has to go of a log. Pure.

use serde::Serialize;
use utoipa::ToSchema;

use crate::config;
use crate::model::{Hour, Seq, Wall};
use crate::store::Keep;

/// How much of one channel is kept; 0 is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
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

/// A log, as far as it has to be known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log<'a> {
    /// The oldest message kept.
    pub first: Seq,
    /// The newest.
    pub head: Seq,
    /// The hours of which messages are kept, ascending, each with the first of them.
    pub hours: &'a [(Hour, Seq)],
    /// Whether those are all; if not, they are two at least.
    pub whole: bool,
    /// The bytes of all bodies that are kept, if they were counted.
    pub bytes: Option<u64>,
    /// The bytes of the oldest hour's, if they were counted.
    pub front: Option<u64>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All of it may stay.
    Nothing,
    /// What lies below has to go.
    Trim(Seq),
    /// The oldest hour ends here, and has to be counted by itself.
    Weigh(Seq),
    /// As many of the oldest messages have to go as have so many bytes together, but not the newest of all.
    Cut(u64),
}

impl Bounds {
    /// Whether all of a log stays whatever it is.
    pub fn is_none(&self) -> bool {
        (self.age_s, self.count, self.bytes) == (0, 0, 0)
    }

    /// What has to go first. Asked again when that is done, it says in the end that all may stay.
    ///
    /// Nothing goes that a bound says is to stay, and what goes goes by whole hours; only an hour that exceeds a bound by
    /// itself is cut.
    pub(super) fn next(&self, now: Wall, log: &Log<'_>) -> Step {
        if log.first > log.head || log.hours.is_empty() {
            return Step::Nothing;
        }
        let below = self.by_age(now, log).max(self.by_count(log));
        if below > log.first { Step::Trim(below) } else { self.by_bytes(log) }
    }

    fn by_age(&self, now: Wall, log: &Log<'_>) -> Seq {
        if self.age_s == 0 {
            return log.first;
        }
        let age_ms = i64::try_from(self.age_s).unwrap_or(i64::MAX).saturating_mul(1000);
        let oldest = Wall(now.0.saturating_sub(age_ms)).hour();
        let stays = log.hours.iter().find(|(hour, _)| *hour >= oldest);
        stays.map_or_else(|| log.known_end(), |(_, first)| *first)
    }

    fn by_count(&self, log: &Log<'_>) -> Seq {
        if self.count == 0 || log.head + 1 - log.first <= self.count {
            return log.first;
        }
        let stays = log.head + 1 - self.count;
        let behind = log.hours.partition_point(|(_, first)| *first <= stays);
        let start = behind.checked_sub(1).map_or(log.first, |at| log.hours[at].1);
        match log.hours.get(behind) {
            Some((_, end)) if end - start > self.count => stays,
            None if log.whole && log.head + 1 - start > self.count => stays,
            _ => start,
        }
    }

    fn by_bytes(&self, log: &Log<'_>) -> Step {
        let Some(excess) = log.bytes.and_then(|bytes| bytes.checked_sub(self.bytes)) else { return Step::Nothing };
        if self.bytes == 0 || excess == 0 {
            return Step::Nothing;
        }
        let Some((_, end)) = log.hours.get(1) else {
            // There is but one hour.
            return if log.first < log.head { Step::Cut(excess) } else { Step::Nothing };
        };
        match log.front {
            None => Step::Weigh(end - 1),
            Some(front) if front <= excess => Step::Trim(*end),
            Some(front) if front > self.bytes => Step::Cut(excess),
            Some(_) => Step::Nothing,
        }
    }
}

impl Log<'_> {
    /// Where what is known of it ends.
    fn known_end(&self) -> Seq {
        match self.hours.last() {
            Some((_, last)) if !self.whole => *last,
            _ => self.head + 1,
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
