//! The shapes of load, one file each.

pub mod fanout;
pub mod idle;
pub mod longpoll;
pub mod mixed;
pub mod pair;
pub mod posts;
pub mod quiet;
pub mod receipts;
pub mod reconnect;
pub mod setting;
