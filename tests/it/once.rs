//! Idempotency keys: the same user, channel and key never make two messages.

use serde_json::{Value, json};

use crate::support::{Client, Stage, publish};

scenarios! {
    everywhere:
        a_key_makes_one_message_across_sessions_reconnects_and_restarts,
        a_base_finds_a_key_however_long_ago,
        a_key_without_a_base_is_found_in_the_newest_window;
    once:
        a_second_use_of_a_key_names_the_first_message,
        the_same_key_sent_many_times_at_once_makes_one_message,
        a_key_is_one_users_and_one_channels,
        a_base_that_is_too_old_is_a_conflict_and_stores_nothing,
        a_key_is_1_to_64_bytes_of_anything;
}

/// Publishes with a key, and returns `[seq, duplicate]`.
async fn keyed(client: &mut Client, key: &str, members: Value) -> (u64, bool) {
    let mut command = publish("a", &format!("said by {}", client.user()), members);
    command["key"] = key.into();
    let receipt = client.ask(command).await;
    (receipt["seq"].as_u64().unwrap_or_default(), receipt["duplicate"] == true)
}

async fn a_second_use_of_a_key_names_the_first_message(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.join("a").await;
    let first = ann.publish_with("a", "the first", json!({"key": "k"})).await;
    bob.publish("a", "between").await;
    for text in ["the first", "something else"] {
        let again = ann.publish_with("a", text, json!({"key": "k"})).await;
        assert_eq!(again["duplicate"], true);
        for member in ["channel", "epoch", "seq", "at"] {
            assert_eq!(again[member], first[member], "{member}");
        }
    }
    bob.publish("a", "the end").await;
    for hearer in [&mut ann, &mut bob] {
        hearer.hear("a", 3).await;
        assert_eq!(hearer.heard("a")[&1]["body"]["text"], "the first");
    }
}

async fn the_same_key_sent_many_times_at_once_makes_one_message(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let mut second = ann.twin().await;
    ann.join("a").await;
    for round in 0..10 {
        let command = publish("a", "hi", json!({"key": format!("k{round}")}));
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push((ann.begin(command.clone()), second.begin(command.clone())));
        }
        let (mut fresh, mut places) = (0, std::collections::BTreeSet::new());
        for (one, other) in ids {
            for receipt in [ann.reply(&one).await, second.reply(&other).await] {
                assert_eq!(receipt["type"], "published", "{receipt}");
                fresh += u32::from(receipt["duplicate"] == false);
                places.insert(receipt["seq"].as_u64());
            }
        }
        assert_eq!((fresh, places.len()), (1, 1), "one message, sixteen receipts");
    }
    ann.hear("a", 10).await;
    assert_eq!(ann.history("a", json!({})).await["head"], 10);
}

async fn a_key_is_one_users_and_one_channels(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    ann.join("b").await;
    assert_eq!(keyed(&mut ann, "k", json!({})).await, (1, false));
    assert_eq!(keyed(&mut bob, "k", json!({})).await, (2, false));
    assert_eq!(keyed(&mut ann, "K", json!({})).await, (3, false));
    let other = ann.publish_with("b", "elsewhere", json!({"key": "k"})).await;
    assert_eq!((&other["seq"], &other["duplicate"]), (&json!(1), &json!(false)));
    assert_eq!(keyed(&mut bob, "k", json!({})).await, (2, true));
}

async fn a_key_makes_one_message_across_sessions_reconnects_and_restarts(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    assert_eq!(keyed(&mut ann, "k", json!({"base": 0})).await, (1, false));
    assert_eq!(keyed(&mut ann, "l", json!({})).await, (2, false));
    let mut second = ann.twin().await;
    assert_eq!(keyed(&mut second, "k", json!({"base": 0})).await, (1, true));
    let mut ann = ann.back().await;
    assert_eq!(keyed(&mut ann, "k", json!({})).await, (1, true));
    for _ in 0..2 {
        site.restart().await;
        ann = ann.moved(site.address).back().await;
        assert_eq!(keyed(&mut ann, "k", json!({"base": 0})).await, (1, true));
        assert_eq!(keyed(&mut ann, "l", json!({})).await, (2, true));
    }
    assert_eq!(keyed(&mut ann, "m", json!({"base": 2})).await, (3, false));
    assert_eq!(ann.history("a", json!({})).await["head"], 3);
}

async fn a_base_finds_a_key_however_long_ago(stage: Stage) {
    let small = |config: &mut parlor::config::Config| {
        config.channels.window = 8;
        config.channels.dedup_window = 10;
    };
    let mut site = stage.lasting_site(small).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    assert_eq!(keyed(&mut ann, "k", json!({"base": 0})).await, (1, false));
    bob.publish_many("a", 150).await;
    assert_eq!(keyed(&mut ann, "k", json!({"base": 0})).await, (1, true));
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    assert_eq!(keyed(&mut ann, "k", json!({"base": 0})).await, (1, true));
    assert_eq!(keyed(&mut ann, "new", json!({"base": 100})).await, (152, false));
    assert_eq!(keyed(&mut ann, "new", json!({"base": 100})).await, (152, true));
}

async fn a_key_without_a_base_is_found_in_the_newest_window(stage: Stage) {
    // A window in memory that is smaller than the one to be searched, and one that is larger.
    for window in [2, 40] {
        let site = stage
            .site_with(|config| {
                config.channels.window = window;
                config.channels.dedup_window = 10;
            })
            .await;
        let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
        ann.join("a").await;
        assert_eq!(keyed(&mut ann, "k", json!({})).await, (1, false));
        bob.publish_many("a", 9).await;
        assert_eq!(keyed(&mut ann, "k", json!({})).await, (1, true), "it is the oldest of the newest ten");
        assert_eq!(ann.history("a", json!({})).await["head"], 10);
    }
}

async fn a_base_that_is_too_old_is_a_conflict_and_stores_nothing(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.channels.window = 4;
            config.channels.dedup_window = 5;
            config.limits.dedup_scan = 20;
        })
        .await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.publish_many("a", 50).await;
    for base in [0, 1, 20] {
        let command = publish("a", "hi", json!({"key": "k", "base": base}));
        assert_eq!(ann.refused(command).await, "conflict", "base {base}");
    }
    assert_eq!(ann.history("a", json!({})).await["head"], 50);
    assert_eq!(keyed(&mut ann, "k", json!({"base": 40})).await, (51, false));
}

async fn a_key_is_1_to_64_bytes_of_anything(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    for (n, key) in ["k", &"k".repeat(64), "\u{0}", "ä\n\"\\", "\u{1f600}"].into_iter().enumerate() {
        assert_eq!(keyed(&mut ann, key, json!({})).await, (n as u64 + 1, false), "{key:?}");
        assert_eq!(keyed(&mut ann, key, json!({})).await, (n as u64 + 1, true), "{key:?}");
    }
    ann.hear("a", 5).await;
    assert_eq!(ann.heard("a")[&4]["key"], "ä\n\"\\");
    for key in ["", &"ä".repeat(33)] {
        assert_eq!(ann.refused(publish("a", "hi", json!({"key": key}))).await, "bad_frame");
    }
}
