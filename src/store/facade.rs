//! The store, opened: the seams, the readers' pool, the writer's thread and how all of it ends.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use parking_lot::RwLock;
use prometheus::core::Collector;

use super::figures::Figures;
use super::health::{Health, Watch};
use super::life;
use super::local::Local;
use super::memory::MemoryRows;
use super::queue::{Ending, LOG_WRITER, Queue};
use super::rows::{EngineError, Rows};
use super::sled::SledRows;
use super::view::View;
use super::writer::{Core, Writer};
use super::{Archive, ChannelLog, Head, Meta, OpenError, ReadError, Reads, index};
use crate::config;
use crate::model::ChannelName;
use crate::supervise::{Life, Probes};

/// An open store. Dropped without [`close`](Self::close) it ends as in a crash: what waits is not written.
pub struct Store {
    core: Arc<Core>,
    reads: Reads,
    boot: u64,
    writer: Option<JoinHandle<Result<(), EngineError>>>,
}

impl Store {
    /// Opens the engine that the configuration names.
    pub fn open(config: &config::Store, probes: &Probes) -> Result<Self, OpenError> {
        let rows: Arc<dyn Rows> = match config.engine {
            config::Engine::Memory => Arc::new(MemoryRows::default()),
            config::Engine::Sled => Arc::new(SledRows::open(&config.path, config.cache_bytes)?),
        };
        Self::on(rows, config, probes)
    }

    /// Opens a store on an engine of one's own; it is reopened if it is closed.
    pub fn on(rows: Arc<dyn Rows>, config: &config::Store, probes: &Probes) -> Result<Self, OpenError> {
        let io =
            |error: std::io::Error| OpenError::Io { path: config.path.display().to_string(), why: error.to_string() };
        let reads = Reads::new(config.read_threads, probes).map_err(io)?;
        let (mut store, writer) = Self::open_on(rows, config, probes, reads)?;
        let writer = std::thread::Builder::new().name("parlor-log".into()).spawn(move || writer.run()).map_err(io)?;
        store.writer = Some(writer);
        Ok(store)
    }

    /// The same without threads: whoever opened it says when it reads and writes.
    #[cfg(feature = "testing")]
    pub fn stepped(
        rows: Arc<dyn Rows>,
        config: &config::Store,
        probes: &Probes,
    ) -> Result<(Self, super::writer::Stepped), OpenError> {
        let (store, writer) = Self::open_on(rows, config, probes, Reads::stepped(probes))?;
        let reads = store.reads();
        Ok((store, super::writer::Stepped { writer, reads, broken: false }))
    }

    fn open_on(
        rows: Arc<dyn Rows>,
        config: &config::Store,
        probes: &Probes,
        reads: Reads,
    ) -> Result<(Self, Writer), OpenError> {
        let path = || config.path.display().to_string();
        let refused = |error: EngineError| match error {
            EngineError::Damaged(why) => OpenError::Damaged { path: path(), why },
            EngineError::Failed(_) | EngineError::Closed => OpenError::Io { path: path(), why: error.to_string() },
        };
        let life = match life::settle(&*rows, config.durability, true) {
            Err(EngineError::Closed) => rows.reopen().and_then(|()| life::settle(&*rows, config.durability, true)),
            settled => settled,
        }
        .map_err(refused)?;
        index::complete(&*rows).map_err(refused)?;
        let alive = Life::begin(&probes.of(&LOG_WRITER), "store".into());
        let core = Arc::new(Core {
            view: View::new(rows),
            queue: Queue::default(),
            watch: Watch::new(config.reserve_bytes),
            generation: AtomicU64::new(life.generation),
            durability: config.durability,
            sync_interval: config.sync_interval,
            watchers: RwLock::default(),
            vitals: Arc::clone(alive.vitals()),
            figures: Figures::new(),
        });
        let writer = Writer::new(Arc::clone(&core), alive).map_err(refused)?;
        Ok((Self { core, reads, boot: life.boot, writer: None }, writer))
    }

    /// The channels' logs.
    pub fn log(&self) -> Arc<dyn ChannelLog> {
        Arc::new(Local(Arc::clone(&self.core)))
    }

    /// The small records.
    pub fn meta(&self) -> Arc<dyn Meta> {
        Arc::new(Local(Arc::clone(&self.core)))
    }

    /// All of it, for those who take it elsewhere.
    pub(crate) fn archive(&self) -> Archive {
        Archive::new(Arc::clone(&self.core))
    }

    /// The threads to read on.
    pub fn reads(&self) -> Reads {
        self.reads.clone()
    }

    /// How often this store has been opened; durable before it is given.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// Whether it takes writes. Asks the disk for its free space at most once a second; enters no queue.
    pub fn health(&self) -> Health {
        self.core.watch.show(&*self.core.view.rows)
    }

    /// What it takes, in bytes; blocks on the disk.
    pub fn bytes_on_disk(&self) -> Result<u64, ReadError> {
        Ok(self.core.view.rows.bytes_on_disk()?)
    }

    /// Counts what it takes for its instruments, as long as it is open; blocks on the disk.
    pub fn measure(&self) -> impl Fn() -> Result<(), ReadError> + Clone + Send + Sync + 'static {
        let core = Arc::downgrade(&self.core);
        move || {
            let Some(core) = core.upgrade() else { return Ok(()) };
            core.figures.bytes.set(core.view.rows.bytes_on_disk()? as i64);
            Ok(())
        }
    }

    /// Reads the whole log of `channel` and checks checksums, bodies, places and the chain. Blocks on the disk.
    pub fn verify(&self, channel: &ChannelName) -> Result<Head, ReadError> {
        Local(Arc::clone(&self.core)).verify(channel)
    }

    /// Its instruments: messages and seconds of a commit, seconds of a sync, writes that wait, bytes as last
    /// [counted](Self::measure).
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        self.core.figures.collectors()
    }

    /// Writes what waits, syncs, and lets the engine go. The seams answer `Unavailable` from then on.
    pub fn close(mut self) -> Result<(), ReadError> {
        Ok(self.end(Ending::Clean)?)
    }

    fn end(&mut self, ending: Ending) -> Result<(), EngineError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        self.core.queue.end(ending);
        writer.join().unwrap_or_else(|_| Err(EngineError::Failed("the writer's thread panicked".into())))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.end(Ending::Now);
    }
}
