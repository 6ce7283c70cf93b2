//! Replies and events of a long-poll session, put into the order of one stream. Pure.
//!
//! Replies come with the answers to commands, events with the answers to polls, and a WebSocket's client relies on
//! three things between the two. A `joined` stands before what it begins: the one among the events counts, and gets the
//! reply's `id`. After `left` nothing of that channel follows, and after `pong` has come whatever was sent before it:
//! both wait until everything that was queued when they were said has been fetched. Replies keep their order, and the
//! error that names a close comes after all of them.

use std::collections::VecDeque;

use serde_json::Value;

/// A reply that has not been handed on.
#[derive(Debug)]
struct Reply {
    frame: Value,
    wants: Wants,
}

/// What a reply waits for.
#[derive(Debug, PartialEq, Eq)]
enum Wants {
    Nothing,
    /// The event that says the same.
    Event,
    /// Events that were queued before it; it is the reply of this number.
    Events(u64),
}

/// What commands are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Commands,
    /// Commands, joins among them.
    Joins,
}

/// One session's frames.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    events: VecDeque<Value>,
    /// The number of the newest event that came.
    last: u64,
    replies: VecDeque<Reply>,
    /// How many replies came.
    count: u64,
    /// How many of them had come when a poll was begun that found nothing more.
    fetched: u64,
}

impl Sorter {
    /// The number to poll with.
    pub fn after(&self) -> u64 {
        self.last
    }

    /// How many replies have come.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A poll with `after` was answered with events up to `next`. What came before comes in once.
    pub fn page(&mut self, after: u64, next: u64, events: Vec<Value>) -> Result<(), String> {
        if next != after + events.len() as u64 {
            return Err(format!("{} events after {after}, and next is {next}", events.len()));
        }
        let known = self.last.saturating_sub(after) as usize;
        self.events.extend(events.into_iter().skip(known));
        self.last = self.last.max(next);
        Ok(())
    }

    /// A poll that was begun when so many replies had come found nothing more.
    pub fn fetched(&mut self, count: u64) {
        self.fetched = self.fetched.max(count);
    }

    /// A command was answered with this. What a client that gave no id would not hear of is dropped.
    pub fn reply(&mut self, frame: Value) {
        self.count += 1;
        let kind = frame["type"].as_str().unwrap_or_default();
        let wants = match kind {
            "joined" => Wants::Event,
            "left" | "pong" => Wants::Events(self.count),
            _ => Wants::Nothing,
        };
        if frame["id"].is_string() || matches!(kind, "error" | "joined" | "welcome") {
            self.replies.push_back(Reply { frame, wants });
        }
    }

    /// Whether a reply waits for what can be fetched at once.
    pub fn wants_events(&self) -> bool {
        self.replies.front().is_some_and(|reply| matches!(reply.wants, Wants::Events(count) if count > self.fetched))
    }

    /// The next frame to be handed on. `due` says what is under way, if anything is: until a join's answer has come,
    /// nobody knows whose `joined` it is that stands among the events.
    pub fn next(&mut self, due: Due) -> Option<Value> {
        let (fetched, all) = (self.fetched, self.events.is_empty());
        let may_go = |wants: &Wants| match wants {
            Wants::Nothing => true,
            Wants::Event => false,
            Wants::Events(count) => *count <= fetched && all,
        };
        if self.replies.front().is_some_and(|reply| may_go(&reply.wants)) {
            return self.replies.pop_front().map(|reply| reply.frame);
        }
        let event = self.events.front()?;
        if names_a_close(event) && (due != Due::Nothing || !self.replies.is_empty()) {
            return None;
        }
        if event["type"] != "joined" {
            return self.events.pop_front();
        }
        let Some(at) = self.replies.iter().position(|reply| says_the_same(reply, event)) else {
            return if due == Due::Joins { None } else { self.events.pop_front() };
        };
        // What was answered before it stands before it.
        let before = self.replies.iter().take(at).position(|reply| reply.wants != Wants::Event);
        if before.is_none() {
            self.events.pop_front();
        }
        self.replies.remove(before.unwrap_or(at)).map(|reply| reply.frame)
    }

    /// Nothing comes any more: what is left, in the order in which it came.
    pub fn finish(mut self) -> Vec<Value> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next(Due::Nothing) {
            frames.push(frame);
        }
        frames.extend(self.replies.into_iter().map(|reply| reply.frame));
        frames.extend(self.events);
        frames
    }
}

/// Whether a frame is the error that precedes a close.
pub(super) fn names_a_close(frame: &Value) -> bool {
    frame["type"] == "error" && frame["close"].is_u64()
}

/// Whether a reply is that of the join which this event tells of.
fn says_the_same(reply: &Reply, event: &Value) -> bool {
    let mut frame = reply.frame.clone();
    if let Some(members) = frame.as_object_mut() {
        members.remove("id");
    }
    reply.wants == Wants::Event && frame == *event
}
