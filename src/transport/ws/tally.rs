//! What a WebSocket connection counts.

use std::sync::Arc;

use crate::metrics::{Direction, Transport, Way};
use crate::model::Sid;
use crate::session::App;
use crate::supervise::Panic;
use crate::transport::wire::{Ending, Life};

/// One connection's share of the counts; it counts as open while this lives.
pub(super) struct Tally(Arc<App>, Life);

impl Tally {
    /// Counts a connection in.
    pub fn new(app: &Arc<App>) -> Self {
        let metrics = &app.context.metrics;
        metrics.connections_opened.of(Transport::WebSocket).inc();
        metrics.connections.of(Transport::WebSocket).inc();
        Self(Arc::clone(app), Life::begin(app))
    }

    /// When the connection ends, it will be for this.
    pub fn ends(&mut self, how: Ending) {
        self.1.ends(how);
    }

    /// What panicked over it is counted, and said.
    pub fn broke(&mut self, what: &str, sid: &Sid, panic: &Panic) {
        self.1.broke(what, sid, panic);
    }

    /// A text of so many bytes came in.
    pub fn heard(&self, bytes: usize) {
        self.count(Direction::In, 1, bytes);
    }

    /// So many texts, of so many bytes, went out.
    pub fn said(&self, texts: usize, bytes: usize) {
        self.count(Direction::Out, texts, bytes);
    }

    fn count(&self, direction: Direction, frames: usize, bytes: usize) {
        let metrics = &self.0.context.metrics;
        let way = Way { direction, transport: Transport::WebSocket };
        metrics.frames.of(way).inc_by(frames as u64);
        metrics.bytes.of(way).inc_by(bytes as u64);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.0.context.metrics.connections.of(Transport::WebSocket).dec();
    }
}
