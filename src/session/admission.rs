//! Room: how many sessions there may be, in all and of one address, and how many of them that have not said hello; and
//! how many connections, whatever they carry.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::config;
use crate::model::counted;
use crate::model::maps::HashMap;

/// How many connections there may be at an address that is for operators.
pub const OPERATORS: usize = 256;

/// What is taken, of all or of one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken {
    all: usize,
    fresh: usize,
}

/// The room of one server.
#[derive(Debug)]
pub(super) struct Room {
    /// What an address may take; 0 for no limit.
    each: Taken,
    /// What all of them may take.
    most: Taken,
    all: AtomicUsize,
    fresh: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, Taken>>,
}

impl Room {
    /// For sessions, as the configuration says.
    pub fn of_sessions(limits: &config::Limits) -> Self {
        let each = Taken { all: limits.connections_per_address, fresh: limits.before_hello_per_address };
        Self::new(each, Taken { all: limits.sessions, fresh: limits.before_hello })
    }

    /// For connections, as the configuration says.
    pub fn of_sockets(limits: &config::Limits) -> Self {
        let each = Taken { all: limits.sockets_per_address, fresh: 0 };
        Self::new(each, Taken { all: limits.sockets, fresh: 0 })
    }

    /// For connections where only operators come.
    pub fn of_operators() -> Self {
        Self::new(Taken::default(), Taken { all: OPERATORS, fresh: 0 })
    }

    fn new(each: Taken, most: Taken) -> Self {
        Self { each, most, all: AtomicUsize::new(0), fresh: AtomicUsize::new(0), addresses: Mutex::default() }
    }

    /// How many there are.
    pub fn taken(&self) -> usize {
        self.all.load(Relaxed)
    }

    /// Counts one in, if there is room for it; a session that has yet to say hello as such.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>, fresh: bool) -> Option<Admission> {
        let over = |count: &AtomicUsize, most| count.fetch_add(1, Relaxed) >= most;
        // Whatever was counted in is counted out when this is dropped.
        let mut admission = Admission { room: Arc::clone(self), address: None, fresh };
        let full = over(&self.all, self.most.all);
        if (fresh && over(&self.fresh, self.most.fresh)) || full {
            return None;
        }
        if let Some(address) = address.map(counted).filter(|_| self.each != Taken::default()) {
            let mut addresses = self.addresses.lock();
            let taken = addresses.entry(address).or_default();
            let below = |taken: usize, most: usize| most == 0 || taken < most;
            if !below(taken.all, self.each.all) || (fresh && !below(taken.fresh, self.each.fresh)) {
                return None;
            }
            taken.all += 1;
            taken.fresh += usize::from(fresh);
            admission.address = Some(address);
        }
        Some(admission)
    }

    fn give_back(&self, address: Option<IpAddr>, back: Taken) {
        self.all.fetch_sub(back.all, Relaxed);
        self.fresh.fetch_sub(back.fresh, Relaxed);
        let Some(address) = address else { return };
        let mut addresses = self.addresses.lock();
        if let Some(taken) = addresses.get_mut(&address) {
            taken.all = taken.all.saturating_sub(back.all);
            taken.fresh = taken.fresh.saturating_sub(back.fresh);
            if *taken == Taken::default() {
                addresses.remove(&address);
            }
        }
    }
}

/// One that was counted in; counted out when dropped.
#[derive(Debug)]
pub struct Admission {
    room: Arc<Room>,
    address: Option<IpAddr>,
    fresh: bool,
}

impl Admission {
    /// It has said hello.
    pub(super) fn welcomed(&mut self) {
        if std::mem::take(&mut self.fresh) {
            self.room.give_back(self.address, Taken { all: 0, fresh: 1 });
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.room.give_back(self.address, Taken { all: 1, fresh: usize::from(self.fresh) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(change: impl FnOnce(&mut config::Limits)) -> Arc<Room> {
        let mut limits = config::Config::default().limits;
        change(&mut limits);
        Arc::new(Room::of_sessions(&limits))
    }

    fn at(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn those_who_say_nothing_take_no_more_than_their_part() {
        let room = room(|limits| (limits.sessions, limits.before_hello) = (4, 2));
        let mut first = room.admit(None, true).unwrap();
        let second = room.admit(None, true).unwrap();
        assert!(room.admit(None, true).is_none());
        first.welcomed();
        let third = room.admit(None, true).unwrap();
        let fourth = room.admit(None, false).unwrap();
        assert!(room.admit(None, false).is_none());
        drop((first, second, third, fourth));
        assert_eq!((room.taken(), room.fresh.load(Relaxed)), (0, 0));
    }

    #[test]
    fn an_address_has_its_own_part_and_what_is_given_back_is_forgotten() {
        let room = room(|limits| (limits.connections_per_address, limits.before_hello_per_address) = (2, 1));
        let mut first = room.admit(at("192.0.2.1"), true).unwrap();
        assert!(room.admit(at("192.0.2.1"), true).is_none());
        let other = room.admit(at("192.0.2.2"), true).unwrap();
        first.welcomed();
        let second = room.admit(at("192.0.2.1"), true).unwrap();
        assert!(room.admit(at("192.0.2.1"), false).is_none());
        drop((first, second, other));
        assert!(room.addresses.lock().is_empty());
        assert_eq!((room.taken(), room.fresh.load(Relaxed)), (0, 0));
    }
}
