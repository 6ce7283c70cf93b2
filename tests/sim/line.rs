//! A client's connection to the server: a WebSocket, or long-poll requests, over a network that delays, swallows,
//! holds and cuts.

use std::collections::VecDeque;

use parlor::checker::SessionNo;

use crate::dice::Dice;
use crate::life::{Life, Socket};
use crate::polls::Polls;

/// What a client hears.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is open.
    Opened,
    /// The server gave a sign of life that is no frame.
    Alive,
    /// A frame.
    Frame(String),
    /// It has ended, with this code if there was one.
    Down(Option<u16>),
}

/// How a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// As it should.
    Flows,
    /// Nothing moves, and nobody is told.
    Held,
    /// The client is gone: what comes is thrown away, nothing is said, and the server is not told.
    Deserted,
}

/// So many bytes are under way to a client before the server has to wait.
const BUFFER: usize = 16 * 1024;

pub(crate) enum Up {
    Text(String),
    Pong,
    /// The client's end of it.
    Fin,
}

enum DownWay {
    Text(String),
    Ping,
    Close(Option<u16>),
}

/// A WebSocket with everything that is under way.
pub struct WebSocket {
    up: VecDeque<(u64, Up)>,
    down: VecDeque<(u64, DownWay)>,
    down_bytes: usize,
    socket: Option<Socket>,
    opened: bool,
    over: bool,
}

/// Either of them.
pub enum Kind {
    WebSocket(WebSocket),
    LongPoll(Polls),
}

/// A connection.
pub struct Line {
    pub no: SessionNo,
    pub kind: Kind,
    pub flow: Flow,
    /// How long a thing is under way, at most, in milliseconds.
    pub delay: u64,
}

/// When something arrives that leaves now, behind what left before.
pub fn arrival(now: u64, before: Option<u64>, delay: u64, dice: &mut Dice) -> u64 {
    (now + dice.below(delay + 1)).max(before.unwrap_or(0))
}

impl Line {
    pub fn websocket(no: SessionNo, delay: u64) -> Self {
        let wire = WebSocket {
            up: VecDeque::new(),
            down: VecDeque::new(),
            down_bytes: 0,
            socket: None,
            opened: false,
            over: false,
        };
        Self { no, kind: Kind::WebSocket(wire), flow: Flow::Flows, delay }
    }

    pub fn longpoll(no: SessionNo, delay: u64) -> Self {
        Self { no, kind: Kind::LongPoll(Polls::default()), flow: Flow::Flows, delay }
    }

