//! What a process and this thread use, read from /proc and from the thread's clock.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// A process's figures are counted in these, a second.
const TICKS: f64 = 100.0;

/// A moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    at: Instant,
    server: f64,
    own: f64,
    /// The server's resident bytes.
    pub rss: u64,
}

/// What lay between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// Seconds.
    pub seconds: f64,
    /// Seconds of the server's CPUs.
    pub server: f64,
    /// Seconds of this thread's.
    pub own: f64,
}

impl Sample {
    /// Now.
    pub fn take(pid: Option<u32>) -> Self {
        let server = pid.and_then(cpu).unwrap_or(0.0);
        let own = clock_gettime(ClockId::ThreadCPUTime);
        let own = own.tv_sec as f64 + own.tv_nsec as f64 / 1e9;
        Self { at: Instant::now(), server, own, rss: pid.and_then(rss).unwrap_or(0) }
    }

    /// What was used until a later moment.
    pub fn until(&self, later: &Self) -> Used {
        let seconds = later.at.duration_since(self.at).as_secs_f64();
        Used { seconds, server: later.server - self.server, own: later.own - self.own }
    }
}

impl Used {
    /// Whether the server had time left over while this thread had none.
    pub fn own_is_narrow(&self) -> bool {
        self.own > 0.9 * self.seconds && self.server < 0.9 * self.seconds
    }
}

/// The seconds of CPU that a process has had.
fn cpu(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets, and may itself have some.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

/// The nanoseconds of CPU that a process's threads have had: finer than the ticks of its `stat`, in which a server that
/// has next to nothing to do uses none.
pub fn cpu_nanos(pid: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads.filter_map(of).sum()
}

/// The bytes that a process has in memory.
pub fn rss(pid: u32) -> Option<u64> {
    let kilobytes = |text: String, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // The first is exact, and not everyone may read it.
    let exact = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    let found = exact.and_then(|text| kilobytes(text, "Rss:"));
    let found = found.or_else(|| kilobytes(std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:"));
    found.map(|kilobytes| kilobytes << 10)
}
