//! Places that are not everyone's: private channels, what a stranger learns of them, and what someone who is put out still
//! hears.

use serde_json::json;

use crate::places::{closed, create, members, refused, tend};
use crate::support::{Stage, eventually, publish};

scenarios! {
    once:
        to_a_stranger_a_private_channel_is_one_that_is_not_there,
        one_who_is_put_out_in_the_middle_of_a_replay_hears_nothing_after_it,
        publishes_of_one_who_is_banned_meanwhile_come_before_that_or_not_at_all,
        a_private_channel_is_joined_by_invitation;
    websocket:
        what_is_asked_of_a_channel_is_answered_before_it_is_closed_or_refused;
}

async fn to_a_stranger_a_private_channel_is_one_that_is_not_there(stage: Stage) {
    let site = stage.site_with(|config| config.channels.create_on_join = false).await;
    let (mut ann, carol, mut banned) =
        (site.account("ann").await, site.account("carol").await, site.account("dave").await);
    create(&mut ann, "a", true).await;
    ann.join("a").await;
    ann.publish("a", "a secret").await;
    tend(&mut ann, "invite", "a", "dave").await;
    banned.join("a").await;
    tend(&mut ann, "ban", "a", "dave").await;
    closed(&mut banned, "a", "banned").await;
    for mut stranger in [carol, banned, site.guest("eve").await] {
        for members in [
            json!({"type": "join"}),
            json!({"type": "join", "member": false}),
            json!({"type": "join", "since": {"epoch": "e", "seq": 1}}),
            json!({"type": "leave"}),
            json!({"type": "leave", "only": "session"}),
            json!({"type": "publish", "body": {}}),
            json!({"type": "history"}),
            json!({"type": "who"}),
            json!({"type": "watch"}),
            json!({"type": "unwatch"}),
            json!({"type": "typing"}),
            json!({"type": "read", "seq": 1}),
            json!({"type": "members"}),
            json!({"type": "invite", "user": "carol"}),
            json!({"type": "kick", "user": "ann"}),
            json!({"type": "ban", "user": "ann"}),
            json!({"type": "unban", "user": "ann"}),
            json!({"type": "role", "user": "ann", "role": "muted"}),
            json!({"type": "delete"}),
        ] {
            let mut answers = Vec::new();
            for channel in ["a", "b"] {
                let mut command = members.clone();
                command["channel"] = channel.into();
                let mut answer = stranger.command(command).await;
                answer["id"].take();
                answers.push(answer.to_string());
            }
            assert_eq!(answers[0], answers[1], "{members} of {}", stranger.user());
        }
        stranger.catch_up().await;
        let heard: Vec<_> = stranger.pending().filter(|event| event["type"] != "presence").collect();
        assert!(heard.iter().all(|event| event["type"] != "activity" || event["change"] == "invited"), "{heard:?}");
    }
}

async fn one_who_is_put_out_in_the_middle_of_a_replay_hears_nothing_after_it(stage: Stage) {
    let site = stage.site_with(|config| config.channels.window = 50).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    create(&mut ann, "a", false).await;
    let long = "x".repeat(2000);
    let ids: Vec<_> = (0..60).map(|_| ann.begin(publish("a", &long, json!({})))).collect();
    for id in ids {
        ann.reply(&id).await;
    }
    for _ in 0..5 {
        ann.publish_many("a", 300).await;
        let join = bob.begin(json!({"type": "join", "channel": "a", "tail": 10_000}));
        let history = bob.begin(json!({"type": "history", "channel": "a", "limit": 1000}));
        eventually("bob belongs to it", async || members(&mut ann, "a").await.iter().any(|(user, _)| user == "bob"))
            .await;
        tend(&mut ann, "kick", "a", "bob").await;
        bob.reply(&join).await;
        // The client itself fails if a message follows.
        closed(&mut bob, "a", "kicked").await;
        bob.reply(&history).await;
        ann.publish("a", "without bob").await;
        bob.catch_up().await;
    }
}

