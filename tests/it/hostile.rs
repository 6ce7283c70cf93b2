//! Those who take their time on purpose, or more than their part: they are cut off, and others are served meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use parlor::config::Config;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::longpoll::{HELLO, hello, is, refusal};
use crate::support::{DEADLINE, Polls, Raw, Request, Sent, Stage, eventually, pause};

scenarios! {
    longpoll:
        a_head_that_does_not_end_is_cut_off_on_the_first_request_and_on_later_ones,
        a_body_that_does_not_end_is_cut_off_wherever_one_is_read,
        a_head_that_is_too_large_is_refused,
        what_follows_the_last_request_of_a_connection_is_not_carried_out,
        a_connection_ends_behind_its_last_request_whatever_comes_there,
        a_request_with_very_much_behind_it_is_not_waited_for,
        connections_of_one_address_are_bounded_whatever_they_carry,
        every_answer_tells_browsers_what_not_to_do_with_it;
    websocket:
        sessions_that_say_no_hello_leave_room_for_others;
}

const WITHIN: Duration = Duration::from_secs(1);

fn hasty(config: &mut Config) {
    config.limits.request_timeout = WITHIN;
    config.limits.body_timeout = WITHIN;
}

async fn open(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.expect("a connection")
}

/// Sends a byte now and then until the server ends the connection; returns what it said.
async fn dribble(mut stream: TcpStream, byte: u8) -> String {
    let (mut said, until) = (Vec::new(), tokio::time::Instant::now() + DEADLINE);
    loop {
        assert!(tokio::time::Instant::now() < until, "it goes on");
        let mut piece = [0; 1024];
        match timeout(Duration::from_millis(30), stream.read(&mut piece)).await {
            Ok(Ok(0) | Err(_)) => return String::from_utf8_lossy(&said).into_owned(),
            Ok(Ok(count)) => said.extend_from_slice(&piece[..count]),
            // What cannot be sent shows when it is read.
            Err(_) => drop(stream.write_all(&[byte]).await),
        }
    }
}

async fn a_head_that_does_not_end_is_cut_off_on_the_first_request_and_on_later_ones(stage: Stage) {
    let site = stage.site_with(hasty).await;
    let mut first = open(site.address).await;
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ").await.expect("it is sent");
    let mut second = open(site.address).await;
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
    let mut piece = [0; 1024];
    assert!(timeout(DEADLINE, second.read(&mut piece)).await.expect("in time").expect("an answer") > 0);
    second.write_all(b"GET /healthz HTTP/1.1\r\nX: ").await.expect("it is sent");
    let healthy = async {
        let mut ann = Polls::open(site.address).await;
        for _ in 0..5 {
            assert_eq!(ann.command(json!({"type": "ping"})).await[0]["type"], "pong");
        }
        // A poll takes longer than a head may, and is no head.
        let (events, _) = ann.page(0, "2").await;
        assert!(events.is_empty());
    };
    tokio::join!(dribble(first, b'y'), dribble(second, b'y'), healthy);
    let mut rests = open(site.address).await;
    rests.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
    assert!(timeout(DEADLINE, rests.read(&mut piece)).await.expect("in time").expect("an answer") > 0);
    pause(2 * WITHIN.as_millis() as u64).await;
    rests.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
    let again = timeout(DEADLINE, rests.read(&mut piece)).await.expect("in time");
    assert!(again.expect("an answer") > 0, "one that rests between requests is not one that sends slowly");
}

