//! Playing a page's blocks against a server, in the order in which they stand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use parlor::config::Config;
use parlor::server::{Parts, Running};
use serde_json::{Value, json};

use crate::page::Block;
use crate::pattern::{Bindings, Class};
use crate::shell::{self, Curl, Piece, Pipeline, Statement, Word};
use crate::wire::{self, Heard, Socket};

/// Where the server of the pages listens.
const ADDRESS: &str = "http://127.0.0.1:8080";
/// What a server is told besides: it forgets, and it is so patient that no pulse comes unless it is asked for.
const SETTINGS: [(&str, &str); 6] = [
    ("server.bind", "127.0.0.1:0"),
    ("server.workers", "2"),
    ("store.engine", "memory"),
    ("presence.heartbeat_ms", "600000"),
    ("presence.timeout_ms", "3600000"),
    ("rates.enabled", "false"),
];
/// What a `welcome` says of such patience, and what it says by default.
const PATIENCE: [(&str, u64, u64); 2] = [("heartbeat_ms", 600_000, 25_000), ("timeout_ms", 3_600_000, 60_000)];
/// Stands on a page for saying hello: as a new guest, or as one that the page has welcomed before.
const WELCOMED: &str = "welcomed as ";
/// The one thing that may happen on a page besides what clients say.
const STOP: &str = "the server is told to stop";
/// The id of a command that no page shows.
const MARK: &str = "(mark)";

/// A server, and everything that a page has said to it.
pub struct Play {
    running: Option<Running>,
    stopping: Option<JoinHandle<()>>,
    address: SocketAddr,
    sockets: HashMap<String, Socket>,
    bindings: Bindings,
    variables: HashMap<String, String>,
    /// The tokens of those who were welcomed, by their names on the page.
    tokens: HashMap<String, String>,
    patience: Duration,
    /// All frames that went over the wire, in either direction.
    pub frames: Vec<Value>,
}

impl Play {
    /// Starts a server with these settings. What a page shows has to come within `patience`.
    pub fn new(settings: &[(&str, &str)], patience: Duration) -> Result<Self, String> {
        let mut all: HashMap<&str, &str> = SETTINGS.into();
        all.extend(settings.iter().copied());
        let variable = |(key, value): (&str, &str)| (format!("PARLOR__{}", key.replace('.', "__")), value.to_owned());
        let config = Config::load(None, all.into_iter().map(variable)).map_err(|why| why.to_string())?;
        let running = Running::start(config, Parts::default()).map_err(|why| why.to_string())?;
        let address = running.address().ok_or("no TCP address")?;
        let mut bindings = Bindings::default();
        bindings.bind(Class::Address, ADDRESS, &format!("http://{address}"))?;
        Ok(Self {
            running: Some(running),
            stopping: None,
            address,
            sockets: HashMap::new(),
            bindings,
            variables: HashMap::new(),
            tokens: HashMap::new(),
            patience,
            frames: Vec::new(),
        })
    }

    /// Plays a block.
    pub fn block(&mut self, block: &Block) -> Result<(), String> {
        match block.kind() {
            "websocket" => self.conversation(block.speaker(), &block.lines),
            _ => shell::read(&block.lines)?.iter().try_for_each(|statement| self.statement(statement)),
        }
    }

    fn conversation(&mut self, speaker: &str, lines: &[String]) -> Result<(), String> {
        let mut whole: Vec<String> = Vec::new();
        for line in lines {
            match whole.last_mut() {
                Some(before) if line.starts_with(' ') => before.push_str(line.trim_start()),
                _ => whole.push(line.clone()),
            }
        }
        let mut socket = match self.sockets.remove(speaker) {
            Some(socket) => socket,
            None => Socket::open(self.address)?,
        };
        let mut rest = whole.iter().peekable();
        let mut closed = false;
        while let Some(line) = rest.next() {
            match line.split_once(' ') {
                Some((">", said)) => {
                    let said = self.bindings.fill_in(said);
                    self.keep(&read(&said)?);
                    socket.send(said)?;
                }
                Some(("<", first)) => {
                    let mut awaited = vec![Awaited::read(first)?];
                    while let Some(more) = rest.next_if(|line| line.starts_with("< ")) {
                        awaited.push(Awaited::read(&more[2..])?);
                    }
                    closed = self.hear(&mut socket, awaited)?;
                }
                Some(("*", what)) if what == STOP => {
                    let running = self.running.take().ok_or("the server was stopped before")?;
                    self.stopping = Some(std::thread::spawn(move || drop(running.stop())));
                }
                Some(("*", what)) if what.starts_with(WELCOMED) => {
                    self.welcomed(&mut socket, &what[WELCOMED.len()..])?;
                }
                _ => {
                    return Err(format!("{line:?} is neither said (`> `) nor heard (`< `) nor known to happen (`* `)"));
                }
            }
        }
        if !closed {
            self.nothing_else(&mut socket)?;
            self.sockets.insert(speaker.to_owned(), socket);
        }
        Ok(())
    }

