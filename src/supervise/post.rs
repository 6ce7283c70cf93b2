//! A counted way into an actor's mailbox.
//!
//! actix neither bounds `do_send` nor shows a mailbox's depth, so each message travels in an [`Envelope`] that counts
//! itself in and out, however it ends. What may wait is bounded where it is produced: by a session's outstanding
//! commands, by the bytes of all publishes together, by one delivery under way per channel and hub.

use std::sync::Arc;

use actix::{Message, Recipient};

#[cfg(feature = "testing")]
use super::carrier;
use super::panics::{Panic, caught_all};
use super::{Named, Vitals};

/// A message on its way, counted while it lives.
#[derive(Debug)]
pub struct Envelope<M> {
    message: M,
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
    pub(super) fn open(self) -> (M, u64) {
        (self.message, self.inside.sent)
    }
}

#[derive(Debug)]
struct Inside {
    vitals: Arc<Vitals>,
    sent: u64,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.vitals.left(self.sent);
    }
}

/// Sends messages of type `M` to one actor.
#[derive(Debug)]
pub struct Post<M: Named + Send + 'static> {
    to: Recipient<Envelope<M>>,
    vitals: Arc<Vitals>,
    #[cfg(feature = "testing")]
    mailbox: Option<Arc<carrier::Mailbox>>,
}

impl<M: Named + Send + 'static> Clone for Post<M> {
    fn clone(&self) -> Self {
        Self {
            to: self.to.clone(),
            vitals: Arc::clone(&self.vitals),
            #[cfg(feature = "testing")]
            mailbox: self.mailbox.clone(),
        }
    }
}

impl<M: Named + Send + 'static> Post<M> {
    /// A way to `to`, counted by `vitals`.
    pub fn new(to: Recipient<Envelope<M>>, vitals: &Arc<Vitals>) -> Self {
        Self {
            #[cfg(feature = "testing")]
            mailbox: carrier::mailbox(&to, vitals.probe().kind().name),
            to,
            vitals: Arc::clone(vitals),
        }
    }

    /// What the actor shows.
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// Has `work` done beside the actor, on this thread. What it panics with is sent to the actor as a message, which is to
    /// panic with it again.
    pub fn beside(&self, broken: impl FnOnce(Panic) -> M + 'static, work: impl Future<Output = ()> + 'static) {
        let own = self.clone();
        actix::spawn(async move {
            if let Err(panic) = caught_all(work).await {
                own.send(broken(panic));
            }
        });
    }

    /// Puts `message` at the end of the mailbox. To an actor that ended it is dropped in silence.
    pub fn send(&self, message: M) {
        let inside = Inside { vitals: Arc::clone(&self.vitals), sent: self.vitals.entered() };
        let envelope = Envelope { message, inside };
        #[cfg(feature = "testing")]
        if let Some(mailbox) = &self.mailbox {
            let to = self.to.clone();
            return mailbox.put(Box::new(move || to.do_send(envelope)));
        }
        self.to.do_send(envelope);
    }
}
