//! In which standing someone speaks.

use super::{Grants, UserName};

/// What someone is to the server, whatever a channel has made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Someone whose token keeps out of the channel: it does not exist for them.
    Barred,
    /// Someone without an account.
    Guest,
    /// Someone with an account.
    Account,
    /// An account that a token lets into the channel without an invitation.
    Vouched,
    /// An account whose word goes everywhere.
    Operator,
}

/// Who asks, and in which standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub user: UserName,
    /// In which standing.
    pub standing: Standing,
    /// Where they may go.
    pub grants: Grants,
}

impl Caller {
    /// One who reads without saying who it is.
    pub fn nobody() -> Self {
        Self { user: UserName::nobody(), standing: Standing::Guest, grants: Grants::Any }
    }
}
