//! What is noted of each request under `/v1`: its sort of answer is counted, and a line of the log says at `debug` what it was.
//!
//! The line has the pattern of the route in place of the path, in which a session's secret may stand.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web;

use crate::clock;
use crate::metrics::Sort;
use crate::session::App;

/// Counts a request's answer, and logs what it was.
pub(super) async fn noted(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let begun = clock::stamp();
    let answered = next.call(request).await?;
    let status = answered.status().as_u16();
    app.context.metrics.requests.of(Sort::of(status)).inc();
    if log::log_enabled!(log::Level::Debug) {
        let request = answered.request();
        let route = request.match_pattern().unwrap_or_else(|| "(none)".to_owned());
        let ms = begun.elapsed().as_millis() as u64;
        log::debug!(method:% = request.method(), route, status, ms; "a request was answered");
    }
    Ok(answered)
}
