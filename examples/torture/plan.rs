//! What is going to happen: who takes part, with what figures the server runs, which fault comes when. Pure, and the
//! same for the same seed.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::figures::Figures;

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Everything else is drawn from it.
    pub seed: u64,
    /// How many clients.
    pub clients: usize,
    /// How long faults are made, in milliseconds, in all rounds together.
    pub ms: u64,
    /// Whether the server obeys: panics and a failing disk are to be had.
    pub obeys: bool,
    /// Whether the store has a small file system of its own, which can be filled.
    pub small_disk: bool,
}

/// One client.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// Whose sessions it opens; some users have several clients.
    pub user: usize,
    /// What it draws its own doings from.
    pub seed: u64,
    /// Whether it watches everybody.
    pub watches: bool,
    /// Whether its receive buffers are as small as can be.
    pub narrow: bool,
    /// How long it pauses at most before it does something, in milliseconds.
    pub pause: u64,
    /// Out of a hundred of its sessions, how many go over long-poll.
    pub longpoll: u32,
    /// The channels that it is at home in, by number.
    pub home: Vec<usize>,
}

/// What is done to the server, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFault {
    /// kill -9, and a start on the same store.
    Kill,
    /// SIGTERM, and a start on the same store.
    Restart,
    /// SIGSTOP for so many milliseconds, then SIGCONT.
    Stop(u64),
    /// A panic at this place.
    Panic(&'static str),
    /// The next call of these sorts to the disk fails.
    Disk(&'static [&'static str]),
    /// Too little space seems free for so many milliseconds.
    Space(u64),
    /// Syncs wait for so many milliseconds.
    Hold(u64),
    /// Syncs wait for so many milliseconds, and then it is killed: what is not on disk by then is lost.
    HoldKill(u64),
    /// Syncs wait for so many milliseconds, and meanwhile there is a panic at this place.
    HoldPanic(&'static str, u64),
    /// The disk is really full for so many milliseconds.
    Full(u64),
}

/// What is done to one client, or beside the clients.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientFault {
    /// Its connections are cut.
    Cut(usize, Cut),
    /// Its connections swallow everything for so many milliseconds, and nobody is told.
    HalfOpen(usize, u64),
    /// Every piece comes so many milliseconds late, for so many.
    Delay(usize, u64, u64),
    /// So many bytes a second pass, for so many milliseconds.
    Throttle(usize, u64, u64),
    /// It reads nothing for so many milliseconds.
    Jam(usize, u64),
    /// It is gone without a word, and comes back.
    Vanish(usize),
    /// Somebody without manners comes.
    Hostile(Manner),
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// By RST.
    Reset,
    /// By FIN.
    Finish,
    /// After so many more bytes to the client.
    After(u64),
}

/// What somebody without manners does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Frames that are none, until the server has enough.
    BadFrames,
    /// A frame above every limit.
    HugeFrame,
    /// Commands as fast as the socket takes them.
    Flood,
    /// Joins of thousands of channels.
    Joins,
    /// A body that comes byte by byte.
    SlowBody,
    /// Bytes that are no HTTP.
    Garbage,
    /// A connection on which nothing is said.
    Silence,
    /// One that joins everything and reads nothing.
    Deaf,
    /// Long-poll sessions that are begun, and never polled.
    Forgotten,
}

/// Something, and when, in milliseconds from the begin of its round.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed<T> {
    /// When.
    pub at: u64,
    /// What.
    pub fault: T,
}

/// A batch of faults, after which everything has to come to rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// How long it lasts, in milliseconds.
    pub ms: u64,
    /// For the server.
    pub server: Vec<Timed<ServerFault>>,
    /// For the clients.
    pub clients: Vec<Timed<ClientFault>>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it was made from.
    pub seed: u64,
    /// The server's.
    pub figures: Figures,
    /// The clients.
    pub roles: Vec<Role>,
    /// How many users they are.
    pub users: usize,
    /// The channels.
    pub channels: Vec<String>,
    /// Channels that nobody hears, and in which something is said now and then: they go to sleep in between.
    pub corners: Vec<String>,
    /// The batches.
    pub rounds: Vec<Round>,
}

