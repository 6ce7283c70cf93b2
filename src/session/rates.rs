//! Who may go how fast: a session, a user over all of its sessions, an address.
//!
//! A session holds its own allowance and its user's, so that a frame takes no lock. What is asked for by name (a request's
//! address, a plain request's user) is looked up in tables that are spread over locks and forget whoever rested.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::rate::Rate;
use crate::clock;
use crate::config;
use crate::model::maps::HashMap;
use crate::model::{Moment, UserName, counted};
use crate::protocol::{ErrorCode, Problem};

/// Whoever takes nothing for this long has a whole allowance again: a burst is what two seconds bring.
const RESTED: Duration = Duration::from_millis(2500);
/// Over how many locks a table is spread.
const SHARDS: usize = 16;
/// How many each of them remembers at most; whoever comes then shares one allowance with all others who do.
const MOST: usize = 50_000;

/// What a session, or a user, may send.
#[derive(Debug)]
pub(crate) struct Pace {
    commands: Rate,
    bytes: Rate,
}

impl Pace {
    /// Takes a command of so many bytes from the allowance, or says why it may not be carried out now.
    pub fn take(&self, bytes: usize) -> Result<(), Problem> {
        self.commands.take().map_err(|wait| limited("too many commands", wait))?;
        self.bytes.take_all(bytes).map_err(|wait| limited("too many bytes", wait))
    }
}

/// What an address may do.
#[derive(Debug)]
struct Reach {
    requests: Rate,
    hellos: Rate,
    connects: Rate,
}

/// The allowances of one server.
pub(crate) struct Rates {
    config: config::Rates,
    users: Shares<UserName, Pace>,
    addresses: Shares<IpAddr, Reach>,
}

impl Rates {
    /// As the configuration says.
    pub fn new(config: &config::Rates) -> Self {
        let (user_commands, user_bytes) = (config.user_commands_per_second, config.user_bytes_per_second);
        let (requests, connects) = (config.requests_per_second, config.connects_per_second);
        Self {
            config: config.clone(),
            users: Shares::new(move || Pace { commands: Rate::new(user_commands), bytes: Rate::new(user_bytes) }),
            addresses: Shares::new(move || Reach {
                requests: Rate::new(requests),
                hellos: Rate::new(connects),
                connects: Rate::new(connects),
            }),
        }
    }

    /// What a new session may send.
    pub fn session(&self) -> Pace {
        let of = |per_second| Rate::new(if self.config.enabled { per_second } else { 0 });
        Pace { commands: of(self.config.commands_per_second), bytes: of(self.config.bytes_per_second) }
    }

    /// What a user may send over all of its sessions and requests; none if that is not limited.
    pub fn user(&self, user: &UserName) -> Option<Arc<Pace>> {
        let limited = self.config.enabled && *user != UserName::nobody();
        limited.then(|| self.users.of(user, clock::moment()))
    }

    /// A request came from there.
    pub fn request(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let taken = self.reach(address).map_or(Ok(()), |reach| reach.requests.take());
        taken.map_err(|wait| limited("too many requests from this address", wait))
    }

    /// Somebody there begins a session.
    pub(super) fn hello(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let taken = self.reach(address).map_or(Ok(()), |reach| reach.hellos.take());
        taken.map_err(|wait| limited("too many sessions begin at this address", wait))
    }

    /// Whether a connection from there may come in.
    pub(super) fn connect(&self, address: Option<IpAddr>) -> bool {
        self.reach(address).is_none_or(|reach| reach.connects.take().is_ok())
    }

    fn reach(&self, address: Option<IpAddr>) -> Option<Arc<Reach>> {
        let address = address.filter(|_| self.config.enabled)?;
        Some(self.addresses.of(&counted(address), clock::moment()))
    }
}

fn limited(what: &str, wait_ms: u64) -> Problem {
    Problem::new(ErrorCode::RateLimited, what).retry_after(wait_ms)
}

/// One allowance for each key, made when it is first asked for.
struct Shares<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    spread: RandomState,
    make: Box<dyn Fn() -> V + Send + Sync>,
    /// For those who come when a table is full.
    crowd: Arc<V>,
}

struct Shard<K, V> {
    all: HashMap<K, (Arc<V>, Moment)>,
    /// With so many, those who rested are forgotten,
    sweep_at: usize,
    /// but not twice within the time that it takes to rest.
    swept: Moment,
}

impl<K: Clone + Eq + Hash, V> Shares<K, V> {
    fn new(make: impl Fn() -> V + Send + Sync + 'static) -> Self {
        let shard = || Mutex::new(Shard { all: HashMap::default(), sweep_at: 64, swept: Moment(0) });
        let crowd = Arc::new(make());
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { shards, spread: RandomState::new(), make: Box::new(make), crowd }
    }

