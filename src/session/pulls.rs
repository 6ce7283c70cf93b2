//! What a hub does as its feeds say: hands messages to sessions as far as they have room, and reads from the log what
//! is missing, on the read pool.

use std::sync::Arc;
use std::time::Duration;

use super::feed::Outlet;
use super::hub::State;
use super::{HubIn, asides};
use crate::channel::{Ack, ChannelIn, Closed, Item, Joined, Origin};
use crate::clock;
use crate::model::{ChannelName, Conn, Moment, Seq};
use crate::protocol::Posted;

/// How many messages a session that is behind is handed at once …
const PAGE: usize = 256;
/// … and how many bytes of bodies, beyond the first.
const PAGE_BYTES: usize = 128 * 1024;
/// How long to wait after a failed read.
const RETRY: Duration = Duration::from_millis(200);

/// A feed's way to its worker's sessions.
pub(super) struct Floor<'a> {
    /// The hub, without the feed that speaks.
    pub state: &'a mut State,
    /// The feed's channel.
    pub channel: &'a ChannelName,
    /// When the feed began to speak.
    pub now: Moment,
}

impl Outlet for Floor<'_> {
    fn push(&mut self, conn: Conn, messages: &[Arc<Posted>], live: bool) -> usize {
        let worker = &self.state.worker;
        let Some(cell) = worker.cell(conn) else { return messages.len() };
        let (mut cell, now) = (cell.borrow_mut(), self.now);
        let fits = |message: &&Arc<Posted>| {
            let fits = cell.outbox.fits(message.frame.len());
            if fits {
                cell.send(message.frame.clone(), now);
            }
            fits
        };
        let pushed = messages.iter().take_while(fits).count();
        worker.app.context.metrics.deliveries.inc_by(pushed as u64);
        if pushed < messages.len() {
            if live {
                cell.crowded(now);
            } else {
                cell.wants_room = true;
            }
        }
        pushed
    }

    fn joined(&mut self, origin: &Origin, joined: &Joined, next: Seq) -> bool {
        let here = asides::joined(self.state, self.channel, origin, joined, next);
        if here {
            self.state.subscriptions.entry(origin.conn).or_default().insert(self.channel.clone());
        } else {
            self.state.drop_subscription(origin.conn, self.channel);
            self.state.worker.app.directory.send(self.channel, ChannelIn::Gone(origin.conn));
        }
        here
    }

    fn pull(&mut self, conn: Conn, from: Seq, to: Seq) -> Option<u64> {
        if !self.state.has_room(conn) {
            return None;
        }
        let (read, page) = (self.state.worker.next_read(), self.state.read(self.channel, from, to));
        let (hub, channel) = (self.state.worker.hub.clone(), self.channel.clone());
        self.state.beside(async move { hub.send(HubIn::Read { channel, conn, read, page: page.await }) });
        Some(read)
    }

    fn fill(&mut self, from: Seq, to: Seq) -> u64 {
        let (read, page) = (self.state.worker.next_read(), self.state.read(self.channel, from, to));
        let (hub, channel) = (self.state.worker.hub.clone(), self.channel.clone());
        self.state.beside(async move { hub.send(HubIn::Filled(channel, read, page.await)) });
        read
    }

    fn item(&mut self, item: Item, whom: &[Conn]) {
        asides::item(self.state, self.channel, item, whom);
    }

    fn lost(&mut self, conn: Conn, why: Closed) {
        asides::lost(self.state, self.channel, conn, why);
    }

    fn acked(&mut self, ack: &Ack) {
        if ack.done() {
            self.state.worker.app.directory.send(self.channel, ChannelIn::Acked);
        }
    }
}

impl State {
    /// Has something done beside the hub, on its thread.
    pub fn beside(&self, work: impl Future<Output = ()> + 'static) {
        self.worker.hub.beside(HubIn::Broken, work);
    }

    /// Whether a session has room for a page; if not, it will say so when it has.
    fn has_room(&self, conn: Conn) -> bool {
        self.worker.cell(conn).is_some_and(|cell| {
            let mut cell = cell.borrow_mut();
            cell.check_pace(clock::moment());
            let room = cell.outbox.has_room();
            cell.wants_room |= !room;
            room
        })
    }

    fn read(&self, channel: &ChannelName, from: Seq, to: Seq) -> impl Future<Output = super::messages::Page> + use<> {
        let context = &self.worker.app.context;
        let (log, channel) = (Arc::clone(&context.log), channel.clone());
        let bytes = PAGE_BYTES.min(context.config.limits.session_queue_bytes / 4);
        context.reads.run(move || {
            let messages = log.range(&channel, from, to, PAGE, bytes)?;
            let mut size = 0;
            let encoded = messages.iter().map(|message| Arc::new(Posted::new(&channel, message)));
            Ok(encoded
                .take_while(|message| {
                    let first = size == 0;
                    size += message.frame.len();
                    first || size <= bytes
                })
                .collect())
        })
    }

    /// Has a read tried again soon.
    pub fn retry(&self, channel: ChannelName, conn: Option<Conn>) {
        let hub = self.worker.hub.clone();
        self.beside(async move {
            tokio::time::sleep(RETRY).await;
            hub.send(HubIn::Retry(channel, conn));
        });
    }
}
