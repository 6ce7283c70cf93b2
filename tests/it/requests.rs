//! Requests of long-poll as HTTP sees them: types, sizes, names, methods and headers.

use serde_json::json;

use crate::longpoll::{HELLO, hello, is, refusal};
use crate::support::{Http, Polls, Request, Site, Stage, eventually, page, replies};

scenarios! {
    longpoll:
        a_body_that_is_no_json_or_says_so_is_refused,
        a_frame_above_the_limit_is_413_and_the_session_lives_on,
        a_request_has_a_limit_of_its_own,
        self_stands_for_the_session_that_the_header_names,
        a_session_that_nobody_has_is_not_found,
        one_address_may_have_so_many_sessions,
        a_draining_server_opens_no_session,
        every_answer_says_that_it_is_not_to_be_kept,
        a_method_that_an_address_does_not_take_is_405,
        a_page_of_a_foreign_origin_opens_no_session;
}

async fn a_body_that_is_no_json_or_says_so_is_refused(stage: Stage) {
    let site = stage.site().await;
    let mut ann = Polls::open(site.address).await;
    let path = ann.path("/commands");
    for body in ["", " ", "hello", "{", "[", "[1,]", "{\"type\":\"ping\"}{\"type\":\"ping\"}", "{'type':'ping'}"] {
        let answer = ann.http.ask(Request::post(&path, body)).await;
        assert_eq!(refusal(&answer), is(400, "bad_frame"), "{body:?}");
    }
    let ping = Request::post(&path, r#"{"type":"ping"}"#);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let answer = ann.http.ask(ping.clone().with("Content-Type", kind)).await;
        assert_eq!(refusal(&answer), is(415, "bad_frame"), "{kind:?}");
        assert_eq!(answer.header("connection"), Some("close"), "the body was not read, and nothing can follow it");
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/problem+json"] {
        let answer = ann.http.ask(ping.clone().with("Content-Type", kind)).await;
        assert_eq!(replies(&answer)[0]["type"], "pong", "{kind:?}");
    }
    assert_eq!(refusal(&site.ask(hello(HELLO).with("Content-Type", "text/plain")).await), is(415, "bad_frame"));
}

/// A site with frames of 2,000 bytes.
async fn small(stage: Stage) -> Site {
    let site = stage.site_with(|config| {
        config.limits.frame_bytes = 2000;
        config.limits.body_bytes = 1000;
    });
    site.await
}

