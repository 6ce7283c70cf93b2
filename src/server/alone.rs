//! A server that is a program of its own: its listener, its HTTP server, its signals. Everything else is the
//! [`Server`] that a host application mounts, too.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use actix::System;
use tokio::sync::oneshot;

use super::listener::{BACKLOG, Listener};
use super::tls::Certificate;
use super::{Parts, Server, http, notify};
use crate::cli::ServeError;
use crate::config::Config;
use crate::session::OPERATORS;

/// The TCP addresses that a server listens on.
#[derive(Clone, Copy, Debug)]
struct Listening {
    clients: Option<SocketAddr>,
    operators: Option<SocketAddr>,
}

/// A server on a thread of its own.
pub struct Running {
    listening: Listening,
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
                    move |listening| {
                        let _ = ready.send(listening);
                    },
                )
            })
            .map_err(|error| ServeError::Other(error.to_string()))?;
        match readied.recv() {
            Ok(listening) => Ok(Self { listening, stop: Some(stop), thread: Some(thread) }),
            Err(_) => Err(join(thread).err().unwrap_or_else(|| ServeError::Other("the server ended at once".into()))),
        }
    }

    /// The TCP address that it listens on.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listening.clients
    }

    /// The TCP address where operators come, if they have one of their own.
    pub fn operators(&self) -> Option<SocketAddr> {
        self.listening.operators
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
    serve_with(config, Parts::default())
}

/// As [`serve`], with parts of one's own.
pub fn serve_with(config: Config, parts: Parts) -> Result<(), ServeError> {
    raise_file_limit();
    let bind = config.server.bind.clone();
    let s = if config.server.tls.is_some() { "s" } else { "" };
    let admin = config.admin.bind.clone();
    let stop = || {
        let signal = stop_signal();
        async {
            signal.await;
            notify::stopping();
        }
    };
    run(config, parts, stop, move |Listening { clients, operators }| {
        match clients {
            Some(address) => {
                say(format_args!("listening on http{s}://{address}"));
                let place = format_args!("ws{s}://{address}/v1/ws, or a browser at http{s}://{address}/");
                say(format_args!("point a WebSocket client at {place}"));
            }
            None => say(format_args!("listening on {bind}")),
        }
        match (operators, admin) {
            (Some(address), _) => say(format_args!("for operators: http{s}://{address}")),
            (None, Some(bind)) => say(format_args!("for operators: {bind}")),
            (None, None) => {}
        }
        notify::ready();
    })
}

/// Prints a line. Whoever started the server may have read enough of what it prints, and gone.
fn say(line: std::fmt::Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        log::debug!("nobody reads what is printed: {error}");
    }
}

/// Ends when the process is asked to stop, by SIGTERM or SIGINT; another one then ends the process at once. Signals are
/// heard from the call on, not from the first poll: once somebody was told that the server is there, none may end the
/// process by itself. Needs a running system.
pub fn stop_signal() -> impl Future<Output = ()> {
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
    ready: impl FnOnce(Listening),
) -> Result<(), ServeError> {
    System::new().block_on(async move {
        let stop = stop();
        let listeners = Listeners::bind(&config)?;
        let certificate = config.server.tls.as_ref().map(Certificate::read).transpose()?;
        let server = Server::open(config, parts)?;
        server.provide_operator().await;
        let fresh = certificate.as_ref().map(|certificate| actix::spawn(Arc::clone(certificate).keep_fresh()));
        let outcome = answer(&server, listeners, certificate.as_ref(), stop, ready).await;
        fresh.iter().for_each(actix_web::rt::task::JoinHandle::abort);
        let stopped = server.stop().await;
        outcome.and(stopped)
    })
}

/// Where a server listens.
struct Listeners {
    clients: Listener,
    /// Where operators come, if they do not come there.
    operators: Option<Listener>,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Self, ServeError> {
        let operators = config.admin.bind.as_ref().map(Listener::bind).transpose()?;
        Ok(Self { clients: Listener::bind(&config.server.bind)?, operators })
    }

    fn listening(&self) -> Listening {
        let operators = self.operators.as_ref().and_then(Listener::address);
        Listening { clients: self.clients.address(), operators }
    }

    /// The names of those that are Unix sockets.
    fn paths(&self) -> Vec<PathBuf> {
        [Some(&self.clients), self.operators.as_ref()].into_iter().flatten().filter_map(Listener::path).collect()
    }
}

/// Answers requests until `stop` ends, and then until the sessions have ended.
async fn answer(
    server: &Server,
    listeners: Listeners,
    certificate: Option<&Arc<Certificate>>,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(Listening),
) -> Result<(), ServeError> {
    let failed = |error: std::io::Error| ServeError::Other(format!("the listener cannot be used: {error}"));
    let (listening, sockets) = (listeners.listening(), listeners.paths());
    let tls = certificate.map(Certificate::acceptor).transpose()?;
    let routes = server.routes();
    let config = &routes.app.context.config;
    let builder = actix_server::Server::build().workers(config.server.workers).disable_signals().backlog(BACKLOG);
    // More than there may be are let go, and never left waiting for their turn.
    let builder = builder.max_concurrent_connections(config.limits.sockets + OPERATORS + 1).shutdown_timeout(1);
    let Listeners { clients, operators } = listeners;
    let parts = match operators {
        None => vec![(clients, routes)],
        Some(operators) => vec![(clients, routes), (operators, server.operators())],
    };
    let http = parts.into_iter().try_fold(builder, |builder, (listener, routes)| {
        http::listen(builder, listener, tls.clone(), routes, server.on_connect()).map_err(failed)
    });
    let http = http?.run();
    let handle = http.handle();
    let serving = actix::spawn(http);
    ready(listening);
    stop.await;
    server.drain().await;
    handle.stop(true).await;
    drop(serving.await);
    for path in sockets {
        drop(std::fs::remove_file(path));
    }
    Ok(())
}
