//! What the application asks of the machine. Pure.

use serde_json::{Value, json};

use super::asks::{Watched, What};
use super::error::Error;
use super::event::State;
use super::frames::Words;
use super::line::{Answer, Effect};
use super::machine::Machine;
use super::options::Start;
use super::outbox::{Base, Ticket};
use super::track::Now;
use crate::model::{ChannelName, UserName};

/// Commands that the client must know of, and that have methods of their own.
const OWN: [&str; 9] = ["hello", "refresh", "join", "leave", "publish", "watch", "unwatch", "ping", "logout"];

impl Machine {
    /// Wants a channel; the answer is its first `joined`.
    pub fn join(&mut self, now: Now, ticket: Ticket, channel: &str, start: Start, member: bool) {
        let Some(channel) = self.allowed(ticket).and_then(|()| self.channel(ticket, channel)) else { return };
        if let Some(joined) = self.tracks.want(&channel, start, member, ticket) {
            self.effects.push(Effect::Done(ticket, Ok(Answer::Joined(joined))));
        }
        self.pump(now);
    }

    /// Does not want a channel any more: stops hearing it, and with `only_session` stays a member.
    pub fn leave(&mut self, now: Now, ticket: Ticket, channel: &str, only_session: bool) {
        let Some(channel) = self.allowed(ticket).and_then(|()| self.channel(ticket, channel)) else { return };
        for waiter in self.tracks.forget(&channel) {
            let why = Error::Invalid("the channel was left before it was joined".into());
            self.effects.push(Effect::Done(waiter, Err(why)));
        }
        let mut leave = json!({"type": "leave", "channel": channel});
        if only_session {
            leave["only"] = "session".into();
        }
        self.command(now, leave, What::App(ticket));
    }

    /// Takes a publish; `base` says whether its key was used before.
    pub fn publish(&mut self, now: Now, ticket: Ticket, mut words: Words, base: Base) -> Result<(), Error> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        words.channel = self.named(&words.channel)?;
        self.outbox.accept(ticket, words, base)?;
        self.pump(now);
        Ok(())
    }

    /// Watches whom the caller names, over new connections too.
    pub fn watch(&mut self, now: Now, ticket: Ticket, mut watched: Watched) {
        let Some(()) = self.allowed(ticket).and_then(|()| self.full_names(ticket, &mut watched)) else { return };
        self.command(now, watched.command("watch"), What::Watch(ticket, watched));
    }

    /// Does not watch them any more.
    pub fn unwatch(&mut self, now: Now, ticket: Ticket, mut watched: Watched) {
        let Some(()) = self.allowed(ticket).and_then(|()| self.full_names(ticket, &mut watched)) else { return };
        self.watches.remove(&watched);
        self.command(now, watched.command("unwatch"), What::App(ticket));
    }

    /// Sends any other command; the answer is its reply.
    pub fn raw(&mut self, now: Now, ticket: Ticket, command: Value) {
        let Some(()) = self.allowed(ticket) else { return };
        let wrong = match command["type"].as_str() {
            None => "expected an object with a type".to_owned(),
            Some(kind) if OWN.contains(&kind) => format!("{kind:?} has a method of its own"),
            Some(_) => return self.command(now, command, What::App(ticket)),
        };
        self.effects.push(Effect::Done(ticket, Err(Error::Invalid(wrong))));
    }

    /// Says goodbye, and ends.
    pub fn logout(&mut self, now: Now, ticket: Ticket) {
        if self.conn().is_some() {
            self.leaving = true;
            self.ask(now, json!({"type": "logout"}), What::Logout(ticket));
        } else {
            self.effects.push(Effect::Done(ticket, Ok(Answer::Nothing)));
            self.finish(State::Ended, Error::Ended);
        }
    }

    /// Ends without a goodbye to anybody.
    pub fn close(&mut self) {
        self.finish(State::Ended, Error::Ended);
    }

    fn command(&mut self, now: Now, command: Value, what: What) {
        let problem = if self.conn().is_none() {
            Some(Error::Disconnected)
        } else if self.asks.len() >= self.rules.asks {
            Some(Error::Full)
        } else if command.to_string().len() + 32 > self.limits.frame_bytes {
            Some(Error::Invalid(format!("a frame may have {} bytes at most", self.limits.frame_bytes)))
        } else {
            None
        };
        match problem {
            Some(why) => self.effects.extend(what.ticket().map(|ticket| Effect::Done(ticket, Err(why)))),
            None => self.ask(now, command, what),
        }
        self.pump(now);
    }

    /// Whether anything is still done.
    fn allowed(&mut self, ticket: Ticket) -> Option<()> {
        match self.end.clone() {
            None => Some(()),
            Some(end) => {
                self.effects.push(Effect::Done(ticket, Err(end)));
                None
            }
        }
    }

    /// A channel's name, or the caller is told that it is none.
    fn channel(&mut self, ticket: Ticket, channel: &str) -> Option<String> {
        self.named(channel).map_err(|why| self.effects.push(Effect::Done(ticket, Err(why)))).ok()
    }

    fn full_names(&mut self, ticket: Ticket, watched: &mut Watched) -> Option<()> {
        if let Some(channel) = &mut watched.channel {
            *channel = self.channel(ticket, channel)?;
        }
        Some(())
    }

    /// A channel's full name, as far as it is known who we are.
    pub fn named(&self, channel: &str) -> Result<String, Error> {
        let named = match &self.identity.user {
            Some(me) => ChannelName::parse(channel, me).map(|full| full.as_str().to_owned()),
            // Whoever we are: it has to be a name.
            None => UserName::parse("a").and_then(|me| ChannelName::parse(channel, &me)).map(|_| channel.to_owned()),
        };
        named.map_err(|why| Error::Invalid(why.to_string()))
    }
}

impl Watched {
    /// `watch` or `unwatch` of these.
    pub fn command(&self, kind: &str) -> Value {
        let mut command = json!({"type": kind});
        if !self.users.is_empty() {
            command["users"] = json!(self.users);
        }
        if let Some(channel) = &self.channel {
            command["channel"] = json!(channel);
        }
        command
    }
}
