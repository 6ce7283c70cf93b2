//! What a history holds, in numbers: for programs to print, and to see that a check had something to check.

use std::fmt::{self, Display, Formatter};

use serde_json::Value;

use super::frame::{flag, kind, list, number};
use super::{History, What};

/// How much of each there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries.
    pub entries: u64,
    /// Sessions over WebSocket.
    pub websockets: u64,
    /// Sessions over long-poll.
    pub longpolls: u64,
    /// Sessions that ended.
    pub ended: u64,
    /// Times that a session was hampered.
    pub hampered: u64,
    /// Commands.
    pub commands: u64,
    /// Publishes among them.
    pub publishes: u64,
    /// `published`
    pub receipts: u64,
    /// Those that named an earlier message.
    pub duplicates: u64,
    /// `error` as a reply.
    pub refusals: u64,
    /// `message` events.
    pub deliveries: u64,
    /// `joined`
    pub joins: u64,
    /// Those after which something was replayed.
    pub replays: u64,
    /// Messages that were replayed.
    pub replayed: u64,
    /// Those with a gap.
    pub gaps: u64,
    /// `history` replies.
    pub pages: u64,
    /// Messages in them.
    pub paged: u64,
    /// What was said of users: events, and rows of replies.
    pub presence_claims: u64,
    /// Those, and what watchers knew at rest, of which the truth was certain; only [`examine`](super::examine) knows.
    pub presence_decided: u64,
    /// Times that all came to rest.
    pub rests: u64,
    /// Times that the server went down.
    pub restarts: u64,
    /// Logs that were read in the end.
    pub logs: u64,
    /// Messages in them.
    pub logged: u64,
}

/// Counts what a history holds.
pub fn count(history: &History) -> Summary {
    let mut sum = Summary { entries: history.entries.len() as u64, ..Summary::default() };
    for entry in &history.entries {
        match &entry.what {
            What::Opened { over, .. } if over == "longpoll" => sum.longpolls += 1,
            What::Opened { .. } => sum.websockets += 1,
            What::Sent { frame, .. } => {
                sum.commands += 1;
                sum.publishes += u64::from(kind(frame) == "publish");
            }
            What::Got { frame, .. } => sum.got(frame),
            What::Over { .. } => sum.ended += 1,
            What::Hampered { .. } => sum.hampered += 1,
            What::ServerDown => sum.restarts += 1,
            What::Rest => sum.rests += 1,
            What::Log { messages, .. } => {
                sum.logs += 1;
                sum.logged += messages.len() as u64;
            }
            What::Eased { .. }
            | What::ServerUp
            | What::ServerSlow
            | What::ServerWell
            | What::RegistryBroken
            | What::Note { .. } => {}
        }
    }
    sum
}

impl Summary {
    fn got(&mut self, frame: &Value) {
        match kind(frame) {
            "message" => self.deliveries += 1,
            "published" => {
                self.receipts += 1;
                self.duplicates += u64::from(flag(frame, "duplicate"));
            }
            "joined" => {
                let replay = number(frame, "replay").unwrap_or_default();
                self.joins += 1;
                self.replays += u64::from(replay > 0);
                self.replayed += replay;
                self.gaps += u64::from(flag(frame, "gap"));
            }
            "history" => {
                self.pages += 1;
                self.paged += list(frame, "messages").len() as u64;
            }
            "error" => self.refusals += u64::from(frame.get("id").is_some()),
            "presence" if frame.get("users").is_none() => self.presence_claims += 1,
            "presence" | "watching" => self.presence_claims += list(frame, "users").len() as u64,
            _ => {}
        }
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { entries, websockets, longpolls, ended, hampered, .. } = self;
        write!(f, "{entries} entries; {websockets} WebSocket and {longpolls} long-poll sessions, {ended} ended, ")?;
        write!(f, "{hampered} times hampered; ")?;
        let Self { commands, publishes, receipts, duplicates, refusals, deliveries, .. } = self;
        write!(f, "{commands} commands, {publishes} publishes, {receipts} receipts, {duplicates} of duplicates, ")?;
        write!(f, "{refusals} refusals, {deliveries} deliveries; ")?;
        let Self { joins, replays, replayed, gaps, pages, paged, .. } = self;
        write!(f, "{joins} joins, {replays} replays of {replayed} messages, {gaps} gaps, {pages} pages of {paged}; ")?;
        let Self { presence_claims, presence_decided, rests, restarts, logs, logged, .. } = self;
        write!(
            f,
            "{presence_claims} presence claims, {presence_decided} decided; {rests} rests, {restarts} restarts; "
        )?;
        write!(f, "{logs} logs of {logged} messages")
    }
}
