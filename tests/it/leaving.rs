//! `leave`, and who belongs to a channel: memberships, `who`, and what the others are told of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, DEADLINE, Site, Stage, pause};

scenarios! {
    everywhere:
        leaving_ends_the_membership_and_every_subscription_of_that_user,
        a_membership_outlives_a_restart;
    once:
        leaving_by_session_keeps_the_membership_and_the_other_sessions,
        a_member_that_does_not_subscribe_may_leave,
        one_who_is_not_there_cannot_leave_or_type,
        one_who_left_may_still_publish_and_read,
        one_who_left_may_come_back,
        others_hear_who_joins_and_who_leaves,
        a_large_channel_does_not_announce_who_comes_and_goes,
        who_is_read_in_pages;
    waiting:
        who_names_each_subscribed_user_once_in_order;
}

/// The names of the channels that a user is a member of.
async fn channels(client: &mut Client) -> Vec<Value> {
    let listed = client.ask(json!({"type": "channels"})).await;
    listed["channels"].as_array().into_iter().flatten().map(|one| one["channel"].clone()).collect()
}

async fn leaving_ends_the_membership_and_every_subscription_of_that_user(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut second = ann.twin().await;
    let mut third = ann.twin().await;
    for client in [&mut ann, &mut bob, &mut second] {
        client.join("a").await;
        client.join("b").await;
    }
    let left = ann.ask(json!({"type": "leave", "channel": "a"})).await;
    assert_eq!(left["channel"], "a");
    let closed = second.event("closed").await;
    assert_eq!((&closed["channel"], &closed["reason"]), (&json!("a"), &json!("left")));
    bob.publish("a", "they hear nothing of this").await;
    bob.publish("b", "and hear this").await;
    for client in [&mut ann, &mut second] {
        client.hear("b", 1).await;
        client.has_not_heard("closed").await;
        assert!(client.heard("a").is_empty());
        assert_eq!(channels(client).await, ["b"]);
    }
    third.has_not_heard("closed").await;
    let who = bob.ask(json!({"type": "who", "channel": "a"})).await;
    assert_eq!(who["users"], json!([bob.user()]));
}

async fn a_membership_outlives_a_restart(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut ann = site.guest("ann").await;
    ann.join("kept").await;
    ann.join("left").await;
    ann.ask(json!({"type": "leave", "channel": "left"})).await;
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    assert_eq!(channels(&mut ann).await, ["kept"]);
}

async fn leaving_by_session_keeps_the_membership_and_the_other_sessions(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut second = ann.twin().await;
    ann.join("a").await;
    second.join("a").await;
    ann.join("b").await;
    bob.join("a").await;
    ann.ask(json!({"type": "leave", "channel": "a", "only": "session"})).await;
    bob.publish("a", "for the second").await;
    second.hear("a", 1).await;
    second.has_not_heard("closed").await;
    ann.publish("b", "a channel goes on").await;
    ann.hear("b", 1).await;
    assert!(ann.heard("a").is_empty());
    assert_eq!(channels(&mut ann).await, ["a", "b"]);
    let who = bob.ask(json!({"type": "who", "channel": "a"})).await;
    assert_eq!(who["count"], 2, "{who}");
}

async fn a_member_that_does_not_subscribe_may_leave(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let mut second = ann.twin().await;
    ann.join("a").await;
    second.ask(json!({"type": "leave", "channel": "a"})).await;
    assert_eq!(ann.event("closed").await["reason"], "left");
    assert_eq!(channels(&mut ann).await, Vec::<Value>::new());
    ann.join("b").await;
    ann.ask(json!({"type": "leave", "channel": "b", "only": "session"})).await;
    ann.ask(json!({"type": "leave", "channel": "b"})).await;
    assert_eq!(channels(&mut ann).await, Vec::<Value>::new());
}

async fn one_who_is_not_there_cannot_leave_or_type(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    bob.join("a").await;
    assert_eq!(ann.refused(json!({"type": "leave", "channel": "a"})).await, "not_joined");
    assert_eq!(ann.refused(json!({"type": "typing", "channel": "a"})).await, "not_joined");
    ann.join("a").await;
    ann.ask(json!({"type": "leave", "channel": "a"})).await;
    assert_eq!(ann.refused(json!({"type": "leave", "channel": "a"})).await, "not_joined");
    assert_eq!(ann.refused(json!({"type": "typing", "channel": "a"})).await, "not_joined");
}

async fn one_who_left_may_still_publish_and_read(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.join("a").await;
    ann.ask(json!({"type": "leave", "channel": "a"})).await;
    assert_eq!(ann.publish("a", "a last word").await["seq"], 1);
    bob.hear("a", 1).await;
    assert_eq!(ann.history("a", json!({})).await["head"], 1);
    assert_eq!(ann.ask(json!({"type": "who", "channel": "a"})).await["users"], json!([bob.user()]));
    assert!(ann.heard("a").is_empty(), "not even its own");
    assert_eq!(channels(&mut ann).await, Vec::<Value>::new(), "publishing makes no member");
}

