//! The shapes of load, one file each.

pub mod fanout;
pub mod idle;
pub mod receipts;

mod posts;
mod setting;
