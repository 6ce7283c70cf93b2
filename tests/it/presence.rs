//! Who is online: asked, watched, and true, however somebody vanishes.

use std::time::Duration;

use parlor::config::Config;
use serde_json::{Value, json};

use crate::support::{Client, DEADLINE, End, Raw, Sent, Site, Stage, Transport, is_time, pause};

scenarios! {
    everywhere:
        presence_begins_empty_after_a_restart;
    once:
        presence_counts_sessions_and_knows_who_was_never_seen,
        presence_takes_up_to_500_names,
        a_watcher_hears_who_comes_and_who_says_goodbye,
        unwatching_ends_the_telling,
        a_logout_ends_this_session_alone;
    waiting:
        a_user_is_online_while_one_session_is,
        an_old_connections_end_does_not_end_a_newer_one,
        watching_a_channel_is_watching_those_in_it,
        many_who_come_and_go_are_shown_as_they_are;
    websocket:
        a_cut_connection_shows_within_a_second;
    secure:
        a_cut_connection_shows_within_a_second;
    waiting_websocket:
        a_peer_that_fell_silent_is_offline_by_timeout,
        a_peer_that_reads_and_says_nothing_is_ended_with_4000,
        a_pong_is_a_sign_of_life;
}

/// Several heartbeats in a second.
fn quick(config: &mut Config) {
    config.presence.heartbeat = Duration::from_millis(150);
    config.presence.timeout = Duration::from_millis(600);
    config.presence.sweep = Duration::from_millis(50);
}

/// Fast enough to wait for a timeout, and slow enough for any machine to be heard from in time.
fn lenient(config: &mut Config) {
    config.presence.heartbeat = Duration::from_millis(300);
    config.presence.timeout = Duration::from_millis(1500);
    config.presence.sweep = Duration::from_millis(50);
}

const HELLO: &str = r#"{"type":"hello","id":"h","version":1,"guest":"silent"}"#;

async fn row(client: &mut Client, user: &str) -> Value {
    let reply = client.ask(json!({"type": "presence", "users": [user]})).await;
    reply["users"][0].clone()
}

/// Watches one user and returns how it is.
async fn watch(client: &mut Client, user: &str) -> Value {
    let reply = client.ask(json!({"type": "watch", "users": [user]})).await;
    let rows = reply["users"].as_array().cloned().unwrap_or_default();
    assert!(rows.len() == 1 && rows[0]["user"] == user, "{reply}");
    rows[0].clone()
}

/// The next change of one user's presence that is told.
async fn change(client: &mut Client, user: &str) -> Value {
    let event = client.event_where("presence", |event| event["user"] == user).await;
    assert!(event["last_seen"].is_null() || event["last_seen"].as_str().is_some_and(is_time), "{event}");
    event
}

async fn presence_counts_sessions_and_knows_who_was_never_seen(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, bob) = (site.guest("ann").await, site.guest("bob").await);
    let _second = bob.twin().await;
    let users = json!(["nobody", bob.user(), "~ghost-aaaaa", ann.user()]);
    let reply = ann.ask(json!({"type": "presence", "users": users})).await;
    let rows = reply["users"].as_array().expect("users is an array");
    let find = |user: &str| rows.iter().find(|row| row["user"] == user).unwrap_or_else(|| panic!("{user}: {reply}"));
    assert_eq!(rows.len(), 4);
    for (user, state, sessions) in [(bob.user(), "online", 2), (ann.user(), "online", 1)] {
        let row = find(user);
        assert_eq!((&row["state"], &row["sessions"]), (&json!(state), &json!(sessions)), "{row}");
    }
    for user in ["nobody", "~ghost-aaaaa"] {
        let row = find(user);
        assert_eq!((&row["state"], &row["sessions"]), (&json!("offline"), &json!(0)), "{row}");
        assert_eq!(row.get("last_seen"), Some(&Value::Null), "never seen");
    }
}

