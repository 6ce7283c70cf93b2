//! Plain HTTP: one request each, carried out as the command of the same name, and never taken for a session.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Request, Site, Stage, ask};

scenarios! {
    everywhere:
        a_message_over_plain_http_is_heard_by_all_and_has_a_receipt,
        a_key_is_the_same_in_a_header_and_in_a_command,
        a_page_of_history_is_the_same_by_request_and_by_command;
    alone:
        whoever_only_sends_requests_is_not_online,
        channels_are_listed_in_pages_with_how_many_hear_them,
        a_channel_shows_where_it_stands,
        presence_and_who_is_online_are_answered_as_by_command,
        what_is_said_takes_a_good_token,
        where_guests_are_not_let_in_nothing_is_read_without_a_token,
        what_is_wrong_with_a_request_shows_in_its_status,
        pages_of_foreign_origins_are_refused_and_named_ones_are_answered,
        an_address_with_all_its_connections_is_told_when_to_come_back,
        a_stopping_server_says_when_to_come_back;
}

/// Says something in a channel, as the user of this token.
fn say(channel: &str, token: &str, body: Value) -> Request {
    let request = Request::post(format!("/v1/channels/{channel}/messages"), body.to_string());
    request.with("Authorization", &format!("Bearer {token}"))
}

fn words(text: &str) -> Value {
    json!({ "body": { "text": text } })
}

async fn get(site: &Site, path: &str) -> Value {
    let answer = site.get(path).await;
    assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
    answer.json()
}

