//! Histories written by hand, for the tests.

use serde_json::{Map, Value, json};

use super::{By, History, SessionNo, Terms, What, check};

/// What the samples are checked against.
pub(super) fn terms() -> Terms {
    Terms { heartbeat_ms: 500, timeout_ms: 2000, sweep_ms: 100, slack_ms: 100, replay_max: 50, durable: true }
}

/// A history in the making, with its clock.
#[derive(Clone, Default)]
pub(super) struct Story {
    pub history: History,
    pub now: u64,
    ids: u64,
    longpoll: Vec<SessionNo>,
}

/// A message of `lobby` as everyone hears it.
pub(super) fn message(seq: u64, from: &str, key: &str) -> Value {
    let at = format!("2026-11-22T16:{:02}:{:02}.{:03}Z", seq / 60_000 % 60, seq / 1000 % 60, seq % 1000);
    let mut frame = json!({"type": "message", "channel": "lobby", "seq": seq, "at": at, "from": from,
        "body": {"text": format!("{from} {key} {seq}")}});
    if !key.is_empty() {
        frame["key"] = key.into();
    }
    frame
}

/// The user of a name: each name has one.
pub(super) fn user(name: &str) -> String {
    format!("~{name}-aaaaa")
}

/// These members as well.
pub(super) fn with(mut frame: Value, more: Value) -> Value {
    if let (Value::Object(frame), Value::Object(more)) = (&mut frame, more) {
        frame.extend(more);
    }
    frame
}

impl Story {
    pub fn new() -> Self {
        let mut story = Self { now: 1000, ..Self::default() };
        story.what(What::ServerUp);
        story
    }

    pub fn what(&mut self, what: What) {
        self.history.add(self.now, what);
    }

    pub fn wait(&mut self, ms: u64) {
        self.now += ms;
    }

    pub fn say(&mut self, session: SessionNo, frame: Value) {
        self.what(What::Sent { session, frame });
    }

    pub fn hear(&mut self, session: SessionNo, frame: Value) {
        self.what(What::Got { session, frame });
    }

    /// Sends a command and gives its id.
    pub fn ask(&mut self, session: SessionNo, frame: Value) -> String {
        self.ids += 1;
        let id = format!("i{}", self.ids);
        self.say(session, with(frame, json!({"id": id})));
        id
    }

    pub fn answer(&mut self, session: SessionNo, id: &str, frame: Value) {
        self.hear(session, with(frame, json!({"id": id})));
    }

    /// A command and its reply.
    pub fn both(&mut self, session: SessionNo, command: Value, reply: Value) {
        let id = self.ask(session, command);
        self.wait(1);
        self.answer(session, &id, reply);
    }

    pub fn welcome(session: SessionNo, name: &str) -> Value {
        let now = "2026-11-22T16:00:00.000Z";
        json!({"type": "welcome", "session": format!("secret-{session}"), "sid": format!("{session:012x}"),
            "user": user(name), "guest": true, "token": format!("token-{name}"), "heartbeat_ms": 500, "timeout_ms": 2000,
            "now": now, "server": "parlor", "versions": [1], "features": [], "limits": {}})
    }

    /// A session of this guest begins.
    pub fn open(&mut self, session: SessionNo, over: &str, name: &str) {
        let came = json!(format!("token-{name}"));
        let known = self
            .history
            .entries
            .iter()
            .any(|entry| matches!(&entry.what, What::Got { frame, .. } if frame.get("token") == Some(&came)));
        self.what(What::Opened { session, over: over.into() });
        if over == "longpoll" {
            self.longpoll.push(session);
        }
        let who = if known { json!({"token": came}) } else { json!({"guest": name}) };
        self.both(session, with(json!({"type": "hello", "version": 1}), who), Self::welcome(session, name));
    }

    pub fn websocket(&mut self, session: SessionNo, name: &str) {
        self.open(session, "websocket", name);
    }

    pub fn over(&mut self, session: SessionNo, by: By) {
        self.what(What::Over { session, code: None, by });
    }

    /// What a `joined` says: `[first, head, next]`.
    pub fn joined([first, head, next]: [u64; 3], gap: bool) -> Value {
        json!({"type": "joined", "channel": "lobby", "epoch": "e", "head": head, "first": first, "next": next,
            "replay": (head + 1).saturating_sub(next), "gap": gap})
    }

    /// A join with these members, and its reply or event.
    pub fn join(&mut self, session: SessionNo, wish: Value, places: [u64; 3], gap: bool) {
        let join = with(json!({"type": "join", "channel": "lobby"}), wish);
        if self.longpoll.contains(&session) {
            self.ask(session, join);
            self.wait(1);
            self.hear(session, Self::joined(places, gap));
        } else {
            self.both(session, join, Self::joined(places, gap));
        }
    }

    /// What a receipt says of a message.
    pub fn receipt(message: &Value, duplicate: bool) -> Value {
        json!({"type": "published", "channel": "lobby", "epoch": "e", "seq": message["seq"], "at": message["at"],
            "duplicate": duplicate})
    }

    /// The publish of a message.
    pub fn publish(message: &Value) -> Value {
        let mut members = Map::new();
        for name in ["channel", "body", "key", "kind", "ref"] {
            members.extend(message.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        with(json!({"type": "publish"}), Value::Object(members))
    }

    /// A publish of this message, with its receipt; and these hear it.
    pub fn published(&mut self, session: SessionNo, message: &Value, whom: &[SessionNo]) {
        let id = self.ask(session, Self::publish(message));
        self.wait(1);
        for other in whom {
            self.hear(*other, message.clone());
        }
        self.answer(session, &id, Self::receipt(message, false));
    }

    pub fn log(&mut self, messages: &[Value]) {
        let head = messages.last().map_or(0, |last| last["seq"].as_u64().unwrap());
        let first = messages.first().map_or(1, |first| first["seq"].as_u64().unwrap());
        self.what(What::Log { channel: "lobby".into(), epoch: "e".into(), first, head, messages: messages.to_vec() });
    }

    /// The rules that it breaks.
    pub fn broken(&self) -> Vec<&'static str> {
        let breaches = check(&self.history, &terms());
        breaches.iter().map(|breach| breach.rule).collect()
    }

    /// It breaks this rule, and only this, at least once.
    #[track_caller]
    pub fn breaks(&self, rule: &str) {
        let breaches = check(&self.history, &terms());
        let only = !breaches.is_empty() && breaches.iter().all(|breach| breach.rule == rule);
        assert!(only, "expected {rule}, got {breaches:#?}");
    }

    /// It breaks none.
    #[track_caller]
    pub fn holds(&self) {
        let breaches = check(&self.history, &terms());
        assert!(breaches.is_empty(), "{breaches:#?}");
    }
}

/// Ann and Bob over WebSocket, both in `lobby`, which is empty.
pub(super) fn two() -> Story {
    let mut story = Story::new();
    for (session, name) in [(1, "ann"), (2, "bob")] {
        story.websocket(session, name);
        story.join(session, json!({}), [1, 0, 1], false);
    }
    story
}
