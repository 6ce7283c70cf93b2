//! A WebSocket without an HTTP connection around it: one task that moves bytes between socket and session.
//!
//! It keeps no buffer while nothing is on its way: what comes in is read into one that all connections of a thread share,
//! and everything that waits goes out in one write from another. Only what is left over, half a frame or what the socket
//! did not take, is kept with the connection.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::super::socket::Descriptor;
use super::super::wire::Ending;
use super::head;
use super::reader::{Heard, Reader, opcode};
use super::tally::Tally;
use crate::clock;
use crate::presence::Reason;
use crate::protocol::CloseCode;
use crate::session::{Door, Seat, Turn, Wire};
use crate::supervise::{Panic, caught};

/// How much is read in one go, in bytes.
const READ: usize = 16 * 1024;
/// How much is written in one go, in bytes.
const CHUNK: usize = 64 * 1024;
/// How often a connection reads or writes before the others have their turn.
const TURNS: usize = 8;
/// How long a peer has to answer a close.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    static READING: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
    static WRITING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a connection does when it is its turn to write.
trait Writes {
    /// Writes what waits, as far as the socket takes it. Returns whether the task has to look at it.
    fn write_now(&mut self, ctx: &mut Context<'_>) -> bool;
}

/// A session's end of the connection.
pub(super) struct Line {
    waker: RefCell<Option<Waker>>,
    turn: RefCell<Turn>,
    connection: RefCell<Option<Weak<RefCell<dyn Writes>>>>,
    descriptor: Option<Descriptor>,
}

impl Line {
    pub fn new(turn: Turn, descriptor: Option<Descriptor>) -> Self {
        Self { waker: RefCell::default(), turn: RefCell::new(turn), connection: RefCell::default(), descriptor }
    }

    fn wake_by(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }
}

impl Wire for Line {
    fn wake(self: Rc<Self>) {
        let turn = Rc::clone(&self);
        turn.turn.borrow_mut().ask(clock::moment(), || self);
    }

    fn cut(&self) {
        if let Some(descriptor) = self.descriptor {
            descriptor.cut();
        }
    }
}

impl Seat for Line {
    fn called(&self) {
        let task = self.turn.borrow_mut().called();
        let waker = self.waker.borrow();
        // Without one the task has yet to begin.
        let Some(waker) = &*waker else { return };
        if task {
            return waker.wake_by_ref();
        }
        let connection = self.connection.borrow().as_ref().and_then(Weak::upgrade);
        if connection.is_some_and(|connection| connection.borrow_mut().write_now(&mut Context::from_waker(waker))) {
            waker.wake_by_ref();
        }
    }
}

/// How far the end has come.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The session goes on.
    No,
    /// A close was written. The peer has until the timer to answer it.
    Said,
    /// Both sides have said close, or nothing can be heard: what is written is the last.
    Both,
    /// Nothing more will be written; the peer has until the timer to see it.
    Finished,
}

/// The task.
pub(super) struct Task<T>(Rc<RefCell<Connection<T>>>);

