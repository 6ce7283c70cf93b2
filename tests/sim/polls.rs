//! Long-poll over a network that loses requests and answers: what a careful client does with it.

use std::collections::VecDeque;

use actix_web::http::Method;
use serde_json::Value;

use crate::dice::Dice;
use crate::life::{Answer, Life, Request, Served};
use crate::line::{Flow, Heard};

/// How long a client waits for an answer beyond what a poll may be parked.
const PATIENCE: u64 = 2500;
/// What a poll asks to be parked for, in seconds.
const WAIT: &str = "0.3";

/// How far a request has got.
enum Stage {
    /// On its way; it arrives then, or never.
    Up(Option<u64>),
    /// A worker works on it.
    Served(Served),
    /// Its answer is on its way; it arrives then, or never.
    Down(Option<u64>, Answer),
    /// The client hears at this time that its connection is gone.
    Lost(u64),
}

/// What a request is for.
enum For {
    Hello,
    Poll,
    Commands(Vec<String>),
    Bye,
}

struct Flight {
    what: For,
    request: Request,
    stage: Stage,
    /// When the client gives up.
    until: u64,
}

/// One long-poll session, from the client's side.
#[derive(Default)]
pub struct Polls {
    flights: Vec<Flight>,
    waiting: VecDeque<String>,
    secret: Option<String>,
    phase: Phase,
    after: u64,
    had: u64,
    failed: u32,
    /// When the next poll is sent.
    again: u64,
    /// A `watch` is under way.
    watches: bool,
    /// What was heard since: it is put behind the reply, which may be older.
    held: Vec<Heard>,
    bye: bool,
}

/// How far the session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    New,
    /// The client may say hello.
    Opened,
    /// It has.
    Greeted,
    Over,
}

impl Polls {
    pub fn say(&mut self, frame: String) {
        self.waiting.push_back(frame);
    }

    pub fn goodbye(&mut self) {
        self.bye = true;
    }

    /// Every request under way loses its connection.
    pub fn lose(&mut self, now: u64, dice: &mut Dice) {
        for flight in &mut self.flights {
            match &mut flight.stage {
                Stage::Up(arrives) | Stage::Down(arrives, _) => *arrives = None,
                // The server may see the end of the connection, or find nobody when it answers.
                Stage::Served(_) => {}
                Stage::Lost(_) => continue,
            }
            flight.until = flight.until.min(now + dice.below(200));
        }
    }

    pub fn orphan(&mut self, life: Option<&Life>) {
        for flight in &mut self.flights {
            if let Stage::Served(_) | Stage::Up(_) = &flight.stage {
                let stage = std::mem::replace(&mut flight.stage, Stage::Up(None));
                if let (Some(life), Stage::Served(served)) = (life, stage) {
                    life.abandon(served);
                }
            }
        }
    }

    pub fn due(&self) -> Option<u64> {
        let flights = self.flights.iter().map(|flight| match &flight.stage {
            Stage::Up(Some(due)) | Stage::Down(Some(due), _) | Stage::Lost(due) => (*due).min(flight.until),
            Stage::Up(None) | Stage::Down(None, _) | Stage::Served(_) => flight.until,
        });
        let polls = (self.wants_poll()).then_some(self.again);
        let open =
            (self.phase == Phase::New || self.wants_hello() || self.wants_commands() || self.wants_bye()).then_some(0);
        flights.chain(polls).chain(open).min()
    }

    pub fn is_woken(&self) -> bool {
        self.flights.iter().any(|flight| matches!(&flight.stage, Stage::Served(served) if Life::is_woken(served)))
    }

    pub fn is_done(&self) -> bool {
        self.is_over() && self.flights.is_empty()
    }

    fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    fn has(&self, which: impl Fn(&For) -> bool) -> bool {
        self.flights.iter().any(|flight| which(&flight.what))
    }

    fn wants_hello(&self) -> bool {
        self.phase == Phase::Opened && !self.waiting.is_empty()
    }

    fn wants_poll(&self) -> bool {
        self.secret.is_some() && !self.is_over() && !self.bye && !self.has(|what| matches!(what, For::Poll))
    }

