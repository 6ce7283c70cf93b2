//! How far it is, on a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on stderr, if that is a terminal.
pub struct Progress(Option<ProgressBar>, u64);

/// The bar moves so often, in microseconds.
const EVERY: u64 = 200_000;

impl Progress {
    /// For something that takes so many microseconds, from `begin` on.
    pub fn new(length: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(length / 1000);
            let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self(bar, 0)
    }

    /// So much of it is over, in microseconds.
    pub fn at(&mut self, over: u64, doing: &'static str) {
        if let Some(bar) = self.0.as_ref().filter(|_| over >= self.1) {
            bar.set_message(doing);
            bar.set_position(over / 1000);
            self.1 = over + EVERY;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
