//! Webhooks: a backend is told of messages, members and presence; in order, at least once, and to nobody's harm.

use std::collections::BTreeSet;

use parlor::config::Webhook;
use serde_json::json;

use crate::support::{Endpoint, Heard, Reply, Site, Stage, eventually};

scenarios! {
everywhere:
    every_message_is_told_signed_and_in_its_channels_order;
alone:
    what_failed_is_told_again_with_the_same_id_and_what_follows_waits_for_it,
    an_endpoint_that_hangs_delays_neither_publishes_nor_another_webhook,
    of_too_many_the_oldest_are_dead_letters,
    members_and_presence_are_told_of_and_nothing_secret,
    a_webhook_begins_where_channels_stand_and_goes_on_after_a_stop,
    direct_channels_are_told_of_where_a_pattern_says_so,
    a_channel_that_is_deleted_is_counted,
    after_a_panic_nothing_is_missing;
}

async fn site(stage: Stage, webhooks: Vec<Webhook>) -> Site {
    stage.lasting_site(|config| config.webhooks = webhooks).await
}

fn seqs(heard: &[Heard], channel: &str) -> Vec<u64> {
    heard.iter().filter(|heard| heard.channel() == channel).map(Heard::seq).collect()
}

async fn metric(site: &Site, name: &str) -> u64 {
    let text = site.get("/metrics").await.body;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

async fn every_message_is_told_signed_and_in_its_channels_order(stage: Stage) {
    let endpoint = Endpoint::start().await;
    let site =
        site(stage, vec![endpoint.webhook("all"), Webhook { channels: vec!["b".into()], ..endpoint.webhook("some") }])
            .await;
    let mut ann = site.guest("ann").await;
    let joined = ann.join("a").await;
    ann.join("b").await;
    for n in 0..12 {
        ann.publish(if n % 2 == 0 { "a" } else { "b" }, &format!("number {n}")).await;
    }
    let heard = endpoint.until("all of them", |taken| taken.len() == 6 + 6 + 6).await;
    assert_eq!(seqs(&heard, "a"), [1, 2, 3, 4, 5, 6]);
    let ids: BTreeSet<&str> = heard.iter().map(|heard| heard.id.as_str()).collect();
    assert_eq!(ids.len(), 12, "what is told twice by two webhooks has one id");
    let first = heard.iter().find(|heard| heard.channel() == "a").expect("a message");
    let expected = json!({
        "type": "message", "epoch": joined["epoch"], "channel": "a", "seq": 1, "at": first.event["at"],
        "from": ann.user(), "body": {"text": "number 0"},
    });
    assert_eq!(first.event, expected);
    eventually("what was told is counted", async || {
        metric(&site, "parlor_webhook_delivered_total{webhook=\"all\"}").await == 12
            && metric(&site, "parlor_webhook_request_seconds_count{webhook=\"some\"}").await == 6
    })
    .await;
}

async fn what_failed_is_told_again_with_the_same_id_and_what_follows_waits_for_it(stage: Stage) {
    let endpoint = Endpoint::start().await;
    let site = site(stage, vec![endpoint.webhook("it")]).await;
    let mut left = 1;
    endpoint.says(move |event| {
        let fails = event["seq"] == 2 && left > 0;
        left -= i32::from(fails);
        Reply::Status(if fails { 307 } else { 204 })
    });
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    for n in 0..4 {
        ann.publish("a", &format!("{n}")).await;
    }
    endpoint.until("all of them", |taken| taken.len() == 4).await;
    let heard = endpoint.heard();
    assert_eq!(seqs(&heard, "a"), [1, 2, 2, 3, 4]);
    assert_eq!(heard[1].id, heard[2].id);
    assert_eq!(metric(&site, "parlor_webhook_failed_attempts_total{webhook=\"it\"}").await, 1);
}

async fn an_endpoint_that_hangs_delays_neither_publishes_nor_another_webhook(stage: Stage) {
    let (dead, good) = (Endpoint::start().await, Endpoint::start().await);
    dead.says(|_| Reply::Hang);
    let mut site = site(stage, vec![dead.webhook("dead"), good.webhook("good")]).await;
    let mut ann = site.guest("ann").await;
    for n in 0..20 {
        ann.join(&format!("c{n}")).await;
        ann.publish(&format!("c{n}"), "hi").await;
    }
    good.until("all of them", |taken| taken.len() == 20).await;
    assert!(dead.heard().len() <= 8, "only a few at the same time");
    site.stop().await;
}

async fn of_too_many_the_oldest_are_dead_letters(stage: Stage) {
    let endpoint = Endpoint::start().await;
    endpoint.says(|_| Reply::Status(500));
    let site = site(stage, vec![Webhook { backlog: 3, ..endpoint.webhook("it") }]).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish_many("a", 10).await;
    let overflow = "parlor_webhook_dead_letters_total{reason=\"overflow\",webhook=\"it\"}";
    eventually("seven are given up", async || metric(&site, overflow).await == 7).await;
    endpoint.says(|_| Reply::Status(204));
    let heard = endpoint.until("the newest", |taken| taken.len() == 3).await;
    assert_eq!(seqs(&heard, "a"), [8, 9, 10]);
}

async fn members_and_presence_are_told_of_and_nothing_secret(stage: Stage) {
    let endpoint = Endpoint::start().await;
    let webhook = Webhook { messages: false, members: true, presence: true, ..endpoint.webhook("it") };
    let site = site(stage, vec![webhook]).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish("a", "hi").await;
    ann.ask(json!({"type": "leave", "channel": "a"})).await;
    let name = ann.user().to_owned();
    ann.ask(json!({"type": "logout"})).await;
    let heard = endpoint.until("all of it", |taken| taken.len() == 4).await;
    let of = |kind: &str| -> Vec<&Heard> { heard.iter().filter(|heard| heard.event["type"] == kind).collect() };
    let members: Vec<_> = of("member").iter().map(|heard| heard.event["change"].clone()).collect();
    assert_eq!(members, [json!("joined"), json!("left")]);
    let [online, offline] = of("presence")[..] else { panic!("{heard:?}") };
    assert_eq!((&online.event["user"], &online.event["state"]), (&json!(name), &json!("online")));
    assert_eq!((&offline.event["state"], &offline.event["reason"]), (&json!("offline"), &json!("logout")));
    for heard in &heard {
        assert!(heard.event["at"].is_string() && heard.event["session"].is_null() && heard.event["token"].is_null());
    }
}

async fn a_webhook_begins_where_channels_stand_and_goes_on_after_a_stop(stage: Stage) {
    let endpoint = Endpoint::start().await;
    let mut site = site(stage, Vec::new()).await;
    let mut ann = site.guest("ann").await;
    ann.join("old").await;
    ann.publish("old", "before").await;
    site.stop().await;
    let webhook = Webhook { members: true, ..endpoint.webhook("it") };
    site.config.webhooks = vec![webhook];
    site.start().await;
    endpoint.says(|_| Reply::Status(503));
    let mut bob = site.guest("bob").await;
    bob.join("old").await;
    bob.publish("old", "after").await;
    bob.join("new").await;
    bob.publish("new", "first").await;
    site.stop().await;
    assert_eq!(endpoint.taken().len(), 0);
    endpoint.says(|_| Reply::Status(204));
    site.start().await;
    let heard = endpoint.until("what waited", |taken| taken.len() >= 4).await;
    assert_eq!(
        (seqs(&heard, "new"), seqs(&heard, "old")),
        (vec![0, 1], vec![0, 2]),
        "the members, and then the messages"
    );
    // What was taken counts as told when the answer came.
    eventually("all four are told", async || {
        metric(&site, "parlor_webhook_delivered_total{webhook=\"it\"}").await == 4
    })
    .await;
    site.stop().await;
    let before = endpoint.taken().len();
    site.start().await;
    let mut bob = site.guest("bob").await;
    bob.join("new").await;
    bob.publish("new", "second").await;
    let heard = endpoint.until("the newest", |taken| seqs(taken, "new").contains(&2)).await;
    let ids: Vec<&str> = heard[before..].iter().map(|heard| heard.event["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(ids.iter().filter(|kind| **kind == "message").count(), 1, "nothing is told twice: {heard:?}");
}

async fn direct_channels_are_told_of_where_a_pattern_says_so(stage: Stage) {
    let (all, direct) = (Endpoint::start().await, Endpoint::start().await);
    let webhook = Webhook { channels: vec!["@*".into()], ..direct.webhook("direct") };
    let site = site(stage, vec![all.webhook("all"), webhook]).await;
    let mut ann = site.account("ann").await;
    let _bob = site.account("bob").await;
    ann.publish("@bob", "between us").await;
    ann.join("a").await;
    ann.publish("a", "to all").await;
    let heard = direct.until("what is direct", |taken| !taken.is_empty()).await;
    assert_eq!(heard[0].channel(), "@ann:bob");
    let heard = all.until("what is everyone's", |taken| !taken.is_empty()).await;
    assert_eq!(heard[0].channel(), "a");
}

async fn a_channel_that_is_deleted_is_counted(stage: Stage) {
    let endpoint = Endpoint::start().await;
    endpoint.says(|_| Reply::Status(500));
    let site = site(stage, vec![endpoint.webhook("it")]).await;
    let mut ann = site.account("ann").await;
    ann.ask(json!({"type": "create", "channel": "mine"})).await;
    ann.publish("mine", "soon gone").await;
    eventually("it was tried", async || !endpoint.heard().is_empty()).await;
    ann.ask(json!({"type": "delete", "channel": "mine"})).await;
    let gone = "parlor_webhook_dead_letters_total{reason=\"gone\",webhook=\"it\"}";
    eventually("it is counted", async || metric(&site, gone).await == 1).await;
    ann.ask(json!({"type": "create", "channel": "mine"})).await;
    endpoint.says(|_| Reply::Status(204));
    ann.publish("mine", "anew").await;
    let heard = endpoint.until("the new one", |taken| !taken.is_empty()).await;
    assert_eq!((heard[0].seq(), &heard[0].event["body"]["text"]), (1, &json!("anew")));
}

#[test]
fn the_page_shows_how_signatures_are_verified_here() {
    let (page, code) = (include_str!("../../docs/operating/webhooks.md"), include_str!("../support/verify.rs"));
    let (_, code) = code.split_once("\n\n").expect("a heading");
    assert!(page.contains(&format!("```rust\n{code}```\n")));
}

async fn after_a_panic_nothing_is_missing(stage: Stage) {
    let endpoint = Endpoint::start().await;
    let webhook = Webhook { members: true, ..endpoint.webhook("it") };
    let site = site(stage, vec![webhook]).await;
    let mut ann = site.guest("ann").await;
    for n in 0..3 {
        site.faults.arm("webhook.step");
        ann.join(&format!("c{n}")).await;
        ann.publish(&format!("c{n}"), "hi").await;
    }
    let all = |taken: &[Heard]| {
        let told: BTreeSet<String> = taken.iter().map(|heard| format!("{} {}", heard.channel(), heard.seq())).collect();
        told.len() == 6
    };
    endpoint.until("members and messages", all).await;
    assert_eq!(site.faults.left(), 0);
}
