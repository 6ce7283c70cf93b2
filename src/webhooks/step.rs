//! What goes into a webhook's core, and what comes out of it. Plain data.

use std::fmt;
use std::time::Duration;

use crate::model::{ChannelName, Cursor, Moment, Seq, UserName, Wall};
use crate::protocol::Frame;

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub moment: Moment,
    pub wall: Wall,
}

/// Whose events keep their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LaneKey {
    /// A channel's.
    Channel(ChannelName),
    /// The presence of a user.
    User(UserName),
}

/// The place of an event in a webhook's queue: those of an earlier start of the server come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number {
    pub boot: u64,
    pub count: u64,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.boot, self.count)
    }
}

impl Number {
    /// Reads what was written; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (boot, count) = text.split_at_checked(16).filter(|_| text.len() == 32)?;
        let number = |half| u64::from_str_radix(half, 16).ok();
        Some(Self { boot: number(boot)?, count: number(count)? })
    }
}

/// Where an event is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In its channel's log.
    Log(Seq),
    /// In the webhook's queue.
    Queue(Number),
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub place: Place,
    /// The same however often it is told.
    pub id: String,
    /// When it happened.
    pub at: Wall,
    /// What is told of it.
    pub body: Frame,
}

/// A part of a channel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// There is no such channel.
    Gone,
    /// What follows `at`.
    Kept {
        at: Cursor,
        head: Seq,
        /// Messages behind the cursor that it was asked with, which are no more.
        trimmed: u64,
        /// Whether the log is another one than the cursor's.
        anew: bool,
        events: Vec<Event>,
    },
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// What follows this in the log, or what follows the cursor that was kept.
    Log(Option<Cursor>),
    /// An event of the queue.
    Queue(Number),
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    Log(Page),
    Queue(Option<Event>),
    /// It could not be read now.
    Failed,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken.
    Taken,
    /// It was not.
    Failed {
        /// The endpoint says that it is there no more.
        gone: bool,
        /// Not before this.
        after: Option<Duration>,
    },
}

/// An event that is in the queue, on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub number: Number,
    pub key: LaneKey,
    pub at: Wall,
}

/// What a core is told.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A channel's log may have grown; with where it stands, if that was said.
    Moved(ChannelName, Option<Cursor>),
    /// Events are in the queue.
    Stored(Vec<Stored>),
    /// Everything is in the queue that was there before.
    Opened,
    Fetched(LaneKey, Fetched),
    Sent(LaneKey, Outcome),
    /// The time has come for something.
    Due,
}

/// Why an event was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    /// Too many waited.
    Overflow,
    /// It was tried for too long.
    Expired,
    /// It is not kept any more.
    Gone,
}

/// What should happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Fetch(LaneKey, What),
    Send(LaneKey, Event),
    /// Everything up to here is done with, on disk some time soon; `None` if there is no such channel.
    Keep(ChannelName, Option<Cursor>),
    /// This one is done with.
    Remove(Number),
    /// So many were given up.
    Dead(Dead, u64),
}
