//! The composition root: opens the store, starts the actors, serves, and stops in order.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix::{Arbiter, System};
use actix_web::HttpServer;
use actix_web::web;
use tokio::sync::oneshot;

use crate::admin::{self, Readiness, Scrape};
use crate::auth::{Blocking, Guests};
use crate::channel::{Context, Directory, Hubs};
use crate::cli::ServeError;
use crate::clock;
use crate::config::{Bind, Config};
use crate::metrics::Metrics;
use crate::presence::{Registry, RegistryHandle};
use crate::session::{App, HubIn};
use crate::store::{Health, Reads, Rows, Store};
use crate::supervise::{Faults, Probes};
use crate::transport::{self, Transports};

/// How often expired guests are cleared away.
const PURGE_EVERY: Duration = Duration::from_secs(3600);
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;

/// What a test, or a program that embeds the server, may put in.
#[derive(Default)]
pub struct Parts {
    /// Places where actors are to panic.
    pub faults: Faults,
    /// An engine to use instead of the configured one.
    pub rows: Option<Arc<dyn Rows>>,
}

/// A server on a thread of its own.
pub struct Running {
    address: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Running {
    /// Starts a server; it listens when this returns.
    pub fn start(config: Config, parts: Parts) -> Result<Self, ServeError> {
        let (stop, stopped) = oneshot::channel();
        let (ready, readied) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("parlor".into())
            .spawn(move || {
                run(
                    config,
                    parts,
                    || async { drop(stopped.await) },
                    move |address| {
                        let _ = ready.send(address);
                    },
                )
            })
            .map_err(|error| ServeError::Other(error.to_string()))?;
        match readied.recv() {
            Ok(address) => Ok(Self { address, stop: Some(stop), thread: Some(thread) }),
            Err(_) => Err(join(thread).err().unwrap_or_else(|| ServeError::Other("the server ended at once".into()))),
        }
    }

    /// The TCP address that it listens on.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Drains it, and waits for its end.
    pub fn stop(mut self) -> Result<(), ServeError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ServeError> {
        drop(self.stop.take());
        self.thread.take().map_or(Ok(()), join)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::error!("{error}");
        }
    }
}

fn join(thread: JoinHandle<Result<(), ServeError>>) -> Result<(), ServeError> {
    thread.join().unwrap_or_else(|_| Err(ServeError::Other("the server's thread panicked".into())))
}

/// Serves until SIGTERM or SIGINT; a second one ends the process at once. Prints where it listens.
pub fn serve(config: Config) -> Result<(), ServeError> {
    raise_file_limit();
    let bind = config.server.bind.clone();
    run(config, Parts::default(), signals, move |address| match (address, bind) {
        (Some(address), _) => {
            println!("listening on http://{address}");
            println!("point a WebSocket client at ws://{address}/v1/ws, or a browser at http://{address}/");
        }
        (None, Bind::Unix(path)) => println!("listening on unix:{}", path.display()),
        (None, Bind::Tcp(_)) => {}
    })
}

/// Ends when the process is asked to stop. Signals are heard from the call on, not from the first poll: once somebody
/// was told that the server is there, none may end the process by itself. Needs a running system.
fn signals() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
    async move {
        let Ok((mut term, mut int)) = heard else {
            log::error!("signals cannot be heard: the server can only be killed");
            return std::future::pending().await;
        };
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        log::info!("stopping; a second signal stops at once");
        actix::spawn(async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            log::warn!("stopped at once by a second signal");
            std::process::exit(i32::from(crate::cli::FAILED));
        });
    }
}

/// A connection takes a descriptor, and many systems begin with few.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::warn!("the limit of open files stays as it is: {error}");
    }
}

