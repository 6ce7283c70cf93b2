//! What was typed and has no receipt yet. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use parlor::model::Moment;

/// After so long without a receipt it is said that something waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Where it is said.
    pub channel: String,
    /// What.
    pub text: String,
    since: Moment,
    told: bool,
}

/// All of them, in order.
#[derive(Debug, Default)]
pub struct Unsent {
    words: BTreeMap<u64, Words>,
    next: u64,
}

impl Unsent {
    /// Takes a text; `told` if it was said already that it waits. Returns its number.
    pub fn add(&mut self, channel: &str, text: &str, since: Moment, told: bool) -> u64 {
        self.next += 1;
        let words = Words { channel: channel.to_owned(), text: text.to_owned(), since, told };
        self.words.insert(self.next, words);
        self.next
    }

    /// It is known what became of it.
    pub fn take(&mut self, number: u64) -> Option<Words> {
        self.words.remove(&number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Words> {
        self.words.values()
    }

    /// Those that have waited for long; each is named once.
    pub fn slow(&mut self, now: Moment) -> Vec<Words> {
        let slow = self.words.values_mut().filter(|words| !words.told && now.since(words.since) >= PATIENCE);
        slow.map(|words| {
            words.told = true;
            words.clone()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_long_is_named_once() {
        let mut unsent = Unsent::default();
        let first = unsent.add("a", "one", Moment(0), false);
        unsent.add("a", "two", Moment(0), true);
        unsent.add("a", "three", Moment(1500), false);
        assert!(unsent.slow(Moment(1999)).is_empty());
        let slow = unsent.slow(Moment(2000));
        assert_eq!(slow.iter().map(|words| words.text.as_str()).collect::<Vec<_>>(), ["one"]);
        assert!(unsent.slow(Moment(2000)).is_empty());
        assert_eq!(
            (unsent.take(first).map(|words| words.text), unsent.take(first), unsent.len()),
            (Some("one".into()), None, 2)
        );
    }
}
