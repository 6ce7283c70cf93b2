//! The first command: who is let in, as whom, and how the others are turned away.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{DEADLINE, Stage, is_time};

scenarios! {
    everywhere:
        a_token_brings_the_same_guest_back,
        a_token_brings_the_guest_back_after_a_restart;
    once:
        a_welcome_has_every_member_of_the_protocol,
        a_guest_without_a_wish_has_a_name_of_the_grammar,
        two_guests_with_the_same_wish_are_two_users,
        a_wish_outside_the_grammar_is_a_bad_frame,
        members_that_are_not_known_are_ignored,
        a_token_that_is_not_good_is_refused,
        guests_are_turned_away_where_guests_are_off,
        a_version_that_is_not_spoken_is_refused,
        a_hello_without_a_number_for_version_is_a_bad_frame,
        a_second_hello_is_a_conflict,
        a_token_is_refreshed_by_one_of_the_same_user;
    websocket:
        anything_before_hello_is_unauthenticated;
    waiting_websocket:
        a_connection_without_hello_is_ended_in_time,
        talking_without_hello_does_not_stay_the_end;
}

/// Whether a name is that of a guest with this wish.
fn is_guest(name: &str, wish: &str) -> bool {
    let tail = name.strip_prefix(&format!("~{wish}-"));
    tail.is_some_and(|tail| tail.len() == 5 && tail.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
}

async fn a_welcome_has_every_member_of_the_protocol(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.presence.heartbeat = Duration::from_millis(1234);
            config.presence.timeout = Duration::from_millis(5678);
            config.limits.frame_bytes = 20_000;
            config.limits.body_bytes = 10_000;
            config.limits.page_max = 77;
            config.limits.replay_max = 88;
            config.limits.outstanding = 9;
            config.limits.channels_per_session = 11;
        })
        .await;
    let ann = site.stranger("ann").await.hello(json!({"guest": "ann", "client": "outside tests"})).await;
    let welcome = ann.welcome();
    assert_eq!(welcome["type"], "welcome");
    let secret = welcome["session"].as_str().expect("session is a string");
    assert_eq!(welcome["sid"], hex::encode(Sha256::digest(secret))[..12], "sid is derived from session");
    assert!(is_guest(ann.user(), "ann"), "{}", ann.user());
    assert_eq!(welcome["guest"], true);
    assert!(!ann.token().is_empty());
    assert!(welcome["expires_at"].is_null() || welcome["expires_at"].as_str().is_some_and(is_time), "{welcome}");
    assert_eq!((&welcome["heartbeat_ms"], &welcome["timeout_ms"]), (&json!(1234), &json!(5678)));
    assert!(welcome["now"].as_str().is_some_and(is_time), "{welcome}");
    assert!(welcome["server"].as_str().is_some_and(|server| !server.is_empty()), "{welcome}");
    assert!(welcome["versions"].as_array().is_some_and(|all| all.contains(&json!(1))), "{welcome}");
    assert!(welcome["features"].as_array().is_some_and(|all| all.iter().all(Value::is_string)), "{welcome}");
    let expected = json!({
        "frame_bytes": 20_000, "body_bytes": 10_000, "page_max": 77, "replay_max": 88, "outstanding": 9, "channels": 11,
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&welcome["limits"][name], value, "limits.{name}");
    }
}

async fn a_guest_without_a_wish_has_a_name_of_the_grammar(stage: Stage) {
    let site = stage.site().await;
    let some = site.stranger("someone").await.hello(json!({})).await;
    let wish = some.user().strip_prefix('~').and_then(|rest| rest.rsplit_once('-')).map(|(wish, _)| wish);
    assert!(wish.is_some_and(|wish| is_guest(some.user(), wish)), "{}", some.user());
}

async fn two_guests_with_the_same_wish_are_two_users(stage: Stage) {
    let site = stage.site().await;
    let (one, other) = (site.guest("ann").await, site.guest("ann").await);
    assert_ne!(one.user(), other.user());
    assert_ne!(one.welcome()["session"], other.welcome()["session"]);
}

async fn a_wish_outside_the_grammar_is_a_bad_frame(stage: Stage) {
    let site = stage.site().await;
    let mut some = site.stranger("someone").await;
    let long = "x".repeat(33);
    for wish in ["", "Ann", "a b", "-a", "ä", "~ann", &long] {
        assert_eq!(some.refused(json!({"type": "hello", "version": 1, "guest": wish})).await, "bad_frame", "{wish:?}");
    }
    let some = some.hello(json!({"guest": "x".repeat(32)})).await;
    assert!(is_guest(some.user(), &"x".repeat(32)));
}

async fn members_that_are_not_known_are_ignored(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.stranger("ann").await.hello(json!({"guest": "ann", "colour": {"deep": ["blue"]}})).await;
    ann.join_with("a", json!({"because": 7})).await;
    ann.publish_with("a", "hi", json!({"colour": null})).await;
}

async fn a_token_brings_the_same_guest_back(stage: Stage) {
    let site = stage.site().await;
    let mut first = site.guest("ann").await;
    let mut second = first.twin().await;
    assert_eq!((first.user(), true), (second.user(), second.welcome()["guest"] == true));
    assert_ne!(first.welcome()["sid"], second.welcome()["sid"]);
    first.catch_up().await;
    second.catch_up().await;
    let user = first.user().to_owned();
    let third = first.back().await;
    assert_eq!(third.user(), user);
    let fourth = site.with_token("ann", third.token()).await;
    assert_eq!(fourth.user(), user, "the token that a later welcome names is good, too");
}

