//! How much is kept of a channel: what goes by itself, what operators order, and what readers notice of it.

use std::time::Duration;

use parlor::config::Config;
use serde_json::{Value, json};

use crate::longpoll::{is, refusal};
use crate::overview::{ask, row, watched};
use crate::support::{Answer, Request, Site, Stage, eventually};

scenarios! {
    everywhere:
        what_is_too_old_goes_by_whole_hours_and_the_rest_stays_over_a_restart,
        a_reader_comes_back_with_a_gap_where_its_cursor_is_gone;
    once:
        members_read_and_publish_while_a_channel_is_trimmed;
    alone:
        what_is_set_for_a_channel_goes_before_the_configuration,
        too_many_bytes_go_and_what_is_counted_stays_right,
        a_sleeping_channel_is_trimmed_and_sleeps_on,
        an_operator_trims_a_channel,
        an_operator_puts_a_channel_to_sleep_that_nobody_hears,
        an_operator_deletes_any_channel,
        a_worker_that_breaks_goes_on_with_the_next_sweep,
        what_operators_order_wrongly_is_refused;
}

/// Often enough for a test.
fn soon(config: &mut Config) {
    config.retention.every = Duration::from_millis(20);
}

fn say(path: &str, said: &Value) -> Request {
    Request::of("PUT", format!("/v1/admin/channels/{path}")).saying(said.to_string())
}

fn order(path: &str, said: &Value) -> Request {
    Request::post(format!("/v1/admin/channels/{path}"), said.to_string())
}

async fn first_becomes(site: &Site, channel: &str, first: u64) {
    eventually("it is trimmed", async || site.get(&format!("/v1/channels/{channel}")).await.json()["first"] == first)
        .await;
}

async fn metric(site: &Site, name: &str) -> f64 {
    let text = site.get("/metrics").await.body;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{name} is not there"))
}

async fn what_is_too_old_goes_by_whole_hours_and_the_rest_stays_over_a_restart(stage: Stage) {
    let change = |config: &mut Config| {
        soon(config);
        config.retention.age_s = 24 * 3600;
    };
    let mut site = stage.lasting_site(change).await;
    site.stop().await;
    site.write_past("a", &[50, 49, 49, 30, 20, 2, 2]);
    site.start().await;
    first_becomes(&site, "a", 5).await;
    let mut ann = site.guest("ann").await;
    let joined = ann.join_with("a", json!({"tail": 50})).await;
    assert_eq!((&joined["first"], &joined["next"], &joined["gap"]), (&json!(5), &json!(5), &json!(false)));
    ann.hear("a", 7).await;
    ann.publish("a", "now").await;
    let page = ann.history("a", json!({"after": 0})).await;
    assert_eq!((&page["first"], page["messages"].as_array().map(Vec::len)), (&json!(5), Some(4)));
    assert_eq!(ann.history("a", json!({"before": 5})).await["messages"], json!([]));
    site.restart().await;
    let said = site.get("/v1/channels/a").await.json();
    assert_eq!((&said["first"], &said["head"], &said["epoch"]), (&json!(5), &json!(8), &joined["epoch"]));
}

async fn a_reader_comes_back_with_a_gap_where_its_cursor_is_gone(stage: Stage) {
    let site = stage.site_with(|config| {
        soon(config);
        config.retention.count = 10;
    });
    let site = site.await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let epoch = ann.join("a").await["epoch"].clone();
    for n in 0..30 {
        ann.publish("a", &format!("{n}")).await;
    }
    first_becomes(&site, "a", 21).await;
    for (seq, next, gap) in [(5, 21, true), (19, 21, true), (20, 21, false), (25, 26, false), (30, 31, false)] {
        let joined = bob.join_with("a", json!({"since": {"epoch": epoch, "seq": seq}})).await;
        assert_eq!(
            (&joined["first"], &joined["next"], &joined["gap"]),
            (&json!(21), &json!(next), &json!(gap)),
            "{seq}"
        );
    }
    let listed = ann.ask(json!({"type": "channels"})).await;
    assert_eq!(listed["channels"][0]["unread"], 0);
    let listed = bob.ask(json!({"type": "channels"})).await;
    assert_eq!(listed["channels"][0]["unread"], 10, "of those that are kept");
}

