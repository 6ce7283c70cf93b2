//! A client for scenarios: sends commands, sorts what comes into replies and events, and holds all of it against the
//! [`Ledger`]. Every wait is bounded; one that fails shows what was received.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::described;
use super::end::End;
use super::ledger::Ledger;
use super::link::{Dial, Heard, Line, Order, Transport};
use super::words::{done, merge, publish};

/// How long anything may take that has to happen at all.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// One connected client.
pub struct Client {
    pub(super) line: Line,
    dial: Dial,
    name: String,
    welcome: Value,
    /// What was asked and not answered, by id.
    asked: HashMap<String, Value>,
    replies: HashMap<String, Value>,
    events: VecDeque<Value>,
    /// The newest frames, for the message of a failure.
    story: VecDeque<String>,
    ledger: Ledger,
    commands: u64,
    pub(super) last: Value,
    pub(super) end: Option<End>,
}

impl Client {
    /// Connects, and says nothing yet.
    pub async fn connect(dial: Dial, name: &str) -> Self {
        let line = tokio::time::timeout(DEADLINE, dial.connect()).await;
        let line = line.map_err(|_| "no connection in time".to_owned()).and_then(|line| line);
        Self {
            line: line.unwrap_or_else(|why| panic!("{name}: {why}")),
            dial,
            name: name.to_owned(),
            welcome: Value::Null,
            asked: HashMap::new(),
            replies: HashMap::new(),
            events: VecDeque::new(),
            story: VecDeque::new(),
            ledger: Ledger::default(),
            commands: 0,
            last: Value::Null,
            end: None,
        }
    }

    /// Says hello with these members beside `version`, and expects to be welcome.
    pub async fn hello(mut self, members: Value) -> Self {
        let mut command = json!({"type": "hello", "version": 1});
        merge(&mut command, members);
        self.welcome = self.ask(command).await;
        self
    }

    /// The same user with a session of its own; where transports are mixed, over the other one.
    pub async fn twin(&self) -> Self {
        let name = format!("{}'s other session", self.name);
        let client = Self::connect(self.other_dial(), &name).await;
        client.hello(json!({"token": self.token()})).await
    }

    /// Comes back over a new connection, with the token and all that it knows; where transports are mixed, over the
    /// other one. The old connection is cut.
    pub async fn back(self) -> Self {
        let dial = self.other_dial();
        let Self { line, name, welcome, mut ledger, .. } = self;
        drop(line);
        let mut client = Self::connect(dial, &name).await;
        client.ledger.inherit(&std::mem::take(&mut ledger));
        client.hello(json!({"token": welcome["token"]})).await
    }

    /// Where it will connect to from now on: a server that was started again has another port.
    #[must_use]
    pub fn moved(mut self, address: SocketAddr) -> Self {
        self.dial.to = address;
        self
    }

    /// Over which transport it is connected.
    pub fn way(&self) -> Transport {
        self.dial.way()
    }

    fn other_dial(&self) -> Dial {
        Dial { switches: self.dial.switches + 1, ..self.dial }
    }

    /// The `welcome` frame.
    pub fn welcome(&self) -> &Value {
        &self.welcome
    }

    /// Who this is.
    pub fn user(&self) -> &str {
        self.welcome["user"].as_str().unwrap_or_default()
    }

    /// What brings the same user back.
    pub fn token(&self) -> &str {
        self.welcome["token"].as_str().unwrap_or_default()
    }

    /// Sends a text as one frame.
    pub fn send_text(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.note(format!("  > {text:.240}"));
        // A connection that is gone shows when something is awaited.
        let _ = self.line.orders.send(Order::Send(text));
    }

    /// Sends a command as it stands, without an id if it has none.
    pub fn send(&mut self, command: Value) {
        if let ("join", None, Some(channel)) =
            (command["type"].as_str().unwrap_or_default(), command.get("id"), command["channel"].as_str())
        {
            self.ledger.join_blind(channel);
        }
        self.send_text(command.to_string());
    }

    /// Sends a command with an id of its own and returns that.
    pub fn begin(&mut self, mut command: Value) -> String {
        self.commands += 1;
        let id = self.commands.to_string();
        command["id"] = id.clone().into();
        self.asked.insert(id.clone(), command.clone());
        self.send(command);
        id
    }