/// A ping of so many bytes.
fn padded(bytes: usize) -> String {
    let around = r#"{"type":"ping","x":""}"#.len();
    format!(r#"{{"type":"ping","x":"{}"}}"#, "y".repeat(bytes - around))
}

async fn a_frame_above_the_limit_is_413_and_the_session_lives_on(stage: Stage) {
    let site = small(stage).await;
    let mut ann = Polls::open(site.address).await;
    let path = ann.path("/commands");
    for (body, good) in [
        (padded(2000), true),
        (padded(2001), false),
        (format!("[{},{}]", padded(2000), padded(2000)), true),
        (format!(r#"[{{"type":"publish","channel":"a","body":{{}}}},{}]"#, padded(2001)), false),
        (padded(15_000), false),
    ] {
        let answer = ann.http.ask(Request::post(&path, body)).await;
        if good {
            assert!(replies(&answer).iter().all(|reply| reply["type"] == "pong"), "{answer:?}");
        } else {
            assert_eq!(refusal(&answer), is(413, "too_large"));
        }
    }
    let long = format!(r#"{{"type":"hello","version":1,"client":"{}"}}"#, "x".repeat(2000));
    assert_eq!(refusal(&site.ask(hello(&long)).await), is(413, "too_large"));
}

async fn a_request_has_a_limit_of_its_own(stage: Stage) {
    let site = small(stage).await;
    let ann = Polls::open(site.address).await;
    let path = ann.path("/commands");
    let array = |commands: &[String]| format!("[{}]", commands.join(","));
    let many = |count: usize| vec![r#"{"type":"ping"}"#.to_owned(); count];
    for (body, good) in [
        (array(&vec![padded(1990); 8]), true),
        (array(&vec![padded(1990); 9]), false),
        (array(&many(900)), true),
        (array(&many(1001)), false),
    ] {
        let answer = site.ask(Request::post(&path, body)).await;
        assert_eq!(answer.status, if good { 200 } else { 413 }, "{:.200}", answer.body);
    }
}

async fn self_stands_for_the_session_that_the_header_names(stage: Stage) {
    let site = stage.site().await;
    let ann = Polls::open(site.address).await;
    let bearer = format!("Bearer {}", ann.secret());
    let named = |request: Request| request.with("Authorization", &bearer);
    let join = Request::post("/v1/sessions/self/commands", r#"{"type":"join","channel":"a"}"#);
    assert_eq!(replies(&site.ask(named(join.clone())).await)[0]["type"], "joined");
    let poll = Request::get("/v1/sessions/self/events?after=0&wait=0");
    let (events, _) = page(&site.ask(named(poll.clone())).await);
    assert_eq!(events[0]["type"], "joined");
    let goodbye = Request::delete("/v1/sessions/self");
    for request in [&join, &poll, &goodbye] {
        for header in [None, Some("Bearer 0-00"), Some("Basic x"), Some("Bearer"), Some("")] {
            let request = header.into_iter().fold(request.clone(), |request, is| request.with("Authorization", is));
            assert_eq!(refusal(&site.ask(request).await), is(404, "not_found"), "{header:?}");
        }
    }
    assert_eq!(site.ask(named(goodbye)).await.status, 204);
    assert_eq!(site.ask(named(poll)).await.json()["close"], 1000);
}

async fn a_session_that_nobody_has_is_not_found(stage: Stage) {
    let site = stage.site().await;
    let ann = Polls::open(site.address).await;
    let digits = |count: usize| "0".repeat(count);
    let other = format!("{}0", &ann.secret()[..ann.secret().len() - 1]);
    let flipped = format!("{}1", &ann.secret()[..ann.secret().len() - 1]);
    let wrong = if ann.secret() == other { flipped } else { other };
    for name in ["x", "0-00", "-", "ffffffff-00", "%2e", "~", &digits(64), &format!("0-{}", digits(64)), &wrong] {
        for request in [
            Request::get(format!("/v1/sessions/{name}/events?after=0&wait=0")),
            Request::post(format!("/v1/sessions/{name}/commands"), r#"{"type":"ping"}"#),
            Request::delete(format!("/v1/sessions/{name}")),
        ] {
            let answer = site.ask(request).await;
            assert_eq!(refusal(&answer), is(404, "not_found"), "{name}");
            assert_eq!(answer.json().get("close"), None, "nobody knows how it ended: {answer:?}");
        }
    }
}

async fn one_address_may_have_so_many_sessions(stage: Stage) {
    let site = stage.site_with(|config| config.limits.connections_per_address = 3).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(Polls::open(site.address).await);
    }
    let answer = site.ask(hello(HELLO)).await;
    assert_eq!(refusal(&answer), is(503, "overloaded"));
    let (ms, seconds) = (answer.json()["retry_after_ms"].as_u64(), answer.header("retry-after"));
    let seconds = seconds.and_then(|text| text.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1 && Some(seconds * 1000) >= ms) && ms.is_some(), "{answer:?}");
    for one in &mut all {
        assert_eq!(one.command(json!({"type": "ping"})).await[0]["type"], "pong");
    }
    assert_eq!(all[1].logout().await.status, 204);
    eventually("there is room again", async || site.ask(hello(HELLO)).await.status == 201).await;
}

async fn a_draining_server_opens_no_session(stage: Stage) {
    let mut site = stage.site_with(|config| config.server.drain_notice = std::time::Duration::from_secs(2)).await;
    let (to, mut ann) = (site.address, Polls::open(site.address).await);
    let mut other = Http::connect(to).await;
    let asking = async {
        ann.until(0, |event| event["type"] == "notice").await;
        let answer = other.ask(hello(HELLO)).await;
        assert_eq!(refusal(&answer), is(503, "unavailable"));
        assert!(answer.header("retry-after").is_some() && answer.json()["retry_after_ms"].is_u64(), "{answer:?}");
        drop((other, ann));
    };
    tokio::join!(site.stop(), asking);
}

async fn every_answer_says_that_it_is_not_to_be_kept(stage: Stage) {
    let site = small(stage).await;
    let ann = Polls::open(site.address).await;
    let ping = Request::post(ann.path("/commands"), r#"{"type":"ping"}"#);
    for (request, status) in [
        (hello(HELLO), 201),
        (hello("{"), 400),
        (hello(r#"{"type":"ping"}"#), 401),
        (Request::get("/v1/sessions"), 405),
        (Request::get("/v1/nothing"), 404),
        (Request::get("/v1/sessions/x/events?after=0"), 404),
        (ping.clone(), 200),
        (ping.with("Content-Type", "text/plain"), 415),
        (Request::post(ann.path("/commands"), padded(2001)), 413),
        (ann.poll(0, "0"), 200),
        (ann.poll(7, "0"), 409),
        (Request::get(ann.path("/events")), 400),
        (Request::delete(ann.path("")), 204),
        (Request::delete(ann.path("")), 404),
        (hello(HELLO).with("Origin", "https://elsewhere.example"), 403),
    ] {
        let answer = site.ask(request.clone()).await;
        assert_eq!((answer.status, answer.header("cache-control")), (status, Some("no-store")), "{request:?}");
        if status >= 400 {
            assert_eq!(answer.json()["type"], "error", "{answer:?}");
        }
    }
}

async fn a_method_that_an_address_does_not_take_is_405(stage: Stage) {
    let site = stage.site().await;
    let ann = Polls::open(site.address).await;
    for (below, takes) in [("", "DELETE"), ("/commands", "POST"), ("/events", "GET")] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"].into_iter().filter(|method| *method != takes) {
            let answer = site.ask(Request::of(method, ann.path(below)).with("Content-Length", "0")).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some(takes)), "{method} {below}: {answer:?}");
        }
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = site.ask(Request::of(method, "/v1/sessions").with("Content-Length", "0")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}: {answer:?}");
    }
}

async fn a_page_of_a_foreign_origin_opens_no_session(stage: Stage) {
    let site = stage.site().await;
    let own = format!("http://{}", site.address);
    assert_eq!(site.ask(hello(HELLO).with("Origin", &own)).await.status, 201);
    let answer = site.ask(hello(HELLO).with("Origin", "https://elsewhere.example")).await;
    assert_eq!(refusal(&answer), is(403, "forbidden"));
}
