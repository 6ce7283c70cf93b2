//! Guests: people without an account, who come back as the same guest by their token.
//!
//! A guest is one record, `guest/<name>`, made durably before its token is given out. The token lives for a while after
//! it was last used; [`Guests::purge_expired`] removes those whose time is over with everything that was theirs. Reads
//! run on the read pool, never on an arbiter.

use std::time::Duration;

use bytes::Bytes;

use super::shelf::{PAGE, Shelf};
use super::token::{Record, Token};
use super::{AuthError, Identity};
use crate::clock;
use crate::model::{Grants, Standing, UserName, Wall};
use crate::store::{Membership, MetaOp, Versioned, WriteError, mark_key, places_prefix};

/// Below this prefix the store keeps guests.
pub(super) const PREFIX: &str = "guest/";
/// The name that one without a wish gets.
const NO_WISH: &str = "guest";
/// How many names are tried until one is free; five random characters rarely collide.
const TRIES: usize = 8;

/// Lets guests in.
#[derive(Clone)]
pub(super) struct Guests {
    on: bool,
    ttl: Duration,
    shelf: Shelf,
}

impl Guests {
    /// Guests whose tokens live for `ttl` after they were last used; with `on` false nobody is let in.
    pub fn new(on: bool, ttl: Duration, shelf: Shelf) -> Self {
        Self { on, ttl, shelf }
    }

    /// Makes a new guest, named after `wish`. It is on disk when this returns.
    pub async fn arrive(&self, wish: Option<&str>, now: Wall) -> Result<Identity, AuthError> {
        self.are_let_in()?;
        let wish = wish.unwrap_or(NO_WISH);
        let expires_at = self.end(now);
        for _ in 0..TRIES {
            let token = Token::new(UserName::guest(wish, clock::random())?, clock::random());
            let record = token.record(now, expires_at).bytes();
            match self.shelf.write(vec![MetaOp::Create(key(&token.user), record)]).await {
                Ok(()) => return Ok(identity(&token, expires_at)),
                Err(WriteError::Conflict(_)) => {}
                Err(why) => return Err(AuthError::Unavailable(why.to_string())),
            }
        }
        Err(AuthError::Unavailable(format!("found no free name like ~{wish}")))
    }

    /// Lets a guest back in by its token. With less than half of its time left, the token's life starts over.
    pub async fn return_with(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        self.prolong(token, now, self.ttl / 2).await
    }

    /// The same for one who asks for it: the token's life starts over, whatever is left of it.
    pub async fn refresh(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        self.prolong(token, now, self.ttl).await
    }

    /// Has a good token's life start over if less than `enough` is left of it.
    async fn prolong(&self, token: &str, now: Wall, enough: Duration) -> Result<Identity, AuthError> {
        let (token, record, version) = self.look_up(token, now).await?;
        let expires_at = record.expires();
        let left = expires_at.0.saturating_sub(now.0);
        if left >= enough.as_millis() as i64 {
            return Ok(identity(&token, expires_at));
        }
        let longer = self.end(now);
        let swap = MetaOp::Swap(key(&token.user), version, record.until(longer).bytes());
        match self.shelf.write(vec![swap]).await {
            Ok(()) => Ok(identity(&token, longer)),
            // Someone else extended it, or nobody can just now: the token is good until then at least.
            Err(_) => Ok(identity(&token, expires_at)),
        }
    }

    /// Who a token is of, and until when, writing nothing: for a request that only needs to know.
    pub async fn check(&self, token: &str, now: Wall) -> Result<Identity, AuthError> {
        let (token, record, _) = self.look_up(token, now).await?;
        Ok(identity(&token, record.expires()))
    }

    /// Makes a guest's token void. The guest goes with the next purge.
    pub async fn void(&self, token: &str, now: Wall) -> Result<(), AuthError> {
        loop {
            let (token, record, version) = self.look_up(token, now).await?;
            let void = record.until(Wall(0)).bytes();
            // Renewed meanwhile, it is looked at again.
            if self.shelf.try_write(vec![MetaOp::Swap(key(&token.user), version, void)]).await? {
                return Ok(());
            }
        }
    }

    /// Removes every guest whose token has ended, with its memberships and when it was last seen. Returns how many.
    pub async fn purge_expired(&self, now: Wall) -> Result<usize, AuthError> {
        let (mut purged, mut pages) = (0, self.shelf.pages(PREFIX));
        while let Some(page) = pages.next().await? {
            for (key, row) in page {
                let over = Record::read(&row.value).is_none_or(|record| record.is_over(now));
                if over && self.purge(&key, &row).await? {
                    purged += 1;
                }
            }
        }
        Ok(purged)
    }

    /// Removes one guest. The token is made void first, by a write that fails if the guest was renewed meanwhile; the
    /// record goes last, so that what a crash interrupts is done again.
    async fn purge(&self, key: &str, row: &Versioned) -> Result<bool, AuthError> {
        let void = Record::read(&row.value).map_or_else(Bytes::new, |record| record.until(Wall(0)).bytes());
        if !self.shelf.try_write(vec![MetaOp::Swap(key.to_owned(), row.version, void)]).await? {
            return Ok(false);
        }
        let user = &key[PREFIX.len()..];
        let memberships = places_prefix(user);
        loop {
            let page = self.shelf.list(memberships.clone(), None).await?;
            let full = page.len() == PAGE;
            let mut ops = Vec::with_capacity(3 * page.len() + 2);
            for (membership, _) in page {
                let channel = &membership[memberships.len()..];
                ops.extend(Membership::end(channel, user));
                ops.push(MetaOp::Remove(mark_key(channel, user)));
            }
            if !full {
                ops.push(MetaOp::Remove(format!("seen/{user}")));
                ops.push(MetaOp::Remove(format!("visible/{user}")));
                ops.push(MetaOp::Remove(key.to_owned()));
            }
            self.shelf.write(ops).await.map_err(|why| AuthError::Unavailable(why.to_string()))?;
            if !full {
                return Ok(true);
            }
        }
    }

    fn are_let_in(&self) -> Result<(), AuthError> {
        if self.on { Ok(()) } else { Err(AuthError::Forbidden) }
    }

    fn end(&self, now: Wall) -> Wall {
        Wall(now.0.saturating_add(self.ttl.as_millis() as i64))
    }

    /// The record of a good token, with its version.
    async fn look_up(&self, text: &str, now: Wall) -> Result<(Token, Record, u64), AuthError> {
        let token = Token::parse(text).ok_or(AuthError::Unauthenticated)?;
        self.are_let_in()?;
        let wanted = key(&token.user);
        let found = self.shelf.get(wanted).await?.ok_or(AuthError::Unauthenticated)?;
        let record = Record::read(&found.value).ok_or(AuthError::Unauthenticated)?;
        if !token.is_of(&record) || record.is_over(now) {
            return Err(AuthError::Unauthenticated);
        }
        Ok((token, record, found.version))
    }
}

/// Where a guest is kept.
pub(super) fn key(user: &UserName) -> String {
    format!("{PREFIX}{user}")
}

fn identity(token: &Token, expires_at: Wall) -> Identity {
    Identity {
        user: token.user.clone(),
        standing: Standing::Guest,
        token: token.reveal(),
        expires_at,
        grants: Grants::Any,
        round: 0,
    }
}

#[cfg(test)]
#[path = "guests_tests.rs"]
mod tests;
