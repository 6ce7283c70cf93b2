//! Webhooks: signed requests that tell a backend of messages, members and presence.
//!
//! `hook` and `lane` decide; the actor does what they say, on a thread of its own. What happens is heard of through
//! [`Signals`], which neither block nor grow. Messages are read from their channel's log, up to a cursor for each webhook
//! and channel; events that have no log wait in a queue on disk, and `disk` writes both, late and in batches.

mod actor;
mod begin;
mod body;
mod disk;
mod end;
mod hook;
mod lane;
mod read;
mod records;
mod send;
mod sign;
mod signals;
mod step;

pub use actor::{Handle, Setting, Webhooks};
pub use sign::sign;
pub use signals::Signals;
