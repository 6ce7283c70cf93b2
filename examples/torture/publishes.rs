//! What a client does for its publishes: whatever has a key is sent again until the answer is definite, over however
//! many sessions, transports and lives of the server.

use std::time::Duration;

use rand::RngExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::agent::{Agent, Asked, Talk};
use crate::scene::Publish;
use crate::support::http::{Http, Request};
use crate::tracks::Stage;

/// After how long a silence a publish is sent again.
const SILENCE: Duration = Duration::from_secs(3);

/// A publish without a receipt.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its number, for this client.
    pub number: u64,
    /// What.
    pub publish: Publish,
    /// When it is sent again, if nothing comes.
    again: Instant,
}

/// What came of a publish by plain HTTP.
pub struct Posted {
    session: u32,
    id: String,
    number: u64,
    frame: Option<Value>,
}

impl Publish {
    fn frame(&self) -> Value {
        let mut frame = json!({"type": "publish", "channel": self.channel, "body": self.body});
        if let Some(key) = &self.key {
            frame["key"] = key.clone().into();
        }
        if let Some((_, seq)) = self.base {
            frame["base"] = seq.into();
        }
        if let Some(kind) = self.kind {
            frame["kind"] = kind.into();
        }
        if let Some(reference) = self.reference {
            frame["ref"] = reference.into();
        }
        frame
    }
}

impl Agent {
    /// Publishes something new.
    pub fn publish(&mut self, talk: &mut Talk, channel: &str, keyed: bool) -> Option<Publish> {
        let body = self.body(talk.body_bytes);
        self.count += 1;
        let key = keyed.then(|| format!("k{}-{}", self.n, self.count));
        let track = self.tracks.get(channel);
        let known = track.map_or((None, 0), |track| (track.epoch.clone(), track.seq));
        let alone = self.scene.plan.figures.keys_alone && self.dice.random_ratio(1, 4);
        let reference = (known.1 > 0 && self.dice.random_ratio(1, 10)).then_some(known.1);
        let publish = Publish {
            channel: channel.to_owned(),
            base: (keyed && !alone).then_some(known),
            key,
            body,
            kind: self.dice.random_ratio(1, 20).then_some("x-torture"),
            reference,
        };
        self.begin(talk, publish.clone()).then_some(publish)
    }

    /// Begins a publish. Says whether there was room.
    pub fn begin(&mut self, talk: &mut Talk, publish: Publish) -> bool {
        if Self::busy(talk, &publish.channel) || !talk.link.has_room() {
            return false;
        }
        self.count += 1;
        let number = self.count;
        let frame = publish.frame();
        let keyed = publish.key.is_some();
        if !self.say(talk, frame, Asked::Publish(number)) {
            return false;
        }
        if keyed {
            self.open.push(Open { number, publish, again: Instant::now() + SILENCE });
        }
        true
    }

    /// Sends again what was not answered, in this session or another.
    pub fn resend(&mut self, talk: &mut Talk) {
        let now = Instant::now();
        let due: Vec<_> = self.open.iter().filter(|open| open.again <= now).map(|open| open.number).collect();
        for number in due.into_iter().take(20) {
            let Some(at) = self.open.iter().position(|open| open.number == number) else { continue };
            let channel = self.open[at].publish.channel.clone();
            if Self::busy(talk, &channel) {
                continue;
            }
            // A base counts places of the log that it was noted of.
            let epoch = self.tracks.get(&channel).and_then(|track| track.epoch.clone());
            let publish = &mut self.open[at].publish;
            if let Some((Some(noted), _)) = &publish.base
                && epoch.is_some_and(|epoch| epoch != *noted)
            {
                publish.base = None;
            }
            let frame = publish.frame();
            if self.say(talk, frame, Asked::Publish(number)) {
                self.open[at].again = now + SILENCE;
            }
        }
    }

    /// A session is over: what it has not told nobody knows.
    pub fn forget_session(&mut self) {
        let now = Instant::now();
        self.open.iter_mut().for_each(|open| open.again = now);
    }

    /// The answer is definite.
    pub fn receipt(&mut self, number: u64, frame: &Value) {
        let Some(at) = self.open.iter().position(|open| open.number == number) else { return };
        let open = self.open.swap_remove(at);
        if frame["epoch"].as_str() == self.tracks.get(&open.publish.channel).and_then(|track| track.epoch.as_deref()) {
            self.done.push(open);
        }
        if self.done.len() > 30 {
            let oldest = self.dice.random_range(0..self.done.len());
            self.done.swap_remove(oldest);
        }
    }

    /// It was not done, or nobody knows.
    pub fn not_published(&mut self, number: u64, code: &str, after: Option<u64>) {
        let Some(at) = self.open.iter().position(|open| open.number == number) else { return };
        match code {
            "unavailable" | "internal" | "overloaded" | "rate_limited" => {
                let pause = after.unwrap_or(200).min(1_000) + self.dice.random_range(0..100);
                self.open[at].again = Instant::now() + Duration::from_millis(pause);
            }
            // Nothing was stored, and never will be.
            _ => drop(self.open.swap_remove(at)),
        }
    }

