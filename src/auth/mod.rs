//! Who someone is: guests, accounts, and their tokens.
//!
//! A secret is never stored, only its SHA-256; it is compared in constant time and stands in no `Debug` text.

mod account;
mod accounts;
mod attempts;
mod error;
mod external;
mod externals;
mod first;
mod gate;
mod guests;
mod invites;
mod logins;
#[cfg(test)]
pub(crate) mod memory_meta;
mod orders;
mod password;
mod shelf;
mod token;

use std::fmt;
use std::sync::Arc;

use crate::model::{Caller, Grants, Standing, UserName, Wall};
use crate::store::{Meta, ReadError};

pub use error::{AccountError, AuthError};
pub use external::KeyError;
pub use first::FirstError;
pub use gate::{Gate, Still};
pub use orders::{Login, Order, OrderError, Report, Row};
pub use password::Password;

/// Whether there is such a user: an account, or a guest whose time is not over. Blocks on the disk.
pub fn is_known(meta: &dyn Meta, user: &UserName) -> Result<bool, ReadError> {
    let key = if user.is_guest() { guests::key(user) } else { account::key(user) };
    Ok(meta.get(&key)?.is_some())
}

/// Runs a closure that blocks on the disk, away from every arbiter, on the store's read pool.
pub type Blocking = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// Someone whose token is good.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserName,
    /// In which standing.
    pub standing: Standing,
    /// What brings the same user back; a secret.
    pub token: String,
    /// When the token ends unless it is used before.
    pub expires_at: Wall,
    /// Where it lets its owner go.
    pub grants: Grants,
    /// Of an account: which round of its tokens this one belongs to.
    round: u64,
}

impl Identity {
    /// Whose words these are from here on.
    pub fn caller(&self) -> Caller {
        Caller { user: self.user.clone(), standing: self.standing, grants: self.grants.clone() }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