async fn presence_takes_up_to_500_names(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let names = |count: usize| (0..count).map(|n| format!("user{n}")).collect::<Vec<_>>();
    let reply = ann.ask(json!({"type": "presence", "users": names(500)})).await;
    assert_eq!(reply["users"].as_array().map(Vec::len), Some(500));
    assert_eq!(ann.refused(json!({"type": "presence", "users": names(501)})).await, "too_large");
    let reply = ann.ask(json!({"type": "presence", "users": []})).await;
    assert_eq!(reply["users"], json!([]));
}

async fn a_watcher_hears_who_comes_and_who_says_goodbye(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let mut bob = site.guest("bob").await;
    let (user, token) = (bob.user().to_owned(), bob.token().to_owned());
    assert_eq!(watch(&mut ann, &user).await["state"], "online");
    for _ in 0..3 {
        bob.ask(json!({"type": "logout"})).await;
        bob.ends_with(1000).await;
        let event = change(&mut ann, &user).await;
        assert_eq!((&event["state"], &event["reason"]), (&json!("offline"), &json!("logout")));
        assert!(event["last_seen"].is_string(), "{event}");
        let shown = row(&mut ann, &user).await;
        assert_eq!((&shown["state"], &shown["sessions"]), (&json!("offline"), &json!(0)));
        assert!(shown["last_seen"].is_string(), "{shown}");
        bob = site.with_token("bob", &token).await;
        assert_eq!(change(&mut ann, &user).await["state"], "online");
    }
}

async fn a_cut_connection_shows_within_a_second(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    for how in ["cut", "closed"] {
        let mut bob = site.guest("bob").await;
        let user = bob.user().to_owned();
        watch(&mut ann, &user).await;
        let begun = tokio::time::Instant::now();
        if how == "cut" {
            bob.cut();
        } else {
            bob.close();
            bob.end().await;
        }
        let event = change(&mut ann, &user).await;
        assert_eq!((&event["state"], &event["reason"]), (&json!("offline"), &json!("disconnected")), "{how}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{how}: {:?}", begun.elapsed());
    }
}

async fn a_user_is_online_while_one_session_is(stage: Stage) {
    let site = stage.site_with(lenient).await;
    let mut ann = site.guest("ann").await;
    let bob = site.guest("bob").await;
    let user = bob.user().to_owned();
    watch(&mut ann, &user).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(bob.twin().await);
    }
    assert_eq!(row(&mut ann, &user).await["sessions"], 5);
    bob.cut();
    while let Some(mut other) = others.pop() {
        let left = others.len() + 1;
        let begun = tokio::time::Instant::now();
        while row(&mut ann, &user).await["sessions"] != left {
            assert!(begun.elapsed() < DEADLINE, "not {left} sessions");
            pause(5).await;
        }
        assert!(ann.pending().all(|event| event["state"] != "offline"), "a session is left");
        if left > 1 {
            other.ask(json!({"type": "logout"})).await
        } else {
            json!(other.cut())
        };
    }
    assert_eq!(change(&mut ann, &user).await["state"], "offline");
}

async fn an_old_connections_end_does_not_end_a_newer_one(stage: Stage) {
    let site = stage.site_with(lenient).await;
    let mut ann = site.guest("ann").await;
    let mut bob = site.guest("bob").await;
    let user = bob.user().to_owned();
    watch(&mut ann, &user).await;
    for _ in 0..20 {
        let newer = bob.twin().await;
        bob.cut();
        bob = newer;
    }
    let begun = tokio::time::Instant::now();
    while row(&mut ann, &user).await["sessions"] != 1 {
        assert!(begun.elapsed() < DEADLINE, "not one session");
        pause(5).await;
    }
    assert!(ann.pending().all(|event| event["type"] != "presence" || event["state"] == "online"));
    bob.catch_up().await;
    ann.has_not_heard("presence").await;
}

