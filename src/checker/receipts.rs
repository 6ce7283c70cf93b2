//! Receipts: what became of each publish.
//!
//! - `receipt-message`: the message at the place that a receipt names is not the one that was published.
//! - `two-receipts`: two publishes that are not the same have one place.
//! - `key-twice`: one key of one user stands at two places of a log.
//! - `duplicate-flag`: `duplicate` is true for a publish that is the only one with its key, or that has none.
//! - `old-place`: a message was given a place that was known to be taken when it was sent.
//! - `refused-but-there`: a publish was refused for good, and there is a message of it.
//! - `nobody-said-it`: there is a message that its user never sent.
//! - `said-twice`: there are more messages of one body without a key than were sent.

use serde_json::Value;

use super::cx::Cx;
use super::frame::{flag, number, said, stamp, text};
use super::names::{Map, Set};
use super::order::{Logs, Receipt, agree};
use super::session::{Asked, Session};

/// All publishes of one user in one channel with one key; or, without a key, that say the same.
#[derive(Debug, Default)]
struct Attempt {
    sent: u32,
    refused: u32,
    /// What the first one said, and what others said that said something else.
    said: u64,
    others: Vec<u64>,
    /// The highest base, as long as each had one.
    base: Option<u64>,
}

/// User, channel, key or 0, what was said or 0.
type Which = (u32, u32, u32, u64);

/// All publishes.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    attempts: Map<Which, Attempt>,
}

fn which(cx: &mut Cx, user: u32, frame: &Value) -> Option<Which> {
    // Who `@bob` is depends on who says it.
    let channel = text(frame, "channel").filter(|name| !name.starts_with('@'))?;
    let key = cx.names.maybe(text(frame, "key"));
    Some((user, cx.names.id(channel), key, if key == 0 { said(frame) } else { 0 }))
}

