//! What makes a channel a place: typing, read positions, the list of one's channels, activity and the pulse.

use std::time::Duration;

use parlor::config::Config;
use serde_json::{Value, json};

use crate::support::{Client, Stage, pause};

scenarios! {
    everywhere:
        a_read_position_is_kept_and_never_moves_back,
        ones_channels_are_listed_with_what_is_unread;
    once:
        a_read_position_is_told_to_ones_own_sessions,
        a_read_position_beyond_the_head_is_the_head,
        in_a_large_channel_nothing_is_told_of_others,
        channels_are_read_in_pages;
    waiting:
        typing_is_told_to_others_once_in_three_seconds_and_not_stored,
        activity_is_told_where_a_member_does_not_subscribe,
        activity_is_told_at_most_once_a_second,
        a_pulse_names_the_heads_that_moved,
        a_pulse_counts_who_is_there_in_a_large_channel;
}

fn quick(config: &mut Config) {
    config.presence.heartbeat = Duration::from_millis(150);
    config.presence.timeout = Duration::from_secs(5);
}

/// `a` as the user's list of channels shows it.
async fn listed(client: &mut Client) -> Value {
    let reply = client.ask(json!({"type": "channels"})).await;
    let rows = reply["channels"].as_array().cloned().unwrap_or_default();
    rows.iter().find(|row| row["channel"] == "a").cloned().unwrap_or_else(|| panic!("a is not listed: {reply}"))
}

async fn typing_is_told_to_others_once_in_three_seconds_and_not_stored(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.join("a").await;
    for _ in 0..5 {
        assert_eq!(ann.ask(json!({"type": "typing", "channel": "a"})).await["type"], "ok");
    }
    let event = bob.event("typing").await;
    assert_eq!((&event["channel"], &event["user"]), (&json!("a"), &json!(ann.user())));
    ann.publish("a", "there").await;
    for one in [&mut ann, &mut bob] {
        one.hear("a", 1).await;
        one.has_not_heard("typing").await;
    }
    pause(3100).await;
    ann.ask(json!({"type": "typing", "channel": "a"})).await;
    bob.event("typing").await;
    assert_eq!(ann.history("a", json!({})).await["head"], 1);
}

async fn a_read_position_is_kept_and_never_moves_back(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.publish_many("a", 10).await;
    assert_eq!(listed(&mut ann).await["unread"], 10);
    for (seq, read) in [(4, 4), (2, 4), (0, 4), (7, 7), (7, 7), (6, 7)] {
        assert_eq!(ann.ask(json!({"type": "read", "channel": "a", "seq": seq})).await["type"], "ok");
        let row = listed(&mut ann).await;
        assert_eq!((&row["read"], &row["unread"]), (&json!(read), &json!(10 - read)), "after reading {seq}");
    }
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    let row = listed(&mut ann).await;
    assert_eq!((&row["read"], &row["unread"]), (&json!(7), &json!(3)), "after a restart");
}

async fn a_read_position_is_told_to_ones_own_sessions(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut second = ann.twin().await;
    for one in [&mut ann, &mut second, &mut bob] {
        one.join("a").await;
    }
    bob.publish_many("a", 5).await;
    ann.ask(json!({"type": "read", "channel": "a", "seq": 3})).await;
    for one in [&mut second, &mut bob] {
        let event = one.event("read").await;
        let shown = (&event["channel"], &event["user"], &event["seq"]);
        assert_eq!(shown, (&json!("a"), &json!(ann.user()), &json!(3)));
    }
}

async fn a_read_position_beyond_the_head_is_the_head(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.publish_many("a", 5).await;
    ann.ask(json!({"type": "read", "channel": "a", "seq": 5000})).await;
    let row = listed(&mut ann).await;
    assert_eq!((&row["read"], &row["unread"]), (&json!(5), &json!(0)));
    bob.publish("a", "one more").await;
    let row = listed(&mut ann).await;
    assert_eq!((&row["read"], &row["unread"]), (&json!(5), &json!(1)));
}

async fn in_a_large_channel_nothing_is_told_of_others(stage: Stage) {
    let site = stage.site_with(|config| config.channels.announce_max = 1).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut second = ann.twin().await;
    for one in [&mut ann, &mut bob, &mut second] {
        one.join("a").await;
    }
    bob.publish("a", "one").await;
    ann.ask(json!({"type": "read", "channel": "a", "seq": 1})).await;
    ann.ask(json!({"type": "typing", "channel": "a"})).await;
    assert_eq!(second.event("read").await["seq"], 1, "a user's own sessions always get its read");
    bob.publish("a", "two").await;
    bob.hear("a", 2).await;
    bob.has_not_heard("read").await;
    bob.has_not_heard("typing").await;
}

