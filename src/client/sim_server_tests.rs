//! A naive server for the simulation: an ordered log for each channel, nothing more than the protocol says, and faults to
//! order. It answers at once whatever it is handed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::client::Transport;
use crate::client::asks::ConnId;

/// How much a join replays at most, and the longest page: small, so that gaps are common.
const REPLAY: u64 = 4;
const PAGE: usize = 3;
/// Who the client is.
pub const ME: &str = "~ann-aaaaa";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub key: Option<String>,
    pub text: String,
    from: String,
}

/// One life of a channel's log; nothing is ever taken out of it here, so that it can be looked at in the end.
#[derive(Clone, Debug, Default)]
pub struct Life {
    pub log: Vec<Stored>,
    /// What lies below was trimmed.
    pub first: u64,
}

impl Life {
    pub fn head(&self) -> u64 {
        self.log.len() as u64
    }
}

/// What to answer instead of doing as one is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was done.
    Before(&'static str),
    /// It was done all the same.
    After(&'static str),
}

#[derive(Debug)]
struct Session {
    over: Transport,
    welcome: bool,
    channels: BTreeSet<String>,
    moved: BTreeSet<String>,
    /// Those whose log began anew while this session was there and did not hear it.
    blind: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub struct Server {
    sessions: HashMap<ConnId, Session>,
    /// The lives of each channel, the last one being the present.
    pub lives: BTreeMap<String, Vec<Life>>,
    /// What to do with the next commands.
    pub faults: Vec<Fault>,
    /// What it has said since it was asked.
    pub said: Vec<(ConnId, Value)>,
}

pub fn epoch(channel: &str, life: usize) -> String {
    format!("{channel}-{life}")
}

impl Server {
    pub fn connected(&mut self, conn: ConnId, over: Transport) {
        let session =
            Session { over, welcome: false, channels: BTreeSet::new(), moved: BTreeSet::new(), blind: BTreeSet::new() };
        self.sessions.insert(conn, session);
    }

    pub fn gone(&mut self, conn: ConnId) {
        self.sessions.remove(&conn);
    }

    pub fn present(&mut self, channel: &str) -> (String, &mut Life) {
        let lives = self.lives.entry(channel.to_owned()).or_insert_with(|| vec![Life { log: vec![], first: 1 }]);
        let name = epoch(channel, lives.len());
        (name, lives.last_mut().expect("a life"))
    }

    /// The log is lost but for its oldest messages, and begins a new life with them.
    pub fn begin_anew(&mut self, channel: &str, keep: u64) {
        let (_, life) = self.present(channel);
        let mut life = life.clone();
        life.log.truncate(keep as usize);
        life.first = life.first.min(life.head() + 1);
        self.lives.get_mut(channel).expect("lives").push(life);
        for (conn, session) in &mut self.sessions {
            if session.channels.remove(channel) {
                self.said.push((*conn, json!({"type": "closed", "channel": channel, "reason": "reset"})));
            } else {
                session.blind.insert(channel.to_owned());
            }
        }
    }

    pub fn trim(&mut self, channel: &str, below: u64) {
        let (_, life) = self.present(channel);
        life.first = life.first.max(below.min(life.head() + 1));
    }

    pub fn post(&mut self, channel: &str, from: &str, key: Option<&str>, text: &str) -> u64 {
        let (_, life) = self.present(channel);
        life.log.push(Stored { key: key.map(str::to_owned), text: text.to_owned(), from: from.to_owned() });
        let seq = life.head();
        let frame = self.frame(channel, seq);
        for (conn, session) in &mut self.sessions {
            if session.channels.contains(channel) {
                session.moved.insert(channel.to_owned());
                self.said.push((*conn, frame.clone()));
            }
        }
        seq
    }

    pub fn pulse(&mut self) {
        let heads: HashMap<String, u64> =
            self.lives.iter().map(|(name, l)| (name.clone(), l.last().expect("a life").head())).collect();
        for (conn, session) in &mut self.sessions {
            let moved: BTreeMap<_, _> =
                std::mem::take(&mut session.moved).into_iter().map(|name| (name.clone(), heads[&name])).collect();
            if !moved.is_empty() {
                self.said.push((*conn, json!({"type": "pulse", "heads": moved})));
            }
        }
    }

    fn frame(&mut self, channel: &str, seq: u64) -> Value {
        let (_, life) = self.present(channel);
        let stored = &life.log[seq as usize - 1];
        let mut frame = json!({"type": "message", "channel": channel, "seq": seq, "at": "2026-11-22T10:00:00.000Z",
            "from": stored.from, "body": {"text": stored.text}});
        if let Some(key) = &stored.key {
            frame["key"] = key.clone().into();
        }
        frame
    }

    /// Takes a command.
    pub fn take(&mut self, conn: ConnId, text: &str) {
        let command: Value = serde_json::from_str(text).expect("a command is JSON");
        let kind = command["type"].as_str().expect("a type").to_owned();
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if kind == "hello" {
            session.welcome = true;
            let limits = json!({"frame_bytes": 65536, "outstanding": 3, "page_max": PAGE});
            let welcome = json!({"type": "welcome", "id": command["id"], "session": "s", "user": ME, "token": "t",
                "heartbeat_ms": 25000, "timeout_ms": 60000, "now": "2026-11-22T10:00:00.000Z", "limits": limits});
            return self.said.push((conn, welcome));
        }
        assert!(session.welcome, "{kind} before hello");
        let fault = self.faults.pop();
        if let Some(Fault::Before(code)) = fault {
            return self.refuse(conn, &command, code);
        }
        match kind.as_str() {
            "join" => self.join(conn, &command, matches!(fault, Some(Fault::After(_)))),
            "publish" => self.publish(conn, &command, fault),
            "history" => self.history(conn, &command),
            "leave" => {
                session.channels.remove(command["channel"].as_str().expect("a channel"));
                self.said.push((conn, json!({"type": "left", "id": command["id"], "channel": command["channel"]})));
            }
            "ping" => self.said.push((conn, json!({"type": "pong", "id": command["id"]}))),
            _ => self.refuse(conn, &command, "unknown_type"),
        }
    }

    fn refuse(&mut self, conn: ConnId, command: &Value, code: &str) {
        let error = json!({"type": "error", "id": command["id"], "code": code, "message": "", "retry_after_ms": 50});
        self.said.push((conn, error));
    }

    fn join(&mut self, conn: ConnId, command: &Value, silently: bool) {
        let channel = command["channel"].as_str().expect("a channel").to_owned();
        let (epoch, life) = self.present(&channel);
        let (head, first) = (life.head(), life.first);
        let since = command["since"]["seq"].as_u64();
        let same = command["since"]["epoch"] == epoch.as_str() && since.is_some_and(|seq| seq <= head);
        let oldest = first.max((head + 1).saturating_sub(REPLAY));
        let next = match since {
            Some(seq) if same => oldest.max(seq + 1),
            Some(_) => oldest,
            None => oldest.max((head + 1).saturating_sub(command["tail"].as_u64().unwrap_or(2))),
        };
        let gap = since.is_some_and(|seq| !same || next > seq + 1);
        let session = self.sessions.get_mut(&conn).expect("a session");
        session.channels.insert(channel.clone());
        session.moved.insert(channel.clone());
        if silently {
            self.refuse(conn, command, "unavailable");
        } else {
            let mut joined = json!({"type": "joined", "channel": channel, "epoch": epoch, "head": head, "first": first,
                "next": next, "replay": head + 1 - next, "gap": gap});
            if session.over == Transport::WebSocket {
                joined["id"] = command["id"].clone();
            }
            self.said.push((conn, joined));
        }
        for seq in next..=head {
            let frame = self.frame(&channel, seq);
            self.said.push((conn, frame));
        }
    }

    fn publish(&mut self, conn: ConnId, command: &Value, fault: Option<Fault>) {
        let channel = command["channel"].as_str().expect("a channel").to_owned();
        let key = command["key"].as_str().expect("a key");
        let text = command["body"]["text"].as_str().expect("words");
        let base = command["base"].as_u64().unwrap_or(0);
        let (epoch, life) = self.present(&channel);
        let used = |stored: &Stored| stored.key.as_deref() == Some(key) && stored.from == ME;
        let found = life.log.iter().position(used).map(|at| at as u64 + 1);
        let session = &self.sessions[&conn];
        if session.channels.contains(&channel) && !session.blind.contains(&channel) {
            // One who hears the channel knows its epoch, and so names a base that the key stands above.
            assert!(found.is_none_or(|seq| seq > base), "{key} has a base of {base} and stands at {found:?}");
        }
        let seq = found.unwrap_or_else(|| self.post(&channel, ME, Some(key), text));
        if let Some(Fault::After(code)) = fault {
            return self.refuse(conn, command, code);
        }
        let published = json!({"type": "published", "id": command["id"], "channel": channel, "epoch": epoch, "seq": seq,
            "at": "2026-11-22T10:00:00.000Z", "duplicate": found.is_some()});
        self.said.push((conn, published));
    }

    fn history(&mut self, conn: ConnId, command: &Value) {
        let channel = command["channel"].as_str().expect("a channel").to_owned();
        let (epoch, life) = self.present(&channel);
        let (head, first) = (life.head(), life.first);
        let (after, before) = (command["after"].as_u64().unwrap_or(0), command["before"].as_u64().unwrap_or(u64::MAX));
        let wanted: Vec<u64> = (first.max(after + 1)..=head).filter(|seq| *seq < before).collect();
        let messages: Vec<Value> = wanted.iter().take(PAGE).map(|seq| self.frame(&channel, *seq)).collect();
        let more = wanted.len() > PAGE;
        let page = json!({"type": "history", "id": command["id"], "channel": channel, "epoch": epoch, "first": first,
            "head": head, "messages": messages, "more": more});
        self.said.push((conn, page));
    }

    /// Ends a session, as a server that stops or has no patience does.
    pub fn end(&mut self, conn: ConnId, draining: bool) {
        if draining {
            self.said.push((conn, json!({"type": "notice", "code": "draining", "text": "", "retry_after_ms": 300})));
        } else {
            let error =
                json!({"type": "error", "code": "overloaded", "message": "", "retry_after_ms": 200, "close": 4001});
            self.said.push((conn, error));
        }
    }
}
