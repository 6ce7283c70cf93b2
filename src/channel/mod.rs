//! Channels: who numbers a message, keeps it, and says so.
//!
//! The pure parts decide (`State` and what it is made of); the actor does what they say. A channel never
//! addresses a session: all it says goes to the workers' hubs, one ordered stream for each, so that a join's answer, the
//! deliveries, the receipts and a goodbye cannot overtake each other.

mod ack;
mod actor;
#[cfg(feature = "testing")]
pub mod bench;
mod commands;
mod decision;
mod dedup;
mod directory;
mod disk;
mod lanes;
mod links;
mod listing;
mod loading;
mod making;
mod messages;
mod orders;
mod publish;
mod resume;
mod rights;
mod roster;
mod sequencer;
mod shown;
mod state;
mod step;
mod tending;
mod window;

pub use ack::Ack;
pub use directory::{Context, Directory, Hubs};
pub use listing::{Seen, list, seen};
pub use messages::{
    Action, Answer, Aside, Batch, CHANNEL, ChannelIn, Closed, Draft, Hears, Item, Joined, Origin, Permit, Subscriber,
    ToHub, Told, Volume,
};
pub use orders::{Order, Tell};
pub use shown::Glance;
