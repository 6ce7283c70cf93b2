//! An HTTP proxy before the server that hands requests and answers on whole, counts what matters of long-poll, and breaks
//! what it is told to break: requests and answers are lost, or others take their place. It knows bodies by their
//! `Content-Length` alone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Which requests a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Poll,
    Commands,
}

/// What to do to the next such request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The server deals with it, and the connection is cut before the answer.
    LoseAnswer,
    /// It is read, and the connection is cut at once.
    LoseRequest,
    /// It gets this instead, and the server never sees it.
    Answer(u16, Value),
    /// It gets 413, if it has more than one command; else the fault waits for such a one.
    TooMuch,
    /// The events that it would have brought are lost and acknowledged, if there are any; else the fault waits for some.
    Acknowledge,
}

#[derive(Default)]
struct Inside {
    to: Option<SocketAddr>,
    faults: Vec<(On, Fault)>,
    batches: Vec<usize>,
    polls: Vec<u64>,
    deleted: usize,
}

/// The front. It ends when it is dropped.
pub struct Front {
    pub address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    task: JoinHandle<()>,
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

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("not poisoned")
    }

    /// Requests go to the server there.
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
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inside {
    /// Counts a request, and takes out the fault that is meant for it.
    fn count(&mut self, request: &Whole) -> Option<Fault> {
        let on = request.on()?;
        let path = request.word(1);
        assert!(path.starts_with("/v1/sessions/self/"), "the secret belongs in the header: {path}");
        let commands = request.json().as_array().map_or(0, Vec::len);
        match on {
            On::Poll => self.polls.push(request.after()),
            On::Commands => self.batches.push(commands),
        }
        let fits = |(when, fault): &(On, Fault)| *when == on && (*fault != Fault::TooMuch || commands > 1);
        let at = self.faults.iter().position(fits)?;
        Some(self.faults.remove(at).1)
    }
}

/// Serves one connection of a client until it ends, or has to be cut.
async fn serve(mut stream: TcpStream, inside: Arc<Mutex<Inside>>) -> Option<()> {
    let _ = stream.set_nodelay(true);
    loop {
        let request = Whole::read(&mut stream).await?;
        let (to, fault) = {
            let mut inside = inside.lock().expect("not poisoned");
            (inside.to?, inside.count(&request))
        };
        let answer = match &fault {
            Some(Fault::LoseRequest) => return None,
            Some(Fault::Answer(status, answer)) => Whole::answer(*status, answer),
            Some(Fault::TooMuch) => Whole::answer(413, &json!({"type": "error", "code": "too_large", "message": ""})),
            Some(Fault::Acknowledge) => acknowledge(to, &request).await?,
            Some(Fault::LoseAnswer) | None => ask(to, &request).await?,
        };
        {
            let mut inside = inside.lock().expect("not poisoned");
            if request.word(0) == "DELETE" && answer.word(1) == "204" {
                inside.deleted += 1;
            }
            if fault == Some(Fault::Acknowledge) && answer.word(1) == "200" {
                inside.faults.push((On::Poll, Fault::Acknowledge));
            }
        }
        if fault == Some(Fault::LoseAnswer) {
            return None;
        }
        stream.write_all(&answer.bytes).await.ok()?;
    }
}

/// Asks the server, over a connection for this request alone.
async fn ask(to: SocketAddr, request: &Whole) -> Option<Whole> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    stream.write_all(&request.bytes).await.ok()?;
    Whole::read(&mut stream).await
}

/// Acknowledges the events that a poll brings by the poll that would have come next, and only then has the poll answered.
/// What brings none is handed on.
async fn acknowledge(to: SocketAddr, poll: &Whole) -> Option<Whole> {
    let brought = ask(to, poll).await?;
    let next = brought.json()["next"].as_u64().filter(|next| *next > poll.after());
    let Some(next) = next else { return Some(brought) };
    let path = format!("/v1/sessions/self/events?after={next}&wait=0");
    let text = String::from_utf8_lossy(&poll.bytes).replacen(poll.word(1), &path, 1);
    ask(to, &Whole { bytes: text.into(), body: 0 }).await?;
    ask(to, poll).await
}

/// A request or an answer.
struct Whole {
    bytes: Vec<u8>,
    /// Where its body begins.
    body: usize,
}

impl Whole {
    /// Reads one to its end. Nothing follows it: a client waits for the answer before it asks again.
    async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        loop {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
            let Some(line) = bytes.windows(2).position(|end| end == b"\r\n") else { continue };
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let parsed = httparse::parse_headers(&bytes[line + 2..], &mut headers).ok()?;
            let httparse::Status::Complete((head, headers)) = parsed else { continue };
            let length = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length = length.map_or("0", |header| str::from_utf8(header.value).expect("a number"));
            let body = line + 2 + head;
            if bytes.len() >= body + length.parse::<usize>().expect("a number") {
                return Some(Self { bytes, body });
            }
        }
    }

    /// An answer with this in it. Who is put off may come again at once.
    fn answer(status: u16, body: &Value) -> Self {
        let body = body.to_string();
        let more = if status == 503 { "Retry-After: 0\r\n" } else { "" };
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{more}\r\n", body.len());
        Self { body: head.len(), bytes: (head + &body).into() }
    }

    /// A word of the first line: a request's are method, path and version, an answer's are version, status and reason.
    fn word(&self, n: usize) -> &str {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(n)).unwrap_or_default()
    }

    /// What it carries; null if that is no JSON.
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes[self.body..]).unwrap_or_default()
    }

    /// What sort of request it is.
    fn on(&self) -> Option<On> {
        match (self.word(0), self.word(1)) {
            ("GET", path) if path.contains("/events?") => Some(On::Poll),
            ("POST", path) if path.ends_with("/commands") => Some(On::Commands),
            _ => None,
        }
    }

    /// The number that a poll says it has.
    fn after(&self) -> u64 {
        let (_, rest) = self.word(1).split_once("after=").expect("a poll");
        rest.split('&').next().and_then(|number| number.parse().ok()).expect("a number")
    }
}
