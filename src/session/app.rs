//! What every session of a server works with.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::admission::{Admission, Room};
use super::messages::{HubIn, SESSION};
use super::rates::Rates;
use crate::auth::Gate;
use crate::channel::{Context, Directory, Volume};
use crate::clock;
use crate::model::{Conn, HubId};
use crate::presence::RegistryIn;
use crate::protocol::{ErrorCode, Limits, Problem};
use crate::supervise::{Post, Probe};

/// A server's parts, as its sessions see them.
pub struct App {
    /// Configuration, store, hubs, metrics.
    pub context: Arc<Context>,
    /// Where channels are found.
    pub directory: Arc<Directory>,
    /// Who is online.
    pub registry: Post<RegistryIn>,
    /// Who gets in.
    pub gate: Gate,
    /// Room for publishes under way.
    pub volume: Volume,
    /// Who may go how fast.
    pub(crate) rates: Rates,
    limits: Limits,
    boot: u64,
    conns: AtomicU64,
    hubs: AtomicU32,
    room: Arc<Room>,
    sockets: Arc<Room>,
    operators: Arc<Room>,
    draining: AtomicBool,
    workers: Mutex<Vec<Post<HubIn>>>,
    /// What shows the sessions' work.
    pub(super) sessions_probe: Arc<Probe>,
}

impl App {
    /// Puts the parts together. `boot` numbers this start of the server.
    pub fn new(
        context: Arc<Context>,
        directory: Arc<Directory>,
        registry: Post<RegistryIn>,
        gate: Gate,
        boot: u64,
    ) -> Self {
        let limits = &context.config.limits;
        let volume = Volume::new(limits.inflight_bytes, context.metrics.inflight_bytes.clone());
        let (room, sockets) = (Arc::new(Room::of_sessions(limits)), Arc::new(Room::of_sockets(limits)));
        let operators = Arc::new(Room::of_operators());
        let rates = Rates::new(&context.config.rates);
        let limits = Limits {
            frame_bytes: limits.frame_bytes,
            body_bytes: limits.body_bytes,
            page_max: limits.page_max,
            replay_max: limits.replay_max,
            outstanding: limits.outstanding,
            channels: limits.channels_per_session,
        };
        let sessions_probe = context.probes.of(&SESSION);
        Self {
            context,
            directory,
            registry,
            gate,
            volume,
            rates,
            limits,
            boot,
            conns: AtomicU64::new(0),
            hubs: AtomicU32::new(0),
            room,
            sockets,
            operators,
            draining: AtomicBool::new(false),
            workers: Mutex::default(),
            sessions_probe,
        }
    }

    /// The limits that a welcome names.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The next connection's number.
    pub(super) fn next_conn(&self) -> Conn {
        Conn { boot: self.boot, count: self.conns.fetch_add(1, Relaxed) + 1 }
    }

    /// The next hub's number.
    pub(super) fn next_hub(&self) -> HubId {
        HubId(self.hubs.fetch_add(1, Relaxed))
    }

    pub(super) fn add_worker(&self, hub: Post<HubIn>) {
        self.workers.lock().push(hub);
    }

    /// Tells every worker's hub.
    pub fn tell_workers(&self, message: impl Fn() -> HubIn) {
        self.workers.lock().iter().for_each(|hub| hub.send(message()));
    }

    /// The server is stopping.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Sessions whose connections are open.
    pub fn sessions(&self) -> usize {
        self.room.taken()
    }

    /// Counts a connection in, if there is room for it and its address does not open too many at once.
    pub fn connect(&self, address: Option<IpAddr>) -> Option<Admission> {
        let admitted = if self.rates.connect(address) { self.sockets.admit(address, false) } else { None };
        self.context.metrics.sockets_refused.inc_by(u64::from(admitted.is_none()));
        admitted
    }

    /// Counts in a connection of an operator, at an address of their own.
    pub fn connect_operator(&self) -> Option<Admission> {
        self.operators.admit(None, false)
    }

    /// Counts a session in, if there is room for it; `fresh` says that it has yet to say hello.
    pub(super) fn admit(&self, address: Option<IpAddr>, fresh: bool) -> Result<Admission, Problem> {
        if fresh {
            self.rates.hello(address).inspect_err(|_| self.context.metrics.rate_limited.inc())?;
        }
        self.room.admit(address, fresh).ok_or_else(|| {
            let full = Problem::new(ErrorCode::Overloaded, "too many connections; come back later");
            full.retry_after(5000 + clock::jitter(5000))
        })
    }
}
