//! What operators and their machines look at: liveness, readiness, and the metrics.
//!
//! Answers come from atomics and flags: none of them enters an actor's mailbox or waits for the disk.

mod health;
mod metrics;

use actix_web::web;

pub use health::Readiness;
pub use metrics::Scrape;

/// Adds `GET /healthz`, `/readyz` and `/metrics`. The application data has to hold a `web::Data<Readiness>` and a
/// `web::Data<Scrape>` (`web::Data::from` takes an `Arc`).
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/healthz").get(health::healthz).route(web::head().to(health::healthz)))
        .service(web::resource("/readyz").get(health::readyz).route(web::head().to(health::readyz)))
        .service(web::resource("/metrics").get(metrics::metrics).route(web::head().to(metrics::metrics)));
}
