//! The upgrade that leaves HTTP behind: a server of its own takes the connection out of its HTTP dispatcher, whose buffers
//! and state go, and has a task of its own serve it.
//!
//! Only a request that can be accepted is. Every other is the application's to answer, as where it is mounted in a host.

use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_codec::Framed;
use actix_http::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_http::h1::{Codec, Message, SendResponse};
use actix_http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_http::ws::handshake;
use actix_http::{HttpMessage, Request, Response};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service};
use futures_util::future::Either;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::Transports;
use super::super::edge::Origins;
use super::super::proxies::Proxies;
use super::super::socket::Descriptor;
use super::SUBPROTOCOL;
use super::lean::{Line, Task};
use crate::http::asker::bearer;
use crate::session::{App, Door, Purpose, Worker};

/// Where it is asked for.
const PATH: &str = "/v1/ws";

impl Transports {
    /// What the HTTP service of a server of its own does with requests to upgrade: a WebSocket at `/v1/ws` gets a wire
    /// of its own, if clients come here, and `otherwise`, the application, answers what else there is.
    pub fn upgrade<T, S, B>(
        &self,
        for_clients: bool,
        otherwise: S,
    ) -> impl ServiceFactory<
        (Request, Framed<T, Codec>),
        Config = (),
        Response = (),
        Error = actix_http::Error,
        InitError = S::InitError,
    > + use<T, S, B>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
        S: ServiceFactory<Request, Config = ()> + 'static,
        S::Response: Into<Response<B>>,
        S::Error: Into<Response<BoxBody>>,
        B: MessageBody + 'static,
    {
        let app = self.app.clone().into_inner();
        let (origins, proxies) = (self.origins.clone().into_inner(), self.proxies.clone().into_inner());
        let otherwise = Rc::new(otherwise);
        fn_factory(move || {
            let (app, otherwise) = (Arc::clone(&app), Rc::clone(&otherwise));
            let (origins, proxies) = (Arc::clone(&origins), Arc::clone(&proxies));
            async move {
                let otherwise = Rc::new(otherwise.new_service(()).await?);
                Ok(fn_service(move |(request, framed): (Request, Framed<T, Codec>)| {
                    let accepted = for_clients.then(|| accept(&app, &origins, &proxies, &request)).flatten();
                    if let Some((door, response)) = accepted {
                        serve(door, &request, framed, response);
                        return Either::Left(ready(Ok(())));
                    }
                    let otherwise = Rc::clone(&otherwise);
                    // Boxed, or every connection would have the room for it.
                    Either::Right(Box::pin(async move {
                        match otherwise.call(request).await {
                            Ok(answer) => send(framed, answer.into()).await,
                            Err(error) => send(framed, error.into()).await,
                        }
                    }))
                }))
            }
        })
    }
}

/// Opens a session for a request that asks for a WebSocket as it should.
fn accept(app: &Arc<App>, origins: &Origins, proxies: &Proxies, request: &Request) -> Option<(Door, Response<()>)> {
    let accepted = request.path() == PATH && origins.allow(request.head());
    let mut response = handshake(request.head()).ok().filter(|_| accepted)?;
    if offers(request) {
        response.insert_header((SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL));
    }
    let address = proxies.client(request.peer_addr(), request.headers());
    let door = Worker::here(app).open(address, Purpose::Stream(bearer(request.headers())));
    Some((door, response.finish().drop_body()))
}

/// Whether the client offers the subprotocol.
fn offers(request: &Request) -> bool {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).filter_map(|value| value.to_str().ok());
    offered.flat_map(|names| names.split(',')).any(|name| name.trim() == SUBPROTOCOL)
}

/// Has the connection served by a task of its own from here on.
fn serve<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    door: Door,
    request: &Request,
    mut framed: Framed<T, Codec>,
    response: Response<()>,
) {
    if let Err(error) = Pin::new(&mut framed).write(Message::Item((response, BodySize::None))) {
        return log::error!("a WebSocket could not be answered: {error}");
    }
    let parts = framed.into_parts();
    let line = Rc::new(Line::new(door.turn(), request.conn_data::<Descriptor>().copied()));
    door.connect(Rc::clone(&line) as _);
    actix_web::rt::spawn(Task::new(parts.io, door, line, parts.read_buf.into(), parts.write_buf.into()));
}

/// Answers a request as HTTP does, and with that the connection ends.
async fn send<T, B>(framed: Framed<T, Codec>, answer: Response<B>) -> Result<(), actix_http::Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
    B: MessageBody,
{
    let (head, body) = answer.into_parts();
    let body = to_bytes(body).await.unwrap_or_default();
    SendResponse::new(framed, head.set_body(body)).await.map(drop)
}
