//! A long-poll session by hand, for what a well-behaved client would never ask, and for answers that get lost.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{Answer, Http, Request, ask};

/// A session that does nothing by itself: it polls when it is told to.
pub struct Polls {
    /// Where the server listens.
    pub to: SocketAddr,
    /// The `welcome`.
    pub welcome: Value,
    /// The connection that requests go over, unless they say otherwise.
    pub http: Http,
}

impl Polls {
    /// A session of a guest, welcomed.
    pub async fn open(to: SocketAddr) -> Self {
        Self::hello(to, json!({"guest": "polls"})).await
    }

    /// A session opened by a hello with these members.
    pub async fn hello(to: SocketAddr, members: Value) -> Self {
        let mut http = Http::connect(to).await;
        let mut hello = json!({"type": "hello", "version": 1});
        super::words::merge(&mut hello, members);
        let answer = http.ask(Request::post("/v1/sessions", hello.to_string())).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let welcome = answer.json();
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        Self { to, welcome, http }
    }

    /// Who this is.
    pub fn user(&self) -> &str {
        self.welcome["user"].as_str().unwrap_or_default()
    }

    /// The credential.
    pub fn secret(&self) -> &str {
        self.welcome["session"].as_str().unwrap_or_default()
    }

    /// A path below the session's.
    pub fn path(&self, below: &str) -> String {
        format!("/v1/sessions/{}{below}", self.secret())
    }

    /// The request of a poll.
    pub fn poll(&self, after: u64, wait: &str) -> Request {
        Request::get(self.path(&format!("/events?after={after}&wait={wait}")))
    }

    /// The request that brings commands: one, or an array.
    pub fn carry(&self, commands: &Value) -> Request {
        Request::post(self.path("/commands"), commands.to_string())
    }

    /// Polls, which has to work. Returns the events and `next`.
    pub async fn page(&mut self, after: u64, wait: &str) -> (Vec<Value>, u64) {
        let request = self.poll(after, wait);
        page(&self.http.ask(request).await)
    }

    /// Polls without waiting until there is nothing more, from `after` on. Returns the events and the last number.
    pub async fn rest(&mut self, mut after: u64) -> (Vec<Value>, u64) {
        let mut all = Vec::new();
        loop {
            let (events, next) = self.page(after, "0").await;
            if events.is_empty() {
                return (all, next);
            }
            all.extend(events);
            after = next;
        }
    }

    /// Polls until an event fits, and drops those before it. Returns it, and the number to go on with.
    pub async fn until(&mut self, mut after: u64, fits: impl Fn(&Value) -> bool) -> (Value, u64) {
        loop {
            let (events, _) = self.page(after, "5").await;
            for event in events {
                after += 1;
                if fits(&event) {
                    return (event, after);
                }
            }
        }
    }

    /// Sends commands, which have to be taken, and returns their replies.
    pub async fn command(&mut self, commands: Value) -> Vec<Value> {
        let request = self.carry(&commands);
        replies(&self.http.ask(request).await)
    }

    /// A poll over a connection of its own, sent and not yet answered.
    pub async fn parked(&self, after: u64, wait: &str) -> Http {
        let mut http = Http::connect(self.to).await;
        http.send(&self.poll(after, wait)).await.expect("the poll is sent");
        http
    }

    /// Says goodbye over a connection of its own.
    pub async fn logout(&self) -> Answer {
        ask(self.to, Request::delete(self.path(""))).await
    }

    /// Polls over a connection of its own until the session has ended; returns what it is answered then.
    pub async fn end(&self) -> Value {
        let mut http = Http::connect(self.to).await;
        let mut after = None;
        loop {
            let known = after.unwrap_or_default();
            let answer = http.ask(self.poll(known, "5")).await;
            match answer.status {
                200 | 409 => after = answer.json()["next"].as_u64(),
                404 => return answer.json(),
                _ => panic!("{answer:?}"),
            }
        }
    }
}

/// The events and `next` that a poll was answered with.
pub fn page(answer: &Answer) -> (Vec<Value>, u64) {
    let body = answer.json();
    match (answer.status, body["events"].as_array(), body["next"].as_u64()) {
        (200, Some(events), Some(next)) => (events.clone(), next),
        _ => panic!("expected events: {answer:?}"),
    }
}

/// The replies that commands were answered with.
pub fn replies(answer: &Answer) -> Vec<Value> {
    match (answer.status, answer.json().as_array()) {
        (200, Some(replies)) => replies.clone(),
        _ => panic!("expected replies: {answer:?}"),
    }
}
