//! How much of each channel is kept: what has to go, and a worker that has it go.
//!
//! `decide` says what has to go; `look` and `count` read what has to be known for that, a bounded bite at a time on the read
//! pool; `sweep` goes from channel to channel, and the actor around it does what it says. A channel's log is shortened by the
//! channel alone, in its own queue.

mod actor;
mod count;
mod decide;
mod look;
mod sweep;

pub use actor::{Retention, trim};
pub use count::{counted, measure};
pub use decide::Bounds;
