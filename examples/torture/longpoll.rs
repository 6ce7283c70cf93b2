//! A link over long-poll (protocol, section 5): one task says things, another polls, and now and then polls twice.
//!
//! Events are handed on once, by their numbers. Where the order of what comes by the two ways matters, the rules of
//! `docs/protocol/longpoll.md` are kept: a `joined` counts where it stands among the events, what follows `left` is passed over,
//! and what is heard while a `watch` is under way comes after its reply.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use parlor::checker::By;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::link::{Ends, Heard, Job, Link, unjammed};
use crate::support::http::{Answer, Http, Request};

/// How long an answer to commands is waited for: the server gives one within ten seconds.
const ANSWER: Duration = Duration::from_secs(12);
/// How many commands go with one request.
const COMMANDS: usize = 16;

/// What the two tasks share.
struct Shared {
    to: SocketAddr,
    narrow: bool,
    heard: mpsc::Sender<Heard>,
    /// Channels that were left: what still comes of them is passed over.
    left: Mutex<HashSet<String>>,
    /// How many requests with a `watch` are under way.
    watches: watch::Sender<usize>,
    race: Notify,
}

/// A link on which a hello is to be said.
pub fn open(to: SocketAddr, narrow: bool) -> Link {
    let (mut link, Ends { jobs, heard, jam }) = Link::pair();
    let (watches, _) = watch::channel(0);
    let shared = Shared { to, narrow, heard, left: Mutex::default(), watches, race: Notify::new() };
    link.tasks.spawn(Arc::new(shared).talk(jobs, jam));
    link
}

/// A long-poll session as requests name it.
#[derive(Clone)]
struct Address {
    secret: String,
    /// Whether the secret stands in a header.
    hidden: bool,
}

impl Address {
    fn request(&self, make: impl FnOnce(String) -> Request, rest: &str) -> Request {
        if self.hidden {
            let secret = format!("Bearer {}", self.secret);
            return make(format!("/v1/sessions/self{rest}")).with("Authorization", &secret);
        }
        make(format!("/v1/sessions/{}{rest}", self.secret))
    }
}

/// A request over this connection, or a new one if it cannot be used any more.
async fn exchange(
    kept: Option<Http>,
    (to, narrow): (SocketAddr, bool),
    request: Request,
    patience: Duration,
) -> (Option<Http>, Result<Answer, String>) {
    let ask = async {
        let mut http = match kept.filter(Http::is_fresh) {
            Some(http) => http,
            None => Http::open(to, narrow).await?,
        };
        let answer = http.exchange(&request).await?;
        let stays = answer.header("connection") != Some("close");
        Ok((stays.then_some(http), answer))
    };
    match timeout(patience, ask).await {
        Ok(Ok((http, answer))) => (http, Ok(answer)),
        Ok(Err(why)) => (None, Err(why)),
        Err(_) => (None, Err("no answer in time".to_owned())),
    }
}

impl Shared {
    async fn tell(&self, heard: Heard) {
        let _ = self.heard.send(heard).await;
    }

    async fn over(&self, code: Option<u16>, by: By) {
        self.tell(Heard::Over { code, by }).await;
    }

    /// Says hello and then whatever is to be said.
    async fn talk(self: Arc<Self>, mut jobs: mpsc::Receiver<Job>, jam: watch::Receiver<bool>) {
        let Some(Job::Say(hello)) = jobs.recv().await else { return };
        let request = Request::post("/v1/sessions", hello.to_string());
        let (mut kept, answer) = exchange(None, (self.to, self.narrow), request, ANSWER).await;
        let Ok(answer) = answer else { return self.over(None, By::Network).await };
        let frame = answer.json();
        let (status, secret) = (answer.status, frame["session"].as_str().unwrap_or_default().to_owned());
        if !frame.is_object() {
            self.tell(Heard::Wrong(format!("hello is answered {status} {}", answer.body))).await;
            return self.over(None, By::Server).await;
        }
        let timeout_ms = frame["timeout_ms"].as_u64().unwrap_or(60_000);
        self.tell(Heard::Frame(frame)).await;
        if status != 201 {
            return self.over(None, By::Server).await;
        }
        let hidden = secret.bytes().last().is_some_and(|byte| byte % 2 == 0);
        let address = Address { secret, hidden };
        let polls = Arc::clone(&self).poll(address.clone(), jam, Duration::from_millis(timeout_ms));
        let say = self.say(&address, &mut jobs, &mut kept);
        tokio::select! { () = polls => {}, () = say => {} }
    }

    /// Says what is to be said, several things at once if they have gathered. Ends with the session.
    async fn say(&self, address: &Address, jobs: &mut mpsc::Receiver<Job>, kept: &mut Option<Http>) {
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => job,
                None => match jobs.recv().await {
                    Some(job) => job,
                    None => return,
                },
            };
            match job {
                Job::Race => self.race.notify_one(),
                Job::Close => {
                    let request = address.request(Request::delete, "");
                    let _ = exchange(kept.take(), (self.to, self.narrow), request, Duration::from_secs(1)).await;
                    return;
                }
                Job::Say(frame) => {
                    let mut batch = vec![frame];
                    while batch.len() < COMMANDS && next.is_none() {
                        match jobs.try_recv() {
                            Ok(Job::Say(frame)) => batch.push(frame),
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    let watches = batch.iter().any(|frame| frame["type"] == "watch");
                    self.watches.send_modify(|count| *count += usize::from(watches));
                    let goes_on = self.post(address, batch, kept).await;
                    self.watches.send_modify(|count| *count -= usize::from(watches));
                    if !goes_on {
                        return;
                    }
                }
            }
        }
    }

