//! Reading the server's frames, and writing commands. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error::Fault;
use super::event::{Activity, Event, Joined, Member, Message, Presence, Receipt, wall_or_none};
use super::options::Start;
use crate::model::{Cursor, Epoch, Seq, Wall};

/// What the server said.
#[derive(Debug)]
pub(super) enum Frame {
    Welcome(Box<Welcome>),
    Message(Message),
    Joined(Joined),
    Published(u64, Receipt),
    Error(Option<u64>, Fault),
    Closed {
        channel: String,
        reason: String,
    },
    Pulse(Pulse),
    Notice(Notice),
    /// An event that is the application's business.
    Event(Event),
    /// The answer to the command with this id.
    Reply(u64, Value),
}

/// `welcome`, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Welcome {
    pub user: String,
    pub token: String,
    #[serde(default, deserialize_with = "wall_or_none")]
    pub expires_at: Option<Wall>,
    #[serde(default, deserialize_with = "wall_or_none")]
    pub now: Option<Wall>,
    #[serde(default = "heartbeat")]
    pub heartbeat_ms: u64,
    #[serde(default = "timeout")]
    pub timeout_ms: u64,
    #[serde(default)]
    pub limits: Limits,
}

/// The limits that the client keeps to.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    pub frame_bytes: usize,
    pub outstanding: usize,
    pub page_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame_bytes: 65_536, outstanding: 64, page_max: 1000 }
    }
}

fn heartbeat() -> u64 {
    25_000
}

fn timeout() -> u64 {
    60_000
}

#[derive(Debug, Deserialize)]
pub(super) struct Pulse {
    #[serde(default)]
    pub heads: BTreeMap<String, Seq>,
    #[serde(default)]
    pub online: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Notice {
    pub code: String,
    #[serde(default)]
    pub text: String,
    pub retry_after_ms: Option<u64>,
}

/// A page of a channel's log.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Page {
    pub epoch: Epoch,
    pub first: Seq,
    pub head: Seq,
    pub messages: Vec<Message>,
    pub more: bool,
}

#[derive(Deserialize)]
struct Head {
    r#type: String,
    id: Option<String>,
}

#[derive(Deserialize)]
struct Gone {
    channel: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Who {
    channel: String,
    user: String,
    #[serde(default)]
    seq: Seq,
}

/// Reads a frame; `None` if it is none, or an answer to something that this client did not ask.
pub(super) fn read(text: &str) -> Option<Frame> {
    let head: Head = serde_json::from_str(text).ok()?;
    let id = match &head.id {
        Some(id) => Some(id.parse::<u64>().ok()?),
        None => None,
    };
    let known = match (head.r#type.as_str(), id) {
        ("welcome", _) => parse(text).map(|welcome| Frame::Welcome(Box::new(welcome))),
        ("message", None) => parse(text).map(Frame::Message),
        ("joined", _) => parse(text).map(Frame::Joined),
        ("published", Some(id)) => parse(text).map(|receipt| Frame::Published(id, receipt)),
        ("error", id) => parse(text).map(|fault| Frame::Error(id, fault)),
        ("closed", None) => parse(text).map(|Gone { channel, reason }| Frame::Closed { channel, reason }),
        ("pulse", None) => parse(text).map(Frame::Pulse),
        ("notice", None) => parse(text).map(Frame::Notice),
        ("presence", None) => parse::<Presence>(text).map(|presence| Frame::Event(Event::Presence(presence))),
        ("activity", None) => parse::<Activity>(text).map(|activity| Frame::Event(Event::Activity(activity))),
        ("member", None) => parse::<Member>(text).map(|member| Frame::Event(Event::Member(member))),
        ("typing", None) => parse(text).map(|Who { channel, user, .. }| Frame::Event(Event::Typing { channel, user })),
        ("read", None) => {
            parse(text).map(|Who { channel, user, seq }| Frame::Event(Event::Read { channel, user, seq }))
        }
        _ => None,
    };
    // What is not known, or not as it should be, goes on as it came.
    known.or_else(|| {
        let value = parse::<Value>(text)?;
        Some(id.map_or_else(|| Frame::Event(Event::Other(value.clone())), |id| Frame::Reply(id, value.clone())))
    })
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Gives a command its id and writes it.
pub(super) fn command(id: u64, mut command: Value) -> String {
    command["id"] = id.to_string().into();
    command.to_string()
}

/// `hello`
pub(super) fn hello(id: u64, token: Option<&str>, guest: Option<&str>, client: &str) -> String {
    let mut hello = json!({"type": "hello", "version": 1, "client": client});
    match (token, guest) {
        (Some(token), _) => hello["token"] = token.into(),
        (None, Some(guest)) => hello["guest"] = guest.into(),
        (None, None) => {}
    }
    command(id, hello)
}

/// `join`
pub(super) fn join(id: u64, channel: &str, start: &Start, member: bool) -> String {
    let mut join = json!({"type": "join", "channel": channel});
    match start {
        Start::Stood => {}
        Start::Tail(count) => join["tail"] = (*count).into(),
        Start::Since(cursor) => join["since"] = json!(cursor),
    }
    if !member {
        join["member"] = false.into();
    }
    command(id, join)
}

/// `history` of what lies between two places.
pub(super) fn between(id: u64, channel: &str, after: Seq, before: Seq, limit: usize) -> String {
    let history = json!({"type": "history", "channel": channel, "after": after, "before": before, "limit": limit});
    command(id, history)
}

/// What a `publish` says.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub channel: String,
    /// An object, written.
    pub body: Box<RawValue>,
    pub key: String,
    pub kind: Option<String>,
    pub reply_to: Option<Seq>,
}

impl Words {
    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.body.get().len() + self.channel.len() + 2 * self.key.len() + 256
    }

