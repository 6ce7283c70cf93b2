//! What a WebSocket connection counts.

use std::sync::Arc;

use crate::metrics::{Direction, Transport, Way};
use crate::session::App;

/// One connection's share of the counts; it counts as open while this lives.
pub(super) struct Tally(Arc<App>);

impl Tally {
    /// Counts a connection in.
    pub fn new(app: &Arc<App>) -> Self {
        let metrics = &app.context.metrics;
        metrics.connections_opened.of(Transport::WebSocket).inc();
        metrics.connections.of(Transport::WebSocket).inc();
        app.context.probes.of("wire").started();
        Self(Arc::clone(app))
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
        self.0.context.probes.of("wire").stopped();
    }
}