    /// Says hello as a guest of this name on the page.
    fn welcomed(&mut self, socket: &mut Socket, name: &str) -> Result<(), String> {
        let wish = name.strip_prefix('~').and_then(|name| name.rsplit_once('-')).ok_or("expected a guest's name")?.0;
        let hello = match self.tokens.get(name) {
            Some(token) => json!({"type": "hello", "version": 1, "token": token}),
            None => json!({"type": "hello", "version": 1, "guest": wish}),
        };
        socket.send(hello.to_string())?;
        let Heard::Frame(welcome) = socket.hear(self.patience)? else { return Err("no welcome came".to_owned()) };
        let [Some(user), Some(token)] = ["user", "token"].map(|member| welcome[member].as_str()) else {
            return Err(format!("{welcome} is no welcome"));
        };
        self.bindings.bind(Class::Guest, name, user)?;
        self.tokens.insert(name.to_owned(), token.to_owned());
        Ok(())
    }

    /// Hears what the page shows, where order is promised in that order. Returns whether that was the end.
    fn hear(&mut self, socket: &mut Socket, mut awaited: Vec<Awaited>) -> Result<bool, String> {
        let mut closed = false;
        while !awaited.is_empty() {
            let next = match socket.hear(self.patience)? {
                Heard::Frame(frame) => frame,
                Heard::Closed(code) if awaited == [Awaited::Close(code)] => {
                    closed = true;
                    break;
                }
                Heard::Closed(code) => return Err(format!("the connection was closed with {code} before {awaited:?}")),
                Heard::Nothing => return Err(format!("within {:?} did not come: {awaited:?}", self.patience)),
            };
            if next["type"] == "pulse" && !awaited.iter().any(Awaited::is_pulse) {
                continue;
            }
            self.keep(&next);
            let next = by_default(next);
            let mut why = Vec::new();
            let fits = |at: &usize| {
                let Awaited::Frame(page) = &awaited[*at] else { return false };
                if awaited[..*at].iter().any(|before| before.goes_before(page)) {
                    return false;
                }
                let held = self.bindings.hold(page, &next);
                held.map_err(|wrong| {
                    if page["type"] == next["type"] {
                        why.push(wrong);
                    }
                })
                .is_ok()
            };
            match (0..awaited.len()).find(fits) {
                Some(at) => drop(awaited.remove(at)),
                None => return Err(format!("{next} came, where the page shows {awaited:?}: {}", why.join("; "))),
            }
        }
        Ok(closed)
    }

    /// Sees that the server says no more than the page shows.
    fn nothing_else(&mut self, socket: &mut Socket) -> Result<(), String> {
        socket.send(json!({"type": "ping", "id": MARK}).to_string())?;
        loop {
            match socket.hear(self.patience)? {
                Heard::Frame(frame) if frame["id"] == MARK => return Ok(()),
                Heard::Frame(frame) if frame["type"] == "pulse" => {}
                other => return Err(format!("the page shows no {other:?}")),
            }
        }
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), String> {
        if let [command] = &statement.pipeline[..]
            && let [word] = &command[..]
            && let Some(Piece::Text(text)) = word.first()
            && let Some((name, value)) = text.split_once('=')
        {
            let mut value = vec![Piece::Text(value.to_owned())];
            value.extend(word[1..].iter().cloned());
            let value = self.word(&value)?;
            self.variables.insert(name.to_owned(), value);
            return Ok(());
        }
        let printed = self.run(&statement.pipeline)?;
        self.prints(&printed, &statement.prints)
    }

    fn word(&mut self, word: &Word) -> Result<String, String> {
        let mut text = String::new();
        for piece in word {
            match piece {
                Piece::Text(more) => text.push_str(&self.bindings.fill_in(more)),
                Piece::Variable(name) => {
                    text.push_str(self.variables.get(name).ok_or(format!("${name} was not set"))?);
                }
                Piece::Output(pipeline) => text.push_str(self.run(pipeline)?.body.trim_end()),
            }
        }
        Ok(text)
    }

