//! How much of each channel is kept: what has to go, and a worker that has it go.
//!
//! What goes is decided by `decide`; what has to be known for that is read a bounded bite at a time on the read
//! pool. A channel's log is shortened by the channel alone, in its own queue.

mod count;
mod decide;

pub use count::{counted, measure};
pub use decide::Bounds;
