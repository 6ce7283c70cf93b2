//! Direct channels: of two accounts, and nobody else's.

use std::time::Duration;

use parlor::config::Config;
use serde_json::{Value, json};

use crate::support::{Client, Stage, publish};

scenarios! {
    everywhere:
        what_is_said_to_someone_waits_until_they_come;
    once:
        either_name_leads_to_the_same_channel_and_both_belong_to_it,
        someone_who_is_online_hears_of_it_at_once,
        nobody_else_reads_joins_or_learns_of_it,
        there_is_no_direct_channel_with_a_guest_or_with_nobody,
        nobody_is_put_out_of_a_direct_channel_or_given_a_role_there,
        a_direct_channel_that_was_left_is_back_with_the_next_message,
        one_may_keep_notes_in_a_channel_of_ones_own,
        a_message_to_someone_whose_connection_is_gone_is_not_lost_and_a_newer_login_is_left_alone;
    waiting:
        one_who_was_thought_online_is_seen_to_be_gone_and_finds_what_was_said;
}

/// Fast enough to wait for a timeout, and slow enough for any machine to be heard from in time.
fn lenient(config: &mut Config) {
    config.presence.heartbeat = Duration::from_millis(300);
    config.presence.timeout = Duration::from_secs(2);
    config.presence.sweep = Duration::from_millis(50);
}

async fn listed(client: &mut Client) -> Vec<Value> {
    let page = client.ask(json!({"type": "channels"})).await;
    page["channels"].as_array().cloned().unwrap_or_default()
}

async fn what_is_said_to_someone_waits_until_they_come(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut ann = site.account("ann").await;
    assert_eq!(site.sign_up("bob").await.status, 201);
    let first = ann.publish("@bob", "are you there?").await;
    assert_eq!((&first["channel"], &first["seq"]), (&json!("@ann:bob"), &json!(1)));
    ann.publish("@bob", "call me").await;
    site.restart().await;
    let mut bob = site.account("bob").await;
    let row = listed(&mut bob).await.remove(0);
    let expected = (&json!("@ann:bob"), &json!(2), &json!(0), &json!("member"));
    assert_eq!((&row["channel"], &row["unread"], &row["read"], &row["role"]), expected);
    let joined = bob.join_with("@ann", json!({"since": {"epoch": row["epoch"], "seq": row["read"]}})).await;
    assert_eq!((&joined["channel"], &joined["replay"], &joined["gap"]), (&json!("@ann:bob"), &json!(2), &json!(false)));
    bob.hear("@ann:bob", 2).await;
    bob.ask(json!({"type": "read", "channel": "@ann", "seq": 2})).await;
    assert_eq!(listed(&mut bob).await[0]["unread"], 0);
    let mut ann = ann.moved(site.address).back().await;
    assert_eq!(listed(&mut ann).await[0]["unread"], 0, "one's own");
    ann.join("@bob").await;
    bob.publish("@ann", "here").await;
    ann.hear("@ann:bob", 3).await;
}

async fn either_name_leads_to_the_same_channel_and_both_belong_to_it(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    assert_eq!(ann.refused(json!({"type": "history", "channel": "@bob"})).await, "not_found");
    assert_eq!(ann.refused(json!({"type": "typing", "channel": "@bob"})).await, "not_joined");
    assert_eq!(ann.join("@bob").await["channel"], "@ann:bob");
    assert_eq!(bob.event("activity").await["change"], "added");
    assert_eq!(bob.join("@ann:bob").await["channel"], "@ann:bob");
    ann.ask(json!({"type": "typing", "channel": "@bob"})).await;
    assert_eq!(bob.event("typing").await["channel"], "@ann:bob");
    bob.publish("@ann", "hi").await;
    ann.hear("@ann:bob", 1).await;
    assert_eq!(ann.history("@bob", json!({})).await["channel"], "@ann:bob");
    assert_eq!(ann.ask(json!({"type": "who", "channel": "@bob"})).await["users"], json!(["ann", "bob"]));
    let page = ann.ask(json!({"type": "members", "channel": "@bob"})).await;
    assert_eq!((&page["channel"], page["members"].as_array().map(Vec::len)), (&json!("@ann:bob"), Some(2)));
    assert_eq!(listed(&mut bob).await[0]["channel"], "@ann:bob");
}

