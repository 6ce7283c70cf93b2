//! What waits to be written to one client, bounded in bytes. Pure.
//!
//! Over a connection frames are taken once. Where an answer may be lost they are numbered, from 1, and kept until the
//! client says that it has them (protocol, section 5).

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Moment;
use crate::planted::{Bug, planted};
use crate::protocol::{CloseCode, Frame};

/// The queue is full: its session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// How far the frames of a numbered outbox have got.
#[derive(Debug, Default)]
struct Numbers {
    /// The newest that the client said it has: the number before the first that is kept.
    acknowledged: u64,
    /// The newest that was handed out.
    sent: u64,
}

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
    numbers: Option<Numbers>,
}

impl Outbox {
    /// An empty one that holds at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, limit, ping: false, close: None, stuck_since: None, numbers: None }
    }

    /// The same, with frames that are numbered.
    pub fn numbered(limit: usize) -> Self {
        Self { numbers: Some(Numbers::default()), ..Self::new(limit) }
    }

    /// Whether frames are kept until the client says that it has them.
    pub fn is_numbered(&self) -> bool {
        self.numbers.is_some()
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

    /// Asks for a ping, after what is queued. Where frames are numbered, the client's asking for them is the sign of
    /// life.
    pub fn ping(&mut self, now: Moment) {
        if self.is_numbered() {
            return;
        }
        self.ping = self.close.is_none();
        self.stuck_since.get_or_insert(now);
    }

    /// Queues the end, preceded by `last`. With `discard` what was queued before is dropped. Where frames are numbered,
    /// whoever asks for more is told of the end instead, and `last` is not queued.
    pub fn close(&mut self, code: CloseCode, last: Option<Frame>, discard: bool, now: Moment) {
        if self.close.is_some() {
            return;
        }
        if discard {
            self.frames.clear();
            self.bytes = 0;
        }
        let last = last.filter(|_| !self.is_numbered());
        self.bytes += last.as_ref().map_or(0, |frame| frame.len());
        self.frames.extend(last);
        self.ping = false;
        self.close = Some(code);
        self.stuck_since.get_or_insert(now);
    }

    /// Takes frames to write, about `most` bytes but at least one. Returns how many, and their bytes.
    pub fn take(&mut self, most: usize, now: Moment, mut write: impl FnMut(Frame)) -> (usize, usize) {
        let (mut count, mut size) = (0, 0);
        while self.frames.front().is_some_and(|frame| size == 0 || size + frame.len() <= most) {
            let Some(frame) = self.frames.pop_front() else { break };
            count += 1;
            size += frame.len();
            write(frame);
        }
        self.bytes -= size;
        self.stuck_since = if self.is_empty() { None } else { Some(now) };
        (count, size)
    }

    /// Drops the numbered frames up to `number`, which the client has. If it cannot have them, or said so before of
    /// newer ones, the newest number that it said it has.
    pub fn acknowledge(&mut self, number: u64, now: Moment) -> Result<(), u64> {
        let Some(Numbers { acknowledged, sent }) = &mut self.numbers else { return Err(0) };
        if number < *acknowledged || number > *sent {
            return Err(*acknowledged);
        }
        let more = u64::from(planted(Bug::ForgotAcknowledged) && number > *acknowledged);
        let done = self.frames.drain(..((number + more - *acknowledged) as usize).min(self.frames.len()));
        let (count, size) = done.fold((0, 0), |(count, size), frame| (count + 1, size + frame.len()));
        *acknowledged = number;
        self.bytes -= size;
        if self.frames.is_empty() {
            self.stuck_since = None;
        } else if count > 0 {
            self.stuck_since = Some(now);
        }
        Ok(())
    }

    /// The numbered frames that the client does not have, about `most` bytes but at least one, if there are any, and
    /// the number of the last of them.
    pub fn page(&mut self, most: usize, now: Moment) -> (Vec<Frame>, u64) {
        let Some(Numbers { acknowledged, sent }) = &mut self.numbers else { return (Vec::new(), 0) };
        let mut size = 0;
        let fits = |frame: &&Frame| {
            let first = size == 0;
            size += frame.len();
            first || size <= most
        };
        let page: Vec<Frame> = self.frames.iter().take_while(fits).cloned().collect();
        let last = *acknowledged + page.len() as u64;
        if last > *sent {
            *sent = last;
            self.stuck_since = Some(now);
        }
        (page, last)
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

    /// How many bytes may wait.
    pub fn limit(&self) -> usize {
        self.limit
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
                    outbox.take(most, Moment(0), |frame| got.push(frame));
                }
            }
            while !outbox.is_empty() {
                outbox.take(most, Moment(0), |frame| got.push(frame));
            }
            prop_assert_eq!(got, model);
        }
    }

    proptest! {
        #[test]
        fn numbered_frames_come_again_until_they_are_acknowledged(
            steps in proptest::collection::vec((0usize..4, 1u64..6, 1usize..40), 1..80),
        ) {
            let mut outbox = Outbox::numbered(1 << 20);
            // The model: every frame there ever was, the newest that was acknowledged, the newest that was sent.
            let (mut all, mut acknowledged, mut sent) = (Vec::<Frame>::new(), 0u64, 0u64);
            for (kind, number, size) in steps {
                match kind {
                    0 => {
                        all.push(format!("{:0>size$}", all.len()).into());
                        outbox.push(all[all.len() - 1].clone(), Moment(0)).unwrap();
                    }
                    1 => {
                        let number = acknowledged + number - 1;
                        let good = number <= sent;
                        prop_assert_eq!(outbox.acknowledge(number, Moment(0)), if good { Ok(()) } else { Err(acknowledged) });
                        acknowledged = if good { number } else { acknowledged };
                    }
                    2 => {
                        let old = acknowledged.saturating_sub(number);
                        let expected = if old == acknowledged { Ok(()) } else { Err(acknowledged) };
                        prop_assert_eq!(outbox.acknowledge(old, Moment(0)), expected);
                    }
                    _ => {
                        let (page, last) = outbox.page(size, Moment(0));
                        prop_assert_eq!(last, acknowledged + page.len() as u64);
                        prop_assert_eq!(&page[..], &all[acknowledged as usize..last as usize]);
                        let bytes: usize = page.iter().map(|frame| frame.len()).sum();
                        prop_assert!(page.len() <= 1 || bytes <= size);
                        prop_assert!(!page.is_empty() || all.len() as u64 == acknowledged);
                        sent = sent.max(last);
                    }
                }
                let waiting: usize = all[acknowledged as usize..].iter().map(|frame| frame.len()).sum();
                prop_assert_eq!(outbox.bytes(), waiting);
            }
        }
    }

    #[test]
    fn a_client_that_only_asks_for_the_same_again_is_stuck() {
        let mut outbox = Outbox::numbered(100);
        outbox.push("a".into(), Moment(5)).unwrap();
        outbox.ping(Moment(6));
        assert!(!outbox.take_ping());
        outbox.page(100, Moment(7));
        outbox.page(100, Moment(50));
        assert_eq!(outbox.stuck(Moment(57)), Duration::from_millis(50));
        outbox.acknowledge(1, Moment(60)).unwrap();
        assert_eq!(outbox.stuck(Moment(90)), Duration::ZERO);
    }

    #[test]
    fn a_close_comes_last_and_nothing_follows_it() {
        let mut outbox = Outbox::new(100);
        outbox.push("a".into(), Moment(0)).unwrap();
        outbox.close(CloseCode::Normal, Some("bye".into()), false, Moment(0));
        outbox.push("b".into(), Moment(0)).unwrap();
        outbox.close(CloseCode::Timeout, None, true, Moment(0));
        assert_eq!(outbox.take_close(), None);
        let mut taken = Vec::new();
        outbox.take(100, Moment(0), |frame| taken.push(frame));
        assert_eq!(taken, ["a", "bye"]);
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
        outbox.take(1, Moment(8), drop);
        assert_eq!(outbox.stuck(Moment(9)), Duration::from_millis(1));
        outbox.take(1, Moment(8), drop);
        assert_eq!(outbox.stuck(Moment(9)), Duration::ZERO);
    }
}
