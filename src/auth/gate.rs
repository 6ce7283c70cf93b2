//! The one way in: whoever asks who someone is, or has someone let in, asks here.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use super::accounts::Accounts;
use super::attempts::{Attempts, Early};
use super::externals::{self, Externals};
use super::guests::Guests;
use super::password::Password;
use super::shelf::Shelf;
use super::token::{ACCOUNT, GUEST, Record};
use super::{AccountError, AuthError, Blocking, Identity, KeyError, account, guests, logins};
use crate::config::Config;
use crate::model::{UserName, Wall};
use crate::store::{Meta, Versioned};

/// Everybody that may come in.
pub struct Gate {
    pub(super) guests: Guests,
    pub(super) accounts: Accounts,
    externals: Externals,
    attempts: Attempts,
    shelf: Shelf,
    voids: Arc<AtomicU64>,
    tell: OnceLock<Arc<Tell>>,
}

/// Who is told of a user whose tokens may have become void.
type Tell = dyn Fn(UserName) + Send + Sync;

/// How it stands with a token that was good when its session began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Still {
    /// It is good, and this is who it is of by now.
    Good(Identity),
    /// Its owner has logged out.
    Gone,
    /// It is void for another reason.
    Void,
}

impl Gate {
    /// The gate as the configuration has it. Reads the key by which another service signs its tokens.
    pub fn new(config: &Config, meta: Arc<dyn Meta>, blocking: Blocking) -> Result<Self, KeyError> {
        let (shelf, auth) = (Shelf::new(meta, blocking), &config.auth);
        Ok(Self {
            externals: Externals::new(&config.jwt, shelf.clone())?,
            guests: Guests::new(auth.guests, auth.guest_ttl, shelf.clone()),
            accounts: Accounts::new(auth, shelf.clone()),
            attempts: Attempts::new(&config.rates),
            shelf,
            voids: Arc::default(),
            tell: OnceLock::new(),
        })
    }

