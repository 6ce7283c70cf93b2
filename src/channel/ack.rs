//! How a hub acknowledges a batch: without a message, unless the channel waits to hear of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire};

const DEALT_WITH: u8 = 0;
const UNDER_WAY: u8 = 1;
/// The channel has more to say, and waits.
const AWAITED: u8 = 2;

/// Where the batch stands that was last sent to a hub; shared by the channel and the hub.
#[derive(Clone, Debug, Default)]
pub struct Ack(Arc<AtomicU8>);

impl Ack {
    /// Begins a batch if the last one is dealt with. If not, the hub will say so when it is.
    pub(super) fn begin(&self) -> bool {
        let next = |now| Some(if now == DEALT_WITH { UNDER_WAY } else { AWAITED });
        self.0.fetch_update(AcqRel, Acquire, next) == Ok(DEALT_WITH)
    }

    /// Whether no batch is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.0.load(Acquire) == DEALT_WITH
    }

    /// The batch is dealt with. Returns whether the channel has to be told, by [`super::ChannelIn::Acked`].
    #[must_use]
    pub fn done(&self) -> bool {
        self.0.swap(DEALT_WITH, AcqRel) == AWAITED
    }
}
