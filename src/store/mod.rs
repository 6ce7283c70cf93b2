//! Where messages and small records live: the seams, and everything that stands behind them on one machine.
//!
//! [`ChannelLog`] and [`Meta`] are what the rest of Parlor sees; no sled type, no wire name and no actor crosses them.
//! Behind them, from the top: [`Store`] opens and ends it all; `local` reads and queues; `writer` makes commits of
//! what `commit` and `prune` decide; `record`, `block`, `entry`, `life`, `seal` and `keys` are the bytes; [`Rows`] is
//! the ordered map that an engine keeps: `memory`, `sled`, or [`Failing`], a shim that breaks another one for tests. In front
//! of them [`Behind`] carries to [`Meta`] what is noted late.

mod archive;
mod behind;
#[cfg(feature = "testing")]
pub mod bench;
pub(crate) mod block;
mod commit;
#[doc(hidden)]
pub mod conformance;
pub(crate) mod entry;
mod error;
mod facade;
mod failing;
mod figures;
mod health;
mod index;
mod kept;
pub(crate) mod keys;
pub(crate) mod life;
mod local;
mod log;
mod memory;
pub(crate) mod mend;
mod meta;
mod places;
mod prune;
mod queue;
mod reads;
pub(crate) mod record;
mod reply;
mod rows;
pub(crate) mod seal;
mod sled;
mod small;
mod view;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use archive::{Archive, Kept, REDACTED, Standing};
pub use behind::{Behind, Late};
pub(crate) use commit::{MAX_META, open_meta, seal_meta};
pub use error::{AppendError, OpenError, ReadError};
pub use facade::Store;
pub use failing::{Failing, Fault, Trouble};
pub use health::Health;
pub use kept::{Keep, SIZES, Size, keep_key, size_key};
pub use log::{ChannelLog, Done, Hash, Head, Trimmed, Unread};
pub use memory::MemoryRows;
pub use meta::{Meta, MetaOp, Tell, Versioned, WriteError};
pub(crate) use places::asked_key;
pub use places::{
    Mark, Membership, Place, asked_prefix, mark_key, marks_prefix, member_key, members_prefix, place_key, places_prefix,
};
pub use queue::LOG_WRITER;
pub use reads::{READ, Reads};
pub use rows::{Batch, EngineError, MAX_VALUE, Rows, Visit};
pub use sled::{Beside, Damage, Hole, SledRows, Wreck};
#[cfg(feature = "testing")]
pub use writer::Stepped;
