//! Who is online: a pure table and wheel, and the registry actor around them.

mod messages;
pub mod wheel;

pub use messages::{Asker, OnlinePage, Reason, RegistryIn, Row, Seen, State, ToHub};
