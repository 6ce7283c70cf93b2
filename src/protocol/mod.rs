//! The wire protocol: what a client may say, what the server says, and the bytes between. `docs/protocol.md` is its
//! description; nothing here knows a transport.

mod close;
mod command;
mod decode;
mod encode;
mod json;
mod problem;
pub(crate) mod said;
mod tending;

pub use close::CloseCode;
pub use command::{Command, Hello, History, Join, Publish, Start, Watch};
pub use decode::{Bounds, Incoming};
pub use encode::{Frame, Limits, Posted, Published, Welcome, event, published, reply};
pub use problem::{ErrorCode, Problem};
pub use tending::{REASON_MAX, TITLE_MAX, Tending, title};

/// The protocol versions that this server speaks.
pub const VERSIONS: [u32; 1] = [1];

/// The longest `id` of a command, in bytes.
pub const ID_MAX: usize = 64;

/// The most names that one command may carry.
pub const USERS_MAX: usize = 500;
