//! One pass over a history: hands each entry to the rules that it concerns.

use serde_json::Value;

use super::cx::Cx;
use super::frame::{Message, kind, number, text};
use super::hello::{self, Guests};
use super::names::Map;
use super::order::Logs;
use super::pages;
use super::presence::Presence;
use super::reads::Reads;
use super::receipts::Receipts;
use super::replies;
use super::session::{Asked, Session};
use super::shape;
use super::subscription::{self, Left};
use super::{Breach, By, Entry, SessionNo, Terms, What};

/// The rules at work.
pub(super) struct Run<'h> {
    cx: Cx,
    logs: Logs,
    receipts: Receipts,
    reads: Reads,
    left: Left,
    guests: Guests<'h>,
    presence: Presence,
    /// Those that are not over.
    sessions: Map<SessionNo, Box<Session<'h>>>,
}

impl<'h> Run<'h> {
    /// Before the first entry.
    pub fn new(terms: &Terms) -> Self {
        Self {
            cx: Cx::new(*terms),
            logs: Logs::default(),
            receipts: Receipts::default(),
            reads: Reads::default(),
            left: Left::default(),
            guests: Guests::default(),
            presence: Presence::default(),
            sessions: Map::default(),
        }
    }

    /// Takes the next entry.
    pub fn step(&mut self, entry: &'h Entry) {
        self.cx.at = entry.at;
        self.cx.turn += 1;
        match &entry.what {
            What::Opened { session, over } => {
                let begun = Session::new(*session, over == "longpoll", self.cx.turn);
                self.sessions.insert(*session, Box::new(begun));
            }
            What::Sent { session, frame } => self.sent(*session, frame),
            What::Got { session, frame } => self.got(*session, frame),
            What::Over { session, code, by } => {
                if let Some(session) = self.sessions.get(session) {
                    hello::over(&mut self.cx, session, *code, *by);
                }
                self.over(*session, Some(*by));
            }
            What::Hampered { session } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    self.presence.doubt(&self.cx, session);
                    session.hampered.begin(entry.at, self.cx.terms.slack_ms);
                }
            }
            What::Eased { session } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.hampered.end(entry.at);
                }
            }
            What::ServerUp => self.up(),
            What::ServerDown => {
                self.doubt_all();
                self.cx.trouble.down(entry.at, self.cx.turn);
                self.reads.down(&self.cx);
            }
            What::ServerSlow => {
                self.doubt_all();
                self.cx.trouble.slow(entry.at, true);
            }
            What::ServerWell => self.cx.trouble.slow(entry.at, false),
            What::RegistryBroken => {
                self.cx.trouble.registry.begin(entry.at, 0);
                self.cx.trouble.registry.end(entry.at);
            }
            What::Rest => self.rest(),
            What::Log { channel, epoch, first, head, messages } => {
                let channel = self.cx.names.id(channel);
                let log = self.logs.of(&mut self.cx, channel, epoch);
                self.logs.log(&mut self.cx, log, *first, *head, messages);
            }
            What::Note { .. } => {}
        }
    }

    /// Everything was seen: the breaches, and how many claims of presence were decided.
    pub fn finish(mut self) -> (Vec<Breach>, u64) {
        let left: Vec<SessionNo> = self.sessions.keys().copied().collect();
        left.into_iter().for_each(|session| self.over(session, None));
        self.receipts.finish(&mut self.cx, &self.logs, &self.guests.users);
        self.logs.finish(&mut self.cx);
        self.presence.finish(&mut self.cx);
        (self.cx.found.finish(), self.presence.decided)
    }

    fn over(&mut self, session: SessionNo, by: Option<By>) {
        if let Some(mut session) = self.sessions.remove(&session) {
            replies::overdue(&mut self.cx, &session);
            self.presence.gone(&self.cx, &mut session, by);
        }
    }

    fn doubt_all(&mut self) {
        for session in self.sessions.values_mut() {
            self.presence.doubt(&self.cx, session);
        }
    }

    /// A server that comes up knows nobody of before. A hello may have waited for it.
    fn up(&mut self) {
        if let Some(fell) = self.cx.trouble.up(self.cx.at) {
            let before = self.sessions.values().filter(|session| session.opened < fell && session.user.is_some());
            let before: Vec<SessionNo> = before.map(|session| session.no).collect();
            for session in before {
                if let Some(mut session) = self.sessions.remove(&session) {
                    self.presence.gone(&self.cx, &mut session, Some(By::Network));
                }
            }
        }
    }

    fn rest(&mut self) {
        if self.cx.trouble.now() {
            return;
        }
        for session in self.sessions.values().filter(|session| !session.hampered.now()) {
            subscription::rest(&mut self.cx, &self.logs, session);
            replies::rest(&mut self.cx, session);
            self.presence.rest(&self.cx, session);
        }
    }

    fn sent(&mut self, session: SessionNo, frame: &'h Value) {
        let Some(session) = self.sessions.get_mut(&session) else { return };
        let cx = &mut self.cx;
        let asked = Asked { turn: cx.turn, at: cx.at, frame };
        replies::sent(session, asked);
        let channel = cx.names.maybe(text(frame, "channel"));
        match kind(frame) {
            "hello" if session.user.is_none() => {
                session.greeted.get_or_insert(asked.at);
                session.hello = Some(frame);
                session.presumed = self.guests.presume(frame);
            }
            "publish" => self.receipts.sent(cx, session, asked),
            "join" => subscription::join(session, channel, asked),
            "leave" => self.left.leave(session, channel, &asked),
            "unwatch" => Presence::unwatch(cx, session, frame),
            "logout" => self.presence.leaving(cx, session),
            "visible" => self.presence.hide(session),
            "delete" => {
                self.logs.deleted.insert(channel);
            }
            _ => {}
        }
    }

    fn got(&mut self, session: SessionNo, frame: &'h Value) {
        let Some(session) = self.sessions.get_mut(&session) else { return };
        let cx = &mut self.cx;
        hello::got(cx, session, frame);
        let asked = replies::take(cx, session, frame);
        if let Some(member) = shape::fault(frame) {
            let no = session.no;
            return cx.breach("shape", |_| format!("session {no}: {member} of {frame}"));
        }
        let kind = kind(frame);
        match asked {
            Some(asked) if kind == "error" => return refused(cx, &mut self.receipts, session, frame, &asked),
            Some(asked) => Presence::proven(cx, session, &asked),
            None => {}
        }
        let channel = cx.names.maybe(text(frame, "channel"));
        match kind {
            "message" => {
                if let Some(message) = Message::read(frame, &mut cx.names) {
                    subscription::message(cx, &mut self.logs, session, channel, message);
                }
            }
            "welcome" => {
                session.hello = asked.map(|asked| asked.frame).or(session.hello);
                if let Some(user) = self.guests.welcome(cx, session, frame) {
                    session.user = Some(user);
                    session.opened = cx.turn;
                    self.receipts.welcome(cx, session, user);
                    Presence::welcome(cx, session);
                }
            }
            "joined" => {
                if let Some(asked) = joined(cx, &mut self.logs, session, channel, frame, asked) {
                    self.reads.joined(cx, session, channel, &asked);
                }
            }
            "left" => {
                if let Some(asked) = asked {
                    subscription::left(session, channel, asked.turn);
                }
            }
            "published" => self.receipts.published(cx, &mut self.logs, session, channel, frame, asked),
            "history" => pages::history(cx, &mut self.logs, session, channel, frame, asked),
            "presence" if frame.get("users").is_none() => self.presence.event(cx, session, frame),
            "presence" | "watching" => {
                if let Some(asked) = asked {
                    self.presence.rows(cx, session, frame, &asked);
                }
            }
            "channels" => {
                if let Some(asked) = asked {
                    self.reads.channels(cx, &mut self.logs, &self.left, session, frame, &asked);
                }
            }
            "ok" => {
                if let Some(asked) = asked.filter(|asked| super::frame::kind(asked.frame) == "read") {
                    self.reads.done(cx, &self.logs, session, &asked);
                }
            }
            "read" => self.reads.event(cx, &mut self.logs, &self.left, session, channel, frame),
            "closed" => {
                let reason = text(frame, "reason").unwrap_or_default();
                subscription::closed(cx, &self.logs, &self.left, session, channel, reason);
            }
            "member" => subscription::event(cx, session, channel, kind),
            "typing" => subscription::typing(cx, session, channel, frame),
            "pulse" => subscription::pulse(cx, session, frame),
            "activity" => {
                if let (Some(epoch), Some(head)) = (text(frame, "epoch"), number(frame, "head")) {
                    let log = self.logs.of(cx, channel, epoch);
                    self.logs.tell(cx, log, head);
                }
            }
            _ => {}
        }
    }
}

