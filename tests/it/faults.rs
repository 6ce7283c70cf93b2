//! Panics inside: an actor that breaks is built anew, and all that a client notices is a retry or a reconnection.

use std::sync::Arc;
use std::time::Duration;

use parlor::config::{Config, Durability};
use parlor::store::{Failing, Fault, MemoryRows};
use serde_json::{Value, json};

use crate::support::{Client, DEADLINE, Site, Stage, pause, publish};

scenarios! {
    everywhere:
        a_channel_that_breaks_between_commit_and_fan_out_loses_nothing,
        a_channel_that_breaks_before_it_took_a_publish_takes_the_retry,
        a_channel_that_breaks_again_and_again_stays_in_order;
    once:
        a_worker_that_breaks_is_come_back_to,
        a_channel_that_broke_still_knows_who_is_there,
        what_an_interval_lost_is_a_new_epoch_for_whoever_asks;
    waiting:
        a_registry_that_breaks_on_a_beat_calls_nobody_offline,
        a_registry_that_breaks_in_its_sweep_calls_nobody_offline;
    longpoll:
        requests_that_meet_a_broken_worker_end_their_session_and_clients_come_back;
}

fn quick(config: &mut Config) {
    config.presence.heartbeat = Duration::from_millis(200);
    config.presence.timeout = Duration::from_millis(1500);
    config.presence.sweep = Duration::from_millis(50);
}

/// Publishes until it is receipted, as a client does whose outcome is unknown. Returns the receipt and the retries.
async fn insist(who: &mut Client, command: &Value) -> (Value, usize) {
    let until = tokio::time::Instant::now() + DEADLINE;
    for retries in 0.. {
        let reply = who.command(command.clone()).await;
        match reply["code"].as_str() {
            None => return (reply, retries),
            Some("unavailable" | "internal" | "overloaded") => pause(20).await,
            Some(_) => who.fail(&format!("neither published nor to be retried: {reply}")),
        }
        assert!(tokio::time::Instant::now() < until, "still not published: {reply}");
    }
    unreachable!("the loop ends by itself")
}

/// Waits until every armed fault has struck.
async fn struck(site: &Site) {
    crate::support::eventually("the fault strikes", async || site.faults.left() == 0).await;
}

async fn a_channel_that_breaks_between_commit_and_fan_out_loses_nothing(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut dan = site.guest("dan").await;
    for one in [&mut ann, &mut bob, &mut dan] {
        one.join("a").await;
    }
    bob.publish_many("a", 5).await;
    site.faults.arm("channel.committed");
    let command = publish("a", "committed, and not told", json!({"key": "k", "base": 5}));
    let (receipt, retries) = insist(&mut bob, &command).await;
    struck(&site).await;
    assert_eq!((&receipt["seq"], &receipt["duplicate"]), (&json!(6), &json!(retries > 0)), "{receipt}");
    let again = bob.ask(command).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(6), &json!(true)), "{again}");
    for one in [&mut ann, &mut bob, &mut dan] {
        one.hear("a", 6).await;
    }
    assert_eq!(bob.publish("a", "after it").await["seq"], 7);
    for one in [&mut ann, &mut bob, &mut dan] {
        one.hear("a", 7).await;
        one.has_not_heard("closed").await;
    }
}

async fn a_channel_that_breaks_before_it_took_a_publish_takes_the_retry(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.join("a").await;
    bob.publish_many("a", 3).await;
    // Whatever is due first strikes it; what follows may have to be asked again.
    site.faults.arm("channel.step");
    let (receipt, _) = insist(&mut bob, &publish("a", "once more", json!({"key": "k", "base": 3}))).await;
    struck(&site).await;
    assert_eq!(receipt["seq"], 4, "{receipt}");
    let (receipt, _) = insist(&mut bob, &publish("a", "and on", json!({"key": "l", "base": 3}))).await;
    assert_eq!((&receipt["seq"], &receipt["duplicate"]), (&json!(5), &json!(false)), "{receipt}");
    ann.hear("a", 5).await;
    bob.hear("a", 5).await;
}

