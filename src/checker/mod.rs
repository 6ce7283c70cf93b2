//! Checks recorded histories of clients against the protocol's promises; with the feature `testing`.
//!
//! It knows nothing of the server: it is given what clients sent, were told and received, and says which promise that
//! breaks. The simulation and the torture program record such histories; so can anyone else.

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