/// Where actors panic.
pub const PLACES: [&str; 6] =
    ["channel.step", "channel.committed", "hub.batch", "registry.beat", "registry.sweep", "longpoll.step"];
/// Where they panic while something is on its way to disk.
const WAITING: [&str; 4] = ["channel.step", "channel.step", "hub.batch", "registry.beat"];
/// How a disk fails.
const DISKS: [&[&str]; 6] =
    [&["sync"], &["apply"], &["apply-late"], &["read", "read", "read"], &["sync", "reopen"], &["panic"]];
/// About how long a round is, in milliseconds.
const ROUND: u64 = 9_000;

impl Plan {
    /// The plan of a seed.
    pub fn of(scope: Scope) -> Self {
        let mut dice = StdRng::seed_from_u64(scope.seed);
        let figures = Figures::draw(&mut dice);
        let clients = scope.clients.max(2);
        // In some runs nearly everybody is alone, in others most have company of themselves.
        let users = (clients * dice.random_range(1..=3)).div_ceil(4);
        let channels: Vec<_> = (0..dice.random_range(3..=6)).map(|n| format!("room-{n}")).collect();
        let roles = (0..clients).map(|n| role(&mut dice, n, users, channels.len())).collect();
        let count = (scope.ms / ROUND).max(1);
        let ms = scope.ms / count;
        let rounds = (0..count).map(|_| round(&mut dice, ms, clients, scope)).collect();
        let corners = (0..2).map(|n| format!("corner-{n}")).collect();
        Self { seed: scope.seed, figures, roles, users, channels, corners, rounds }
    }
}

fn role(dice: &mut StdRng, n: usize, users: usize, channels: usize) -> Role {
    let numbers: Vec<_> = (0..channels).collect();
    let homes = dice.random_range(2..=channels.min(4));
    Role {
        user: n % users,
        seed: dice.random(),
        watches: n < 2 || dice.random_ratio(1, 10),
        narrow: dice.random_ratio(1, 8),
        pause: *[60, 150, 300, 300, 600].choose(dice).unwrap_or(&300),
        longpoll: dice.random_range(10..=70),
        home: numbers.sample(dice, homes).copied().collect(),
    }
}

fn round(dice: &mut StdRng, ms: u64, clients: usize, scope: Scope) -> Round {
    let mut server = Vec::new();
    let mut at = dice.random_range(600..1_500);
    // Some things show only where faults are dense, others only where there is time between them.
    let slower = if dice.random_ratio(1, 2) { 2_500 } else { 0 };
    while at + 700 < ms {
        server.push(Timed { at, fault: server_fault(dice, scope) });
        at += slower + dice.random_range(1_000..3_000);
    }
    let mut faults = Vec::new();
    // The more clients there are, the more of them have bad luck.
    let pause = (12_000 / clients as u64).clamp(150, 1_500);
    at = dice.random_range(100..600);
    while at + 300 < ms {
        faults.push(Timed { at, fault: client_fault(dice, clients) });
        at += dice.random_range(pause / 2..pause * 3 / 2);
    }
    Round { ms, server, clients: faults }
}

fn server_fault(dice: &mut StdRng, scope: Scope) -> ServerFault {
    loop {
        let fault = match dice.random_range(0..100) {
            0..20 => ServerFault::Kill,
            20..30 => ServerFault::Restart,
            30..40 => ServerFault::Stop(*[150, 600, 1_000, 2_500].choose(dice).unwrap_or(&500)),
            40..72 => ServerFault::Panic(PLACES.choose(dice).unwrap_or(&PLACES[0])),
            72..84 => ServerFault::Disk(DISKS.choose(dice).unwrap_or(&DISKS[0])),
            84..88 => ServerFault::Space(dice.random_range(200..1_500)),
            88..91 => ServerFault::Hold(dice.random_range(100..1_800)),
            91..95 => ServerFault::HoldKill(dice.random_range(50..600)),
            95..97 => ServerFault::HoldPanic(WAITING.choose(dice).unwrap_or(&WAITING[0]), dice.random_range(100..800)),
            _ => ServerFault::Full(dice.random_range(300..1_500)),
        };
        let possible = match fault {
            ServerFault::Kill | ServerFault::Restart | ServerFault::Stop(_) => true,
            ServerFault::Full(_) => scope.small_disk,
            _ => scope.obeys,
        };
        if possible {
            return fault;
        }
    }
}

