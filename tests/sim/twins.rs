//! One user on two lines at once: both say the same old keys at the same moment, and new ones right behind them.

use parlor::checker::SessionNo;
use serde_json::{Value, json};

use crate::agent::{Agent, At, HEARTBEAT, TIMEOUT};
use crate::line::Heard;

/// One of the two lines.
#[derive(Debug, Default)]
struct Half {
    line: Option<SessionNo>,
    welcomed: bool,
    heard: u64,
    pinged: bool,
    again: u64,
}

/// The user.
pub struct Twins {
    number: usize,
    token: Option<String>,
    halves: [Half; 2],
    act: u64,
    pace: u64,
    ids: u64,
    keys: u64,
    /// The channels and keys of what it has said.
    said: Vec<(String, String)>,
}

impl Twins {
    pub fn new(number: usize, pace: u64) -> Self {
        Self { number, token: None, halves: Default::default(), act: 0, pace, ids: 0, keys: 0, said: Vec::new() }
    }

    fn say(&mut self, at: &mut At<'_>, half: usize, mut command: Value) {
        self.ids += 1;
        command["id"] = json!(format!("{}-{}", self.number, self.ids));
        if let Some(no) = self.halves[half].line {
            at.say(no, command);
        }
    }

    /// It knew of nothing when it first sent the key, so the whole log is looked through.
    fn publish(&mut self, at: &mut At<'_>, half: usize, (channel, key): &(String, String)) {
        let body = json!({ "key": key });
        self.say(at, half, json!({"type": "publish", "channel": channel, "key": key, "base": 0, "body": body}));
    }

    fn fresh(&mut self, channel: &str) -> (String, String) {
        self.keys += 1;
        let fresh = (channel.to_owned(), format!("t{}-{}", self.number, self.keys));
        self.said.push(fresh.clone());
        fresh
    }

    fn tend(&mut self, at: &mut At<'_>, which: usize) {
        let half = &mut self.halves[which];
        let Some(no) = half.line else {
            // The second is the same user: it needs what the first was given.
            if half.again <= at.now && (which == 0 || self.token.is_some()) {
                let websocket = at.dice.once_in(2);
                *half = Half { line: Some(at.open(self.number, websocket)), heard: at.now, ..Half::default() };
            }
            return;
        };
        if at.now - half.heard >= TIMEOUT + 2500 {
            *half = Half { again: at.now + at.dice.below(120), ..Half::default() };
            return at.leave(no, false);
        }
        if half.welcomed && at.now - half.heard >= HEARTBEAT && !half.pinged {
            half.pinged = true;
            self.say(at, which, json!({"type": "ping"}));
        }
    }
}

impl Agent for Twins {
    fn hear(&mut self, at: &mut At<'_>, no: SessionNo, heard: Heard, frame: Option<&Value>) {
        let Some(which) = self.halves.iter().position(|half| half.line == Some(no)) else { return };
        let half = &mut self.halves[which];
        (half.heard, half.pinged) = (at.now, false);
        match heard {
            Heard::Opened => {
                let mut hello = json!({"type": "hello", "version": 1});
                match &self.token {
                    Some(token) => hello["token"] = json!(token),
                    None => hello["guest"] = json!(format!("t{}", self.number)),
                }
                self.say(at, which, hello);
            }
            Heard::Down(_) => *half = Half { again: at.now + at.dice.below(120), ..Half::default() },
            Heard::Alive => {}
            Heard::Frame(_) => {
                let Some(frame) = frame.filter(|frame| frame["type"] == "welcome") else { return };
                half.welcomed = true;
                if self.token.is_none() {
                    at.users.extend(frame["user"].as_str().map(str::to_owned));
                }
                self.token = frame["token"].as_str().map(str::to_owned);
            }
        }
    }

    fn due(&self) -> u64 {
        self.act
    }

    fn act(&mut self, at: &mut At<'_>) {
        self.act = at.now + 1 + at.dice.below(2 * self.pace);
        (0..2).for_each(|half| self.tend(at, half));
        if at.calm || !self.halves.iter().all(|half| half.welcomed) || !at.dice.once_in(3) {
            return;
        }
        let channel = *at.dice.one_of(at.channels);
        let old = !self.said.is_empty() && !at.dice.once_in(4);
        let key = if old { at.dice.one_of(&self.said).clone() } else { self.fresh(channel) };
        (0..2).for_each(|half| self.publish(at, half, &key));
        if at.dice.once_in(2) {
            // Behind one that may have to be looked for in the log.
            let (half, next) = (at.dice.below(2) as usize, self.fresh(&key.0));
            self.publish(at, half, &next);
        }
    }

    fn unsettled(&self) -> Option<String> {
        let away = self.halves.iter().any(|half| !half.welcomed);
        away.then(|| format!("agent {} is not welcomed on both its lines", self.number))
    }
}
