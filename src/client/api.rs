//! The handle through which an application uses a client.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::answers::{Channels, Draft, History, Who, read};
use super::asks::Watched;
use super::driver::{Call, Driver, Waiter};
use super::error::Error;
use super::event::{Joined, Presence, Receipt, State};
use super::events::{Events, Shared};
use super::line::Answer;
use super::machine::Machine;
use super::options::{Options, Start};
use super::place::Place;
use crate::clock;
use crate::model::{ChannelName, Cursor, Seq};

/// How many calls wait to be looked at.
const CALLS: usize = 64;

/// A client of a server. Clones are handles of the same one; when the last is dropped, it ends as by [`close`](Self::close).
#[derive(Clone, Debug)]
pub struct Client {
    calls: mpsc::Sender<Call>,
    shared: Arc<Shared>,
}

impl Client {
    /// Starts a client, which connects by itself. Needs a running tokio runtime. Fails if the address is none.
    pub fn start(options: Options) -> Result<(Self, Events), Error> {
        let place = Place::new(&options)?;
        let shared = Arc::new(Shared::new(options.token.clone(), options.cursors.clone()));
        let (calls, called) = mpsc::channel(CALLS);
        let (tell, told) = mpsc::channel(options.events);
        let driver = Driver::new(Machine::new(&options), place, Arc::clone(&shared), called, tell);
        tokio::spawn(driver.run());
        Ok((Self { calls, shared: Arc::clone(&shared) }, Events::new(told, shared)))
    }

    /// Hears a channel, and makes the user a member of it. Waits for the first `joined`, over as many connections as it
    /// takes; the wish is kept until [`leave`](Self::leave). Dropping the future does not take it back.
    pub async fn join(&self, channel: &str, start: Start) -> Result<Joined, Error> {
        self.join_as(channel, start, true).await
    }

    /// As [`join`](Self::join), without becoming a member.
    pub async fn listen(&self, channel: &str, start: Start) -> Result<Joined, Error> {
        self.join_as(channel, start, false).await
    }

    async fn join_as(&self, channel: &str, start: Start, member: bool) -> Result<Joined, Error> {
        let channel = channel.to_owned();
        match self.call(|waiter| Call::Join { channel, start, member, waiter }).await? {
            Answer::Joined(joined) => Ok(joined),
            other => Err(unexpected(&other)),
        }
    }

    /// Stops hearing a channel, whatever the answer, and ends the user's membership. Without a connection that stays as it
    /// is, and the error is [`Error::Disconnected`].
    pub async fn leave(&self, channel: &str) -> Result<(), Error> {
        let channel = channel.to_owned();
        self.call(|waiter| Call::Leave { channel, only_session: false, waiter }).await.map(drop)
    }

