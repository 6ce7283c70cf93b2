//! Accounts: people with a name of their own and a password, who come back by a token that a login gave them.

use super::account::{self, Account, key};
use super::invites::Invites;
use super::logins::Logins;
use super::password::{HashError, Hasher, Password};
use super::shelf::Shelf;
use super::{AccountError, AuthError, Identity};
use crate::config::{self, Registration};
use crate::model::{UserName, Wall};
use crate::store::{MetaOp, WriteError};

/// How often a write is tried that someone else was quicker with.
pub(super) const TRIES: usize = 5;

/// Makes accounts, and lets them in.
#[derive(Clone)]
pub(super) struct Accounts {
    registration: Registration,
    pub shelf: Shelf,
    pub hasher: Hasher,
    pub logins: Logins,
    pub invites: Invites,
}

impl Accounts {
    /// Accounts as the configuration has them.
    pub fn new(config: &config::Auth, shelf: Shelf) -> Self {
        Self {
            registration: config.registration,
            hasher: Hasher::new(&config.argon2),
            logins: Logins::new(config.token_ttl, config.tokens_max, shelf.clone()),
            invites: Invites::new(shelf.clone()),
            shelf,
        }
    }

    /// Makes an account for someone who asks, with an invitation's code where that is needed. It is on disk when this
    /// returns, and the invitation has been used, or neither is so.
    pub async fn register(
        &self,
        name: &str,
        password: Password,
        code: Option<&str>,
        now: Wall,
    ) -> Result<UserName, AccountError> {
        let code = match self.registration {
            Registration::Open => None,
            Registration::Invite => Some(code.ok_or(AccountError::Code)?),
            Registration::Closed => return Err(AccountError::Closed),
        };
        // Whoever is not invited does not learn which names are taken.
        self.invitation(code, now).await?;
        let (user, kept) = self.prepare(name, password).await?;
        for _ in 0..TRIES {
            let mut ops = self.invitation(code, now).await?;
            ops.push(MetaOp::Create(key(&user), Account::new(kept.clone(), now).bytes()));
            match self.shelf.write(ops).await {
                Ok(()) => return Ok(user),
                Err(WriteError::Conflict(what)) if what == key(&user) => return Err(AccountError::Taken),
                // Someone else used the same invitation, which may be good for more.
                Err(WriteError::Conflict(_)) => {}
                Err(why) => return Err(AuthError::Unavailable(why.to_string()).into()),
            }
        }
        Err(AuthError::Unavailable("too many use the same invitation".into()).into())
    }

    /// A name that is free and what is to be kept of a password.
    pub async fn prepare(&self, name: &str, password: Password) -> Result<(UserName, String), AccountError> {
        let user = UserName::account(name).map_err(AccountError::Name)?;
        password.is_fit(user.as_str()).map_err(AccountError::Weak)?;
        // Asked before the work is done; that nobody else comes first is for the write to see.
        if self.shelf.get(key(&user)).await?.is_some() {
            return Err(AccountError::Taken);
        }
        let kept = self.hasher.aside(move |hasher| hasher.hash(&password)).await??;
        Ok((user, kept))
    }

    /// What uses the invitation with this code, if there has to be one.
    async fn invitation(&self, code: Option<&str>, now: Wall) -> Result<Vec<MetaOp>, AccountError> {
        match code {
            None => Ok(Vec::new()),
            Some(code) => self.invites.using(code, now).await?.ok_or(AccountError::Code),
        }
    }

    /// Gives whoever knows an account's password a token. Whether there is such an account takes as long to find out
    /// as whether the password is its.
    pub async fn login(&self, name: &str, password: Password, now: Wall) -> Result<Identity, AccountError> {
        // A name that can be nobody's is looked up and worked for all the same.
        let found = self.shelf.get(format!("{}{name:.64}", account::PREFIX)).await?;
        let found = found.and_then(|found| Some((Account::read(&found.value)?, found.version)));
        let passwords = found.as_ref().filter(|(account, _)| !account.password.is_empty());
        let kept = passwords.map(|(account, _)| account.password.clone());
        let disabled = found.as_ref().is_some_and(|(account, _)| account.disabled);
        let (good, anew) = self
            .hasher
            .aside(move |hasher| {
                let good = hasher.is_of(&password, kept.as_deref());
                let outdated = good && !disabled && kept.is_some_and(|kept| hasher.is_outdated(&kept));
                (good, outdated.then(|| hasher.hash(&password).ok()).flatten())
            })
            .await?;
        let (account, edition) = found.filter(|(account, _)| good && !account.disabled).ok_or(AccountError::Wrong)?;
        let user = UserName::account(name).map_err(|_| AccountError::Wrong)?;
        if let Some(password) = anew {
            // If it cannot be written now, then at another login.
            let harder = Account { password, ..account.clone() };
            drop(self.shelf.try_write(vec![MetaOp::Swap(key(&user), edition, harder.bytes())]).await);
        }
        let begun = self.logins.begin(user, &account, now).await?;
        // Another password may have come meanwhile; then this one is wrong.
        match self.logins.look_up(&begun.token, now).await {
            Ok(_) => Ok(begun),
            Err(AuthError::Unauthenticated) => Err(AccountError::Wrong),
            Err(other) => Err(other.into()),
        }
    }

    /// Changes the password of the account that a token is of, for someone who knows the old one. All its other tokens
    /// are void when this returns.
    pub async fn change_password(
        &self,
        token: &str,
        old: Password,
        new: Password,
        now: Wall,
    ) -> Result<(), AccountError> {
        let found = self.logins.look_up(token, now).await?;
        new.is_fit(found.token.user.as_str()).map_err(AccountError::Weak)?;
        let kept = found.account.password;
        let (was, anew) =
            (kept.clone(), move |hasher: &Hasher| hasher.is_of(&old, Some(&kept)).then(|| hasher.hash(&new)));
        let anew = self.hasher.aside(anew).await?.ok_or(AccountError::Wrong)??;
        for _ in 0..TRIES {
            let found = self.logins.look_up(token, now).await?;
            if found.account.password != was {
                return Err(AccountError::Wrong);
            }
            let account = Account { password: anew.clone(), round: found.account.round + 1, ..found.account.clone() };
            let user = found.token.user.clone();
            let swap = MetaOp::Swap(key(&user), found.edition, account.bytes());
            if self.shelf.try_write(vec![swap, found.moved_to(account.round)]).await? {
                self.logins.clear(&user, &account, now).await;
                return Ok(());
            }
        }
        Err(AuthError::Unavailable("the account is changed by others all the time".into()).into())
    }
}

impl From<HashError> for AccountError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Full => Self::Full,
            HashError::Failed => Self::Auth(AuthError::Unavailable("a password could not be hashed".into())),
        }
    }
}
