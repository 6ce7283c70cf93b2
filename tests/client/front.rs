//! A long-poll front to a server that is spoken to by WebSocket, to the letter of the protocol's section 5, that breaks
//! what it is told to break: answers are lost, sessions end, requests are put off.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Which requests a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Poll,
    Commands,
}

/// What to do to the next such request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It is read and dealt with, and the connection is cut before the answer.
    LoseAnswer,
    /// It is read, and the connection is cut at once.
    LoseRequest,
    /// It gets this instead.
    Answer(u16, Value),
    /// It gets 413, if it has more than one command; else it waits for such a one.
    TooMuch,
    /// The events up to the newest are taken for acknowledged, and the answer is 409 with their number.
    Acknowledge,
}

#[derive(Default)]
struct Inside {
    to: Option<SocketAddr>,
    sessions: HashMap<String, Arc<Session>>,
    faults: Vec<(On, Fault)>,
    /// How many commands each request had.
    batches: Vec<usize>,
    /// `after` of each poll.
    polls: Vec<u64>,
    deleted: usize,
}

/// The front. It ends when it is dropped.
pub struct Front {
    pub address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Stream {
    /// Those that were not acknowledged.
    events: VecDeque<Value>,
    acknowledged: u64,
    ended: bool,
    close: Option<u16>,
    replies: HashMap<String, oneshot::Sender<Value>>,
}

struct Session {
    up: mpsc::UnboundedSender<String>,
    stream: Mutex<Stream>,
    news: Notify,
}

impl Front {
    /// Listens, and leads nowhere.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let inside = Arc::new(Mutex::new(Inside::default()));
        let shared = Arc::clone(&inside);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, inside, task }
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().expect("not poisoned")
    }

    /// New sessions are sessions of the server there.
    pub fn lead_to(&self, to: SocketAddr) {
        self.inside().to = Some(to);
    }

    /// Does this to the next such requests, one after the other.
    pub fn break_next(&self, on: On, faults: &[Fault]) {
        self.inside().faults.extend(faults.iter().map(|fault| (on, fault.clone())));
    }

    /// Whether all that was to be broken was.
    pub fn is_done(&self) -> bool {
        self.inside().faults.is_empty()
    }

    /// How many commands each request had.
    pub fn batches(&self) -> Vec<usize> {
        self.inside().batches.clone()
    }

    /// `after` of each poll.
    pub fn polls(&self) -> Vec<u64> {
        self.inside().polls.clone()
    }

    /// How many sessions were ended by their clients.
    pub fn deleted(&self) -> usize {
        self.inside().deleted
    }

    /// Forgets all sessions, as after a restart.
    pub fn forget(&self) {
        self.inside().sessions.clear();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one connection.
async fn serve(mut stream: TcpStream, inside: Arc<Mutex<Inside>>) {
    let _ = stream.set_nodelay(true);
    let mut bytes = Vec::new();
    while let Some((method, path, secret, body)) = request(&mut stream, &mut bytes).await {
        let on = match (method.as_str(), path.contains("/events?")) {
            ("GET", true) => Some(On::Poll),
            ("POST", _) if path.ends_with("/commands") => Some(On::Commands),
            _ => None,
        };
        let fault = {
            let mut inside = inside.lock().expect("not poisoned");
            let several = || serde_json::from_str::<Vec<Value>>(&body).is_ok_and(|commands| commands.len() > 1);
            let fits = |fault: &Fault| *fault != Fault::TooMuch || several();
            let found = inside.faults.iter().position(|(when, fault)| Some(*when) == on && fits(fault));
            found.map(|at| inside.faults.remove(at).1)
        };
        let (status, answer) = match &fault {
            Some(Fault::LoseRequest) => return,
            Some(Fault::TooMuch) => (413, json!({"type": "error", "code": "too_large", "message": ""})),
            Some(Fault::Answer(status, answer)) => (*status, answer.clone()),
            _ => deal(&inside, on, &method, &path, &secret, &body, fault == Some(Fault::Acknowledge)).await,
        };
        if fault == Some(Fault::LoseAnswer) {
            return;
        }
        let body = if status == 204 { String::new() } else { answer.to_string() };
        let more = if status == 503 { "Retry-After: 0\r\n" } else { "" };
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nCache-Control: no-store\r\n{more}\r\n", body.len());
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads a request: method, path, the bearer's token, body.
async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, String, String, String)> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        if let Ok(httparse::Status::Complete(head)) = request.parse(bytes) {
            let header = |name: &str| {
                let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                found.map(|header| String::from_utf8_lossy(header.value).into_owned())
            };
            let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            if bytes.len() >= head + length {
                let secret = header("authorization").unwrap_or_default().replace("Bearer ", "");
                let (method, path) = (request.method?.to_owned(), request.path?.to_owned());
                let body = String::from_utf8(bytes[head..head + length].to_vec()).ok()?;
                bytes.drain(..head + length);
                return Some((method, path, secret, body));
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn deal(
    inside: &Mutex<Inside>,
    on: Option<On>,
    method: &str,
    path: &str,
    secret: &str,
    body: &str,
    acknowledge: bool,
) -> (u16, Value) {
    if method == "POST" && path.ends_with("/v1/sessions") {
        return open(inside, body).await;
    }
    assert!(path.contains("/v1/sessions/self"), "the secret belongs in the header: {path}");
    let session = inside.lock().expect("not poisoned").sessions.get(secret).cloned();
    let Some(session) = session else { return gone(None) };
    match (on, method) {
        (Some(On::Commands), _) => session.command(inside, body).await,
        (Some(On::Poll), _) => {
            let number = |name: &str| {
                let (_, rest) = path.split_once(&format!("{name}=")).expect("a query");
                rest.split('&').next().expect("a value").parse::<u64>().expect("a number")
            };
            inside.lock().expect("not poisoned").polls.push(number("after"));
            session.poll(number("after"), number("wait"), acknowledge).await
        }
        (None, "DELETE") => {
            let mut inside = inside.lock().expect("not poisoned");
            inside.sessions.remove(secret);
            inside.deleted += 1;
            let _ = session.up.send(json!({"type": "logout"}).to_string());
            (204, Value::Null)
        }
        _ => gone(None),
    }
}

fn gone(close: Option<u16>) -> (u16, Value) {
    let mut error = json!({"type": "error", "code": "not_found", "message": "there is no such session"});
    if let Some(close) = close {
        error["close"] = close.into();
    }
    (404, error)
}

async fn open(inside: &Mutex<Inside>, hello: &str) -> (u16, Value) {
    let unavailable = || (503, json!({"type": "error", "code": "unavailable", "message": "", "retry_after_ms": 50}));
    let Some(to) = inside.lock().expect("not poisoned").to else { return unavailable() };
    let Ok((mut socket, _)) = connect_async(format!("ws://{to}/v1/ws")).await else { return unavailable() };
    if socket.send(Message::text(hello)).await.is_err() {
        return unavailable();
    }
    let Some(Ok(Message::Text(text))) = socket.next().await else { return unavailable() };
    let frame: Value = serde_json::from_str(&text).expect("a frame");
    let Some(secret) = frame["session"].as_str() else { return (401, frame) };
    let (up, mut orders) = mpsc::unbounded_channel::<String>();
    let session = Arc::new(Session { up, stream: Mutex::default(), news: Notify::new() });
    inside.lock().expect("not poisoned").sessions.insert(secret.to_owned(), Arc::clone(&session));
    let (mut sink, mut stream) = socket.split();
    tokio::spawn(async move {
        while let Some(frame) = orders.recv().await {
            if sink.send(Message::text(frame)).await.is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) => session.hear(serde_json::from_str(&text).expect("a frame")),
                Some(Ok(Message::Close(frame))) => break session.end(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break session.end(None),
            }
        }
    });
    (201, frame)
}

impl Session {
    fn stream(&self) -> std::sync::MutexGuard<'_, Stream> {
        self.stream.lock().expect("not poisoned")
    }

    fn hear(&self, mut frame: Value) {
        let mut stream = self.stream();
        if let Some(id) = frame["id"].as_str() {
            if let Some(reply) = stream.replies.remove(id) {
                let _ = reply.send(frame.clone());
            }
            if frame["type"] != "joined" {
                return;
            }
            frame.as_object_mut().expect("an object").remove("id");
        }
        stream.events.push_back(frame);
        drop(stream);
        self.news.notify_waiters();
    }

    fn end(&self, code: Option<u16>) {
        let mut stream = self.stream();
        (stream.ended, stream.close) = (true, code);
        stream.replies.clear();
        drop(stream);
        self.news.notify_waiters();
    }

    async fn command(&self, inside: &Mutex<Inside>, body: &str) -> (u16, Value) {
        let commands: Vec<Value> = serde_json::from_str(body).expect("an array");
        inside.lock().expect("not poisoned").batches.push(commands.len());
        let mut waits = vec![];
        for command in &commands {
            let (reply, wait) = oneshot::channel();
            let mut stream = self.stream();
            if stream.ended {
                return gone(stream.close);
            }
            stream.replies.insert(command["id"].as_str().expect("an id").to_owned(), reply);
            drop(stream);
            let _ = self.up.send(command.to_string());
            waits.push(wait);
        }
        let mut replies = vec![];
        for wait in waits {
            match wait.await {
                Ok(reply) => replies.push(reply),
                Err(_) => return gone(self.stream().close),
            }
        }
        (200, replies.into())
    }

    async fn poll(&self, after: u64, wait: u64, acknowledge: bool) -> (u16, Value) {
        let until = tokio::time::Instant::now() + Duration::from_secs(wait);
        loop {
            let news = self.news.notified();
            {
                let mut stream = self.stream();
                let newest = stream.acknowledged + stream.events.len() as u64;
                if acknowledge {
                    (stream.acknowledged, stream.events) = (newest, VecDeque::new());
                }
                if after < stream.acknowledged || after > newest {
                    let error =
                        json!({"type": "error", "code": "conflict", "message": "", "next": stream.acknowledged});
                    return (409, error);
                }
                while stream.acknowledged < after {
                    stream.events.pop_front();
                    stream.acknowledged += 1;
                }
                if !stream.events.is_empty() {
                    let events: Vec<Value> = stream.events.iter().take(100).cloned().collect();
                    return (200, json!({"next": after + events.len() as u64, "events": events}));
                }
                if stream.ended {
                    return gone(stream.close);
                }
            }
            if tokio::time::timeout_at(until, news).await.is_err() {
                return (200, json!({"events": [], "next": after}));
            }
        }
    }
}
