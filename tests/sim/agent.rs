//! Clients: one that does everything at random and keeps what the protocol asks of a careful client, and the client
//! library.

use std::collections::{BTreeMap, VecDeque};

use parlor::checker::{By, History, SessionNo, What};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::line::{Heard, Line};
use crate::watching::{Standing, Watching};

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
    fn due(&self) -> u64;
    /// Acts.
    fn act(&mut self, at: &mut At<'_>);
    /// What it still waits for, if it does, when everything has come to rest.
    fn unsettled(&self) -> Option<String>;
    /// Where it stands and whom it watches, if it keeps account of that.
    fn standing(&self) -> Option<Standing> {
        None
    }
}

/// A publish that is to happen once.
#[derive(Clone, Debug)]
pub struct Post {
    pub channel: String,
    pub key: String,
    pub base: Option<u64>,
    pub body: Value,
    /// The line and id with which it was last sent.
    pub sent: Option<(SessionNo, String)>,
    pub again: u64,
}

/// How an agent stands in a channel.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub wanted: bool,
    pub epoch: String,
    pub seq: u64,
    /// The id of the join that is under way, and since when.
    pub joining: Option<(String, u64)>,
    pub subscribed: bool,
}

/// The careful one.
pub struct Careful {
    pub number: usize,
    pub token: Option<String>,
    pub user: Option<String>,
    pub line: Option<SessionNo>,
    pub welcomed: bool,
    pub heard: u64,
    pub pinged: bool,
    pub again: u64,
    pub act: u64,
    pub ids: u64,
    pub keys: u64,
    pub places: BTreeMap<String, Place>,
    pub posts: VecDeque<Post>,
    pub watching: Watching,
    pub pace: u64,
    /// When it goes for good; 0 once it has.
    pub ends: u64,
    /// Publishes of before, to be said again.
    pub old: Vec<Post>,
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
            watching: Watching::new(watches),
            pace,
            ends,
            old: Vec::new(),
        }
    }

    fn is_gone(&self) -> bool {
        self.ends == 0
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("{}-{}", self.number, self.ids)
    }

    pub fn ask(&mut self, at: &mut At<'_>, mut command: Value) -> String {
        let id = self.id();
        command["id"] = json!(id);
        if let Some(no) = self.line {
            at.say(no, command);
        }
        id
    }

    pub fn down(&mut self, now: u64, dice: &mut Dice) {
        self.line = None;
        self.welcomed = false;
        self.watching.down();
        self.again = now + dice.below(120);
        for place in self.places.values_mut() {
            place.joining = None;
            place.subscribed = false;
        }
        for post in &mut self.posts {
            post.sent = None;
        }
    }

    pub fn join(&mut self, at: &mut At<'_>, channel: &str, command: Value) {
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
    pub fn push(&mut self, at: &mut At<'_>) {
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
                self.watching.hear(frame);
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
                        frame["epoch"].as_str().unwrap_or_default().clone_into(&mut place.epoch);
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
                    "error" => {
                        self.settled(at.now, frame);
                        self.refused(at.now, frame);
                    }
                    _ => {}
                }
            }
        }
    }

    fn due(&self) -> u64 {
        match self.line {
            _ if self.is_gone() => u64::MAX,
            None => self.again,
            Some(_) => self.act,
        }
    }

    fn act(&mut self, at: &mut At<'_>) {
        self.act = at.now + 1 + at.dice.below(2 * self.pace);
        if at.now >= self.ends {
            self.ends = 0;
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
        self.look_around(at);
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
        if self.is_gone() {
            return None;
        }
        let joins = self.places.iter().find(|(_, place)| place.wanted && !place.subscribed);
        let post = self.posts.front().map(|post| format!("agent {} waits for the receipt of {post:?}", self.number));
        let line = (!self.welcomed).then(|| format!("agent {} is not welcomed", self.number));
        post.or(joins.map(|join| format!("agent {} waits for {join:?}", self.number))).or(line)
    }

    fn standing(&self) -> Option<Standing> {
        self.stands()
    }
}
