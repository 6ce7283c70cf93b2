//! Clients: one that does everything at random and keeps what the protocol asks of a careful client, and the client
//! library.

use std::collections::{BTreeMap, VecDeque};

use parlor::checker::{By, History, SessionNo, What};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::line::{Heard, Line};

/// What an agent is called with.
pub struct At<'a> {
    pub now: u64,
    pub dice: &'a mut Dice,
    pub history: &'a mut History,
    pub lines: &'a mut BTreeMap<SessionNo, Line>,
    /// Who owns each line.
    pub owners: &'a mut BTreeMap<SessionNo, usize>,
    pub users: &'a mut Vec<String>,
    pub channels: &'a [&'a str],
    /// How long things are under way on a new line, at most.
    pub delay: u64,
    /// Nothing new is begun; what was begun is finished.
    pub calm: bool,
    /// Whether what was told is on disk.
    pub durable: bool,
    /// Whether a key is of no use without a base.
    pub bases: bool,
}

impl At<'_> {
    /// Opens a line for an agent.
    pub fn open(&mut self, agent: usize, websocket: bool) -> SessionNo {
        let no = self.owners.len() as SessionNo + 1;
        let line = if websocket { Line::websocket(no, self.delay) } else { Line::longpoll(no, self.delay) };
        self.history.add(self.now, What::Opened { session: no, over: line.transport().into() });
        self.lines.insert(no, line);
        self.owners.insert(no, agent);
        no
    }

    /// Says something over a line.
    pub fn say(&mut self, no: SessionNo, frame: Value) {
        if let Some(line) = self.lines.get_mut(&no) {
            line.say(self.now, self.dice, frame.to_string());
            self.history.add(self.now, What::Sent { session: no, frame });
        }
    }

    /// Leaves a line, so that the server is told or not.
    pub fn leave(&mut self, no: SessionNo, told: bool) {
        if let Some(line) = self.lines.get_mut(&no) {
            line.leave(self.now, self.dice, told);
            let by = if told { By::Client } else { By::Nobody };
            self.history.add(self.now, What::Over { session: no, code: None, by });
        }
    }
}

