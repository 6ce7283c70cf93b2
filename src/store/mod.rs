//! Where messages and small records live: the seams, and everything that stands behind them on one machine.
//!
//! [`ChannelLog`] and [`Meta`] are what the rest of Parlor sees; no sled type, no wire name and no actor crosses them.

mod error;
mod log;
mod meta;

pub use error::{AppendError, OpenError, ReadError};
pub use log::{ChannelLog, Done, Hash, Head};
pub use meta::{Meta, MetaOp, Versioned, WriteError};
