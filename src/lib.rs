//! Parlor: a chat server. Durable, ordered channels and true presence, over WebSocket and HTTP long-poll.
//!
//! `docs/architecture.md` walks one message, one heartbeat and one scrape through these folders. A folder imports
//! only from those to its left:
//!
//! `model clock metrics < protocol config logging store auth supervise trust < webhooks < presence < channel < retention session
//! < transport admin web < api < server < cli`
//!
//! Beside them stands `client`, the client library, with the feature of that name; it knows `model protocol clock trust` alone; and, with
//! the feature `testing`, `checker`, which knows none of the others.

pub mod admin;
pub mod api;
pub mod auth;
mod care;
pub mod channel;
#[cfg(feature = "testing")]
pub mod checker;
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
pub mod config;
mod http;
pub mod logging;
pub mod metrics;
pub mod model;
#[doc(hidden)]
pub mod planted;
pub mod presence;
pub mod protocol;
pub mod retention;
pub mod server;
pub mod session;
pub mod store;
pub mod supervise;
pub mod transport;
mod trust;
pub mod web;
pub mod webhooks;
