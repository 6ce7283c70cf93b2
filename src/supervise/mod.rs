//! What every long-lived actor shares: a counted mailbox, a probe that shows its work, and a keeper that
//! rebuilds it after a panic.
//!
//! A probe is read without asking the actor: a scrape enters no mailbox.

mod ages;
#[cfg(feature = "testing")]
pub mod carrier;
mod faults;
mod keeper;
mod kind;
mod panics;
mod post;
mod probe;
mod say;
mod slow;
mod vitals;

pub use faults::Faults;
pub use keeper::{Budget, Keeper, attempt, endure};
pub(crate) use kind::named;
pub use kind::{Kind, Lasting, Named};
pub use panics::{Panic, caught, caught_all, log_panics};
pub use post::{Envelope, Post};
pub use probe::{Probe, Probes, Snapshot};
pub use vitals::{Life, Vitals};