/// A `joined`: over WebSocket the reply, over long-poll the event. Returns the join that it answers.
fn joined<'h>(
    cx: &mut Cx,
    logs: &mut Logs,
    session: &mut Session<'h>,
    channel: u32,
    frame: &'h Value,
    asked: Option<Asked<'h>>,
) -> Option<Asked<'h>> {
    let reply = frame.get("id").is_some();
    if reply && session.longpoll {
        return asked;
    }
    if reply && asked.is_none() {
        // To which command is not known.
        subscription::loosen(session, channel);
        return None;
    }
    subscription::joined(cx, logs, session, channel, frame, asked)
}

/// An `error` that answers a command.
fn refused(cx: &mut Cx, receipts: &mut Receipts, session: &mut Session<'_>, frame: &Value, asked: &Asked<'_>) {
    let known = !matches!(text(frame, "code"), Some("unavailable" | "internal"));
    let channel = cx.names.maybe(text(asked.frame, "channel"));
    match kind(asked.frame) {
        "publish" if known => receipts.refused(cx, session, asked),
        "join" | "leave" => subscription::refused(session, channel, asked, known),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::checker::sample::{Story, two};
    use crate::checker::{By, What};

    #[test]
    fn a_frame_of_the_wrong_shape_is_found() {
        for (frame, good) in [
            (json!({"type": "error", "code": "conflict", "message": "no"}), true),
            (json!({"type": "error", "code": "oops", "message": "no"}), false),
            (json!({"type": "pulse", "heads": {"lobby": "0"}}), false),
            (json!({"kind": "pulse"}), false),
            (json!({"type": "something-new"}), true),
        ] {
            let mut story = two();
            story.hear(1, frame);
            if good { story.holds() } else { story.breaks("shape") }
        }
        let mut bad = two();
        bad.join(1, json!({}), [1, 0, 1], false);
        bad.holds();
        let mut joined = Story::joined([1, 0, 1], false);
        joined["gap"] = json!(null);
        bad.both(1, json!({"type": "join", "channel": "lobby"}), joined);
        bad.breaks("shape");
    }

    #[test]
    fn what_comes_after_the_end_of_a_session_is_passed_over() {
        let mut story = two();
        story.over(1, By::Client);
        story.hear(1, json!({"type": "pong", "id": "never", "now": "noon"}));
        story.say(9, json!({"type": "ping", "id": "1"}));
        story.what(What::Rest);
        story.holds();
    }

    #[test]
    fn with_interval_a_crash_may_bring_another_epoch_and_take_what_was_said() {
        use crate::checker::sample::{message, terms, user};
        use crate::checker::{Terms, check};
        let said = message(1, &user("ann"), "k");
        for crash in [true, false] {
            let mut story = two();
            story.published(1, &said, &[1, 2]);
            if crash {
                story.what(What::ServerDown);
                story.what(What::ServerUp);
            }
            let log = |epoch: &str| What::Log {
                channel: "lobby".into(),
                epoch: epoch.into(),
                first: 1,
                head: 0,
                messages: Vec::new(),
            };
            let mut kept = story.clone();
            kept.what(log("e"));
            story.what(log("other"));
            let terms = Terms { durable: false, ..terms() };
            assert_eq!(check(&story.history, &terms).is_empty(), crash);
            assert_eq!(check(&kept.history, &terms)[0].rule, "lost", "the epoch says that nothing was lost");
        }
    }
}
