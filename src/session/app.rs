//! What every session of a server works with.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::HubIn;
use crate::auth::Guests;
use crate::channel::{Context, Directory, Volume};
use crate::model::maps::HashMap;
use crate::model::{Conn, HubId};
use crate::presence::RegistryIn;
use crate::protocol::Limits;
use crate::supervise::Post;

/// How many connections each address has.
type Addresses = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A server's parts, as its sessions see them.
pub struct App {
    /// Configuration, store, hubs, metrics.
    pub context: Arc<Context>,
    /// Where channels are found.
    pub directory: Arc<Directory>,
    /// Who is online.
    pub registry: Post<RegistryIn>,
    /// Who gets in.
    pub guests: Guests,
    /// Room for publishes under way.
    pub volume: Volume,
    limits: Limits,
    boot: u64,
    conns: AtomicU64,
    hubs: AtomicU32,
    sessions: Arc<AtomicUsize>,
    draining: AtomicBool,
    workers: Mutex<Vec<Post<HubIn>>>,
    addresses: Addresses,
}

impl App {
    /// Puts the parts together. `boot` numbers this start of the server.
    pub fn new(
        context: Arc<Context>,
        directory: Arc<Directory>,
        registry: Post<RegistryIn>,
        guests: Guests,
        boot: u64,
    ) -> Self {
        let limits = &context.config.limits;
        let volume = Volume::new(limits.inflight_bytes);
        let limits = Limits {
            frame_bytes: limits.frame_bytes,
            body_bytes: limits.body_bytes,
            page_max: limits.page_max,
            replay_max: limits.replay_max,
            outstanding: limits.outstanding,
            channels: limits.channels_per_session,
        };
        Self {
            context,
            directory,
            registry,
            guests,
            volume,
            limits,
            boot,
            conns: AtomicU64::new(0),
            hubs: AtomicU32::new(0),
            sessions: Arc::default(),
            draining: AtomicBool::new(false),
            workers: Mutex::default(),
            addresses: Arc::default(),
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
        self.sessions.load(Relaxed)
    }

    /// Counts a connection in, if there is room for it.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Option<Admission> {
        let config = &self.context.config.limits;
        let count = self.sessions.fetch_add(1, Relaxed) + 1;
        let mut admission = Admission { sessions: Arc::clone(&self.sessions), address: None };
        if count > config.sessions {
            return None;
        }
        if let Some(address) = address.filter(|_| config.connections_per_address > 0) {
            let mut addresses = self.addresses.lock();
            let taken = addresses.entry(address).or_default();
            if *taken >= config.connections_per_address {
                return None;
            }
            *taken += 1;
            admission.address = Some((address, Arc::clone(&self.addresses)));
        }
        Some(admission)
    }
}

/// A connection that was counted in; counted out when dropped.
pub(super) struct Admission {
    sessions: Arc<AtomicUsize>,
    address: Option<(IpAddr, Addresses)>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.sessions.fetch_sub(1, Relaxed);
        if let Some((address, addresses)) = self.address.take() {
            let mut addresses = addresses.lock();
            if let Some(taken) = addresses.get_mut(&address) {
                *taken -= 1;
                if *taken == 0 {
                    addresses.remove(&address);
                }
            }
        }
    }
}