async fn a_channel_that_breaks_again_and_again_stays_in_order(stage: Stage) {
    let site = stage.site().await;
    let mut hearers = Vec::new();
    for n in 0..4 {
        let mut one = site.guest(&format!("h{n}")).await;
        one.join("a").await;
        hearers.push(one);
    }
    let mut publishing = Vec::new();
    for n in 0..3 {
        let mut one = site.guest(&format!("p{n}")).await;
        publishing.push(tokio::spawn(async move {
            let mut places = Vec::new();
            for k in 0..40 {
                let command = publish("a", "on and on", json!({"key": format!("k{k}"), "base": 0}));
                places.push(insist(&mut one, &command).await.0["seq"].as_u64().unwrap_or_default());
            }
            places
        }));
    }
    for place in ["channel.committed", "channel.step", "channel.committed"] {
        pause(30).await;
        site.faults.arm(place);
    }
    let mut places = Vec::new();
    for one in publishing {
        places.extend(one.await.expect("the publisher is well"));
    }
    places.sort_unstable();
    assert!(places.iter().copied().eq(1..=120), "receipts are dense, and none is given twice: {places:?}");
    for one in &mut hearers {
        one.hear("a", 120).await;
        assert!(one.heard("a").into_keys().eq(1..=120));
    }
}

async fn a_channel_that_broke_still_knows_who_is_there(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.join_with("a", json!({"member": false})).await;
    let before = ann.ask(json!({"type": "who", "channel": "a"})).await["users"].clone();
    site.faults.arm("channel.committed");
    insist(&mut bob, &publish("a", "break", json!({"key": "k", "base": 0}))).await;
    struck(&site).await;
    assert_eq!(ann.ask(json!({"type": "who", "channel": "a"})).await["users"], before);
    let listed = ann.ask(json!({"type": "channels"})).await;
    assert_eq!(listed["channels"][0]["channel"], "a", "{listed}");
    bob.ask(json!({"type": "leave", "channel": "a"})).await;
    assert_eq!(ann.ask(json!({"type": "who", "channel": "a"})).await["users"], json!([ann.user()]));
}

async fn a_worker_that_breaks_is_come_back_to(stage: Stage) {
    let site = stage.site_with(quick).await;
    let mut crowd = Vec::new();
    for n in 0..8 {
        let mut one = site.guest(&format!("g{n}")).await;
        one.join("a").await;
        crowd.push(one);
    }
    let mut bob = site.guest("bob").await;
    for round in 1..=3 {
        site.faults.arm("hub.batch");
        let command = publish("a", "the hub breaks over this", json!({"key": format!("k{round}"), "base": 0}));
        let until = tokio::time::Instant::now() + DEADLINE;
        let id = bob.begin(command.clone());
        struck(&site).await;
        // Bob may have been on that worker, too: then the outcome is unknown to him.
        let mut receipt = bob.reply_or_end(&id).await;
        while receipt.as_ref().is_none_or(|reply| reply["type"] != "published") {
            assert!(tokio::time::Instant::now() < until, "still not published: {receipt:?}");
            pause(20).await;
            if bob.has_ended() {
                bob = bob.back().await;
            }
            let id = bob.begin(command.clone());
            receipt = bob.reply_or_end(&id).await;
        }
        assert_eq!(receipt.map(|receipt| receipt["seq"].clone()), Some(json!(round)));
        let mut came_back = 0;
        let mut next = Vec::new();
        for mut one in crowd {
            if !one.hear_or_end("a", round).await {
                one = one.back().await;
                let cursor = one.cursor("a");
                assert_eq!(one.join_with("a", json!({"since": cursor})).await["gap"], false);
                one.hear("a", round).await;
                came_back += 1;
            }
            next.push(one);
        }
        crowd = next;
        // Later they may all have come back to the same worker.
        assert!(round > 1 || came_back < 8, "the other worker's sessions live on");
        for one in &crowd {
            assert!(one.heard("a").into_keys().eq(1..=round), "{} missed something", one.user());
        }
    }
    let who = bob.ask(json!({"type": "who", "channel": "a"})).await;
    assert_eq!(who["count"], 8, "{who}");
}

