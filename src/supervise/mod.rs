//! What every long-lived actor shares: a counted mailbox, a probe that shows its work, and a keeper that
//! rebuilds it after a panic.
//!
//! A probe is read without asking the actor: a scrape enters no mailbox.

#[cfg(feature = "testing")]
pub mod carrier;
mod faults;
mod keeper;
mod post;
mod probe;

pub use faults::Faults;
pub use keeper::{Budget, Keeper, attempt};
pub use post::{Envelope, Post};
pub use probe::{Probe, Probes, Snapshot};
