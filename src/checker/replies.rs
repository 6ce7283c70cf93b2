//! Replies: each command has one, in time, and those of a channel in order.
//!
//! - `reply-unasked`, `reply-twice`: to a command that was not sent, or once too often.
//! - `reply-type`: of a type that does not answer the command, or of another channel.
//! - `reply-order`: `joined`, `left` and `published` of a channel not in the order of their commands.
//! - `reply-late`: none within ten seconds.
//! - `rest-unanswered`: none when everything has come to rest.

use serde_json::Value;

use super::cx::Cx;
use super::frame::{kind, text};
use super::session::{Asked, Session};

/// The reply's type to a command's, where that is known.
fn answer_of(command: &str) -> Option<&'static str> {
    Some(match command {
        "hello" => "welcome",
        "refresh" => "refreshed",
        "join" => "joined",
        "leave" => "left",
        "publish" => "published",
        "history" => "history",
        "presence" => "presence",
        "who" => "who",
        "watch" => "watching",
        "unwatch" => "unwatched",
        "typing" | "read" => "ok",
        "channels" => "channels",
        "ping" => "pong",
        "logout" => "bye",
        _ => return None,
    })
}

/// A command was sent.
pub(super) fn sent<'h>(session: &mut Session<'h>, asked: Asked<'h>) {
    let Some(id) = text(asked.frame, "id").filter(|id| (1..=64).contains(&id.len())) else { return };
    if session.answered.contains(id) || session.asked.insert(id, asked).is_some() {
        session.asked.remove(id);
        session.reused.insert(id);
    }
}

/// A frame with an id came: returns the command that it answers, if all is as it should be.
pub(super) fn take<'h>(cx: &mut Cx, session: &mut Session<'h>, frame: &'h Value) -> Option<Asked<'h>> {
    let (no, id) = (session.no, text(frame, "id")?);
    if session.reused.contains(id) {
        return None;
    }
    let Some(asked) = session.asked.remove(id) else {
        let rule = if session.answered.contains(id) { "reply-twice" } else { "reply-unasked" };
        cx.breach(rule, |_| format!("session {no}: {frame}"));
        return None;
    };
    session.answered.insert(id);
    if due(cx, session, &asked).is_some_and(|due| due < cx.at) {
        cx.breach("reply-late", |_| {
            format!("session {no}: {}, sent at {}, is answered only now", asked.frame, asked.at)
        });
    }
    let (command, reply) = (kind(asked.frame), kind(frame));
    if reply == "error" {
        return Some(asked);
    }
    let other_channel = match (text(asked.frame, "channel"), text(frame, "channel")) {
        (Some(one), Some(other)) => one != other && !one.starts_with('@'),
        _ => false,
    };
    if answer_of(command).is_some_and(|due| due != reply) || other_channel {
        cx.breach("reply-type", |_| format!("session {no}: {frame} answers {}", asked.frame));
        return None;
    }
    if matches!(reply, "joined" | "left" | "published") && !session.longpoll {
        let channel = cx.names.maybe(text(frame, "channel"));
        let last = session.in_order.entry(channel).or_default();
        if *last > asked.turn {
            cx.breach("reply-order", |_| format!("session {no}: {frame} came after the reply to a later command"));
        }
        *last = asked.turn.max(*last);
    }
    Some(asked)
}

/// By when a command has to be answered, if it has to be.
fn due(cx: &Cx, session: &Session<'_>, asked: &Asked<'_>) -> Option<u64> {
    if session.longpoll && kind(asked.frame) == "join" {
        // Its reply is not written down.
        return None;
    }
    let since = |until: Option<u64>| until.filter(|until| *until >= asked.at);
    let troubles = [since(cx.trouble.spans.until()), since(session.hampered.until())];
    let last = troubles.into_iter().flatten().max();
    if last == Some(u64::MAX) || session.longpoll && last.is_some() {
        // A request that broke off with its connection is never answered.
        return None;
    }
    Some(last.unwrap_or(asked.at) + cx.patience())
}

/// Nothing more will come, or is expected: looks for commands that should have been answered by now.
pub(super) fn overdue(cx: &mut Cx, session: &Session<'_>) {
    let no = session.no;
    for asked in session.asked.values() {
        if due(cx, session, asked).is_some_and(|due| due < cx.at) {
            cx.breach("reply-late", |_| format!("session {no}: {}, sent at {}, has no reply", asked.frame, asked.at));
        }
    }
}

