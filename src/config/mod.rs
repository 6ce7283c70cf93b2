//! Configuration in two steps: what was written ([`raw`]), then what it means ([`Config`]).

mod valid;

pub use valid::{
    Auth, Bind, Channels, Config, Durability, Engine, Limits, LogFormat, Logging, Presence, Rates, Registration,
    Server, Store,
};