fn run<S: Future<Output = ()>>(
    config: Config,
    parts: Parts,
    stop: impl FnOnce() -> S,
    ready: impl FnOnce(Option<SocketAddr>),
) -> Result<(), ServeError> {
    System::new().block_on(async move {
        let stop = stop();
        let listener = Listener::bind(&config.server.bind)?;
        let probes = Probes::default();
        let store = match parts.rows {
            Some(rows) => Store::on(rows, &config.store, &probes)?,
            None => Store::open(&config.store, &probes)?,
        };
        let store = Arc::new(store);
        let server = Server::build(config, Arc::clone(&store), probes, parts.faults)?;
        let address = listener.address();
        let outcome = server.serve(listener, stop, move || ready(address)).await;
        // The last of it: everything that could write has ended.
        let closed = match Arc::into_inner(store) {
            Some(store) => {
                store.close().map_err(|error| ServeError::Other(format!("the store did not close: {error}")))
            }
            None => Err(ServeError::Other("the store is still in use and was not closed".into())),
        };
        outcome.and(closed)
    })
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    fn bind(bind: &Bind) -> Result<Self, ServeError> {
        let failed = |what: String| move |error: std::io::Error| ServeError::Bind(format!("{what}: {error}"));
        match bind {
            Bind::Tcp(address) => {
                let socket = socket2::Socket::new(socket2::Domain::for_address(*address), socket2::Type::STREAM, None);
                let bound = socket.and_then(|socket| {
                    socket.set_reuse_address(true)?;
                    socket.set_nonblocking(true)?;
                    socket.bind(&(*address).into())?;
                    socket.listen(BACKLOG as i32)?;
                    Ok(TcpListener::from(socket))
                });
                bound.map(Self::Tcp).map_err(failed(address.to_string()))
            }
            Bind::Unix(path) => {
                // A socket that nobody listens on any more is what a kill leaves behind.
                if path.exists() && std::os::unix::net::UnixStream::connect(path).is_err() {
                    drop(std::fs::remove_file(path));
                }
                let bound = UnixListener::bind(path).and_then(|socket| {
                    socket.set_nonblocking(true)?;
                    Ok(socket)
                });
                bound.map(|socket| Self::Unix(socket, path.clone())).map_err(failed(format!("unix:{}", path.display())))
            }
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

/// All parts of a server, put together.
struct Server {
    app: Arc<App>,
    readiness: Arc<Readiness>,
    scrape: Arc<Scrape>,
    registry: RegistryHandle,
    arbiters: Vec<Arbiter>,
}

impl Server {
    fn build(config: Config, store: Arc<Store>, probes: Probes, faults: Faults) -> Result<Self, ServeError> {
        let config = Arc::new(config);
        let metrics = Metrics::new().map_err(|error| ServeError::Other(error.to_string()))?;
        let metrics = Arc::new(metrics);
        let reads = store.reads();
        let context = Arc::new(Context {
            config: Arc::clone(&config),
            log: store.log(),
            meta: store.meta(),
            reads: reads.clone(),
            hubs: Hubs::default(),
            metrics: Arc::clone(&metrics),
            probes: probes.clone(),
            faults: faults.clone(),
        });
        let registry = Registry::start(&config.presence, store.meta(), &probes, &faults, &metrics.presence);
        let arbiters: Vec<Arbiter> = (0..config.channels.arbiters).map(|_| Arbiter::new()).collect();
        let directory = Directory::new(arbiters.iter().map(Arbiter::handle).collect(), Arc::clone(&context));
        let guests = Guests::new(config.auth.guests, config.auth.guest_ttl, store.meta(), blocking(reads));
        let collectors = store.collectors();
        let app = Arc::new(App::new(context, directory, registry.post(), guests, store.boot()));
        let resting = {
            let probes = probes.clone();
            move || {
                let all = probes.all().into_iter().map(|probe| probe.snapshot());
                all.filter(|seen| seen.resting > 0).map(|seen| seen.kind.to_owned()).collect()
            }
        };
        // A weak hold: the store is closed when everything that uses it has ended.
        let held = Arc::downgrade(&store);
        let health = move || match held.upgrade().map(|store| store.health()) {
            Some(Health::Ok) => None,
            Some(Health::LowSpace) => Some("too little free space".to_owned()),
            Some(Health::Failed(why)) => Some(why),
            None => Some("closed".to_owned()),
        };
        let readiness = Arc::new(Readiness::new(health, resting));
        let scrape = Arc::new(Scrape::new(metrics, probes, collectors));
        Ok(Self { app, readiness, scrape, registry, arbiters })
    }

    async fn serve(
        self,
        listener: Listener,
        stop: impl Future<Output = ()>,
        ready: impl FnOnce(),
    ) -> Result<(), ServeError> {
        let Self { app, readiness, scrape, registry, arbiters } = self;
        let config = Arc::clone(&app.context.config);
        let http = {
            let (readiness, scrape) = (Arc::clone(&readiness), Arc::clone(&scrape));
            let transports = Arc::new(Transports::new(&app));
            HttpServer::new(move || {
                let transports = Arc::clone(&transports);
                actix_web::App::new()
                    .app_data(web::Data::from(Arc::clone(&readiness)))
                    .app_data(web::Data::from(Arc::clone(&scrape)))
                    .configure(admin::configure)
                    .configure(|cfg| transports.configure(cfg))
            })
        };
        let http = http
            .workers(config.server.workers)
            .disable_signals()
            .backlog(BACKLOG)
            .h1_allow_half_closed(false)
            .shutdown_timeout(1)
            .on_connect(transport::on_connect(config.presence.timeout));
        let failed = |error: std::io::Error| ServeError::Other(format!("the listener cannot be used: {error}"));
        let (http, socket) = match listener {
            Listener::Tcp(listener) => (http.listen(listener).map_err(failed)?, None),
            Listener::Unix(listener, path) => (http.listen_uds(listener).map_err(failed)?, Some(path)),
        };
        let http = http.run();
        let handle = http.handle();
        let serving = actix::spawn(http);
        let purge = actix::spawn(purge(Arc::clone(&app)));
        readiness.started();
        ready();
        stop.await;
        readiness.drain();
        drain(&app).await;
        handle.stop(true).await;
        drop(serving.await);
        purge.abort();
        drop(purge.await);
        registry.stop().await;
        for arbiter in arbiters {
            arbiter.stop();
            if arbiter.join().is_err() {
                log::error!("a channel thread panicked");
            }
        }
        if let Some(path) = socket {
            drop(std::fs::remove_file(path));
        }
        Ok(())
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

async fn purge(app: Arc<App>) {
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        match app.guests.purge_expired(clock::wall()).await {
            Ok(0) => {}
            Ok(purged) => log::info!("{purged} guests have expired"),
            Err(error) => log::warn!("expired guests could not be cleared away: {error}"),
        }
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
