//! Coming back: from every cursor, in the middle of everything, again and again, without a hole or a double.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Client, Site, Stage, publish};

scenarios! {
    everywhere:
        every_cursor_goes_on_where_it_says_while_others_publish,
        a_client_that_is_cut_again_and_again_hears_everything_once,
        a_replay_larger_than_the_sessions_queue_arrives_whole;
    secure:
        a_client_that_is_cut_again_and_again_hears_everything_once,
        a_replay_larger_than_the_sessions_queue_arrives_whole;
    once:
        many_who_join_at_once_hear_the_same;
    waiting:
        a_channel_that_was_put_to_sleep_goes_on_where_it_stood;
}

/// Someone who publishes into `a` until told to stop; gives the number of messages that were receipted.
fn chatter(mut who: Client) -> (Arc<AtomicBool>, JoinHandle<u64>) {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let task = tokio::spawn(async move {
        let mut count = 0;
        while !told.load(Ordering::Relaxed) {
            count += who.publish_many("a", 3).await.len() as u64;
            crate::support::pause(1).await;
        }
        count
    });
    (stop, task)
}

async fn every_cursor_goes_on_where_it_says_while_others_publish(stage: Stage) {
    let site = stage.site_with(|config| config.channels.window = 16).await;
    let mut bob = site.guest("bob").await;
    let epoch = bob.join_with("a", json!({"tail": 0})).await["epoch"].clone();
    bob.publish_many("a", 50).await;
    let head = 50;
    let (stop, talk) = chatter(bob);
    let mut all = Vec::new();
    for seq in 0..=head + 2 {
        let mut one = site.guest("ann").await;
        let joined = one.join_with("a", json!({"since": {"epoch": epoch, "seq": seq}})).await;
        let gap = seq > joined["head"].as_u64().unwrap_or_default();
        assert_eq!(joined["gap"], gap, "since {seq}: {joined}");
        if !gap {
            assert_eq!(joined["next"], seq + 1, "since {seq}: {joined}");
        }
        all.push(one);
    }
    stop.store(true, Ordering::Relaxed);
    let total = head + talk.await.expect("bob is well");
    for (seq, one) in all.iter_mut().enumerate() {
        one.hear("a", total).await;
        let story = one.heard("a");
        assert!(story.keys().next_back() == Some(&total), "since {seq}");
        let first = story.keys().next().copied().unwrap_or_default();
        assert_eq!(story.len() as u64, total + 1 - first, "since {seq}");
    }
    // At rest, where the head is known: up to it there is no gap, past it there is one.
    for seq in total - 1..=total + 2 {
        let mut one = site.guest("ann").await;
        let joined = one.join_with("a", json!({"since": {"epoch": epoch, "seq": seq}})).await;
        assert_eq!((&joined["gap"], &joined["head"]), (&json!(seq > total), &json!(total)), "since {seq}: {joined}");
    }
}

async fn a_client_that_is_cut_again_and_again_hears_everything_once(stage: Stage) {
    let site = stage.site_with(|config| config.channels.window = 16).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    let (stop, talk) = chatter(site.guest("bob").await);
    for round in 0..25 {
        let next = ann.next("a").unwrap_or_default();
        if round % 3 != 0 {
            ann.hear("a", next + round % 5).await;
        }
        ann = ann.back().await;
        let cursor = ann.cursor("a");
        let joined = ann.join_with("a", json!({"since": cursor})).await;
        assert_eq!((&joined["gap"], joined["next"].as_u64()), (&json!(false), cursor["seq"].as_u64().map(|s| s + 1)));
    }
    stop.store(true, Ordering::Relaxed);
    let total = talk.await.expect("bob is well");
    ann.hear("a", total).await;
    assert!(ann.heard("a").into_keys().eq(1..=total));
}

/// Publishes so many messages of a kilobyte.
async fn publish_large(who: &mut Client, count: usize) {
    let text = "x".repeat(1000);
    for batch in (0..count).collect::<Vec<_>>().chunks(32) {
        let ids: Vec<_> = batch.iter().map(|_| who.begin(publish("a", &text, json!({})))).collect();
        for id in ids {
            let reply = who.reply(&id).await;
            assert_eq!(reply["type"], "published", "{reply}");
        }
    }
}

async fn a_replay_larger_than_the_sessions_queue_arrives_whole(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.limits.frame_bytes = 8 << 10;
            config.limits.body_bytes = 4 << 10;
            config.limits.session_queue_bytes = 32 << 10;
        })
        .await;
    let mut bob = site.guest("bob").await;
    let epoch = bob.join_with("a", json!({"member": false})).await["epoch"].clone();
    bob.ask(json!({"type": "leave", "channel": "a", "only": "session"})).await;
    publish_large(&mut bob, 600).await;
    let (stop, talk) = chatter(bob);
    let mut all = Vec::new();
    for seq in [0, 1, 300, 599] {
        let mut one = site.guest("ann").await;
        one.join_with("a", json!({"since": {"epoch": epoch, "seq": seq}})).await;
        all.push(one);
    }
    for one in &mut all {
        one.hear("a", 600).await;
    }
    stop.store(true, Ordering::Relaxed);
    let total = 600 + talk.await.expect("bob is well");
    for one in &mut all {
        one.hear("a", total).await;
        assert!(!one.has_ended());
    }
}

async fn many_who_join_at_once_hear_the_same(stage: Stage) {
    let site = stage.site().await;
    let (stop, talk) = chatter(joined(&site, "bob").await);
    let mut all = Vec::new();
    for n in 0..20 {
        all.push(site.guest(&format!("g{n}")).await);
    }
    let ids: Vec<_> = all.iter_mut().map(|one| one.begin(json!({"type": "join", "channel": "a", "tail": 5}))).collect();
    for (one, id) in all.iter_mut().zip(ids) {
        let reply = one.reply(&id).await;
        assert_eq!(reply["type"], "joined", "{reply}");
    }
    stop.store(true, Ordering::Relaxed);
    let total = talk.await.expect("bob is well");
    let mut whole = std::collections::BTreeMap::<u64, Value>::new();
    for one in &mut all {
        one.hear("a", total).await;
        for (place, message) in one.heard("a") {
            let known = whole.entry(place).or_insert_with(|| message.clone());
            assert_eq!(*known, message, "{place} is told in two ways");
        }
    }
}

async fn joined(site: &Site, name: &str) -> Client {
    let mut client = site.guest(name).await;
    client.join("a").await;
    client
}

async fn a_channel_that_was_put_to_sleep_goes_on_where_it_stood(stage: Stage) {
    let site = stage.site_with(|config| config.channels.idle = std::time::Duration::from_millis(50)).await;
    let mut ann = joined(&site, "ann").await;
    let cursor = ann.cursor("a");
    for round in 1..=8 {
        ann.publish_with("a", "hi", json!({"key": format!("k{round}")})).await;
        ann.ask(json!({"type": "leave", "channel": "a", "only": "session"})).await;
        // Around the time at which it falls asleep.
        crate::support::pause(35 + round * 10).await;
        let again = ann.publish_with("a", "hi", json!({"key": format!("k{round}")})).await;
        assert_eq!((&again["seq"], &again["duplicate"]), (&json!(round), &json!(true)), "{again}");
        let joined = ann.join_with("a", json!({"since": cursor})).await;
        assert_eq!((&joined["head"], &joined["gap"]), (&json!(round), &json!(false)), "{joined}");
        ann.hear("a", round).await;
    }
}