/// Everything has come to rest.
pub(super) fn rest(cx: &mut Cx, session: &Session<'_>) {
    let no = session.no;
    for asked in session.asked.values() {
        // One that was sent just now needs a moment.
        let early = asked.at.saturating_add(cx.terms.slack_ms) <= cx.at;
        if early && due(cx, session, asked).is_some() {
            cx.breach("rest-unanswered", |_| format!("session {no}: {}, sent at {}", asked.frame, asked.at));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::checker::sample::{Story, message, two, user};
    use crate::checker::{By, What};

    #[test]
    fn each_command_has_one_reply_of_its_type() {
        let pong = json!({"type": "pong", "now": "2026-11-22T16:00:00.000Z"});
        let mut story = two();
        let id = story.ask(1, json!({"type": "ping"}));
        for wrong in [json!({"type": "ok"}), json!({"type": "left", "channel": "lobby"})] {
            let mut bad = story.clone();
            bad.answer(1, &id, wrong);
            bad.breaks("reply-type");
        }
        let mut unasked = story.clone();
        unasked.answer(1, "never", pong.clone());
        unasked.breaks("reply-unasked");
        story.answer(1, &id, pong.clone());
        story.holds();
        story.answer(1, &id, pong);
        story.breaks("reply-twice");
    }

    #[test]
    fn a_reply_is_of_the_channel_that_was_asked() {
        let mut story = two();
        let id = story.ask(1, json!({"type": "leave", "channel": "lobby"}));
        let mut good = story.clone();
        good.answer(1, &id, json!({"type": "left", "channel": "lobby"}));
        good.holds();
        story.answer(1, &id, json!({"type": "left", "channel": "other"}));
        story.breaks("reply-type");
    }

    #[test]
    fn receipts_come_in_the_order_of_their_commands() {
        let said = |seq| message(seq, &user("ann"), &format!("k{seq}"));
        for (order, over, rule) in
            [([1, 2], "websocket", None), ([2, 1], "websocket", Some("reply-order")), ([2, 1], "longpoll", None)]
        {
            let mut story = two();
            story.open(3, over, "ann");
            let ids = [1, 2].map(|seq| story.ask(3, Story::publish(&said(seq))));
            for seq in order {
                story.answer(3, &ids[seq - 1], Story::receipt(&said(seq as u64), false));
            }
            match rule {
                Some(rule) => story.breaks(rule),
                None => story.holds(),
            }
        }
    }

    #[test]
    fn a_reply_comes_within_ten_seconds_unless_something_is_amiss() {
        let pong = json!({"type": "pong", "now": "2026-11-22T16:00:00.000Z"});
        let faults = [
            vec![],
            vec![What::ServerSlow, What::ServerWell],
            vec![What::Hampered { session: 1 }, What::Eased { session: 1 }],
        ];
        for (which, fault) in faults.into_iter().enumerate() {
            let mut story = two();
            let id = story.ask(1, json!({"type": "ping"}));
            story.wait(9000);
            fault.into_iter().for_each(|what| story.what(what));
            story.wait(2000);
            let mut never = story.clone();
            story.answer(1, &id, pong.clone());
            never.wait(9000);
            never.websocket(3, "carl");
            never.breaks("reply-late");
            match which {
                0 => story.breaks("reply-late"),
                _ => story.holds(),
            }
        }
    }

    #[test]
    fn who_ends_in_time_needs_no_reply() {
        let mut story = two();
        story.ask(1, json!({"type": "ping"}));
        story.wait(9000);
        story.over(1, By::Network);
        story.wait(9000);
        story.websocket(3, "carl");
        story.holds();
    }

    #[test]
    fn at_rest_nothing_is_unanswered() {
        let mut story = two();
        story.ask(1, json!({"type": "ping"}));
        let mut good = story.clone();
        good.over(1, By::Client);
        good.what(What::Rest);
        good.holds();
        let mut early = story.clone();
        early.what(What::Rest);
        early.holds();
        story.wait(5000);
        story.what(What::Rest);
        story.breaks("rest-unanswered");
    }

    #[test]
    fn an_id_that_was_used_twice_says_nothing() {
        let pong = json!({"type": "pong", "id": "x", "now": "2026-11-22T16:00:00.000Z"});
        let mut story = two();
        for _ in 0..3 {
            story.say(1, json!({"type": "ping", "id": "x"}));
        }
        (0..3).for_each(|_| story.hear(1, pong.clone()));
        story.holds();
    }
}