fn client_fault(dice: &mut StdRng, clients: usize) -> ClientFault {
    let whom = dice.random_range(0..clients);
    match dice.random_range(0..100) {
        0..12 => ClientFault::Cut(whom, Cut::Reset),
        12..22 => ClientFault::Cut(whom, Cut::Finish),
        22..40 => ClientFault::Cut(whom, Cut::After(dice.random_range(1..400))),
        40..52 => ClientFault::HalfOpen(whom, dice.random_range(500..4_000)),
        52..60 => ClientFault::Delay(whom, dice.random_range(20..400), dice.random_range(300..2_500)),
        60..66 => ClientFault::Throttle(whom, dice.random_range(500..20_000), dice.random_range(300..2_500)),
        66..76 => ClientFault::Jam(whom, dice.random_range(200..3_000)),
        76..84 => ClientFault::Vanish(whom),
        _ => {
            const MANNERS: [Manner; 9] = [
                Manner::BadFrames,
                Manner::HugeFrame,
                Manner::Flood,
                Manner::Joins,
                Manner::SlowBody,
                Manner::Garbage,
                Manner::Silence,
                Manner::Deaf,
                Manner::Forgotten,
            ];
            ClientFault::Hostile(*MANNERS.choose(dice).unwrap_or(&Manner::Garbage))
        }
    }
}

impl fmt::Display for ServerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => write!(f, "kill -9"),
            Self::Restart => write!(f, "a clean restart"),
            Self::Stop(ms) => write!(f, "stopped for {ms} ms"),
            Self::Panic(place) => write!(f, "a panic at {place}"),
            Self::Disk(sorts) => write!(f, "the disk fails: {}", sorts.join(", ")),
            Self::Space(ms) => write!(f, "too little space for {ms} ms"),
            Self::Hold(ms) => write!(f, "syncs held for {ms} ms"),
            Self::HoldKill(ms) => write!(f, "syncs held for {ms} ms, and kill -9"),
            Self::HoldPanic(place, ms) => write!(f, "syncs held for {ms} ms, and a panic at {place}"),
            Self::Full(ms) => write!(f, "a full disk for {ms} ms"),
        }
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(whom, Cut::Reset) => write!(f, "client {whom} is cut off by RST"),
            Self::Cut(whom, Cut::Finish) => write!(f, "client {whom} is cut off by FIN"),
            Self::Cut(whom, Cut::After(bytes)) => write!(f, "client {whom} is cut off after {bytes} bytes"),
            Self::HalfOpen(whom, ms) => write!(f, "client {whom} is half-open for {ms} ms"),
            Self::Delay(whom, late, ms) => write!(f, "client {whom} is {late} ms late for {ms} ms"),
            Self::Throttle(whom, rate, ms) => write!(f, "client {whom} has {rate} bytes a second for {ms} ms"),
            Self::Jam(whom, ms) => write!(f, "client {whom} reads nothing for {ms} ms"),
            Self::Vanish(whom) => write!(f, "client {whom} vanishes"),
            Self::Hostile(manner) => write!(f, "somebody without manners: {manner:?}"),
        }
    }
}

impl fmt::Display for Plan {
    /// As it is printed before a leg begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (clients, channels) = (self.roles.len(), self.channels.len());
        let users = self.users;
        writeln!(f, "seed {}: {clients} clients of {users} users in {channels} channels", self.seed)?;
        writeln!(f, "  {}", self.figures)?;
        for (n, round) in self.rounds.iter().enumerate() {
            let beside = round.clients.len();
            write!(f, "  round {}: {} ms, {beside} faults of clients", n + 1, round.ms)?;
            for Timed { at, fault } in &round.server {
                write!(f, "; at {at}: {fault}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
