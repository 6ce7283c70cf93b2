//! What only long-poll has: a hello and commands as requests, and their answers (PROTOCOL, section 5). What travels with
//! them is told by the scenarios that every transport shares.

use serde_json::{Value, json};

use crate::support::{Answer, Polls, Request, Site, Stage, eventually, replies};

scenarios! {
    longpoll:
        a_hello_opens_a_session_and_nothing_else_does,
        a_token_may_come_in_the_header_of_a_hello,
        commands_come_alone_or_in_an_array_and_are_answered_in_order,
        what_is_no_command_has_its_error_in_its_slot,
        a_join_is_told_twice_and_the_event_stands_before_its_replay,
        sixteen_slots_of_nonsense_end_the_session_with_4503,
        commands_that_a_logout_leaves_open_are_answered_with_their_ids;
}

/// A hello's text.
pub const HELLO: &str = r#"{"type":"hello","id":"h","version":1,"guest":"ann"}"#;

/// The request that brings a hello.
pub fn hello(body: &str) -> Request {
    Request::post("/v1/sessions", body)
}

/// `[status, code]` of a refusal.
pub fn refusal(answer: &Answer) -> (u16, String) {
    let error = answer.json();
    assert!(error["type"] == "error" && error["message"].is_string(), "{answer:?}");
    (answer.status, error["code"].as_str().unwrap_or_default().to_owned())
}

/// A refusal as it should be.
pub fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// How many sessions there are.
async fn sessions(site: &Site) -> u64 {
    let metrics = site.get("/metrics").await.body;
    let gauge = metrics.lines().find_map(|line| line.strip_prefix("parlor_sessions "));
    gauge.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no such gauge: {metrics}"))
}