/// Somebody with a line to the server.
pub trait Agent {
    /// Something was heard over a line.
    fn hear(&mut self, at: &mut At<'_>, no: SessionNo, heard: Heard, frame: Option<&Value>);
    /// When it wants to act.
    fn due(&self, now: u64) -> u64;
    /// Acts.
    fn act(&mut self, at: &mut At<'_>);
    /// What it still waits for, if it does, when everything has come to rest.
    fn unsettled(&self) -> Option<String>;
}

/// A publish that is to happen once.
#[derive(Clone, Debug)]
struct Post {
    channel: String,
    key: String,
    base: Option<u64>,
    body: Value,
    /// The line and id with which it was last sent.
    sent: Option<(SessionNo, String)>,
    again: u64,
}

/// How an agent stands in a channel.
#[derive(Clone, Debug, Default)]
struct Place {
    wanted: bool,
    epoch: String,
    seq: u64,
    /// The id of the join that is under way, and since when.
    joining: Option<(String, u64)>,
    subscribed: bool,
}

/// The careful one.
pub struct Careful {
    number: usize,
    token: Option<String>,
    user: Option<String>,
    line: Option<SessionNo>,
    welcomed: bool,
    heard: u64,
    pinged: bool,
    again: u64,
    act: u64,
    ids: u64,
    keys: u64,
    places: BTreeMap<String, Place>,
    posts: VecDeque<Post>,
    watches: bool,
    watching: bool,
    pace: u64,
    /// When it goes for good.
    ends: u64,
    gone: bool,
    /// Publishes of before, to be said again.
    old: Vec<Post>,
}

/// The timeouts that the servers here are configured with, in milliseconds.
pub const HEARTBEAT: u64 = 400;
pub const TIMEOUT: u64 = 1200;

impl Careful {
    pub fn new(number: usize, pace: u64, watches: bool, ends: u64) -> Self {
        Self {
            number,
            token: None,
            user: None,
            line: None,
            welcomed: false,
            heard: 0,
            pinged: false,
            again: 0,
            act: 0,
            ids: 0,
            keys: 0,
            places: BTreeMap::new(),
            posts: VecDeque::new(),
            watches,
            watching: false,
            pace,
            ends,
            gone: false,
            old: Vec::new(),
        }
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("{}-{}", self.number, self.ids)
    }

    fn ask(&mut self, at: &mut At<'_>, mut command: Value) -> String {
        let id = self.id();
        command["id"] = json!(id);
        if let Some(no) = self.line {
            at.say(no, command);
        }
        id
    }

    fn down(&mut self, now: u64, dice: &mut Dice) {
        self.line = None;
        self.welcomed = false;
        self.watching = false;
        self.again = now + dice.below(120);
        for place in self.places.values_mut() {
            place.joining = None;
            place.subscribed = false;
        }
        for post in &mut self.posts {
            post.sent = None;
        }
    }

    fn join(&mut self, at: &mut At<'_>, channel: &str, command: Value) {
        let id = self.ask(at, command);
        let place = self.places.entry(channel.to_owned()).or_default();
        place.wanted = true;
        place.joining = Some((id, at.now));
        place.subscribed = false;
    }

    /// Comes back to a channel with its cursor.
    fn resume(&mut self, at: &mut At<'_>, channel: &str) {
        let place = self.places.get(channel).cloned().unwrap_or_default();
        let mut join = json!({"type": "join", "channel": channel});
        if !place.epoch.is_empty() {
            join["since"] = json!({"epoch": place.epoch, "seq": place.seq});
        }
        self.join(at, channel, join);
    }

    /// Sends what waits to be sent, once on each line until it is known what became of it.
    fn push(&mut self, at: &mut At<'_>) {
        let Some(no) = self.line else { return };
        let mut flying = self.posts.iter().filter(|post| post.sent.is_some()).count();
        for turn in 0..self.posts.len() {
            if self.posts[turn].sent.is_some() || self.posts[turn].again > at.now || flying >= 8 {
                continue;
            }
            flying += 1;
            let id = self.id();
            let post = &mut self.posts[turn];
            post.sent = Some((no, id.clone()));
            let mut command =
                json!({"type": "publish", "id": id, "channel": post.channel, "key": post.key, "body": post.body});
            if let Some(base) = post.base {
                command["base"] = json!(base);
            }
            at.say(no, command);
        }
    }

    fn message(&mut self, frame: &Value) {
        let (Some(channel), Some(seq)) = (frame["channel"].as_str(), frame["seq"].as_u64()) else { return };
        if let Some(place) = self.places.get_mut(channel).filter(|place| place.subscribed) {
            place.seq = seq;
        }
    }

    fn settled(&mut self, now: u64, frame: &Value) {
        let Some(id) = frame["id"].as_str() else { return };
        let is = |post: &Post| post.sent.as_ref().is_some_and(|(_, sent)| sent == id);
        let Some(turn) = self.posts.iter().position(is) else { return };
        let code = frame["code"].as_str().unwrap_or_default();
        let post = &mut self.posts[turn];
        match (frame["type"].as_str(), code) {
            (Some("published"), _) => drop(self.posts.remove(turn)),
            // Its fate is unknown, or it has to wait: it is sent again under its key.
            (_, "unavailable" | "internal" | "overloaded" | "rate_limited") => {
                post.sent = None;
                post.again = now + frame["retry_after_ms"].as_u64().unwrap_or(40).min(300);
            }
            _ => drop(self.posts.remove(turn)),
        }
    }

    fn refused(&mut self, now: u64, frame: &Value) {
        let Some(id) = frame["id"].as_str() else { return };
        for place in self.places.values_mut() {
            if place.joining.as_ref().is_some_and(|(asked, _)| asked == id) {
                place.joining = Some((String::new(), now));
            }
        }
    }

    fn random(&mut self, at: &mut At<'_>) {
        let channel = (*at.dice.one_of(at.channels)).to_owned();
        let place = self.places.get(&channel).cloned().unwrap_or_default();
        match at.dice.below(100) {
            0..45 => self.post(at, channel, &place),
            45..55 => {
                let mut join = json!({"type": "join", "channel": channel});
                match at.dice.below(5) {
                    0 => join["tail"] = json!(at.dice.below(6)),
                    1 if !place.epoch.is_empty() => {
                        let back = *at.dice.one_of(&[6, 120]);
                        let seq = at.dice.range(place.seq.saturating_sub(back), place.seq);
                        join["since"] = json!({"epoch": place.epoch, "seq": seq});
                    }
                    2 => join["member"] = json!(false),
                    _ => {}
                }
                self.join(at, &channel, join);
            }
            55..62 => {
                let mut history = json!({"type": "history", "channel": channel, "limit": at.dice.range(1, 12)});
                match at.dice.below(4) {
                    0 => history["after"] = json!(at.dice.below(place.seq + 2)),
                    1 => history["before"] = json!(at.dice.range(1, place.seq + 3)),
                    _ => {}
                }
                self.ask(at, history);
            }
            62..68 => {
                let seq = at.dice.below(place.seq + 3);
                self.ask(at, json!({"type": "read", "channel": channel, "seq": seq}));
            }
            68..71 => drop(self.ask(at, json!({"type": "channels"}))),
            71..74 => drop(self.ask(at, json!({"type": "who", "channel": channel}))),
            74..77 => drop(self.ask(at, json!({"type": "typing", "channel": channel}))),
            77..82 if !at.users.is_empty() => {
                let users: Vec<String> = (0..3).map(|_| at.dice.one_of(at.users).clone()).collect();
                self.ask(at, json!({"type": "presence", "users": users}));
            }
            82..86 => {
                let mut leave = json!({"type": "leave", "channel": channel});
                if at.dice.once_in(2) {
                    leave["only"] = json!("session");
                }
                self.ask(at, leave);
                let place = self.places.entry(channel).or_default();
                (place.wanted, place.subscribed, place.joining) = (false, false, None);
            }
            86..88 => drop(self.ask(at, json!({"type": "ping"}))),
            88 => {
                self.ask(at, json!({"type": "logout"}));
                let no = self.line;
                self.down(at.now, at.dice);
                // The server ends the line by itself.
                if let Some(no) = no {
                    at.history.add(at.now, What::Over { session: no, code: None, by: By::Client });
                }
            }
            89..92 => {
                let no = self.line;
                self.down(at.now, at.dice);
                if let Some(no) = no {
                    let told = at.dice.once_in(2);
                    at.leave(no, told);
                }
            }
            _ => {}
        }
    }

    fn post(&mut self, at: &mut At<'_>, channel: String, place: &Place) {
        if at.dice.once_in(8) {
            // Without a key nobody asks again.
            let body = json!({"n": at.dice.any() >> 12});
            self.ask(at, json!({"type": "publish", "channel": channel, "body": body}));
            return;
        }
        self.keys += 1;
        let key = format!("k{}-{}", self.number, self.keys);
        let base = (at.bases || (at.durable && at.dice.once_in(3))).then_some(place.seq);
        let mut body = json!({"key": key});
        if at.dice.once_in(15) {
            body["text"] = json!("x".repeat(at.dice.below(3000) as usize));
        }
        let post = Post { channel, key, base, body, sent: None, again: 0 };
        if at.dice.once_in(3) {
            self.old.push(post.clone());
        }
        if at.dice.once_in(6) && at.durable {
            // One of before, and behind it the new one.
            self.posts.extend(self.old.pop());
        }
        if at.dice.once_in(12) {
            // The same twice: at once, which makes one message all the same.
            self.posts.push_back(post.clone());
        }
        self.posts.push_back(post);
        self.push(at);
    }
}

impl Agent for Careful {
    fn hear(&mut self, at: &mut At<'_>, no: SessionNo, heard: Heard, frame: Option<&Value>) {
        if self.line != Some(no) {
            return;
        }
        (self.heard, self.pinged) = (at.now, false);
        match heard {
            Heard::Opened => {
                let mut hello = json!({"type": "hello", "version": 1, "id": self.id()});
                match &self.token {
                    Some(token) => hello["token"] = json!(token),
                    None => hello["guest"] = json!(format!("u{}", self.number)),
                }
                at.say(no, hello);
            }
            Heard::Alive => {}
            // What was not on disk is lost, and who one was with it: another guest comes.
            Heard::Down(Some(4500)) if !at.durable => {
                self.down(at.now, at.dice);
                (self.token, self.user) = (None, None);
                (self.places, self.posts) = (BTreeMap::new(), VecDeque::new());
            }
            Heard::Down(_) => self.down(at.now, at.dice),
            Heard::Frame(_) => {
                let Some(frame) = frame else { return };
                match frame["type"].as_str().unwrap_or_default() {
                    "welcome" => {
                        self.welcomed = true;
                        self.token = frame["token"].as_str().map(str::to_owned);
                        if self.user.is_none() {
                            self.user = frame["user"].as_str().map(str::to_owned);
                            at.users.extend(self.user.clone());
                        }
                        let wanted: Vec<String> = self
                            .places
                            .iter()
                            .filter(|(_, place)| place.wanted)
                            .map(|(name, _)| name.clone())
                            .collect();
                        wanted.iter().for_each(|channel| self.resume(at, channel));
                        self.push(at);
                    }
                    "joined" => {
                        let channel = frame["channel"].as_str().unwrap_or_default();
                        let place = self.places.entry(channel.to_owned()).or_default();
                        place.epoch = frame["epoch"].as_str().unwrap_or_default().to_owned();
                        place.seq = frame["next"].as_u64().unwrap_or(1) - 1;
                        place.subscribed = place.wanted;
                        place.joining = None;
                    }
                    "closed" => {
                        let channel = frame["channel"].as_str().unwrap_or_default();
                        let place = self.places.entry(channel.to_owned()).or_default();
                        place.subscribed = false;
                        place.joining = None;
                    }
                    "message" => self.message(frame),
                    "published" => self.settled(at.now, frame),
                    "watching" => self.watching = true,
                    "error" => {
                        self.settled(at.now, frame);
                        self.refused(at.now, frame);
                    }
                    _ => {}
                }
            }
        }
    }

    fn due(&self, _: u64) -> u64 {
        match self.line {
            _ if self.gone => u64::MAX,
            None => self.again,
            Some(_) => self.act,
        }
    }

    fn act(&mut self, at: &mut At<'_>) {
        self.act = at.now + 1 + at.dice.below(2 * self.pace);
        if at.now >= self.ends {
            self.gone = true;
            if let Some(no) = self.line {
                let told = at.dice.once_in(2);
                at.leave(no, told);
            }
            return self.down(at.now, at.dice);
        }
        let Some(no) = self.line else {
            (self.heard, self.pinged) = (at.now, false);
            let websocket = at.dice.once_in(2);
            self.line = Some(at.open(self.number, websocket));
            return;
        };
        if at.now - self.heard >= TIMEOUT + 2500 {
            // Nothing comes any more: the client gives up, and the server is not told.
            at.leave(no, false);
            return self.down(at.now, at.dice);
        }
        if !self.welcomed {
            return;
        }
        if at.now - self.heard >= HEARTBEAT && !self.pinged {
            self.pinged = true;
            self.ask(at, json!({"type": "ping"}));
        }
        if self.watches && !self.watching && !at.users.is_empty() {
            self.watching = true;
            let users = at.users.clone();
            self.ask(at, json!({"type": "watch", "users": users}));
        }
        let again = |place: &Place| {
            place.wanted
                && !place.subscribed
                && place.joining.as_ref().is_none_or(|(id, since)| id.is_empty() && at.now - since > 60)
        };
        let rejoin: Vec<String> =
            self.places.iter().filter(|(_, place)| again(place)).map(|(name, _)| name.clone()).collect();
        rejoin.iter().for_each(|channel| self.resume(at, channel));
        self.push(at);
        if !at.calm {
            self.random(at);
        }
    }

    fn unsettled(&self) -> Option<String> {
        if self.gone {
            return None;
        }
        let joins = self.places.iter().find(|(_, place)| place.wanted && !place.subscribed);
        let post = self.posts.front().map(|post| format!("agent {} waits for the receipt of {post:?}", self.number));
        let line = (!self.welcomed).then(|| format!("agent {} is not welcomed", self.number));
        post.or(joins.map(|join| format!("agent {} waits for {join:?}", self.number))).or(line)
    }
}
