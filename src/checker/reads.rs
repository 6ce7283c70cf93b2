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
        if heard > seq && cx.terms.durable {
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
            if known > read && cx.terms.durable {
                cx.breach("read-goes-back", |_| format!("session {no}: {name} had read {known}, but {row}"));
            }
        }
        let whole = asked.frame.get("after").is_none() && !flag(frame, "more");
        let members = self.members.get(&user).filter(|_| whole && cx.terms.durable);
        for (&channel, &since) in members.into_iter().flatten() {
            let gone = left.has(user, channel) || logs.deleted.contains(&channel);
            if since < asked.turn && !gone && !listed.contains(&channel) {
                cx.breach("member-missing", |names| format!("session {no}: {name} joined {}", names.of(channel)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::checker::What;
    use crate::checker::sample::{Story, message, two, user};

    fn read(seq: u64) -> Value {
        json!({"type": "read", "channel": "lobby", "user": user("ann"), "seq": seq})
    }

    fn channels(story: &mut Story, rows: &[(u64, u64)]) {
        let row = |(read, unread): &(u64, u64)| json!({"channel": "lobby", "epoch": "e", "head": 3, "read": read, "unread": unread, "role": "member"});
        let rows: Vec<Value> = rows.iter().map(row).collect();
        story.both(1, json!({"type": "channels"}), json!({"type": "channels", "channels": rows, "more": false}));
    }

    /// Bob has said three things, and Ann has read two of them.
    fn story() -> Story {
        let mut story = two();
        for seq in 1..4 {
            story.published(2, &message(seq, &user("bob"), &format!("k{seq}")), &[1, 2]);
        }
        story.both(1, json!({"type": "read", "channel": "lobby", "seq": 2}), json!({"type": "ok"}));
        story
    }

    #[test]
    fn a_position_never_moves_back() {
        for (next, rule) in [(2, None), (3, None), (1, Some("read-goes-back"))] {
            let mut rows = story();
            channels(&mut rows, &[(next, 0)]);
            let mut events = story();
            events.hear(2, read(2));
            events.hear(2, read(next));
            for story in [rows, events] {
                match rule {
                    Some(rule) => story.breaks(rule),
                    None => story.holds(),
                }
            }
        }
    }

    #[test]
    fn what_was_heard_holds_for_lists_too_and_a_restart_changes_nothing() {
        let mut story = story();
        story.hear(2, read(3));
        story.what(What::ServerDown);
        story.what(What::ServerUp);
        story.websocket(3, "ann");
        let list = |story: &mut Story, read: u64| {
            let row = json!({"channel": "lobby", "epoch": "e", "head": 3, "read": read, "unread": 0, "role": "member"});
            story.both(3, json!({"type": "channels"}), json!({"type": "channels", "channels": [row], "more": false}));
        };
        let mut good = story.clone();
        list(&mut good, 3);
        good.holds();
        list(&mut story, 2);
        story.breaks("read-goes-back");
    }

    #[test]
    fn who_leaves_begins_again() {
        let mut story = story();
        story.both(1, json!({"type": "leave", "channel": "lobby"}), json!({"type": "left", "channel": "lobby"}));
        story.join(1, json!({"tail": 0}), [1, 3, 4], false);
        channels(&mut story, &[(0, 3)]);
        story.holds();
    }

    #[test]
    fn no_more_is_unread_than_there_is() {
        for (read, unread, rule) in [(2, 1, None), (2, 2, Some("unread-too-many")), (2, 1001, Some("unread-too-many"))]
        {
            let mut story = story();
            channels(&mut story, &[(read, unread)]);
            match rule {
                Some(rule) => {
                    assert!(story.broken().iter().all(|broken| *broken == rule) && !story.broken().is_empty());
                }
                None => story.holds(),
            }
        }
    }

    #[test]
    fn a_channel_that_was_joined_is_in_the_list() {
        let mut bad = story();
        channels(&mut bad, &[]);
        bad.breaks("member-missing");
        let mut guest = story();
        guest.websocket(3, "carl");
        guest.join(3, json!({"member": false, "tail": 0}), [1, 3, 4], false);
        guest.both(3, json!({"type": "channels"}), json!({"type": "channels", "channels": [], "more": false}));
        guest.holds();
    }

    #[test]
    fn a_position_beyond_the_head_is_found() {
        let mut story = story();
        story.hear(2, read(3));
        story.holds();
        story.hear(2, read(4));
        story.breaks("unread-too-many");
    }
}
