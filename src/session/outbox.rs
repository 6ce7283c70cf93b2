//! What waits to be written to one client, bounded in bytes. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Moment;
use crate::protocol::{CloseCode, Frame};

/// The queue is full: its session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// Frames in order, then perhaps a close.
#[derive(Debug)]
pub struct Outbox {
    frames: VecDeque<Frame>,
    bytes: usize,
    limit: usize,
    ping: bool,
    close: Option<CloseCode>,
    /// Since when the client has taken nothing of what waits.
    stuck_since: Option<Moment>,
}

impl Outbox {
    /// An empty one that holds at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, limit, ping: false, close: None, stuck_since: None }
    }

    /// Queues a frame. After a close nothing is queued any more.
    pub fn push(&mut self, frame: Frame, now: Moment) -> Result<(), Overflow> {
        if self.close.is_some() {
            return Ok(());
        }
        if !self.frames.is_empty() && self.bytes + frame.len() > self.limit {
            return Err(Overflow);
        }
        self.bytes += frame.len();
        self.frames.push_back(frame);
        self.stuck_since.get_or_insert(now);
        Ok(())
    }

    /// Whether a message may be queued: a quarter of the room is kept for answers.
    pub fn fits(&self, bytes: usize) -> bool {
        self.frames.is_empty() || self.bytes + bytes <= self.limit - self.limit / 4
    }

    /// Asks for a ping, after what is queued.
    pub fn ping(&mut self, now: Moment) {
        self.ping = self.close.is_none();
        self.stuck_since.get_or_insert(now);
    }

    /// Queues the end, preceded by `last`. With `discard` what was queued before is dropped.
    pub fn close(&mut self, code: CloseCode, last: Option<Frame>, discard: bool, now: Moment) {
        if self.close.is_some() {
            return;
        }
        if discard {
            self.frames.clear();
            self.bytes = 0;
        }
        self.bytes += last.as_ref().map_or(0, |frame| frame.len());
        self.frames.extend(last);
        self.ping = false;
        self.close = Some(code);
        self.stuck_since.get_or_insert(now);
    }

    /// Takes frames to write, about `most` bytes but at least one.
    pub fn take(&mut self, most: usize, now: Moment) -> Vec<Frame> {
        let (mut taken, mut size) = (Vec::new(), 0);
        while let Some(frame) = self.frames.front() {
            if size > 0 && size + frame.len() > most {
                break;
            }
            size += frame.len();
            taken.extend(self.frames.pop_front());
        }
        self.bytes -= size;
        self.stuck_since = if self.is_empty() { None } else { Some(now) };
        taken
    }

    /// Takes the ping, if one was asked for and everything before it was taken.
    pub fn take_ping(&mut self) -> bool {
        let due = self.ping && self.frames.is_empty();
        if due {
            self.ping = false;
            self.stuck_since = None;
        }
        due
    }

    /// The end, once everything before it was taken.
    pub fn take_close(&mut self) -> Option<CloseCode> {
        if self.frames.is_empty() { self.close } else { None }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && !self.ping
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes of a replay there is room for: a quarter of all, while less than half is taken.
    pub fn room(&self) -> usize {
        if self.close.is_none() && self.bytes <= self.limit / 2 { self.limit / 4 } else { 0 }
    }

    /// Whether a replay may go on.
    pub fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// How long the client has taken nothing although something waited.
    pub fn stuck(&self, now: Moment) -> Duration {
        self.stuck_since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out_in_order_and_never_above_the_limit(
            sizes in proptest::collection::vec(1usize..50, 0..60), limit in 50usize..200, most in 1usize..300,
        ) {
            let mut outbox = Outbox::new(limit);
            let (mut model, mut got) = (Vec::new(), Vec::new());
            for (n, size) in sizes.iter().enumerate() {
                let frame: Frame = format!("{n:0>size$}").into();
                let waiting: usize = model[got.len()..].iter().map(|f: &Frame| f.len()).sum();
                prop_assert_eq!(outbox.bytes(), waiting);
                let fits = waiting == 0 || waiting + frame.len() <= limit;
                prop_assert_eq!(outbox.push(frame.clone(), Moment(0)).is_ok(), fits);
                if fits {
                    model.push(frame);
                }
                if n % 3 == 0 {
                    got.extend(outbox.take(most, Moment(0)));
                }
            }
            while !outbox.is_empty() {
                got.extend(outbox.take(most, Moment(0)));
            }
            prop_assert_eq!(got, model);
        }
    }

    #[test]
    fn a_close_comes_last_and_nothing_follows_it() {
        let mut outbox = Outbox::new(100);
        outbox.push("a".into(), Moment(0)).unwrap();
        outbox.close(CloseCode::Normal, Some("bye".into()), false, Moment(0));
        outbox.push("b".into(), Moment(0)).unwrap();
        outbox.close(CloseCode::Timeout, None, true, Moment(0));
        assert_eq!(outbox.take_close(), None);
        assert_eq!(outbox.take(100, Moment(0)), ["a", "bye"]);
        assert_eq!(outbox.take_close(), Some(CloseCode::Normal));
    }

    #[test]
    fn a_discarding_close_frees_what_waited() {
        let mut outbox = Outbox::new(100);
        outbox.push("x".repeat(90).into(), Moment(0)).unwrap();
        assert_eq!(outbox.push("x".repeat(20).into(), Moment(0)), Err(Overflow));
        outbox.close(CloseCode::TooSlow, Some("slow".into()), true, Moment(0));
        assert_eq!(outbox.bytes(), 4);
    }

    #[test]
    fn a_client_is_stuck_from_the_first_frame_that_it_does_not_take() {
        let mut outbox = Outbox::new(100);
        outbox.push("a".into(), Moment(5)).unwrap();
        outbox.push("b".into(), Moment(7)).unwrap();
        assert_eq!(outbox.stuck(Moment(9)), Duration::from_millis(4));
        outbox.take(1, Moment(8));
        assert_eq!(outbox.stuck(Moment(9)), Duration::from_millis(1));
        outbox.take(1, Moment(8));
        assert_eq!(outbox.stuck(Moment(9)), Duration::ZERO);
    }
}
