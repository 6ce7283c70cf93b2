//! Activities whose unread messages are being counted: whom to tell when that is done. Pure.
//!
//! Whoever has heard the last of a channel meanwhile is told no more.

use crate::model::maps::HashMap;
use crate::model::{ChannelName, Conn};

/// By channel: the numbers of what is being read there, and for whom.
#[derive(Debug, Default)]
pub(super) struct Counts(HashMap<ChannelName, Vec<(u64, Vec<Conn>)>>);

impl Counts {
    /// The read of this number counts for these sessions.
    pub fn begin(&mut self, channel: &ChannelName, read: u64, conns: Vec<Conn>) {
        self.0.entry(channel.clone()).or_default().push((read, conns));
    }

    /// That is done. Returns whom to tell.
    pub fn end(&mut self, channel: &ChannelName, read: u64) -> Vec<Conn> {
        let Some(waiting) = self.0.get_mut(channel) else { return Vec::new() };
        let place = waiting.iter().position(|(other, _)| *other == read);
        let conns = place.map(|place| waiting.swap_remove(place).1);
        if waiting.is_empty() {
            self.0.remove(channel);
        }
        conns.unwrap_or_default()
    }

    /// A session is to hear nothing more of a channel.
    pub fn forget(&mut self, channel: &ChannelName, conn: Conn) {
        for (_, conns) in self.0.get_mut(channel).into_iter().flatten() {
            conns.retain(|other| *other != conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_heard_the_last_of_a_channel_is_not_told_and_nothing_is_kept() {
        let conn = |count| Conn { boot: 1, count };
        let (a, b) = (ChannelName::stored("a").unwrap(), ChannelName::stored("b").unwrap());
        let mut counts = Counts::default();
        counts.begin(&a, 1, vec![conn(1), conn(2)]);
        counts.begin(&a, 2, vec![conn(2)]);
        counts.begin(&b, 3, vec![conn(2)]);
        counts.forget(&a, conn(2));
        assert_eq!([counts.end(&a, 1), counts.end(&a, 2)], [vec![conn(1)], vec![]]);
        assert_eq!([counts.end(&b, 3), counts.end(&b, 3)], [vec![conn(2)], vec![]]);
        assert!(counts.0.is_empty());
    }
}
