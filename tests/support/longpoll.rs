//! Long-poll as a link (PROTOCOL, section 5): one connection for polls, and one for everything else.
//!
//! The first frame has to be a `hello`, and opens the session. If it is refused, the error is handed on, and then the
//! close that a WebSocket would have had: 4500 for `unauthenticated` and `forbidden`, 4504 for `version_unsupported`,
//! 4003 for `overloaded`, 1001 for `unavailable`. After any other refusal another `hello` may come.
//!
//! Later frames are commands. Those that gather while a request is under way go with the next one, in order. What is no
//! JSON at all cannot stand in an array and is sent by itself. A reply without an `id` is dropped, unless it is an
//! error. The [`Sorter`] puts replies and events into the order of one stream.
//!
//! Where the server answers 404 with `close` the session has ended with that code: its last answers are waited for, and
//! if no `error` has named the close, the one that came with the 404 is handed on before it.

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::http::{Answer, Http, Request};
use super::link::{Dial, Heard, Link};
use super::sorter::{Due, Sorter, names_a_close};

/// How many commands go with one request (docs/protocol.md), and how many frames' worth of bytes at most.
const COMMANDS: usize = 1000;
const FRAMES: usize = 4;
/// How long a poll asks to be parked, in seconds.
const WAIT: u32 = 20;

/// A session, or what will be one.
pub(super) struct LongPoll {
    jobs: mpsc::UnboundedSender<Job>,
    heard: mpsc::UnboundedReceiver<Heard>,
    task: JoinHandle<()>,
}

enum Job {
    Send(String),
    Jam(bool),
}

impl LongPoll {
    /// Connects, and says nothing yet. Which of the two connections comes first alternates: servers that give them to
    /// their threads by turns have sessions on all of them.
    pub async fn open(dial: Dial) -> Result<Self, String> {
        let mut commands = None;
        if dial.turn.is_multiple_of(2) {
            commands = Some(Http::open(dial.to, false).await?);
        }
        let polls = Http::open(dial.to, dial.narrow).await?;
        if commands.is_none() {
            commands = Some(Http::open(dial.to, false).await?);
        }
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (outbox, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(Talk::new(dial, commands, polls).run(inbox, outbox));
        Ok(Self { jobs, heard, task })
    }
}

impl Drop for LongPoll {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link for LongPoll {
    fn send(&mut self, frame: String) -> BoxFuture<'_, Result<(), String>> {
        let sent = self.jobs.send(Job::Send(frame)).map_err(|_| "the session has ended".to_owned());
        Box::pin(std::future::ready(sent))
    }

    fn receive(&mut self) -> BoxFuture<'_, Heard> {
        Box::pin(async { self.heard.recv().await.unwrap_or_else(|| Heard::Gone("nothing more comes".to_owned())) })
    }

    fn jam(&mut self, jammed: bool) {
        let _ = self.jobs.send(Job::Jam(jammed));
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.task.abort();
        Box::pin(std::future::ready(()))
    }
}

/// A request under way: gives back the connection, if it can be used again, and the answer.
type Exchange = BoxFuture<'static, (Option<Http>, Result<Answer, String>)>;

/// What the connection for commands is used for.
enum Doing {
    Hello,
    Batch {
        commands: usize,
        joins: bool,
    },
    /// A frame that fits into no array.
    Alone,
    /// A poll that does not wait, begun when so many replies had come.
    Fetch {
        after: u64,
        count: u64,
    },
}

/// The talk with the server.
struct Talk {
    dial: Dial,
    queue: VecDeque<String>,
    /// The session's path, once there is one.
    session: Option<String>,
    frame_bytes: usize,
    commands: Option<Http>,
    polls: Option<Http>,
    posting: Option<Exchange>,
    doing: Doing,
    polling: Option<Exchange>,
    polled_after: u64,
    jammed: bool,
    sorter: Sorter,
    /// The error that came with a 404.
    parting: Option<Value>,
    end: Option<Heard>,
}

