//! Who someone is: guests and their tokens.
//!
//! A secret is never stored, only its SHA-256; it is compared in constant time and stands in no `Debug` text.

mod guests;
#[cfg(test)]
pub(crate) mod memory_meta;
mod token;

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::model::{NameError, UserName, Wall};

pub use guests::Guests;

/// Runs a closure that blocks on the disk, away from every arbiter, on the store's read pool.
pub type Blocking = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// Someone whose token is good.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserName,
    /// Whether a guest.
    pub guest: bool,
    /// What brings the same user back; a secret.
    pub token: String,
    /// When the token ends unless it is used before.
    pub expires_at: Wall,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why someone was not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    /// The token is not one of ours, or has expired.
    #[error("the token is unknown or has expired")]
    Unauthenticated,
    /// Guests are off.
    #[error("guests are not let in here")]
    Forbidden,
    /// The store did not answer.
    #[error("nobody can be let in now: {0}")]
    Unavailable(String),
    /// The wished name is none.
    #[error(transparent)]
    BadName(#[from] NameError),
}
