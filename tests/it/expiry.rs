//! Tokens that end while their sessions live: those are told, and ended if nothing is done about it.

use std::time::Duration;

use serde_json::json;

use crate::silence::lenient;
use crate::support::{Stage, is_time, pause};

scenarios! {
    waiting:
        a_session_is_told_that_its_token_ends_and_a_refresh_prolongs_it;
}

async fn a_session_is_told_that_its_token_ends_and_a_refresh_prolongs_it(stage: Stage) {
    let site = stage.site_with(|config| {
        lenient(config);
        config.auth.guest_ttl = Duration::from_secs(3);
    });
    let site = site.await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let first = bob.welcome()["expires_at"].clone();
    for client in [&mut ann, &mut bob] {
        let notice = client.event("notice").await;
        assert_eq!(notice["code"], "token_expiring", "{notice}");
        assert!(notice["expires_at"].as_str().is_some_and(is_time), "{notice}");
    }
    pause(1000).await;
    let token = bob.token().to_owned();
    let refreshed = bob.ask(json!({"type": "refresh", "token": token})).await;
    assert!(refreshed["expires_at"].as_str() > first.as_str(), "{refreshed} after {first}");
    ann.ends_with(4500).await;
    bob.catch_up().await;
    assert_eq!(bob.event("notice").await["code"], "token_expiring", "of its new end it is told as well");
    bob.ends_with(4500).await;
    // What the token was good for is over, too.
    let (mut late, token) = (site.stranger("ann").await, ann.token().to_owned());
    let hello = late.command(json!({"type": "hello", "version": 1, "token": token})).await;
    assert_eq!(hello["code"], "unauthenticated", "{hello}");
}
