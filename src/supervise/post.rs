//! A counted way into an actor's mailbox.
//!
//! actix neither bounds `do_send` nor shows a mailbox's depth, so each message travels in an [`Envelope`] that counts
//! itself in and out, however it ends. What may wait is bounded where it is produced: by a session's outstanding
//! commands, by the bytes of all publishes together, by one delivery under way per channel and hub.

use std::sync::Arc;
use std::time::Instant;

use actix::{Message, Recipient};

use super::Probe;
#[cfg(feature = "testing")]
use super::carrier;
use crate::clock;

/// A message on its way, counted while it lives.
#[derive(Debug)]
pub struct Envelope<M> {
    message: M,
    sent: Instant,
    inside: Inside,
}

impl<M: Send> Message for Envelope<M> {
    type Result = ();
}

impl<M> Envelope<M> {
    /// The message, before it is opened.
    pub fn message(&self) -> &M {
        &self.message
    }

    /// Opens it: the message, and when it was sent. It counts as gone from the mailbox.
    pub(super) fn open(self) -> (M, Instant) {
        drop(self.inside);
        (self.message, self.sent)
    }
}

#[derive(Debug)]
struct Inside(Arc<Probe>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.left();
    }
}

/// Sends messages of type `M` to one actor.
#[derive(Debug)]
pub struct Post<M: Send + 'static> {
    to: Recipient<Envelope<M>>,
    probe: Arc<Probe>,
    #[cfg(feature = "testing")]
    mailbox: Option<Arc<carrier::Mailbox>>,
}

impl<M: Send + 'static> Clone for Post<M> {
    fn clone(&self) -> Self {
        Self {
            to: self.to.clone(),
            probe: Arc::clone(&self.probe),
            #[cfg(feature = "testing")]
            mailbox: self.mailbox.clone(),
        }
    }
}

impl<M: Send + 'static> Post<M> {
    /// A way to `to`, counted by `probe`.
    pub fn new(to: Recipient<Envelope<M>>, probe: Arc<Probe>) -> Self {
        Self {
            #[cfg(feature = "testing")]
            mailbox: carrier::mailbox(&to, probe.kind()),
            to,
            probe,
        }
    }

    /// Puts `message` at the end of the mailbox. To an actor that ended it is dropped in silence.
    pub fn send(&self, message: M) {
        self.probe.entered();
        let inside = Inside(Arc::clone(&self.probe));
        let envelope = Envelope { message, sent: clock::stamp(), inside };
        #[cfg(feature = "testing")]
        if let Some(mailbox) = &self.mailbox {
            let to = self.to.clone();
            return mailbox.put(Box::new(move || to.do_send(envelope)));
        }
        self.to.do_send(envelope);
    }
}