    /// The reply to the command with this id, whatever it is.
    pub async fn reply(&mut self, id: &str) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(reply) = self.replies.remove(id) {
                return reply;
            }
            self.step(until, || format!("no reply to command {id}")).await;
        }
    }

    /// Whether the reply to the command with this id has come, and was not looked at.
    pub fn is_answered(&self, id: &str) -> bool {
        self.replies.contains_key(id)
    }

    /// The reply to the command with this id; none if the session ends before it comes.
    pub async fn reply_or_end(&mut self, id: &str) -> Option<Value> {
        let until = Instant::now() + DEADLINE;
        while self.end.is_none() && !self.replies.contains_key(id) {
            self.step(until, || format!("neither a reply to command {id} nor the end")).await;
        }
        self.replies.remove(id)
    }

    /// Sends a command and returns its reply, whatever it is.
    pub async fn command(&mut self, command: Value) -> Value {
        let id = self.begin(command);
        self.reply(&id).await
    }

    /// Sends a command and returns the reply of the type that says it was done.
    pub async fn ask(&mut self, command: Value) -> Value {
        let expected = done(command["type"].as_str().unwrap_or_default()).to_owned();
        let shown = command.to_string();
        let reply = self.command(command).await;
        if reply["type"] != expected.as_str() {
            self.fail(&format!("expected {expected:?} for {shown}, got {reply}"));
        }
        reply
    }

    /// Sends a command that has to be refused, and returns the error's code.
    pub async fn refused(&mut self, command: Value) -> String {
        let shown = command.to_string();
        let reply = self.command(command).await;
        match reply["code"].as_str() {
            Some(code) if reply["type"] == "error" && reply["message"].is_string() => code.to_owned(),
            _ => self.fail(&format!("expected an error for {shown}, got {reply}")),
        }
    }

    /// Joins, and returns `joined`.
    pub async fn join(&mut self, channel: &str) -> Value {
        self.ask(json!({"type": "join", "channel": channel})).await
    }

    /// Joins with further members, and returns `joined`.
    pub async fn join_with(&mut self, channel: &str, members: Value) -> Value {
        let mut command = json!({"type": "join", "channel": channel});
        merge(&mut command, members);
        self.ask(command).await
    }

    /// Publishes words, and returns `published`.
    pub async fn publish(&mut self, channel: &str, text: &str) -> Value {
        self.publish_with(channel, text, json!({})).await
    }

    /// Publishes words with further members, and returns `published`.
    pub async fn publish_with(&mut self, channel: &str, text: &str, members: Value) -> Value {
        self.ask(publish(channel, text, members)).await
    }

    /// Publishes so many messages, several at a time, and returns their places.
    pub async fn publish_many(&mut self, channel: &str, count: usize) -> Vec<u64> {
        let mut places = Vec::new();
        for batch in (0..count).collect::<Vec<_>>().chunks(32) {
            let send = |n: &usize| self.begin(publish(channel, &format!("number {n}"), json!({})));
            let ids: Vec<_> = batch.iter().map(send).collect();
            for id in ids {
                let reply = self.reply(&id).await;
                match reply["seq"].as_u64() {
                    Some(seq) if reply["type"] == "published" => places.push(seq),
                    _ => self.fail(&format!("expected \"published\", got {reply}")),
                }
            }
        }
        places
    }

    /// Reads history with these members.
    pub async fn history(&mut self, channel: &str, members: Value) -> Value {
        let mut command = json!({"type": "history", "channel": channel});
        merge(&mut command, members);
        self.ask(command).await
    }

    /// The next event of this type; others stay queued.
    pub async fn event(&mut self, kind: &str) -> Value {
        self.event_where(kind, |_| true).await
    }

    /// The next event of this type that fits; others stay queued.
    pub async fn event_where(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let found = self.events.iter().position(|event| event["type"] == kind && fits(event));
            if let Some(event) = found.and_then(|at| self.events.remove(at)) {
                return event;
            }
            self.step(until, || format!("no event of type {kind:?} as expected")).await;
        }
    }

    /// Waits until everything in a channel up to `seq` has been heard.
    pub async fn hear(&mut self, channel: &str, seq: u64) {
        let until = Instant::now() + DEADLINE;
        while self.ledger.next(channel).is_none_or(|next| next <= seq) {
            self.step(until, || format!("{channel} was not heard up to {seq}")).await;
        }
    }

    /// Waits until everything in a channel up to `seq` has been heard, or the session has ended; says whether it was
    /// heard.
    pub async fn hear_or_end(&mut self, channel: &str, seq: u64) -> bool {
        let until = Instant::now() + DEADLINE;
        let heard = |client: &Self| client.ledger.next(channel).is_some_and(|next| next > seq);
        while self.end.is_none() && !heard(self) {
            self.step(until, || format!("{channel} was not heard up to {seq}, nor the end")).await;
        }
        heard(self)
    }

    /// Takes in whatever has come by now: a `ping` went there and back.
    pub async fn catch_up(&mut self) {
        self.ask(json!({"type": "ping"})).await;
    }

    /// Fails if an event of this type has come by now.
    pub async fn has_not_heard(&mut self, kind: &str) {
        self.catch_up().await;
        if let Some(event) = self.events.iter().find(|event| event["type"] == kind) {
            self.fail(&format!("did not expect {event}"));
        }
    }

    /// Forgets the events that have come by now.
    pub async fn forget(&mut self) {
        self.catch_up().await;
        self.events.clear();
    }

    /// The events that have come and were not asked for.
    pub fn pending(&self) -> impl Iterator<Item = &Value> {
        self.events.iter()
    }

    /// The place of the next message in a channel; none while it is not heard.
    pub fn next(&self, channel: &str) -> Option<u64> {
        self.ledger.next(channel)
    }

    /// The cursor to come back to a channel with.
    pub fn cursor(&self, channel: &str) -> Value {
        self.ledger.cursor(channel).unwrap_or_else(|| self.fail(&format!("{channel} was never joined")))
    }

    /// What was heard of a channel, by place.
    pub fn heard(&self, channel: &str) -> BTreeMap<u64, Value> {
        self.ledger.heard(channel)
    }

    /// Stops reading, and leaves the connection open.
    pub fn jam(&mut self) {
        let _ = self.line.orders.send(Order::Jam);
    }

    /// Reads again.
    pub fn unjam(&mut self) {
        let _ = self.line.orders.send(Order::Unjam);
    }

    /// Closes as the transport has it, without a logout.
    pub fn close(&mut self) {
        let _ = self.line.orders.send(Order::Close);
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.line);
    }

    /// Ends the test with what was received so far.
    pub fn fail(&self, what: &str) -> ! {
        let end = self.end.as_ref().map_or_else(String::new, |end| format!("\n  ended: {end:?}"));
        let shown = self.story.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        panic!("{} ({}): {what}\nthe last frames:\n{shown}{end}", self.name, self.user());
    }

    /// Takes in the next thing that comes, in time.
    async fn step(&mut self, until: Instant, what: impl Fn() -> String) {
        if self.end.is_some() {
            self.fail(&what());
        }
        match timeout_at(until, self.line.heard.recv()).await {
            Ok(heard) => self.file(heard),
            Err(_) => self.fail(&format!("{} within {DEADLINE:?}", what())),
        }
    }

    pub(super) fn file(&mut self, heard: Option<Heard>) {
        let end = match heard {
            Some(Heard::Frame(text)) => return self.file_frame(&text),
            Some(Heard::Closed(code)) => End::Closed(code),
            Some(Heard::Gone(why)) => End::Gone(why),
            None => End::Gone("the line was dropped".to_owned()),
        };
        self.end.get_or_insert(end);
    }

    fn note(&mut self, line: String) {
        if self.story.len() == 40 {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }

    fn file_frame(&mut self, text: &str) {
        self.note(format!("  < {text:.240}"));
        let Ok(frame @ Value::Object(_)) = serde_json::from_str::<Value>(text) else {
            self.fail("a frame that is no JSON object");
        };
        let checked = described::heard(&frame).and_then(|()| self.ledger.take(&frame)).and_then(|()| {
            let Some(id) = frame["id"].as_str() else { return Ok(()) };
            if let Some(command) = self.asked.remove(id) {
                described::answered(&command, &frame)?;
            }
            let command = id.parse().unwrap_or(u64::MAX);
            if command == u64::MAX { Ok(()) } else { self.ledger.replied(&frame, command) }
        });
        if let Err(why) = checked {
            self.fail(&why);
        }
        self.last = frame.clone();
        match frame["id"].as_str() {
            Some(id) if self.replies.contains_key(id) => self.fail(&format!("a second reply to command {id}")),
            Some(id) => drop(self.replies.insert(id.to_owned(), frame)),
            None => self.events.push_back(frame),
        }
    }
}
