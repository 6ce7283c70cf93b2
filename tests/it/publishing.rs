//! `publish`: one order for all, receipts without a hole, bodies as they were sent, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Client, Site, Stage, is_time, publish};

scenarios! {
    everywhere:
        all_see_the_same_messages_in_the_same_order,
        every_publish_beyond_the_outstanding_is_answered_and_only_receipted_ones_are_stored;
    once:
        a_receipt_and_its_message_say_the_same,
        a_body_is_kept_as_it_was_sent,
        a_kind_is_passed_on_and_others_are_refused,
        an_answer_names_what_it_answers,
        a_body_above_the_limit_is_too_large_and_not_stored,
        a_publish_without_an_id_is_stored_and_gets_no_reply,
        one_who_does_not_subscribe_may_publish,
        channels_are_numbered_each_by_itself,
        a_client_that_is_too_fast_is_told_so_and_lives_on;
}

/// How many messages a channel holds, and all of them.
async fn stored(client: &mut Client, channel: &str) -> Vec<Value> {
    let page = client.history(channel, json!({"after": 0, "limit": 1000})).await;
    assert_eq!(page["more"], false);
    page["messages"].as_array().cloned().unwrap_or_default()
}

async fn all_see_the_same_messages_in_the_same_order(stage: Stage) {
    let site = stage.site().await;
    let mut hearers = Vec::new();
    for n in 0..6 {
        let mut hearer = site.guest(&format!("hearer{n}")).await;
        hearer.join("a").await;
        hearers.push(hearer);
    }
    let mut publishing = Vec::new();
    for n in 0..4 {
        let mut publisher = site.guest(&format!("publisher{n}")).await;
        publishing.push(tokio::spawn(async move {
            publisher.join("a").await;
            let places = publisher.publish_many("a", 60).await;
            (publisher, places)
        }));
    }
    let mut receipted = BTreeMap::new();
    for one in publishing {
        let (publisher, places) = one.await.expect("the publisher is well");
        assert!(places.is_sorted_by(|a, b| a < b), "one session's receipts ascend: {places:?}");
        for place in places {
            let before = receipted.insert(place, publisher.user().to_owned());
            assert_eq!(before, None, "place {place} was given twice");
        }
        hearers.push(publisher);
    }
    assert!(receipted.keys().copied().eq(1..=240), "receipts are dense: {:?}", receipted.keys());
    for hearer in &mut hearers {
        hearer.hear("a", 240).await;
        for (place, message) in hearer.heard("a") {
            assert_eq!(message["from"], receipted[&place].as_str(), "at {place}");
        }
    }
    let first = hearers[0].heard("a");
    for other in &hearers[1..] {
        for (place, message) in other.heard("a") {
            assert_eq!(message, first[&place], "{} hears {place} otherwise", other.user());
        }
    }
}

async fn every_publish_beyond_the_outstanding_is_answered_and_only_receipted_ones_are_stored(stage: Stage) {
    let site = stage.site_with(|config| config.limits.outstanding = 4).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    let keyed = |n: usize| publish("a", "hello", json!({"key": format!("k{n}"), "base": 0}));
    let ids: Vec<_> = (0..200).map(|n| ann.begin(keyed(n))).collect();
    let (mut places, mut refused) = (BTreeSet::new(), Vec::new());
    for (n, id) in ids.iter().enumerate() {
        let reply = ann.reply(id).await;
        match reply["type"].as_str() {
            Some("published") => assert!(places.insert(reply["seq"].as_u64()), "{reply}"),
            _ if reply["code"] == "overloaded" => refused.push(n),
            _ => ann.fail(&format!("expected published or overloaded, got {reply}")),
        }
    }
    assert!(places.len() >= 4, "{} published", places.len());
    assert_eq!(stored(&mut ann, "a").await.len(), places.len());
    for n in refused {
        assert_eq!(ann.ask(keyed(n)).await["duplicate"], false, "after overloaded nothing was stored");
    }
    assert_eq!(stored(&mut ann, "a").await.len(), 200);
    ann.hear("a", 200).await;
}

async fn a_receipt_and_its_message_say_the_same(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let epoch = ann.join("a").await["epoch"].clone();
    let receipt = ann.publish_with("a", "hi", json!({"key": "k1"})).await;
    assert_eq!((&receipt["channel"], &receipt["epoch"], &receipt["seq"]), (&json!("a"), &epoch, &json!(1)));
    assert_eq!(receipt["duplicate"], false);
    assert!(receipt["at"].as_str().is_some_and(is_time), "{receipt}");
    let message = ann.event("message").await;
    let expected = json!({
        "type": "message", "channel": "a", "seq": 1, "at": receipt["at"], "from": ann.user(), "body": {"text": "hi"},
        "key": "k1",
    });
    assert_eq!(message, expected);
}