    pub fn transport(&self) -> &'static str {
        match self.kind {
            Kind::WebSocket(_) => "websocket",
            Kind::LongPoll(_) => "longpoll",
        }
    }

    /// The client says something.
    pub fn say(&mut self, now: u64, dice: &mut Dice, frame: String) {
        match &mut self.kind {
            Kind::WebSocket(wire) => wire.send(now, self.delay, dice, Up::Text(frame)),
            Kind::LongPoll(polls) => polls.say(frame),
        }
    }

    /// The client leaves: the server is told, if `told`, by the end of the connection.
    pub fn leave(&mut self, now: u64, dice: &mut Dice, told: bool) {
        match &mut self.kind {
            Kind::WebSocket(wire) if told => wire.send(now, self.delay, dice, Up::Fin),
            Kind::LongPoll(polls) if told => polls.goodbye(),
            _ => {}
        }
        if !told {
            self.flow = Flow::Deserted;
        }
    }

    /// The connection breaks in the middle: of what is under way some still arrives, and both ends learn of it.
    pub fn break_off(&mut self, now: u64, dice: &mut Dice) {
        match &mut self.kind {
            Kind::WebSocket(wire) => wire.break_off(now, dice),
            Kind::LongPoll(polls) => polls.lose(now, dice),
        }
    }

    /// The server died: nothing of it is left.
    pub fn orphan(&mut self, now: u64, life: Option<&Life>, dice: &mut Dice) {
        match &mut self.kind {
            Kind::WebSocket(wire) => {
                if let (Some(life), Some(socket)) = (life, wire.socket.take()) {
                    life.gone(socket);
                }
                wire.up.clear();
                wire.break_off(now, dice);
            }
            Kind::LongPoll(polls) => polls.orphan(life),
        }
    }

    /// When something is due.
    pub fn due(&self) -> Option<u64> {
        match &self.kind {
            _ if self.flow == Flow::Held => None,
            Kind::WebSocket(wire) => {
                let up = wire.up.front().map(|(due, _)| *due);
                let down = wire.down.front().map(|(due, _)| *due);
                up.into_iter().chain(down).min()
            }
            Kind::LongPoll(polls) => polls.due(),
        }
    }

    /// Whether there is anything to do now.
    pub fn is_ready(&self, now: u64) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        match &self.kind {
            Kind::WebSocket(wire) => {
                let written = wire.socket.as_ref().is_some_and(|socket| {
                    (socket.wire.woken.get() && wire.down_bytes < BUFFER) || socket.wire.cut.get()
                });
                let held_up = wire.socket.as_ref().is_some_and(|socket| socket.door.cell().borrow().is_busy(MOST));
                (due && !(held_up && wire.down.front().is_none_or(|(due, _)| *due > now)))
                    || written
                    || (wire.socket.is_none() && !wire.opened && self.flow == Flow::Flows)
            }
            Kind::LongPoll(polls) => due || (self.flow != Flow::Held && polls.is_woken()),
        }
    }

    /// Whether nothing will ever happen on it any more.
    pub fn is_done(&self) -> bool {
        match &self.kind {
            Kind::WebSocket(wire) => wire.over && wire.socket.is_none() && wire.up.is_empty() && wire.down.is_empty(),
            Kind::LongPoll(polls) => polls.is_done(),
        }
    }

    /// Whether the server has a session for it, as far as the server knows.
    pub fn is_served(&self) -> bool {
        match &self.kind {
            Kind::WebSocket(wire) => wire.socket.is_some(),
            Kind::LongPoll(_) => true,
        }
    }

    /// Moves what is due, on both ends. Without a server nothing is accepted.
    pub fn work(&mut self, now: u64, life: Option<&Life>, dice: &mut Dice) -> Vec<Heard> {
        let (flow, delay) = (self.flow, self.delay);
        let heard = match &mut self.kind {
            Kind::WebSocket(wire) => wire.work(now, flow, delay, life, dice),
            Kind::LongPoll(polls) => polls.work(now, flow, delay, life, dice),
        };
        if flow == Flow::Deserted { Vec::new() } else { heard }
    }
}

/// Commands that the server lets wait before it does not read on: `limits.outstanding`.
const MOST: usize = 16;

impl WebSocket {
    fn send(&mut self, now: u64, delay: u64, dice: &mut Dice, what: Up) {
        let due = arrival(now, self.up.back().map(|(due, _)| *due), delay, dice);
        self.up.push_back((due, what));
    }

    fn break_off(&mut self, now: u64, dice: &mut Dice) {
        let arrives = dice.below(self.up.len() as u64 + 1) as usize;
        self.up.truncate(arrives);
        let arrives = dice.below(self.down.len() as u64 + 1) as usize;
        self.down.truncate(arrives);
        self.send(now, 50, dice, Up::Fin);
        let due = arrival(now, self.down.back().map(|(due, _)| *due), 50, dice);
        self.down.push_back((due, DownWay::Close(None)));
    }

