//! How the application takes its events, and what the handle and the driver share: state, identity, and how far each
//! channel was taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::error::Error;
use super::event::{Event, State};
use super::options::Hidden;
use crate::model::{Cursor, UserName};

/// What the parts of a client have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub state: watch::Sender<State>,
    pub token: Mutex<Option<Hidden>>,
    pub user: Mutex<Option<UserName>>,
    /// What the application has taken of each channel.
    pub had: Mutex<BTreeMap<String, Cursor>>,
}

impl Shared {
    pub fn new(token: Option<Hidden>, had: BTreeMap<String, Cursor>) -> Self {
        Self {
            state: watch::Sender::new(State::Disconnected),
            token: Mutex::new(token),
            user: Mutex::new(None),
            had: Mutex::new(had),
        }
    }

    /// Why nothing is done any more, for those who find the client gone.
    pub fn ended(&self) -> Error {
        match &*self.state.borrow() {
            State::Refused(fault) => Error::Refused(fault.clone()),
            _ => Error::Ended,
        }
    }

    /// The application takes this event.
    fn take(&self, event: &Event) {
        let (channel, cursor) = match event {
            Event::Message(message) => (&message.channel, message.cursor()),
            Event::Joined(joined) => (&joined.channel, joined.cursor.clone()),
            Event::Reset { channel, epoch, next } => {
                (channel, Cursor { epoch: epoch.clone(), seq: next.saturating_sub(1) })
            }
            Event::Hole { channel, to, .. } => {
                if let Some(cursor) = self.had.lock().get_mut(channel) {
                    cursor.seq = *to;
                }
                return;
            }
            _ => return,
        };
        self.had.lock().insert(channel.clone(), cursor);
    }
}

/// The events of a client, in order.
///
/// As many wait as [`Options::events`](super::Options::events) says; then the client stops reading until they are taken. Dropping
/// this says that no events are wanted.
#[derive(Debug)]
pub struct Events {
    from: mpsc::Receiver<Event>,
    shared: Arc<Shared>,
}

impl Events {
    pub(super) fn new(from: mpsc::Receiver<Event>, shared: Arc<Shared>) -> Self {
        Self { from, shared }
    }

    /// The next event; `None` when the client has ended. What it returns counts as had in
    /// [`Client::cursors`](super::Client::cursors). May be dropped while it waits, without loss.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.from.recv().await?;
        self.shared.take(&event);
        Some(event)
    }
}
