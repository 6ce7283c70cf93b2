//! What a scrape shows of actors and of the store. Its grammar is looked at from outside, in `tests/it/scrape.rs`.

use actix_web::{App, test as web_test};
use prometheus::IntGauge;

use super::*;
use crate::presence::PRESENCE;
use crate::session::{HUB, HubIn, SESSION};
use crate::supervise::{Kind, Lasting, Life, Named};

static WIRE: Kind = Kind { name: "wire", messages: &[], endings: Lasting::NAMES };

fn scrape() -> (Scrape, Vec<Life>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    let probes = Probes::default();
    for kind in [&PRESENCE, &HUB, &SESSION, &WIRE] {
        probes.of(kind);
    }
    let hub = Life::begin(&probes.of(&HUB), "0".into());
    for message in [HubIn::Tick, HubIn::Tick, HubIn::Notice] {
        hub.vitals().handled::<HubIn>(message.index(), 0, hub.vitals().probe().now());
    }
    drop(Life::begin(&probes.of(&SESSION), "s".into()));
    let store = IntGauge::new("parlor_store_bytes", "Bytes on \"disk\",\nwith \\ and a line's end.").unwrap();
    store.set(7);
    (Scrape::new(metrics, probes, vec![Box::new(store)]), vec![hub])
}

#[test]
fn a_scrape_shows_each_kind_of_actor_whether_it_lives_or_not() {
    let (scrape, _lives) = scrape();
    let text = scrape.text();
    for line in [
        "parlor_actor_live{kind=\"hub\"} 1",
        "parlor_actor_live{kind=\"presence\"} 0",
        "parlor_actor_handled_total{kind=\"hub\",message=\"tick\"} 2",
        "parlor_actor_handled_total{kind=\"hub\",message=\"notice\"} 1",
        "parlor_actor_handled_total{kind=\"hub\",message=\"batch\"} 0",
        "parlor_actor_started_total{kind=\"session\"} 1",
        "parlor_actor_stopped_total{kind=\"session\",reason=\"stopped\"} 1",
        "parlor_actor_stopped_total{kind=\"session\",reason=\"sent_back\"} 0",
        "parlor_actor_wait_seconds_count{kind=\"hub\"} 3",
        "parlor_actor_handle_seconds_count{kind=\"session\"} 0",
        "parlor_actor_stopped_total{kind=\"wire\",reason=\"stopped\"} 0",
        "# HELP parlor_store_bytes Bytes on \"disk\",\\nwith \\\\ and a line's end.",
        "parlor_store_bytes 7",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing from\n{text}");
    }
    assert!(!text.contains("parlor_actor_wait_seconds_count{kind=\"wire\"}"), "a wire has no mailbox");
}

#[actix_web::test]
async fn the_metrics_page_is_text_that_nobody_may_cache() {
    let app =
        web_test::init_service(App::new().app_data(web::Data::new(scrape().0)).configure(crate::admin::metrics)).await;
    let answer = web_test::call_service(&app, web_test::TestRequest::get().uri("/metrics").to_request()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get(CONTENT_TYPE).unwrap(), "text/plain; version=0.0.4");
    assert_eq!(answer.headers().get(CACHE_CONTROL).unwrap(), "no-store");
    let body = String::from_utf8(web_test::read_body(answer).await.to_vec()).unwrap();
    assert!(body.contains("parlor_build_info{"), "{body}");
}
