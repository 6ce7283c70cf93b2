//! The HTTP service of a server of its own. A connection that turns to WebSocket leaves it for a wire around
//! which no HTTP connection is kept.

use std::any::Any;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService, Protocol};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::rt::net::{TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Routes;
use super::listener::Listener;

/// How long a connection without a request is kept: longer than proxies keep theirs, so that none sends a request into
/// a connection that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection that the server ends may take to do so.
const DISCONNECT: Duration = Duration::from_secs(1);
/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(5);

/// Has `http` answer what comes in at `listener`.
pub(super) fn listen(
    http: ServerBuilder,
    listener: Listener,
    routes: Routes,
    on_connect: impl Fn(&dyn Any, &mut Extensions) + Clone + Send + 'static,
) -> std::io::Result<ServerBuilder> {
    let stop = http.graceful_shutdown_signal();
    match listener {
        Listener::Tcp(listener) => http.listen("parlor", listener, move || {
            let (routes, on_connect, stop) = (routes.clone(), on_connect.clone(), stop.clone());
            let open = fn_service(|io: TcpStream| async move {
                let peer = io.peer_addr().ok();
                Ok((io, Protocol::Http1, peer))
            });
            open.and_then(service(routes, on_connect, stop))
        }),
        Listener::Unix(listener, _) => http.listen_uds("parlor", listener, move || {
            let (routes, on_connect, stop) = (routes.clone(), on_connect.clone(), stop.clone());
            let open = fn_service(|io: UnixStream| async move { Ok((io, Protocol::Http1, None)) });
            open.and_then(service(routes, on_connect, stop))
        }),
    }
}

fn service<T: AsyncRead + AsyncWrite + Debug + Unpin + 'static>(
    routes: Routes,
    on_connect: impl Fn(&dyn Any, &mut Extensions) + 'static,
    stop: GracefulShutdownSignal,
) -> impl ServiceFactory<(T, Protocol, Option<SocketAddr>), Config = (), Response = (), Error = DispatchError, InitError = ()>
{
    let application = || {
        let routes = routes.clone();
        let application = App::new().configure(|cfg| routes.configure(cfg));
        map_config(application, |()| AppConfig::default()).map_err(|error: actix_web::Error| error.error_response())
    };
    let stopped = move || {
        let stop = stop.clone();
        async move { stop.notified().await }
    };
    HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(REQUEST)
        .client_disconnect_timeout(DISCONNECT)
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(stopped)
        .on_connect_ext(move |io: &T, extensions: &mut Extensions| on_connect(io, extensions))
        .upgrade(routes.transports.upgrade(application()))
        .finish(application())
}