async fn someone_who_is_online_hears_of_it_at_once(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    let mut second = bob.twin().await;
    for n in 1..=3 {
        ann.publish("@bob", "quick").await;
        for one in [&mut bob, &mut second] {
            let told = one.event("activity").await;
            assert_eq!((&told["channel"], &told["from"]), (&json!("@ann:bob"), &json!("ann")));
            assert_eq!((&told["head"], &told["unread"]), (&json!(n), &json!(n)), "each one, and not once a second");
            assert_eq!(told["change"], if n == 1 { json!("added") } else { Value::Null });
        }
    }
    bob.join("@ann").await;
    ann.publish("@bob", "heard").await;
    bob.hear("@ann:bob", 4).await;
    second.event("activity").await;
    bob.has_not_heard("activity").await;
}

async fn nobody_else_reads_joins_or_learns_of_it(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (mut ann, carol) = (site.account("ann").await, site.account("carol").await);
    for name in ["bob", "dave", "oz"] {
        assert_eq!(site.sign_up(name).await.status, 201);
    }
    ann.publish("@bob", "between us").await;
    site.stop().await;
    site.make_operator("oz");
    site.start().await;
    let carol = carol.moved(site.address).back().await;
    for mut stranger in [carol, site.account("oz").await, site.guest("eve").await] {
        for members in [
            json!({"type": "join"}),
            json!({"type": "join", "member": false}),
            json!({"type": "leave"}),
            json!({"type": "publish", "body": {}}),
            json!({"type": "history"}),
            json!({"type": "who"}),
            json!({"type": "watch"}),
            json!({"type": "typing"}),
            json!({"type": "read", "seq": 1}),
            json!({"type": "members"}),
            json!({"type": "create"}),
            json!({"type": "invite", "user": "carol"}),
            json!({"type": "kick", "user": "ann"}),
            json!({"type": "role", "user": "ann", "role": "muted"}),
            json!({"type": "delete"}),
        ] {
            let mut answers = Vec::new();
            for channel in ["@ann:bob", "@bob:dave"] {
                let mut command = members.clone();
                command["channel"] = channel.into();
                let mut answer = stranger.command(command).await;
                answer["id"].take();
                assert_eq!(answer["type"], "error", "{answer}");
                answers.push(answer.to_string());
            }
            assert_eq!(answers[0], answers[1], "{members} of {}", stranger.user());
        }
        let bearer = format!("Bearer {}", stranger.token());
        let request = crate::support::Request::get("/v1/channels").with("Authorization", &bearer);
        assert_eq!(site.ask(request).await.json()["channels"], json!([]));
    }
}

async fn there_is_no_direct_channel_with_a_guest_or_with_nobody(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut eve) = (site.account("ann").await, site.guest("eve").await);
    for name in [format!("@{}", eve.user()), "@nobody".to_owned()] {
        for members in [json!({"type": "join"}), json!({"type": "publish", "body": {}}), json!({"type": "history"})] {
            let mut command = members;
            command["channel"] = name.clone().into();
            assert_eq!(ann.refused(command.clone()).await, "not_found", "{command}");
        }
    }
    for members in [json!({"type": "join"}), json!({"type": "publish", "body": {}}), json!({"type": "create"})] {
        let mut command = members;
        command["channel"] = "@ann".into();
        assert_eq!(eve.refused(command.clone()).await, "not_found", "{command}");
    }
    assert_eq!(listed(&mut ann).await, [Value::Null; 0]);
    assert_eq!(ann.refused(json!({"type": "join", "channel": "@Bob"})).await, "bad_frame");
}

