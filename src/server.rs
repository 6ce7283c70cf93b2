//! The composition root: opens the store, starts the actors, answers under a path, and stops in order.
//!
//! [`serve`] is the whole program, [`Running`] the same on a thread of its own. Both are built on [`Server`], which has
//! no listener: an actix-web application of yours can mount one beside its own pages. `examples/embed/main.rs` does.
//!
//! What a host has to see to, in this order:
//!
//! 1. [`Server::open`], once, in an actix system (`#[actix_web::main]`);
//! 2. [`Server::routes`], and [`Routes::configure`] in the factory of its `HttpServer`: mounted in
//!    `web::scope("/chat")` it answers `/chat/v1/ws`, `/chat/healthz` and so on;
//! 3. on the `HttpServer`: `.on_connect(server.on_connect())`, without which the dead are not cut off;
//!    `.h1_allow_half_closed(false)`, without which a request that is held back outlives a client that has gone; and
//!    `.disable_signals()`, without which connections are closed before their sessions were told;
//! 4. at the end [`Server::drain`], then the stop of its `HttpServer`, then [`Server::stop`].
//!
//! Of the configuration, `server.bind` and `server.workers` mean nothing then, and the process's limit of open files is
//! the host's to raise.

mod alone;
mod control;
mod first;
mod http;
mod listener;
mod multiplex;
mod notify;
mod ready;
mod stream;
mod tasks;
mod tls;
mod watch;
mod webhooks;

use std::any::Any;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle, System};
use actix_web::dev::Extensions;
use actix_web::web;
use parking_lot::RwLock;

use crate::admin::{self, Readiness, Scrape};
use crate::api;
use crate::auth::{Blocking, Gate};
use crate::care::Tools;
use crate::channel::{CHANNEL, Context, Directory, Hubs};
use crate::cli::ServeError;
use crate::clock;
use crate::config::{Config, Engine};
use crate::metrics::Metrics;
use crate::presence::{Hidden, PRESENCE, Registry, RegistryHandle, Sight};
use crate::retention::Retention;
use crate::session::{self, Admission, App, HUB, HubIn, SESSION};
use crate::store::{Reads, Rows, Store};
use crate::supervise::{Faults, Probes};
use crate::transport::{self, LONGPOLL, Transports, WIRE};
use crate::web::Page;
use crate::webhooks::Signals;

use control::Control;
use tasks::Task;
use webhooks::Webhooks;

pub use alone::{Running, serve, serve_with, stop_signal};

/// What is at `/admin`; nothing in a debug build that is far from its sources.
static OPERATORS_PAGE: LazyLock<Option<Page>> = LazyLock::new(|| Page::of("admin"));
/// What is at `/`, likewise.
static CHAT_PAGE: LazyLock<Option<Page>> = LazyLock::new(|| Page::with_library("chat"));

/// What a test, or a program that embeds the server, may put in.
#[derive(Default)]
pub struct Parts {
    /// Places where actors are to panic.
    pub faults: Faults,
    /// An engine to use instead of the configured one.
    pub rows: Option<Arc<dyn Rows>>,
}

/// All parts of a server, put together, but for the HTTP server that they answer through.
///
/// Dropped without [`stop`](Self::stop), it ends as in a crash: what was told is kept, what waits is not written.
pub struct Server {
    routes: Routes,
    registry: RegistryHandle,
    arbiters: Vec<Arbiter>,
    tasks: Vec<Task>,
    webhooks: Option<Webhooks>,
    control: Option<Control>,
    /// The data directory, where it is this process's own.
    folder: Option<PathBuf>,
    /// Held here alone, so that it can be closed while somebody still asks how it is.
    store: Arc<RwLock<Option<Store>>>,
}

/// How a server answers requests. Every worker of a host takes a clone.
#[derive(Clone)]
pub struct Routes {
    app: Arc<App>,
    transports: Arc<Transports>,
    readiness: Arc<Readiness>,
    scrape: Arc<Scrape>,
    part: Part,
}

/// Which part of it is answered at one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of it.
    Whole,
    /// What is for clients.
    Clients,
    /// What is for operators.
    Operators,
}

impl Routes {
    /// One part of it.
    fn of(&self, part: Part) -> Self {
        Self { part, ..self.clone() }
    }

    /// Lets a connection in, if there is room for it; where operators come, there is always some for them.
    fn connect(&self, peer: Option<SocketAddr>) -> Option<Admission> {
        if self.part == Part::Operators { self.app.connect_operator() } else { self.transports.connect(peer) }
    }

