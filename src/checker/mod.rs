//! Checks recorded histories of clients against the protocol's promises; with the feature `testing`.
//!
//! It knows nothing of the server: it is given what clients sent, were told and received, and says which promise that
//! breaks. The simulation and the torture program record such histories; so can anyone else.
//!
//! Each file holds the rules of one theme and names them at its head: `order` (one order, durable), `subscription` and
//! `resume` (streams and where they begin), `receipts` (once), `pages` (history), `reads` (positions and memberships),
//! `replies`, `presence`, `hello` (beginnings, ends, tokens) and `shape` (members, types and codes).
//!
//! Where the protocol leaves freedom, or a history does not decide, nothing is said. What a history has to hold, so that
//! what is said is right:
//!
//! - every session and every publish of a user who is welcomed in it, and one server's store: a publish by a plain
//!   request, or a session that was not written down, would look like something that nobody did;
//! - `Opened` before anything else of a session, and the token in the `hello` itself where one is shown;
//! - an id of its own for each command of a session: of one that was used twice nothing is checked;
//! - `ServerSlow` and `ServerWell` around each fault that is made in the server, be it ever so short;
//! - `Hampered` before frames of a session are held back or its requests are cut off, and before its client stops reading.
//!
//! One pass is made over the entries, with maps for sessions, channels and users.

mod cx;
mod found;
mod frame;
#[cfg(test)]
mod good_tests;
mod hello;
mod history;
mod names;
mod order;
mod pages;
mod presence;
mod reads;
mod receipts;
mod replies;
mod resume;
mod run;
#[cfg(test)]
mod sample;
mod session;
mod shape;
mod subscription;
mod summary;
mod trouble;

pub use history::{By, Entry, History, SessionNo, What};
pub use summary::{Summary, count};

/// Checks a history: the promises that it breaks, by time, and no more than the first hundred.
pub fn check(history: &History, terms: &Terms) -> Vec<Breach> {
    examine(history, terms).0
}

/// As [`check`], and says what there was to check.
pub fn examine(history: &History, terms: &Terms) -> (Vec<Breach>, Summary) {
    let mut run = run::Run::new(terms);
    history.entries.iter().for_each(|entry| run.step(entry));
    let (breaches, presence_decided) = run.finish();
    (breaches, Summary { presence_decided, ..count(history) })
}

/// What the checker is to expect of the server and of the clocks.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// `presence.heartbeat_ms`
    pub heartbeat_ms: u64,
    /// `presence.timeout_ms`
    pub timeout_ms: u64,
    /// `presence.sweep_ms`
    pub sweep_ms: u64,
    /// How late anything may be because the machine is slow: added to every bound.
    pub slack_ms: u64,
    /// `limits.replay_max`
    pub replay_max: u64,
    /// Whether `store.durability` is `always`.
    pub durable: bool,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// When it was seen, by the history's clock.
    pub at: u64,
    /// Which promise: the name of the rule.
    pub rule: &'static str,
    /// What is wrong, with sessions, channels and places.
    pub text: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms: {}: {}", self.at, self.rule, self.text)
    }
}
