//! When to try again, and over which transport. Pure.

use std::time::Duration;

use super::options::{Choice, Rules, Transport};
use crate::model::{Moment, jittered};

/// How long to wait after so many tries: what the server said, else a random part of what doubles.
pub(super) fn wait(rules: &Rules, tries: u32, retry_after_ms: Option<u64>, dice: u64) -> Duration {
    let jitter = jittered(rules.backoff_base, rules.backoff_cap, tries, dice);
    retry_after_ms.map_or(jitter, Duration::from_millis)
}

/// What the server said about when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Not before this.
    NotBefore(u64),
    /// Within this.
    Within(u64),
}

/// The tries of one client.
#[derive(Debug)]
pub(super) struct Backoff {
    choice: Choice,
    base: Duration,
    cap: Duration,
    steady: Duration,
    /// Over which one the last welcome came.
    good: Transport,
    /// Connections in a row that did not come as far as a word of the server.
    failed: u32,
    tries: u32,
    online: Option<Moment>,
}

impl Backoff {
    /// Nothing was tried yet.
    pub fn new(choice: Choice, rules: &Rules) -> Self {
        let good = match choice {
            Choice::Auto => Transport::WebSocket,
            Choice::Only(transport) => transport,
        };
        let (base, cap, steady) = (rules.backoff_base, rules.backoff_cap, rules.steady);
        Self { choice, base, cap, steady, good, failed: 0, tries: 0, online: None }
    }

    /// A hello was welcomed over this transport.
    pub fn welcomed(&mut self, now: Moment, over: Transport) {
        self.good = over;
        self.failed = 0;
        self.online = Some(now);
    }

    /// A connection was lost, or could not be made. `spoke` says whether the server itself had a word in it, so that
    /// the transport is not to blame. Returns how long to wait.
    pub fn lost(&mut self, now: Moment, dice: u64, spoke: bool, hint: Option<Hint>) -> Duration {
        match self.online.take() {
            Some(since) if now.since(since) >= self.steady => self.tries = 0,
            None if !spoke => self.failed += 1,
            _ => {}
        }
        // The other transport is tried at once, the first time.
        if self.choice == Choice::Auto && self.failed == 1 && hint.is_none() {
            return Duration::ZERO;
        }
        let wait = jittered(self.base, self.cap, self.tries, dice);
        self.tries = self.tries.saturating_add(1);
        match hint {
            None => wait,
            Some(Hint::NotBefore(ms)) => Duration::from_millis(ms).saturating_add(wait.min(self.base)),
            Some(Hint::Within(ms)) => Duration::from_millis(dice % (ms + 1)),
        }
    }

    /// What to try next.
    pub fn transport(&self) -> Transport {
        if self.choice == Choice::Auto && self.failed % 2 == 1 { self.good.other() } else { self.good }
    }
}

#[cfg(test)]
mod tests {
    use super::Transport::{LongPoll, WebSocket};
    use super::*;

    const ALL: u64 = u64::MAX;

    fn backoff(choice: Choice) -> Backoff {
        Backoff::new(choice, &Rules::default())
    }

    fn ms(wait: Duration) -> u128 {
        wait.as_millis()
    }

    #[test]
    fn auto_tries_the_other_transport_at_once_and_then_takes_turns() {
        let mut backoff = backoff(Choice::Auto);
        let mut seen = vec![];
        for _ in 0..4 {
            seen.push(backoff.transport());
            backoff.lost(Moment(0), ALL, false, None);
        }
        assert_eq!(seen, [WebSocket, LongPoll, WebSocket, LongPoll]);
    }

    #[test]
    fn the_transport_that_worked_last_is_tried_first() {
        let mut backoff = backoff(Choice::Auto);
        backoff.lost(Moment(0), 0, false, None);
        backoff.welcomed(Moment(0), Transport::LongPoll);
        backoff.lost(Moment(1), 0, false, None);
        assert_eq!(backoff.transport(), Transport::LongPoll);
        backoff.lost(Moment(2), 0, true, None);
        assert_eq!(backoff.transport(), Transport::LongPoll, "the server spoke: the transport is not to blame");
        backoff.lost(Moment(2), 0, false, None);
        assert_eq!(backoff.transport(), Transport::WebSocket);
    }

    #[test]
    fn a_fixed_transport_stays_and_waits_from_the_first_failure_on() {
        let mut backoff = backoff(Choice::Only(Transport::LongPoll));
        assert_eq!(ms(backoff.lost(Moment(0), 250, false, None)), 250);
        assert_eq!(ms(backoff.lost(Moment(0), 500, false, None)), 500);
        assert_eq!(backoff.transport(), Transport::LongPoll);
    }

    #[test]
    fn only_a_steady_connection_makes_the_waits_short_again() {
        let mut backoff = backoff(Choice::Only(Transport::WebSocket));
        for (online, longest) in [(0, 250), (9_999, 500), (10_000, 250)] {
            backoff.welcomed(Moment(0), Transport::WebSocket);
            assert_eq!(ms(backoff.lost(Moment(online), longest, true, None)), u128::from(longest));
        }
    }

    #[test]
    fn what_the_server_said_goes_first() {
        let mut backoff = backoff(Choice::Auto);
        assert_eq!(ms(backoff.lost(Moment(0), 100, true, Some(Hint::NotBefore(7000)))), 7100);
        assert_eq!(ms(backoff.lost(Moment(0), 900, true, Some(Hint::Within(1000)))), 900);
    }
}