async fn a_body_that_does_not_end_is_cut_off_wherever_one_is_read(stage: Stage) {
    let site = stage.site_with(hasty).await;
    let mut ann = Polls::open(site.address).await;
    let token = ann.welcome["token"].as_str().unwrap_or_default().to_owned();
    for path in ["/v1/sessions", &ann.path("/commands"), "/v1/channels/a/messages"] {
        for length in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
            let mut slow = open(site.address).await;
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{length}\r\n\r\n");
            slow.write_all(head.as_bytes()).await.expect("it is sent");
            let said = dribble(slow, b'1').await;
            assert!(said.starts_with("HTTP/1.1 4"), "{path}, {length}: {said}");
        }
    }
    // One that falls silent in the middle is not waited for, though it is told what it is told.
    for connection in ["keep-alive", "close", "Upgrade"] {
        let mut silent = open(site.address).await;
        let head = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
        let begun = format!("{head}Connection: {connection}\r\n\r\n37\r\n{{\"type\":");
        silent.write_all(begun.as_bytes()).await.expect("it is sent");
        let mut said = String::new();
        // An end in the middle of what a client says may be a broken one.
        drop(timeout(DEADLINE, silent.read_to_string(&mut said)).await.expect("an end in time"));
        assert!(said.starts_with("HTTP/1.1 408"), "{connection}: {said}");
    }
    assert_eq!(ann.command(json!({"type": "ping"})).await[0]["type"], "pong");
}

async fn a_head_that_is_too_large_is_refused(stage: Stage) {
    let site = stage.site().await;
    for (name, lines) in [("large", vec![format!("X: {}", "y".repeat(200_000))]), ("many", vec!["X: y".into(); 500])] {
        let mut stream = open(site.address).await;
        let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n", lines.join("\r\n"));
        // A server that has seen enough need not take the rest.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut said = Vec::new();
        let _ = timeout(DEADLINE, stream.read_to_end(&mut said)).await.expect("an end in time");
        let said = String::from_utf8_lossy(&said);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{name}: {said}");
    }
    assert_eq!(site.get("/healthz").await.status, 200);
}

async fn what_follows_the_last_request_of_a_connection_is_not_carried_out(stage: Stage) {
    let site = stage.site().await;
    let mut ann = Polls::open(site.address).await;
    let path = ann.path("/commands");
    let publish = |text: &str, header: &str| {
        let body = json!({"type": "publish", "channel": "a", "body": {"text": text}}).to_string();
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {length}\r\n\r\n{body}")
    };
    ann.command(json!({"type": "join", "channel": "a"})).await;
    let mut stream = open(site.address).await;
    let both = publish("last", "Connection: close\r\n") + &publish("after it", "");
    stream.write_all(both.as_bytes()).await.expect("it is sent");
    let mut said = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut said)).await.expect("an end in time").expect("a clean end");
    assert_eq!(said.matches("HTTP/1.1").count(), 1, "{said}");
    let (events, _) = ann.rest(0).await;
    let told = json!(events).to_string();
    assert!(told.contains("last") && !told.contains("after it"), "{told}");
}

async fn a_connection_ends_behind_its_last_request_whatever_comes_there(stage: Stage) {
    let site = stage.site().await;
    let ann = Polls::open(site.address).await;
    let quick = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned();
    let slow = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ann.path("/events?after=0&wait=1"));
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let body = format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", ann.path("/commands"));
    for (name, behind) in [
        ("a WebSocket", get("/v1/ws", upgrade)),
        ("an upgrade to nothing", get("/healthz", upgrade)),
        ("very many", get("/healthz", &format!("X: {}\r\n", "y".repeat(8_000))).repeat(60)),
        ("a body", body + &"1".repeat(600_000)),
    ] {
        for first in [&quick, &slow] {
            let (mut from, mut to) = open(site.address).await.into_split();
            let (mut said, all) = (Vec::new(), first.to_owned() + &behind);
            // An end that comes while something is still being sent is one, too.
            let send = async { drop(to.write_all(all.as_bytes()).await) };
            let read = async { drop(from.read_to_end(&mut said).await) };
            let ended = timeout(DEADLINE, async { tokio::join!(send, read) }).await;
            let said = String::from_utf8_lossy(&said);
            assert!(ended.is_ok(), "{name}: it goes on: {said}");
            let refused = name == "very many" && said.starts_with("HTTP/1.1 400");
            assert!(refused || said.starts_with("HTTP/1.1 200"), "{name}: {said}");
            assert_eq!(said.matches("HTTP/1.1").count(), 1, "{name}: {said}");
        }
    }
    assert_eq!(site.get("/healthz").await.status, 200);
}

