//! What a hub does by the clock: pings and pulses, spread over a heartbeat; an end to those who take nothing; and the
//! drain.

use std::time::Duration;

use serde_json::json;

use super::hub::State;
use super::{HubIn, SessionIn, pass};
use crate::clock;
use crate::model::{ChannelName, Conn};
use crate::presence::Reason;
use crate::protocol::{CloseCode, Frame, event};

/// Into how many parts of a heartbeat the sessions are spread.
pub(super) const SLOTS: u64 = 16;
/// How long a wire may take to write a close.
const CLOSING: Duration = Duration::from_secs(5);

impl State {
    /// One part of a heartbeat: looks after all who are ending or stuck, and greets those whose turn it is.
    pub fn tick(&mut self) {
        self.worker.app.context.faults.pass("hub.tick");
        self.slot = (self.slot + 1) % SLOTS;
        let (now, wall) = (clock::moment(), clock::wall());
        let patience = self.worker.app.context.config.presence.timeout * 3 / 4;
        for shared in self.worker.cells() {
            let mut cell = shared.borrow_mut();
            cell.check_pace(now);
            let stuck = cell.is_stuck(patience, now);
            if let Some(over) = cell.over() {
                let grace = match over.code {
                    CloseCode::TooSlow => patience,
                    CloseCode::Timeout => CLOSING.min(patience),
                    _ => CLOSING,
                };
                if stuck || now.since(over.since) >= grace {
                    cell.cut();
                }
            } else if stuck {
                cell.end(CloseCode::TooSlow, None, Reason::Disconnected, now);
                cell.cut();
            } else if cell.turn % SLOTS == self.slot && cell.user.is_some() {
                if cell.heard > cell.reported {
                    cell.reported = cell.heard;
                    cell.session.send(SessionIn::Beat);
                }
                cell.ping(now);
                if let Some(pulse) = self.pulse(cell.conn) {
                    cell.send(pulse, now);
                }
            }
            let due = cell.over().is_none() && cell.pass.as_ref().is_some_and(|pass| pass.is_due(wall));
            drop(cell);
            if due {
                pass::look_again(&self.worker.app, &shared);
            }
        }
    }

    /// How far a session has heard what it subscribes to, if that moved.
    fn pulse(&mut self, conn: Conn) -> Option<Frame> {
        let channels: Vec<ChannelName> = self.subscriptions.get(&conn)?.iter().cloned().collect();
        let (mut heads, mut online) = (serde_json::Map::new(), serde_json::Map::new());
        for channel in channels {
            let moved = self.feeds.get_mut(&channel).and_then(|feed| feed.pulse(conn));
            if let Some(seq) = moved {
                heads.insert(channel.to_string(), seq.into());
            }
            if let Some(crowd) = self.crowds.get(&channel) {
                online.insert(channel.to_string(), (*crowd).into());
            }
        }
        match (heads.is_empty(), online.is_empty()) {
            (true, true) => None,
            (_, true) => Some(event("pulse", json!({ "heads": heads }))),
            (_, false) => Some(event("pulse", json!({ "heads": heads, "online": online }))),
        }
    }

    /// Tells every client that the server is stopping, and when to come back.
    pub fn notice(&self) {
        let now = clock::moment();
        for cell in self.worker.cells() {
            let retry = 500 + clock::jitter(2500);
            let notice = json!({ "code": "draining", "text": "the server is stopping", "retry_after_ms": retry });
            cell.borrow_mut().send(event("notice", notice), now);
        }
    }

    /// Ends every session that waits for nothing; looks at the others again soon.
    pub fn drain(&self) {
        let now = clock::moment();
        let mut left = false;
        for cell in self.worker.cells() {
            let mut cell = cell.borrow_mut();
            cell.winding_up = true;
            if cell.over().is_some() {
                continue;
            }
            if cell.unread == 0 && cell.pending.is_empty() {
                cell.end(CloseCode::Draining, None, Reason::Drained, now);
            } else {
                left = true;
            }
        }
        if left {
            let hub = self.worker.hub.clone();
            self.beside(async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                hub.send(HubIn::Drain);
            });
        }
    }
}
