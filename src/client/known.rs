//! The newest message that is known of each channel, which is what the base of a publish is taken from. Pure.
//!
//! What was known over an older connection may be of a log that is gone. So before something is published in a channel
//! that is not heard, the server is asked once on each connection how far that has come.

use std::collections::BTreeMap;

use super::backoff::wait;
use super::error::Fault;
use super::options::Rules;
use super::track::Now;
use crate::model::maps::{HashMap, HashSet};
use crate::model::{Cursor, Epoch, Moment, Seq};

#[derive(Debug)]
enum Look {
    Due(Moment),
    Asked(u64),
}

/// All channels of which something is known, or asked.
#[derive(Debug)]
pub(super) struct Known {
    newest: HashMap<String, Cursor>,
    /// Those of which something was heard on this connection.
    fresh: HashSet<String>,
    looks: BTreeMap<String, Look>,
    fails: u32,
    rules: Rules,
}

impl Known {
    /// Nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self { newest: HashMap::default(), fresh: HashSet::default(), looks: BTreeMap::new(), fails: 0, rules }
    }

    /// The connection went.
    pub fn offline(&mut self) {
        self.fresh.clear();
        self.looks.clear();
    }

    /// A channel's log may have begun anew.
    pub fn doubt(&mut self, channel: &str) {
        self.fresh.remove(channel);
    }

    /// A channel's log has come as far as this.
    pub fn learn(&mut self, channel: &str, epoch: &Epoch, seq: Seq) {
        self.answered(channel);
        match self.newest.get_mut(channel) {
            Some(known) if known.epoch == *epoch => known.seq = known.seq.max(seq),
            _ => drop(self.newest.insert(channel.to_owned(), Cursor { epoch: epoch.clone(), seq })),
        }
    }

    /// The newest message that is known.
    pub fn newest(&self, channel: &str) -> Option<&Cursor> {
        self.newest.get(channel)
    }

    /// Whether something was heard of a channel on this connection.
    pub fn is_fresh(&self, channel: &str) -> bool {
        self.fresh.contains(channel)
    }

    /// Wants to know of a channel. Says whether it has to be asked.
    pub fn want(&mut self, channel: &str) -> bool {
        if self.is_fresh(channel) || self.looks.contains_key(channel) {
            return false;
        }
        self.looks.insert(channel.to_owned(), Look::Due(Moment(0)));
        true
    }

    /// Those that have to be asked about now, and when the next one has.
    pub fn needs(&self, now: Moment) -> (Vec<String>, Option<Moment>) {
        let due = |(channel, look): (&String, &Look)| match look {
            Look::Due(at) => Some((channel.clone(), *at)),
            Look::Asked(_) => None,
        };
        let (now_due, later): (Vec<_>, Vec<_>) = self.looks.iter().filter_map(due).partition(|(_, at)| *at <= now);
        (now_due.into_iter().map(|(channel, _)| channel).collect(), later.into_iter().map(|(_, at)| at).min())
    }

    /// It was asked about, under this id.
    pub fn asked(&mut self, channel: &str, id: u64) {
        self.looks.insert(channel.to_owned(), Look::Asked(id));
    }

    /// It is known now how it stands, or that nobody will say.
    pub fn answered(&mut self, channel: &str) {
        self.fails = 0;
        self.looks.remove(channel);
        if !self.fresh.contains(channel) {
            self.fresh.insert(channel.to_owned());
        }
    }

    /// It could not be said.
    pub fn failed(&mut self, now: Now, channel: &str, id: u64, fault: Option<&Fault>) {
        if !matches!(self.looks.get(channel), Some(Look::Asked(asked)) if *asked == id) {
            return;
        }
        if fault.is_none_or(Fault::passes) {
            let at =
                now.at.after(wait(&self.rules, self.fails, fault.and_then(|fault| fault.retry_after_ms), now.dice));
            self.fails += 1;
            self.looks.insert(channel.to_owned(), Look::Due(at));
        } else {
            // Whoever may not read it sends without a base.
            self.newest.remove(channel);
            self.answered(channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Code;

    #[test]
    fn a_channel_is_asked_about_once_on_each_connection() {
        let mut known = Known::new(Rules::default());
        let now = Now { at: Moment(5), dice: 0 };
        assert!(known.want("a") && !known.want("a"));
        assert_eq!(known.needs(now.at), (vec!["a".to_owned()], None));
        known.asked("a", 7);
        assert_eq!(known.needs(now.at), (vec![], None));
        let busy = Fault { retry_after_ms: Some(10), ..Fault::new(Code::Overloaded, "") };
        known.failed(now, "a", 7, Some(&busy));
        assert_eq!(known.needs(now.at), (vec![], Some(Moment(15))));
        known.learn("a", &Epoch("e".into()), 3);
        assert!(known.is_fresh("a") && !known.want("a"));
        known.offline();
        assert!(known.newest("a").is_some() && known.want("a"));
        known.asked("a", 8);
        known.failed(now, "a", 8, Some(&Fault::new(Code::Forbidden, "")));
        assert!(known.is_fresh("a") && known.newest("a").is_none());
    }
}
