//! Sessions: one connected client of a user, the same whatever transport it came by.
//!
//! The pure parts decide (`Machine`, [`Outbox`], `Pending`,
//! `Feed`); the session's actor and its worker's hub do. Everything of one session lives on one worker's
//! thread, in a [`Cell`] that actor, hub and wire share there.

mod actor;
mod admission;
mod app;
mod asides;
mod beats;
#[cfg(feature = "testing")]
pub mod bench;
mod cell;
mod contacts;
mod counts;
mod feed;
mod hello;
mod hub;
mod lists;
mod machine;
mod memberships;
mod messages;
mod outbox;
mod pass;
mod pending;
mod pulls;
mod queries;
mod rate;
mod rates;
mod survey;
mod turns;
mod watches;
mod wire;
mod worker;

pub use actor::Session;
pub use admission::{Admission, OPERATORS};
pub use app::App;
pub use cell::{Cell, Over, Settled, Shared};
pub use contacts::follow;
pub use hub::Hub;
pub use messages::{HUB, HubIn, SESSION, SessionIn};
pub use outbox::{Outbox, Overflow};
pub use survey::Row;
pub use turns::{Seat, Turn};
pub use wire::Wire;
#[cfg(feature = "testing")]
pub use worker::pose;
pub use worker::{Door, Purpose, Worker};