    fn work(&mut self, now: u64, flow: Flow, delay: u64, life: Option<&Life>, dice: &mut Dice) -> Vec<Heard> {
        let mut heard = Vec::new();
        let Some(life) = life else {
            self.socket = None;
            self.up.clear();
            if !self.opened {
                self.opened = true;
                self.down.push_back((now + dice.below(30), DownWay::Close(None)));
            }
            self.arrive(now, flow, delay, dice, &mut heard);
            return heard;
        };
        if self.socket.is_none() && !self.opened && flow == Flow::Flows {
            self.opened = true;
            self.socket = Some(life.connect(dice.below(life.seats() as u64) as usize));
            heard.push(Heard::Opened);
        }
        if flow == Flow::Flows || flow == Flow::Deserted {
            self.read(now, flow, life);
        }
        self.write(now, delay, life, dice);
        if flow != Flow::Held {
            self.arrive(now, flow, delay, dice, &mut heard);
        }
        heard
    }

    /// The server reads what has come.
    fn read(&mut self, now: u64, flow: Flow, life: &Life) {
        while let Some((due, _)) = self.up.front() {
            let Some(socket) = &self.socket else {
                self.up.clear();
                return;
            };
            if *due > now || socket.door.cell().borrow().is_busy(MOST) {
                return;
            }
            let Some((_, what)) = self.up.pop_front() else { return };
            match what {
                // Who has deserted says nothing more, but what was sent before comes.
                Up::Text(text) => life.with(socket, |door| door.frame(text.into(), None)),
                Up::Pong if flow == Flow::Flows => life.with(socket, parlor::session::Door::heard),
                Up::Pong => {}
                Up::Fin => {
                    if let Some(socket) = self.socket.take() {
                        life.gone(socket);
                    }
                }
            }
        }
    }

    /// The server writes what its session wants written.
    fn write(&mut self, now: u64, delay: u64, life: &Life, dice: &mut Dice) {
        let Some(socket) = &self.socket else { return };
        let mut ended = socket.wire.cut.get();
        if ended {
            self.put(now, delay, dice, DownWay::Close(None));
        }
        while !ended && socket_wants(self.socket.as_ref()) && self.down_bytes < BUFFER {
            let Some(socket) = &self.socket else { return };
            let moment = parlor::clock::moment();
            let (frames, ping, close, more) = life.with(socket, |door| {
                let mut cell = door.cell().borrow_mut();
                cell.check_pace(moment);
                let mut frames = Vec::new();
                cell.outbox.take(4096, moment, |frame| frames.push(frame));
                (frames, cell.outbox.take_ping(), cell.outbox.take_close(), !cell.outbox.is_empty())
            });
            if !more || close.is_some() {
                socket.wire.woken.set(false);
                life.with(socket, parlor::session::Door::looked);
            }
            for frame in frames {
                self.down_bytes += frame.len();
                self.put(now, delay, dice, DownWay::Text(frame.to_string()));
            }
            if ping {
                self.put(now, delay, dice, DownWay::Ping);
            }
            if let Some(code) = close {
                self.put(now, delay, dice, DownWay::Close(Some(code.number())));
                ended = true;
            }
        }
        if ended && let Some(socket) = self.socket.take() {
            life.gone(socket);
        }
    }

    fn put(&mut self, now: u64, delay: u64, dice: &mut Dice, what: DownWay) {
        let due = arrival(now, self.down.back().map(|(due, _)| *due), delay, dice);
        self.down.push_back((due, what));
    }

    /// The client takes what has come.
    fn arrive(&mut self, now: u64, flow: Flow, delay: u64, dice: &mut Dice, heard: &mut Vec<Heard>) {
        if flow == Flow::Held {
            return;
        }
        while self.down.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, what)) = self.down.pop_front() else { return };
            match what {
                _ if self.over => {}
                DownWay::Text(text) => {
                    self.down_bytes -= text.len();
                    heard.push(Heard::Frame(text));
                }
                // A client library answers by itself, if there is a client.
                DownWay::Ping => {
                    if flow == Flow::Flows {
                        self.send(now, delay, dice, Up::Pong);
                    }
                    heard.push(Heard::Alive);
                }
                DownWay::Close(code) => {
                    self.over = true;
                    heard.push(Heard::Down(code));
                }
            }
        }
    }
}

fn socket_wants(socket: Option<&Socket>) -> bool {
    socket.is_some_and(|socket| socket.wire.woken.get())
}
