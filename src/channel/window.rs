//! The newest messages of a channel, encoded, in memory. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use super::resume::FIRST_MAX;
use crate::model::{Hour, Seq};
use crate::protocol::Posted;

/// How many bytes a window holds, beyond its newest message: what is missing can be had from the log.
const BYTES_MAX: usize = 1024 * 1024;

/// At most `capacity` of the newest messages, without a hole.
#[derive(Debug)]
pub(super) struct Window {
    messages: VecDeque<Arc<Posted>>,
    capacity: usize,
    bytes: usize,
}

impl Window {
    /// One that holds `capacity` messages, and as many as a first visit shows at least.
    pub fn new(capacity: usize) -> Self {
        Self { messages: VecDeque::new(), capacity: capacity.max(FIRST_MAX as usize), bytes: 0 }
    }

    /// Takes the next message; one that does not follow the last starts the window afresh.
    pub fn push(&mut self, message: Arc<Posted>) {
        if self.messages.back().is_some_and(|last| last.seq + 1 != message.seq) {
            self.messages.clear();
            self.bytes = 0;
        }
        self.bytes += message.frame.len();
        self.messages.push_back(message);
        while self.messages.len() > self.capacity || (self.bytes > BYTES_MAX && self.messages.len() > 1) {
            self.bytes -= self.messages.pop_front().map_or(0, |oldest| oldest.frame.len());
        }
    }

    /// Forgets the messages below `first`, but not the newest of all.
    pub fn forget(&mut self, first: Seq) {
        while self.messages.len() > 1 && self.messages.front().is_some_and(|oldest| oldest.seq < first) {
            self.bytes -= self.messages.pop_front().map_or(0, |oldest| oldest.frame.len());
        }
    }

    /// Everything from `from` on, if all of it is here.
    pub fn since(&self, from: Seq) -> Option<Vec<Arc<Posted>>> {
        let first = self.messages.front()?.seq;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        Some(self.messages.iter().skip(skip).cloned().collect())
    }

    /// Shows these messages without their bodies from now on.
    pub fn erase(&mut self, seqs: &[Seq]) {
        for message in self.messages.iter_mut().filter(|message| seqs.contains(&message.seq)) {
            let erased = Arc::new(message.erased());
            self.bytes = self.bytes - message.frame.len() + erased.frame.len();
            *message = erased;
        }
    }

    /// The newest message.
    pub fn newest(&self) -> Option<&Arc<Posted>> {
        self.messages.back()
    }

    /// How many of the newest are of `hour`.
    pub fn of_hour(&self, hour: Hour) -> u64 {
        self.messages.iter().rev().take_while(|message| message.at.hour() == hour).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{ChannelName, Message, Wall};

    fn posted(seq: Seq, hour: i64) -> Arc<Posted> {
        Arc::new(Posted::new(&ChannelName::stored("a").unwrap(), &Message::sample(seq, Wall(hour * 3_600_000))))
    }

    proptest! {
        #[test]
        fn the_window_holds_what_a_plain_list_would(capacity in 50usize..58, count in 0u64..80, from in 0u64..90) {
            let mut window = Window::new(capacity);
            let mut all: Vec<Seq> = Vec::new();
            for seq in 1..=count {
                window.push(posted(seq, 0));
                all.push(seq);
            }
            let kept = all.split_off(all.len().saturating_sub(capacity));
            let got = window.since(from).map(|page| page.iter().map(|m| m.seq).collect::<Vec<_>>());
            let want = kept.first().filter(|&&first| from >= first);
            prop_assert_eq!(got, want.map(|_| kept.iter().copied().filter(|&seq| seq >= from).collect()));
        }
    }

    #[test]
    fn only_the_newest_run_of_an_hour_counts() {
        let mut window = Window::new(9);
        for (seq, hour) in [(1, 7), (2, 8), (3, 9), (4, 9)] {
            window.push(posted(seq, hour));
        }
        assert_eq!((window.of_hour(Hour(9)), window.of_hour(Hour(8))), (2, 0));
    }

    #[test]
    fn what_was_erased_is_shown_without_its_body_and_the_rest_stays() {
        let message = |seq| Message { body: r#"{"text":"secret"}"#.into(), ..Message::sample(seq, Wall(0)) };
        let posted = |seq| Arc::new(Posted::new(&ChannelName::stored("a").unwrap(), &message(seq)));
        let mut window = Window::new(9);
        (1..=4).for_each(|seq| window.push(posted(seq)));
        window.erase(&[2, 3, 9]);
        let shown = window.since(1).unwrap();
        let secrets: Vec<Seq> = shown.iter().filter(|m| m.frame.contains("secret")).map(|m| m.seq).collect();
        assert_eq!(secrets, [1, 4]);
        assert_eq!(window.bytes, shown.iter().map(|message| message.frame.len()).sum::<usize>());
    }

    #[test]
    fn a_jump_starts_the_window_afresh() {
        let mut window = Window::new(9);
        window.push(posted(1, 0));
        window.push(posted(5, 0));
        assert!(window.since(1).is_none());
        assert_eq!(window.since(5).unwrap().len(), 1);
    }
}
