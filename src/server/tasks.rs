//! What a server does now and then, beside its actors.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::task::JoinHandle;

use crate::clock;
use crate::session::App;
use crate::store::{ReadError, Reads};

/// How often it is counted what the store takes on disk.
const MEASURE_EVERY: Duration = Duration::from_secs(30);

/// How often expired guests are cleared away.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// Something that is done now and then; it ends when this is dropped.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    /// Begins it on this thread.
    pub fn begin(work: impl Future<Output = ()> + 'static) -> Self {
        Self(actix::spawn(work))
    }

    /// Ends it, and waits for that.
    pub async fn end(mut self) {
        self.0.abort();
        drop((&mut self.0).await);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Counts what the store takes on disk, where reading may block.
pub(super) async fn measure(reads: Reads, count: impl Fn() -> Result<(), ReadError> + Clone + Send + 'static) {
    loop {
        if let Err(error) = reads.run(count.clone()).await {
            log::debug!("what the store takes on disk could not be counted: {error}");
        }
        tokio::time::sleep(MEASURE_EVERY).await;
    }
}

/// Clears away guests that have expired.
pub(super) async fn purge(app: Arc<App>) {
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        match app.gate.purge_expired(clock::wall()).await {
            Ok(0) => {}
            Ok(purged) => log::info!("{purged} guests have expired"),
            Err(error) => log::warn!("expired guests could not be cleared away: {error}"),
        }
    }
}