async fn members_read_and_publish_while_a_channel_is_trimmed(stage: Stage) {
    let (site, oz) = watched(stage, |config| config.channels.window = 60).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    let epoch = ann.join("a").await["epoch"].clone();
    ann.publish_many("a", 900).await;
    let trim = ask(&site, &oz, order("a/trim", &json!({"below": 800})));
    let reading = async {
        for _ in 0..20 {
            ann.publish("a", "meanwhile").await;
            let page = bob.history("a", json!({"after": 0, "limit": 500})).await;
            let seqs: Vec<u64> =
                page["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect();
            assert!(!seqs.is_empty() && seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seqs:?}");
        }
    };
    let (trimmed, ()) = tokio::join!(trim, reading);
    assert_eq!((trimmed.status, trimmed.json()), (200, json!({"first": 800})));
    let joined = bob.join_with("a", json!({"since": {"epoch": epoch, "seq": 799}})).await;
    assert_eq!((&joined["next"], &joined["gap"], &joined["head"]), (&json!(800), &json!(false), &json!(920)));
    bob.hear("a", 920).await;
}

async fn what_is_set_for_a_channel_goes_before_the_configuration(stage: Stage) {
    let change = |config: &mut Config| {
        soon(config);
        config.retention.count = 10;
    };
    let (mut site, oz) = watched(stage, change).await;
    let mut ann = site.account("ann").await;
    for channel in ["a", "b", "c"] {
        ann.join(channel).await;
    }
    let set = async |site: &Site, channel: &str, said: Value| -> Answer {
        ask(site, &oz, say(&format!("{channel}/retention"), &said)).await
    };
    let answer = set(&site, "a", json!({"count": 3})).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"age_s": 0, "count": 3, "bytes": 0})));
    assert_eq!(set(&site, "b", json!({"count": 0, "age_s": null})).await.json()["count"], 0);
    for channel in ["a", "b", "c"] {
        for n in 0..20 {
            ann.publish(channel, &format!("{n}")).await;
        }
    }
    first_becomes(&site, "a", 18).await;
    first_becomes(&site, "c", 11).await;
    site.restart().await;
    ann = ann.moved(site.address).back().await;
    for (channel, count) in [("a", 3), ("b", 0), ("c", 10)] {
        assert_eq!(row(&site, &oz, channel).await["retention"]["count"], count);
        ann.publish(channel, "later").await;
    }
    first_becomes(&site, "a", 19).await;
    first_becomes(&site, "c", 12).await;
    assert_eq!(row(&site, &oz, "b").await["first"], 1);
    assert_eq!(set(&site, "b", json!({})).await.json()["count"], 10);
    first_becomes(&site, "b", 12).await;
    // A later channel of the same name begins without it.
    assert_eq!(ask(&site, &oz, Request::delete("/v1/admin/channels/a")).await.status, 204);
    ann.join("a").await;
    assert_eq!(row(&site, &oz, "a").await["retention"]["count"], 10);
}

