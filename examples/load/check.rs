//! What a receiver must hear: every message of a channel, once, in order. Pure.

use std::fmt::Write;

/// How far one receiver has heard one channel.
#[derive(Clone, Debug)]
pub struct Track {
    next: u64,
    /// What was passed over, and may still come late: from, and below.
    missing: Vec<(u64, u64)>,
}

/// The faults found, by kind, with the first of each as it was.
#[derive(Debug, Default)]
pub struct Faults {
    kinds: Vec<(&'static str, u64, String)>,
}

impl Track {
    /// A receiver whose first message is this one.
    pub fn from(next: u64) -> Self {
        Self { next, missing: Vec::new() }
    }

    /// The next message that it has to hear.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// It hears a message.
    pub fn hear(&mut self, seq: u64, whose: impl FnOnce() -> String, faults: &mut Faults) {
        if seq == self.next {
            self.next += 1;
        } else {
            self.odd(seq, whose, faults);
        }
    }

    #[cold]
    fn odd(&mut self, seq: u64, whose: impl FnOnce() -> String, faults: &mut Faults) {
        if seq > self.next {
            self.missing.push((self.next, seq));
            self.next = seq + 1;
            return;
        }
        let Some(at) = self.missing.iter().position(|(from, below)| (*from..*below).contains(&seq)) else {
            return faults.add("doubled", 1, || format!("{} heard {seq} again", whose()));
        };
        let (from, below) = self.missing.swap_remove(at);
        self.missing.extend([(from, seq), (seq + 1, below)].into_iter().filter(|(from, below)| from < below));
        faults.add("out of order", 1, || format!("{} heard {seq} late", whose()));
    }

    /// It will hear no more: whatever is missing up to `head` is lost.
    pub fn end(&mut self, head: u64, whose: impl FnOnce() -> String, faults: &mut Faults) {
        if head >= self.next {
            self.missing.push((self.next, head + 1));
            self.next = head + 1;
        }
        let lost = self.missing.iter().map(|(from, below)| below - from).sum();
        if let Some((from, below)) = self.missing.iter().min() {
            faults.add("lost", lost, || format!("{} never heard {from} to {}", whose(), below - 1));
        }
        self.missing.clear();
    }
}

impl Faults {
    /// Notes faults of a kind, and how the first one was.
    pub fn add(&mut self, kind: &'static str, count: u64, first: impl FnOnce() -> String) {
        match self.kinds.iter_mut().find(|(known, _, _)| *known == kind) {
            Some((_, known, _)) => *known += count,
            None => self.kinds.push((kind, count, first())),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// A line about each kind.
    pub fn lines(&self) -> Vec<String> {
        let line = |(kind, count, first): &(&str, u64, String)| {
            let mut line = format!("{kind}: {count}");
            let _ = write!(line, " (first: {first})");
            line
        };
        self.kinds.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seqs: &[u64], head: u64) -> Vec<String> {
        let (mut track, mut faults) = (Track::from(1), Faults::default());
        for seq in seqs {
            track.hear(*seq, || "ann".to_owned(), &mut faults);
        }
        track.end(head, || "ann".to_owned(), &mut faults);
        faults.lines()
    }

    #[test]
    fn everything_once_and_in_order_is_no_fault() {
        assert_eq!(run(&[1, 2, 3], 3), Vec::<String>::new());
        assert_eq!(run(&[], 0), Vec::<String>::new());
    }

    #[test]
    fn what_never_comes_is_lost_in_the_middle_and_at_the_end() {
        assert_eq!(run(&[1, 4], 4), ["lost: 2 (first: ann never heard 2 to 3)"]);
        assert_eq!(run(&[1], 3), ["lost: 2 (first: ann never heard 2 to 3)"]);
    }

    #[test]
    fn what_comes_twice_is_doubled() {
        assert_eq!(run(&[1, 2, 2, 1, 3], 3), ["doubled: 2 (first: ann heard 2 again)"]);
    }

    #[test]
    fn what_comes_late_is_out_of_order_and_not_lost() {
        assert_eq!(run(&[1, 4, 3, 2], 4), ["out of order: 2 (first: ann heard 3 late)"]);
    }

    #[test]
    fn what_comes_late_twice_is_doubled_as_well() {
        let found = run(&[1, 3, 2, 2], 3);
        assert_eq!(found, ["out of order: 1 (first: ann heard 2 late)", "doubled: 1 (first: ann heard 2 again)"]);
    }
}
