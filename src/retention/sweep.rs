//! Goes from channel to channel: looks, has one let go what it has to, looks again; one thing at a time. Pure.

use std::time::Duration;

use super::look::{Due, Page};
use crate::model::Moment;
use crate::protocol::Problem;
use crate::store::{ReadError, Trimmed};

/// How soon the first sweep of a life begins at the latest, so that one that lives briefly has one, too.
const FIRST: Duration = Duration::from_secs(60);
/// The longest rest between two looks.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// The shortest.
const SHORTEST_REST: Duration = Duration::from_millis(1);

/// What came of what was asked for.
#[derive(Debug)]
pub(super) enum Input {
    /// It is time.
    Due,
    /// A look, and how long it took.
    Looked(Result<Page, ReadError>, Duration),
    /// A trim.
    Trimmed(Result<Trimmed, Problem>),
}

/// What is to be done next; it brings about one input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing, for so long.
    Later(Duration),
    /// After this rest, look at the channels that follow.
    Look(Option<String>, Duration),
    /// Have a channel let something go.
    Trim(Due),
}

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Channels that let something go.
    pub channels: u64,
    /// How long it took.
    pub took: Duration,
}

/// The walk over all channels.
#[derive(Debug)]
pub(super) struct Sweep {
    every: Duration,
    began: Moment,
    after: Option<String>,
    due: Option<Due>,
    channels: u64,
    /// The last channel that let something go.
    last: Option<String>,
    /// The sweep that ended last, until someone has taken note of it.
    pub ended: Option<Tally>,
}

impl Sweep {
    /// One that begins when it is due.
    pub fn new(every: Duration) -> Self {
        Self { every, began: Moment(0), after: None, due: None, channels: 0, last: None, ended: None }
    }

    /// What to begin with.
    pub fn begin(&self) -> Effect {
        Effect::Later(self.every.min(FIRST))
    }

    /// Takes what came, and says what is to be done.
    pub fn step(&mut self, now: Moment, input: Input) -> Effect {
        match input {
            Input::Due => {
                (self.began, self.after, self.channels, self.last) = (now, None, 0, None);
                Effect::Look(None, Duration::ZERO)
            }
            Input::Looked(Ok(page), took) => {
                self.after = page.after;
                if let Some(due) = page.due {
                    self.due = Some(due.clone());
                    Effect::Trim(due)
                } else if page.over {
                    self.end(now)
                } else {
                    // As long as the look: whoever else reads has at least half of the time.
                    Effect::Look(self.after.clone(), took.clamp(SHORTEST_REST, LONGEST_REST))
                }
            }
            Input::Looked(Err(error), _) => {
                log::warn!("what has to go of channels could not be read: {error}");
                self.end(now)
            }
            Input::Trimmed(result) => {
                let channel = self.due.take().map(|due| due.channel.as_str().to_owned());
                let went = match &result {
                    Ok(trimmed) => trimmed.messages > 0,
                    Err(problem) => {
                        log::warn!(
                            "{} keeps what should go: {}",
                            channel.as_deref().unwrap_or_default(),
                            problem.message
                        );
                        false
                    }
                };
                if went && self.last != channel {
                    self.channels += 1;
                    self.last.clone_from(&channel);
                }
                if !went {
                    // Not again before the next sweep.
                    self.after = channel.or_else(|| self.after.take());
                }
                Effect::Look(self.after.clone(), SHORTEST_REST)
            }
        }
    }

    fn end(&mut self, now: Moment) -> Effect {
        self.ended = Some(Tally { channels: self.channels, took: now.since(self.began) });
        Effect::Later(self.every)
    }
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