async fn requests_that_meet_a_broken_worker_end_their_session_and_clients_come_back(stage: Stage) {
    let site = stage.site_with(quick).await;
    let mut crowd = Vec::new();
    for n in 0..6 {
        let mut one = site.guest(&format!("g{n}")).await;
        one.join("a").await;
        crowd.push(one);
    }
    let token = site.guest("bob").await.token().to_owned();
    for round in 1..=3 {
        site.faults.arm("longpoll.step");
        struck(&site).await;
        let mut bob = site.with_token("bob", &token).await;
        assert_eq!(bob.publish("a", "some hear this, and some come back for it").await["seq"], round);
        let mut came_back = 0;
        for one in &mut crowd {
            if !one.hear_or_end("a", round).await {
                let again = std::mem::replace(one, site.stranger("nobody").await).back().await;
                *one = again;
                let cursor = one.cursor("a");
                assert_eq!(one.join_with("a", json!({"since": cursor})).await["gap"], false);
                one.hear("a", round).await;
                came_back += 1;
            }
            assert!(one.heard("a").into_keys().eq(1..=round), "{} missed something", one.user());
        }
        assert!(came_back > 0, "nobody noticed");
        assert!(round > 1 || came_back < 6, "the other worker's sessions live on");
    }
    let mut bob = site.with_token("bob", &token).await;
    let who = bob.ask(json!({"type": "who", "channel": "a"})).await;
    assert_eq!(who["count"], 6, "sessions that broke have left: {who}");
}

/// Breaks the registry at a place while a crowd talks and comes and goes.
async fn break_registry(stage: Stage, place: &'static str) {
    let site = stage.site_with(quick).await;
    let mut ann = site.guest("ann").await;
    let mut crowd = Vec::new();
    for n in 0..12 {
        crowd.push(site.guest(&format!("g{n}")).await);
    }
    let users: Vec<_> = crowd.iter().map(|one| one.user().to_owned()).collect();
    ann.ask(json!({"type": "watch", "users": users})).await;
    for _ in 0..3 {
        site.faults.arm(place);
        let until = tokio::time::Instant::now() + Duration::from_millis(700);
        while tokio::time::Instant::now() < until || site.faults.left() > 0 {
            for one in &mut crowd {
                one.catch_up().await;
            }
            let shown = ann.ask(json!({"type": "presence", "users": users})).await;
            for row in shown["users"].as_array().into_iter().flatten() {
                assert!(row["state"] == "online" || row["state"] == "unknown", "{row}");
            }
            pause(20).await;
            assert!(tokio::time::Instant::now() < until + DEADLINE, "the fault did not strike");
        }
    }
    // It heals: everyone is known again, with all sessions, and the next who goes is told of.
    let begun = tokio::time::Instant::now();
    loop {
        let shown = ann.ask(json!({"type": "presence", "users": users})).await;
        let rows = shown["users"].as_array().cloned().unwrap_or_default();
        if rows.len() == 12 && rows.iter().all(|row| row["state"] == "online" && row["sessions"] == 1) {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "not healed: {shown}");
        pause(20).await;
    }
    assert!(ann.pending().all(|event| event["state"] != "offline"), "somebody was called offline");
    let mut gone = crowd.remove(0);
    let user = gone.user().to_owned();
    gone.ask(json!({"type": "logout"})).await;
    let event = ann.event_where("presence", |event| event["state"] == "offline").await;
    assert_eq!((&event["user"], &event["reason"]), (&json!(user), &json!("logout")));
}

async fn a_registry_that_breaks_on_a_beat_calls_nobody_offline(stage: Stage) {
    break_registry(stage, "registry.beat").await;
}

async fn a_registry_that_breaks_in_its_sweep_calls_nobody_offline(stage: Stage) {
    break_registry(stage, "registry.sweep").await;
}

/// The disk fails before what was told is on it, as an interval allows. Nobody is shown the old life with holes in it.
async fn what_an_interval_lost_is_a_new_epoch_for_whoever_asks(stage: Stage) {
    let (rows, trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let site = stage
        .site_on(Some(rows), |config| {
            config.store.durability = Durability::Interval;
            config.store.sync_interval = Duration::from_millis(50);
        })
        .await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let before = ann.join("a").await["epoch"].clone();
    bob.join("b").await;
    ann.publish("a", "kept").await;
    let synced = trouble.counts().1;
    crate::support::eventually("a sync", async || {
        trouble.counts().1 > synced + 1 || {
            bob.publish("b", "on").await;
            false
        }
    })
    .await;
    trouble.arm(Fault::Sync);
    ann.publish_many("a", 3).await;
    crate::support::eventually("the store is open again", async || trouble.counts().2 > 0).await;
    let mut seen = Value::Null;
    while seen["type"] != "history" {
        seen = bob.command(json!({"type": "history", "channel": "a"})).await;
        assert!(seen["type"] == "history" || seen["code"] == "unavailable", "{seen}");
    }
    assert_ne!(seen["epoch"], before);
    assert_eq!((&seen["head"], seen["messages"].as_array().map(Vec::len)), (&json!(1), Some(1)), "{seen}");
    assert_eq!(ann.event("closed").await["reason"], "reset");
}
