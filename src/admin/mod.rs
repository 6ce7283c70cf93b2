//! What operators and their machines look at: liveness, readiness, the metrics; and what only an operator may see and do.
//!
//! Health and metrics come from atomics and flags: none of them enters an actor's mailbox or waits for the disk.

mod actors;
mod channels;
mod health;
mod keeping;
mod metrics;
mod overview;
mod sessions;
mod settings;

use actix_web::{HttpRequest, web};

use crate::http::asker::{ANSWER_WITHIN, user};
use crate::http::only;
use crate::model::{Caller, Grants, Standing};
use crate::protocol::{ErrorCode, Problem};
use crate::session::App;

pub(crate) use actors::Kind as ActorKind;
pub(crate) use health::Health;
pub use health::{Obstacles, Readiness};
pub use metrics::Scrape;
pub(crate) use overview::Row as ChannelView;

/// Adds `GET /healthz` and `/readyz`. The application data has to hold a `web::Data<Readiness>` (`web::Data::from` takes an
/// `Arc`).
pub fn health(cfg: &mut web::ServiceConfig) {
    let looked = |path: &str| web::resource(path).default_service(only("GET, HEAD"));
    cfg.service(looked("/healthz").get(health::healthz).route(web::head().to(health::healthz)))
        .service(looked("/readyz").get(health::readyz).route(web::head().to(health::readyz)));
}

/// Adds `GET /metrics`. The application data has to hold a `web::Data<Scrape>`.
pub fn metrics(cfg: &mut web::ServiceConfig) {
    let shown = web::resource("/metrics").get(metrics::metrics).route(web::head().to(metrics::metrics));
    cfg.service(shown.default_service(only("GET, HEAD")));
}

/// Adds what only an operator may see and do, below `/v1`. The application data has to hold a `web::Data<App>`, too.
pub fn operators(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/admin/actors").route(web::get().to(actors::list)).default_service(only("GET")))
        .service(web::resource("/admin/config").route(web::get().to(settings::config)).default_service(only("GET")))
        .service(
            web::resource("/admin/log")
                .route(web::get().to(settings::logged))
                .route(web::put().to(settings::log))
                .default_service(only("GET, PUT")),
        )
        .service(web::resource("/admin/sessions").route(web::get().to(sessions::list)).default_service(only("GET")))
        .service(
            web::resource("/admin/sessions/{sid}")
                .route(web::delete().to(sessions::kick))
                .default_service(only("DELETE")),
        )
        .service(web::resource("/admin/channels").route(web::get().to(channels::list)).default_service(only("GET")))
        .service(
            web::resource("/admin/channels/{channel}")
                .route(web::get().to(channels::show))
                .route(web::delete().to(keeping::delete))
                .default_service(only("GET, DELETE")),
        )
        .service(
            web::resource("/admin/channels/{channel}/passivate")
                .route(web::post().to(keeping::passivate))
                .default_service(only("POST")),
        )
        .service(
            web::resource("/admin/channels/{channel}/retention")
                .route(web::put().to(keeping::keep))
                .default_service(only("PUT")),
        )
        .service(
            web::resource("/admin/channels/{channel}/trim")
                .route(web::post().to(keeping::trim))
                .default_service(only("POST")),
        );
}

/// Lets only an operator in, by the token that the request carries.
async fn operator(request: &HttpRequest, app: &App) -> Result<Caller, Problem> {
    let caller = user(request, app).await?;
    // A token that is for some channels is for nothing else.
    if caller.standing == Standing::Operator && caller.grants == Grants::Any {
        return Ok(caller);
    }
    Err(Problem::new(ErrorCode::Forbidden, "this is for operators"))
}

/// Waits for an answer, but no longer than one may take.
async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, Problem> {
    let late = |_| Problem::unavailable("there was no answer in time");
    tokio::time::timeout(ANSWER_WITHIN, work).await.map_err(late)
}
