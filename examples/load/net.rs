//! All connections, on one thread and one epoll. What a shape wants to say gathers during a turn and is written at its
//! end, so that frames for one connection travel together.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::clock::Clock;
use crate::floor::wire::{self, Head, Then};
use crate::http;
use crate::link::{Link, Stage};

const TIMER: Token = Token(usize::MAX);
/// So many connections come from one address; then the next one of the loopback is taken, before ports run short.
const PER_ADDRESS: u32 = 12_000;

/// The timer wakes the poll for times that are nearer than this, in microseconds.
const FINE: u64 = 1_000_000;

/// What a shape does with what comes.
pub trait Play {
    /// A connection is there, and its handshake is done.
    fn opened(&mut self, net: &mut Net, who: usize);
    /// A frame came.
    fn frame(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64);
    /// An answer came over plain HTTP.
    fn answer(&mut self, _net: &mut Net, _who: usize, _status: u16, _body: &[u8], _now: u64) {}
    /// A connection ended, and the shape did not end it.
    fn ended(&mut self, net: &mut Net, who: usize, why: &str);
}

/// The connections.
pub struct Net {
    poll: Poll,
    timer: OwnedFd,
    server: SocketAddr,
    links: Vec<Link>,
    waiting: Vec<usize>,
    buffer: Vec<u8>,
    opened: u32,
    /// The time.
    pub clock: Clock,
}