async fn a_hello_opens_a_session_and_nothing_else_does(stage: Stage) {
    let site = stage.site().await;
    for (body, expected) in [
        (r#"{"type":"ping","id":"h"}"#, is(401, "unauthenticated")),
        (r#"{"type":"join","id":"h","channel":"a"}"#, is(401, "unauthenticated")),
        (r#"{"type":"no such","id":"h"}"#, is(401, "unauthenticated")),
        (r#"{"type":"hello","id":"h","version":1,"token":"no such"}"#, is(401, "unauthenticated")),
        (r#"{"type":"hello","id":"h","version":2}"#, is(400, "version_unsupported")),
        (r#"{"type":"hello","id":"h"}"#, is(400, "bad_frame")),
        (r#"{"type":"hello","id":"h","version":1,"guest":"NO"}"#, is(400, "bad_frame")),
    ] {
        let answer = site.ask(hello(body)).await;
        assert_eq!(refusal(&answer), expected, "{body}");
        assert_eq!(answer.json()["id"], "h", "a reply carries the id: {answer:?}");
    }
    for body in ["", "hello", "[]", "7", &format!("[{HELLO}]"), &format!("{HELLO}{HELLO}")] {
        assert_eq!(refusal(&site.ask(hello(body)).await), is(400, "bad_frame"), "{body}");
    }
    eventually("no session is left of these", async || sessions(&site).await == 0).await;
    let answer = site.ask(hello(HELLO)).await;
    let welcome = answer.json();
    assert_eq!((answer.status, &welcome["type"], &welcome["id"]), (201, &json!("welcome"), &json!("h")), "{answer:?}");
    assert_eq!(sessions(&site).await, 1);
    // Without an id it is welcomed all the same.
    assert_eq!(Polls::open(site.address).await.welcome.get("id"), None);
}

async fn a_token_may_come_in_the_header_of_a_hello(stage: Stage) {
    let site = stage.site().await;
    let (ann, bob) = (Polls::open(site.address).await, Polls::open(site.address).await);
    let token = |polls: &Polls| polls.welcome["token"].as_str().unwrap_or_default().to_owned();
    for scheme in ["Bearer", "bearer"] {
        let request = hello(r#"{"type":"hello","version":1}"#);
        let answer = site.ask(request.with("Authorization", &format!("{scheme} {}", token(&ann)))).await;
        assert_eq!((answer.status, answer.json()["user"].as_str()), (201, Some(ann.user())), "{answer:?}");
    }
    let both = hello(&json!({"type": "hello", "version": 1, "token": token(&bob)}).to_string());
    let answer = site.ask(both.with("Authorization", &format!("Bearer {}", token(&ann)))).await;
    assert_eq!(answer.json()["user"], bob.user(), "the frame's own token counts");
    let answer = site.ask(hello(HELLO).with("Authorization", "Bearer no-such-token")).await;
    assert_eq!(refusal(&answer), is(401, "unauthenticated"));
}

async fn commands_come_alone_or_in_an_array_and_are_answered_in_order(stage: Stage) {
    let site = stage.site().await;
    let mut ann = Polls::open(site.address).await;
    let shape = |replies: Vec<Value>| -> Vec<(String, Value)> {
        replies
            .iter()
            .map(|reply| (reply["type"].as_str().unwrap_or_default().to_owned(), reply["id"].clone()))
            .collect()
    };
    let is = |kind: &str, id: Value| (kind.to_owned(), id);
    assert_eq!(shape(ann.command(json!({"type": "ping", "id": "1"})).await), [is("pong", json!("1"))]);
    assert_eq!(shape(ann.command(json!({"type": "ping"})).await), [is("pong", Value::Null)]);
    assert_eq!(shape(ann.command(json!([])).await), []);
    let answered = ann
        .command(json!([
            {"type": "join", "id": "a", "channel": "a"},
            {"type": "publish", "id": "b", "channel": "a", "body": {}},
            {"type": "history", "id": "c", "channel": "nowhere"},
            {"type": "ping"},
            {"type": "publish", "id": "e", "channel": "a", "body": {}},
            {"type": "typing", "channel": "elsewhere"},
            {"type": "leave", "id": "a", "channel": "a"},
        ]))
        .await;
    let expected = [
        is("joined", json!("a")),
        is("published", json!("b")),
        is("error", json!("c")),
        is("pong", Value::Null),
        is("published", json!("e")),
        is("error", Value::Null),
        is("left", json!("a")),
    ];
    assert_eq!(shape(answered), expected);
}

async fn what_is_no_command_has_its_error_in_its_slot(stage: Stage) {
    let site = stage.site().await;
    let mut ann = Polls::open(site.address).await;
    let request = Request::post(
        ann.path("/commands"),
        r#" [ {"type":"ping","id":"1"}, 7, "ping", null, [{"type":"ping"}], {}, {"type":"ping","id":7},
              {"type":"ping","x":"\ud83d"}, {"type":"nothing","id":"x"}, {"type":"ping","id":"2"} ] "#,
    );
    let replies = replies(&ann.http.ask(request).await);
    assert_eq!(replies.len(), 10);
    for (at, reply) in replies.iter().enumerate() {
        let expected = match at {
            0 => json!({"type": "pong", "id": "1"}),
            8 => json!({"type": "error", "code": "unknown_type", "id": "x"}),
            9 => json!({"type": "pong", "id": "2"}),
            _ => json!({"type": "error", "code": "bad_frame"}),
        };
        for (member, value) in expected.as_object().expect("an object") {
            assert_eq!(&reply[member], value, "slot {at}: {reply}");
        }
    }
    // A single one that is no array is a slot by itself.
    assert_eq!(ann.command(json!("ping")).await[0]["code"], "bad_frame");
    assert_eq!(ann.rest(0).await.0, Vec::<Value>::new(), "none of it is an event");
}

async fn a_join_is_told_twice_and_the_event_stands_before_its_replay(stage: Stage) {
    let site = stage.site().await;
    let mut bob = Polls::open(site.address).await;
    let publish = |n: u32| json!({"type": "publish", "channel": "a", "body": {"n": n}});
    let joined = bob.command(json!([{"type": "join", "channel": "a"}, publish(1), publish(2), publish(3)])).await;
    let cursor = json!({"epoch": joined[0]["epoch"], "seq": 1});
    let mut ann = Polls::open(site.address).await;
    let reply = ann.command(json!({"type": "join", "id": "j", "channel": "a", "since": cursor})).await.remove(0);
    assert_eq!((&reply["type"], &reply["id"], &reply["replay"]), (&json!("joined"), &json!("j"), &json!(2)));
    let mut event = reply.clone();
    event.as_object_mut().expect("an object").remove("id");
    let (first, next) = ann.until(0, |_| true).await;
    assert_eq!((first, next), (event, 1), "the event says the same without the id");
    for (n, number) in [(2, 2), (3, 3)] {
        let (message, next) = ann.until(number - 1, |_| true).await;
        assert_eq!((&message["body"]["n"], next), (&json!(n), number));
    }
}

async fn sixteen_slots_of_nonsense_end_the_session_with_4503(stage: Stage) {
    let site = stage.site().await;
    let mut ann = Polls::open(site.address).await;
    // Fifteen and a good one are forgiven.
    let mut commands = vec![json!(7); 15];
    commands.push(json!({"type": "ping"}));
    assert_eq!(ann.command(json!(commands)).await.len(), 16);
    let mut parked = ann.parked(0, "10").await;
    eventually("a poll is parked", async || is_parked(&site, 1).await).await;
    let mut commands = vec![json!(7); 16];
    commands.push(json!({"type": "ping", "id": "late"}));
    let answered = ann.command(json!(commands)).await;
    assert!(answered[..16].iter().all(|reply| reply["code"] == "bad_frame" && reply.get("close").is_none()));
    assert_eq!((&answered[16]["code"], &answered[16]["id"]), (&json!("unavailable"), &json!("late")));
    for gone in [parked.answer().await.json(), ann.end().await] {
        assert_eq!((&gone["code"], &gone["close"]), (&json!("not_found"), &json!(4503)), "{gone}");
    }
}

/// Whether so many polls are parked.
pub async fn is_parked(site: &Site, count: usize) -> bool {
    let metrics = site.get("/metrics").await.body;
    metrics.lines().any(|line| line == format!("parlor_polls_parked {count}"))
}

async fn commands_that_a_logout_leaves_open_are_answered_with_their_ids(stage: Stage) {
    let site = stage.site().await;
    for size in [1, 2, 30, 500] {
        let mut ann = Polls::open(site.address).await;
        let ping = |n: usize| json!({"type": "ping", "id": format!("p{n}")});
        let mut commands: Vec<_> = (0..size).map(ping).collect();
        commands.insert(size / 2, json!({"type": "logout", "id": "bye"}));
        commands.insert(0, json!({"type": "join", "id": "j", "channel": "a"}));
        let answered = ann.command(json!(commands)).await;
        for (command, reply) in commands.iter().zip(&answered) {
            assert_eq!(command["id"], reply["id"], "{command} was answered with {reply}");
        }
        assert_eq!(answered.len(), commands.len());
        assert!(answered.iter().any(|reply| reply["type"] == "bye"));
        assert_eq!(ann.end().await["close"], 1000);
    }
}
