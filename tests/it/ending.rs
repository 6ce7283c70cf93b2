//! The server's own end: it is announced, what was begun is finished, and nothing is lost. And the pages for machines.

use std::time::Duration;

use serde_json::json;

use crate::support::{Raw, Sent, Stage, get_with, pause, publish};

scenarios! {
    everywhere:
        a_draining_server_says_so_and_closes_with_1001,
        what_was_published_into_a_drain_is_answered_and_kept,
        a_goodbye_waits_for_what_was_asked_before_it;
    secure:
        a_draining_server_says_so_and_closes_with_1001;
    once:
        the_metrics_name_no_secret;
    waiting:
        readiness_ends_when_draining_begins;
    alone:
        the_pages_for_machines_answer;
    waiting_websocket:
        a_peer_that_never_answers_does_not_hold_up_the_end;
}

async fn a_goodbye_waits_for_what_was_asked_before_it(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let join = ann.begin(json!({"type": "join", "channel": "a"}));
    let said: Vec<String> = (0..20).map(|n| ann.begin(publish("a", &format!("number {n}"), json!({})))).collect();
    let history = ann.begin(json!({"type": "history", "channel": "a"}));
    let bye = ann.begin(json!({"type": "logout"}));
    assert_eq!(ann.reply(&join).await["type"], "joined");
    for (n, id) in said.iter().enumerate() {
        assert_eq!(ann.reply(id).await["seq"], n as u64 + 1);
    }
    assert_eq!(ann.reply(&history).await["type"], "history");
    assert_eq!(ann.reply(&bye).await["type"], "bye");
    ann.ends_with(1000).await;
}

async fn a_draining_server_says_so_and_closes_with_1001(stage: Stage) {
    let mut site = stage.lasting_site(|config| config.server.drain_notice = Duration::from_millis(300)).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.join("a").await;
    let ending = async {
        let notice = ann.event("notice").await;
        assert_eq!(notice["code"], "draining");
        assert!(notice["text"].is_string() && notice["retry_after_ms"].is_u64(), "{notice}");
        ann.ends_with(1001).await;
        bob.ends_with(1001).await;
    };
    tokio::join!(site.stop(), ending);
    site.start().await;
    let mut ann = ann.moved(site.address).back().await;
    let cursor = ann.cursor("a");
    assert_eq!(ann.join_with("a", json!({"since": cursor})).await["gap"], false);
}

async fn what_was_published_into_a_drain_is_answered_and_kept(stage: Stage) {
    let mut site = stage
        .lasting_site(|config| {
            config.server.drain_notice = Duration::from_millis(150);
            config.limits.outstanding = 10_000;
        })
        .await;
    let mut ann = site.guest("ann").await;
    ann.join_with("a", json!({"member": false})).await;
    let keyed = |n: usize| publish("a", &format!("number {n}"), json!({"key": format!("k{n}"), "base": 0}));
    let ids: Vec<_> = (0..500).map(|n| ann.begin(keyed(n))).collect();
    // The first answer shows that they are under way.
    ann.reply(&ids[0]).await;
    let talking = async {
        let mut outcomes = vec![true];
        for id in &ids[1..] {
            let reply = ann.reply(id).await;
            assert!(reply["type"] == "published" || reply["type"] == "error", "{reply}");
            outcomes.push(reply["type"] == "published");
        }
        ann.is_drained().await;
        outcomes
    };
    let ((), outcomes) = tokio::join!(site.stop(), talking);
    site.start().await;
    let mut ann = ann.moved(site.address).back().await;
    for (n, receipted) in outcomes.into_iter().enumerate() {
        let again = ann.ask(keyed(n)).await;
        assert!(!receipted || again["duplicate"] == true, "number {n} was receipted, and is gone: {again}");
    }
    assert_eq!(ann.history("a", json!({})).await["head"], 500);
}

async fn readiness_ends_when_draining_begins(stage: Stage) {
    let mut site = stage.site_with(|config| config.server.drain_notice = Duration::from_secs(2)).await;
    let address = site.address;
    assert_eq!(site.get("/readyz").await.status, 200);
    let mut ann = site.guest("ann").await;
    let asking = async {
        ann.event("notice").await;
        let ready = get_with(address, "/readyz", &[]).await;
        assert_eq!(ready.map(|answer| answer.status), Ok(503));
        let alive = get_with(address, "/healthz", &[]).await;
        assert_eq!(alive.map(|answer| answer.status), Ok(200));
    };
    tokio::join!(site.stop(), asking);
}

async fn the_pages_for_machines_answer(stage: Stage) {
    let site = stage.site().await;
    for page in ["/healthz", "/readyz", "/metrics"] {
        let answer = site.get(page).await;
        assert_eq!(answer.status, 200, "{page}: {answer:?}");
    }
    let metrics = site.get("/metrics").await;
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{metrics:?}");
    let sound =
        |line: &str| line.starts_with('#') || line.rsplit_once(' ').is_some_and(|(_, n)| n.parse::<f64>().is_ok());
    let bad: Vec<_> = metrics.body.lines().filter(|line| !line.is_empty() && !sound(line)).collect();
    assert!(bad.is_empty() && metrics.body.lines().count() > 10, "{bad:?}");
    assert_eq!(site.get("/nowhere").await.status, 404);
}

async fn the_metrics_name_no_secret(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish("a", "a word between us").await;
    let metrics = site.get("/metrics").await.body;
    let secret = ann.welcome()["session"].as_str().unwrap_or_default();
    for hidden in [secret, ann.token(), "a word between us"] {
        assert!(!metrics.contains(hidden), "{hidden} stands in the metrics");
    }
}

async fn a_peer_that_never_answers_does_not_hold_up_the_end(stage: Stage) {
    let mut site = stage.site_with(|config| config.server.drain_timeout = Duration::from_millis(1500)).await;
    let hello = r#"{"type":"hello","id":"h","version":1,"guest":"silent"}"#;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(Raw::welcome(site.address, hello).await.0);
        silent.push(Raw::open(site.address).await);
    }
    silent[0].send(Sent::PONG, b"").await;
    pause(50).await;
    let begun = tokio::time::Instant::now();
    site.stop().await;
    assert!(begun.elapsed() < Duration::from_millis(1500 + 1000), "stopping took {:?}", begun.elapsed());
}
