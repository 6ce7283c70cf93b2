//! The `error` frame's content: what a client is told when something was not done.

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::CloseCode;

/// The error codes of the protocol, section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// Not a frame by the protocol's grammar.
    BadFrame,
    /// A `type` that is not known.
    UnknownType,
    /// A version that is not spoken.
    VersionUnsupported,
    /// No hello yet, or a token that is not good.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// Not there, or not for the caller to see.
    NotFound,
    /// Neither subscribed nor a member.
    NotJoined,
    /// Above a limit of size or number.
    TooLarge,
    /// Too fast.
    RateLimited,
    /// Too much at once.
    Overloaded,
    /// At odds with what is there.
    Conflict,
    /// Cannot be done now; a publish's outcome is unknown.
    Unavailable,
    /// A fault of the server; a publish's outcome is unknown.
    Internal,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::BadFrame,
        Self::UnknownType,
        Self::VersionUnsupported,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::NotJoined,
        Self::TooLarge,
        Self::RateLimited,
        Self::Overloaded,
        Self::Conflict,
        Self::Unavailable,
        Self::Internal,
    ];
}

/// The most characters that a message has, but for the one that says that there were more.
pub const MESSAGE_MAX: usize = 256;

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// What sort.
    pub code: ErrorCode,
    /// For people.
    #[schema(max_length = 257)]
    pub message: String,
    /// When trying again makes sense, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after_ms: Option<u64>,
    /// The close that follows.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "number")]
    #[schema(nullable = false)]
    pub close: Option<CloseCode>,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn number<S: Serializer>(code: &Option<CloseCode>, out: S) -> Result<S::Ok, S::Error> {
    code.map(CloseCode::number).serialize(out)
}

impl Problem {
    /// A problem of this sort, said in words, which may repeat what a client sent: not all of it.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX) {
            message.truncate(end);
            message.push('…');
        }
        Self { code, message, retry_after_ms: None, close: None }
    }

    /// The same, with a time to wait.
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// Shorthand for the commonest one.
    pub fn bad_frame(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadFrame, message)
    }

    /// A channel that is not there or not to be seen.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "there is no such channel")
    }

    /// Something that may work later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message).retry_after(1000)
    }
}