async fn too_many_bytes_go_and_what_is_counted_stays_right(stage: Stage) {
    let change = |config: &mut Config| {
        soon(config);
        config.retention.bytes = 1000;
    };
    let (site, oz) = watched(stage, change).await;
    let mut ann = site.account("ann").await;
    ann.join("a").await;
    // Bodies of 100 bytes.
    let text = "x".repeat(100 - r#"{"text":""}"#.len());
    for _ in 0..25 {
        ann.publish("a", &text).await;
    }
    first_becomes(&site, "a", 16).await;
    for _ in 0..3 {
        ann.publish("a", &text).await;
    }
    first_becomes(&site, "a", 19).await;
    eventually("it is counted", async || row(&site, &oz, "a").await["bytes"] == 1000).await;
    assert!((metric(&site, "parlor_retention_messages_total").await - 18.0).abs() < 0.5);
    assert!((metric(&site, "parlor_retention_bytes_total").await - 1800.0).abs() < 0.5);
    eventually("a sweep ends", async || metric(&site, "parlor_retention_channels_total").await >= 1.0).await;
    assert!(metric(&site, "parlor_retention_sweep_end_seconds").await > 1e9);
    assert!(metric(&site, "parlor_retention_sweep_seconds_count").await >= 1.0);
}

async fn a_sleeping_channel_is_trimmed_and_sleeps_on(stage: Stage) {
    let (mut site, oz) = watched(stage, |_| {}).await;
    site.stop().await;
    site.write_past("a", &[90, 80, 1]);
    site.config.retention.age_s = 3600 * 24;
    soon(&mut site.config);
    site.start().await;
    first_becomes(&site, "a", 3).await;
    eventually("it sleeps", async || row(&site, &oz, "a").await["active"] == false).await;
    assert_eq!(row(&site, &oz, "a").await["bytes"], r#"{"text":"long ago"}"#.len());
    let actors = ask(&site, &oz, Request::get("/v1/admin/actors")).await.json();
    let worker = actors["actors"].as_array().unwrap().iter().find(|kind| kind["kind"] == "retention").cloned();
    assert_eq!(worker.expect("the worker is shown")["live"], 1);
}

async fn an_operator_trims_a_channel(stage: Stage) {
    let (site, oz) = watched(stage, |_| {}).await;
    let mut ann = site.account("ann").await;
    ann.join("@ann").await;
    for n in 0..9 {
        ann.publish("@ann", &format!("{n}")).await;
    }
    let trim = async |below: u64| ask(&site, &oz, order("@ann:ann/trim", &json!({"below": below}))).await.json();
    assert_eq!(trim(0).await, json!({"first": 1}));
    assert_eq!(trim(4).await, json!({"first": 4}));
    assert_eq!(trim(2).await, json!({"first": 4}), "what is gone is gone");
    assert_eq!(row(&site, &oz, "@ann:ann").await["first"], 4);
    assert_eq!(ann.history("@ann", json!({})).await["first"], 4);
    assert_eq!(trim(1 << 60).await, json!({"first": 10}));
    let joined = ann.join_with("@ann", json!({"tail": 9})).await;
    assert_eq!((&joined["first"], &joined["head"], &joined["next"]), (&json!(10), &json!(9), &json!(10)));
    ann.publish("@ann", "after all").await;
    assert_eq!(row(&site, &oz, "@ann:ann").await["bytes"], r#"{"text":"after all"}"#.len());
}

async fn an_operator_puts_a_channel_to_sleep_that_nobody_hears(stage: Stage) {
    let (site, oz) = watched(stage, |_| {}).await;
    let mut ann = site.account("ann").await;
    ann.join("a").await;
    let rest = || order("a/passivate", &json!({}));
    assert_eq!(refusal(&ask(&site, &oz, rest()).await), is(409, "conflict"));
    ann.publish("a", "one").await;
    ann.publish("a", "two").await;
    ann.ask(json!({"type": "leave", "channel": "a", "only": "session"})).await;
    assert_eq!(row(&site, &oz, "a").await["active"], true);
    for _ in 0..2 {
        assert_eq!(ask(&site, &oz, rest()).await.status, 204);
        assert_eq!(row(&site, &oz, "a").await["active"], false);
    }
    ann.join("a").await;
    ann.publish("a", "three").await;
    assert_eq!(row(&site, &oz, "a").await["head"], 3);
}

async fn an_operator_deletes_any_channel(stage: Stage) {
    let (site, oz) = watched(stage, |_| {}).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    ann.ask(json!({"type": "create", "channel": "own", "private": true})).await;
    for channel in ["@bob", "own", "lobby"] {
        ann.join(channel).await;
        ann.publish(channel, "hello").await;
    }
    bob.join("@ann").await;
    for channel in ["@ann:bob", "own", "lobby"] {
        let delete = || Request::delete(format!("/v1/admin/channels/{channel}"));
        assert_eq!(ask(&site, &oz, delete()).await.status, 204);
        let closed = ann.event("closed").await;
        assert_eq!((&closed["channel"], &closed["reason"]), (&json!(channel), &json!("deleted")));
        assert_eq!(refusal(&ask(&site, &oz, delete()).await), is(404, "not_found"));
        assert_eq!(
            refusal(&ask(&site, &oz, Request::get(format!("/v1/admin/channels/{channel}"))).await),
            is(404, "not_found")
        );
    }
    assert_eq!(bob.event("closed").await["reason"], "deleted");
    assert_eq!(ann.join("@bob").await["head"], 0);
}

async fn a_worker_that_breaks_goes_on_with_the_next_sweep(stage: Stage) {
    let change = |config: &mut Config| {
        soon(config);
        config.retention.count = 5;
    };
    let site = stage.site_with(change).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    site.faults.arm("retention.step");
    eventually("it breaks", async || site.faults.left() == 0).await;
    for _ in 0..9 {
        ann.publish("a", "x").await;
    }
    first_becomes(&site, "a", 5).await;
    assert_eq!(site.get("/readyz").await.status, 200);
}

async fn what_operators_order_wrongly_is_refused(stage: Stage) {
    let (site, oz) = watched(stage, |_| {}).await;
    let mut ann = site.account("ann").await;
    ann.join("a").await;
    for said in [
        json!({"below": -1}),
        json!({"below": "3"}),
        json!({}),
        json!([]),
        json!(null),
        json!({"below": 1, "above": 1}),
    ] {
        assert_eq!(refusal(&ask(&site, &oz, order("a/trim", &said)).await), is(400, "bad_frame"), "{said}");
    }
    for said in [
        json!({"age_s": -1}),
        json!({"count": 1.5}),
        json!({"bytes": "1"}),
        json!({"hours": 1}),
        json!([]),
        json!({"age_s": 3_153_600_001_u64}),
        json!({"count": 1_u64 << 53}),
        json!({"bytes": (1_u64 << 60) + 1}),
    ] {
        assert_eq!(refusal(&ask(&site, &oz, say("a/retention", &said)).await), is(400, "bad_frame"), "{said}");
    }
    for (path, said) in [("A/trim", json!({"below": 1})), ("@x/trim", json!({"below": 1}))] {
        assert_eq!(refusal(&ask(&site, &oz, order(path, &said)).await), is(400, "bad_frame"), "{path}");
    }
    assert_eq!(row(&site, &oz, "a").await["retention"], json!({"age_s": 0, "count": 0, "bytes": 0}));
}