impl Net {
    /// No connections yet, to this server.
    pub fn new(server: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let (links, waiting, buffer) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { poll, timer, server, links, waiting, buffer, opened: 0, clock: Clock::start() })
    }

    /// How many connections there are or were.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Opens a WebSocket, as the next connection.
    pub fn open(&mut self) -> io::Result<usize> {
        self.begin(None, Stage::Shaking)
    }

    /// Opens a WebSocket in the place of one that is gone.
    pub fn reopen(&mut self, who: usize) -> io::Result<()> {
        self.begin(Some(who), Stage::Shaking).map(drop)
    }

    /// Opens a connection for plain HTTP, which is there at once.
    pub fn plain(&mut self) -> io::Result<usize> {
        self.begin(None, Stage::Plain)
    }

    fn begin(&mut self, place: Option<usize>, stage: Stage) -> io::Result<usize> {
        let who = place.unwrap_or(self.links.len());
        let mut stream = self.connect()?;
        self.poll.registry().register(&mut stream, Token(who), Interest::READABLE | Interest::WRITABLE)?;
        let life = self.links.get(who).map_or(0, |link| link.life + 1);
        let mut link = Link::new(stream, stage, life);
        if stage == Stage::Shaking {
            http::put_upgrade(&mut link.out, &self.server);
        }
        match self.links.get_mut(who) {
            Some(place) => *place = link,
            None => self.links.push(link),
        }
        Ok(who)
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        let kind = socket2::Type::STREAM.nonblocking();
        let socket = socket2::Socket::new(socket2::Domain::for_address(self.server), kind, None)?;
        socket.set_tcp_nodelay(true)?;
        let from = self.opened / PER_ADDRESS;
        if from > 0 && self.server.ip() == Ipv4Addr::LOCALHOST {
            let last = 2 + (from % 200) as u8;
            socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())?;
        }
        self.opened += 1;
        match socket.connect(&self.server.into()) {
            Err(why) if why.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(why),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }

    /// Where a shape writes what goes out over a connection at the end of this turn.
    pub fn out(&mut self, who: usize) -> &mut Vec<u8> {
        let link = &mut self.links[who];
        if !link.listed {
            link.listed = true;
            self.waiting.push(who);
        }
        &mut link.out
    }

    /// Cuts a connection without a word.
    pub fn cut(&mut self, who: usize) {
        self.links[who].cut();
    }

    /// Writes what waits, waits until something happens or the time has come, and has the shape deal with it.
    pub fn turn<P: Play>(&mut self, play: &mut P, events: &mut Events, until: u64) -> io::Result<()> {
        self.flush(play);
        let wait = until.saturating_sub(self.clock.now());
        let mut timeout = Duration::from_micros(wait);
        // The epoll's own clock ticks in milliseconds.
        if (1..FINE).contains(&wait) {
            self.arm(wait)?;
            timeout += Duration::from_millis(1);
        }
        match self.poll.poll(events, Some(timeout)) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter().filter(|event| event.token() != TIMER) {
            let who = event.token().0;
            if event.is_writable() {
                let link = &mut self.links[who];
                link.writable = true;
                if !link.out.is_empty() {
                    self.out(who);
                }
            }
            if event.is_readable() || event.is_error() {
                self.read(who, play);
            }
        }
        Ok(())
    }

    /// Has the timer wake the poll in so many microseconds.
    fn arm(&self, micros: u64) -> io::Result<()> {
        let value = Timespec { tv_sec: (micros / 1_000_000) as i64, tv_nsec: (micros % 1_000_000 * 1_000) as i64 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    fn flush<P: Play>(&mut self, play: &mut P) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for who in waiting.drain(..) {
            let link = &mut self.links[who];
            link.listed = false;
            if let Err(why) = link.flush() {
                self.end(who, &format!("cannot be written to: {why}"), play);
            }
        }
        // Whoever was cut off may have been told something new meanwhile.
        waiting.append(&mut self.waiting);
        self.waiting = waiting;
    }

    fn read<P: Play>(&mut self, who: usize, play: &mut P) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let link = &mut self.links[who];
            let life = link.life;
            let Some(stream) = &mut link.stream else { break };
            let (upto, then) = wire::read(stream, &mut link.left, &mut buffer);
            let used = self.take(who, life, &buffer[..upto], play);
            if self.links[who].life != life || self.links[who].stage == Stage::Gone {
                break;
            }
            self.links[who].left.extend_from_slice(&buffer[used..upto]);
            match then {
                Then::More => {}
                Then::Nothing => break,
                Then::End => {
                    self.end(who, "the connection broke", play);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// Deals with what came over a connection, and returns how much of it was used.
    fn take<P: Play>(&mut self, who: usize, life: u32, bytes: &[u8], play: &mut P) -> usize {
        let now = self.clock.now();
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let link = &mut self.links[who];
            if link.life != life {
                return bytes.len();
            }
            match link.stage {
                Stage::Gone => return bytes.len(),
                Stage::Shaking => match http::answer(rest) {
                    Some(answer) if answer.status == 101 => {
                        link.stage = Stage::Open;
                        at += answer.head;
                        play.opened(self, who);
                    }
                    Some(answer) => {
                        self.end(who, &format!("no upgrade, but {}", answer.status), play);
                    }
                    None => return at,
                },
                Stage::Plain => match http::answer(rest).filter(|answer| rest.len() >= answer.head + answer.body) {
                    Some(answer) => {
                        at += answer.head + answer.body;
                        play.answer(self, who, answer.status, &rest[answer.head..answer.head + answer.body], now);
                    }
                    None => return at,
                },
                Stage::Open => {
                    let Some(head) = Head::read(rest).filter(|head| rest.len() >= head.whole()) else { return at };
                    at += head.whole();
                    let payload = &rest[head.bytes..head.whole()];
                    match head.opcode {
                        wire::TEXT if head.last => play.frame(self, who, payload, now),
                        wire::PING => wire::put_masked(self.out(who), wire::PONG, payload),
                        wire::CLOSE => self.end(who, &closed(payload), play),
                        _ => {}
                    }
                }
            }
        }
    }

    fn end<P: Play>(&mut self, who: usize, why: &str, play: &mut P) {
        if self.links[who].stage != Stage::Gone {
            self.links[who].cut();
            play.ended(self, who, why);
        }
    }
}

/// A close, in words.
fn closed(payload: &[u8]) -> String {
    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
    format!("closed with {code} {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default()))
}
