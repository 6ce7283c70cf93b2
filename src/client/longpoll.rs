//! A connection by HTTP long-poll (protocol, section 5): one request at a time that polls, and one that carries commands.
//!
//! A poll that was lost is sent again with the same `after`, so that nothing is missed. Commands are not: their fate is
//! unknown, so the connection has ended, and the machine sends its publishes again under their keys.
//!
//! `joined` comes twice. The one among the events, without `id`, is where the stream changes, so that one is handed
//! on and the reply is not.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::line::Down;
use super::link::{Ear, Heard, Order};
use super::place::Place;
use crate::clock;

/// Polls that may fail in a row.
const TRIES: u32 = 5;
/// The longest wait for a poll's next try.
const PATIENCE: Duration = Duration::from_secs(10);
/// Beyond what a poll is parked, and for any other request.
const SLACK: Duration = Duration::from_secs(15);
/// Commands in one request.
const BATCH: usize = 64;
/// An empty answer that came sooner than this was not parked: the next poll waits a little.
const HASTY: Duration = Duration::from_millis(100);

/// Opens a session with the first frame, and carries frames until it ends. Returns how, unless that was by a goodbye of ours.
pub(super) async fn run(place: &Place, mut orders: mpsc::Receiver<Order>, ear: &Ear) -> Option<Down> {
    ear.tell(Heard::Opened).await;
    let Some(Order::Say(hello)) = orders.recv().await else { return None };
    let session = match Session::open(place, hello, ear).await {
        Ok(session) => session,
        Err(down) => return Some(down),
    };
    tokio::select! {
        down = session.poll(ear) => Some(down),
        down = session.command(&mut orders, ear) => {
            if down.is_none() {
                session.end().await;
            }
            down
        }
    }
}

/// What `welcome` says that matters here.
#[derive(Deserialize)]
struct Opened {
    session: String,
    heartbeat_ms: Option<u64>,
    limits: Option<OpenedLimits>,
}

#[derive(Deserialize)]
struct OpenedLimits {
    frame_bytes: Option<usize>,
}

#[derive(Deserialize)]
struct Polled<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    next: u64,
}

#[derive(Deserialize)]
struct Refusal {
    close: Option<u16>,
    next: Option<u64>,
    #[serde(default)]
    message: String,
}

/// A request's answer.
struct Answer {
    status: StatusCode,
    retry_after_ms: Option<u64>,
    text: String,
}

impl Answer {
    /// The `error` frame in it, if it is one.
    fn error(&self) -> Option<Value> {
        let mut frame: Value =
            serde_json::from_str(&self.text).ok().filter(|frame: &Value| frame["type"] == "error")?;
        if frame["retry_after_ms"].is_null() && self.retry_after_ms.is_some() {
            frame["retry_after_ms"] = self.retry_after_ms.into();
        }
        Some(frame)
    }

    /// The end that it stands for.
    fn end(&self) -> Down {
        let refusal: Option<Refusal> = serde_json::from_str(&self.text).ok();
        let why = refusal.as_ref().map_or("", |refusal| refusal.message.as_str());
        Down {
            code: refusal.as_ref().and_then(|refusal| refusal.close),
            why: format!("{}: {why}", self.status),
            retry_after_ms: self.retry_after_ms,
        }
    }
}

fn broken(why: impl ToString) -> Down {
    Down { why: why.to_string(), ..Down::default() }
}

/// Sends a request and reads its answer whole.
async fn ask(request: reqwest::RequestBuilder, within: Duration) -> Result<Answer, reqwest::Error> {
    let answer = request.timeout(within).send().await?;
    let status = answer.status();
    let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after_ms = after.and_then(|text| text.parse::<u64>().ok()).map(|s| s.saturating_mul(1000));
    Ok(Answer { status, retry_after_ms, text: answer.text().await? })
}

struct Session<'a> {
    place: &'a Place,
    secret: String,
    frame_bytes: usize,
    wait: Duration,
}

impl<'a> Session<'a> {
    async fn open(place: &'a Place, hello: String, ear: &Ear) -> Result<Self, Down> {
        let request = place.http.post(&place.sessions).header("content-type", "application/json").body(hello);
        let answer = ask(request, SLACK).await.map_err(broken)?;
        if answer.status == StatusCode::CREATED {
            let opened: Opened = serde_json::from_str(&answer.text).map_err(broken)?;
            let heartbeat = Duration::from_millis(opened.heartbeat_ms.unwrap_or(25_000));
            let frame_bytes = opened.limits.and_then(|limits| limits.frame_bytes).unwrap_or(65_536);
            ear.tell(Heard::Frame(answer.text)).await;
            return Ok(Self { place, secret: opened.session, frame_bytes, wait: place.poll_wait.min(heartbeat) });
        }
        if let Some(error) = answer.error() {
            ear.tell(Heard::Frame(error.to_string())).await;
        }
        Err(answer.end())
    }

    fn request(&self, method: reqwest::Method, rest: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/self{rest}", self.place.sessions);
        self.place.http.request(method, url).bearer_auth(&self.secret)
    }

