//! The nouns that everybody shares: names, numbers, cursors, messages. No I/O, no clock, no actor.

mod ids;
pub mod maps;
mod message;
mod names;
mod time;

pub use ids::{Conn, Cursor, Epoch, HubId, MAX_SEQ, Secret, Seq, Sid};
pub use message::{Key, Kind, Message};
pub use names::{ChannelName, NameError, UserName};
pub use time::{Hour, Moment, Wall};
