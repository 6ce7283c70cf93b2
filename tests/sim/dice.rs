//! Where chance comes from: a seed, or a list of choices that somebody wants tried.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Who decides what happens next.
pub enum Chooser {
    /// Chance, from a seed.
    Chance(Box<StdRng>),
    /// These choices, then always the first; with how many there were each time.
    Given { choices: Vec<usize>, widths: Vec<usize> },
}

impl Chooser {
    pub fn of(seed: u64) -> Self {
        Self::Chance(Box::new(StdRng::seed_from_u64(seed ^ 0x5eed)))
    }

    pub fn given(choices: Vec<usize>) -> Self {
        Self::Given { choices, widths: Vec::new() }
    }

    /// One of `n`, which is at least 1.
    pub fn pick(&mut self, n: usize) -> usize {
        match self {
            Self::Chance(rng) => rng.random_range(0..n),
            Self::Given { choices, widths } => {
                widths.push(n);
                choices.get(widths.len() - 1).copied().unwrap_or(0).min(n - 1)
            }
        }
    }
}

/// Chance for what is said and what fails.
pub struct Dice(pub StdRng);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.random_range(0..n.max(1))
    }

    /// From `from` to `to`, both included.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        self.0.random_range(from..=to)
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0.random()
    }

    /// One of them.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}
