//! What benches drive of a hub's core, which nobody else sees from outside; with the feature `testing`.

use std::sync::Arc;

use super::feed;
use crate::channel::{Ack, Batch, Closed, Item, Joined, Origin};
use crate::model::{Conn, Seq};
use crate::protocol::Posted;

/// One channel as one worker's sessions hear it.
#[derive(Debug)]
pub struct Feed(feed::Feed);

/// Where a feed hands messages: to a session, in order; how many it had room for.
pub type Push<'a> = &'a mut dyn FnMut(Conn, &[Arc<Posted>]) -> usize;

impl Default for Feed {
    fn default() -> Self {
        Self(feed::Feed::new())
    }
}

impl Feed {
    /// Takes the next part of the channel's stream. Of what it says only the messages are passed on.
    pub fn batch(&mut self, batch: Batch, push: Push<'_>) {
        self.0.batch(batch, &mut Outlet(push));
    }

    /// A session stops hearing; false if it did not.
    pub fn remove(&mut self, conn: Conn) -> bool {
        self.0.remove(conn)
    }
}

struct Outlet<'a>(Push<'a>);

impl feed::Outlet for Outlet<'_> {
    fn push(&mut self, conn: Conn, messages: &[Arc<Posted>], _: bool) -> usize {
        (self.0)(conn, messages)
    }

    fn joined(&mut self, _: &Origin, _: &Joined, _: Seq) -> bool {
        true
    }

    fn pull(&mut self, _: Conn, _: Seq, _: Seq) -> Option<u64> {
        Some(0)
    }

    fn fill(&mut self, _: Seq, _: Seq) -> u64 {
        0
    }

    fn item(&mut self, _: Item, _: &[Conn]) {}

    fn lost(&mut self, _: Conn, _: Closed) {}

    fn acked(&mut self, _: &Ack) {}
}
