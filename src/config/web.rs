//! `[web]`: which of the program's pages are shown.

use serde::{Deserialize, Serialize};

/// Pages for everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Whether the chat page is at `/`.
    pub chat: bool,
}

impl Default for Web {
    fn default() -> Self {
        Self { chat: true }
    }
}
