//! A host application in this process that mounts the server, as `examples/embed` does: HTTP is the host's own, and
//! sockets that are upgraded are served by actors.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::{App, HttpServer};
use parlor::config::{Bind, Config};
use parlor::server::{Parts, Running, Server};
use tokio::sync::oneshot;

/// A server that runs.
pub enum Serving {
    /// By itself.
    Alone(Running),
    /// In a host.
    Hosted(Host),
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Alone(running) => running.address(),
            Self::Hosted(host) => Some(host.address),
        }
    }

    /// Drains it, and waits for its end.
    pub fn stop(self) -> Result<(), String> {
        match self {
            Self::Alone(running) => running.stop().map_err(|error| error.to_string()),
            Self::Hosted(host) => host.stop(),
        }
    }
}

/// A host, on a thread of its own.
pub struct Host {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Host {
    /// Starts one; it listens when this returns.
    pub fn start(config: Config, parts: Parts) -> Result<Self, String> {
        let Bind::Tcp(bind) = config.server.bind else { return Err("a host of tests listens on TCP".into()) };
        let listener = TcpListener::bind(bind).map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (stop, stopped) = oneshot::channel();
        let (ready, readied) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let workers = config.server.workers;
                let parlor = Server::open(config, parts).map_err(|error| error.to_string())?;
                let routes = parlor.routes();
                let http = HttpServer::new(move || App::new().configure(|cfg| routes.configure(cfg)))
                    .workers(workers)
                    .on_connect(parlor.on_connect())
                    .h1_allow_half_closed(false)
                    .disable_signals()
                    .shutdown_timeout(1)
                    .listen(listener)
                    .map_err(|error| error.to_string())?
                    .run();
                let handle = http.handle();
                let serving = actix_web::rt::spawn(http);
                let _ = ready.send(());
                drop(stopped.await);
                parlor.drain().await;
                handle.stop(true).await;
                drop(serving.await);
                parlor.stop().await.map_err(|error| error.to_string())
            })
        });
        match readied.recv() {
            Ok(()) => Ok(Self { address, stop, thread }),
            Err(_) => {
                Err(thread.join().map_or("the host panicked".into(), |ended| format!("the host ended: {ended:?}")))
            }
        }
    }

    fn stop(self) -> Result<(), String> {
        drop(self.stop);
        self.thread.join().unwrap_or_else(|_| Err("the host panicked".into()))
    }
}