impl Receipts {
    /// A publish was sent.
    pub fn sent<'h>(&mut self, cx: &mut Cx, session: &mut Session<'h>, asked: Asked<'h>) {
        match session.user.or(session.presumed) {
            Some(user) => self.attempt(cx, user, &asked),
            None => session.early.push(asked),
        }
    }

    /// It is known now who the session is: what it sent before is that user's.
    pub fn welcome(&mut self, cx: &mut Cx, session: &mut Session<'_>, user: u32) {
        for asked in std::mem::take(&mut session.early) {
            self.attempt(cx, user, &asked);
        }
    }

    fn attempt(&mut self, cx: &mut Cx, user: u32, asked: &Asked<'_>) {
        let Some(which) = which(cx, user, asked.frame) else { return };
        let (said, base) = (said(asked.frame), number(asked.frame, "base"));
        let attempt = self.attempts.entry(which).or_default();
        if attempt.sent == 0 {
            (attempt.said, attempt.base) = (said, base);
        } else {
            if attempt.said != said && !attempt.others.contains(&said) {
                attempt.others.push(said);
            }
            attempt.base = attempt.base.zip(base).map(|(one, other)| one.max(other));
        }
        attempt.sent += 1;
    }

    /// A publish was refused for good.
    pub fn refused(&mut self, cx: &mut Cx, session: &Session<'_>, asked: &Asked<'_>) {
        let Some(user) = session.user else { return };
        if let Some(attempt) = which(cx, user, asked.frame).and_then(|which| self.attempts.get_mut(&which)) {
            attempt.refused += 1;
        }
    }

    /// A `published`, and the publish that it answers where that is known.
    pub fn published(
        &mut self,
        cx: &mut Cx,
        logs: &mut Logs,
        session: &Session<'_>,
        channel: u32,
        frame: &Value,
        asked: Option<Asked<'_>>,
    ) {
        let (Some(epoch), Some(seq)) = (text(frame, "epoch"), number(frame, "seq")) else { return };
        let log = logs.of(cx, channel, epoch);
        let (Some(asked), Some(user)) = (asked, session.user) else { return logs.tell(cx, log, seq) };
        let duplicate = flag(frame, "duplicate");
        let key = cx.names.maybe(text(asked.frame, "key"));
        let no = session.no;
        let known = logs.get(log).told.before(asked.turn);
        if !duplicate && known >= seq {
            cx.breach("old-place", |names| {
                format!(
                    "session {no}, {}: {seq} is given to {}, {known} was known before",
                    names.of(channel),
                    asked.frame
                )
            });
        }
        logs.tell(cx, log, seq);
        let attempt = which(cx, user, asked.frame).and_then(|which| self.attempts.get(&which));
        let alone = attempt.is_some_and(|attempt| attempt.sent - attempt.refused <= 1);
        if duplicate && (key == 0 || alone) {
            cx.breach("duplicate-flag", |names| {
                format!("session {no}, {} {seq}: {} is called a duplicate, and is none", names.of(channel), asked.frame)
            });
        }
        let base = attempt.and_then(|attempt| attempt.base);
        let stamp = text(frame, "at").and_then(stamp).unwrap_or_default();
        let receipt = Receipt { user, key, said: (!duplicate).then(|| said(asked.frame)), stamp };
        let place = logs.all[log as usize].places.entry(seq).or_default();
        let before = place.receipt;
        place.receipt = Some(Receipt { said: receipt.said.or(before.and_then(|before| before.said)), ..receipt });
        let message = place.message;
        if let Some(before) = before {
            let same = key != 0 && (before.user, before.key) == (user, key);
            if !same || (before.said.is_some() && !duplicate) {
                cx.breach("two-receipts", |names| {
                    let (user, other) = (names.of(user), names.of(before.user));
                    format!("{} {seq}: a receipt of {user} for {}, and one of {other}", names.of(channel), asked.frame)
                });
            }
        }
        if let Some((message, _)) = message {
            agree(cx, channel, seq, &message, &receipt);
        }
        logs.name_key(cx, log, (user, key), seq, base);
    }

    /// Once everything is known: each message of a user who was here is one that the user sent.
    pub fn finish(&self, cx: &mut Cx, logs: &Logs, users: &Set<u32>) {
        let mut unkeyed: Map<(u32, Which), u32> = Map::default();
        for (no, log) in logs.all.iter().enumerate() {
            if cx.names.of(log.channel).starts_with('@') {
                continue;
            }
            for (seq, place) in &log.places {
                let Some((message, at)) = place.message.filter(|(message, _)| users.contains(&message.from)) else {
                    continue;
                };
                let which = (message.from, log.channel, message.key, if message.key == 0 { message.said } else { 0 });
                let attempt = self.attempts.get(&which);
                let left = attempt.map_or(0, |attempt| attempt.sent - attempt.refused);
                let rule = match attempt {
                    Some(_) if left == 0 => "refused-but-there",
                    Some(attempt) if message.said == attempt.said || attempt.others.contains(&message.said) => {
                        if message.key != 0 {
                            continue;
                        }
                        let count = unkeyed.entry((no as u32, which)).or_default();
                        *count += 1;
                        if *count <= left {
                            continue;
                        }
                        "said-twice"
                    }
                    _ => "nobody-said-it",
                };
                let names = &cx.names;
                cx.found.add(at, rule, || {
                    let (from, key) = (names.of(message.from), names.of(message.key));
                    format!("{} {seq}: from {from}, key {key:?}", names.of(log.channel))
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::checker::sample::{Story, message, two, user, with};

    fn said(seq: u64, key: &str) -> Value {
        message(seq, &user("ann"), key)
    }

    fn error(code: &str) -> Value {
        json!({"type": "error", "code": code, "message": "no"})
    }

    #[test]
    fn a_receipt_names_the_message_that_was_published() {
        let right = said(1, "k");
        for (other, rule) in [
            (json!({}), None),
            (json!({"at": "2026-11-22T16:59:00.000Z"}), Some("receipt-message")),
            (json!({"body": {"text": "another"}}), Some("receipt-message")),
        ] {
            for first in [true, false] {
                let mut story = two();
                let id = story.ask(1, Story::publish(&right));
                let heard = with(right.clone(), other.clone());
                if first {
                    story.hear(2, heard.clone());
                }
                story.answer(1, &id, Story::receipt(&right, false));
                if !first {
                    story.hear(2, heard);
                }
                let broken = story.broken();
                assert_eq!(broken.first().copied(), rule, "{other} {broken:?}");
            }
        }
        let mut story = two();
        story.hear(2, message(1, &user("bob"), "b"));
        let id = story.ask(1, Story::publish(&right));
        story.answer(1, &id, Story::receipt(&right, false));
        assert!(story.broken().contains(&"receipt-message"));
    }

    #[test]
    fn two_publishes_have_two_places() {
        let one = said(1, "a");
        let mut story = two();
        let (a, b) = (story.ask(1, Story::publish(&one)), story.ask(1, Story::publish(&said(1, "b"))));
        story.answer(1, &a, Story::receipt(&one, false));
        let mut good = story.clone();
        good.answer(1, &b, Story::receipt(&said(2, "b"), false));
        good.holds();
        story.answer(1, &b, Story::receipt(&one, false));
        story.breaks("two-receipts");
    }

    #[test]
    fn a_key_is_used_once_and_says_so() {
        let one = said(1, "k");
        let story = || {
            let mut story = two();
            story.published(1, &one, &[1, 2]);
            let id = story.ask(1, Story::publish(&with(one.clone(), json!({"body": {"text": "again"}}))));
            (story, id)
        };
        let (mut good, id) = story();
        good.answer(1, &id, Story::receipt(&one, true));
        good.holds();
        // Its flag is wrong: a receipt for a first one names the place of another, and the body is another.
        let (mut bad, id) = story();
        bad.answer(1, &id, Story::receipt(&one, false));
        assert!(bad.broken().contains(&"two-receipts"));
        let (mut bad, id) = story();
        bad.answer(1, &id, Story::receipt(&said(2, "k"), false));
        bad.breaks("key-twice");
        let (mut bad, _) = story();
        bad.hear(2, said(2, "k"));
        assert!(bad.broken().contains(&"key-twice"));
    }

    #[test]
    fn with_a_base_a_key_is_found_however_long_ago() {
        for (base, rule) in [(json!({"base": 0}), Some("key-twice")), (json!({}), None)] {
            let mut story = two();
            let a = story.ask(1, with(Story::publish(&said(1, "k")), base.clone()));
            story.answer(1, &a, Story::receipt(&said(1, "k"), false));
            let b = story.ask(1, with(Story::publish(&said(1, "k")), base));
            story.answer(1, &b, Story::receipt(&said(1200, "k"), false));
            match rule {
                Some(rule) => story.breaks(rule),
                None => story.holds(),
            }
        }
    }

    #[test]
    fn what_is_the_only_one_is_no_duplicate() {
        for key in ["k", ""] {
            let one = said(1, key);
            let mut story = two();
            let id = story.ask(1, Story::publish(&one));
            let mut good = story.clone();
            good.answer(1, &id, Story::receipt(&one, false));
            good.holds();
            story.answer(1, &id, Story::receipt(&one, true));
            story.breaks("duplicate-flag");
        }
    }

    #[test]
    fn a_later_publish_has_a_later_place() {
        let mut story = two();
        story.published(1, &said(5, "a"), &[]);
        let id = story.ask(2, Story::publish(&message(4, &user("bob"), "b")));
        let mut good = story.clone();
        good.answer(2, &id, Story::receipt(&message(6, &user("bob"), "b"), false));
        good.holds();
        story.answer(2, &id, Story::receipt(&message(4, &user("bob"), "b"), false));
        story.breaks("old-place");
    }

    #[test]
    fn what_was_refused_is_nowhere_unless_nobody_knows() {
        for key in ["k", ""] {
            for (code, rule) in [("unavailable", None), ("internal", None), ("overloaded", Some("refused-but-there"))] {
                let mut story = two();
                let id = story.ask(1, Story::publish(&said(1, key)));
                story.answer(1, &id, error(code));
                [1, 2].into_iter().for_each(|session| story.hear(session, said(1, key)));
                match rule {
                    Some(rule) => story.breaks(rule),
                    None => story.holds(),
                }
            }
        }
        let mut again = two();
        let id = again.ask(1, Story::publish(&said(1, "k")));
        again.answer(1, &id, error("overloaded"));
        again.published(1, &said(1, "k"), &[1, 2]);
        again.holds();
    }

    #[test]
    fn every_message_was_said_and_no_oftener() {
        let mut story = two();
        let open = story.ask(1, Story::publish(&said(1, "k")));
        assert!(!open.is_empty());
        story.hear(2, said(1, "k"));
        story.holds();
        for strange in [said(2, "never"), with(said(1, "k"), json!({"seq": 2, "key": "k2"})), said(2, "")] {
            let mut bad = story.clone();
            bad.hear(2, strange);
            bad.breaks("nobody-said-it");
        }
        let plain = said(1, "");
        let mut story = two();
        story.published(1, &plain, &[1, 2]);
        let again = with(said(2, ""), json!({"body": plain["body"]}));
        let mut good = story.clone();
        good.published(1, &again, &[1, 2]);
        good.holds();
        story.hear(2, again);
        story.breaks("said-twice");
    }

    #[test]
    fn what_is_sent_before_the_welcome_is_of_the_user_who_is_welcomed() {
        let mut story = two();
        story.what(crate::checker::What::Opened { session: 3, over: "websocket".into() });
        let hello = story.ask(3, json!({"type": "hello", "version": 1, "guest": "carl"}));
        let one = message(1, &user("carl"), "k");
        let id = story.ask(3, Story::publish(&one));
        story.hear(1, one.clone());
        story.answer(3, &hello, Story::welcome(3, "carl"));
        story.answer(3, &id, Story::receipt(&one, false));
        story.holds();
    }
}
