//! One channel that is wanted: how it stands on this connection, and what is missing of it. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::event::{Event, Joined, Message};
use super::options::{Rules, Start};
use super::outbox::Ticket;
use crate::model::{Cursor, Moment, Seq, jittered};

/// A point in time, and a random number to go with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub at: Moment,
    pub dice: u64,
}

#[derive(Debug)]
pub(super) struct Track {
    pub start: Start,
    pub member: bool,
    /// What the application has; none before the first `joined`.
    pub cursor: Option<Cursor>,
    pub stage: Stage,
    pub waiters: Vec<Ticket>,
    pub joined: Option<Joined>,
    /// Joins in a row that came to nothing.
    pub fails: u32,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Not heard on this connection; to be joined then.
    Idle(Moment),
    /// Under this id.
    Joining(u64),
    Filling(Fill),
    Live,
}

/// Reading what lies before `next`.
#[derive(Debug)]
pub(super) struct Fill {
    pub next: Seq,
    /// What came from `next` on.
    pub held: VecDeque<Message>,
    /// More came than is held, or something was lost: after this the channel is joined again.
    pub over: bool,
    pub page: Paging,
}

#[derive(Debug)]
pub(super) enum Paging {
    Due(Moment),
    Asked(u64),
}

impl Track {
    /// Something is missing: join again, at once the first time.
    pub fn lost(&mut self, now: Now, rules: &Rules) {
        let wait = (self.fails == 0).then_some(Duration::ZERO);
        self.again(now, wait, rules);
    }

    pub fn again(&mut self, now: Now, wait: Option<Duration>, rules: &Rules) {
        self.stage = Stage::Idle(now.at.after(self.wait(now, wait, rules)));
    }

    pub fn page_later(&mut self, now: Now, wait: Option<Duration>, rules: &Rules) {
        let at = now.at.after(self.wait(now, wait, rules));
        if let Stage::Filling(fill) = &mut self.stage {
            fill.page = Paging::Due(at);
        }
    }

    fn wait(&mut self, now: Now, wait: Option<Duration>, rules: &Rules) -> Duration {
        let wait = wait.unwrap_or_else(|| jittered(rules.backoff_base, rules.backoff_cap, self.fails, now.dice));
        self.fails += 1;
        wait
    }

    /// Nothing is missing any more: hands on what was held.
    pub fn filled(&mut self, now: Now, rules: &Rules, out: &mut Vec<Event>) {
        let Stage::Filling(fill) = std::mem::replace(&mut self.stage, Stage::Live) else { return };
        self.fails = 0;
        for message in fill.held {
            if let Some(cursor) = &mut self.cursor {
                cursor.seq = message.seq;
            }
            out.push(Event::Message(message));
        }
        if fill.over {
            self.lost(now, rules);
        }
    }
}

/// Hands on what a page brings, and says what is not there.
pub(super) struct Reader<'a> {
    pub channel: &'a str,
    pub cursor: &'a mut Cursor,
    pub out: &'a mut Vec<Event>,
}

impl Reader<'_> {
    /// What lies before `next` is not to be had.
    pub fn miss(&mut self, next: Seq) {
        let from = self.cursor.seq + 1;
        if from < next {
            self.out.push(Event::Hole { channel: self.channel.to_owned(), from, to: next - 1 });
            self.cursor.seq = next - 1;
        }
    }

    pub fn hand(&mut self, mut message: Message) {
        if message.seq > self.cursor.seq {
            self.miss(message.seq);
            self.cursor.seq = message.seq;
            message.epoch = self.cursor.epoch.clone();
            self.out.push(Event::Message(message));
        }
    }
}
