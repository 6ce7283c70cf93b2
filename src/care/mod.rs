//! The care of data: looking whether a store is sound, mending it, taking it elsewhere, and making it smaller.
//!
//! [`examine`] goes through every row once and says what should be there: `verify` listens to what it found, `repair` writes
//! down what it keeps. Everything else reads through [`crate::store::Archive`], in pages, so that a server may go on
//! beside it. What is said to people, and where files lie, is `cli`'s.

mod backup;
mod build;
mod channels;
mod erase;
mod examine;
mod export;
mod fault;
mod import;
mod job;
mod lines;
mod log;
mod numbers;
mod records;
mod repair;
mod restore;
mod rows;
mod salvage;
mod stats;
mod walk;

#[cfg(test)]
mod moves_tests;
#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;

pub use examine::{Counts, Scope, examine};
pub use fault::{Fault, Sink, Stop};
pub use import::{add, look, make};
pub use job::Order;
pub(crate) use job::{Tools, begin, failed};
pub use repair::{another_life, aside, repair};
pub use restore::{check, restore};
pub use stats::Totals;