    fn wants_commands(&self) -> bool {
        self.secret.is_some()
            && !self.is_over()
            && !self.waiting.is_empty()
            && !self.has(|what| matches!(what, For::Commands(_)))
    }

    fn wants_bye(&self) -> bool {
        self.bye
            && !self.is_over()
            && self.waiting.is_empty()
            && !self.has(|what| matches!(what, For::Bye | For::Commands(_)))
    }

    pub fn work(&mut self, now: u64, flow: Flow, delay: u64, life: Option<&Life>, dice: &mut Dice) -> Vec<Heard> {
        let mut heard = Vec::new();
        if flow == Flow::Held {
            return heard;
        }
        if self.phase == Phase::New {
            self.phase = Phase::Opened;
            heard.push(Heard::Opened);
        }
        if flow == Flow::Flows {
            self.set_off(now, delay, dice);
        }
        let mut left = Vec::new();
        for mut flight in std::mem::take(&mut self.flights) {
            advance(&mut flight, now, delay, life, dice);
            let done = match &flight.stage {
                Stage::Down(Some(due), answer) if *due <= now => Some(Ok(answer.clone())),
                Stage::Lost(due) if *due <= now => Some(Err(())),
                _ if flight.until <= now => Some(Err(())),
                _ => None,
            };
            match done {
                None => left.push(flight),
                Some(outcome) => {
                    let abandoned = std::mem::replace(&mut flight.stage, Stage::Lost(0));
                    if let (Some(life), Stage::Served(served)) = (life, abandoned) {
                        life.abandon(served);
                    }
                    self.answered(now, flight.what, outcome, dice, &mut heard);
                }
            }
        }
        self.flights.append(&mut left);
        if flow == Flow::Deserted {
            self.phase = Phase::Over;
        }
        heard
    }

