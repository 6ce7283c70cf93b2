//! Silence over long-poll: what is a sign of life, who is missed, and how slowly one may read.

use std::time::Duration;

use parlor::config::Config;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::longpoll::is_parked;
use crate::support::{Client, Polls, Site, Stage, eventually, page, pause, publish};

scenarios! {
    longpoll:
        polls_and_commands_are_signs_of_life_and_silence_is_missed,
        a_client_that_only_sends_commands_stays,
        a_client_that_went_away_from_a_parked_poll_is_missed_in_time,
        a_session_that_is_not_polled_while_much_is_said_ends_with_4001,
        a_burst_larger_than_the_queue_is_heard_whole_at_any_pace;
}

/// What the scenarios of silent and of slow clients have in common.
pub const TIMEOUT: Duration = Duration::from_millis(1500);

/// Fast enough to wait for a timeout, and slow enough for any machine to be heard from in time.
pub fn lenient(config: &mut Config) {
    config.presence.heartbeat = Duration::from_millis(300);
    config.presence.timeout = TIMEOUT;
    config.presence.sweep = Duration::from_millis(50);
}

/// A client that watches these, over long-poll like everyone else here.
async fn watcher(site: &Site, users: &[&str]) -> Client {
    let mut client = site.guest("watcher").await;
    client.ask(json!({"type": "watch", "users": users})).await;
    client
}

async fn polls_and_commands_are_signs_of_life_and_silence_is_missed(stage: Stage) {
    let site = stage.site_with(lenient).await;
    let (mut polls, mut talks) = (Polls::open(site.address).await, Polls::open(site.address).await);
    let mut silent = Polls::open(site.address).await;
    let mut watcher = watcher(&site, &[polls.user(), talks.user(), silent.user()]).await;
    let begun = Instant::now();
    let until = begun + TIMEOUT + Duration::from_millis(500);
    let polling = async {
        while Instant::now() < until {
            assert_eq!(polls.page(0, "20").await, (vec![], 0));
        }
    };
    let talking = async {
        while Instant::now() < until {
            talks.command(json!({"type": "ping"})).await;
            pause(200).await;
        }
    };
    let missing = async {
        let event = watcher.event("presence").await;
        assert_eq!((&event["user"], &event["state"]), (&json!(silent.user()), &json!("offline")), "{event}");
        assert_eq!(event["reason"], "timeout", "{event}");
    };
    tokio::join!(polling, talking, missing);
    watcher.has_not_heard("presence").await;
    let request = silent.carry(&json!({"type": "ping"}));
    for answer in [silent.http.ask(request).await, site.ask(silent.poll(0, "0")).await] {
        assert_eq!((answer.status, &answer.json()["close"]), (404, &json!(4000)), "{answer:?}");
    }
}

async fn a_client_that_went_away_from_a_parked_poll_is_missed_in_time(stage: Stage) {
    let site = stage
        .site_with(|config| {
            lenient(config);
            config.presence.heartbeat = Duration::from_millis(1400);
        })
        .await;
    let mut ann = Polls::open(site.address).await;
    ann.command(json!({"type": "join", "channel": "a"})).await;
    let (_, next) = ann.rest(0).await;
    let mut watcher = watcher(&site, &[ann.user()]).await;
    let parked = ann.parked(next, "20").await;
    eventually("a poll is parked", async || is_parked(&site, 1).await || is_parked(&site, 2).await).await;
    let begun = Instant::now();
    drop((parked, ann));
    // An event that nobody takes is no sign of life.
    pause(1000).await;
    watcher.publish_with("a", "is anybody there?", json!({})).await;
    let event = watcher.event("presence").await;
    let took = begun.elapsed();
    assert_eq!((&event["state"], &event["reason"]), (&json!("offline"), &json!("timeout")), "{event}");
    assert!(took < TIMEOUT + Duration::from_millis(700), "it took {took:?}");
}

/// Publishes messages of eight kilobytes into `a` until told to stop.
async fn flood(who: &mut Client, mut goes_on: impl AsyncFnMut() -> bool) {
    let text = "x".repeat(8 << 10);
    while goes_on().await {
        let reply = who.command(publish("a", &text, json!({}))).await;
        assert_eq!(reply["type"], "published", "{reply}");
    }
}

async fn a_session_that_is_not_polled_while_much_is_said_ends_with_4001(stage: Stage) {
    let site = stage.site_with(|config| config.limits.session_queue_bytes = 64 << 10).await;
    let (mut ann, mut bob) = (Polls::open(site.address).await, site.guest("bob").await);
    bob.join_with("a", json!({"member": false})).await;
    ann.command(json!({"type": "join", "channel": "a"})).await;
    // It is there, and says so all the time.
    let begun = Instant::now();
    let gone = loop {
        let ping = ann.carry(&json!({"type": "ping"}));
        let answer = ann.http.ask(ping).await;
        if answer.status == 404 {
            break answer.json();
        }
        let mut left = 4;
        flood(&mut bob, async || {
            left -= 1;
            left > 0
        })
        .await;
        pause(10).await;
        assert!(begun.elapsed() < crate::support::DEADLINE, "it goes on and on");
    };
    assert_eq!((&gone["code"], &gone["close"]), (&json!("not_found"), &json!(4001)), "{gone}");
    bob.catch_up().await;
}

async fn a_burst_larger_than_the_queue_is_heard_whole_at_any_pace(stage: Stage) {
    let site = stage.site_with(|config| config.limits.session_queue_bytes = 64 << 10).await;
    let mut bob = site.guest("bob").await;
    bob.join_with("a", json!({"member": false})).await;
    let mut all = Vec::new();
    for pace in [0, 20, 50] {
        let mut one = Polls::open(site.address).await;
        one.command(json!({"type": "join", "channel": "a"})).await;
        all.push(tokio::spawn(async move {
            let (mut after, mut places) = (0, Vec::new());
            while places.last() != Some(&60) {
                let answer = one.http.ask(one.poll(after, "5")).await;
                let (events, next) = page(&answer);
                places.extend(events.iter().filter_map(|event| event["seq"].as_u64()));
                let fits = |event: &Value| event["type"] != "closed";
                assert!(events.iter().all(fits), "{events:?}");
                after = next;
                pause(pace).await;
            }
            places
        }));
    }
    let mut left = 61;
    flood(&mut bob, async || {
        left -= 1;
        left > 0
    })
    .await;
    for one in all {
        let places = one.await.expect("the reader is well");
        assert!(places.iter().copied().eq(1..=60), "{places:?}");
    }
}

async fn a_client_that_only_sends_commands_stays(stage: Stage) {
    let site = stage.site_with(lenient).await;
    let mut ann = Polls::open(site.address).await;
    ann.command(json!({"type": "join", "channel": "a"})).await;
    let begun = Instant::now();
    while begun.elapsed() < TIMEOUT + Duration::from_millis(500) {
        assert_eq!(ann.command(json!({"type": "ping"})).await[0]["type"], "pong");
        pause(50).await;
    }
    let (events, _) = ann.page(0, "0").await;
    assert_eq!(events[0]["type"], "joined", "what waits is still there");
}
