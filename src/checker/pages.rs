//! `history` replies: pages of the log.
//!
//! - `history-range`: the page is outside of what was asked for, or of the log.
//! - `history-hole`: it does not ascend without a hole, or leaves out what it should begin or end with.
//! - `history-more`: `more` is wrong.

use serde_json::Value;

use super::cx::Cx;
use super::frame::{Message, flag, list, number, text};
use super::order::Logs;
use super::session::{Asked, Session};
use super::subscription::stale;

/// How long a page is that does not say.
const PAGE: u64 = 50;

/// A `history`, and the command that it answers where that is known.
pub(super) fn history(
    cx: &mut Cx,
    logs: &mut Logs,
    session: &Session<'_>,
    channel: u32,
    frame: &Value,
    asked: Option<Asked<'_>>,
) {
    let (Some(epoch), Some(first), Some(head)) = (text(frame, "epoch"), number(frame, "first"), number(frame, "head"))
    else {
        return;
    };
    let no = session.no;
    let log = logs.of(cx, channel, epoch);
    let elements = list(frame, "messages");
    let messages: Vec<Message> = elements.iter().filter_map(|one| Message::read(one, &mut cx.names)).collect();
    let (oldest, newest) = match (messages.first(), messages.last()) {
        (Some(oldest), Some(newest)) => (oldest.seq, newest.seq),
        _ => (1, 0),
    };
    let dense = messages.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq);
    let ours = elements.iter().all(|one| text(one, "channel") == text(frame, "channel"));
    let mut fault = (!dense || !ours).then_some("history-hole");
    if first > head + 1 || !messages.is_empty() && (oldest < first || newest > head) {
        fault = Some("history-range");
    }
    if let Some(asked) = asked {
        stale(cx, logs, session, log, asked.turn, head);
        let wish = Wish::read(asked.frame, first, head);
        let more = flag(frame, "more");
        fault = fault.or_else(|| wish.fault(elements, oldest, newest, more));
        if fault.is_none() && messages.is_empty() && wish.from <= wish.to && wish.hour.is_none() {
            logs.doubt_kept(cx, log, wish.to, "history-hole");
        } else if fault.is_none() && wish.leaves_out(oldest, newest) {
            logs.doubt_kept(cx, log, oldest.saturating_sub(1), "history-hole");
        }
    }
    if let Some(rule) = fault {
        let command = asked.map(|asked| asked.frame.to_string()).unwrap_or_default();
        cx.breach(rule, |names| {
            let channel = names.of(channel);
            format!("session {no}, {channel}: {command} gave {oldest} to {newest} of {first} to {head}")
        });
    }
    logs.first(log, first);
    logs.tell(cx, log, head);
    for message in messages {
        logs.see(cx, log, message);
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
struct Wish<'h> {
    from: u64,
    to: u64,
    after: bool,
    before: bool,
    limit: u64,
    hour: Option<&'h str>,
}

impl<'h> Wish<'h> {
    fn read(command: &'h Value, first: u64, head: u64) -> Self {
        let (after, before) = (number(command, "after"), number(command, "before"));
        Self {
            from: after.map_or(first, |after| first.max(after.saturating_add(1))),
            to: before.map_or(head, |before| head.min(before.saturating_sub(1))),
            after: after.is_some(),
            before: before.is_some(),
            limit: number(command, "limit").unwrap_or(PAGE),
            hour: text(command, "hour"),
        }
    }