    /// Sends commands, and hands on their replies. Says whether the session goes on.
    async fn post(&self, address: &Address, batch: Vec<Value>, kept: &mut Option<Http>) -> bool {
        let count = batch.len();
        let ids = batch.iter().filter_map(|frame| frame["id"].as_str().map(str::to_owned)).collect();
        let body = if let [one] = &batch[..] { one.to_string() } else { Value::from(batch).to_string() };
        loop {
            let request = address.request(|path| Request::post(path, body.clone()), "/commands");
            let (http, answer) = exchange(kept.take(), (self.to, self.narrow), request, ANSWER).await;
            *kept = http;
            let Ok(answer) = answer else {
                // What was done nobody knows. Some clients go on, others begin anew.
                if address.hidden {
                    self.tell(Heard::Lost(ids)).await;
                    return true;
                }
                self.over(None, By::Network).await;
                return false;
            };
            match (answer.status, answer.json()) {
                (200, Value::Array(replies)) if replies.len() == count => {
                    for reply in replies {
                        let kind = reply["type"].as_str().unwrap_or_default();
                        if kind == "left" {
                            self.left.lock().extend(reply["channel"].as_str().map(str::to_owned));
                        }
                        let heard = if kind == "joined" { Heard::Aside(reply) } else { Heard::Frame(reply) };
                        self.tell(heard).await;
                    }
                    return true;
                }
                (404, error) => {
                    self.over(error["close"].as_u64().map(|code| code as u16), By::Server).await;
                    return false;
                }
                // Nothing of it was done.
                (503, _) => sleep(Duration::from_millis(200)).await,
                // The session broke.
                (500, _) => {
                    self.over(None, By::Network).await;
                    return false;
                }
                (status, _) => {
                    let why = format!("{count} commands are answered {status} {}", answer.body);
                    self.tell(Heard::Wrong(why)).await;
                    self.over(None, By::Network).await;
                    return false;
                }
            }
        }
    }

    /// Polls until the session is over.
    async fn poll(self: Arc<Self>, address: Address, mut jam: watch::Receiver<bool>, patience: Duration) {
        type Poll = BoxFuture<'static, (u64, Option<Http>, Result<Answer, String>)>;
        let (to, narrow) = (self.to, self.narrow);
        let begin = |kept: Option<Http>, after: u64| -> Poll {
            let request = address.request(Request::get, &format!("/events?after={after}"));
            let asked = exchange(kept, (to, narrow), request, patience);
            Box::pin(async move {
                let (http, answer) = asked.await;
                (after, http, answer)
            })
        };
        let (mut polls, mut last, mut kept) = (FuturesUnordered::new(), 0, None);
        let mut answered = Instant::now();
        loop {
            unjammed(&mut jam).await;
            if polls.is_empty() {
                polls.push(begin(kept.take(), last));
            }
            let (after, http, answer) = tokio::select! {
                Some(done) = polls.next() => done,
                () = self.race.notified(), if polls.len() < 3 => {
                    polls.push(begin(None, last));
                    continue;
                }
            };
            let Ok(answer) = answer else {
                if answered.elapsed() > 4 * patience {
                    return self.over(None, By::Network).await;
                }
                sleep(Duration::from_millis(30)).await;
                continue;
            };
            kept = http;
            answered = Instant::now();
            let body = answer.json();
            match (answer.status, body["events"].as_array(), body["next"].as_u64()) {
                (200, Some(events), Some(next)) => {
                    if next != after + events.len() as u64 {
                        let why = format!("{} events after {after}, and next is {next}", events.len());
                        self.tell(Heard::Wrong(why)).await;
                    }
                    let known = last.saturating_sub(after) as usize;
                    let mut held = self.watches.subscribe();
                    let _ = held.wait_for(|count| *count == 0).await;
                    for event in events.iter().skip(known) {
                        self.event(event).await;
                    }
                    last = last.max(next);
                }
                (404, ..) => return self.over(body["close"].as_u64().map(|code| code as u16), By::Server).await,
                (409, ..) if after < last => {}
                (503, ..) => sleep(Duration::from_millis(100)).await,
                (500, ..) => return self.over(None, By::Network).await,
                (status, ..) => {
                    self.tell(Heard::Wrong(format!("a poll after {after} is answered {status} {body}"))).await;
                    return self.over(None, By::Network).await;
                }
            }
        }
    }

    /// Hands on what the client may look at.
    async fn event(&self, event: &Value) {
        let passed = {
            let mut left = self.left.lock();
            match (event["type"].as_str(), event["channel"].as_str()) {
                (Some("joined"), Some(channel)) => {
                    left.remove(channel);
                    false
                }
                (Some("message" | "typing" | "read" | "member" | "closed"), Some(channel)) => left.contains(channel),
                _ => false,
            }
        };
        if !passed {
            self.tell(Heard::Frame(event.clone())).await;
        }
    }
}
