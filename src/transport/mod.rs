//! How frames travel. Each transport is a folder with a wire in it; what they share is here.

mod edge;
mod longpoll;
mod noted;
mod proxies;
mod rest;
mod socket;
mod wire;
mod ws;

use std::net::SocketAddr;
use std::sync::Arc;

use actix_cors::CorsError;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::{answer, body, only};
use crate::protocol::{ErrorCode, Problem};
use crate::session::{Admission, App, Worker};
use longpoll::Switchboard;
use proxies::Proxies;

pub use edge::{Origins, headers};
pub use longpoll::LONGPOLL;
pub(crate) use rest::ChannelRow;
pub use socket::on_connect;
pub use wire::WIRE;

/// A server's transports, shared by its workers.
pub struct Transports {
    app: web::Data<App>,
    origins: web::Data<Origins>,
    proxies: web::Data<Proxies>,
    switchboard: web::Data<Switchboard>,
}

impl Transports {
    /// Those of this server.
    pub fn new(app: &Arc<App>) -> Self {
        let server = &app.context.config.server;
        Self {
            app: web::Data::from(Arc::clone(app)),
            origins: web::Data::new(Origins::new(&server.allowed_origins, server.tls.is_some())),
            proxies: web::Data::new(Proxies::new(server)),
            switchboard: web::Data::new(Switchboard::default()),
        }
    }

    /// Lets a connection in, if there is room for it. A proxy that is trusted takes room for its clients, not for itself.
    pub fn connect(&self, peer: Option<SocketAddr>) -> Option<Admission> {
        let address = peer.map(|peer| peer.ip());
        self.app.connect(address.filter(|_| !self.proxies.trust(address)))
    }

    /// Adds everything that clients use under `/v1`, and `more` beside it; and a page at `/` that says what this is. To be
    /// called on each worker's thread.
    pub fn configure(&self, cfg: &mut web::ServiceConfig, more: impl FnOnce(&mut web::ServiceConfig)) {
        self.switchboard.connect(&Worker::here(&self.app));
        cfg.app_data(self.switchboard.clone())
            .service(web::resource("/").route(web::get().to(welcome)).default_service(only("GET")));
        self.guard(cfg, |v1| {
            v1.service(web::resource("/ws").route(web::get().to(ws::open)).default_service(only("GET")))
                .configure(longpoll::configure)
                .configure(rest::configure)
                .configure(more);
        });
    }

    /// Adds `what` under `/v1`, and nothing else: no page of another origin gets there, and no address too often.
    pub fn guard(&self, cfg: &mut web::ServiceConfig, what: impl FnOnce(&mut web::ServiceConfig)) {
        // What stands last meets a request first.
        let v1 = web::scope("/v1")
            .wrap(from_fn(not_too_fast))
            .wrap(self.origins.cors())
            .wrap(from_fn(own_origin))
            .wrap(from_fn(noted::noted))
            .wrap(headers(self.app.context.config.server.tls.is_some()).add(("Cache-Control", "no-store")))
            .configure(what)
            .default_service(web::to(not_there));
        cfg.app_data(self.app.clone())
            .app_data(self.origins.clone())
            .app_data(self.proxies.clone())
            .service(v1)
            .default_service(web::to(not_there));
    }
}

/// Lets nobody in whose page comes from somewhere else.
async fn own_origin(
    origins: web::Data<Origins>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if origins.allow(request.head()) {
        let answered = next.call(request).await?.map_into_boxed_body();
        // What a browser asks first has a refusal of its own, which is no frame.
        let preflight = answered.response().error().and_then(|error| error.as_error::<CorsError>());
        return Ok(match preflight.map(|why| Problem::bad_frame(format!("preflight: {why}"))) {
            Some(why) => answered.into_response(answer::problem(&why)),
            None => answered,
        });
    }
    let refused = Problem::new(ErrorCode::Forbidden, "pages of this origin may not come here");
    Ok(request.into_response(answer::problem(&refused)))
}

/// Lets no address ask faster than it may. Nothing of what it asks was looked at by then.
async fn not_too_fast(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    match app.rates.request(edge::address(request.request())) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(why) => {
            app.context.metrics.rate_limited.inc();
            Ok(request.into_response(body::unread(answer::problem(&why))))
        }
    }
}

async fn welcome(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    // As the client sees it: behind a proxy, or below a path of a host's own.
    let seen = request.connection_info();
    let place = format!("{}{}", seen.host(), request.path().trim_end_matches('/'));
    let s = if app.context.config.server.tls.is_some() || seen.scheme() == "https" { "s" } else { "" };
    let version = env!("CARGO_PKG_VERSION");
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!(
        "Parlor {version}\n\n\
         This chat server speaks JSON frames over WebSocket at\n\n    ws{s}://{place}/v1/ws\n\n\
         Say hello, join a channel, and talk: send these one by one.\n\n    \
         {{\"type\":\"hello\",\"id\":\"1\",\"version\":1,\"guest\":\"ann\"}}\n    \
         {{\"type\":\"join\",\"id\":\"2\",\"channel\":\"lobby\"}}\n    \
         {{\"type\":\"publish\",\"id\":\"3\",\"channel\":\"lobby\",\"body\":{{\"text\":\"hello, world\"}}}}\n\n\
         The same over HTTP long-poll begins with POST http{s}://{place}/v1/sessions and the first of these.\n\
         The channels that are there: http{s}://{place}/v1/channels\n\n\
         For operators: http{s}://{place}/healthz, /readyz and /metrics beside it.\n"
    ))
}

async fn not_there() -> HttpResponse {
    answer::problem(&Problem::new(ErrorCode::NotFound, "there is nothing at this address"))
}