/// What it moves bytes with.
struct Connection<T> {
    io: T,
    door: Door,
    line: Rc<Line>,
    tally: Tally,
    reader: Reader,
    /// Commands that may wait before no more is read.
    outstanding: usize,
    /// What was read and is not a whole frame, or has to wait.
    rest: Vec<u8>,
    /// What comes in is thrown away: it cannot be understood any more.
    deaf: bool,
    /// What the socket has not taken.
    unsent: Vec<u8>,
    sent: usize,
    /// To be answered; a peer that asks again before it was is answered once (RFC 6455, section 5.5.3).
    ping: Option<Box<[u8]>>,
    end: End,
    /// The socket did not take what was written.
    failed: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Task<T> {
    /// Goes on with a connection of which `rest` was read already, and that `first` is to be written to.
    pub fn new(io: T, door: Door, line: Rc<Line>, rest: Vec<u8>, first: Vec<u8>) -> Self {
        let limits = &door.app().context.config.limits;
        let (outstanding, frame_bytes) = (limits.outstanding, limits.frame_bytes);
        let tally = Tally::new(door.app());
        let connection = Rc::new(RefCell::new(Connection {
            io,
            door,
            line: Rc::clone(&line),
            tally,
            reader: Reader::new(frame_bytes),
            outstanding,
            rest,
            deaf: false,
            unsent: first,
            sent: 0,
            ping: None,
            end: End::No,
            failed: false,
            timer: None,
        }));
        let weak: Weak<RefCell<Connection<T>>> = Rc::downgrade(&connection);
        *line.connection.borrow_mut() = Some(weak);
        Self(connection)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Reads what is there, while the session keeps up with it. Ready when the connection is at its end.
    fn read(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS {
            if !self.rest.is_empty() {
                let mut rest = std::mem::take(&mut self.rest);
                let used = self.hear(&mut rest);
                rest.drain(..used);
                if rest.is_empty() {
                    rest = Vec::new();
                }
                self.rest = rest;
            }
            if self.is_gated() {
                self.door.cell().borrow_mut().gate = Some(ctx.waker().clone());
                return Poll::Pending;
            }
            let read = READING.with_borrow_mut(|buffer| {
                let mut into = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.io).poll_read(ctx, &mut into))?;
                let bytes = into.filled_mut();
                if self.rest.is_empty() {
                    let used = self.hear(bytes);
                    self.rest.extend_from_slice(&bytes[used..]);
                } else {
                    self.rest.extend_from_slice(bytes);
                }
                Poll::Ready(io::Result::Ok(bytes.len()))
            });
            if matches!(ready!(read), Ok(0) | Err(_)) {
                return Poll::Ready(());
            }
        }
        ctx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the session has to catch up before more is looked at.
    fn is_gated(&self) -> bool {
        !self.deaf && self.end == End::No && self.door.cell().borrow().is_busy(self.outstanding)
    }

    /// Takes frames from `bytes`, while the session keeps up with them. Returns how many bytes are done with.
    fn hear(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while !self.deaf && !self.is_gated() {
            match self.reader.take(&mut bytes[at..]) {
                Ok(Some((heard, size))) => {
                    at += size;
                    self.heard(heard);
                }
                Ok(None) => return at,
                Err(code) => {
                    self.deaf = true;
                    self.door.end(code, Reason::Disconnected);
                }
            }
        }
        if self.deaf { bytes.len() } else { at }
    }

    fn heard(&mut self, heard: Heard) {
        self.door.app().context.faults.pass("wire.read");
        match heard {
            Heard::Close => {
                self.deaf = true;
                self.door.end(CloseCode::Normal, Reason::Disconnected);
                if self.end == End::Said {
                    self.end = End::Both;
                }
            }
            _ if self.end != End::No => {}
            Heard::Text(text) => {
                self.tally.heard(text.len());
                self.door.frame(text, None);
            }
            Heard::Sign => self.door.heard(),
            Heard::Ping(payload) => {
                self.door.heard();
                self.ping = Some(payload);
            }
        }
    }

    /// Writes what waits. Ready when the socket has taken all of it.
    fn write(&mut self, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..TURNS {
            while self.sent < self.unsent.len() {
                let sent = ready!(Pin::new(&mut self.io).poll_write(ctx, &self.unsent[self.sent..]))?;
                if sent == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.sent += sent;
            }
            (self.unsent, self.sent) = (Vec::new(), 0);
            // With TLS, what was taken may wait below. Nothing more is taken from the outbox before the socket has it.
            ready!(Pin::new(&mut self.io).poll_flush(ctx))?;
            let wrote = WRITING.with_borrow_mut(|buffer| {
                buffer.clear();
                self.gather(buffer);
                if buffer.is_empty() {
                    return Ok(false);
                }
                let sent = match Pin::new(&mut self.io).poll_write(ctx, buffer) {
                    Poll::Ready(sent) => sent?,
                    Poll::Pending => 0,
                };
                self.unsent.extend_from_slice(&buffer[sent..]);
                io::Result::Ok(true)
            });
            if !wrote? {
                return Poll::Ready(Ok(()));
            }
        }
        ctx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes the next chunk of what waits.
    fn gather(&mut self, buffer: &mut Vec<u8>) {
        self.door.app().context.faults.pass("wire.write");
        if self.end != End::No {
            return;
        }
        if let Some(payload) = self.ping.take() {
            head::write(buffer, opcode::PONG, payload.len());
            buffer.extend_from_slice(&payload);
        }
        let now = clock::moment();
        let close = {
            let mut cell = self.door.cell().borrow_mut();
            cell.check_pace(now);
            let outbox = &mut cell.outbox;
            let (count, bytes) = outbox.take(CHUNK, now, |frame| {
                head::write(buffer, opcode::TEXT, frame.len());
                buffer.extend_from_slice(frame.as_bytes());
            });
            self.tally.said(count, bytes);
            if outbox.take_ping() {
                head::write(buffer, opcode::PING, 0);
            }
            outbox.take_close()
        };
        if let Some(code) = close {
            self.tally.ends(Ending::Closed);
            head::write(buffer, opcode::CLOSE, 2);
            buffer.extend_from_slice(&code.number().to_be_bytes());
            self.end = if self.deaf { End::Both } else { End::Said };
            // What a peer still sends that cannot be understood is taken for a while, or its end would cost it the close.
            self.timer = Some(Box::pin(sleep(LINGER)));
        }
        self.door.looked();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Does what is to be done when it is the task's turn. Ready when the connection is at its end.
    fn go_on(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let gone = self.read(ctx).is_ready();
        let written = self.write(ctx);
        if gone || self.failed || matches!(written, Poll::Ready(Err(_))) {
            return Poll::Ready(());
        }
        if self.end == End::Both && written.is_ready() {
            // The server is the one that ends the connection (RFC 6455, section 7.1.1).
            match Pin::new(&mut self.io).poll_shutdown(ctx) {
                Poll::Ready(Ok(())) => self.end = End::Finished,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(ctx),
            None => Poll::Pending,
        }
    }

    /// What it does panicked: the connection ends, and with it the session, whose client comes back.
    fn broke(&mut self, what: &str, panic: &Panic) -> Poll<io::Result<()>> {
        self.tally.broke(what, &self.door.cell().borrow().sid, panic);
        Poll::Ready(Err(io::ErrorKind::Other.into()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Writes for Connection<T> {
    fn write_now(&mut self, ctx: &mut Context<'_>) -> bool {
        let written = caught(|| self.write(ctx)).unwrap_or_else(|panic| self.broke("writing", &panic));
        self.failed |= matches!(written, Poll::Ready(Err(_)));
        self.failed || self.end != End::No
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Task<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.0.borrow_mut();
        let this = &mut *this;
        this.line.wake_by(ctx.waker());
        ready!(this.line.turn.borrow_mut().poll(clock::moment(), || Rc::clone(&this.line) as _));
        caught(|| this.go_on(ctx)).unwrap_or_else(|panic| this.broke("its turn", &panic).map(drop))
    }
}
