//! What a channel has made of someone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What someone may do in a channel (protocol, section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Owner,
    /// Keep order among those below.
    Moderator,
    /// What everyone may.
    #[default]
    Member,
    /// Read, and say nothing.
    Muted,
}