async fn one_who_left_may_come_back(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let epoch = ann.join("a").await["epoch"].clone();
    ann.publish_many("a", 5).await;
    ann.hear("a", 5).await;
    for _ in 0..3 {
        ann.ask(json!({"type": "leave", "channel": "a"})).await;
        let joined = ann.join_with("a", json!({"since": {"epoch": epoch, "seq": 3}})).await;
        assert_eq!((&joined["next"], &joined["replay"]), (&json!(4), &json!(2)));
        ann.hear("a", 5).await;
    }
    assert_eq!(channels(&mut ann).await, ["a"]);
}

async fn others_hear_who_joins_and_who_leaves(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.join("a").await;
    let told = ann.event_where("member", |event| event["user"] == bob.user()).await;
    assert_eq!((&told["channel"], &told["change"]), (&json!("a"), &json!("joined")));
    bob.ask(json!({"type": "leave", "channel": "a"})).await;
    let told = ann.event_where("member", |event| event["user"] == bob.user()).await;
    assert_eq!((&told["channel"], &told["change"]), (&json!("a"), &json!("left")));
}

async fn a_large_channel_does_not_announce_who_comes_and_goes(stage: Stage) {
    let site = stage.site_with(|config| config.channels.announce_max = 2).await;
    let (mut ann, mut bob, mut eve) = (site.guest("ann").await, site.guest("bob").await, site.guest("eve").await);
    ann.join("a").await;
    bob.join("a").await;
    eve.join("a").await;
    let mut dan = site.guest("dan").await;
    dan.join("a").await;
    dan.publish("a", "hello").await;
    ann.hear("a", 1).await;
    ann.catch_up().await;
    assert!(ann.pending().all(|event| event["type"] != "member" || event["user"] != dan.user()), "four are there");
}

/// Guests with these wishes, all subscribed to `a`.
async fn crowd(site: &Site, wishes: &[&str]) -> Vec<Client> {
    let mut all = Vec::new();
    for wish in wishes {
        let mut one = site.guest(wish).await;
        one.join("a").await;
        all.push(one);
    }
    all
}

async fn who_names_each_subscribed_user_once_in_order(stage: Stage) {
    let site = stage.site_with(|config| {
        config.presence.heartbeat = Duration::from_millis(300);
        config.presence.timeout = Duration::from_millis(1500);
        config.presence.sweep = Duration::from_millis(50);
    });
    let site = site.await;
    let mut all = crowd(&site, &["zoe", "ann", "a-b", "a.b", "a_b", "0", "ann"]).await;
    let mut second = all[0].twin().await;
    second.join("a").await;
    let mut visitor = site.guest("visitor").await;
    visitor.join_with("a", json!({"member": false})).await;
    let mut asker = site.guest("asker").await;
    let mut expected: Vec<_> = all.iter().chain([&visitor]).map(|one| one.user().to_owned()).collect();
    expected.sort();
    let who = asker.ask(json!({"type": "who", "channel": "a"})).await;
    assert_eq!(who["users"], json!(expected));
    assert_eq!((&who["channel"], &who["count"], &who["more"]), (&json!("a"), &json!(8), &json!(false)));
    all.remove(1).cut();
    expected.retain(|name| all.iter().chain([&visitor]).any(|one| one.user() == name));
    let begun = tokio::time::Instant::now();
    while asker.ask(json!({"type": "who", "channel": "a"})).await["users"] != json!(expected) {
        assert!(begun.elapsed() < DEADLINE, "one who is gone is still named");
        pause(10).await;
    }
}

async fn who_is_read_in_pages(stage: Stage) {
    let site = stage.site_with(|config| config.limits.page_max = 4).await;
    let all = crowd(&site, &["e", "d", "c", "b", "a", "f", "g"]).await;
    let mut expected: Vec<_> = all.iter().map(|one| one.user().to_owned()).collect();
    expected.sort();
    let mut asker = site.guest("asker").await;
    for (limit, pages) in [(1, 7), (3, 3), (4, 2), (1000, 2)] {
        let (mut found, mut after, mut turned) = (Vec::new(), Value::Null, 0);
        loop {
            let mut command = json!({"type": "who", "channel": "a", "limit": limit});
            if !after.is_null() {
                command["after"] = after.clone();
            }
            let page = asker.ask(command).await;
            assert_eq!(page["count"], 7, "{page}");
            let names = page["users"].as_array().cloned().unwrap_or_default();
            assert!(names.len() <= limit.min(4), "{page}");
            after = names.last().cloned().unwrap_or_default();
            found.extend(names);
            turned += 1;
            if page["more"] != true {
                break;
            }
            assert!(turned < 10, "more and more");
        }
        assert_eq!((json!(found), turned), (json!(expected), pages), "limit {limit}");
    }
}
