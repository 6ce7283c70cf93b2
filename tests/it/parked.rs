//! What ends a parked poll, and where its client goes on.

use std::time::Duration;

use serde_json::json;

use crate::longpoll::is_parked;
use crate::polls::{arrived, bodies, hearer, publish};
use crate::support::{Polls, Stage, eventually, page};

scenarios! {
    longpoll:
        a_parked_poll_is_answered_when_its_session_says_goodbye,
        a_parked_poll_hears_of_a_drain_and_then_of_its_end,
        a_session_is_unknown_after_a_restart_and_its_client_goes_on_with_a_new_one;
}

async fn a_parked_poll_is_answered_when_its_session_says_goodbye(stage: Stage) {
    let site = stage.site().await;
    for by_command in [false, true] {
        let (mut ann, next) = hearer(&site).await;
        let mut parked = ann.parked(next, "20").await;
        eventually("a poll is parked", async || is_parked(&site, 1).await).await;
        if by_command {
            assert_eq!(ann.command(json!({"type": "logout", "id": "x"})).await, [json!({"type": "bye", "id": "x"})]);
        } else {
            let answer = ann.logout().await;
            assert_eq!((answer.status, &*answer.body), (204, ""));
        }
        for answer in [parked.answer().await, ann.logout().await, site.ask(ann.poll(next, "20")).await] {
            let error = answer.json();
            assert_eq!((answer.status, &error["code"]), (404, &json!("not_found")), "{answer:?}");
            assert_eq!(error["close"], 1000, "{answer:?}");
        }
        let request = ann.carry(&json!({"type": "ping"}));
        assert_eq!(ann.http.ask(request).await.json()["close"], 1000);
    }
}

async fn a_parked_poll_hears_of_a_drain_and_then_of_its_end(stage: Stage) {
    let mut site = stage.site_with(|config| config.server.drain_notice = Duration::from_secs(2)).await;
    let (mut ann, next) = hearer(&site).await;
    let mut parked = ann.parked(next, "20").await;
    eventually("a poll is parked", async || is_parked(&site, 1).await).await;
    let ending = async {
        let (events, last) = page(&parked.answer().await);
        let shown = (&events[0]["type"], &events[0]["code"], events[0]["retry_after_ms"].is_u64(), last);
        assert_eq!(shown, (&json!("notice"), &json!("draining"), true, next + 1));
        // There is time to finish what was begun.
        assert_eq!(ann.command(json!([publish(1), publish(2)])).await[1]["seq"], 2);
        let (events, last) = arrived(&mut ann, last, 2).await;
        assert_eq!(bodies(&events), [1, 2]);
        let request = ann.poll(last, "20");
        let answer = ann.http.ask(request).await;
        assert_eq!((answer.status, &answer.json()["close"]), (404, &json!(1001)), "{answer:?}");
        drop((ann, parked));
    };
    tokio::join!(site.stop(), ending);
}

async fn a_session_is_unknown_after_a_restart_and_its_client_goes_on_with_a_new_one(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut ann = Polls::open(site.address).await;
    let joined = ann.command(json!([{"type": "join", "channel": "a"}, publish(1), publish(2)])).await.remove(0);
    ann.until(0, |event| event["seq"] == 1).await;
    // It is not at its polls while the server restarts.
    let (welcome, cursor) = (ann.welcome.clone(), json!({"epoch": joined["epoch"], "seq": 1}));
    drop(ann);
    site.restart().await;
    let old = welcome["session"].as_str().unwrap_or_default();
    let answer = site.get(&format!("/v1/sessions/{old}/events?after=2&wait=0")).await;
    assert_eq!((answer.status, answer.json().get("close")), (404, None), "{answer:?}");
    let mut ann = Polls::hello(site.address, json!({"token": welcome["token"]})).await;
    assert_eq!(ann.user(), welcome["user"]);
    let joined = ann.command(json!({"type": "join", "channel": "a", "since": cursor})).await.remove(0);
    assert_eq!((&joined["next"], &joined["gap"]), (&json!(2), &json!(false)), "{joined}");
    ann.until(0, |event| event["seq"] == 2).await;
    let again = ann.command(publish(2)).await.remove(0);
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(2), &json!(true)), "{again}");
}
