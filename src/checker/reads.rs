//! Read positions and memberships, which are kept.
//!
//! - `read-goes-back`: a position is below one that was known before.
//! - `unread-too-many`: more is unread than there is, or than is counted.
//! - `member-missing`: a channel is not in the list of one who joined it.
//!
//! A user who leaves forgets the position: of one who ever left a channel nothing is said there.

use serde_json::Value;

use super::cx::{Cx, Rising};
use super::frame::{flag, list, number, text};
use super::names::{Map, Set};
use super::order::Logs;
use super::session::{Asked, Session};
use super::subscription::{self, Left};

/// So many unread messages are counted at most.
const UNREAD_MAX: u64 = 1000;

/// What is known of users and channels.
#[derive(Debug, Default)]
pub(super) struct Reads {
    positions: Map<(u32, u32), Rising>,
    /// Since which turn a user is known to be a member.
    members: Map<u32, Map<u32, u64>>,
}

impl Reads {
    /// What was not durable may be gone.
    pub fn down(&mut self, cx: &Cx) {
        if !cx.terms.durable {
            *self = Self::default();
        }
    }

    /// A `joined` came that makes a member.
    pub fn joined(&mut self, cx: &Cx, session: &Session<'_>, channel: u32, asked: &Asked<'_>) {
        let member = asked.frame.get("member").and_then(Value::as_bool) != Some(false);
        if let Some(user) = session.user.filter(|_| member) {
            self.members.entry(user).or_default().entry(channel).or_insert(cx.turn);
        }
    }

    /// A `read` event.
    pub fn event(
        &mut self,
        cx: &mut Cx,
        logs: &mut Logs,
        left: &Left,
        session: &mut Session<'_>,
        channel: u32,
        frame: &Value,
    ) {
        let user = cx.names.maybe(text(frame, "user"));
        let seq = number(frame, "seq").unwrap_or_default();
        if session.user != Some(user) {
            subscription::event(cx, session, channel, "read");
        }
        let no = session.no;
        let heard = session.reads.insert((channel, user), seq).unwrap_or_default();
        if left.has(user, channel) {
            return;
        }
        if heard > seq {
            cx.breach("read-goes-back", |names| {
                format!("session {no}, {}: {} read {heard}, then {seq}", names.of(channel), names.of(user))
            });
        }
        self.positions.entry((user, channel)).or_default().raise(cx.turn, seq);
        if let Some(log) = logs.latest(channel).filter(|_| cx.terms.durable) {
            logs.doubt_reaches(cx, log, seq, "unread-too-many");
        }
    }

    /// An `ok` to a `read`.
    pub fn done(&mut self, cx: &mut Cx, logs: &Logs, session: &Session<'_>, asked: &Asked<'_>) {
        let Some(user) = session.user else { return };
        let channel = cx.names.maybe(text(asked.frame, "channel"));
        let Some(log) = logs.latest(channel) else { return };
        let head = logs.get(log).told.before(asked.turn);
        let seq = number(asked.frame, "seq").unwrap_or_default().min(head);
        self.positions.entry((user, channel)).or_default().raise(cx.turn, seq);
    }

    /// A `channels` reply.
    pub fn channels(
        &mut self,
        cx: &mut Cx,
        logs: &mut Logs,
        left: &Left,
        session: &Session<'_>,
        frame: &Value,
        asked: &Asked<'_>,
    ) {
        let Some(user) = session.user else { return };
        let (no, name) = (session.no, cx.names.of(user).to_owned());
        let mut listed: Set<u32> = Set::default();
        for row in list(frame, "channels") {
            let (Some(channel), Some(epoch)) = (text(row, "channel"), text(row, "epoch")) else { continue };
            let channel = cx.names.id(channel);
            listed.insert(channel);
            let [head, read, unread] = ["head", "read", "unread"].map(|name| number(row, name).unwrap_or_default());
            let log = logs.of(cx, channel, epoch);
            logs.all[log as usize].top = logs.get(log).top.max(head);
            if unread > UNREAD_MAX {
                cx.breach("unread-too-many", |_| format!("session {no}: {row}"));
            }
            if cx.terms.durable {
                logs.doubt_reaches(cx, log, read + unread, "unread-too-many");
            }
            if left.has(user, channel) {
                continue;
            }
            let position = self.positions.entry((user, channel)).or_default();
            let known = position.before(asked.turn);
            position.raise(cx.turn, read);
            if known > read {
                cx.breach("read-goes-back", |_| format!("session {no}: {name} had read {known}, but {row}"));
            }
        }
        let whole = asked.frame.get("after").is_none() && !flag(frame, "more");
        let members = self.members.get(&user).filter(|_| whole);
        for (&channel, &since) in members.into_iter().flatten() {
            let gone = left.has(user, channel) || logs.deleted.contains(&channel);
            if since < asked.turn && !gone && !listed.contains(&channel) {
                cx.breach("member-missing", |names| format!("session {no}: {name} joined {}", names.of(channel)));
            }
        }
    }
}
