//! Health, metrics, and the page at the root.

use utoipa::openapi::HttpMethod;

use super::Request;
use crate::admin::Health;
use crate::metrics::CONTENT_TYPE;

pub(super) fn requests() -> Vec<Request> {
    let head = |path, id| Request::new(HttpMethod::Head, path, id, "The same, without a body");
    vec![
        Request::get("/", "page", "Show the chat page").gives_text(
            200,
            "The page, or a text that says what this is, where the page is switched off.",
            "text/html; charset=utf-8",
        ),
        head("/", "headPage").gives_nothing(200, "It is there."),
        Request::get("/healthz", "health", "Say whether requests are answered").gives::<Health>(200, "They are."),
        head("/healthz", "headHealth").gives_nothing(200, "They are."),
        Request::get("/readyz", "readiness", "Say whether clients should come")
            .gives::<Health>(200, "They should.")
            .gives::<Health>(503, "They should not."),
        head("/readyz", "headReadiness").gives_nothing(200, "They should.").gives_nothing(503, "They should not."),
        Request::get("/metrics", "metrics", "Show the metrics").gives_text(
            200,
            "As Prometheus reads it.",
            CONTENT_TYPE,
        ),
        head("/metrics", "headMetrics").gives_nothing(200, "They are there."),
    ]
}