    /// Calls `tell` after each write by which a user's tokens may have become void, from the writer's thread; and where
    /// it is not known whether it was written.
    pub fn watch(&self, tell: impl Fn(UserName) + Send + Sync + 'static) {
        let tell = self.tell.get_or_init(|| Arc::new(tell));
        let told = |is_void: fn(Option<&Versioned>) -> bool, prefix: &'static str| {
            let (tell, voids) = (Arc::clone(tell), Arc::clone(&self.voids));
            self.shelf.watch(prefix, move |key, record| {
                let name = key[prefix.len()..].split('/').next().unwrap_or_default();
                if let Some(user) = is_void(record).then(|| UserName::parse(name).ok()).flatten() {
                    voids.fetch_add(1, SeqCst);
                    tell(user);
                }
            });
        };
        told(
            |record| record.is_none_or(|record| Record::read(&record.value).is_none_or(|it| it.is_void())),
            guests::PREFIX,
        );
        told(|record| record.is_none(), logins::PREFIX);
        told(|record| record.is_some(), externals::PREFIX);
        told(|_| true, account::PREFIX);
    }

    /// This user's tokens were to become void, and nobody knows whether it did: the sessions that came by it look.
    pub(super) fn unknown(&self, user: UserName) {
        if let Some(tell) = self.tell.get() {
            self.voids.fetch_add(1, SeqCst);
            tell(user);
        }
    }

    /// How often a token may have become void. Whoever looks at a token, says so where [`watch`](Self::watch) can find
    /// it, and then sees this unchanged has missed nothing.
    pub fn voids(&self) -> u64 {
        self.voids.load(SeqCst)
    }

    /// Makes a new guest, named after `wish`. It is on disk when this returns.
    pub async fn arrive(&self, wish: Option<&str>, now: Wall) -> Result<Identity, AuthError> {
        self.guests.arrive(wish, now).await
    }

    /// Lets someone in by a token. With less than half of its time left, the token's life starts over, if it
    /// is one of ours.
    pub async fn return_with(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        match Form::of(token) {
            Form::Guest => self.guests.return_with(token, now).await,
            Form::Account => self.accounts.logins.return_with(token, now).await,
            Form::External => self.externals.let_in(token, now).await,
        }
    }

    /// The same for one who asks for it: the token's life starts over, whatever is left of it.
    pub async fn refresh(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        match Form::of(token) {
            Form::Guest => self.guests.refresh(token, now).await,
            Form::Account => self.accounts.logins.refresh(token, now).await,
            Form::External => self.externals.let_in(token, now).await,
        }
    }

    /// Who a token is of, and until when, prolonging nothing: for a request that only needs to know.
    pub async fn check(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        match Form::of(token) {
            Form::Guest => self.guests.check(token, now).await,
            Form::Account => self.accounts.logins.look_up(token, now).await.map(|found| found.identity()),
            Form::External => self.externals.let_in(token, now).await,
        }
    }

    /// Whether the token by which a session came is good still.
    pub async fn look_again(&self, came: &Identity, now: Wall) -> Result<Still, AuthError> {
        match self.check(&came.token, now).await {
            Ok(identity) => Ok(Still::Good(identity)),
            Err(AuthError::Unauthenticated) if came.expires_at <= now => Ok(Still::Void),
            Err(AuthError::Unauthenticated) => {
                let gone = match Form::of(&came.token) {
                    Form::Guest => true,
                    Form::Account => self.accounts.logins.is_logged_out(came).await?,
                    Form::External => self.externals.is_logged_out(came).await?,
                };
                Ok(if gone { Still::Gone } else { Still::Void })
            }
            Err(other) => Err(other),
        }
    }

    /// Makes an account. It is on disk when this returns.
    pub async fn register(
        &self,
        name: &str,
        password: Password,
        code: Option<&str>,
        address: Option<IpAddr>,
        now: Wall,
    ) -> Result<UserName, AccountError> {
        self.attempts.sign_up(address)?;
        self.accounts.register(name, password, code, now).await
    }

    /// Gives whoever knows an account's password a token.
    pub async fn login(
        &self,
        name: &str,
        password: Password,
        address: Option<IpAddr>,
        now: Wall,
    ) -> Result<Identity, AccountError> {
        self.attempts.login(name, address)?;
        self.accounts.login(name, password, now).await
    }

    /// Changes the password of the account that a token is of; its other tokens are void when this returns.
    pub async fn change_password(
        &self,
        token: &str,
        old: Password,
        new: Password,
        address: Option<IpAddr>,
        now: Wall,
    ) -> Result<(), AccountError> {
        if Form::of(token) != Form::Account {
            self.check(token, now).await?;
            return Err(AccountError::NoAccount);
        }
        // Somebody who found a token may guess at the password, too.
        let user = self.accounts.logins.look_up(token, now).await?.token.user;
        self.attempts.login(user.as_str(), address)?;
        let changed = self.accounts.change_password(token, old, new, now).await;
        if let Err(AccountError::Auth(AuthError::Unavailable(_))) = &changed {
            self.unknown(user);
        }
        changed
    }

    /// Makes a token void. It is, on disk, when this returns.
    pub async fn logout(&self, token: &str, now: Wall) -> Result<(), AuthError> {
        let user = self.check(token, now).await?.user;
        let voided = match Form::of(token) {
            Form::Guest => self.guests.void(token, now).await,
            Form::Account => self.accounts.logins.void(token, now).await,
            Form::External => self.externals.void(token, now).await,
        };
        if let Err(AuthError::Unavailable(_)) = &voided {
            self.unknown(user);
        }
        voided
    }

    /// Removes what has ended: guests with all that was theirs, tokens, invitations. Returns how many guests.
    pub async fn purge_expired(&self, now: Wall) -> Result<usize, AuthError> {
        let guests = self.guests.purge_expired(now).await?;
        self.accounts.logins.purge_expired(now).await?;
        self.externals.purge_expired(now).await?;
        self.accounts.invites.purge_expired(now).await?;
        Ok(guests)
    }
}

impl From<Early> for AccountError {
    fn from(Early(wait): Early) -> Self {
        Self::Early(wait)
    }
}

/// Whose a token says that it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Guest,
    Account,
    /// Not of ours, so perhaps of one that another service vouches for.
    External,
}

impl Form {
    fn of(token: &str) -> Self {
        match () {
            () if token.starts_with(GUEST) => Self::Guest,
            () if token.starts_with(ACCOUNT) => Self::Account,
            () => Self::External,
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
