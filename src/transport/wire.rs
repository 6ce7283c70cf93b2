//! How many wires there are, and how they end: WebSocket connections, and the lines of long-poll sessions.
//!
//! A wire has no mailbox. What it is told is in its session's outbox; for a session that takes little, look there.

use std::sync::Arc;

use crate::model::Sid;
use crate::session::App;
use crate::supervise::{Kind, Named, Panic, Probe, named};

/// A wire.
pub static WIRE: Kind = Kind { name: "wire", messages: &[], endings: Ending::NAMES };

/// How a wire ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its connection broke off, or its thread ended.
    Lost,
    /// With its session, of which its client was told.
    Closed,
    /// It panicked.
    Failed,
}

named!(Ending: Lost, Closed, Failed);

/// One wire's life.
pub(super) struct Life {
    probe: Arc<Probe>,
    ending: Ending,
}

impl Life {
    /// Counts a wire in.
    pub fn begin(app: &App) -> Self {
        let probe = app.context.probes.of(&WIRE);
        probe.started();
        Self { probe, ending: Ending::Lost }
    }

    /// When it ends, it will be for this.
    pub fn ends(&mut self, how: Ending) {
        self.ending = how;
    }

    /// What panicked over the wire of this session is counted, and said.
    pub fn broke(&mut self, what: &str, sid: &Sid, panic: &Panic) {
        self.ending = Ending::Failed;
        self.probe.panicked();
        log::error!(sid:%; "wire {sid} panicked over {what}: {panic}");
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.probe.stopped(self.ending.index());
    }
}
