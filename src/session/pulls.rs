//! What a hub reads from the log: pages for sessions that are behind, and what a feed was not handed. All of it on the
//! read pool.

use std::sync::Arc;
use std::time::Duration;

use super::HubIn;
use super::hub::State;
use crate::clock;
use crate::model::{ChannelName, Conn, Seq};
use crate::protocol::Posted;

/// How many messages a session that is behind is handed at once …
const PAGE: usize = 256;
/// … and how many bytes of bodies, beyond the first.
const PAGE_BYTES: usize = 128 * 1024;
/// How long to wait after a failed read.
const RETRY: Duration = Duration::from_millis(200);

impl State {
    /// Hands a session its messages, as far as it has room; the rest it pulls when it has.
    pub fn push(&mut self, channel: &ChannelName, conn: Conn, messages: &[Arc<Posted>]) {
        let Some(cell) = self.worker.cell(conn) else { return };
        let (mut cell, now) = (cell.borrow_mut(), clock::moment());
        let mut fitting = messages.iter();
        let left = fitting.find(|message| {
            let fits = cell.outbox.fits(message.frame.len());
            if fits {
                cell.send(message.frame.clone(), now);
            }
            !fits
        });
        let pushed = left.map_or(messages.len(), |_| messages.len() - fitting.len() - 1);
        self.worker.app.context.metrics.deliveries.inc_by(pushed as u64);
        let Some(left) = left else { return };
        cell.crowded(now);
        if let Some(feed) = self.feeds.get_mut(channel) {
            feed.fall_behind(conn, left.seq);
        }
    }

    /// Reads the next page for a session that is behind, if it has room for one.
    pub fn pull(&mut self, channel: &ChannelName, conn: Conn, from: Seq, to: Seq) {
        if !self.has_room(conn) {
            if let Some(feed) = self.feeds.get_mut(channel) {
                feed.put_off(conn);
            }
            return;
        }
        let page = self.read(channel, from, to);
        let (hub, channel) = (self.worker.hub.clone(), channel.clone());
        actix::spawn(async move { hub.send(HubIn::Read { channel, conn, from, page: page.await }) });
    }

    /// Whether a session has room for a page; if not, it will say so when it has.
    pub fn has_room(&self, conn: Conn) -> bool {
        self.worker.cell(conn).is_some_and(|cell| {
            let mut cell = cell.borrow_mut();
            cell.check_pace(clock::moment());
            let room = cell.outbox.has_room();
            cell.wants_room |= !room;
            room
        })
    }

    /// Reads what the feed was not handed.
    pub fn fill(&self, channel: &ChannelName, from: Seq, to: Seq) {
        let page = self.read(channel, from, to);
        let (hub, channel) = (self.worker.hub.clone(), channel.clone());
        actix::spawn(async move { hub.send(HubIn::Filled(channel, from, page.await)) });
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
        actix::spawn(async move {
            tokio::time::sleep(RETRY).await;
            hub.send(HubIn::Retry(channel, conn));
        });
    }
}