async fn a_token_brings_the_guest_back_after_a_restart(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let ann = site.guest("ann").await;
    let (user, token) = (ann.user().to_owned(), ann.token().to_owned());
    ann.cut();
    for _ in 0..2 {
        site.restart().await;
        let again = site.with_token("ann", &token).await;
        assert_eq!(again.user(), user);
    }
}

async fn a_token_that_is_not_good_is_refused(stage: Stage) {
    let site = stage.site().await;
    let good = site.guest("ann").await.token().to_owned();
    let mut longer = good.clone();
    longer.push('x');
    let shorter = &good[..good.len() - 1];
    for token in ["", "x", shorter, &longer, &"y".repeat(4000)] {
        let mut some = site.stranger("someone").await;
        let error = some.command(json!({"type": "hello", "version": 1, "token": token})).await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("unauthenticated")), "{error}");
        some.is_shut_out("unauthenticated", 4500).await;
    }
}

async fn guests_are_turned_away_where_guests_are_off(stage: Stage) {
    let site = stage.site_with(|config| config.auth.guests = false).await;
    let mut some = site.stranger("someone").await;
    let error = some.command(json!({"type": "hello", "version": 1, "guest": "ann"})).await;
    assert_eq!(error["code"], "forbidden", "{error}");
    some.is_shut_out("forbidden", 4500).await;
}

async fn a_version_that_is_not_spoken_is_refused(stage: Stage) {
    let site = stage.site().await;
    for version in [0, 2, 99] {
        let mut some = site.stranger("someone").await;
        let error = some.command(json!({"type": "hello", "version": version, "guest": "ann"})).await;
        assert_eq!(error["code"], "version_unsupported", "{error}");
        some.is_shut_out("version_unsupported", 4504).await;
    }
}

async fn a_hello_without_a_number_for_version_is_a_bad_frame(stage: Stage) {
    let site = stage.site().await;
    let mut some = site.stranger("someone").await;
    assert_eq!(some.refused(json!({"type": "hello"})).await, "bad_frame");
    for version in [json!("1"), json!(null), json!(1.5), json!(-1), json!([1])] {
        let hello = json!({"type": "hello", "version": version});
        assert_eq!(some.refused(hello.clone()).await, "bad_frame", "{hello}");
    }
    some.hello(json!({"guest": "ann"})).await;
}

async fn anything_before_hello_is_unauthenticated(stage: Stage) {
    let site = stage.site().await;
    let mut some = site.stranger("someone").await;
    for command in [
        json!({"type": "ping"}),
        json!({"type": "join", "channel": "a"}),
        json!({"type": "publish", "channel": "a", "body": {}}),
        json!({"type": "presence", "users": []}),
        json!({"type": "logout"}),
        json!({"type": "nothing of the kind"}),
    ] {
        assert_eq!(some.refused(command.clone()).await, "unauthenticated", "{command}");
    }
    some.send(json!({"type": "ping"}));
    assert_eq!(some.event("error").await["code"], "unauthenticated");
    some.hello(json!({"guest": "ann"})).await.catch_up().await;
}

async fn a_second_hello_is_a_conflict(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    let token = ann.token().to_owned();
    for hello in [json!({"guest": "ann"}), json!({"token": token}), json!({"token": "no such"})] {
        let mut command = json!({"type": "hello", "version": 1});
        command.as_object_mut().expect("an object").extend(hello.as_object().cloned().expect("an object"));
        assert_eq!(ann.refused(command.clone()).await, "conflict", "{command}");
    }
    ann.publish("a", "still here").await;
}

async fn a_connection_without_hello_is_ended_in_time(stage: Stage) {
    let site = stage.site_with(|config| config.limits.hello_timeout = Duration::from_millis(200)).await;
    let mut some = site.stranger("someone").await;
    some.is_shut_out("unauthenticated", 4002).await;
    let mut ann = site.guest("ann").await;
    crate::support::pause(400).await;
    ann.catch_up().await;
}

async fn talking_without_hello_does_not_stay_the_end(stage: Stage) {
    let site = stage.site_with(|config| config.limits.hello_timeout = Duration::from_millis(300)).await;
    let mut some = site.stranger("someone").await;
    let begun = tokio::time::Instant::now();
    while !some.has_ended() {
        some.send(json!({"type": "ping"}));
        crate::support::pause(50).await;
        assert!(begun.elapsed() < DEADLINE, "still there");
    }
    some.ends_with(4002).await;
}

async fn a_token_is_refreshed_by_one_of_the_same_user(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, bob) = (site.guest("ann").await, site.guest("bob").await);
    let token = ann.token().to_owned();
    let refreshed = ann.ask(json!({"type": "refresh", "token": token})).await;
    let expires = &refreshed["expires_at"];
    assert!(expires.is_null() || expires.as_str().is_some_and(is_time), "{refreshed}");
    for token in [bob.token(), "no such token"] {
        ann.refused(json!({"type": "refresh", "token": token})).await;
    }
    ann.catch_up().await;
}
