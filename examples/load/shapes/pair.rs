//! Traffic whose times count, and other traffic beside it.

use crate::net::{Net, Play};
use crate::shapes::posts::Posts;
use crate::stage::{Course, Traffic};

/// Two kinds of traffic on the connections of one net: quiet below the border, loud from it on.
pub struct Pair<L> {
    /// The first connection of the loud.
    pub border: usize,
    /// Its times count.
    pub quiet: Posts,
    /// What is beside it.
    pub loud: L,
}

impl<L: Traffic> Play for Pair<L> {
    fn opened(&mut self, net: &mut Net, who: usize) {
        self.loud.opened(net, who);
    }

    fn frame(&mut self, net: &mut Net, who: usize, frame: &[u8], now: u64) {
        if who < self.border {
            self.quiet.frame(net, who, frame, now);
        } else {
            self.loud.frame(net, who, frame, now);
        }
    }

    fn ended(&mut self, net: &mut Net, who: usize, why: &str) {
        self.quiet.ended(net, who, why);
    }
}

impl<L: Traffic> Traffic for Pair<L> {
    fn due(&mut self, net: &mut Net, now: u64) -> Option<u64> {
        let loud = self.loud.due(net, now);
        let quiet = self.quiet.due(net, now);
        quiet.into_iter().chain(loud).min()
    }

    fn course(&mut self) -> &mut Course {
        self.quiet.course()
    }

    fn measure(&mut self, on: bool, now: u64) {
        self.quiet.measure(on, now);
        self.loud.measure(on, now);
    }

    fn stop(&mut self) {
        self.quiet.stop();
        self.loud.stop();
    }

    fn is_settled(&mut self) -> bool {
        self.quiet.is_settled() && self.loud.is_settled()
    }
}
