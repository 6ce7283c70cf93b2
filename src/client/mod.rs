//! A client library that keeps the protocol's promises, so that nobody has to write resume, retry and acknowledgement by
//! hand.
//!
//! ```no_run
//! use parlor::client::{Client, Event, Options, Start};
//!
//! # async fn example() -> Result<(), parlor::client::Error> {
//! let (client, mut events) = Client::start(Options::new("http://127.0.0.1:8080").guest("ann"))?;
//! client.join("lobby", Start::Stood).await?;
//! let receipt = client.say("lobby", "good morning").await?.await?;
//! println!("stored as number {}", receipt.seq);
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {}", message.from, message.text().unwrap_or("…"));
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it promises:
//!
//! - Of each channel that is joined the application gets every message once, in order, over lost connections, restarts of the
//!   server and changes of transport. What the log no longer has is told as [`Event::Hole`], a log that began anew as
//!   [`Event::Reset`].
//! - A publish that was accepted is sent until it is known to be stored, and stored once. [`Publishing`] waits for its receipt,
//!   and need not be waited for.
//! - It comes back by itself, with growing and random waits, or ends with [`State::Refused`] if the server does not want it
//!   as it is.
//! - WebSocket is used where it comes through, long-poll where it does not ([`Choice::Auto`]).
//! - Nothing in it grows without a bound. If the application does not take its [`Events`], the client stops reading, and
//!   its time stands still until they are taken. If the application waits for an answer meanwhile, only that is heard;
//!   messages are asked for again when there is room, and nothing is told of what has no cursor, such as who was typing.
//!   An application that wants no events drops them.
//!
//! What it does not do: commands other than `join`, `publish` and `watch` are not repeated when the connection goes; they end
//! with [`Error::Disconnected`]. Nothing is written to disk: keep [`Client::token`] and [`Client::cursors`], and give them
//! to the next client's [`Options`].
//!
//! Inside, `machine.rs` and the files that it uses decide, and know neither sockets nor time; `driver.rs` and the transports
//! do as they say.

mod answers;
mod api;
mod asks;
mod backoff;
mod calls;
mod driver;
mod error;
mod event;
mod events;
mod frames;
mod heard;
mod known;
mod line;
mod link;
mod longpoll;
mod machine;
mod options;
mod outbox;
mod place;
#[cfg(feature = "testing")]
pub mod stepped;
mod token;
mod track;
mod tracks;
mod websocket;

pub use answers::{ChannelRow, Channels, Draft, History, Who};
pub use api::{Client, Publishing};
pub use error::{Error, Fault};
pub use event::{Activity, Event, Joined, Member, Message, Presence, Receipt, State};
pub use events::Events;
pub use options::{Choice, Options, Start, Transport};

pub use crate::model::{Cursor, Epoch};
pub use crate::protocol::ErrorCode as Code;
