//! The commands of a channel's owners as plain requests, and what plain requests show of private channels.

use serde_json::{Value, json};

use crate::longpoll::{is, refusal};
use crate::support::{Answer, Request, Site, Stage};

scenarios! {
    alone:
        what_owners_do_is_done_by_plain_requests_too,
        what_plain_requests_show_of_a_private_channel_is_for_those_who_may_see_it,
        what_is_not_said_as_expected_is_400;
}

async fn get(site: &Site, path: &str, token: &str) -> Answer {
    site.ask(Request::get(path).with("Authorization", &format!("Bearer {token}"))).await
}

/// The names in a list of channels.
fn names(answer: &Answer) -> Vec<Value> {
    answer.json()["channels"].as_array().into_iter().flatten().map(|row| row["channel"].clone()).collect()
}

async fn what_owners_do_is_done_by_plain_requests_too(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    let guest = site.guest("eve").await;
    let own = ann.token().to_owned();
    let post =
        async |command: &str, said: Value| site.post(&format!("/v1/channels/a/{command}"), Some(&own), said).await;
    assert_eq!(refusal(&site.post("/v1/channels/a/create", None, json!({})).await), is(401, "unauthenticated"));
    let guests = site.post("/v1/channels/a/create", Some(guest.token()), json!({})).await;
    assert_eq!(refusal(&guests), is(403, "forbidden"));
    assert_eq!(refusal(&post("delete", json!({})).await), is(404, "not_found"));
    let made = post("create", json!({"private": true, "title": "The room"})).await;
    assert_eq!((made.status, &made.json()["type"], &made.json()["channel"]), (201, &json!("created"), &json!("a")));
    assert_eq!(refusal(&post("create", json!({})).await), is(409, "conflict"));
    assert_eq!(post("invite", json!({"user": "bob"})).await.status, 200);
    bob.event("activity").await;
    bob.join("a").await;
    ann.join("a").await;
    assert_eq!(post("role", json!({"user": "bob", "role": "muted"})).await.json()["type"], "ok");
    for page in [post("members", json!({})).await, get(&site, "/v1/channels/a/members?limit=5", &own).await] {
        assert_eq!(page.status, 200, "{page:?}");
        let expected = json!([
            {"user": "ann", "role": "owner", "online": true},
            {"user": "bob", "role": "muted", "online": true},
        ]);
        assert_eq!((&page.json()["members"], &page.json()["more"]), (&expected, &json!(false)));
    }
    let said = site.post("/v1/channels/a/messages", Some(bob.token()), json!({"body": {}})).await;
    assert_eq!(refusal(&said), is(403, "forbidden"));
    assert_eq!(refusal(&post("kick", json!({"user": "ann"})).await), is(403, "forbidden"));
    assert_eq!(post("kick", json!({"user": "bob"})).await.status, 200);
    assert_eq!(bob.event("closed").await["reason"], "kicked");
    assert_eq!(post("ban", json!({"user": "bob", "reason": "noise"})).await.status, 200);
    assert_eq!(post("unban", json!({"user": "bob"})).await.status, 200);
    assert_eq!(site.ask(Request::get("/v1/channels/a/ban")).await.status, 405);
    let deleted = Request::post("/v1/channels/a/delete", String::new());
    let deleted = site.ask(deleted.with("Authorization", &format!("Bearer {own}"))).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!(ann.event("closed").await["reason"], "deleted");
    // To someone, by a name that is short for another.
    let said = site.post("/v1/channels/@bob/messages", Some(&own), json!({"body": {}})).await;
    assert_eq!((said.status, &said.json()["channel"]), (201, &json!("@ann:bob")));
    let read = get(&site, "/v1/channels/@ann/messages", bob.token()).await;
    assert_eq!((read.status, &read.json()["channel"]), (200, &json!("@ann:bob")));
    assert_eq!(get(&site, "/v1/channels/@ann", bob.token()).await.json()["head"], 1);
}

async fn what_plain_requests_show_of_a_private_channel_is_for_those_who_may_see_it(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, bob, carol) = (site.account("ann").await, site.account("bob").await, site.account("carol").await);
    ann.ask(json!({"type": "create", "channel": "a", "private": true, "title": "Ours"})).await;
    ann.ask(json!({"type": "create", "channel": "b", "title": "Everyone's"})).await;
    ann.ask(json!({"type": "invite", "channel": "a", "user": "bob"})).await;
    ann.join("a").await;
    for (token, sees) in [(ann.token(), true), (bob.token(), true), (carol.token(), false)] {
        let listed = get(&site, "/v1/channels", token).await;
        assert_eq!(names(&listed), if sees { vec!["a", "b"] } else { vec!["b"] });
        let one = get(&site, "/v1/channels/a", token).await;
        if sees {
            let one = one.json();
            let expected = (&json!("Ours"), &json!(true), &json!(1));
            assert_eq!((&one["title"], &one["private"], &one["online"]), expected);
        } else {
            let missing = get(&site, "/v1/channels/z", token).await;
            assert_eq!((one.status, &one.body), (404, &missing.body));
        }
    }
    assert_eq!(names(&site.get("/v1/channels").await), ["b"]);
    for token in [carol.token(), ""] {
        for path in ["", "/messages", "/members"] {
            let ask = async |channel: &str| {
                let request = Request::get(format!("/v1/channels/{channel}{path}"));
                let bearer = format!("Bearer {token}");
                let request = if token.is_empty() { request } else { request.with("Authorization", &bearer) };
                site.ask(request).await
            };
            let (private, missing) = (ask("a").await, ask("z").await);
            assert_eq!((private.status, private.body), (missing.status, missing.body), "{path}");
        }
    }
    let say = async |channel: &str| {
        let said = json!({"body": {}});
        site.post(&format!("/v1/channels/{channel}/messages"), Some(carol.token()), said).await
    };
    assert_eq!(say("a").await.body, say("z").await.body);
    ann.ask(json!({"type": "ban", "channel": "b", "user": "carol"})).await;
    assert_eq!(refusal(&get(&site, "/v1/channels/b", carol.token()).await), is(403, "forbidden"));
    assert_eq!(refusal(&get(&site, "/v1/channels/b/messages", carol.token()).await), is(403, "forbidden"));
}

async fn what_is_not_said_as_expected_is_400(stage: Stage) {
    let site = stage.site().await;
    let ann = site.account("ann").await;
    for (command, said) in [
        ("create", json!({"private": "yes"})),
        ("create", json!([])),
        ("role", json!({"user": "bob", "role": "king"})),
        ("kick", json!({})),
        ("ban", json!({"user": 7})),
        ("members", json!({"limit": 0})),
    ] {
        let answer = site.post(&format!("/v1/channels/a/{command}"), Some(ann.token()), said).await;
        assert_eq!(refusal(&answer), is(400, "bad_frame"), "{command}");
    }
    let path = site.post("/v1/channels/A/create", Some(ann.token()), json!({})).await;
    assert_eq!(refusal(&path), is(400, "bad_frame"));
    assert_eq!(site.post("/v1/channels/a/promote", Some(ann.token()), json!({})).await.status, 404);
}
