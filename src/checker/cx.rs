//! What every rule needs: the terms, the clock, names, troubles, and a place for what was found.

use super::Terms;
use super::found::Found;
use super::names::Names;
use super::trouble::Trouble;

/// How long a command may wait for its reply (protocol, section 2).
const ANSWER_MS: u64 = 10_000;

/// The desk that the rules share.
#[derive(Debug)]
pub(super) struct Cx {
    pub terms: Terms,
    pub names: Names,
    pub found: Found,
    pub trouble: Trouble,
    /// When the entry at hand happened.
    pub at: u64,
    /// Which entry is at hand: 1, 2, 3 …
    pub turn: u64,
}

impl Cx {
    /// Before the first entry.
    pub fn new(terms: Terms) -> Self {
        let (names, found, trouble) = (Names::new(), Found::default(), Trouble::default());
        Self { terms, names, found, trouble, at: 0, turn: 0 }
    }

    /// How long a command may wait, where the machine may be slow.
    pub fn patience(&self) -> u64 {
        ANSWER_MS + self.terms.slack_ms
    }

    /// A promise was broken by the entry at hand.
    pub fn breach(&mut self, rule: &'static str, text: impl FnOnce(&Names) -> String) {
        let names = &self.names;
        self.found.add(self.at, rule, || text(names));
    }
}

/// A number that only grows, and what it was at each turn.
#[derive(Debug, Default)]
pub(super) struct Rising {
    steps: Vec<(u64, u64)>,
}

impl Rising {
    /// From this turn on it is at least `value`.
    pub fn raise(&mut self, turn: u64, value: u64) {
        if self.now() < value {
            self.steps.push((turn, value));
        }
    }

    /// What it is.
    pub fn now(&self) -> u64 {
        self.steps.last().map_or(0, |(_, value)| *value)
    }

    /// What it was before this turn.
    pub fn before(&self, turn: u64) -> u64 {
        let upto = self.steps.partition_point(|(when, _)| *when < turn);
        self.steps[..upto].last().map_or(0, |(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_number_remembers_what_it_was() {
        let mut rising = Rising::default();
        for (turn, value) in [(3, 5), (4, 2), (7, 9)] {
            rising.raise(turn, value);
        }
        assert_eq!([0, 3, 4, 7, 8].map(|turn| rising.before(turn)), [0, 0, 5, 5, 9]);
        assert_eq!(rising.now(), 9);
    }
}
