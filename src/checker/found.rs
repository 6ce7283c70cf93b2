//! The breaches that were found: the earliest of them, however many there are.

use super::Breach;

/// So many are reported.
const MOST: usize = 100;

/// A bounded collection of breaches.
#[derive(Debug, Default)]
pub(super) struct Found {
    breaches: Vec<Breach>,
    /// Once there are enough: what is later than this is of no interest.
    until: Option<u64>,
}

impl Found {
    /// Adds one, unless there are enough earlier ones.
    pub fn add(&mut self, at: u64, rule: &'static str, text: impl FnOnce() -> String) {
        if self.until.is_some_and(|until| at >= until) {
            return;
        }
        self.breaches.push(Breach { at, rule, text: text() });
        if self.breaches.len() >= 10 * MOST {
            self.cut();
            self.until = self.breaches.last().map(|last| last.at);
        }
    }

    fn cut(&mut self) {
        self.breaches.sort_by_key(|breach| breach.at);
        self.breaches.truncate(MOST);
    }

    /// The earliest, by time.
    pub fn finish(mut self) -> Vec<Breach> {
        self.cut();
        self.breaches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_are_kept_in_order() {
        let mut found = Found::default();
        for at in (0..5000).rev() {
            found.add(at, "rule", || at.to_string());
        }
        let kept: Vec<u64> = found.finish().iter().map(|breach| breach.at).collect();
        assert_eq!(kept, (0..100).collect::<Vec<u64>>());
    }
}