async fn a_body_is_kept_as_it_was_sent(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    bob.join("a").await;
    let bodies = [
        r"{}",
        r#"{"text":""}"#,
        r#"{"z":1,"a":2,"nested":{"list":[1,2.5,-0,1e3,true,false,null,"x"]}}"#,
        r#"{"big":9007199254740993,"negative":-9223372036854775808}"#,
        r#"{"text":"Grüße, 世界 \ud83d\ude00 \u0000 \n\t\"\\ </script>"}"#,
        "{ \"spaced\" :\t[ 1 , 2 ] }",
    ];
    for (n, body) in bodies.iter().enumerate() {
        ann.send_text(format!(r#"{{"type":"publish","id":"b{n}","channel":"a","body":{body}}}"#));
        assert_eq!(ann.reply(&format!("b{n}")).await["type"], "published", "{body}");
    }
    bob.hear("a", bodies.len() as u64).await;
    let kept = stored(&mut ann, "a").await;
    for (n, body) in bodies.iter().enumerate() {
        let sent: Value = serde_json::from_str(body).expect("the body is JSON");
        assert_eq!(bob.heard("a")[&(n as u64 + 1)]["body"], sent);
        assert_eq!(kept[n]["body"], sent);
    }
}

async fn a_kind_is_passed_on_and_others_are_refused(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    for kind in ["edit", "delete", "reaction", "server.joined", "server."] {
        let command = publish("a", "no", json!({"kind": kind}));
        assert_eq!(ann.refused(command).await, "forbidden", "{kind}");
    }
    for kind in [json!("poll"), json!("message"), json!(""), json!("X-poll"), json!(7)] {
        let command = publish("a", "no", json!({"kind": kind}));
        assert_eq!(ann.refused(command).await, "bad_frame", "{kind}");
    }
    ann.publish_with("a", "yes", json!({"kind": "x-poll"})).await;
    ann.publish("a", "plain").await;
    ann.hear("a", 2).await;
    assert_eq!(ann.heard("a")[&1]["kind"], "x-poll");
    assert_eq!(ann.heard("a")[&2].get("kind"), None);
    assert_eq!(stored(&mut ann, "a").await[0]["kind"], "x-poll");
}

async fn an_answer_names_what_it_answers(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish("a", "shall we?").await;
    ann.publish_with("a", "yes", json!({"ref": 1})).await;
    ann.hear("a", 2).await;
    assert_eq!((ann.heard("a")[&1].get("ref"), &ann.heard("a")[&2]["ref"]), (None, &json!(1)));
    assert_eq!(stored(&mut ann, "a").await[1]["ref"], 1);
}

async fn a_body_above_the_limit_is_too_large_and_not_stored(stage: Stage) {
    let site = stage.site_with(|config| config.limits.body_bytes = 1000).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    // The body is {"text":"…"}: eleven bytes around the words.
    assert_eq!(ann.publish("a", &"x".repeat(1000 - 11)).await["seq"], 1);
    for length in [1001 - 11, 5000, 20_000] {
        assert_eq!(ann.refused(publish("a", &"x".repeat(length), json!({}))).await, "too_large");
    }
    assert_eq!(ann.publish("a", "short").await["seq"], 2);
    ann.hear("a", 2).await;
}

async fn a_publish_without_an_id_is_stored_and_gets_no_reply(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.send(publish("a", "no id", json!({})));
    ann.hear("a", 1).await;
    ann.has_not_heard("published").await;
    ann.has_not_heard("error").await;
}

async fn one_who_does_not_subscribe_may_publish(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    bob.join("a").await;
    for seq in 1..=3 {
        assert_eq!(ann.publish("a", "from outside").await["seq"], seq);
    }
    bob.hear("a", 3).await;
    assert!(ann.heard("a").is_empty());
}

async fn channels_are_numbered_each_by_itself(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let mut epochs = BTreeSet::new();
    for n in 0..20 {
        epochs.insert(ann.join(&format!("c{n}")).await["epoch"].to_string());
    }
    let channel = |n: usize| format!("c{}", n % 20);
    let ids: Vec<_> = (0..60).map(|n| ann.begin(publish(&channel(n), "hi", json!({})))).collect();
    for (n, id) in ids.iter().enumerate() {
        let receipt = ann.reply(id).await;
        assert_eq!((&receipt["channel"], &receipt["seq"]), (&json!(channel(n)), &json!(n / 20 + 1)), "{receipt}");
    }
    for n in 0..20 {
        ann.hear(&channel(n), 3).await;
    }
}

async fn a_client_that_is_too_fast_is_told_so_and_lives_on(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.rates.enabled = true;
            config.rates.commands_per_second = 10;
        })
        .await;
    let mut ann = fast(&site).await;
    let mut bob = site.guest("bob").await;
    bob.catch_up().await;
    ann.catch_up().await;
}

/// A client that has just been too fast, and waited for as long as it was told to.
async fn fast(site: &Site) -> Client {
    let mut ann = site.guest("ann").await;
    let ids: Vec<_> = (0..100).map(|_| ann.begin(json!({"type": "ping"}))).collect();
    let (mut done, mut wait) = (0, 0);
    for id in ids {
        let reply = ann.reply(&id).await;
        if reply["type"] == "pong" {
            done += 1;
        } else {
            assert_eq!(reply["code"], "rate_limited", "{reply}");
            wait = reply["retry_after_ms"].as_u64().unwrap_or_else(|| panic!("when to try again: {reply}"));
        }
    }
    assert!((19..60).contains(&done), "{done} of 100 were carried out, with a burst of 20 allowed, hello among them");
    crate::support::pause(wait + 50).await;
    ann
}