    /// Polls until the session has ended.
    async fn poll(&self, ear: &Ear) -> Down {
        let (mut after, mut failed) = (0, 0);
        // Up to where events were handed on.
        let mut had = 0;
        loop {
            let rest = format!("/events?after={after}&wait={}", self.wait.as_secs());
            let asked = clock::stamp();
            let answer = match ask(self.request(reqwest::Method::GET, &rest), self.wait + SLACK).await {
                Ok(answer) => answer,
                Err(why) if failed >= TRIES => return broken(why),
                Err(_) => {
                    pause(&mut failed, None).await;
                    continue;
                }
            };
            match answer.status {
                StatusCode::OK => {
                    failed = 0;
                    ear.tell(Heard::Alive).await;
                    let Ok(polled) = serde_json::from_str::<Polled<'_>>(&answer.text) else {
                        return broken("a poll's answer that is not what the protocol says");
                    };
                    let first = (polled.next + 1).saturating_sub(polled.events.len() as u64);
                    for (number, event) in (first..).zip(&polled.events) {
                        if number > had {
                            ear.tell(Heard::Frame(event.get().to_owned())).await;
                            had = number;
                        }
                    }
                    if polled.events.is_empty() && asked.elapsed() < HASTY {
                        tokio::time::sleep(HASTY).await;
                    }
                    after = polled.next;
                }
                StatusCode::CONFLICT => match serde_json::from_str::<Refusal>(&answer.text).ok().and_then(|it| it.next)
                {
                    // What was handed on is passed over when it comes again.
                    Some(next) if next <= had && failed < TRIES => {
                        after = next;
                        pause(&mut failed, None).await;
                    }
                    // Something was acknowledged that never came.
                    _ => return answer.end(),
                },
                status if (status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS) && failed < TRIES => {
                    pause(&mut failed, answer.retry_after_ms).await;
                }
                _ => return answer.end(),
            }
        }
    }

    /// Carries commands until a goodbye.
    async fn command(&self, orders: &mut mpsc::Receiver<Order>, ear: &Ear) -> Option<Down> {
        let mut batches = Batches { most: BATCH, bytes: 4 * self.frame_bytes, left: None, bye: false };
        while let Some(batch) = batches.next(orders).await {
            match self.carry(&batch, ear).await {
                Ok(true) => {}
                // Together they were too much, and none was carried out.
                Ok(false) => {
                    batches.most = 1;
                    for one in batch.chunks(1) {
                        if let Err(down) = self.carry(one, ear).await {
                            return Some(down);
                        }
                    }
                }
                Err(down) => return Some(down),
            }
        }
        None
    }

    /// Carries some commands in one request. Says whether they could be carried together.
    async fn carry(&self, batch: &[String], ear: &Ear) -> Result<bool, Down> {
        let body = format!("[{}]", batch.join(","));
        let request = self.request(reqwest::Method::POST, "/commands").header("content-type", "application/json");
        let answer = ask(request.body(body), SLACK).await.map_err(broken)?;
        if answer.status == StatusCode::PAYLOAD_TOO_LARGE && batch.len() > 1 {
            return Ok(false);
        }
        if answer.status == StatusCode::OK {
            let replies = serde_json::from_str::<Vec<&RawValue>>(&answer.text).map_err(broken)?;
            if replies.len() != batch.len() {
                return Err(broken(format!("{} answers to {} commands", replies.len(), batch.len())));
            }
            for reply in replies {
                if head(reply.get()).is_none_or(|head| head.r#type != "joined") {
                    ear.tell(Heard::Frame(reply.get().to_owned())).await;
                }
            }
            return Ok(true);
        }
        let passes = answer.status.is_server_error()
            || matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE);
        let Some(mut error) = answer.error().filter(|_| passes) else { return Err(answer.end()) };
        // It is the answer to each of them.
        for id in batch.iter().filter_map(|frame| head(frame)?.id) {
            error["id"] = id.into();
            ear.tell(Heard::Frame(error.to_string())).await;
        }
        Ok(true)
    }

    /// Says goodbye.
    async fn end(&self) {
        let _ = ask(self.request(reqwest::Method::DELETE, ""), Duration::from_secs(5)).await;
    }
}

/// Takes commands together that came faster than requests were answered.
struct Batches {
    most: usize,
    bytes: usize,
    /// One that found no room in the batch before.
    left: Option<String>,
    /// Whether a goodbye stands behind the batch.
    bye: bool,
}

impl Batches {
    /// The next batch; none after a goodbye. May be dropped while it waits, without loss.
    async fn next(&mut self, orders: &mut mpsc::Receiver<Order>) -> Option<Vec<String>> {
        if self.bye {
            return None;
        }
        let first = match self.left.take() {
            Some(frame) => frame,
            None => match orders.recv().await {
                Some(Order::Say(frame)) => frame,
                Some(Order::Bye) | None => return None,
            },
        };
        let mut bytes = first.len();
        let mut batch = vec![first];
        while batch.len() < self.most {
            match orders.try_recv() {
                Ok(Order::Say(frame)) if bytes + frame.len() > self.bytes => {
                    self.left = Some(frame);
                    break;
                }
                Ok(Order::Say(frame)) => {
                    bytes += frame.len();
                    batch.push(frame);
                }
                Ok(Order::Bye) => {
                    self.bye = true;
                    break;
                }
                Err(_) => break,
            }
        }
        Some(batch)
    }
}

/// Waits before the next try, a little longer each time.
async fn pause(failed: &mut u32, retry_after_ms: Option<u64>) {
    let wait = retry_after_ms.unwrap_or(100 << *failed) + clock::jitter(100);
    *failed += 1;
    tokio::time::sleep(Duration::from_millis(wait).min(PATIENCE)).await;
}

#[derive(Deserialize)]
struct Head {
    r#type: String,
    id: Option<String>,
}

fn head(frame: &str) -> Option<Head> {
    serde_json::from_str(frame).ok()
}
