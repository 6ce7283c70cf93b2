//! Faults planted on purpose, to see whether the tests would find them: none of them exists without the feature
//! `testing`, and with it none is there until somebody plants it.

/// A fault that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The log writer does not sync what it has written.
    SkippedSync,
}

/// All of them, with their names.
pub const BUGS: [(Bug, &str); 1] = [(Bug::SkippedSync, "skipped-sync")];

#[cfg(feature = "testing")]
thread_local! {
    /// Those planted on this thread, one bit for each.
    static HERE: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Plants exactly these, as far as this thread runs.
#[cfg(feature = "testing")]
pub fn plant(bugs: &[Bug]) {
    HERE.set(bugs.iter().fold(0, |bits, bug| bits | 1 << *bug as u32));
}

/// Whether this one is there: planted on this thread, or named, among others and parted by commas, by the variable
/// `PARLOR_PLANTED` when the process first looked.
#[cfg(feature = "testing")]
pub fn planted(bug: Bug) -> bool {
    static NAMED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let named = *NAMED.get_or_init(|| {
        let named = std::env::var("PARLOR_PLANTED").unwrap_or_default();
        let named = |name: &str| named.split(',').any(|given| given == name);
        BUGS.iter().filter(|(_, name)| named(name)).fold(0, |bits, (bug, _)| bits | 1 << *bug as u32)
    });
    (HERE.get() | named) & (1 << bug as u32) != 0
}

/// Whether this one is there: no.
#[cfg(not(feature = "testing"))]
pub const fn planted(_: Bug) -> bool {
    false
}
