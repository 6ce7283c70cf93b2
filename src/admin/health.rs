//! Whether the process lives, and whether it should be sent clients.
//!
//! `/healthz` says only that requests are answered: a supervisor that restarted a server because its disk is full would
//! help nobody. `/readyz` says 503 while the server starts, drains, cannot store, or an actor rests because it panicked
//! too often, and names which.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpResponse, web};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts};
use serde::Serialize;
use utoipa::ToSchema;

/// Asks for what is wrong with the store, if anything is. It must not block.
type StoreHealth = Box<dyn Fn() -> Option<String> + Send + Sync>;
/// Asks for the names of actors that are over their restart budget. It must not block.
type Resting = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// The sorts of obstacles.
const SORTS: [&str; 4] = ["starting", "draining", "store", "actor"];

/// What readiness depends on. It begins as starting.
pub struct Readiness {
    starting: AtomicBool,
    draining: AtomicBool,
    store: StoreHealth,
    resting: Resting,
}

/// One thing that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Obstacle {
    /// One of `SORTS`.
    what: &'static str,
    /// More words, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<String>,
}

impl Readiness {
    /// `store` tells what is wrong with the store; `resting` names the actors that are over their restart budget.
    pub fn new(
        store: impl Fn() -> Option<String> + Send + Sync + 'static,
        resting: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            starting: AtomicBool::new(true),
            draining: AtomicBool::new(false),
            store: Box::new(store),
            resting: Box::new(resting),
        }
    }

    /// The server has started.
    pub fn started(&self) {
        self.starting.store(false, Relaxed);
    }

    /// The server is stopping; it does not come back from that.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Everything that stands in the way; nothing if clients may come.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        let flag = |set: &AtomicBool, what| set.load(Relaxed).then_some(Obstacle { what, why: None });
        let mut all: Vec<Obstacle> =
            [flag(&self.starting, "starting"), flag(&self.draining, "draining")].into_iter().flatten().collect();
        all.extend((self.store)().map(|why| Obstacle { what: "store", why: Some(why) }));
        all.extend((self.resting)().into_iter().map(|name| Obstacle { what: "actor", why: Some(name) }));
        all
    }
}

/// The obstacles as a metric: how many there are of each sort.
pub struct Obstacles {
    readiness: Arc<Readiness>,
    gauges: IntGaugeVec,
}

impl Obstacles {
    /// Those in this one's way. It fails only if its name were none.
    pub fn new(readiness: &Arc<Readiness>) -> Result<Self, prometheus::Error> {
        let opts = Opts::new("parlor_obstacles", "What keeps the server from being ready, by its sort.");
        Ok(Self { readiness: Arc::clone(readiness), gauges: IntGaugeVec::new(opts, &["what"])? })
    }
}

impl Collector for Obstacles {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let all = self.readiness.obstacles();
        for sort in SORTS {
            let found = all.iter().filter(|obstacle| obstacle.what == sort).count();
            self.gauges.with_label_values(&[sort]).set(found as i64);
        }
        self.gauges.collect()
    }
}

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `ready`, or `unready`.
    status: &'static str,
    /// What stands in the way, if anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<Obstacle>,
}

pub(super) async fn healthz() -> HttpResponse {
    answer(HttpResponse::Ok(), &Health { status: "ok", why: Vec::new() })
}

pub(super) async fn readyz(readiness: web::Data<Readiness>) -> HttpResponse {
    let why = readiness.obstacles();
    if why.is_empty() {
        answer(HttpResponse::Ok(), &Health { status: "ready", why })
    } else {
        answer(HttpResponse::ServiceUnavailable(), &Health { status: "unready", why })
    }
}

fn answer(mut response: actix_web::HttpResponseBuilder, health: &Health) -> HttpResponse {
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store"))).json(health)
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};
    use parking_lot::Mutex;
    use serde_json::{Value, json};

    use super::*;
    use crate::admin;

    async fn get(readiness: &Arc<Readiness>, path: &str) -> (u16, Value) {
        let data = web::Data::from(Arc::clone(readiness));
        let app = test::init_service(App::new().app_data(data).configure(admin::health)).await;
        let answer = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
        assert_eq!(answer.headers().get(CACHE_CONTROL).unwrap(), "no-store");
        let status = answer.status().as_u16();
        (status, test::read_body_json(answer).await)
    }

    #[actix_web::test]
    async fn readiness_names_everything_that_stands_in_the_way_and_liveness_does_not_care() {
        let (ill, resting) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
        let readiness = {
            let (ill, resting) = (Arc::clone(&ill), Arc::clone(&resting));
            Arc::new(Readiness::new(move || ill.lock().clone(), move || resting.lock().clone()))
        };
        assert_eq!(
            get(&readiness, "/readyz").await,
            (503, json!({"status": "unready", "why": [{"what": "starting"}]}))
        );
        readiness.started();
        assert_eq!(get(&readiness, "/readyz").await, (200, json!({"status": "ready"})));
        *ill.lock() = Some("too little free space".to_owned());
        resting.lock().push("presence".to_owned());
        readiness.drain();
        let why = json!([
            {"what": "draining"},
            {"what": "store", "why": "too little free space"},
            {"what": "actor", "why": "presence"},
        ]);
        assert_eq!(get(&readiness, "/readyz").await, (503, json!({"status": "unready", "why": why})));
        assert_eq!(get(&readiness, "/healthz").await, (200, json!({"status": "ok"})));
        let shown = crate::metrics::render(Obstacles::new(&readiness).unwrap().collect());
        for line in ["starting\"} 0", "draining\"} 1", "store\"} 1", "actor\"} 1"] {
            assert!(shown.contains(&format!("parlor_obstacles{{what=\"{line}\n")), "{line} is not in\n{shown}");
        }
    }

    #[actix_web::test]
    async fn other_methods_than_get_and_head_are_refused() {
        let app = test::init_service(App::new().configure(admin::health)).await;
        for (method, status) in [("HEAD", 200), ("POST", 405), ("DELETE", 405)] {
            let request = test::TestRequest::with_uri("/healthz").method(method.parse().unwrap()).to_request();
            assert_eq!(test::call_service(&app, request).await.status().as_u16(), status, "{method}");
        }
    }
}