async fn publishes_of_one_who_is_banned_meanwhile_come_before_that_or_not_at_all(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    create(&mut ann, "a", false).await;
    ann.join("a").await;
    for _ in 0..3 {
        bob.join("a").await;
        let ids: Vec<_> = (0..50).map(|n| bob.begin(publish("a", &format!("{n}"), json!({})))).collect();
        let ban = ann.begin(json!({"type": "ban", "channel": "a", "user": "bob"}));
        let (mut published, mut refused) = (0, 0);
        for id in ids {
            let reply = bob.reply(&id).await;
            match (reply["type"].as_str(), reply["code"].as_str()) {
                (Some("published"), _) if refused == 0 => published = reply["seq"].as_u64().expect("a place"),
                (Some("error"), Some("forbidden")) => refused += 1,
                _ => bob.fail(&format!("after {refused} refusals: {reply}")),
            }
        }
        assert_eq!(ann.reply(&ban).await["type"], "ok");
        closed(&mut bob, "a", "banned").await;
        let head = ann.history("a", json!({"limit": 1})).await["head"].as_u64().expect("a place");
        assert!(published <= head);
        let after = ann.publish("a", "after it").await["seq"].as_u64().expect("a place");
        assert_eq!(after, head + 1);
        tend(&mut ann, "unban", "a", "bob").await;
    }
}

async fn a_private_channel_is_joined_by_invitation(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob, mut carol) =
        (site.account("ann").await, site.account("bob").await, site.account("carol").await);
    let mut second = bob.twin().await;
    create(&mut ann, "a", true).await;
    ann.join("a").await;
    ann.publish("a", "before").await;
    assert_eq!(refused(&mut ann, "invite", "a", "nobody").await, "not_found");
    assert_eq!(refused(&mut ann, "invite", "a", "~guest-abcde").await, "forbidden");
    tend(&mut ann, "invite", "a", "bob").await;
    for one in [&mut bob, &mut second] {
        let told = one.event("activity").await;
        let expected = (&json!("a"), &json!("invited"), &json!("ann"));
        assert_eq!((&told["channel"], &told["change"], &told["from"]), expected, "{told}");
        assert_eq!((&told["head"], told["epoch"].is_string()), (&json!(1), true));
    }
    for command in [
        publish("a", "not yet", json!({})),
        json!({"type": "history", "channel": "a"}),
        json!({"type": "join", "channel": "a", "member": false}),
        json!({"type": "invite", "channel": "a", "user": "carol"}),
    ] {
        assert_eq!(bob.refused(command).await, "forbidden");
    }
    assert_eq!(bob.join("a").await["replay"], 1);
    bob.publish("a", "here I am").await;
    assert_eq!(refused(&mut bob, "invite", "a", "carol").await, "forbidden");
    bob.ask(json!({"type": "leave", "channel": "a"})).await;
    bob.join("a").await;
    tend(&mut ann, "kick", "a", "bob").await;
    closed(&mut bob, "a", "kicked").await;
    assert_eq!(bob.refused(json!({"type": "join", "channel": "a"})).await, "not_found");
    ann.ask(json!({"type": "leave", "channel": "a"})).await;
    ann.join("a").await;
    carol.has_not_heard("activity").await;
}

async fn what_is_asked_of_a_channel_is_answered_before_it_is_closed_or_refused(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    create(&mut ann, "a", false).await;
    ann.join("a").await;
    for _ in 0..5 {
        bob.join("a").await;
        bob.publish_many("a", 20).await;
        let kinds = ["who", "history", "members", "watch"];
        let ids: Vec<_> =
            kinds.iter().cycle().take(60).map(|kind| bob.begin(json!({"type": kind, "channel": "a"}))).collect();
        let ban = ann.begin(json!({"type": "ban", "channel": "a", "user": "bob"}));
        closed(&mut bob, "a", "banned").await;
        let late: Vec<_> = ids.iter().filter(|id| !bob.is_answered(id)).cloned().collect();
        for id in &ids {
            let reply = bob.reply(id).await;
            assert!(!late.contains(id) || reply["code"] == "forbidden", "behind the end: {reply}");
        }
        assert_eq!(ann.reply(&ban).await["type"], "ok");
        // He is told of nobody there any more.
        bob.forget().await;
        let mut carol = site.guest("carol").await;
        carol.join("a").await;
        carol.ask(json!({"type": "leave", "channel": "a"})).await;
        bob.has_not_heard("presence").await;
        tend(&mut ann, "unban", "a", "bob").await;
    }
}