    /// Adds everything that a server answers: to an application, or to a scope of one. All of it, the answer to paths
    /// that are not there too, is relative to where it is added, and so is the application data that it adds.
    ///
    /// To be called where requests are answered, which is in the factory of a host's `HttpServer`: this thread's share
    /// of the server starts here.
    pub fn configure(&self, cfg: &mut web::ServiceConfig) {
        let Self { app, transports, readiness, scrape, .. } = self;
        cfg.app_data(web::Data::from(Arc::clone(readiness)))
            .app_data(web::Data::from(Arc::clone(scrape)))
            .configure(admin::health);
        if self.part != Part::Clients {
            cfg.configure(admin::metrics);
            OPERATORS_PAGE.iter().for_each(|page| page.configure("/admin", cfg));
        }
        if self.part != Part::Operators {
            let is_shown = app.context.config.web.chat;
            CHAT_PAGE.iter().for_each(
                |page| {
                    if is_shown { page.configure("/", cfg) } else { page.configure_assets(cfg) }
                },
            );
        }
        let operators = |v1: &mut web::ServiceConfig| {
            v1.configure(admin::operators).configure(api::configure);
        };
        match self.part {
            Part::Whole => transports.configure(cfg, operators),
            Part::Clients => transports.configure(cfg, api::configure),
            Part::Operators => transports.guard(cfg, operators),
        }
    }
}

impl Server {
    /// Opens the store and starts the actors; blocks while the store is read. An actix system has to run on this thread
    /// and to outlive the server.
    pub fn open(config: Config, parts: Parts) -> Result<Self, ServeError> {
        if !System::is_registered() {
            return Err(ServeError::Other("no actix system runs on this thread".into()));
        }
        let probes = Probes::new(config.log.slow);
        let lasting = parts.rows.is_none();
        let store = match parts.rows {
            Some(rows) => Store::on(rows, &config.store, &probes)?,
            None => Store::open(&config.store, &probes)?,
        };
        // The first is the registry's, the others are the channels'.
        let arbiters: Vec<Arbiter> = (0..=config.channels.arbiters).map(|_| Arbiter::new()).collect();
        let handles = arbiters.iter().map(Arbiter::handle).collect();
        // Where the data directory is this process's own.
        let folder = (lasting && config.store.engine == Engine::Sled).then(|| config.store.path.clone());
        let (reads, count) = (store.reads(), store.measure());
        let mut server = Self::build(config, store, probes, parts.faults, handles)?;
        server.tasks.push(Task::begin(tasks::measure(reads, count)));
        server.arbiters = arbiters;
        server.control =
            folder.as_deref().and_then(|folder| Control::open(folder, &server.routes.app, server.tools()?));
        server.folder = folder;
        Ok(server)
    }

    /// The same on this thread alone, for a simulation: it says when the store reads and writes, and it has the parts that
    /// transports see.
    #[cfg(feature = "testing")]
    pub fn stepped(
        config: Config,
        rows: Arc<dyn Rows>,
        faults: Faults,
    ) -> Result<(Self, Arc<App>, crate::store::Stepped), ServeError> {
        let probes = Probes::default();
        let (store, stepped) = Store::stepped(rows, &config.store, &probes)?;
        let server = Self::build(config, store, probes, faults, vec![Arbiter::current(); 2])?;
        let app = Arc::clone(&server.routes.app);
        Ok((server, app, stepped))
    }