async fn a_request_with_very_much_behind_it_is_not_waited_for(stage: Stage) {
    let site = stage.site().await;
    let ann = Polls::open(site.address).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let (mut from, mut to) = open(site.address).await.into_split();
    let all = get(&ann.path("/events?after=0&wait=20")) + &get("/healthz").repeat(20_000);
    let send = async { drop(to.write_all(all.as_bytes()).await) };
    let mut said = Vec::new();
    let read = async { drop(from.read_to_end(&mut said).await) };
    timeout(DEADLINE, async { tokio::join!(send, read) }).await.expect("it does not wait for the poll");
    let said = String::from_utf8_lossy(&said);
    assert!(said.starts_with("HTTP/1.1 400") && said.matches("HTTP/1.1").count() == 1, "{said}");
    assert_eq!(site.get("/healthz").await.status, 200);
}

async fn connections_of_one_address_are_bounded_whatever_they_carry(stage: Stage) {
    let site = stage.site_with(|config| config.limits.sockets_per_address = 5).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut stream = open(site.address).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
        let mut piece = [0; 1024];
        assert!(timeout(DEADLINE, stream.read(&mut piece)).await.expect("in time").expect("an answer") > 0);
        idle.push(stream);
    }
    let mut fifth = Polls::open(site.address).await;
    for _ in 0..10 {
        let mut late = open(site.address).await;
        let mut said = Vec::new();
        let _ = timeout(DEADLINE, late.read_to_end(&mut said)).await.expect("an end in time");
        assert!(said.is_empty());
    }
    assert_eq!(fifth.command(json!({"type": "ping"})).await[0]["type"], "pong", "those that are there are served");
    idle.pop();
    eventually("there is room again", async || {
        crate::support::get_with(site.address, "/healthz", &[]).await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
}

async fn sessions_that_say_no_hello_leave_room_for_others(stage: Stage) {
    let site = stage.site_with(|config| {
        config.limits.before_hello_per_address = 3;
        config.limits.hello_timeout = Duration::from_secs(2);
    });
    let site = site.await;
    let mut ann = site.guest("ann").await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(Raw::open(site.address).await);
    }
    let mut late = Raw::open(site.address).await;
    let (code, error) = late.close_code().await;
    assert_eq!((code, &error.expect("an error")["code"]), (4003, &json!("overloaded")));
    assert_eq!(refusal(&site.ask(hello(HELLO)).await), is(503, "overloaded"));
    ann.catch_up().await;
    assert_eq!(site.ask(Request::get("/v1/channels")).await.status, 200, "plain requests need no hello");
    silent[0].send(Sent::TEXT, HELLO.as_bytes()).await;
    assert_eq!(silent[0].frame().await["type"], "welcome");
    site.guest("bob").await.catch_up().await;
    assert_eq!(silent[1].close_code().await.0, 4002, "those who say nothing are ended");
}

async fn every_answer_tells_browsers_what_not_to_do_with_it(stage: Stage) {
    let site = stage.site().await;
    let elsewhere = |path: &str| Request::get(path).with("Origin", "https://elsewhere.example");
    for request in [
        Request::get("/"),
        Request::get("/nothing"),
        Request::get("/healthz"),
        Request::get("/metrics"),
        Request::get("/v1/channels"),
        Request::get("/v1/nothing"),
        Request::get("/v1/ws"),
        Request::get("/v1/sessions"),
        Request::get("/v1/sessions/x/events?after=0"),
        hello("{"),
        elsewhere("/v1/channels"),
    ] {
        let answer = site.ask(request.clone()).await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{request:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{request:?}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{request:?}");
        assert_eq!(answer.header("strict-transport-security"), None, "nothing is promised in the clear");
    }
}
