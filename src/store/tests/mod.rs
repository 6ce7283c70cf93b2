//! Suites that are larger than one file of the store.

mod beside;
mod damage;
mod failures;
mod interval;
mod limits;
mod model;
mod suite;
pub(super) mod support;