    /// The parts that transports see, for a bench that is a transport itself.
    #[cfg(feature = "testing")]
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.routes.app)
    }

    fn build(
        config: Config,
        store: Store,
        probes: Probes,
        faults: Faults,
        arbiters: Vec<ArbiterHandle>,
    ) -> Result<Self, ServeError> {
        let [registrys, channels @ ..] = &arbiters[..] else {
            return Err(ServeError::Other("a server needs threads".into()));
        };
        // All of them from the start: no series comes later.
        for kind in [&PRESENCE, &CHANNEL, &HUB, &SESSION, &LONGPOLL, &WIRE] {
            probes.of(kind);
        }
        let config = Arc::new(config);
        let hidden = Hidden::default();
        let metrics = Metrics::new().map_err(|error| ServeError::Other(error.to_string()))?;
        let metrics = Arc::new(metrics);
        let reads = store.reads();
        let signals = Signals::new(&config.webhooks);
        let context = Arc::new(Context {
            config: Arc::clone(&config),
            log: store.log(),
            meta: store.meta(),
            reads: reads.clone(),
            hubs: Hubs::default(),
            hidden: hidden.clone(),
            signals: signals.clone(),
            metrics: Arc::clone(&metrics),
            probes: probes.clone(),
            faults: faults.clone(),
        });
        let meta = store.meta();
        hidden.load(&*meta).map_err(|error| ServeError::Other(format!("who hides could not be read: {error}")))?;
        let webhooks = Webhooks::start(&config, &store, &context)?;
        let sight = Sight { hidden, signals };
        let registry = Registry::start(registrys, &config.presence, meta, &probes, &faults, &metrics.presence, &sight);
        let directory = Directory::new(channels.to_vec(), Arc::clone(&context));
        if let Some(arbiter) = channels.first() {
            Retention::start(arbiter, Arc::clone(&context), Arc::clone(&directory));
        }
        let gate = Gate::new(&config, store.meta(), blocking(reads))?;
        let mut collectors = store.collectors();
        let app = Arc::new(App::new(context, directory, registry.post(), gate, store.boot()));
        // A weak hold: whoever is told by the store is told for as long as there is one.
        let told = Arc::downgrade(&app);
        app.gate.watch(move |user| {
            if let Some(app) = told.upgrade() {
                app.tell_workers(|| HubIn::Void(user.clone()));
            }
        });
        session::follow(&app);
        let store = Arc::new(RwLock::new(Some(store)));
        let readiness = Arc::new(ready::readiness(&store, &probes));
        let obstacles = admin::Obstacles::new(&readiness).map_err(|error| ServeError::Other(error.to_string()))?;
        collectors.push(Box::new(obstacles));
        let scrape = Arc::new(Scrape::new(metrics, probes, collectors));
        let tasks = vec![Task::begin(tasks::purge(Arc::clone(&app)))];
        readiness.started();
        let transports = Arc::new(Transports::new(&app));
        let routes = Routes { app, transports, readiness, scrape, part: Part::Whole };
        Ok(Self { routes, registry, arbiters: Vec::new(), tasks, webhooks, control: None, folder: None, store })
    }

    /// What the care of data goes through.
    fn tools(&self) -> Option<Tools> {
        let (directory, held) = (Arc::clone(&self.routes.app.directory), Arc::downgrade(&self.store));
        let archive = self.store.read().as_ref().map(Store::archive)?;
        let bytes = move || {
            let store = held.upgrade()?;
            let bytes = store.read().as_ref()?.bytes_on_disk();
            bytes.ok()
        };
        Some(Tools {
            archive,
            meta: Arc::clone(&self.routes.app.context.meta),
            bytes_on_disk: Arc::new(move || bytes().unwrap_or(0)),
            forget: Arc::new(move |channel, seqs| directory.erased(channel, seqs)),
        })
    }

    /// What its HTTP server is to answer with: everything, or what is for clients if operators have an address of their
    /// own.
    pub fn routes(&self) -> Routes {
        let apart = self.routes.app.context.config.admin.bind.is_some();
        self.routes.of(if apart { Part::Clients } else { Part::Whole })
    }

    /// What is to be answered where operators come, if they have an address of their own.
    pub fn operators(&self) -> Routes {
        self.routes.of(Part::Operators)
    }

    /// What to give to the `on_connect` of the `HttpServer` that it answers through; a host with a hook of its own calls
    /// this one in it.
    ///
    /// Without it a server works, but the connection of a peer that vanished or that takes nothing is not cut: its
    /// session ends all the same, its descriptor stays until the kernel gives up, which takes minutes. And small frames
    /// may wait for an acknowledgement (no `TCP_NODELAY`). It knows plain TCP and Unix sockets; a connection whose TLS the
    /// host ends itself is left as it is.
    pub fn on_connect(&self) -> impl Fn(&dyn Any, &mut Extensions) + Clone + Send + Sync + use<> {
        transport::on_connect(self.routes.app.context.config.presence.timeout)
    }

    /// Makes the first operator's account, unless the store has had one, and writes its token to `operator.token` in the data
    /// directory, for its owner alone to read. A host that has operators of its own need not call it.
    pub async fn provide_operator(&self) {
        if let Some(folder) = &self.folder {
            first::provide(folder, &self.routes.app.gate).await;
        }
    }

    /// Has clients come back later, and waits until no session is left, at most for the configured drain time: says so
    /// to every client, takes no more of them, and ends sessions as what they have under way is answered. `/readyz`
    /// says 503 from here on.
    pub async fn drain(&self) {
        self.routes.readiness.drain();
        drain(&self.routes.app).await;
    }

    /// Drains it, if that was not done, and closes the store when everything that could write has ended. Blocks the
    /// thread for that moment. Whatever still comes in is answered as by a server that cannot store.
    pub async fn stop(self) -> Result<(), ServeError> {
        if !self.routes.app.is_draining() {
            self.drain().await;
        }
        let Self { registry, arbiters, tasks, webhooks, control, store, .. } = self;
        drop(control);
        for task in tasks {
            task.end().await;
        }
        registry.stop().await;
        for arbiter in arbiters {
            arbiter.stop();
            if arbiter.join().is_err() {
                log::error!("a thread of actors panicked");
            }
        }
        if let Some(webhooks) = webhooks {
            webhooks.stop().await;
        }
        // The last of it: everything that could write has ended.
        let store = store.write().take();
        let closed = store.map_or(Ok(()), Store::close);
        closed.map_err(|error| ServeError::Other(format!("the store did not close: {error}")))
    }
}

/// Says so to every client, ends sessions as what they have under way is answered, and waits for that.
async fn drain(app: &App) {
    let server = &app.context.config.server;
    let deadline = clock::moment().after(server.drain_timeout);
    app.drain();
    if app.sessions() > 0 {
        app.tell_workers(|| HubIn::Notice);
        tokio::time::sleep(server.drain_notice).await;
        app.tell_workers(|| HubIn::Drain);
    }
    while app.sessions() > 0 && clock::moment() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if app.sessions() > 0 {
        log::warn!("{} sessions did not end within the drain time", app.sessions());
    }
}

/// Runs what blocks on the store's read pool.
fn blocking(reads: Reads) -> Blocking {
    Arc::new(move |job| {
        let run = reads.run(move || {
            job();
            Ok(())
        });
        actix::spawn(async move { drop(run.await) });
    })
}
