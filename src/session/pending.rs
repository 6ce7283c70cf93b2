//! Commands that have not been answered yet. Pure.
//!
//! Each has a ticket; an answer finds its command by it, once. One that nobody answers is answered here in time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{ChannelName, Moment, Role, UserName};
use crate::protocol::History;

/// Every command is answered within ten seconds (protocol, section 2); half a second is left for the way back.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(9500);

/// What a session is about to watch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watching {
    /// By name.
    pub users: Vec<UserName>,
    /// By being in this channel.
    pub channel: Option<(ChannelName, Vec<UserName>)>,
}

impl Watching {
    /// Users by name.
    pub fn of(users: Vec<UserName>) -> Self {
        Self { users, channel: None }
    }
}

/// What an answer has to be made of.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// `joined`
    Join,
    /// `left`
    Leave,
    /// `published`
    Publish,
    /// `ok`
    Done,
    /// `who`
    Who,
    /// `history`, once it is known where the log stands.
    History(Box<History>),
    /// `presence`
    Presence,
    /// `watching`
    Watch(Watching),
    /// `watching`, once it is known who is in the channel, if it is still wanted; and these users.
    WatchChannel(Vec<UserName>, bool),
    /// `contacts`
    Contacts,
    /// `unwatched`
    Unwatch,
    /// `channels`
    Channels,
    /// `refreshed`
    Refresh,
    /// `created`
    Create,
    /// `members`, once it is known who they are: with their roles, and whether more follow.
    Members(Vec<(UserName, Role)>, bool),
}

impl What {
    /// Whether the answer tells who is in a channel, and who comes.
    pub fn is_watch(&self) -> bool {
        matches!(self, Self::Watch(_) | Self::WatchChannel(..))
    }

    /// Whether the answer tells what is in a channel, or who.
    pub fn is_read(&self) -> bool {
        self.is_watch() || matches!(self, Self::History(_) | Self::Members(..) | Self::Who)
    }
}

/// Where a command's answer goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct To {
    /// The client's name for the command.
    pub id: Option<String>,
    /// The place that its transport keeps for the answer. Without one the answer is a frame, and only if there is an id.
    pub slot: Option<u64>,
}

impl To {
    /// Whether a reply is wanted.
    pub fn is_wanted(&self) -> bool {
        self.id.is_some() || self.slot.is_some()
    }
}

/// A command that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Where the answer goes.
    pub to: To,
    /// The channel that was asked.
    pub channel: Option<ChannelName>,
    /// What it was.
    pub what: What,
    asked: Moment,
}

/// All of one session.
#[derive(Debug, Default)]
pub struct Pending {
    /// By ticket, ascending.
    waiting: VecDeque<(u64, Waiting)>,
    last: u64,
    publishes: usize,
}

impl Pending {
    /// Takes a command and gives its ticket. Tickets ascend from 1.
    pub fn open(&mut self, to: To, channel: Option<ChannelName>, what: What, asked: Moment) -> u64 {
        self.last += 1;
        self.publishes += usize::from(what == What::Publish);
        self.waiting.push_back((self.last, Waiting { to, channel, what, asked }));
        self.last
    }

    fn place(&self, ticket: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }

    /// A command that waits.
    pub fn get(&self, ticket: u64) -> Option<&Waiting> {
        self.place(ticket).map(|at| &self.waiting[at].1)
    }

    /// A command that waits now waits for something else.
    pub fn turn(&mut self, ticket: u64, what: What) {
        if let Some(at) = self.place(ticket) {
            self.waiting[at].1.what = what;
        }
    }