    /// Whether something of this channel is under way by another way, which nothing may overtake.
    pub fn busy(talk: &Talk, channel: &str) -> bool {
        talk.asked.values().any(|(asked, _)| matches!(asked, Asked::Post(other) if other == channel))
    }

    /// Publishes by plain HTTP. For the history it is the session's own publish: nothing else of the channel is under way meanwhile.
    pub fn post(&mut self, talk: &mut Talk, channel: &str) {
        let under_way = talk.asked.values().any(|(asked, _)| {
            matches!(asked, Asked::Publish(_))
                || matches!(asked, Asked::Join(other) | Asked::Leave(other) if other == channel)
        });
        let token = self.scene.users[self.role.user].lock().token.clone();
        let Some(token) = token.filter(|_| !under_way && self.posts.is_empty()) else { return };
        let body = self.body(talk.body_bytes);
        self.count += 1;
        let (number, key) = (self.count, format!("h{}-{}", self.n, self.count));
        let track = self.tracks.get(channel);
        let base = Some(track.map_or((None, 0), |track| (track.epoch.clone(), track.seq)));
        let publish =
            Publish { channel: channel.to_owned(), key: Some(key.clone()), base, body, kind: None, reference: None };
        let id = Self::id(talk);
        let mut frame = publish.frame();
        frame["id"] = id.clone().into();
        if !self.scene.recorder.sent_aside(talk.no, &frame) {
            return;
        }
        // Marks the channel as busy until the answer is there.
        talk.asked.insert(id.clone(), (Asked::Post(channel.to_owned()), Instant::now()));
        let content = json!({"body": frame["body"], "base": frame["base"]});
        let request = Request::post(format!("/v1/channels/{channel}/messages"), content.to_string())
            .with("Authorization", &format!("Bearer {token}"))
            .with("Idempotency-Key", &key)
            .with("Connection", "close");
        let (to, session) = (self.scene.gates[self.n].address, talk.no);
        self.open.push(Open { number, publish, again: Instant::now() + 10 * SILENCE });
        self.posts.spawn(async move {
            let ask = async { Http::open(to, false).await?.exchange(&request).await };
            let answer = timeout(4 * SILENCE, ask).await;
            let mut frame = answer.ok().and_then(Result::ok).map(|answer| answer.json());
            if let Some(frame) = &mut frame
                && frame.is_object()
            {
                frame["id"] = id.clone().into();
            }
            Posted { session, id, number, frame }
        });
    }

    /// The answer of a plain request, or none.
    pub fn posted(&mut self, talk: &mut Talk, posted: Posted) {
        let Posted { session, id, number, frame } = posted;
        talk.asked.remove(&id);
        let Some(frame) = frame.filter(Value::is_object) else {
            if let Some(open) = self.open.iter_mut().find(|open| open.number == number) {
                open.again = Instant::now();
            }
            return;
        };
        if frame["type"] == "published" {
            let open = self.open.iter().find(|open| open.number == number);
            if let (Some(open), Some(epoch), Some(seq)) = (open, frame["epoch"].as_str(), frame["seq"].as_u64()) {
                let (channel, key) = (open.publish.channel.clone(), open.publish.key.clone().unwrap_or_default());
                self.scene.receipts.lock().push((channel, epoch.to_owned(), key, seq));
            }
            self.receipt(number, &frame);
        } else {
            self.not_published(number, frame["code"].as_str().unwrap_or_default(), frame["retry_after_ms"].as_u64());
        }
        if session == talk.no {
            self.scene.recorder.got(session, frame);
        }
    }

    /// A body: mostly short, now and then as large as may be, in many scripts.
    fn body(&mut self, most: usize) -> Value {
        const PIECES: [&str; 8] =
            ["hello ", "Grüße ", "привет ", "你好", "🦜🌊", "\u{202e}rtl ", "\"\\/\n\t", "e\u{301} "];
        let mark = format!("{}:{}", self.n, self.count);
        let length = match self.dice.random_range(0..200) {
            0..180 => self.dice.random_range(0..120),
            180..198 => self.dice.random_range(0..most / 4),
            _ => most,
        };
        let mut text = String::new();
        while text.len() < length {
            text.push_str(PIECES[self.dice.random_range(0..PIECES.len())]);
        }
        let mut body = json!({"text": text, "mark": mark});
        // To the byte, where it is to be as large as may be.
        while body.to_string().len() > most {
            let over = (body.to_string().len() - most).max(1);
            let end = text.len().saturating_sub(over.div_ceil(2));
            text.truncate((0..=end).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0));
            body["text"] = text.clone().into();
        }
        if length == most {
            text.push_str(&"x".repeat(most - body.to_string().len()));
            body["text"] = text.into();
        }
        body
    }

    /// A channel that it hears.
    pub fn some_live(&mut self) -> Option<String> {
        let live = self.tracks.iter().filter(|(_, track)| track.stage == Stage::Live).map(|(name, _)| name.clone());
        let live: Vec<_> = live.collect();
        if live.is_empty() { None } else { Some(live[self.dice.random_range(0..live.len())].clone()) }
    }
}
