//! How often somebody may try: to log in, by account and by address, and to make an account, by address.
//!
//! What is remembered of each goes when its allowance is whole again, and no more than so many are remembered at all:
//! beyond that, those that are not known share one allowance, and those that are keep theirs.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;

use crate::clock::{Clock, Governed, Tick, moment};
use crate::config::Rates;
use crate::model::maps::HashMap;
use crate::model::{Moment, counted};

/// How many keys are remembered at most, some 60 bytes each.
const KNOWN_MAX: usize = 100_000;
/// How often those whose allowance is whole are looked for, once there are so many.
const SHED_EVERY: Duration = Duration::from_secs(1);
/// How many addresses' allowance those share who come when the table is full.
const CROWD: u32 = 100;

/// Too many attempts; after so many milliseconds there is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Early(pub u64);

type Limiter = RateLimiter<NotKeyed, InMemoryState, Governed, NoOpMiddleware<Tick>>;

/// One allowance for each key.
struct Keyed {
    /// So many within this time, and as many in a burst.
    quota: Quota,
    within: Duration,
    /// Keys are remembered by their hashes, which nobody outside can make collide.
    hash: RandomState,
    known: Mutex<Known>,
    most: usize,
    /// For those who come when there are too many.
    crowd: Limiter,
}

struct Known {
    all: HashMap<u64, (Limiter, Moment)>,
    shed: Moment,
}

impl Keyed {
    /// `number` attempts within this time for each key; and `crowd` times that for all who come when there are too many.
    fn new(number: u32, within: Duration, most: usize, crowd: u32) -> Self {
        let quota = |number: u32| {
            let number = NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            let each = Quota::with_period(within / number.get()).unwrap_or(Quota::per_hour(number));
            each.allow_burst(number)
        };
        let crowd = RateLimiter::direct_with_clock(quota(number.saturating_mul(crowd)), Governed);
        let known = Mutex::new(Known { all: HashMap::default(), shed: Moment(0) });
        Self { quota: quota(number), within, hash: RandomState::new(), known, most, crowd }
    }

    /// Takes one from the allowance of `key`.
    fn take(&self, key: &str) -> Result<(), Early> {
        let (key, now) = (self.hash.hash_one(key), moment());
        let mut known = self.known.lock();
        if let Some((limiter, last)) = known.all.get_mut(&key) {
            *last = now;
            return checked(limiter);
        }
        if known.all.len() >= self.most && now.since(known.shed) >= SHED_EVERY {
            known.shed = now;
            known.all.retain(|_, (_, last)| now.since(*last) < self.within);
        }
        if known.all.len() >= self.most {
            return checked(&self.crowd);
        }
        let limiter = RateLimiter::direct_with_clock(self.quota, Governed);
        let taken = checked(&limiter);
        known.all.insert(key, (limiter, now));
        taken
    }
}

fn checked(limiter: &Limiter) -> Result<(), Early> {
    let early = limiter.check().err();
    early.map_or(Ok(()), |early| Err(Early((early.wait_time_from(Governed.now()).as_millis() as u64).max(1))))
}

/// The allowances; none where rates are not limited.
pub(super) struct Attempts(Option<Allowances>);

struct Allowances {
    accounts: Keyed,
    addresses: Keyed,
    sign_ups: Keyed,
}

impl Attempts {
    /// As the configuration has them.
    pub fn new(rates: &Rates) -> Self {
        Self::of_at_most(rates, KNOWN_MAX)
    }

    fn of_at_most(rates: &Rates, most: usize) -> Self {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        Self(rates.enabled.then(|| Allowances {
            // Among those who come when there are too many, one account has no more than any other time.
            accounts: Keyed::new(rates.logins_per_minute, minute, most, 1),
            addresses: Keyed::new(rates.logins_per_minute, minute, most, CROWD),
            sign_ups: Keyed::new(rates.sign_ups_per_hour, hour, most, CROWD),
        }))
    }

    /// Somebody at `address` says that an account is theirs.
    pub fn login(&self, name: &str, address: Option<IpAddr>) -> Result<(), Early> {
        let Some(Allowances { accounts, addresses, .. }) = &self.0 else { return Ok(()) };
        address.map_or(Ok(()), |address| addresses.take(&counted(address).to_string()))?;
        accounts.take(name)
    }

    /// Somebody at `address` wants an account.
    pub fn sign_up(&self, address: Option<IpAddr>) -> Result<(), Early> {
        let (Some(Allowances { sign_ups, .. }), Some(address)) = (&self.0, address) else { return Ok(()) };
        sign_ups.take(&counted(address).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(enabled: bool) -> Rates {
        Rates { enabled, logins_per_minute: 3, sign_ups_per_hour: 2, ..crate::config::Config::default().rates }
    }

    fn at(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn an_account_has_so_many_attempts_from_wherever_and_others_have_theirs() {
        let attempts = Attempts::new(&rates(true));
        for n in 0..3 {
            assert_eq!(attempts.login("ann", Some(at(n))), Ok(()));
        }
        let Err(Early(wait)) = attempts.login("ann", Some(at(9))) else { panic!("a fourth") };
        assert!((1..=20_000).contains(&wait), "{wait}");
        assert_eq!(attempts.login("bob", Some(at(9))), Ok(()));
    }

    #[test]
    fn an_address_has_so_many_attempts_at_whatever_account() {
        let attempts = Attempts::new(&rates(true));
        for name in ["a", "b", "c"] {
            assert_eq!(attempts.login(name, Some(at(1))), Ok(()));
        }
        assert!(attempts.login("d", Some(at(1))).is_err());
        assert_eq!(attempts.login("d", Some(at(2))), Ok(()));
        assert!(
            attempts.sign_up(Some(at(1))).is_ok()
                && attempts.sign_up(Some(at(1))).is_ok()
                && attempts.sign_up(Some(at(1))).is_err()
        );
    }

    #[test]
    fn nobody_is_held_up_where_rates_are_not_limited_and_no_address_has_none() {
        let (off, on) = (Attempts::new(&rates(false)), Attempts::new(&rates(true)));
        for n in 0..10 {
            assert_eq!(
                (off.login("ann", Some(at(1))), off.sign_up(Some(at(1))), on.sign_up(None)),
                (Ok(()), Ok(()), Ok(()))
            );
            assert_eq!(on.login(&n.to_string(), None), Ok(()));
        }
    }

    #[test]
    fn so_many_are_remembered_and_those_who_come_then_share_one_allowance() {
        let attempts = Attempts::of_at_most(&rates(true), 2);
        for (name, n) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)] {
            assert_eq!(attempts.login(name, Some(at(n))), Ok(()), "{name}");
        }
        assert!(attempts.login("f", Some(at(6))).is_err(), "no account is guessed at more often for it");
        assert_eq!(attempts.login("a", Some(at(1))), Ok(()), "whoever is known is not held up");
        let known = |of: &Keyed| of.known.lock().all.len();
        let Some(Allowances { accounts, addresses, .. }) = &attempts.0 else { panic!("they are limited") };
        assert_eq!((known(accounts), known(addresses)), (2, 2));
    }
}