    /// Ends a command's wait; `None` if it was answered before.
    pub fn take(&mut self, ticket: u64) -> Option<Waiting> {
        let (_, waiting) = self.waiting.remove(self.place(ticket)?)?;
        self.publishes -= usize::from(waiting.what == What::Publish);
        if self.waiting.is_empty() {
            // Most sessions wait for nothing most of the time.
            self.waiting = VecDeque::new();
        }
        Some(waiting)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many publishes wait.
    pub fn publishes(&self) -> usize {
        self.publishes
    }

    /// When the oldest has to be answered by.
    pub fn due(&self) -> Option<Moment> {
        self.waiting.front().map(|(_, waiting)| waiting.asked.after(ANSWER_WITHIN))
    }

    /// Takes the oldest, if it has waited too long.
    pub fn take_overdue(&mut self, now: Moment) -> Option<Waiting> {
        let &(ticket, ref waiting) = self.waiting.front()?;
        if waiting.asked.after(ANSWER_WITHIN) > now {
            return None;
        }
        self.take(ticket)
    }

    /// Whether a command of this sort waits.
    pub fn has(&self, what: &What) -> bool {
        self.waiting.iter().any(|(_, waiting)| waiting.what == *what)
    }

    /// Users, or a channel's, are to be watched no more: not by a `watch` either that has not been answered yet.
    pub fn unwatch(&mut self, users: &[UserName], channel: Option<&ChannelName>) {
        for (_, waiting) in &mut self.waiting {
            match &mut waiting.what {
                What::Watch(watching) => {
                    watching.users.retain(|user| !users.contains(user));
                    watching.channel.take_if(|(name, _)| Some(&*name) == channel);
                }
                What::WatchChannel(named, wanted) => {
                    named.retain(|user| !users.contains(user));
                    *wanted &= waiting.channel.as_ref() != channel;
                }
                _ => {}
            }
        }
    }

    /// Takes all of this sort that were asked of `channel`.
    pub fn take_of(&mut self, channel: &ChannelName, sort: impl Fn(&What) -> bool) -> Vec<Waiting> {
        let is_one = |waiting: &Waiting| waiting.channel.as_ref() == Some(channel) && sort(&waiting.what);
        let theirs = self.waiting.iter().filter(|(_, waiting)| is_one(waiting));
        let tickets: Vec<u64> = theirs.map(|(ticket, _)| *ticket).collect();
        tickets.into_iter().filter_map(|ticket| self.take(ticket)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_answered_once_and_publishes_are_counted() {
        let mut pending = Pending::default();
        let a = pending.open(To::default(), None, What::Publish, Moment(0));
        let b = pending.open(To { id: Some("x".into()), slot: None }, None, What::Who, Moment(1));
        assert_eq!((pending.len(), pending.publishes()), (2, 1));
        assert!(pending.take(a).is_some() && pending.take(a).is_none());
        assert_eq!((pending.publishes(), pending.get(b).unwrap().to.id.as_deref()), (0, Some("x")));
    }

    #[test]
    fn the_oldest_is_due_first() {
        let mut pending = Pending::default();
        pending.open(To::default(), None, What::Who, Moment(0));
        pending.open(To::default(), None, What::Who, Moment(500));
        assert_eq!(pending.due(), Some(Moment(9500)));
        assert!(pending.take_overdue(Moment(9499)).is_none());
        assert!(pending.take_overdue(Moment(9999)).is_some());
        assert!(pending.take_overdue(Moment(9999)).is_none());
    }

    #[test]
    fn what_is_read_of_a_channel_is_taken_and_nothing_else() {
        let (a, b) = (ChannelName::stored("a").unwrap(), ChannelName::stored("b").unwrap());
        let mut pending = Pending::default();
        let mut open =
            |channel: &ChannelName, what| pending.open(To::default(), Some(channel.clone()), what, Moment(0));
        open(&a, What::Who);
        let publish = open(&a, What::Publish);
        open(&a, What::WatchChannel(Vec::new(), true));
        let other = open(&b, What::Who);
        let watch = pending.open(To::default(), None, What::Watch(Watching::default()), Moment(0));
        assert_eq!(pending.take_of(&a, What::is_watch).len(), 1);
        assert_eq!(pending.take_of(&a, What::is_read).len(), 1);
        assert!([publish, other, watch].iter().all(|ticket| pending.get(*ticket).is_some()));
        assert_eq!((pending.take_of(&a, |_| true).len(), pending.publishes()), (1, 0));
    }
}
