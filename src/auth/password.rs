//! Passwords, and what is kept of them: Argon2id (RFC 9106) in its PHC string form, made and compared on threads that may
//! block, so many at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Deserializer, Serializer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::clock;
use crate::config;

/// The shortest password, in bytes (NIST SP 800-63B, section 5.1.1.1).
const SHORTEST: usize = 8;
/// The longest, in bytes; a hash is as much work whatever the length, reading it is not.
const LONGEST: usize = 1024;
/// How many wait for their turn at most, for each that is being worked on.
const WAITING: usize = 32;
/// When one who found no room may come again.
pub(super) const ROOM_AFTER: Duration = Duration::from_secs(2);

/// A password as someone said it. It stands in no `Debug` text, and is wiped from memory when it is dropped.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a text for a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Writes it down, for whoever has to have it.
    pub(super) fn reveal<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.0)
    }

    /// Whether it may be chosen; if not, why.
    pub fn is_fit(&self, name: &str) -> Result<(), &'static str> {
        match self.0.len() {
            ..SHORTEST => Err("expected at least 8 bytes"),
            SHORTEST..=LONGEST if self.0.eq_ignore_ascii_case(name) => Err("it is the account's name"),
            SHORTEST..=LONGEST if self.is_one_character() => Err("it is one character again and again"),
            SHORTEST..=LONGEST => Ok(()),
            _ => Err("expected at most 1024 bytes"),
        }
    }

    fn is_one_character(&self) -> bool {
        let mut all = self.0.chars();
        let first = all.next();
        all.all(|c| Some(c) == first)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        String::deserialize(text).map(Self::new)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a password was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HashError {
    /// There is no room for another one now.
    Full,
    /// Argon2 refused its parameters, or its thread broke.
    Failed,
}

/// Makes and compares hashes.
#[derive(Clone)]
pub(super) struct Hasher {
    argon2: Argon2<'static>,
    /// What is being worked on.
    turns: Arc<Semaphore>,
    /// That, and what waits for a turn.
    places: Arc<Semaphore>,
}

impl Hasher {
    /// One that works as hard as the configuration says.
    pub fn new(config: &config::Argon2) -> Self {
        // The configuration was checked to be what Argon2 takes; were it not, its own defaults are sound.
        let params = Params::new(config.memory_kib, config.passes, config.lanes, None).unwrap_or(Params::DEFAULT);
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            turns: Arc::new(Semaphore::new(config.at_once)),
            places: Arc::new(Semaphore::new(config.at_once.saturating_mul(WAITING + 1))),
        }
    }

    /// What is to be kept of a password. Blocks for as long as the configuration has it take.
    pub fn hash(&self, password: &Password) -> Result<String, HashError> {
        let hash = self.argon2.hash_password_with_salt(password.0.as_bytes(), &clock::random::<16>());
        hash.map(|hash: PasswordHash| hash.to_string()).map_err(|_| HashError::Failed)
    }

    /// Whether what is kept of a password was made with other parameters than it would be now.
    pub fn is_outdated(&self, kept: &str) -> bool {
        let params = PasswordHash::new(kept).ok().and_then(|kept| Params::try_from(&kept).ok());
        let work = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        params.is_none_or(|params| work(&params) != work(self.argon2.params()))
    }

    /// Whether `kept` is of this password. Blocks; as long for one that nothing is kept of.
    pub fn is_of(&self, password: &Password, kept: Option<&str>) -> bool {
        match kept.and_then(|kept| PasswordHash::new(kept).ok()) {
            Some(kept) => self.argon2.verify_password(password.0.as_bytes(), &kept).is_ok(),
            None => {
                let _ = std::hint::black_box(self.hash(password));
                false
            }
        }
    }

    /// Does something that blocks for long, on a thread for that, when it is its turn.
    pub async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashError::Full)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| HashError::Failed)?;
        let hasher = self.clone();
        // The work goes on if nobody waits for it any more, and so it keeps its place.
        let held: [OwnedSemaphorePermit; 2] = [place, turn];
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&hasher);
            drop(held);
            done
        });
        done.await.map_err(|_| HashError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EASY: config::Argon2 = config::Argon2 { memory_kib: 8, passes: 1, lanes: 1, at_once: 1 };

    fn said(text: &str) -> Password {
        Password::new(text)
    }

    #[test]
    fn a_password_fits_its_own_hash_and_no_other() {
        let hasher = Hasher::new(&EASY);
        let (one, two) = (hasher.hash(&said("correct horse")).unwrap(), hasher.hash(&said("correct horse")).unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=8,t=1,p=1$") && !one.contains("horse"), "{one}");
        assert_ne!(one, two, "each has a salt of its own");
        assert!(hasher.is_of(&said("correct horse"), Some(&one)) && hasher.is_of(&said("correct horse"), Some(&two)));
        for kept in [None, Some(""), Some("x"), Some("$argon2id$"), Some(&*one)] {
            assert!(!hasher.is_of(&said("correct horsf"), kept), "{kept:?}");
        }
    }

    #[test]
    fn what_was_made_with_less_work_is_outdated_and_fits_still() {
        let (easy, hard) = (Hasher::new(&EASY), Hasher::new(&config::Argon2 { passes: 2, ..EASY }));
        let kept = easy.hash(&said("correct horse")).unwrap();
        assert!(hard.is_of(&said("correct horse"), Some(&kept)));
        assert!(hard.is_outdated(&kept) && !easy.is_outdated(&kept) && easy.is_outdated("x"));
    }

    #[test]
    fn a_password_shows_nowhere_and_is_read_from_json() {
        let read: Password = serde_json::from_str("\"correct horse\"").unwrap();
        assert_eq!(format!("{read:?}"), "Password(…)");
        assert!(read.is_fit("ann").is_ok());
        for weak in ["", "1234567", "ANNABELL", "ääääääää", &"x1".repeat(513)] {
            assert!(said(weak).is_fit("annabell").is_err(), "{weak}");
        }
        assert!(said(&"x1".repeat(512)).is_fit("annabell").is_ok());
    }

    #[actix::test]
    async fn one_works_and_so_many_wait_and_the_next_is_refused() {
        let hasher = Hasher::new(&EASY);
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.aside(move |_| gate.recv().is_err()).await }
        });
        let wait = |_| {
            let hasher = hasher.clone();
            tokio::spawn(async move { hasher.aside(|_| true).await })
        };
        let waiting: Vec<_> = (0..WAITING).map(wait).collect();
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.aside(|_| true).await, Err(HashError::Full));
        drop(open);
        assert_eq!(first.await.unwrap(), Ok(true));
        for one in waiting {
            assert_eq!(one.await.unwrap(), Ok(true));
        }
        assert_eq!(hasher.aside(|_| true).await, Ok(true));
    }
}