    fn of(&self, key: &K, now: Moment) -> Arc<V> {
        let at = self.spread.hash_one(key) as usize % SHARDS;
        let Some(shard) = self.shards.get(at) else { return Arc::clone(&self.crowd) };
        let mut shard = shard.lock();
        if let Some((known, last)) = shard.all.get_mut(key) {
            *last = now;
            return Arc::clone(known);
        }
        let full = shard.all.len() >= MOST;
        if shard.all.len() >= shard.sweep_at && (!full || now.since(shard.swept) >= RESTED) {
            shard.swept = now;
            // What somebody holds may be taken from without being asked for.
            shard.all.retain(|_, (one, last)| Arc::strong_count(one) > 1 || now.since(*last) < RESTED);
            shard.sweep_at = (2 * shard.all.len()).clamp(64, MOST);
            let kept = shard.sweep_at;
            shard.all.shrink_to(kept);
        }
        if shard.all.len() >= MOST {
            return Arc::clone(&self.crowd);
        }
        let one = Arc::new((self.make)());
        shard.all.insert(key.clone(), (Arc::clone(&one), now));
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(change: impl FnOnce(&mut config::Rates)) -> Rates {
        let mut config = config::Config::default().rates;
        change(&mut config);
        Rates::new(&config)
    }

    #[test]
    fn a_user_has_one_allowance_whatever_asks_for_it_and_others_have_their_own() {
        let rates = rates(|rates| rates.user_commands_per_second = 2);
        let (ann, bob) = (UserName::parse("ann").unwrap(), UserName::parse("bob").unwrap());
        let held = rates.user(&ann).unwrap();
        let taken = (0..5).filter(|_| held.take(1).is_ok()).count();
        assert!((4..=5).contains(&taken), "a burst of two seconds, got {taken}");
        let refused = rates.user(&ann).unwrap().take(1).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert!((1..=500).contains(&refused.retry_after_ms.unwrap()));
        assert!(rates.user(&bob).unwrap().take(1).is_ok());
        assert!(rates.user(&UserName::nobody()).is_none(), "nobody in particular is many");
    }

    #[test]
    fn bytes_are_an_allowance_of_their_own_and_one_frame_may_take_a_whole_burst() {
        let rates = rates(|rates| rates.bytes_per_second = 1000);
        let session = rates.session();
        assert!(session.take(5000).is_ok());
        let wait = session.take(1000).unwrap_err().retry_after_ms.unwrap();
        assert!((900..=1000).contains(&wait), "{wait}");
    }

    #[test]
    fn an_address_is_counted_by_its_network_and_unknown_ones_are_not() {
        let rates = rates(|rates| rates.requests_per_second = 1);
        let of = |text: &str| rates.request(Some(text.parse().unwrap())).is_ok();
        assert!(of("2001:db8::1") && of("2001:db8::2") && !of("2001:db8::3"));
        assert!(of("192.0.2.1") && of("::ffff:192.0.2.1") && !of("192.0.2.1"));
        assert!((0..10).all(|_| rates.request(None).is_ok()));
        assert!(rates.connect("192.0.2.1".parse().ok()), "connections are counted apart");
    }

    #[test]
    fn where_rates_are_not_limited_nothing_is() {
        let rates =
            rates(|rates| (rates.enabled, rates.commands_per_second, rates.requests_per_second) = (false, 1, 1));
        let session = rates.session();
        assert!((0..10).all(|_| session.take(1 << 20).is_ok() && rates.request("192.0.2.1".parse().ok()).is_ok()));
    }

    #[test]
    fn those_who_rested_are_forgotten_and_those_who_are_held_are_not() {
        let shares: Shares<usize, ()> = Shares::new(|| ());
        let held = shares.of(&0, Moment(0));
        for key in 1..100_000 {
            shares.of(&key, Moment(key as u64));
        }
        let all: usize = shares.shards.iter().map(|shard| shard.lock().all.len()).sum();
        assert!(all < 4 * 2500 + 16 * 64, "{all} are remembered");
        assert!(Arc::ptr_eq(&held, &shares.of(&0, Moment(100_000))));
    }

    #[test]
    fn no_crowd_takes_more_than_its_room() {
        let shares: Shares<usize, ()> = Shares::new(|| ());
        let before = MOST * SHARDS * 5 / 4;
        (0..before).for_each(|key| drop(shares.of(&key, Moment(0))));
        let full = shares.shards.iter().all(|shard| shard.lock().all.len() == MOST);
        assert!(full && Arc::ptr_eq(&shares.of(&before, Moment(1)), &shares.crowd));
        let rested = Moment(RESTED.as_millis() as u64 + 1);
        assert!(!Arc::ptr_eq(&shares.of(&before, rested), &shares.crowd), "there is room again when they have rested");
    }
}