async fn ones_channels_are_listed_with_what_is_unread(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let epoch = ann.join("a").await["epoch"].clone();
    let row = listed(&mut ann).await;
    let expected = json!({"channel": "a", "epoch": epoch, "head": 0, "read": 0, "unread": 0, "role": "member"});
    for (member, value) in expected.as_object().expect("an object") {
        assert_eq!(&row[member], value, "{member}: {row}");
    }
    bob.publish_many("a", 4).await;
    ann.publish_many("a", 3).await;
    bob.publish_with("a", "not counted", json!({"kind": "x-kind"})).await;
    let row = listed(&mut ann).await;
    assert_eq!((&row["head"], &row["unread"]), (&json!(8), &json!(4)), "not one's own, not of unknown kind");
    ann.ask(json!({"type": "read", "channel": "a", "seq": 2})).await;
    assert_eq!(listed(&mut ann).await["unread"], 2);
    assert_eq!(bob.ask(json!({"type": "channels"})).await["channels"], json!([]), "publishing makes no member");
}

async fn channels_are_read_in_pages(stage: Stage) {
    let site = stage.site_with(|config| config.limits.page_max = 5).await;
    let mut ann = site.guest("ann").await;
    let mut names = vec!["b", "a", "a-b", "a.b", "a_b", "0", "z9", "aa", "c", "zz", "a0"];
    for name in &names {
        ann.join(name).await;
    }
    names.sort_unstable();
    for limit in [1, 4, 5, 100] {
        let (mut found, mut after) = (Vec::<String>::new(), Value::Null);
        loop {
            let mut command = json!({"type": "channels", "limit": limit});
            if !after.is_null() {
                command["after"] = after.clone();
            }
            let page = ann.ask(command).await;
            let rows = page["channels"].as_array().cloned().unwrap_or_default();
            assert!(rows.len() <= limit.min(5) && !rows.is_empty(), "{page}");
            found.extend(rows.iter().filter_map(|row| row["channel"].as_str().map(str::to_owned)));
            after = json!(found.last());
            if page["more"] != true {
                break;
            }
        }
        assert_eq!(found, names, "limit {limit}");
    }
}

async fn activity_is_told_where_a_member_does_not_subscribe(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut second = ann.twin().await;
    let epoch = ann.join("a").await["epoch"].clone();
    bob.publish("a", "hello").await;
    let event = second.event("activity").await;
    assert_eq!((&event["channel"], &event["epoch"]), (&json!("a"), &epoch), "{event}");
    assert_eq!((&event["head"], &event["unread"]), (&json!(1), &json!(1)), "{event}");
    assert_eq!(event["from"], bob.user());
    ann.hear("a", 1).await;
    ann.has_not_heard("activity").await;
    bob.has_not_heard("activity").await;
    // Where it stops hearing, and stays a member.
    ann.ask(json!({"type": "leave", "channel": "a", "only": "session"})).await;
    pause(1000).await;
    bob.publish("a", "again").await;
    assert_eq!(ann.event("activity").await["head"], 2);
    assert_eq!(second.event("activity").await["head"], 2);
    ann.ask(json!({"type": "leave", "channel": "a"})).await;
    second.forget().await;
    pause(1000).await;
    bob.publish("a", "to nobody").await;
    pause(300).await;
    second.has_not_heard("activity").await;
}

async fn activity_is_told_at_most_once_a_second(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut second = ann.twin().await;
    ann.join("a").await;
    let begun = tokio::time::Instant::now();
    let mut told = 0;
    while begun.elapsed() < Duration::from_millis(1500) {
        bob.publish("a", "again and again").await;
        pause(20).await;
    }
    let head = bob.history("a", json!({})).await["head"].as_u64().unwrap_or_default();
    loop {
        let event = second.event("activity").await;
        told += 1;
        if event["head"] == head {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert!(f64::from(told) <= seconds + 1.0, "told {told} times in {seconds} s");
}

async fn a_pulse_names_the_heads_that_moved(stage: Stage) {
    let site = stage.site_with(quick).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    ann.join("quiet").await;
    for head in [3, 5, 6] {
        let from = bob.history("a", json!({})).await["head"].as_u64().unwrap_or_default();
        bob.publish_many("a", (head - from) as usize).await;
        loop {
            let pulse = ann.event("pulse").await;
            assert_eq!(pulse["heads"].get("quiet"), None, "it did not move: {pulse}");
            if pulse["heads"]["a"] == head {
                break;
            }
        }
    }
    ann.forget().await;
    pause(500).await;
    ann.catch_up().await;
    let pulses: Vec<_> = ann.pending().filter(|event| event["type"] == "pulse").collect();
    assert!(pulses.len() <= 5, "at most one a heartbeat: {pulses:?}");
    assert!(pulses.iter().all(|pulse| pulse["heads"] == json!({})), "nothing moved: {pulses:?}");
}

async fn a_pulse_counts_who_is_there_in_a_large_channel(stage: Stage) {
    let site = stage
        .site_with(|config| {
            quick(config);
            config.channels.announce_max = 2;
        })
        .await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    let mut crowd = Vec::new();
    for n in 0..4 {
        let mut one = site.guest(&format!("g{n}")).await;
        one.join("a").await;
        crowd.push(one);
    }
    ann.event_where("pulse", |pulse| pulse["online"]["a"] == 5).await;
    crowd[3].ask(json!({"type": "logout"})).await;
    ann.event_where("pulse", |pulse| pulse["online"]["a"] == 4).await;
}
