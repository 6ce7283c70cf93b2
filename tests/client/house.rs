//! A server in this process whose store outlives it, and clients of it, which come through a proxy.

use std::sync::Arc;
use std::time::Duration;

use parlor::client::{Choice, Client, Events, Options, Transport};
use parlor::config::{Bind, Config, Engine};
use parlor::model::ChannelName;
use parlor::server::{Parts, Running};
use parlor::store::{MemoryRows, Rows, Store};
use parlor::supervise::Probes;
use tokio::task::spawn_blocking;

use crate::front::Front;
use crate::proxy::Proxy;

/// What a scenario's clients talk over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    WebSocket,
    LongPoll,
    /// Long-poll through a front, which counts and breaks requests.
    Front,
}

/// A server, and the way to it.
pub struct House {
    pub config: Config,
    pub proxy: Proxy,
    /// The front between proxy and server, where there is one. Upgrades go past it.
    pub front: Option<Front>,
    over: Over,
    rows: Arc<dyn Rows>,
    running: Option<Running>,
}

impl House {
    /// A running server.
    pub async fn new(over: Over) -> Self {
        Self::with(over, |_| {}).await
    }

    /// One whose configuration differs in this.
    pub async fn with(over: Over, change: impl FnOnce(&mut Config)) -> Self {
        let mut house = Self::closed(over, change).await;
        house.open().await;
        house
    }

    /// One that is not started yet.
    pub async fn closed(over: Over, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.bind = Bind::Tcp(([127, 0, 0, 1], 0).into());
        config.server.workers = 1;
        config.server.drain_notice = Duration::from_millis(20);
        config.server.drain_timeout = Duration::from_secs(3);
        config.store.engine = Engine::Memory;
        config.channels.arbiters = 1;
        config.rates.enabled = false;
        change(&mut config);
        let proxy = Proxy::start().await;
        let front = match over {
            Over::Front => Some(Front::start().await),
            _ => None,
        };
        if let Some(front) = &front {
            proxy.lead_to(front.address);
        }
        Self { config, proxy, front, over, rows: Arc::new(MemoryRows::default()), running: None }
    }

    /// Starts the server.
    pub async fn open(&mut self) {
        let parts = Parts { rows: Some(Arc::clone(&self.rows)), ..Parts::default() };
        let config = self.config.clone();
        let started = spawn_blocking(move || Running::start(config, parts)).await.expect("starting panicked");
        let running = started.unwrap_or_else(|why| panic!("the server did not start: {why}"));
        let address = running.address().expect("a TCP address");
        self.running = Some(running);
        match &self.front {
            Some(front) => {
                front.lead_to(address);
                self.proxy.lead_upgrades_to(address);
            }
            None => self.proxy.lead_to(address),
        }
    }

    /// Drains it, and waits for its end.
    pub async fn close(&mut self) {
        let running = self.running.take().expect("a running server");
        let stopped = spawn_blocking(move || running.stop()).await.expect("stopping panicked");
        stopped.unwrap_or_else(|why| panic!("the server ended badly: {why}"));
    }

    /// Takes a channel's messages below this one out of the log, while the server is stopped.
    pub fn trim(&self, channel: &str, below: u64) {
        assert!(self.running.is_none(), "the server is running");
        let store = Store::on(Arc::clone(&self.rows), &self.config.store, &Probes::default()).expect("a store");
        let log = store.log();
        let (tell, told) = std::sync::mpsc::channel();
        let channel = ChannelName::stored(channel).expect("a channel's name");
        log.trim(&channel, below, Box::new(move |head| drop(tell.send(head))));
        told.recv().expect("an answer").expect("trimmed");
        drop(log);
        store.close().expect("the store closes");
    }

    /// What a client is set up with.
    pub fn options(&self) -> Options {
        let choice = match self.over {
            Over::WebSocket => Choice::Only(Transport::WebSocket),
            Over::LongPoll | Over::Front => Choice::Only(Transport::LongPoll),
        };
        let options = Options::new(format!("http://{}", self.proxy.address)).transport(choice);
        options.backoff(Duration::from_millis(5), Duration::from_millis(100)).poll_wait(Duration::from_secs(2))
    }

    /// A guest, who comes through the proxy.
    pub fn guest(&self, name: &str) -> (Client, Events) {
        Client::start(self.options().guest(name)).expect("a client")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // On a thread of its own: stopping waits for clients whose tasks run on this one.
            std::thread::spawn(move || running.stop());
        }
    }
}
