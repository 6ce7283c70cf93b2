//! A server that is a program of its own: its listener, its HTTP server, its signals. Everything else is the
//! [`Server`] that a host application mounts, too.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix::System;
use tokio::sync::oneshot;

use super::listener::{BACKLOG, Listener};
use super::{Parts, Server, http};
use crate::cli::ServeError;
use crate::config::{Bind, Config};

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
    serve_with(config, Parts::default())
}

/// As [`serve`], with parts of one's own.
pub fn serve_with(config: Config, parts: Parts) -> Result<(), ServeError> {
    raise_file_limit();
    let bind = config.server.bind.clone();
    run(config, parts, stop_signal, move |address| match (address, bind) {
        (Some(address), _) => {
            say(format_args!("listening on http://{address}"));
            let place = format_args!("ws://{address}/v1/ws, or a browser at http://{address}/");
            say(format_args!("point a WebSocket client at {place}"));
        }
        (None, Bind::Unix(path)) => say(format_args!("listening on unix:{}", path.display())),
        (None, Bind::Tcp(_)) => {}
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
    ready: impl FnOnce(Option<SocketAddr>),
) -> Result<(), ServeError> {
    System::new().block_on(async move {
        let stop = stop();
        let listener = Listener::bind(&config.server.bind)?;
        let workers = config.server.workers;
        let server = Server::open(config, parts)?;
        let outcome = answer(&server, listener, workers, stop, ready).await;
        let stopped = server.stop().await;
        outcome.and(stopped)
    })
}

/// Answers requests until `stop` ends, and then until the sessions have ended.
async fn answer(
    server: &Server,
    listener: Listener,
    workers: usize,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(Option<SocketAddr>),
) -> Result<(), ServeError> {
    let failed = |error: std::io::Error| ServeError::Other(format!("the listener cannot be used: {error}"));
    let (address, socket) = (listener.address(), listener.path());
    let builder = actix_server::Server::build().workers(workers).disable_signals().backlog(BACKLOG).shutdown_timeout(1);
    let http = http::listen(builder, listener, server.routes(), server.on_connect()).map_err(failed)?.run();
    let handle = http.handle();
    let serving = actix::spawn(http);
    ready(address);
    stop.await;
    server.drain().await;
    handle.stop(true).await;
    drop(serving.await);
    if let Some(path) = socket {
        drop(std::fs::remove_file(path));
    }
    Ok(())
}
