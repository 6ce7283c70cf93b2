//! Tokens of accounts: made void by their owners, and what becomes of the sessions that came by them.

use serde_json::json;

use crate::longpoll::{is, refusal};
use crate::support::{Client, Request, Site, Stage, password};

scenarios! {
    everywhere:
        a_logout_over_http_voids_the_token_and_ends_its_sessions_and_no_other,
        a_new_password_voids_every_other_token_and_ends_their_sessions;
    once:
        a_guest_may_log_out_too_and_is_gone_then,
        a_goodbye_ends_the_session_alone_and_the_token_lives_on,
        a_session_that_was_refreshed_by_another_token_stands_by_that_one;
    alone:
        a_login_beyond_the_most_ends_the_one_that_would_end_first,
        a_password_is_changed_by_who_knows_the_old_one_alone,
        a_login_that_comes_while_the_password_changes_is_void_or_knows_the_new_one;
}

/// So many sessions by one token, on whichever worker they land.
async fn sessions(site: &Site, token: &str, count: usize) -> Vec<Client> {
    let mut all = Vec::new();
    for n in 0..count {
        all.push(site.with_token(&format!("number {n}"), token).await);
    }
    all
}

async fn logout(site: &Site, token: &str) -> u16 {
    let request = Request::post("/v1/logout", "").with("Authorization", &format!("Bearer {token}"));
    site.ask(request).await.status
}

async fn a_logout_over_http_voids_the_token_and_ends_its_sessions_and_no_other(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut other = site.account("ann").await;
    let token = site.login("ann").await;
    let mut bob = site.account("bob").await;
    bob.ask(json!({"type": "watch", "users": ["ann"]})).await;
    for client in &mut sessions(&site, &token, 5).await {
        client.join("a").await;
    }
    let mut all = sessions(&site, &token, 5).await;
    assert_eq!(logout(&site, &token).await, 204);
    for client in &mut all {
        client.ends_with(1000).await;
    }
    assert_eq!(logout(&site, &token).await, 401);
    let mut late = site.stranger("late").await;
    assert_eq!(late.refused(json!({"type": "hello", "version": 1, "token": token})).await, "unauthenticated");
    late.is_shut_out("unauthenticated", 4500).await;
    other.catch_up().await;
    bob.has_not_heard("presence").await;
    assert_eq!(logout(&site, other.token()).await, 204);
    other.ends_with(1000).await;
    let gone = bob.event_where("presence", |event| event["user"] == "ann" && event["state"] == "offline").await;
    assert_eq!(gone["reason"], "logout");
    site.restart().await;
    assert_eq!(logout(&site, &token).await, 401);
}

async fn a_new_password_voids_every_other_token_and_ends_their_sessions(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    let mut twin = ann.twin().await;
    let other = site.login("ann").await;
    let mut others = sessions(&site, &other, 3).await;
    let change = json!({"old": password("ann"), "new": "a better one"});
    let changed = site.post("/v1/password", Some(ann.token()), change).await;
    assert_eq!((changed.status, changed.body.as_str()), (204, ""));
    for client in &mut others {
        client.is_shut_out("unauthenticated", 4500).await;
    }
    ann.catch_up().await;
    twin.catch_up().await;
    let mut ann = ann.back().await;
    ann.catch_up().await;
    assert_eq!(logout(&site, &other).await, 401);
    assert_eq!(logout(&site, twin.token()).await, 204);
    ann.ends_with(1000).await;
    twin.ends_with(1000).await;
    assert_eq!(site.login_with("ann", &password("ann")).await.status, 401);
    assert_eq!(site.login_with("ann", "a better one").await.status, 200);
}

async fn a_guest_may_log_out_too_and_is_gone_then(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let mut twin = ann.twin().await;
    assert_eq!(logout(&site, ann.token()).await, 204);
    ann.ends_with(1000).await;
    twin.ends_with(1000).await;
    assert_eq!(logout(&site, ann.token()).await, 401);
}

async fn a_goodbye_ends_the_session_alone_and_the_token_lives_on(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    let mut twin = ann.twin().await;
    ann.ask(json!({"type": "logout"})).await;
    ann.ends_with(1000).await;
    twin.catch_up().await;
    site.with_token("ann", twin.token()).await.catch_up().await;
}

async fn a_session_that_was_refreshed_by_another_token_stands_by_that_one(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    let (first, second) = (ann.token().to_owned(), site.login("ann").await);
    ann.ask(json!({"type": "refresh", "token": second})).await;
    assert_eq!(logout(&site, &first).await, 204);
    ann.catch_up().await;
    assert_eq!(ann.refused(json!({"type": "refresh", "token": first})).await, "unauthenticated");
    assert_eq!(logout(&site, &second).await, 204);
    ann.ends_with(1000).await;
}

async fn a_login_beyond_the_most_ends_the_one_that_would_end_first(stage: Stage) {
    let site = stage.site_with(|config| config.auth.tokens_max = 3).await;
    let mut first = site.account("ann").await;
    let mut second = site.account("ann").await;
    let third = site.login("ann").await;
    second.catch_up().await;
    first.catch_up().await;
    let fourth = site.login("ann").await;
    first.ends_with(1000).await;
    second.catch_up().await;
    for token in [second.token(), &third, &fourth] {
        site.with_token("ann", token).await.catch_up().await;
    }
}

async fn a_password_is_changed_by_who_knows_the_old_one_alone(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, guest) = (site.account("ann").await, site.guest("ann").await);
    let change = async |token, old: &str, new: &str| {
        let answer = site.post("/v1/password", token, json!({"old": old, "new": new})).await;
        assert!(!answer.body.contains(new) || new.is_empty(), "{answer:?}");
        refusal(&answer)
    };
    let (token, good) = (ann.token().to_owned(), password("ann"));
    assert_eq!(change(None, &good, "a better one").await, is(401, "unauthenticated"));
    assert_eq!(change(Some("x"), &good, "a better one").await, is(401, "unauthenticated"));
    assert_eq!(change(Some(guest.token()), &good, "a better one").await, is(403, "forbidden"));
    assert_eq!(change(Some(&token), "not hers", "a better one").await, is(401, "unauthenticated"));
    assert_eq!(change(Some(&token), &good, "short").await, is(422, "bad_frame"));
    assert_eq!(refusal(&site.post("/v1/password", Some(&token), json!({"old": good})).await), is(400, "bad_frame"));
    ann.catch_up().await;
    assert_eq!(site.login_with("ann", &good).await.status, 200);
}

async fn a_login_that_comes_while_the_password_changes_is_void_or_knows_the_new_one(stage: Stage) {
    let site = stage.site().await;
    let ann = site.account("ann").await;
    let change = json!({"old": password("ann"), "new": "a better one"});
    let login = async { site.login_with("ann", &password("ann")).await };
    let (changed, late) = tokio::join!(site.post("/v1/password", Some(ann.token()), change), login);
    assert_eq!(changed.status, 204);
    if late.status == 200 {
        let token = late.json()["token"].as_str().expect("a token").to_owned();
        assert_eq!(logout(&site, &token).await, 401);
    }
}