async fn unwatching_ends_the_telling(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut eve) = (site.guest("ann").await, site.guest("eve").await);
    let (mut bob, mut dan) = (site.guest("bob").await, site.guest("dan").await);
    let (bobs, dans) = (bob.user().to_owned(), dan.user().to_owned());
    for watcher in [&mut ann, &mut eve] {
        watch(watcher, &bobs).await;
        watch(watcher, &dans).await;
    }
    ann.ask(json!({"type": "unwatch", "users": [bobs]})).await;
    bob.ask(json!({"type": "logout"})).await;
    change(&mut eve, &bobs).await;
    dan.ask(json!({"type": "logout"})).await;
    change(&mut eve, &dans).await;
    assert_eq!(change(&mut ann, &dans).await["state"], "offline");
    ann.has_not_heard("presence").await;
}

async fn watching_a_channel_is_watching_those_in_it(stage: Stage) {
    let site = stage.site_with(lenient).await;
    let mut ann = site.guest("ann").await;
    let (mut bob, mut dan) = (site.guest("bob").await, site.guest("dan").await);
    bob.join("a").await;
    dan.join("a").await;
    ann.join("a").await;
    let reply = ann.ask(json!({"type": "watch", "channel": "a"})).await;
    let rows = reply["users"].as_array().cloned().unwrap_or_default();
    for user in [bob.user(), dan.user()] {
        let row = rows.iter().find(|row| row["user"] == user).unwrap_or_else(|| panic!("{user}: {reply}"));
        assert_eq!((&row["state"], &row["sessions"]), (&json!("online"), &json!(1)));
    }
    let (bobs, dans) = (bob.user().to_owned(), dan.user().to_owned());
    bob.ask(json!({"type": "logout"})).await;
    assert_eq!(change(&mut ann, &bobs).await["reason"], "logout");
    // A session that is no connection is missed when it is silent for too long.
    let reason = if dan.way() == Transport::WebSocket { "disconnected" } else { "timeout" };
    dan.cut();
    assert_eq!(change(&mut ann, &dans).await["reason"], reason);
    let unwatched = ann.ask(json!({"type": "unwatch", "channel": "a"})).await;
    assert_eq!(unwatched["type"], "unwatched");
    assert_eq!(ann.refused(json!({"type": "watch", "channel": "nowhere"})).await, "not_found");
}

async fn a_logout_ends_this_session_alone(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let mut second = ann.twin().await;
    second.join("a").await;
    ann.join("a").await;
    let bye = ann.ask(json!({"type": "logout"})).await;
    assert_eq!(bye["type"], "bye");
    ann.ends_with(1000).await;
    second.publish("a", "still here").await;
    second.hear("a", 1).await;
    let again = ann.back().await;
    assert_eq!(again.user(), second.user(), "the token lives on");
}

async fn presence_begins_empty_after_a_restart(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (ann, bob) = (site.guest("ann").await, site.guest("bob").await);
    let user = bob.user().to_owned();
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    let shown = watch(&mut ann, &user).await;
    assert_eq!((&shown["state"], &shown["sessions"]), (&json!("offline"), &json!(0)), "{shown}");
    let mut bob = bob.moved(site.address).back().await;
    assert_eq!(change(&mut ann, &user).await["state"], "online");
    assert_eq!(row(&mut ann, &user).await["sessions"], 1);
    bob.ask(json!({"type": "logout"})).await;
    assert_eq!(change(&mut ann, &user).await["state"], "offline");
}

