//! How frames travel. Each transport is a folder with a wire in it; what they share is here.

mod answer;
mod body;
mod edge;
mod longpoll;
mod rest;
mod socket;
mod ws;

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::protocol::{ErrorCode, Problem};
use crate::session::{App, Worker};
use longpoll::Switchboard;

pub use edge::Origins;
pub use socket::on_connect;

/// A server's transports, shared by its workers.
pub struct Transports {
    app: web::Data<App>,
    origins: web::Data<Origins>,
    switchboard: web::Data<Switchboard>,
}

impl Transports {
    /// Those of this server.
    pub fn new(app: &Arc<App>) -> Self {
        let origins = Origins::new(&app.context.config.server.allowed_origins);
        Self {
            app: web::Data::from(Arc::clone(app)),
            origins: web::Data::new(origins),
            switchboard: web::Data::new(Switchboard::default()),
        }
    }

    /// Adds everything under `/v1`, and a page at `/` that says what this is. To be called on each worker's thread.
    pub fn configure(&self, cfg: &mut web::ServiceConfig) {
        self.switchboard.connect(&Worker::here(&self.app));
        // What stands last meets a request first.
        let v1 = web::scope("/v1")
            .wrap(self.origins.cors())
            .wrap(from_fn(own_origin))
            .wrap(DefaultHeaders::new().add(("Cache-Control", "no-store")))
            .service(web::resource("/ws").route(web::get().to(ws::open)).default_service(answer::only("GET")))
            .configure(longpoll::configure)
            .configure(rest::configure)
            .default_service(web::to(not_there));
        cfg.app_data(self.app.clone())
            .app_data(self.origins.clone())
            .app_data(self.switchboard.clone())
            .service(web::resource("/").route(web::get().to(welcome)))
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
    if origins.allow(request.headers()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let refused = Problem::new(ErrorCode::Forbidden, "pages of this origin may not come here");
    Ok(request.into_response(answer::problem(&refused)))
}

async fn welcome(request: HttpRequest) -> HttpResponse {
    // As the client sees it: behind a proxy, or below a path of a host's own.
    let place = format!("{}{}", request.connection_info().host(), request.path().trim_end_matches('/'));
    let version = env!("CARGO_PKG_VERSION");
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!(
        "Parlor {version}\n\n\
         This chat server speaks JSON frames over WebSocket at\n\n    ws://{place}/v1/ws\n\n\
         Say hello, join a channel, and talk: send these one by one.\n\n    \
         {{\"type\":\"hello\",\"id\":\"1\",\"version\":1,\"guest\":\"ann\"}}\n    \
         {{\"type\":\"join\",\"id\":\"2\",\"channel\":\"lobby\"}}\n    \
         {{\"type\":\"publish\",\"id\":\"3\",\"channel\":\"lobby\",\"body\":{{\"text\":\"hello, world\"}}}}\n\n\
         The same over HTTP long-poll begins with POST http://{place}/v1/sessions and the first of these.\n\
         The channels that are there: http://{place}/v1/channels\n\n\
         For operators: http://{place}/healthz, /readyz and /metrics beside it.\n"
    ))
}

async fn not_there() -> HttpResponse {
    answer::problem(&Problem::new(ErrorCode::NotFound, "there is nothing at this address"))
}
