//! How fast somebody may go: a session, a user over all of its sessions and requests, an address.

use parlor::config::{Proxy, Rates};
use serde_json::{Value, json};

use crate::longpoll::{HELLO, hello, is, refusal};
use crate::support::{Client, Polls, Raw, Request, Sent, Site, Stage, publish};

scenarios! {
    once:
        a_user_has_one_allowance_over_all_of_its_sessions,
        bytes_are_counted_as_well_as_commands,
        one_who_floods_holds_up_nobody_else;
    longpoll:
        plain_requests_count_as_their_users,
        requests_of_one_address_are_429_beyond_its_rate_and_served_again_after_it,
        sessions_begun_too_fast_are_429_and_those_that_are_there_live_on;
    websocket:
        a_websocket_opened_too_fast_is_told_when_to_come_back;
}

/// A site where nothing is limited but what `change` says.
async fn site(stage: Stage, change: impl FnOnce(&mut Rates)) -> Site {
    let site = stage.site_with(|config| {
        config.rates.enabled = true;
        config.rates.commands_per_second = 1_000_000;
        change(&mut config.rates);
    });
    site.await
}

/// Sends so many pings at once, and returns the replies.
async fn pings(client: &mut Client, count: usize, padding: usize) -> Vec<Value> {
    let ids: Vec<_> = (0..count).map(|_| client.begin(json!({"type": "ping", "x": "y".repeat(padding)}))).collect();
    let mut replies = Vec::new();
    for id in ids {
        replies.push(client.reply(&id).await);
    }
    replies
}

fn limited(replies: &[Value]) -> usize {
    let refused = replies.iter().filter(|reply| reply["code"] == "rate_limited");
    refused.filter(|reply| reply["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0)).count()
}

async fn a_user_has_one_allowance_over_all_of_its_sessions(stage: Stage) {
    let site = site(stage, |rates| rates.user_commands_per_second = 20).await;
    let mut first = site.guest("ann").await;
    let token = first.token().to_owned();
    let mut second = site.with_token("ann again", &token).await;
    let mut bob = site.guest("bob").await;
    assert!(limited(&pings(&mut first, 60, 0).await) > 0);
    assert!(limited(&pings(&mut second, 60, 0).await) > 0, "its other session has no allowance of its own");
    assert_eq!(limited(&pings(&mut bob, 20, 0).await), 0, "nobody else's is touched");
}

async fn bytes_are_counted_as_well_as_commands(stage: Stage) {
    let site = site(stage, |rates| rates.bytes_per_second = 4000).await;
    let mut ann = site.guest("ann").await;
    assert_eq!(limited(&pings(&mut ann, 10, 10).await), 0);
    assert!(limited(&pings(&mut ann, 20, 1000).await) >= 10);
}

async fn one_who_floods_holds_up_nobody_else(stage: Stage) {
    let site = site(stage, |rates| rates.commands_per_second = 20).await;
    let (mut flood, mut ann, mut bob) = (site.guest("flood").await, site.guest("ann").await, site.guest("bob").await);
    for client in [&mut flood, &mut ann, &mut bob] {
        client.join("lobby").await;
    }
    let ids: Vec<_> = (0..500).map(|_| flood.begin(publish("lobby", "more", json!({})))).collect();
    for n in 0..5 {
        let seq = ann.publish("lobby", &format!("healthy {n}")).await["seq"].as_u64().expect("a seq");
        bob.hear("lobby", seq).await;
    }
    let mut replies = Vec::new();
    for id in ids {
        replies.push(flood.reply(&id).await);
    }
    assert!(limited(&replies) > 0);
}

async fn plain_requests_count_as_their_users(stage: Stage) {
    let site = site(stage, |rates| rates.user_commands_per_second = 5).await;
    let ann = Polls::open(site.address).await;
    let token = format!("Bearer {}", ann.welcome["token"].as_str().unwrap_or_default());
    let mut refused = 0;
    for n in 0..30 {
        let path = ["/v1/channels", "/v1/online", "/v1/presence?users=ann"][n % 3];
        let answer = site.ask(Request::get(path).with("Authorization", &token)).await;
        if answer.status == 429 {
            assert_eq!(refusal(&answer), is(429, "rate_limited"));
            assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| s > 0)));
            refused += 1;
        }
    }
    assert!(refused > 0);
    assert_eq!(site.get("/v1/channels").await.status, 200, "who is nobody in particular is counted by address alone");
}

async fn requests_of_one_address_are_429_beyond_its_rate_and_served_again_after_it(stage: Stage) {
    let site = site(stage, |rates| rates.requests_per_second = 10).await;
    let mut ann = Polls::open(site.address).await;
    let mut wait = None;
    for _ in 0..60 {
        let answer = ann.http.ask(ann.poll(0, "0")).await;
        if answer.status == 429 {
            assert_eq!((refusal(&answer), answer.header("cache-control")), (is(429, "rate_limited"), Some("no-store")));
            wait = answer.json()["retry_after_ms"].as_u64();
        }
    }
    let wait = wait.expect("it was too fast, and was told when to come back");
    assert_eq!(site.get("/healthz").await.status, 200);
    crate::support::pause(wait + 50).await;
    assert_eq!(ann.http.ask(ann.poll(0, "0")).await.status, 200, "the session lives on");
}

async fn sessions_begun_too_fast_are_429_and_those_that_are_there_live_on(stage: Stage) {
    let site = site(stage, |rates| rates.connects_per_second = 5).await;
    let mut ann = Polls::open(site.address).await;
    let mut refused = 0;
    for _ in 0..30 {
        let answer = ann.http.ask(hello(HELLO)).await;
        refused += usize::from(answer.status == 429 && refusal(&answer) == is(429, "rate_limited"));
    }
    assert!(refused > 0);
    assert_eq!(ann.command(json!({"type": "ping"})).await[0]["type"], "pong");
}

async fn a_websocket_opened_too_fast_is_told_when_to_come_back(stage: Stage) {
    let site = stage.site_with(|config| {
        // Without it, connections would be refused before anything is said.
        config.server.trusted_proxies = vec![Proxy::Net("127.0.0.0/8".parse().expect("a network"))];
        config.rates.enabled = true;
        config.rates.connects_per_second = 1;
    });
    let site = site.await;
    let mut first = Raw::open(site.address).await;
    // Soon one of them is too fast, however slow this is.
    for _ in 0..1000 {
        let mut late = Raw::open(site.address).await;
        late.send(Sent::TEXT, HELLO.as_bytes()).await;
        let said = late.frame().await;
        if said["type"] == "error" {
            assert_eq!((&said["code"], &said["close"]), (&json!("rate_limited"), &json!(4003)), "{said}");
            assert!(said["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{said}");
            first.send(Sent::TEXT, HELLO.as_bytes()).await;
            assert_eq!(first.frame().await["type"], "welcome", "the one that is there lives on");
            return;
        }
    }
    panic!("no connection was too fast");
}
