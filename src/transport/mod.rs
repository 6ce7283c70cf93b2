//! How frames travel. Each transport is a folder with a wire in it; what they share is here.

mod edge;
mod socket;
mod ws;

use std::sync::Arc;

use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::protocol::{ErrorCode, Problem};
use crate::session::App;

pub use edge::Origins;
pub use socket::on_connect;

/// Adds everything under `/v1`, and a page at `/` that says what this is.
pub fn configure(cfg: &mut web::ServiceConfig, app: &Arc<App>) {
    let origins = Origins::new(&app.context.config.server.allowed_origins);
    let v1 = web::scope("/v1")
        .wrap(DefaultHeaders::new().add(("Cache-Control", "no-store")))
        .wrap(origins.cors())
        .service(web::resource("/ws").route(web::get().to(ws::open)).default_service(web::to(not_allowed)))
        .default_service(web::to(not_there));
    cfg.app_data(web::Data::from(Arc::clone(app)))
        .app_data(web::Data::new(origins))
        .service(web::resource("/").route(web::get().to(welcome)))
        .service(v1)
        .default_service(web::to(not_there));
}

async fn welcome(request: HttpRequest) -> HttpResponse {
    let host = request.connection_info().host().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!(
        "Parlor {version}\n\n\
         This chat server speaks JSON frames over WebSocket at\n\n    ws://{host}/v1/ws\n\n\
         Say hello, join a channel, and talk: send these one by one.\n\n    \
         {{\"type\":\"hello\",\"id\":\"1\",\"version\":1,\"guest\":\"ann\"}}\n    \
         {{\"type\":\"join\",\"id\":\"2\",\"channel\":\"lobby\"}}\n    \
         {{\"type\":\"publish\",\"id\":\"3\",\"channel\":\"lobby\",\"body\":{{\"text\":\"hello, world\"}}}}\n\n\
         For operators: /healthz, /readyz, /metrics.\n"
    ))
}

async fn not_there() -> HttpResponse {
    refuse(HttpResponse::NotFound(), ErrorCode::NotFound, "there is nothing at this address")
}

async fn not_allowed() -> HttpResponse {
    refuse(HttpResponse::MethodNotAllowed(), ErrorCode::BadFrame, "this address takes another method")
}

/// An HTTP error with the `error` frame as its body.
fn refuse(mut response: actix_web::HttpResponseBuilder, code: ErrorCode, why: &str) -> HttpResponse {
    response.content_type("application/json").body(Problem::new(code, why).frame(None))
}
