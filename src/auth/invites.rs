//! Invitations: codes by which so many accounts may be made where not everyone may make one.
//!
//! An invitation is one record, `invite/<SHA-256 of its code>`. Using it is part of the write that makes the account.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::AuthError;
use super::shelf::Shelf;
use crate::clock;
use crate::model::Wall;
use crate::store::{MetaOp, Versioned, WriteError};

/// Below this prefix the store keeps invitations.
const PREFIX: &str = "invite/";

/// An invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Invite {
    /// How many more accounts may be made by it.
    left: u32,
    /// When it ends, in milliseconds since 1970.
    expires: i64,
}

impl Invite {
    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    fn bytes(self) -> Bytes {
        serde_json::to_vec(&self).map(Bytes::from).unwrap_or_default()
    }

    fn is_over(self, now: Wall) -> bool {
        self.left == 0 || self.expires <= now.0
    }
}

/// All invitations.
#[derive(Clone)]
pub(super) struct Invites {
    shelf: Shelf,
}

impl Invites {
    pub fn new(shelf: Shelf) -> Self {
        Self { shelf }
    }

    /// Makes one that is good for `uses` accounts until `expires`, and gives its code, which is kept nowhere.
    pub async fn make(&self, uses: u32, expires: Wall) -> Result<String, AuthError> {
        let code = hex::encode(clock::random::<16>());
        let invite = Invite { left: uses, expires: expires.0 };
        let written = self.shelf.write(vec![MetaOp::Create(key(&code), invite.bytes())]).await;
        written.map(|()| code).map_err(|why: WriteError| AuthError::Unavailable(why.to_string()))
    }

    /// What uses a code once; `None` if it is not good. It fails if someone else uses it at the same moment.
    pub async fn using(&self, code: &str, now: Wall) -> Result<Option<Vec<MetaOp>>, AuthError> {
        let key = key(code);
        let Some(Versioned { version, value }) = self.shelf.get(key.clone()).await? else { return Ok(None) };
        let Some(invite) = Invite::read(&value).filter(|invite| !invite.is_over(now)) else { return Ok(None) };
        let left = Invite { left: invite.left - 1, ..invite };
        let mut ops = vec![MetaOp::Swap(key.clone(), version, left.bytes())];
        if left.left == 0 {
            ops.push(MetaOp::Remove(key));
        }
        Ok(Some(ops))
    }

    /// Removes those that have ended.
    pub async fn purge_expired(&self, now: Wall) -> Result<(), AuthError> {
        let over = |row: &Versioned| Invite::read(&row.value).is_none_or(|invite| invite.is_over(now));
        let mut pages = self.shelf.pages(PREFIX);
        while let Some(page) = pages.next().await? {
            let ops: Vec<_> =
                page.into_iter().filter(|(_, row)| over(row)).map(|(key, _)| MetaOp::Remove(key)).collect();
            if !ops.is_empty() {
                self.shelf.try_write(ops).await?;
            }
        }
        Ok(())
    }
}

/// Where the invitation with this code is kept; how long it takes to find tells nothing of the codes that there are.
fn key(code: &str) -> String {
    format!("{PREFIX}{}", hex::encode(Sha256::digest(code.as_bytes())))
}