impl Talk {
    fn new(dial: Dial, commands: Option<Http>, polls: Http) -> Self {
        Self {
            dial,
            queue: VecDeque::new(),
            session: None,
            frame_bytes: usize::MAX / FRAMES,
            commands,
            polls: Some(polls),
            posting: None,
            doing: Doing::Hello,
            polling: None,
            polled_after: 0,
            jammed: false,
            sorter: Sorter::default(),
            parting: None,
            end: None,
        }
    }

    async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>, heard: mpsc::UnboundedSender<Heard>) {
        let mut named = false;
        loop {
            while let Some(frame) = self.sorter.next(self.due()) {
                named |= names_a_close(&frame);
                let _ = heard.send(Heard::Frame(frame.to_string()));
            }
            let waits = self.posting.is_some() || (self.polling.is_some() && !self.jammed);
            if let Some(end) = self.end.take_if(|end| matches!(end, Heard::Gone(_)) || !waits) {
                let mut frames = self.sorter.finish();
                named |= frames.iter().any(names_a_close);
                frames.extend(self.parting.filter(|_| !named));
                for frame in frames {
                    let _ = heard.send(Heard::Frame(frame.to_string()));
                }
                let _ = heard.send(end);
                return;
            }
            if self.end.is_none() {
                self.begin();
            }
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(Job::Send(frame)) => self.queue.push_back(frame),
                    Some(Job::Jam(jammed)) => self.jammed = jammed,
                    None => return,
                },
                (connection, answer) = answered(&mut self.posting) => {
                    self.commands = connection;
                    self.posted(answer);
                }
                (connection, answer) = answered(&mut self.polling), if !self.jammed => {
                    self.polls = connection;
                    self.polled(self.polled_after, answer);
                }
            }
        }
    }

    fn due(&self) -> Due {
        match self.doing {
            _ if self.posting.is_none() => Due::Nothing,
            Doing::Batch { joins: true, .. } => Due::Joins,
            Doing::Hello | Doing::Batch { .. } | Doing::Alone => Due::Commands,
            Doing::Fetch { .. } => Due::Nothing,
        }
    }

    /// Sends whatever can be sent.
    fn begin(&mut self) {
        if self.posting.is_none()
            && let Some((doing, request)) = self.request()
        {
            // A poll may be asked twice, a command may not.
            let again = matches!(doing, Doing::Fetch { .. });
            self.posting = Some(exchange(self.commands.take(), self.dial, request, again));
            self.doing = doing;
        }
        // The two polls would disagree about what has come.
        let fetching = self.posting.is_some() && matches!(self.doing, Doing::Fetch { .. });
        if let Some(session) = self.session.as_ref().filter(|_| self.polling.is_none() && !fetching && !self.jammed) {
            self.polled_after = self.sorter.after();
            let request = Request::get(format!("{session}/events?after={}&wait={WAIT}", self.polled_after));
            self.polling = Some(exchange(self.polls.take(), self.dial, request, true));
        }
    }

    fn request(&mut self) -> Option<(Doing, Request)> {
        let Some(session) = &self.session else {
            return self.queue.pop_front().map(|hello| (Doing::Hello, Request::post("/v1/sessions", hello)));
        };
        if self.sorter.wants_events() && !self.jammed {
            let (after, count) = (self.sorter.after(), self.sorter.count());
            let request = Request::get(format!("{session}/events?after={after}&wait=0"));
            return Some((Doing::Fetch { after, count }, request));
        }
        let path = format!("{session}/commands");
        let fits = |text: &String| text.len() <= self.frame_bytes && serde_json::from_str::<&RawValue>(text).is_ok();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < COMMANDS
            && let Some(text) = self.queue.front().filter(|text| fits(text))
            && bytes + text.len() <= FRAMES * self.frame_bytes
        {
            bytes += text.len();
            batch.extend(self.queue.pop_front());
        }
        if batch.is_empty() {
            return self.queue.pop_front().map(|text| (Doing::Alone, Request::post(path, text)));
        }
        let joins = batch.iter().any(|text| text.contains("\"join\""));
        let doing = Doing::Batch { commands: batch.len(), joins };
        let single = batch.len() == 1 && batch[0].trim_start().starts_with('{');
        let body = if single { batch.remove(0) } else { format!("[{}]", batch.join(",")) };
        Some((doing, Request::post(path, body)))
    }

    /// The connection for commands brought an answer.
    fn posted(&mut self, answer: Result<Answer, String>) {
        let answer = match (&self.doing, answer) {
            (Doing::Fetch { after, count }, answer) => {
                let (after, count) = (*after, *count);
                if self.polled(after, answer) == Some(0) {
                    self.sorter.fetched(count);
                }
                return;
            }
            (_, Ok(answer)) => answer,
            (_, Err(why)) => return self.gone(why),
        };
        let body = answer.json();
        match (&self.doing, answer.status) {
            (Doing::Hello, 201) => {
                self.session = body["session"].as_str().map(|session| format!("/v1/sessions/{session}"));
                self.frame_bytes = body["limits"]["frame_bytes"].as_u64().unwrap_or(256) as usize;
                self.sorter.reply(body);
            }
            (Doing::Hello, 400..) if body["type"] == "error" => {
                let code = match body["code"].as_str() {
                    Some("unauthenticated" | "forbidden") => Some(4500),
                    Some("version_unsupported") => Some(4504),
                    Some("overloaded") => Some(4003),
                    Some("unavailable") => Some(1001),
                    _ => None,
                };
                self.end = code.map(Heard::Closed);
                self.sorter.reply(body);
            }
            (Doing::Batch { commands, .. }, 200) => match body.as_array() {
                Some(replies) if replies.len() == *commands => {
                    replies.iter().for_each(|reply| self.sorter.reply(reply.clone()));
                }
                _ => self.gone(format!("{commands} commands, and the answer {}", answer.body)),
            },
            (Doing::Alone, 400 | 413) if body["type"] == "error" => self.sorter.reply(body),
            (_, 404) => self.over(body),
            (_, status) => self.gone(format!("status {status} for commands: {}", answer.body)),
        }
    }

    /// A poll brought an answer. Returns how many events came.
    fn polled(&mut self, after: u64, answer: Result<Answer, String>) -> Option<usize> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                self.gone(why);
                return None;
            }
        };
        let body = answer.json();
        match (answer.status, body["events"].as_array(), body["next"].as_u64()) {
            (200, Some(events), Some(next)) => {
                let count = events.len();
                if let Err(why) = self.sorter.page(after, next, events.clone()) {
                    self.gone(why);
                }
                return Some(count);
            }
            (404, ..) => self.over(body),
            // The other connection's poll was quicker, and has acknowledged more.
            (409, ..) if after < self.sorter.after() => {}
            (status, ..) => self.gone(format!("status {status} for a poll after {after}: {}", answer.body)),
        }
        None
    }

    /// The server says that there is no such session.
    fn over(&mut self, error: Value) {
        match error["close"].as_u64() {
            Some(code) => self.end = self.end.take().or(Some(Heard::Closed(code as u16))),
            None => self.gone(format!("no such session: {error}")),
        }
        self.parting.get_or_insert(error);
    }

    fn gone(&mut self, why: String) {
        self.end.get_or_insert(Heard::Gone(why));
    }
}

/// Waits for an answer, if one is to come.
async fn answered(exchange: &mut Option<Exchange>) -> (Option<Http>, Result<Answer, String>) {
    let Some(under_way) = exchange else { return std::future::pending().await };
    let answer = under_way.await;
    *exchange = None;
    answer
}

/// Asks over this connection, or over a new one if it has rested for too long. With `again` a request whose connection
/// breaks is asked once more over a new one.
fn exchange(connection: Option<Http>, dial: Dial, request: Request, again: bool) -> Exchange {
    Box::pin(async move {
        let mut kept = connection.filter(Http::is_fresh);
        loop {
            let used = kept.is_some();
            let mut http = match kept.take() {
                Some(http) => http,
                None => match Http::open(dial.to, dial.narrow).await {
                    Ok(http) => http,
                    Err(why) => return (None, Err(why)),
                },
            };
            match http.exchange(&request).await {
                Ok(answer) => {
                    let stays = answer.header("connection") != Some("close");
                    return (stays.then_some(http), Ok(answer));
                }
                Err(_) if used && again => {}
                Err(why) => return (None, Err(why)),
            }
        }
    })
}