    /// Stops hearing a channel, and stays a member.
    pub async fn unsubscribe(&self, channel: &str) -> Result<(), Error> {
        let channel = channel.to_owned();
        match self.call(|waiter| Call::Leave { channel, only_session: true, waiter }).await {
            // What is not joined over a new connection is not heard.
            Ok(_) | Err(Error::Disconnected) => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// Publishes an object. It is accepted at once, connected or not, or refused with [`Error::Full`]; the receipt is what
    /// the returned future waits for.
    ///
    /// Publishes go in the order in which they were accepted. If the server puts one off (it is overloaded, say), those
    /// that were already under way may be stored before it; none is sent before it after that.
    pub async fn publish(&self, channel: &str, body: Value) -> Result<Publishing, Error> {
        self.publish_with(channel, Draft::new(body)).await
    }

    /// Publishes words.
    pub async fn say(&self, channel: &str, text: &str) -> Result<Publishing, Error> {
        self.publish_with(channel, Draft::text(text)).await
    }

    /// Publishes with a kind, as an answer, or under a key of the application's own.
    pub async fn publish_with(&self, channel: &str, draft: Draft) -> Result<Publishing, Error> {
        let (words, base) = draft.words(channel, hex::encode(clock::random::<16>()))?;
        let key = words.key.clone();
        let (waiter, receipt) = oneshot::channel();
        let (accepted, taken) = oneshot::channel();
        let call = Call::Publish { words, base, accepted, waiter };
        self.calls.send(call).await.map_err(|_| self.ended())?;
        taken.await.map_err(|_| self.ended())??;
        Ok(Publishing { key, receipt, shared: Arc::clone(&self.shared) })
    }

    /// Reads a channel's log: what stands between two messages, or the newest before one, or the oldest after one, or
    /// the newest; at most so many.
    pub async fn history(
        &self,
        channel: &str,
        after: Option<Seq>,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<History, Error> {
        let mut command = json!({"type": "history", "channel": channel, "limit": limit});
        if let Some(after) = after {
            command["after"] = after.into();
        }
        if let Some(before) = before {
            command["before"] = before.into();
        }
        read(self.command(command).await?).map(History::with_epochs)
    }

    /// How these users are.
    pub async fn presence(&self, users: &[&str]) -> Result<Vec<Presence>, Error> {
        let answer = self.command(json!({"type": "presence", "users": users})).await?;
        read(answer["users"].clone())
    }

    /// Who hears a channel: names after this one, if it is given.
    pub async fn who(&self, channel: &str, after: Option<&str>, limit: usize) -> Result<Who, Error> {
        let mut command = json!({"type": "who", "channel": channel, "limit": limit});
        if let Some(after) = after {
            command["after"] = after.into();
        }
        read(self.command(command).await?)
    }

    /// Hears how these users, and those of a channel, come and go, over new connections too; says how they are now.
    pub async fn watch(&self, users: &[&str], channel: Option<&str>) -> Result<Vec<Presence>, Error> {
        match self.call(|waiter| Call::Watch(watched(users, channel), waiter)).await? {
            Answer::Value(answer) => read(answer["users"].clone()),
            other => Err(unexpected(&other)),
        }
    }

    /// Does not hear it any more.
    pub async fn unwatch(&self, users: &[&str], channel: Option<&str>) -> Result<(), Error> {
        match self.call(|waiter| Call::Unwatch(watched(users, channel), waiter)).await {
            Ok(_) | Err(Error::Disconnected) => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// Tells the others in a channel that the user is typing.
    pub async fn typing(&self, channel: &str) -> Result<(), Error> {
        self.command(json!({"type": "typing", "channel": channel})).await.map(drop)
    }

    /// The user has read up to there.
    pub async fn read(&self, channel: &str, seq: Seq) -> Result<(), Error> {
        self.command(json!({"type": "read", "channel": channel, "seq": seq})).await.map(drop)
    }

    /// The channels that the user is a member of: names after this one, if it is given.
    pub async fn channels(&self, after: Option<&str>, limit: usize) -> Result<Channels, Error> {
        let mut command = json!({"type": "channels", "limit": limit});
        if let Some(after) = after {
            command["after"] = after.into();
        }
        read(self.command(command).await?)
    }

    /// Sends any other command, and returns the frame that answers it. Those that have a method of their own are
    /// [`Error::Invalid`].
    pub async fn command(&self, command: Value) -> Result<Value, Error> {
        match self.call(|waiter| Call::Raw(command, waiter)).await? {
            Answer::Value(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    /// How the client stands with the server.
    pub fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    /// Waits until the client is online; fails if it will not be any more.
    pub async fn online(&self) -> Result<(), Error> {
        let mut state = self.shared.state.subscribe();
        let state = state.wait_for(|state| state.is_online() || state.is_over()).await.map_err(|_| Error::Ended)?;
        match &*state {
            State::Refused(fault) => Err(Error::Refused(fault.clone())),
            State::Ended => Err(Error::Ended),
            _ => Ok(()),
        }
    }

    /// The token that brings the same user back. Keep it secret.
    pub fn token(&self) -> Option<String> {
        self.shared.token.lock().as_ref().map(|token| token.0.clone())
    }

    /// Who the client is, once it was welcomed.
    pub fn user(&self) -> Option<String> {
        self.shared.user.lock().as_ref().map(|user| user.as_str().to_owned())
    }

    /// How far the application has taken a channel: up to the last message that [`Events::next`] returned.
    pub fn cursor(&self, channel: &str) -> Option<Cursor> {
        let user = self.shared.user.lock().clone();
        let full = user.and_then(|user| ChannelName::parse(channel, &user).ok());
        self.shared.had.lock().get(full.as_ref().map_or(channel, ChannelName::as_str)).cloned()
    }

    /// How far the application has taken each channel: to be kept for [`Options::cursors`].
    pub fn cursors(&self) -> BTreeMap<String, Cursor> {
        self.shared.had.lock().clone()
    }

    /// Says goodbye to the server, and ends. The token lives on. Publishes without a receipt are given up.
    pub async fn logout(&self) -> Result<(), Error> {
        self.call(Call::Logout).await.map(drop)
    }

    /// Ends: closes the connection without a logout. Publishes without a receipt are given up.
    pub async fn close(&self) {
        let _ = self.call(Call::Close).await;
    }

    async fn call(&self, call: impl FnOnce(Waiter) -> Call) -> Result<Answer, Error> {
        let (waiter, answer) = oneshot::channel();
        self.calls.send(call(waiter)).await.map_err(|_| self.ended())?;
        answer.await.map_err(|_| self.ended())?
    }

    fn ended(&self) -> Error {
        self.shared.ended()
    }
}

/// A publish under way: a future of its receipt. Dropping it changes nothing.
#[derive(Debug)]
pub struct Publishing {
    key: String,
    receipt: oneshot::Receiver<Result<Answer, Error>>,
    shared: Arc<Shared>,
}

impl Publishing {
    /// Its idempotency key, which its message will carry.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Future for Publishing {
    type Output = Result<Receipt, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receipt).poll(context).map(|settled| match settled {
            Ok(Ok(Answer::Receipt(receipt))) => Ok(receipt),
            Ok(Ok(other)) => Err(unexpected(&other)),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(self.shared.ended()),
        })
    }
}

fn watched(users: &[&str], channel: Option<&str>) -> Watched {
    Watched { users: users.iter().map(|user| (*user).to_owned()).collect(), channel: channel.map(str::to_owned) }
}

fn unexpected(answer: &Answer) -> Error {
    Error::Answer(format!("{answer:?}"))
}