/// An answer has to be this error, with this status.
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{answer:?}");
    assert_eq!(answer.json()["type"], "error");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn a_message_over_plain_http_is_heard_by_all_and_has_a_receipt(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let epoch = ann.join("a").await["epoch"].clone();
    bob.join("a").await;
    let body = json!({ "body": { "text": "by post", "n": 1.50 }, "kind": "x-note", "ref": 7 });
    let answer = ask(site.address, say("a", ann.token(), body)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let receipt = answer.json();
    let shown = (&receipt["type"], &receipt["epoch"], &receipt["seq"], &receipt["duplicate"]);
    assert_eq!(shown, (&json!("published"), &epoch, &json!(1), &json!(false)));
    ann.hear("a", 1).await;
    bob.hear("a", 1).await;
    assert_eq!(ann.heard("a"), bob.heard("a"));
    let heard = &bob.heard("a")[&1];
    assert_eq!((&heard["from"], &heard["at"]), (&json!(ann.user()), &receipt["at"]));
    assert_eq!((&heard["kind"], &heard["ref"], &heard["body"]["n"]), (&json!("x-note"), &json!(7), &json!(1.5)));
}

async fn a_key_is_the_same_in_a_header_and_in_a_command(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    let request = || say("a", ann.token(), words("once")).with("Idempotency-Key", "k");
    let first = ask(site.address, request()).await;
    let again = ask(site.address, request()).await;
    assert_eq!((first.status, again.status), (201, 200));
    let (first, again) = (first.json(), again.json());
    assert_eq!((&first["seq"], &first["duplicate"]), (&json!(1), &json!(false)));
    assert_eq!((&again["seq"], &again["duplicate"], &again["at"]), (&json!(1), &json!(true), &first["at"]));
    let third = ann.publish_with("a", "other words", json!({ "key": "k", "base": 0 })).await;
    assert_eq!((&third["seq"], &third["duplicate"]), (&json!(1), &json!(true)));
}

async fn a_page_of_history_is_the_same_by_request_and_by_command(stage: Stage) {
    let site = stage.site_with(|config| config.channels.window = 8).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish_many("a", 40).await;
    ann.hear("a", 40).await;
    let hour = ann.heard("a")[&40]["at"].as_str().unwrap_or_default()[..13].to_owned();
    for (query, members) in [
        ("", json!({})),
        ("?limit=3", json!({ "limit": 3 })),
        ("?before=10&limit=4", json!({ "before": 10, "limit": 4 })),
        ("?after=30", json!({ "after": 30 })),
        ("?after=5&before=9", json!({ "after": 5, "before": 9 })),
        (&*format!("?hour={hour}&limit=2"), json!({ "hour": hour, "limit": 2 })),
        ("?after=40", json!({ "after": 40 })),
    ] {
        let page = get(&site, &format!("/v1/channels/a/messages{query}")).await;
        let mut same = ann.history("a", members).await;
        same.as_object_mut().map(|reply| reply.remove("id"));
        assert_eq!(page, same, "{query}");
    }
}

async fn whoever_only_sends_requests_is_not_online(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    bob.join("a").await;
    bob.ask(json!({ "type": "watch", "users": [ann.user()] })).await;
    let (token, name) = (ann.token().to_owned(), ann.user().to_owned());
    ann.ask(json!({ "type": "logout" })).await;
    bob.event_where("presence", |event| event["state"] == "offline").await;
    assert_eq!(ask(site.address, say("a", &token, words("from afar"))).await.status, 201);
    bob.hear("a", 1).await;
    bob.has_not_heard("presence").await;
    assert_eq!(get(&site, &format!("/v1/presence?users={name}")).await["users"][0]["state"], "offline");
    assert_eq!(get(&site, "/v1/online").await["list"], json!([bob.user()]));
    assert_eq!(get(&site, "/v1/channels/a").await["online"], 1);
}

async fn channels_are_listed_in_pages_with_how_many_hear_them(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    for channel in ["c", "a", "b"] {
        ann.join(channel).await;
    }
    bob.join("b").await;
    bob.publish("b", "one").await;
    let page = get(&site, "/v1/channels?limit=2").await;
    assert_eq!(page["more"], true);
    let names: Vec<&Value> = page["channels"].as_array().into_iter().flatten().map(|row| &row["channel"]).collect();
    assert_eq!(names, ["a", "b"]);
    let b = &page["channels"][1];
    assert_eq!((&b["first"], &b["head"], &b["online"]), (&json!(1), &json!(1), &json!(2)));
    assert!(b["epoch"].is_string());
    let rest = get(&site, "/v1/channels?limit=2&after=b").await;
    let shown = (&rest["channels"][0]["channel"], &rest["channels"][0]["head"], &rest["more"]);
    assert_eq!(shown, (&json!("c"), &json!(0), &json!(false)));
    refused(&site.get("/v1/channels?limit=0").await, 400, "bad_frame");
    refused(&site.get("/v1/channels?after=NO").await, 400, "bad_frame");
}

async fn a_channel_shows_where_it_stands(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let joined = ann.join("a").await;
    ann.publish_many("a", 3).await;
    let shown = get(&site, "/v1/channels/a").await;
    assert_eq!(shown, json!({ "channel": "a", "epoch": joined["epoch"], "first": 1, "head": 3, "online": 1 }));
    refused(&site.get("/v1/channels/nowhere").await, 404, "not_found");
    refused(&site.get("/v1/channels/nowhere/messages").await, 404, "not_found");
    refused(&site.get("/v1/channels/@ann:bob").await, 404, "not_found");
    refused(&site.get("/v1/channels/NOWHERE").await, 400, "bad_frame");
}

async fn presence_and_who_is_online_are_answered_as_by_command(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let twin = ann.twin().await;
    let bob = site.guest("bob").await;
    let page = get(&site, &format!("/v1/presence?users={},nobody", bob.user())).await;
    let mut same = ann.ask(json!({ "type": "presence", "users": [bob.user(), "nobody"] })).await;
    same.as_object_mut().map(|reply| reply.remove("id"));
    assert_eq!(page, same);
    let all = get(&site, "/v1/online").await;
    assert_eq!(all, json!({ "users": 2, "sessions": 3, "list": [ann.user(), bob.user()], "more": false }));
    let first = get(&site, "/v1/online?limit=1").await;
    assert_eq!((&first["list"], &first["more"]), (&json!([ann.user()]), &json!(true)));
    let rest = get(&site, &format!("/v1/online?after={}", ann.user())).await;
    assert_eq!((&rest["list"], &rest["more"]), (&json!([bob.user()]), &json!(false)));
    refused(&site.get("/v1/presence").await, 400, "bad_frame");
    refused(&site.get("/v1/presence?users=NO").await, 400, "bad_frame");
    let many = vec!["ann"; 501].join(",");
    refused(&site.get(&format!("/v1/presence?users={many}")).await, 413, "too_large");
    drop(twin);
}

async fn what_is_said_takes_a_good_token(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    let path = "/v1/channels/a/messages";
    for request in [
        Request::post(path, words("x").to_string()),
        say("a", "g1.~ann-aaaaa.00", words("x")),
        say("a", "", words("x")),
        Request::get(path).with("Authorization", "Bearer nothing"),
    ] {
        let answer = ask(site.address, request).await;
        refused(&answer, 401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(get(&site, "/v1/channels/a").await["head"], 0);
}

async fn where_guests_are_not_let_in_nothing_is_read_without_a_token(stage: Stage) {
    let site = stage.site_with(|config| config.auth.guests = false).await;
    for path in ["/v1/channels", "/v1/channels/a", "/v1/channels/a/messages", "/v1/presence?users=ann", "/v1/online"] {
        refused(&site.get(path).await, 401, "unauthenticated");
    }
}

async fn what_is_wrong_with_a_request_shows_in_its_status(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.limits.body_bytes = 1000;
            config.limits.frame_bytes = 2000;
            config.limits.dedup_scan = 3;
            config.channels.window = 4;
            config.channels.dedup_window = 4;
        })
        .await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish_many("a", 10).await;
    let token = ann.token().to_owned();
    let post = |text: &str| {
        let request = Request::post("/v1/channels/a/messages", text);
        request.with("Authorization", &format!("Bearer {token}"))
    };
    let long = |bytes: usize| words(&"x".repeat(bytes)).to_string();
    let old = json!({ "body": {}, "base": 0 }).to_string();
    let deep = format!("{{\"body\":{{\"a\":{}1{}}}}}", "[".repeat(40), "]".repeat(40));
    for (request, status, code) in [
        (post("{"), 400, "bad_frame"),
        (post("[]"), 400, "bad_frame"),
        (post("{}"), 400, "bad_frame"),
        (post("{\"body\":5}"), 400, "bad_frame"),
        (post("{\"body\":{\"a\":\"\\ud800\"}}"), 400, "bad_frame"),
        (post(&deep), 400, "bad_frame"),
        (post("{\"body\":{},\"kind\":\"wrong\"}"), 400, "bad_frame"),
        (post("{\"body\":{},\"kind\":\"edit\"}"), 403, "forbidden"),
        (post(&long(1000)), 413, "too_large"),
        (post(&long(2000)), 413, "too_large"),
        (post(&old).with("Idempotency-Key", "k"), 409, "conflict"),
        (post("{\"body\":{}}").with("Idempotency-Key", &"k".repeat(65)), 400, "bad_frame"),
        (post("{\"body\":{}}").with("Content-Type", "text/plain"), 415, "bad_frame"),
        (say("nowhere", &token, words("x")), 404, "not_found"),
        (Request::get("/v1/channels/a/messages?limit=0"), 400, "bad_frame"),
        (Request::get("/v1/channels/a/messages?after=x"), 400, "bad_frame"),
        (Request::get("/v1/channels/a/messages?after=1&after=2"), 400, "bad_frame"),
        (Request::get("/v1/channels/a/messages?hour=today"), 400, "bad_frame"),
        (Request::delete("/v1/channels/a/messages"), 405, "bad_frame"),
        (Request::post("/v1/online", "{}"), 405, "bad_frame"),
        (Request::get("/v1/nothing"), 404, "not_found"),
    ] {
        let shown = format!("{request:?}");
        let answer = ask(site.address, request).await;
        let got = (answer.status, answer.json()["code"].clone());
        assert_eq!(got, (status, json!(code)), "{shown}: {answer:?}");
    }
    let allowed = ask(site.address, Request::delete("/v1/channels/a/messages")).await;
    assert_eq!(allowed.header("allow"), Some("GET, POST"));
    assert_eq!(get(&site, "/v1/channels/a").await["head"], 10);
}

async fn pages_of_foreign_origins_are_refused_and_named_ones_are_answered(stage: Stage) {
    let site = stage.site_with(|config| config.server.allowed_origins = vec!["https://chat.example".into()]).await;
    let from = |request: Request, origin: &str| ask(site.address, request.with("Origin", origin));
    let online = || Request::get("/v1/online");
    refused(&from(online(), "https://evil.example").await, 403, "forbidden");
    let named = from(online(), "https://chat.example").await;
    assert_eq!((named.status, named.header("access-control-allow-origin")), (200, Some("https://chat.example")));
    assert_eq!(named.header("access-control-allow-credentials"), None);
    let own = from(online(), &format!("http://{}", site.address)).await;
    assert_eq!(own.status, 200);
    let preflight = |origin: &str| {
        let request = Request::of("OPTIONS", "/v1/channels/a/messages").with("Origin", origin);
        let request = request.with("Access-Control-Request-Method", "POST");
        let wanted = "authorization,content-type,idempotency-key";
        ask(site.address, request.with("Access-Control-Request-Headers", wanted))
    };
    let answer = preflight("https://chat.example").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    let granted = answer.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
    for header in ["authorization", "content-type", "idempotency-key"] {
        assert!(granted.contains(header), "{header} is missing from {granted:?}");
    }
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
    refused(&preflight("https://evil.example").await, 403, "forbidden");
    // A browser asks for no such thing, and is refused like anyone else.
    let odd = Request::of("OPTIONS", "/v1/channels").with("Origin", "https://chat.example");
    refused(&ask(site.address, odd.with("Access-Control-Request-Method", "TRACE")).await, 400, "bad_frame");
}

async fn an_address_with_all_its_connections_is_told_when_to_come_back(stage: Stage) {
    let site = stage.site_with(|config| config.limits.connections_per_address = 1).await;
    let ann = site.guest("ann").await;
    let answer = site.get("/v1/presence?users=ann").await;
    refused(&answer, 503, "overloaded");
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()));
    assert_eq!(answer.json()["close"], Value::Null);
    drop(ann);
}

async fn a_stopping_server_says_when_to_come_back(stage: Stage) {
    let mut site = stage.site_with(|config| config.server.drain_notice = Duration::from_secs(2)).await;
    let (mut ann, address) = (site.guest("ann").await, site.address);
    ann.join("a").await;
    let token = ann.token().to_owned();
    let meanwhile = async {
        ann.event("notice").await;
        let answer = ask(address, say("a", &token, words("too late"))).await;
        refused(&answer, 503, "unavailable");
        assert!(answer.header("retry-after").is_some());
        let hello = json!({ "type": "hello", "version": 1 });
        let answer = ask(address, Request::post("/v1/sessions", hello.to_string())).await;
        refused(&answer, 503, "unavailable");
        ann.ends_with(1001).await;
    };
    tokio::join!(site.stop(), meanwhile);
}
