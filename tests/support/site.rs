//! A real server in this process: on a port of its own, started, stopped and started again on the same store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parlor::clock;
use parlor::config::{Argon2, Bind, Config};
use parlor::model::{ChannelName, Message, UserName, Wall};
use parlor::server::{Parts, Running};
use parlor::store::{MemoryRows, MetaOp, Rows, Store};
use parlor::supervise::{Faults, Probes};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::client::Client;
use super::host::{Host, Serving};
use super::http::{Answer, Request, ask, get};
use super::link::{Dial, Transport};
use super::tls;

/// The engines that scenarios run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// In memory.
    Memory,
    /// On disk.
    Sled,
}

/// Where a scenario plays.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// The engine of its servers.
    pub engine: Engine,
    /// What its clients talk over.
    pub transport: Transport,
}

impl Stage {
    /// Starts a server with the configuration of tests.
    pub async fn site(self) -> Site {
        self.site_with(|_| {}).await
    }

    /// Starts a server with a configuration that differs in this.
    pub async fn site_with(self, change: impl FnOnce(&mut Config)) -> Site {
        self.site_on(None, change).await
    }

    /// Starts a server whose store outlives it, whatever the engine.
    pub async fn lasting_site(self, change: impl FnOnce(&mut Config)) -> Site {
        let rows: Option<Arc<dyn Rows>> = match self.engine {
            Engine::Memory => Some(Arc::new(MemoryRows::default())),
            Engine::Sled => None,
        };
        self.site_on(rows, change).await
    }

    /// Starts a server on an engine of the scenario's own.
    pub async fn site_on(self, rows: Option<Arc<dyn Rows>>, change: impl FnOnce(&mut Config)) -> Site {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let mut config = Config::default();
        config.server.bind = Bind::Tcp(([127, 0, 0, 1], 0).into());
        config.server.workers = 2;
        config.server.drain_notice = Duration::from_millis(20);
        config.server.drain_timeout = Duration::from_secs(3);
        config.store.path = dir.path().join("data");
        config.store.cache_bytes = 8 << 20;
        config.store.read_threads = 2;
        config.store.engine = match self.engine {
            Engine::Memory => parlor::config::Engine::Memory,
            Engine::Sled => parlor::config::Engine::Sled,
        };
        config.channels.arbiters = 2;
        // As little work as Argon2 knows, less than a configuration may ask for.
        config.auth.argon2 = Argon2 { memory_kib: 8, passes: 1, lanes: 1, at_once: 1 };
        config.rates.enabled = false;
        config.server.tls = (self.transport == Transport::Secure).then(|| tls::files(dir.path()));
        change(&mut config);
        let mut site = Site {
            address: ([127, 0, 0, 1], 0).into(),
            faults: Faults::default(),
            transport: self.transport,
            turns: AtomicUsize::new(0),
            running: None,
            config,
            rows,
            _dir: dir,
        };
        site.start().await;
        site
    }
}

/// A server, and what it stands on.
pub struct Site {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its actors can be made to panic.
    pub faults: Faults,
    transport: Transport,
    /// What it was started with.
    pub config: Config,
    turns: AtomicUsize,
    running: Option<Serving>,
    rows: Option<Arc<dyn Rows>>,
    _dir: TempDir,
}

impl Site {
    /// Starts the server on what the one before left behind.
    pub async fn start(&mut self) {
        let parts = Parts { faults: self.faults.clone(), rows: self.rows.clone() };
        let (config, hosted) = (self.config.clone(), self.transport == Transport::Hosted);
        let start = move || {
            if hosted {
                return Host::start(config, parts).map(Serving::Hosted);
            }
            Running::start(config, parts).map(Serving::Alone).map_err(|why| why.to_string())
        };
        let started = spawn_blocking(start).await.expect("starting panicked");
        let running = started.unwrap_or_else(|why| panic!("the server did not start: {why}"));
        self.address = running.address().expect("a TCP address");
        self.running = Some(running);
    }

