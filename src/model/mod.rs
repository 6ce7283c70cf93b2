//! The nouns that everybody shares: names, numbers, cursors, messages. No I/O, no clock, no actor.

mod address;
mod backoff;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod cases;
mod grants;
mod ids;
pub mod maps;
mod message;
mod names;
mod role;
mod schemas;
mod standing;
mod time;

pub use address::counted;
pub use backoff::jittered;
pub use grants::Grants;
pub use ids::{Conn, Cursor, Epoch, HubId, MAX_SEQ, Secret, Seq, Sid};
pub use message::{Key, Kind, Message};
pub use names::{ChannelName, NameError, UserName};
pub use role::Role;
pub(crate) use schemas::{AccountName, ChannelAsked, Place, WishedName};
pub use standing::{Caller, Standing};
pub use time::{Hour, Moment, Wall};