    /// The frame.
    pub fn frame(&self, id: u64, base: Option<&Cursor>) -> String {
        #[derive(Serialize)]
        struct Publish<'a> {
            r#type: &'a str,
            id: String,
            channel: &'a str,
            key: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            base: Option<Seq>,
            #[serde(skip_serializing_if = "Option::is_none")]
            kind: Option<&'a str>,
            #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
            reply_to: Option<Seq>,
            body: &'a RawValue,
        }
        let frame = Publish {
            r#type: "publish",
            id: id.to_string(),
            channel: &self.channel,
            key: &self.key,
            base: base.map(|cursor| cursor.seq),
            kind: self.kind.as_deref(),
            reply_to: self.reply_to,
            body: &self.body,
        };
        // Strings, numbers and JSON that was read before: nothing here can fail to be written.
        serde_json::to_string(&frame).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_by_type_and_id() {
        let at = r#""at":"2026-11-22T10:00:00.007Z""#;
        let published =
            format!(r#"{{"type":"published","id":"7","channel":"a","epoch":"e","seq":1,{at},"duplicate":false}}"#);
        assert!(matches!(read(&published), Some(Frame::Published(7, _))));
        assert!(matches!(read(r#"{"type":"error","code":"internal","message":""}"#), Some(Frame::Error(None, _))));
        assert!(matches!(read(r#"{"type":"presence","id":"3","users":[]}"#), Some(Frame::Reply(3, _))));
        assert!(read(r#"{"type":"pong","id":"x"}"#).is_none(), "an id that is not ours");
        assert!(matches!(read(r#"{"type":"dance"}"#), Some(Frame::Event(Event::Other(_)))));
        assert!(matches!(read(r#"{"type":"message","seq":"3"}"#), Some(Frame::Event(Event::Other(_)))));
        assert!(read("no json").is_none() && read("[]").is_none());
    }

    #[test]
    fn a_publish_is_written_with_its_body_to_the_letter() {
        let body = RawValue::from_string(r#"{"text": "h\u0069"}"#.to_owned()).unwrap();
        let words = Words { channel: "a".into(), body, key: "k".into(), kind: None, reply_to: Some(2) };
        let base = Cursor { epoch: Epoch("e".into()), seq: 4 };
        assert_eq!(
            words.frame(9, Some(&base)),
            r#"{"type":"publish","id":"9","channel":"a","key":"k","base":4,"ref":2,"body":{"text": "h\u0069"}}"#
        );
    }

    #[test]
    fn a_token_goes_before_a_wish() {
        let said: Value = serde_json::from_str(&hello(1, Some("t"), Some("ann"), "c")).unwrap();
        assert_eq!(said, json!({"type": "hello", "id": "1", "version": 1, "token": "t", "client": "c"}));
    }
}
