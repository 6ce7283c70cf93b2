//! The HTTP service of a server of its own: plain or over TLS, HTTP/1.1 and, over TLS, HTTP/2. A connection that turns to
//! WebSocket leaves it for a wire around which no HTTP connection is kept.

use std::any::Any;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::error::DispatchError;
use actix_http::h1::{Codec, Message};
use actix_http::{Extensions, HttpService, Protocol, Request, Response};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::{ConnectionType, Version};
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::{App, HttpMessage, HttpResponse};
use futures_util::future::Either;
use tokio_rustls::TlsAcceptor;

use super::listener::Listener;
use super::stream::{Io, Stream};
use super::watch::{Answer, Watch};
use super::{Part, Routes};
use crate::transport;

/// How long a connection without a request is kept: longer than proxies keep theirs, so that none sends a request into
/// a connection that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection that the server ends may take to do so.
const DISCONNECT: Duration = Duration::from_secs(1);

/// A connection that was let in: its socket, what is spoken on it, and where it came from.
type Connection = (Stream, Protocol, Option<SocketAddr>);

/// Has `http` answer what comes in at `listener`, over TLS if there is an acceptor.
pub(super) fn listen(
    http: ServerBuilder,
    listener: Listener,
    tls: Option<TlsAcceptor>,
    routes: Routes,
    on_connect: impl Fn(&dyn Any, &mut Extensions) + Clone + Send + 'static,
) -> std::io::Result<ServerBuilder> {
    let stop = http.graceful_shutdown_signal();
    match listener {
        Listener::Tcp(listener) => http.listen("parlor", listener, move || {
            let (routes, on_connect, stop) = (routes.clone(), on_connect.clone(), stop.clone());
            let (door, tls) = (routes.clone(), tls.clone());
            let open = fn_service(move |tcp: TcpStream| enter(door.clone(), tls.clone(), tcp));
            open.and_then(service(routes, on_connect, stop))
        }),
        Listener::Unix(listener, _) => http.listen_uds("parlor", listener, move || {
            let (routes, on_connect, stop) = (routes.clone(), on_connect.clone(), stop.clone());
            let door = routes.clone();
            let open = fn_service(move |unix: UnixStream| {
                let place = door.connect(None).ok_or_else(refused);
                let within = request_within(&door);
                async move { Ok((Stream::new(Io::Unix(unix), Protocol::Http1, within, place?), Protocol::Http1, None)) }
            });
            open.and_then(service(routes, on_connect, stop))
        }),
    }
}

/// Lets a connection in, before anything is spoken on it, and then shakes hands.
async fn enter(routes: Routes, tls: Option<TlsAcceptor>, tcp: TcpStream) -> Result<Connection, DispatchError> {
    let peer = tcp.peer_addr().ok();
    let place = routes.connect(peer).ok_or_else(refused)?;
    let within = request_within(&routes);
    let Some(tls) = tls else {
        return Ok((Stream::new(Io::Tcp(tcp), Protocol::Http1, within, place), Protocol::Http1, peer));
    };
    // Boxed, or a connection would take the room of a handshake as long as it lasts.
    let shaken = Box::pin(tokio::time::timeout(within, tls.accept(tcp))).await;
    let tls = shaken.map_err(|_| DispatchError::SlowRequestTimeout)?.map_err(DispatchError::Io)?;
    // Over HTTP/2 bytes need not belong to a request: one that rests says something, too.
    let (protocol, within) = match tls.get_ref().1.alpn_protocol() {
        Some(b"h2") => (Protocol::Http2, KEEP_ALIVE),
        _ => (Protocol::Http1, within),
    };
    Ok((Stream::new(Io::Tls(Box::new(tls)), protocol, within, place), protocol, peer))
}

/// There is no room: the connection is closed without a word.
fn refused() -> DispatchError {
    DispatchError::Io(std::io::ErrorKind::ConnectionRefused.into())
}

fn request_within(routes: &Routes) -> Duration {
    routes.app.context.config.limits.request_timeout
}

fn service(
    routes: Routes,
    on_connect: impl Fn(&dyn Any, &mut Extensions) + 'static,
    stop: GracefulShutdownSignal,
) -> impl ServiceFactory<Connection, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let application = || {
        let routes = routes.clone();
        let headers = transport::headers(routes.app.context.config.server.tls.is_some());
        let application = App::new().wrap(headers).wrap(from_fn(watched)).configure(|cfg| routes.configure(cfg));
        map_config(application, |()| AppConfig::default()).map_err(|error: actix_web::Error| error.error_response())
    };
    let stopped = move || {
        let stop = stop.clone();
        async move { stop.notified().await }
    };
    let upgrade = apply_fn_factory(
        routes.transports.upgrade(routes.part != Part::Operators, application()),
        |(request, mut framed): (Request, Framed<Stream, Codec>), service: &_| {
            framed.io_mut().leave();
            if framed.io_ref().watch().follows(false) {
                Either::Left(Service::call(service, (request, framed)))
            } else {
                Either::Right(finish(framed))
            }
        },
    );
    HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(request_within(&routes))
        .client_disconnect_timeout(DISCONNECT)
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(stopped)
        .on_connect_ext(move |io: &Stream, extensions: &mut Extensions| {
            extensions.insert(io.watch().clone());
            on_connect(io.socket(), extensions);
        })
        .upgrade(upgrade)
        .finish(application())
}

/// Sends what is to be sent, and ends the connection.
async fn finish(mut framed: Framed<Stream, Codec>) -> Result<(), actix_http::Error> {
    let sent = poll_fn(|ctx| Pin::new(&mut framed).flush::<Message<(Response<()>, BodySize)>>(ctx));
    drop(tokio::time::timeout(DISCONNECT, sent).await);
    Ok(())
}

/// More was sent behind a request than is kept while it is answered.
fn too_much_behind() -> actix_web::Error {
    let answer = HttpResponse::BadRequest().force_close().finish();
    InternalError::from_response("too much behind a request", answer).into()
}

/// Keeps the request under way until its answer was sent.
async fn watched(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Answer<BoxBody>>, actix_web::Error> {
    let watch = request.request().conn_data::<Watch>().cloned();
    if watch.as_ref().is_some_and(|watch| !watch.follows(request.head().connection_type() == ConnectionType::Close)) {
        // There is no answer to it: the connection ends when the answers before it were sent.
        pending::<()>().await;
    }
    let until = match watch.as_ref().map(Watch::request) {
        Some(None) => {
            let full = HttpResponse::ServiceUnavailable().finish();
            return Ok(request.into_response(full).map_body(|_, body| Answer::new(body, None)));
        }
        found => found.flatten(),
    };
    let is_last = |kind: ConnectionType| kind != ConnectionType::KeepAlive;
    let (endless, last) = (request.chunked().unwrap_or(true), is_last(request.head().connection_type()));
    let may_run = watch.as_ref().filter(|_| request.head().version < Version::HTTP_2);
    let mut answering = pin!(next.call(request));
    let answered = poll_fn(|ctx| {
        if may_run.is_some_and(|watch| !watch.is_calm()) {
            return Poll::Ready(Err(too_much_behind()));
        }
        answering.as_mut().poll(ctx)
    });
    let answered = answered.await?;
    if endless && (last || is_last(answered.response().head().connection_type())) {
        watch.iter().for_each(Watch::part);
    }
    Ok(answered.map_into_boxed_body().map_body(|_, body| Answer::new(body, until)))
}