    fn run(&mut self, pipeline: &Pipeline) -> Result<Printed, String> {
        let mut printed = Printed::default();
        for command in pipeline {
            let words = command.iter().map(|word| self.word(word)).collect::<Result<Vec<_>, _>>()?;
            printed = match words.split_first() {
                Some((name, arguments)) if name == "curl" => self.curl(&shell::curl(arguments)?)?,
                Some((name, arguments)) if name == "echo" => Printed::text(arguments.join(" ")),
                Some((name, [member])) if name == "member" => {
                    let found = read(&printed.body)?[member].as_str().map(str::to_owned);
                    Printed::text(found.ok_or(format!("{} has no {member:?}", printed.body))?)
                }
                _ => return Err(format!("{words:?} is not understood here")),
            };
        }
        Ok(printed)
    }

    fn curl(&mut self, asked: &Curl) -> Result<Printed, String> {
        if let Ok(sent) = read(&asked.body) {
            self.keep(&sent);
        }
        let answer = wire::request(self.address, asked)?;
        if let Ok(came) = read(&answer.body) {
            self.keep(&came);
        }
        let head = asked.head.then_some((answer.status, answer.headers));
        Ok(Printed { head, body: answer.body })
    }

    /// Holds what a command printed against what the page shows below it. Of the headers it need not show all.
    fn prints(&mut self, printed: &Printed, page: &[String]) -> Result<(), String> {
        let mut page = page.iter();
        if let Some((status, headers)) = &printed.head {
            let first = page.next().map_or("", String::as_str);
            if first != status {
                return Err(format!("the page shows {first:?}, and {status:?} came: {}", printed.body));
            }
            for line in page.by_ref().take_while(|line| !line.is_empty()) {
                let (name, value) = line.split_once(": ").ok_or(format!("{line:?} is no header"))?;
                let value = self.bindings.fill_in(value);
                if !headers.contains(&(name.to_owned(), value.clone())) {
                    return Err(format!("the page shows the header {name}: {value}, and these came: {headers:?}"));
                }
            }
        }
        let page: String = page.map(String::as_str).collect();
        match (read(&page), read(&printed.body)) {
            (Ok(page), Ok(came)) => {
                self.bindings.hold(&page, &by_default(came.clone())).map_err(|why| format!("{why}, in {came}"))
            }
            _ if page == printed.body => Ok(()),
            _ => Err(format!("the page shows {page:?}, and this was printed: {:?}", printed.body)),
        }
    }

    /// Remembers the frames in what went over the wire.
    fn keep(&mut self, value: &Value) {
        match value {
            Value::Array(all) => all.iter().for_each(|one| self.keep(one)),
            Value::Object(members) => {
                if members.contains_key("type") {
                    self.frames.push(value.clone());
                }
                members.values().for_each(|member| self.keep(member));
            }
            _ => {}
        }
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        self.sockets.clear();
        if let Some(stopping) = self.stopping.take() {
            drop(stopping.join());
        }
    }
}

/// What a command printed.
#[derive(Debug, Default)]
struct Printed {
    head: Option<(String, Vec<(String, String)>)>,
    body: String,
}

impl Printed {
    fn text(body: String) -> Self {
        Self { head: None, body }
    }
}

/// What a page shows to come over a WebSocket.
#[derive(Debug, PartialEq)]
enum Awaited {
    Frame(Value),
    Close(u16),
}

impl Awaited {
    fn read(text: &str) -> Result<Self, String> {
        match text.strip_prefix("close ") {
            Some(code) => code.parse().map(Self::Close).map_err(|_| format!("{code:?} is no close code")),
            None => read(text).map(Self::Frame),
        }
    }

    fn is_pulse(&self) -> bool {
        matches!(self, Self::Frame(frame) if frame["type"] == "pulse")
    }

    /// Whether the protocol promises that this comes before `later`, since it stands before it.
    fn goes_before(&self, later: &Value) -> bool {
        let Self::Frame(this) = self else { return true };
        let both = |kinds: &[&str]| {
            [this, later].iter().all(|frame| frame["type"].as_str().is_some_and(|kind| kinds.contains(&kind)))
        };
        let in_order = both(&["joined", "left", "published"]) || both(&["joined", "message", "closed"]);
        in_order && this["channel"] == later["channel"]
    }
}

/// A `welcome` as it would be if the server were not so patient.
fn by_default(mut frame: Value) -> Value {
    if frame["type"] == "welcome" {
        for (member, here, default) in PATIENCE {
            if frame[member] == here {
                frame[member] = default.into();
            }
        }
    }
    frame
}

fn read(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|why| format!("{text}: {why}"))
}