async fn nobody_is_put_out_of_a_direct_channel_or_given_a_role_there(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    assert_eq!(site.sign_up("bob").await.status, 201);
    for made in [false, true] {
        if made {
            ann.publish("@bob", "hi").await;
        }
        for command in [
            json!({"type": "create", "channel": "@bob"}),
            json!({"type": "invite", "channel": "@bob", "user": "bob"}),
            json!({"type": "kick", "channel": "@bob", "user": "bob"}),
            json!({"type": "ban", "channel": "@bob", "user": "bob"}),
            json!({"type": "role", "channel": "@bob", "user": "ann", "role": "owner"}),
            json!({"type": "delete", "channel": "@bob"}),
        ] {
            assert_eq!(ann.refused(command.clone()).await, "forbidden", "{command}, {made}");
        }
    }
}

async fn a_direct_channel_that_was_left_is_back_with_the_next_message(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    ann.join("@bob").await;
    bob.join("@ann").await;
    ann.publish("@bob", "one").await;
    bob.hear("@ann:bob", 1).await;
    bob.ask(json!({"type": "leave", "channel": "@ann"})).await;
    assert_eq!(listed(&mut bob).await, [Value::Null; 0]);
    bob.forget().await;
    ann.has_not_heard("member").await;
    ann.publish("@bob", "two").await;
    let told = bob.event("activity").await;
    assert_eq!((&told["change"], &told["unread"]), (&json!("added"), &json!(1)), "{told}");
    assert_eq!(listed(&mut bob).await[0]["unread"], 1);
    bob.join("@ann").await;
    assert_eq!(bob.history("@ann", json!({})).await["head"], 2);
}

async fn one_may_keep_notes_in_a_channel_of_ones_own(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    assert_eq!(ann.join("@ann").await["channel"], "@ann:ann");
    ann.publish("@ann", "milk").await;
    ann.hear("@ann:ann", 1).await;
    assert_eq!(listed(&mut ann).await[0]["channel"], "@ann:ann");
}

async fn a_message_to_someone_whose_connection_is_gone_is_not_lost_and_a_newer_login_is_left_alone(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    bob.join("@ann").await;
    let cursor = bob.cursor("@ann:bob");
    let token = bob.token().to_owned();
    // One connection goes without a word while another comes.
    bob.cut();
    ann.publish("@bob", "lost on the way?").await;
    let mut newer = site.with_token("bob", &token).await;
    ann.publish("@bob", "and this?").await;
    let joined = newer.join_with("@ann", json!({"since": cursor})).await;
    assert_eq!((&joined["replay"], &joined["gap"]), (&json!(2), &json!(false)));
    newer.hear("@ann:bob", 2).await;
    let head = ann.publish("@bob", "still here?").await["seq"].as_u64().expect("a place");
    newer.hear("@ann:bob", head).await;
    let seen = ann.ask(json!({"type": "presence", "users": ["bob"]})).await;
    assert_eq!(seen["users"][0]["state"], "online", "{seen}");
    assert_eq!(ann.command(publish("@bob", "again", json!({}))).await["type"], "published");
}

async fn one_who_was_thought_online_is_seen_to_be_gone_and_finds_what_was_said(stage: Stage) {
    let site = stage.site_with(lenient).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    bob.join("@ann").await;
    let (cursor, token) = (bob.cursor("@ann:bob"), bob.token().to_owned());
    let watching = ann.ask(json!({"type": "watch", "users": ["bob"]})).await;
    assert_eq!(watching["users"][0]["state"], "online");
    bob.cut();
    ann.publish("@bob", "are you there?").await;
    let event = ann.event_where("presence", |event| event["state"] == "offline").await;
    assert_eq!(event["user"], "bob");
    let mut bob = site.with_token("bob", &token).await;
    ann.event_where("presence", |event| event["state"] == "online").await;
    assert_eq!(listed(&mut bob).await[0]["unread"], 1);
    assert_eq!(bob.join_with("@ann", json!({"since": cursor})).await["replay"], 1);
    bob.hear("@ann:bob", 1).await;
}
