//! Configuration in two steps: what was written (names, types, defaults: `raw`), then what it means ([`Config`]).
//!
//! The defaults lie below the file, the file below the environment. Everything that is wrong is refused at once,
//! each fault with the place where it stands; nothing unknown is passed over.

mod check;
mod fault;
mod load;
mod print;
mod raw;
mod retention;
mod valid;
mod web;
mod webhooks;

use std::path::Path;

pub use fault::{ConfigErrors, Fault, Place, Problem};
pub use retention::Retention;
pub(crate) use retention::{AGE_MAX_S, BYTES_MAX, COUNT_MAX};
pub use valid::{
    Admin, Algorithm, Argon2, Auth, Bind, Channels, Config, Durability, Engine, Jwt, JwtKey, Limits, LogFormat,
    Logging, Presence, Proxy, ProxyHeader, Rates, Registration, Server, Store, Tls,
};
pub use web::Web;
pub use webhooks::{Secret, Webhook, holds};

impl Config {
    /// Reads a file, if one is given, and those variables of the environment whose names begin with `PARLOR__`.
    ///
    /// `PARLOR__SERVER__BIND` sets `server.bind`, in whatever case; lists are separated by commas or written as TOML.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let mut gathered = load::Gathered::new();
        if let Some(path) = file {
            gathered.file(path);
        }
        gathered.environment(environment);
        Self::judge(gathered)
    }

    /// The last step: ranges and relations, and then either all faults or a configuration.
    fn judge(mut gathered: load::Gathered) -> Result<Self, ConfigErrors> {
        let raw = gathered.raw();
        let (config, faults) = check::check(raw, &gathered.places);
        gathered.faults.extend(faults);
        if gathered.faults.is_empty() { Ok(config) } else { Err(ConfigErrors(gathered.faults)) }
    }
}

impl Default for Config {
    /// What holds where nothing is set. A test holds it free of faults.
    fn default() -> Self {
        check::check(raw::Raw::default(), &fault::Places::new()).0
    }
}

#[cfg(test)]
mod tests;