    /// Drains the server, as SIGTERM does, and waits for its end.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            let stopped = spawn_blocking(move || running.stop()).await.expect("stopping panicked");
            stopped.unwrap_or_else(|why| panic!("the server ended badly: {why}"));
        }
    }

    /// Stops it, and starts it again on the same store.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// Writes messages into a channel's log while the server is stopped, one for each age in hours.
    pub fn write_past(&self, channel: &str, ages: &[i64]) {
        let store = self.store();
        let log = store.log();
        let channel = ChannelName::stored(channel).expect("a channel's name");
        let now = clock::wall();
        let message = |(n, age): (usize, &i64)| Message {
            seq: n as u64 + 1,
            at: Wall(now.0 - age * 3_600_000),
            from: UserName::parse("historian").expect("a user's name"),
            key: None,
            kind: None,
            reply_to: None,
            body: r#"{"text":"long ago"}"#.into(),
        };
        let batch = ages.iter().enumerate().map(message).collect();
        let (tell, told) = std::sync::mpsc::channel();
        log.create(&channel, Box::new(move |head| drop(tell.send(head))));
        let head = told.recv().expect("an answer").expect("the channel is made");
        let (tell, told) = std::sync::mpsc::channel();
        log.append(&channel, &head, batch, Box::new(move |head| drop(tell.send(head))));
        told.recv().expect("an answer").expect("the messages are written");
        drop(log);
        store.close().expect("the store closes");
    }

    /// Makes an account an operator's while the server is stopped.
    pub fn make_operator(&self, name: &str) {
        self.write_record(&format!("user/{name}"), |account| {
            let mut account: serde_json::Value = serde_json::from_slice(account).expect("an account");
            account["operator"] = true.into();
            account
        });
    }

    /// Makes another thing of a small record while the server is stopped; it is given empty if it is not there.
    pub fn write_record(&self, key: &str, make: impl FnOnce(&[u8]) -> serde_json::Value) {
        let store = self.store();
        let meta = store.meta();
        let before = meta.get(key).expect("the store reads").map(|record| record.value).unwrap_or_default();
        let put = MetaOp::Put(key.to_owned(), make(&before).to_string().into_bytes().into());
        let (tell, told) = std::sync::mpsc::channel();
        meta.write(vec![put], Box::new(move |done| drop(tell.send(done))));
        told.recv().expect("an answer").expect("the record is written");
        drop(meta);
        store.close().expect("the store closes");
    }

    /// What a stopped server stands on.
    fn store(&self) -> Store {
        assert!(self.running.is_none(), "the server is running");
        let probes = Probes::default();
        let store = match &self.rows {
            Some(rows) => Store::on(Arc::clone(rows), &self.config.store, &probes),
            None => Store::open(&self.config.store, &probes),
        };
        store.expect("a store")
    }

    /// A connection on which nothing has been said yet.
    pub async fn stranger(&self, name: &str) -> Client {
        Client::connect(self.dial(), name).await
    }

    /// A guest whose connection has a receive buffer as small as can be.
    pub async fn narrow_guest(&self, name: &str) -> Client {
        let dial = Dial { narrow: true, ..self.dial() };
        Client::connect(dial, name).await.hello(json!({"guest": name})).await
    }

    /// How its next client connects.
    fn dial(&self) -> Dial {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        Dial { turn, ..Dial::over(self.transport, self.address) }
    }

    /// A guest with this wished name, welcomed.
    pub async fn guest(&self, name: &str) -> Client {
        self.stranger(name).await.hello(json!({"guest": name})).await
    }

    /// The user whom a token stands for, on a connection of its own.
    pub async fn with_token(&self, name: &str, token: &str) -> Client {
        self.stranger(name).await.hello(json!({"token": token})).await
    }

    /// Gets a page.
    pub async fn get(&self, path: &str) -> Answer {
        get(self.address, path).await
    }

    /// Asks over a connection of its own.
    pub async fn ask(&self, request: Request) -> Answer {
        ask(self.address, request).await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // On a thread of its own: stopping waits for clients whose pumps run on this one.
            std::thread::spawn(move || running.stop());
        }
    }
}
