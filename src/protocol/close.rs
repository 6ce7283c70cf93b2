//! Why a session ends, as a WebSocket close code (protocol, section 4; RFC 6455, section 7.4).

use std::borrow::Cow;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::ErrorCode;

/// A close code. Up to 4499 means "come back and resume", 4500 and above "do not come back as you are".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// Said goodbye.
    Normal = 1000,
    /// The server is stopping.
    Draining = 1001,
    /// Broke the WebSocket protocol.
    ProtocolError = 1002,
    /// Sent a binary message.
    Unsupported = 1003,
    /// Sent text that is not UTF-8.
    BadText = 1007,
    /// Sent a frame above the limit.
    TooBig = 1009,
    /// Was not heard from in time.
    Timeout = 4000,
    /// Read too slowly.
    TooSlow = 4001,
    /// Said no hello in time.
    NoHello = 4002,
    /// The server has no room now.
    Later = 4003,
    /// Token unknown or expired.
    Unauthenticated = 4500,
    /// Made to leave.
    Kicked = 4501,
    /// Shut out.
    Banned = 4502,
    /// Too many bad frames in a row.
    BadFrames = 4503,
    /// Asked for a version that is not spoken.
    Version = 4504,
}

impl CloseCode {
    /// All of them, and what each says.
    pub const ALL: [(Self, &str); 15] = [
        (Self::Normal, "Said goodbye."),
        (Self::Draining, "The server is stopping: come back."),
        (Self::ProtocolError, "Broke the WebSocket protocol."),
        (Self::Unsupported, "Sent a binary message."),
        (Self::BadText, "Sent text that is not UTF-8."),
        (Self::TooBig, "Sent a frame above the limit."),
        (Self::Timeout, "Was not heard from in time: come back."),
        (Self::TooSlow, "Read too slowly: come back with your cursors."),
        (Self::NoHello, "Said no hello in time: come back."),
        (Self::Later, "No room, or a part of the server broke, or your standing has changed: come back later."),
        (Self::Unauthenticated, "The token is unknown, expired or void, or guests are not let in."),
        (Self::Kicked, "Made to leave."),
        (Self::Banned, "Shut out."),
        (Self::BadFrames, "Too many bad frames in a row."),
        (Self::Version, "Asked for a version that is not spoken."),
    ];

    /// The number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The error that precedes this close; none up to 4000.
    pub fn error(self) -> Option<ErrorCode> {
        match self {
            Self::TooSlow | Self::Later => Some(ErrorCode::Overloaded),
            Self::NoHello | Self::Unauthenticated => Some(ErrorCode::Unauthenticated),
            Self::Kicked | Self::Banned => Some(ErrorCode::Forbidden),
            Self::BadFrames => Some(ErrorCode::BadFrame),
            Self::Version => Some(ErrorCode::VersionUnsupported),
            _ => None,
        }
    }
}

impl PartialSchema for CloseCode {
    fn schema() -> RefOr<Schema> {
        let all = Self::ALL.map(|(code, _)| code.number());
        let about = "Up to 4499: come back and resume. From 4500 on: do not come back as you are.";
        ObjectBuilder::new().schema_type(Type::Integer).description(Some(about)).enum_values(Some(all)).into()
    }
}

impl ToSchema for CloseCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("CloseCode")
    }
}
