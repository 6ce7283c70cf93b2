//! Who is online: a pure table and wheel, and the registry actor around them.
//!
//! The registry alone declares a session dead, and a restart of it calls nobody offline. Nobody is written down as
//! online: the disk keeps only when someone was last heard from.

mod actor;
mod contacts;
pub mod delta;
mod gone;
mod hidden;
mod messages;
mod notes;
pub mod table;
pub mod wheel;

pub use actor::{Registry, RegistryHandle, Sight};
pub use contacts::{CONTACTS_PREFIX, Contacts, contacts_key};
pub use gone::{LAST_SEEN_PREFIX, last_seen_key, last_seen_text, parse_last_seen};
pub use hidden::{Hidden, VISIBLE_PREFIX};
pub use messages::{Asked, Asker, OnlinePage, PRESENCE, Reason, RegistryIn, Row, Seen, State, ToHub, Whom};
pub use table::Table;
