//! Logins: the tokens of accounts, given out, renewed, and made void.

use std::time::Duration;

use super::account::{Account, key, surplus, token_key, tokens_prefix};
use super::shelf::Shelf;
use super::token::{Record, Token};
use super::{AuthError, Identity};
use crate::clock;
use crate::model::{Grants, UserName, Wall};
use crate::store::{MetaOp, Versioned};

/// Below this prefix the store keeps tokens.
pub(super) const PREFIX: &str = "token/";

/// The tokens of all accounts.
#[derive(Clone)]
pub(super) struct Logins {
    ttl: Duration,
    most: usize,
    shelf: Shelf,
}

/// A good token, and what it is good for.
pub(super) struct Found {
    pub token: Token,
    pub record: Record,
    version: u64,
    pub account: Account,
    /// The account record's version.
    pub edition: u64,
}

impl Found {
    /// Who it is.
    pub fn identity(&self) -> Identity {
        identity(&self.token, &self.account, self.record.expires())
    }

    /// What takes the token over into another round of its account's, if it has not changed meanwhile.
    pub fn moved_to(&self, round: u64) -> MetaOp {
        MetaOp::Swap(token_key(&self.token), self.version, self.record.of_round(round).bytes())
    }
}

impl Logins {
    /// Tokens that live for `ttl` after they were last used, `most` for each account.
    pub fn new(ttl: Duration, most: usize, shelf: Shelf) -> Self {
        Self { ttl, most, shelf }
    }

    /// Gives out a token. It is on disk when this returns. Those that would end first give way if there are too many,
    /// but for as many as are given out at the same moment.
    pub async fn begin(&self, user: UserName, account: &Account, now: Wall) -> Result<Identity, AuthError> {
        let rows = self.shelf.list(tokens_prefix(&user), None).await?;
        let token = Token::new(user, clock::random());
        let expires_at = self.end_of(now);
        let record = token.record(now, expires_at).of_round(account.round);
        let mut ops: Vec<MetaOp> = surplus(&rows, account, self.most, now).into_iter().map(MetaOp::Remove).collect();
        ops.push(MetaOp::Create(token_key(&token), record.bytes()));
        self.shelf.write(ops).await.map_err(|why| AuthError::Unavailable(why.to_string()))?;
        Ok(identity(&token, account, expires_at))
    }

    /// Lets an account back in by a token. With less than half of its time left, the token's life starts over.
    pub async fn return_with(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        self.prolong(token, now, self.ttl / 2).await
    }

    /// The same for one who asks for it: the token's life starts over, whatever is left of it.
    pub async fn refresh(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        self.prolong(token, now, self.ttl).await
    }

    /// Has a good token's life start over if less than `enough` is left of it.
    async fn prolong(&self, token: &str, now: Wall, enough: Duration) -> Result<Identity, AuthError> {
        let found = self.look_up(token, now).await?;
        let expires_at = found.record.expires();
        if expires_at.0.saturating_sub(now.0) >= enough.as_millis() as i64 {
            return Ok(found.identity());
        }
        let longer = self.end_of(now);
        let swap = MetaOp::Swap(token_key(&found.token), found.version, found.record.until(longer).bytes());
        // Where someone else extended it, or nobody can just now, the token is good until then at least.
        let written = self.shelf.write(vec![swap]).await;
        Ok(identity(&found.token, &found.account, if written.is_ok() { longer } else { expires_at }))
    }

    /// What is kept of a good token.
    pub async fn look_up(&self, text: &str, now: Wall) -> Result<Found, AuthError> {
        let token = Token::parse(text).filter(|token| !token.user.is_guest()).ok_or(AuthError::Unauthenticated)?;
        let (login, owner) = (token_key(&token), key(&token.user));
        let found = self.shelf.read(move |meta| Ok(meta.get(&login)?.zip(meta.get(&owner)?))).await?;
        let (row, owner) = found.ok_or(AuthError::Unauthenticated)?;
        let read = Record::read(&row.value).zip(Account::read(&owner.value));
        let (record, account) = read.ok_or(AuthError::Unauthenticated)?;
        if !token.is_of(&record) || !account.honours(&record, now) {
            return Err(AuthError::Unauthenticated);
        }
        Ok(Found { token, record, version: row.version, account, edition: owner.version })
    }

    /// Whether it is by a logout that a token is not good any more: that leaves its account as it was.
    pub async fn is_logged_out(&self, came: &Identity) -> Result<bool, AuthError> {
        let owner = self.shelf.get(key(&came.user)).await?.and_then(|owner| Account::read(&owner.value));
        Ok(owner.is_some_and(|owner| !owner.disabled && owner.round == came.round))
    }

    /// Makes a token void.
    pub async fn void(&self, text: &str, now: Wall) -> Result<(), AuthError> {
        let token = self.look_up(text, now).await?.token;
        let written = self.shelf.write(vec![MetaOp::Remove(token_key(&token))]).await;
        written.map_err(|why| AuthError::Unavailable(why.to_string()))
    }

    /// Removes what an account's earlier rounds left behind. It is void already, so that a failure does no harm.
    pub async fn clear(&self, user: &UserName, account: &Account, now: Wall) {
        if let Ok(rows) = self.shelf.list(tokens_prefix(user), None).await {
            let void = surplus(&rows, account, usize::MAX, now).into_iter().map(MetaOp::Remove).collect();
            drop(self.shelf.write(void).await);
        }
    }

    /// Removes every token that has ended. Returns how many.
    pub async fn purge_expired(&self, now: Wall) -> Result<usize, AuthError> {
        let (mut purged, mut pages) = (0, self.shelf.pages(PREFIX));
        while let Some(page) = pages.next().await? {
            for (key, Versioned { version, value }) in page {
                if Record::read(&value).is_none_or(|record| record.is_over(now)) {
                    // It goes unless it was renewed meanwhile.
                    let swap = MetaOp::Swap(key.clone(), version, value);
                    purged += usize::from(self.shelf.try_write(vec![swap, MetaOp::Remove(key)]).await?);
                }
            }
        }
        Ok(purged)
    }

    fn end_of(&self, now: Wall) -> Wall {
        Wall(now.0.saturating_add(self.ttl.as_millis() as i64))
    }
}

fn identity(token: &Token, account: &Account, expires_at: Wall) -> Identity {
    let (user, token) = (token.user.clone(), token.reveal());
    Identity { user, standing: account.standing(), token, expires_at, grants: Grants::Any, round: account.round }
}