    /// Sends what the client wants sent.
    fn set_off(&mut self, now: u64, delay: u64, dice: &mut Dice) {
        if self.wants_hello()
            && let Some(hello) = self.waiting.pop_front()
        {
            self.phase = Phase::Greeted;
            self.fly(now, delay, dice, For::Hello, Method::POST, "/v1/sessions", hello, PATIENCE);
        }
        if self.wants_commands() {
            let batch: Vec<String> = self.waiting.drain(..).collect();
            let body = format!("[{}]", batch.join(","));
            self.watches = batch.iter().any(|frame| frame.contains(r#""type":"watch""#));
            let path = "/v1/sessions/self/commands";
            self.fly(now, delay, dice, For::Commands(batch), Method::POST, path, body, 2 * PATIENCE);
        }
        if self.wants_poll() && self.again <= now {
            let path = format!("/v1/sessions/self/events?after={}&wait={WAIT}", self.after);
            self.fly(now, delay, dice, For::Poll, Method::GET, &path, String::new(), PATIENCE);
            if dice.once_in(20) {
                // A second one races it.
                self.fly(now, delay, dice, For::Poll, Method::GET, &path, String::new(), PATIENCE);
            }
        }
        if self.wants_bye() {
            self.fly(now, delay, dice, For::Bye, Method::DELETE, "/v1/sessions/self", String::new(), PATIENCE);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a request has so many parts")]
    fn fly(
        &mut self,
        now: u64,
        delay: u64,
        dice: &mut Dice,
        what: For,
        method: Method,
        path: &str,
        body: String,
        patience: u64,
    ) {
        let arrives = Some(now + dice.below(delay + 1));
        let request = Request { method, path: path.to_owned(), secret: self.secret.clone(), body };
        self.flights.push(Flight { what, request, stage: Stage::Up(arrives), until: now + patience });
    }

    fn answered(&mut self, now: u64, what: For, outcome: Result<Answer, ()>, dice: &mut Dice, heard: &mut Vec<Heard>) {
        if self.is_over() {
            return;
        }
        match (what, outcome) {
            (For::Hello, Ok(answer)) => {
                let frame: Value = serde_json::from_str(&answer.text).unwrap_or_default();
                self.secret = frame["session"].as_str().map(str::to_owned);
                heard.push(Heard::Frame(answer.text));
                if self.secret.is_none() {
                    self.end(frame["close"].as_u64(), heard);
                }
            }
            (For::Commands(batch), Ok(answer)) => {
                self.replies(&batch, &answer, heard);
                self.watches = false;
                heard.append(&mut self.held);
            }
            (For::Poll, Ok(answer)) => self.polled(now, &answer, dice, heard),
            (For::Poll, Err(())) => {
                self.failed += 1;
                self.again = now + dice.below(100);
                if self.failed > 4 {
                    self.end(None, heard);
                }
            }
            (For::Bye, Ok(_)) | (For::Hello | For::Commands(_) | For::Bye, Err(())) => self.end(None, heard),
        }
    }

    fn end(&mut self, code: Option<u64>, heard: &mut Vec<Heard>) {
        self.phase = Phase::Over;
        heard.append(&mut self.held);
        heard.push(Heard::Down(code.map(|code| code as u16)));
    }

    fn replies(&mut self, batch: &[String], answer: &Answer, heard: &mut Vec<Heard>) {
        match answer.status {
            200 => {
                let replies: Vec<Value> = serde_json::from_str(&answer.text).unwrap_or_default();
                assert_eq!(replies.len(), batch.len(), "an answer for each command: {} to {batch:?}", answer.text);
                // `joined` comes again among the events, and there it has its place.
                let told = replies.into_iter().filter(|reply| reply["type"] != "joined");
                heard.extend(told.map(|reply| Heard::Frame(reply.to_string())));
            }
            404 => self.end(closed(answer), heard),
            _ => {
                let mut error: Value = serde_json::from_str(&answer.text).unwrap_or_default();
                for frame in batch {
                    let command: Value = serde_json::from_str(frame).unwrap_or_default();
                    error["id"] = command["id"].clone();
                    heard.push(Heard::Frame(error.to_string()));
                }
            }
        }
    }

    fn polled(&mut self, now: u64, answer: &Answer, dice: &mut Dice, heard: &mut Vec<Heard>) {
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        match answer.status {
            200 => {
                self.failed = 0;
                heard.push(Heard::Alive);
                let events = body["events"].as_array().cloned().unwrap_or_default();
                let next = body["next"].as_u64().unwrap_or(0);
                let first = next + 1 - events.len() as u64;
                assert!(first <= self.had + 1, "events {first} to {next} after {}: some are missing", self.had);
                for (number, event) in (first..).zip(&events) {
                    if number > self.had {
                        self.had = number;
                        let told = if self.watches { &mut self.held } else { &mut *heard };
                        told.push(Heard::Frame(event.to_string()));
                    }
                }
                // Sometimes a client forgets to say what it has.
                if !dice.once_in(10) {
                    self.after = self.after.max(next);
                }
                self.again = now + if events.is_empty() { 1 + dice.below(20) } else { 0 };
            }
            409 => {
                let next = body["next"].as_u64().unwrap_or(u64::MAX);
                assert!(next <= self.had, "acknowledged {next} of {} that were heard", self.had);
                self.after = self.after.max(next);
                self.again = now + dice.below(50);
            }
            404 => self.end(closed(answer), heard),
            _ => {
                self.failed += 1;
                self.again = now + 50 + dice.below(100);
                if self.failed > 4 {
                    self.end(None, heard);
                }
            }
        }
    }
}

fn closed(answer: &Answer) -> Option<u64> {
    serde_json::from_str::<Value>(&answer.text).ok()?["close"].as_u64()
}

/// Moves a request one step if it is due.
fn advance(flight: &mut Flight, now: u64, delay: u64, life: Option<&Life>, dice: &mut Dice) {
    if let Stage::Up(Some(due)) = flight.stage
        && due <= now
    {
        flight.stage = match life {
            Some(life) => {
                let seat = dice.below(life.seats() as u64) as usize;
                Stage::Served(life.request(seat, flight.request.clone()))
            }
            None => Stage::Lost(now + dice.below(30)),
        };
    }
    if let (Stage::Served(served), Some(life)) = (&mut flight.stage, life)
        && let Some(answer) = life.poll(served)
    {
        flight.stage = Stage::Down(Some(now + dice.below(delay + 1)), answer);
    }
}