async fn many_who_come_and_go_are_shown_as_they_are(stage: Stage) {
    let site = stage.site_with(lenient).await;
    let mut ann = site.guest("ann").await;
    let mut crowd = Vec::new();
    for n in 0..24 {
        let one = site.guest(&format!("g{n}")).await;
        watch(&mut ann, one.user()).await;
        crowd.push((one.user().to_owned(), one.token().to_owned(), Some(one)));
    }
    for round in 0..4 {
        for (n, (_, token, client)) in crowd.iter_mut().enumerate() {
            match ((n + round) % 3, client.take()) {
                (0, Some(client)) => client.cut(),
                (1, Some(mut client)) => drop(client.ask(json!({"type": "logout"})).await),
                (_, Some(there)) => *client = Some(there),
                (_, None) => *client = Some(site.with_token("g", token).await),
            }
        }
    }
    // Ann believes what she was told last.
    let begun = tokio::time::Instant::now();
    loop {
        let users: Vec<_> = crowd.iter().map(|(user, ..)| user.clone()).collect();
        let shown = ann.ask(json!({"type": "presence", "users": users})).await;
        let truth = |user: &Value| crowd.iter().any(|(name, _, client)| user == name.as_str() && client.is_some());
        let rows = shown["users"].as_array().cloned().unwrap_or_default();
        let told = |user: &Value| {
            let last = ann.pending().filter(|event| event["type"] == "presence" && event["user"] == *user).last();
            last.is_none_or(|event| event["state"] == "online")
        };
        let is_true = |row: &Value| (row["state"] == "online") == truth(&row["user"]);
        if rows.len() == 24 && rows.iter().all(|row| is_true(row) && told(&row["user"]) == truth(&row["user"])) {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "not shown as they are: {shown}");
        pause(20).await;
    }
}

/// A site, a watcher, and a peer that said hello by hand.
async fn silent(stage: Stage) -> (Site, Client, Raw, String) {
    let site = stage.site_with(quick).await;
    let mut ann = site.guest("ann").await;
    let (raw, welcome) = Raw::welcome(site.address, HELLO).await;
    let user = welcome["user"].as_str().unwrap_or_default().to_owned();
    assert_eq!(watch(&mut ann, &user).await["state"], "online");
    (site, ann, raw, user)
}

async fn a_peer_that_fell_silent_is_offline_by_timeout(stage: Stage) {
    let (_site, mut ann, raw, user) = silent(stage).await;
    let begun = tokio::time::Instant::now();
    let event = change(&mut ann, &user).await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("offline"), &json!("timeout")));
    let (took, least) = (begun.elapsed(), Duration::from_millis(400));
    assert!(took > least && took < Duration::from_millis(600 + 50 + 400), "took {took:?}");
    drop(raw);
}

async fn a_peer_that_reads_and_says_nothing_is_ended_with_4000(stage: Stage) {
    let (_site, mut ann, mut raw, user) = silent(stage).await;
    let mut pings = 0;
    let code = loop {
        match raw.next().await {
            Some((Sent::PING, _)) => pings += 1,
            Some((Sent::CLOSE, payload)) => break u16::from_be_bytes([payload[0], payload[1]]),
            Some(_) => {}
            None => panic!("the connection ended without a close frame"),
        }
    };
    assert_eq!(code, 4000);
    assert!(pings >= 2, "it was asked {pings} times");
    assert_eq!(change(&mut ann, &user).await["reason"], "timeout");
}

async fn a_pong_is_a_sign_of_life(stage: Stage) {
    let (_site, mut ann, mut raw, user) = silent(stage).await;
    let mut idle = ann.twin().await;
    let until = tokio::time::Instant::now() + Duration::from_millis(1800);
    while tokio::time::Instant::now() < until {
        match raw.next().await {
            Some((Sent::PING, payload)) => raw.send(Sent::PONG, &payload).await,
            Some((Sent::CLOSE, payload)) => panic!("closed: {payload:?}"),
            Some(_) => {}
            None => panic!("the connection ended"),
        }
    }
    assert_eq!(row(&mut ann, &user).await["state"], "online");
    assert!(!idle.has_ended(), "a client library's pongs keep it: {:?}", End::Closed(4000));
    ann.has_not_heard("presence").await;
}
