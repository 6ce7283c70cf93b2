//! How sessions ended, remembered for a while, so that a client that comes for its events learns why. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::Digest;
use crate::model::Moment;
use crate::model::maps::HashMap;
use crate::protocol::CloseCode;

/// For how long (protocol, section 5).
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many at most; with more, the oldest are forgotten early.
const MOST: usize = 100_000;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// As a WebSocket would have been closed.
    pub code: CloseCode,
    /// When it makes sense to come back, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// Sessions that ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    ends: HashMap<Digest, End>,
    order: VecDeque<(Moment, Digest)>,
}

impl Ended {
    /// A session ended.
    pub fn add(&mut self, session: Digest, end: End, now: Moment) {
        self.forget(now);
        self.ends.insert(session, end);
        self.order.push_back((now, session));
    }

    /// How a session ended, if that is known.
    pub fn get(&mut self, session: &Digest, now: Moment) -> Option<End> {
        self.forget(now);
        self.ends.get(session).copied()
    }

    fn forget(&mut self, now: Moment) {
        let old = |(then, _): &(Moment, Digest)| now.since(*then) >= REMEMBERED;
        while self.order.front().is_some_and(|first| old(first) || self.order.len() >= MOST) {
            if let Some((_, session)) = self.order.pop_front() {
                self.ends.remove(&session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_remembered_for_a_minute() {
        let mut ended = Ended::default();
        let end = End { code: CloseCode::Draining, retry_after_ms: None };
        ended.add([1; 32], end, Moment(0));
        ended.add([2; 32], end, Moment(500));
        assert_eq!(ended.get(&[1; 32], Moment(59_999)), Some(end));
        assert_eq!(ended.get(&[1; 32], Moment(60_000)), None);
        assert_eq!(ended.get(&[2; 32], Moment(60_000)), Some(end));
        assert_eq!(ended.get(&[3; 32], Moment(60_000)), None);
    }
}
