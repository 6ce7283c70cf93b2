//! When nothing can be expected in time: of the server, and of one session.

/// Spans of time in order, the last of which may go on.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// From when until when; `u64::MAX` while it goes on.
    all: Vec<(u64, u64)>,
}

impl Spans {
    /// One begins, or the last one goes on if it ended no longer than `near` ago.
    pub fn begin(&mut self, at: u64, near: u64) {
        match self.all.last_mut() {
            Some((_, end)) if end.saturating_add(near) >= at => *end = u64::MAX,
            _ => self.all.push((at, u64::MAX)),
        }
    }

    /// It ends.
    pub fn end(&mut self, at: u64) {
        if let Some((_, end)) = self.all.last_mut() {
            *end = at.min(*end);
        }
    }

    /// Whether one goes on.
    pub fn now(&self) -> bool {
        self.until() == Some(u64::MAX)
    }

    /// When the last one ended.
    pub fn until(&self) -> Option<u64> {
        self.all.last().map(|(_, end)| *end)
    }

    /// When the last one began, if it touches what is from `from` on.
    pub fn since(&self, from: u64) -> Option<u64> {
        self.all.last().filter(|(_, end)| *end >= from).map(|(start, _)| *start)
    }

    /// Whether one touches this time, where each lasts `after` longer than it says.
    pub fn touch(&self, from: u64, to: u64, after: u64) -> bool {
        let upto = self.all.partition_point(|(start, _)| *start <= to);
        self.all[..upto].last().is_some_and(|(_, end)| end.saturating_add(after) >= from)
    }

    /// By when something is done that takes `bound` from `at` on, and begins again after each trouble.
    pub fn deadline(&self, at: u64, bound: u64) -> u64 {
        let mut by = at.saturating_add(bound);
        let from = self.all.partition_point(|(_, end)| *end < at);
        for (start, end) in &self.all[from..] {
            if *start > by {
                break;
            }
            by = by.max(end.saturating_add(bound));
        }
        by
    }
}

/// The server's troubles.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// When it was down or slow.
    pub spans: Spans,
    /// When who keeps presence was broken.
    pub registry: Spans,
    /// Each time that it went down, as a turn, and when it was up again.
    falls: Vec<(u64, u64)>,
    down: bool,
    slow: bool,
}

impl Trouble {
    /// The server goes down.
    pub fn down(&mut self, at: u64, turn: u64) {
        if !std::mem::replace(&mut self.down, true) {
            self.falls.push((turn, u64::MAX));
        }
        self.look(at);
    }

    /// The server is up. Returns at which turn it had gone down.
    pub fn up(&mut self, at: u64) -> Option<u64> {
        let fell = std::mem::take(&mut self.down).then(|| self.falls.last_mut()).flatten();
        let since = fell.map(|(since, until)| {
            *until = at;
            *since
        });
        self.slow &= since.is_none();
        self.look(at);
        since
    }

    /// The server is slow from here on, or no longer.
    pub fn slow(&mut self, at: u64, slow: bool) {
        self.slow = slow;
        self.look(at);
    }

    fn look(&mut self, at: u64) {
        match (self.down || self.slow, self.spans.now()) {
            (true, false) => self.spans.begin(at, 0),
            (false, true) => self.spans.end(at),
            _ => {}
        }
    }

    /// Whether something is amiss now.
    pub fn now(&self) -> bool {
        self.spans.now()
    }

    /// When the server was up again after the first time that it went down from this turn on.
    pub fn up_after(&self, turn: u64) -> u64 {
        let next = self.falls.partition_point(|(fell, _)| *fell < turn);
        self.falls.get(next).map_or(u64::MAX, |(_, up)| *up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_know_what_they_touch_and_put_off() {
        let mut spans = Spans::default();
        spans.begin(100, 0);
        assert!(spans.now() && spans.touch(0, 100, 0) && !spans.touch(0, 99, 0));
        spans.end(200);
        spans.begin(300, 0);
        spans.end(400);
        assert!(spans.touch(200, 250, 0) && !spans.touch(201, 299, 0) && spans.touch(210, 299, 20));
        assert_eq!((spans.deadline(0, 50), spans.deadline(60, 50), spans.deadline(190, 50)), (50, 250, 250));
        assert_eq!(spans.deadline(150, 100), 500);
        assert_eq!((spans.since(401), spans.since(400)), (None, Some(300)));
    }

    #[test]
    fn a_server_that_is_slow_and_then_down_is_in_one_trouble() {
        let mut trouble = Trouble::default();
        trouble.slow(10, true);
        trouble.down(20, 7);
        assert_eq!(trouble.up(30), Some(7));
        assert!(!trouble.now() && trouble.spans.touch(10, 10, 0));
        assert_eq!((trouble.up_after(7), trouble.up_after(8), trouble.up(40)), (30, u64::MAX, None));
    }
}
