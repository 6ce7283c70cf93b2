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
mod switch {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use super::{BUGS, Bug};

    thread_local! {
        /// One bit for each.
        static HERE: Cell<u32> = const { Cell::new(0) };
    }

    /// Plants exactly these, as far as this thread runs.
    pub fn plant(bugs: &[Bug]) {
        HERE.set(bugs.iter().fold(0, |bits, bug| bits | 1 << *bug as u32));
    }

    /// Those that the variable `PARLOR_PLANTED` named when the process first looked: names, parted by commas.
    fn everywhere() -> u32 {
        static NAMED: OnceLock<u32> = OnceLock::new();
        *NAMED.get_or_init(|| {
            let named = std::env::var("PARLOR_PLANTED").unwrap_or_default();
            let named = |name: &str| named.split(',').any(|given| given == name);
            BUGS.iter().filter(|(_, name)| named(name)).fold(0, |bits, (bug, _)| bits | 1 << *bug as u32)
        })
    }

    /// Whether this one is there.
    pub fn planted(bug: Bug) -> bool {
        (HERE.get() | everywhere()) & (1 << bug as u32) != 0
    }
}

#[cfg(feature = "testing")]
pub use switch::{plant, planted};

/// Whether this one is there: no.
#[cfg(not(feature = "testing"))]
pub const fn planted(_: Bug) -> bool {
    false
}
