//! What benches drive of a channel's core, which nobody else sees from outside; with the feature `testing`.

use std::sync::Arc;

use super::ack::Ack;
use super::dedup::{self, Verdict};
use super::messages::{Action, Batch, Origin};
use super::state::State;
use super::step::{Effect, Input, Loaded, Settings, Time};
use super::window;
use crate::config::Config;
use crate::model::{ChannelName, HubId, Key, Message, Seq, UserName, Wall};
use crate::protocol::Posted;
use crate::store::{AppendError, Head};

/// A channel that was loaded from an empty log.
#[derive(Debug)]
pub struct Channel {
    state: State,
    /// Batches that were not dealt with.
    acks: Vec<Ack>,
}

impl Channel {
    /// One whose log ends at `head`, and of whose messages none is in memory.
    pub fn new(name: ChannelName, config: &Config, head: Head) -> Self {
        let settings = Settings::of(config);
        let mut state = State::new(name, 1, settings);
        let time = state.time;
        let origin = Origin {
            hub: HubId(0),
            conn: crate::model::Conn { boot: 0, count: 0 },
            ticket: 0,
            user: UserName::nobody(),
            standing: crate::model::Standing::Guest,
        };
        // The first command has it ask for its log.
        state.command(time, origin, Action::Look);
        let mut channel = Self { state, acks: Vec::new() };
        let loaded = channel
            .state
            .input(time, Input::Loaded(Ok(super::step::Found::There(Box::new(Loaded::empty(head, settings))))));
        channel.effects(loaded);
        channel.acked(time.wall);
        channel
    }

    /// Carries out a session's command.
    pub fn command(&mut self, wall: Wall, origin: Origin, action: Action) -> Effects {
        let time = self.at(wall);
        let effects = self.state.command(time, origin, action);
        self.effects(effects)
    }

    /// The append in flight came to an end.
    pub fn appended(&mut self, wall: Wall, result: Result<Head, AppendError>) -> Effects {
        let time = self.at(wall);
        let effects = self.state.input(time, Input::Appended(result));
        self.effects(effects)
    }

    /// The hubs have dealt with their batches.
    pub fn acked(&mut self, wall: Wall) {
        let time = self.at(wall);
        for ack in std::mem::take(&mut self.acks) {
            if ack.done() {
                let effects = self.state.acked(time);
                self.effects(effects);
            }
        }
    }

    fn effects(&mut self, effects: Vec<Effect>) -> Effects {
        let effects = Effects(effects);
        self.acks.extend(effects.batches().map(|(_, batch)| batch.ack.clone()));
        effects
    }

    fn at(&self, wall: Wall) -> Time {
        Time { wall, ..self.state.time }
    }
}

/// What a step comes to.
#[derive(Debug)]
pub struct Effects(Vec<Effect>);

impl Effects {
    /// The append that it begins.
    pub fn append(&self) -> Option<(&Head, &[Message])> {
        self.0.iter().find_map(|effect| match effect {
            Effect::Append(after, batch) => Some((after, &batch[..])),
            _ => None,
        })
    }

    /// What it says to hubs.
    pub fn batches(&self) -> impl Iterator<Item = (HubId, &Batch)> {
        self.0.iter().filter_map(|effect| match effect {
            Effect::Send(hub, batch) => Some((*hub, batch)),
            _ => None,
        })
    }
}

/// The newest messages of a channel.
#[derive(Debug)]
pub struct Window(window::Window);

impl Window {
    /// One that holds so many.
    pub fn new(capacity: usize) -> Self {
        Self(window::Window::new(capacity))
    }

    /// Takes the next message.
    pub fn push(&mut self, message: Arc<Posted>) {
        self.0.push(message);
    }

    /// Everything from `from` on, if all of it is here.
    pub fn since(&self, from: Seq) -> Option<Vec<Arc<Posted>>> {
        self.0.since(from)
    }
}

/// The keys of the newest messages.
#[derive(Debug)]
pub struct Keys(dedup::Keys);

impl Keys {
    /// None yet, of a log that is empty; later those of so many messages.
    pub fn new(reach: usize) -> Self {
        Self(dedup::Keys::new(reach, 1))
    }

    /// Takes note of the next message.
    pub fn note(&mut self, message: &Posted) {
        self.0.note(message.seq, message.at, &message.from, message.key.as_ref());
    }

    /// Whether `user` is known to have used `key`.
    pub fn knows(&self, user: &UserName, key: &Key, base: Option<Seq>) -> bool {
        matches!(self.0.look(user, key, base, u64::MAX, 1), Verdict::Used(_))
    }
}