    fn fault(&self, messages: &[Value], oldest: u64, newest: u64, more: bool) -> Option<&'static str> {
        let count = messages.len() as u64;
        let in_hour = |hour: &str| messages.iter().all(|one| text(one, "at").is_some_and(|at| at.starts_with(hour)));
        let inside = count == 0 || oldest >= self.from && newest <= self.to;
        if !inside || count > self.limit || !self.hour.is_none_or(in_hour) {
            return Some("history-range");
        }
        if self.hour.is_some() {
            return None;
        }
        if self.from > self.to {
            return more.then_some("history-more");
        }
        if count == 0 {
            return None;
        }
        // What is newest if nothing or `before` alone was said, what is oldest after `after`; a range, from either end.
        let (down, up) = (newest == self.to, oldest == self.from);
        let (holds, rest) = match (self.after, self.before) {
            (true, false) => (true, Some(!down)),
            (false, _) => (down, Some(!up)),
            (true, true) => (down || up, up.then_some(!down)),
        };
        if !holds {
            return Some("history-hole");
        }
        rest.is_some_and(|rest| rest != more).then_some("history-more")
    }

    /// Whether it begins above where it should, which is right only if the log was trimmed meanwhile.
    fn leaves_out(&self, oldest: u64, newest: u64) -> bool {
        self.hour.is_none() && self.after && !self.before && newest > 0 && oldest > self.from
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::checker::sample::{Story, message, two, user, with};

    /// A page of a log that holds 1 to 5, all of which Ann said; the last two with an hour that is not the first's.
    fn page(wish: &Value, seqs: &[u64], more: bool, places: Value) -> Story {
        let said = |seq| message(seq, &user("ann"), &format!("k{seq}"));
        let mut story = two();
        (1..6).for_each(|seq| story.published(1, &said(seq), &[1, 2]));
        let messages: Vec<Value> = seqs.iter().map(|seq| said(*seq)).collect();
        let reply = json!({"type": "history", "channel": "lobby", "epoch": "e", "first": 1, "head": 5, "messages": messages,
            "more": more});
        story.both(2, with(json!({"type": "history", "channel": "lobby"}), wish.clone()), with(reply, places));
        story
    }

    #[test]
    fn a_page_is_what_was_asked_for() {
        for (wish, seqs, more) in [
            (json!({}), &[1, 2, 3, 4, 5][..], false),
            (json!({"limit": 2}), &[4, 5], true),
            (json!({"before": 4}), &[1, 2, 3], false),
            (json!({"before": 4, "limit": 1}), &[3], true),
            (json!({"after": 2}), &[3, 4, 5], false),
            (json!({"after": 2, "limit": 1}), &[3], true),
            (json!({"after": 1, "before": 5}), &[2, 3, 4], false),
            (json!({"after": 1, "before": 5, "limit": 2}), &[2, 3], true),
            (json!({"after": 5}), &[], false),
            (json!({"before": 1}), &[], false),
            (json!({"hour": "2026-11-22T16"}), &[1, 2, 3, 4, 5], false),
            (json!({"hour": "2026-11-22T15"}), &[], false),
        ] {
            page(&wish, seqs, more, json!({})).holds();
        }
    }

    #[test]
    fn a_page_with_anything_else_is_found() {
        for (wish, seqs, more, rule) in [
            (json!({}), &[1, 2, 4, 5][..], false, "history-hole"),
            (json!({}), &[5, 4, 3, 2, 1], false, "history-hole"),
            (json!({"limit": 2}), &[1, 2], true, "history-hole"),
            (json!({"limit": 2}), &[3, 4, 5], true, "history-range"),
            (json!({"before": 4}), &[2, 3, 4], true, "history-range"),
            (json!({"after": 2}), &[2, 3, 4, 5], false, "history-range"),
            (json!({"after": 2}), &[4, 5], false, "history-hole"),
            (json!({"after": 5}), &[5], false, "history-range"),
            (json!({"after": 2}), &[], false, "history-hole"),
            (json!({}), &[1, 2, 3, 4, 5], true, "history-more"),
            (json!({"after": 2, "limit": 1}), &[3], false, "history-more"),
            (json!({"before": 4, "limit": 1}), &[3], false, "history-more"),
            (json!({"after": 5}), &[], true, "history-more"),
            (json!({"hour": "2026-11-22T15"}), &[1], false, "history-range"),
        ] {
            page(&wish, seqs, more, json!({})).breaks(rule);
        }
        page(&json!({}), &[1, 2, 3, 4, 5], false, json!({"first": 2})).breaks("history-range");
        page(&json!({"before": 4}), &[2, 3], false, json!({"first": 2})).holds();
        page(&json!({"before": 4}), &[1, 2, 3], false, json!({"head": 4})).breaks("stale-head");
    }

    #[test]
    fn what_was_trimmed_meanwhile_may_be_left_out() {
        let mut story = page(&json!({"after": 1}), &[4, 5], false, json!({}));
        story.breaks("history-hole");
        story.log(&[message(4, &user("ann"), "k4"), message(5, &user("ann"), "k5")]);
        story.holds();
    }

    #[test]
    fn a_page_shows_what_everyone_heard() {
        let mut story = page(&json!({}), &[1, 2, 3, 4, 5], false, json!({}));
        let reply = json!({"type": "history", "channel": "lobby", "epoch": "e", "first": 1, "head": 5,
            "messages": [message(5, &user("bob"), "k5")], "more": true});
        story.both(2, json!({"type": "history", "channel": "lobby", "limit": 1}), reply);
        story.breaks("one-message-per-place");
    }
}
