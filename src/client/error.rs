//! What can go wrong, typed by the server's error codes. Pure.

use std::fmt;

use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use super::Code;

/// An `error` frame: what the server said was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// What sort; none if it is one that this client does not know.
    #[serde(deserialize_with = "known")]
    pub code: Option<Code>,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// When trying again makes sense, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The close code that follows, or that came.
    pub close: Option<u16>,
}

/// The code, if it is known: servers of later versions may have more.
fn known<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Code>, D::Error> {
    let name = String::deserialize(input)?;
    let code: Result<Code, ValueError> = Code::deserialize(name.into_deserializer());
    Ok(code.ok())
}

impl Fault {
    /// A fault of this sort, without more.
    pub(super) fn new(code: impl Into<Option<Code>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retry_after_ms: None, close: None }
    }

    /// Whether the same thing may work later.
    pub(super) fn passes(&self) -> bool {
        matches!(self.code, Some(Code::RateLimited | Code::Overloaded | Code::Unavailable | Code::Internal))
    }

    /// Whether it leaves open what became of a publish.
    pub(super) fn leaves_open(&self) -> bool {
        matches!(self.code, Some(Code::Unavailable | Code::Internal))
    }

    /// Whether a `hello` that got it should not be said again as it is.
    pub(super) fn refuses_hello(&self) -> bool {
        let codes = [Code::Unauthenticated, Code::Forbidden, Code::VersionUnsupported, Code::BadFrame];
        self.code.is_some_and(|code| codes.contains(&code))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code:?}: {}", self.message),
            None => write!(f, "Unknown: {}", self.message),
        }
    }
}

/// Why something that was asked of the client was not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused it; nothing was done.
    #[error("refused: {0}")]
    Server(Fault),
    /// A publish was refused, and what became of an earlier try of it is not known.
    #[error("refused, and an earlier try may have been stored: {0}")]
    Uncertain(Fault),
    /// There is no connection, or it went before there was an answer.
    #[error("there is no connection")]
    Disconnected,
    /// No answer came in time.
    #[error("no answer came in time")]
    Timeout,
    /// As much is waiting as may wait.
    #[error("as much is waiting as may wait")]
    Full,
    /// The server has shut this client out for good.
    #[error("shut out: {0}")]
    Refused(Fault),
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
    /// What was asked is not well-formed.
    #[error("{0}")]
    Invalid(String),
    /// The server's answer is not what the protocol says.
    #[error("expected an answer as the protocol has it: {0}")]
    Answer(String),
}

impl Error {
    /// What the server said, if it said something.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Server(fault) | Self::Uncertain(fault) | Self::Refused(fault) => Some(fault),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_of_a_later_server_is_taken_as_the_general_case() {
        let fault: Fault = serde_json::from_str(r#"{"type":"error","code":"melted","message":"x","new":1}"#).unwrap();
        assert_eq!(fault, Fault::new(None, "x"));
        let fault: Fault = serde_json::from_str(r#"{"code":"not_found","close":4500}"#).unwrap();
        assert_eq!((fault.code, fault.close), (Some(Code::NotFound), Some(4500)));
    }
}
