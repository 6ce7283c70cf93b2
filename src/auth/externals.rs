//! People whom another service vouches for, by tokens that it signs.
//!
//! Whoever comes so for the first time gets an account, durably, that has no password: it can be listed, disabled and made
//! an operator's as any other, and nobody else can take the name. An account with a password is not theirs to have. Of a
//! token nothing is kept, unless it was logged out with: `void/<name>/<16 hex digits of its SHA-256>`, until it ends.

use sha2::{Digest, Sha256};

use super::account::{self, Account};
use super::external::{Claims, KeyError, Verifier};
use super::shelf::Shelf;
use super::{AuthError, Identity};
use crate::config;
use crate::model::{UserName, Wall};
use crate::store::{MetaOp, WriteError};

/// Below this prefix the store keeps tokens that were logged out with.
pub(super) const PREFIX: &str = "void/";
/// How many digits of a token's hash it is known by.
const LABEL: usize = 16;

/// Lets them in.
pub(super) struct Externals {
    verifier: Option<Verifier>,
    shelf: Shelf,
}

impl Externals {
    /// As the configuration has it. Reads the key's file.
    pub fn new(config: &config::Jwt, shelf: Shelf) -> Result<Self, KeyError> {
        Ok(Self { verifier: Verifier::new(config)?, shelf })
    }

    /// Lets someone in by a token. Whoever comes for the first time has an account, on disk, when this returns.
    pub async fn let_in(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        let claims = self.read(token, now)?;
        let (owner, void) = (account::key(&claims.user), void_key(&claims.user, token));
        loop {
            let keys = (owner.clone(), void.clone());
            let (found, void) = self.shelf.read(move |meta| Ok((meta.get(&keys.0)?, meta.get(&keys.1)?))).await?;
            if void.is_some() {
                return Err(AuthError::Unauthenticated);
            }
            if let Some(found) = found {
                let account = Account::read(&found.value).filter(|account| account.external && !account.disabled);
                let since =
                    |account: &Account| account.since == 0 || claims.made.is_some_and(|made| made.0 >= account.since);
                let account = account.filter(since).ok_or(AuthError::Unauthenticated)?;
                return Ok(identity(token, claims, &account));
            }
            let account = Account { external: true, ..Account::new(String::new(), now) };
            match self.shelf.write(vec![MetaOp::Create(owner.clone(), account.bytes())]).await {
                Ok(()) => return Ok(identity(token, claims, &account)),
                // Someone else has made it: it is looked at.
                Err(WriteError::Conflict(_)) => {}
                Err(why) => return Err(AuthError::Unavailable(why.to_string())),
            }
        }
    }

    /// Makes a token void. It is, on disk, when this returns.
    pub async fn void(&self, token: &str, now: Wall) -> Result<(), AuthError> {
        let Claims { user, good_until, .. } = self.read(token, now)?;
        let record = MetaOp::Put(void_key(&user, token), good_until.0.to_string().into());
        self.shelf.write(vec![record]).await.map_err(|why| AuthError::Unavailable(why.to_string()))
    }

    /// Whether its owner has logged out with a token.
    pub async fn is_logged_out(&self, came: &Identity) -> Result<bool, AuthError> {
        Ok(self.shelf.get(void_key(&came.user, &came.token)).await?.is_some())
    }

    /// Forgets the tokens that would have ended by themselves.
    pub async fn purge_expired(&self, now: Wall) -> Result<(), AuthError> {
        let until = |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
        let mut pages = self.shelf.pages(PREFIX);
        while let Some(page) = pages.next().await? {
            let over = page.into_iter().filter(|(_, row)| until(&row.value).is_none_or(|until| until <= now.0));
            let ops: Vec<_> = over.map(|(key, _)| MetaOp::Remove(key)).collect();
            if !ops.is_empty() {
                self.shelf.write(ops).await.map_err(|why| AuthError::Unavailable(why.to_string()))?;
            }
        }
        Ok(())
    }

    fn read(&self, token: &str, now: Wall) -> Result<Claims, AuthError> {
        let claims = self.verifier.as_ref().and_then(|verifier| verifier.read(token, now));
        claims.ok_or(AuthError::Unauthenticated)
    }
}

fn identity(token: &str, claims: Claims, account: &Account) -> Identity {
    Identity {
        user: claims.user,
        standing: account.standing(),
        token: token.to_owned(),
        expires_at: claims.expires_at,
        grants: claims.grants,
        round: account.round,
    }
}

/// Where it is kept that a token is void. It is known by what was signed, and not by how the signature is written.
fn void_key(user: &UserName, token: &str) -> String {
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    let mut label = hex::encode(Sha256::digest(signed.as_bytes()));
    label.truncate(LABEL);
    format!("{PREFIX}{user}/{label}")
}

#[cfg(test)]
#[path = "externals_tests.rs"]
mod tests;
