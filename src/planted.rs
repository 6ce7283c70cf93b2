//! Faults planted on purpose, to see whether the tests would find them: none of them exists without the feature
//! `testing`, and with it none is there until somebody plants it.

/// A fault that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The log writer does not sync what it has written.
    SkippedSync,
    /// The log writer says that it has written what it is about to write.
    ReceiptBeforeCommit,
    /// A store that may have lost something that was told keeps its generation.
    EpochKept,
    /// A replay begins one message too late.
    ReplayOffByOne,
    /// A join whose cursor is of another life, or too old, says that there is no gap.
    GapUntold,
    /// A hub does not look whether it was handed the next message.
    JumpNotFilled,
    /// A session that has had its last page goes live, whatever came meanwhile.
    LiveTooSoon,
    /// A session that joins again is not taken out of the channel's stream before.
    OldStreamGoesOn,
    /// A channel that is loaded does not learn the keys that were used.
    KeysForgotten,
    /// A key with a base is looked for in memory alone.
    SearchStopsEarly,
    /// Answers of a lane go out as they come.
    ReceiptsOvertake,
    /// A channel goes to sleep although a command is on its way to it.
    AsleepUnderWay,
    /// A read position is whatever was said last.
    ReadGoesBack,
    /// A session that has had a page of what it lacks is not reminded that there is more.
    LostWakeUp,
    /// A long-poll acknowledgement drops the event that comes next, too.
    ForgotAcknowledged,
    /// The end of a connection ends whatever session its user has.
    OldEndsNewer,
    /// A heartbeat does not move the deadline of a session.
    BeatIgnored,
    /// A registry that begins again knows at once that nobody is there.
    RebuiltCallsOffline,
    /// The registry's sweep finds nobody.
    NeverReaped,
    /// The client library sends a publish again under a new key.
    KeyRenewed,
    /// The client library goes on after a gap without a look at what lies before.
    HoleForgotten,
}

/// All of them, with their names.
pub const BUGS: [(Bug, &str); 21] = [
    (Bug::SkippedSync, "skipped-sync"),
    (Bug::ReceiptBeforeCommit, "receipt-before-commit"),
    (Bug::EpochKept, "epoch-kept"),
    (Bug::ReplayOffByOne, "replay-off-by-one"),
    (Bug::GapUntold, "gap-untold"),
    (Bug::JumpNotFilled, "jump-not-filled"),
    (Bug::LiveTooSoon, "live-too-soon"),
    (Bug::OldStreamGoesOn, "old-stream-goes-on"),
    (Bug::KeysForgotten, "keys-forgotten"),
    (Bug::SearchStopsEarly, "search-stops-early"),
    (Bug::ReceiptsOvertake, "receipts-overtake"),
    (Bug::AsleepUnderWay, "asleep-under-way"),
    (Bug::ReadGoesBack, "read-goes-back"),
    (Bug::LostWakeUp, "lost-wake-up"),
    (Bug::ForgotAcknowledged, "forgot-acknowledged"),
    (Bug::OldEndsNewer, "old-ends-newer"),
    (Bug::BeatIgnored, "beat-ignored"),
    (Bug::RebuiltCallsOffline, "rebuilt-calls-offline"),
    (Bug::NeverReaped, "never-reaped"),
    (Bug::KeyRenewed, "key-renewed"),
    (Bug::HoleForgotten, "hole-forgotten"),
];

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
