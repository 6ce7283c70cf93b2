//! Garbage over real sockets: bytes that are nothing, requests and frames that were damaged on their way. Whatever is answered
//! is what PROTOCOL.md lets be answered, nobody else notices anything, and the server goes on.

use std::cell::Cell;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;
use parlor::model::cases::{count, damaged, damaged_text};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Answer, DEADLINE, Polls, Request, Site, Stage, Transport, head, tls};

scenarios! {
    alone:
        bytes_that_are_nothing_disturb_nobody,
        half_and_damaged_requests_disturb_nobody_and_are_answered_as_requests_are,
        damaged_paths_headers_and_bodies_are_refused_as_they_should_be,
        damaged_frames_of_a_websocket_disturb_nobody_and_end_as_they_should,
        damaged_commands_of_a_session_are_answered_one_by_one;
    secure:
        bytes_that_are_nothing_disturb_nobody,
        half_and_damaged_requests_disturb_nobody_and_are_answered_as_requests_are;
}

/// How many are tried at a time.
const AT_ONCE: usize = 16;
/// After which a server cuts off who falls silent, where some do.
const SOON: Duration = Duration::from_secs(1);
/// What ends a connection, if what came before it was whole.
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket for T {}

/// A server that takes no offence at many who come, and has so much patience with each.
async fn house(stage: Stage, patience: Duration) -> Site {
    let site = stage.site_with(|config| {
        config.limits.request_timeout = patience;
        config.limits.body_timeout = patience;
        config.limits.connections_per_address = 0;
        config.limits.before_hello_per_address = 0;
        config.limits.sockets_per_address = 0;
    });
    site.await
}

/// Sends this, and returns what came until the server ended the connection.
async fn exchange(stage: Stage, site: &Site, bytes: &[u8], half_close: bool) -> Vec<u8> {
    let socket: Box<dyn Socket> = if stage.transport == Transport::Secure {
        Box::new(tls::connect(site.address, false, &["http/1.1"]).await.unwrap_or_else(|why| panic!("{why}")))
    } else {
        Box::new(TcpStream::connect(site.address).await.expect("a connection"))
    };
    let (mut from, mut to) = tokio::io::split(socket);
    let mut said = Vec::new();
    // A server that has seen enough need not take the rest, and may end the connection in any way.
    let send = async {
        drop(to.write_all(bytes).await);
        if half_close {
            drop(to.shutdown().await);
        }
    };
    let read = async { drop(from.read_to_end(&mut said).await) };
    let ended = timeout(DEADLINE, async { tokio::join!(send, read) }).await.is_ok();
    // One that was answered, and not told that this was the end, rests as any connection may.
    let rests = || answers(&said).last().is_some_and(|last| last.header("connection") != Some("close"));
    let shown = || (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&said));
    assert!(ended || (!half_close && rests()), "it goes on: {:?}", shown());
    said
}

/// Answers, one behind the other; what stands behind them is no HTTP.
fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut all = Vec::new();
    while let Some((mut answer, start)) = head(bytes) {
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let Some(body) = bytes.get(start..start + length) else { break };
        answer.body = String::from_utf8_lossy(body).into_owned();
        bytes = &bytes[start + length..];
        let upgraded = answer.status == 101;
        all.push(answer);
        if upgraded {
            return all;
        }
    }
    assert!(bytes.is_empty(), "no answer: {:?}", String::from_utf8_lossy(bytes));
    all
}

/// Fails if a request may not be answered so, whatever it was (protocol, section 6).
fn may_be(answer: &Answer, to: &dyn std::fmt::Debug) {
    let known = [100, 101, 200, 201, 204, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 431];
    assert!(known.contains(&answer.status), "{answer:?} to {to:?}");
    // What cannot be read as HTTP, or does not come in time, is answered by its status alone (docs/protocol/http.md).
    let unread = matches!(answer.status, 400 | 408 | 431) && answer.body.is_empty();
    if answer.status >= 400 && !unread {
        let frame = answer.json();
        assert!(frame["type"] == "error" && frame["code"].is_string(), "{answer:?} to {to:?}");
        assert!(
            frame["message"].as_str().is_some_and(|message| message.chars().count() <= 257),
            "{answer:?} to {to:?}"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?} to {to:?}");
        assert_ne!(frame["code"], "internal", "{answer:?} to {to:?}");
    }
}

/// Does something so many times, some of them at once, while two who know nothing of it talk to each other; they hear
/// everything, and nothing in the server broke.
async fn beside(stage: Stage, site: &Site, times: u32, each: impl AsyncFn(u64)) {
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    for one in [&mut ann, &mut bob] {
        one.join("healthy").await;
    }
    let done = Cell::new(false);
    let garbage = async {
        iter(0..u64::from(count(times))).for_each_concurrent(AT_ONCE, |seed| each(seed)).await;
        done.set(true);
    };
    let healthy = async {
        while !done.get() {
            let seq = ann.publish("healthy", "how are you?").await["seq"].as_u64().expect("a place");
            bob.hear("healthy", seq).await;
        }
    };
    tokio::join!(garbage, healthy);
    let seq = bob.publish("healthy", "never better").await["seq"].as_u64().expect("a place");
    ann.hear("healthy", seq).await;
    let get = format!("GET /metrics {}", &LAST[13..]);
    let metrics = answers(&exchange(stage, site, get.as_bytes(), false).await).pop().expect("an answer");
    let panics: Vec<_> = metrics.body.lines().filter(|line| line.starts_with("parlor_actor_panics_total")).collect();
    assert!(!panics.is_empty() && panics.iter().all(|line| line.ends_with(" 0")), "{metrics:?}");
}

async fn bytes_that_are_nothing_disturb_nobody(stage: Stage) {
    let site = house(stage, SOON).await;
    let each = async |seed: u64| {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut bytes = vec![0; chance.random_range(0..400)];
        chance.fill_bytes(&mut bytes);
        bytes.extend(LAST.bytes());
        for answer in answers(&exchange(stage, &site, &bytes, !seed.is_multiple_of(4)).await) {
            may_be(&answer, &bytes);
        }
    };
    beside(stage, &site, 300, each).await;
}

/// Requests to every address, each as a method, a path and a body.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("GET", "/", ""),
    ("GET", "/healthz", ""),
    ("GET", "/readyz", ""),
    ("GET", "/metrics", ""),
    ("OPTIONS", "/v1/channels", ""),
    ("GET", "/v1/ws", ""),
    ("GET", "/v1/channels?after=a&limit=3", ""),
    ("GET", "/v1/channels/healthy", ""),
    ("GET", "/v1/channels/healthy/messages?before=5&after=1&hour=2026-11-22T10&limit=2", ""),
    ("GET", "/v1/channels/healthy/members?after=ann&limit=1", ""),
    ("GET", "/v1/presence?users=ann,bob", ""),
    ("GET", "/v1/online?after=ann&limit=1", ""),
    ("GET", "/v1/admin/actors", ""),
    ("GET", "/v1/admin/sessions?user=ann&address=127.0.0.1&after=0&limit=2", ""),
    ("GET", "/v1/admin/config", ""),
    ("PUT", "/v1/admin/log", r#"{"filter":"warn,parlor=debug"}"#),
    ("DELETE", "/v1/admin/sessions/0123456789ab", ""),
    ("GET", "/v1/admin/channels?search=a&sort=name&after=a&limit=2", ""),
    ("GET", "/v1/admin/channels/healthy", ""),
    ("DELETE", "/v1/admin/channels/healthy", ""),
    ("POST", "/v1/admin/channels/healthy/passivate", ""),
    ("POST", "/v1/admin/channels/healthy/trim", r#"{"below":3}"#),
    ("PUT", "/v1/admin/channels/healthy/retention", r#"{"age_s":60,"count":1,"bytes":null}"#),
    ("GET", "/v1/sessions/0-00/events?after=0&wait=0", ""),
    ("DELETE", "/v1/sessions/self", ""),
    ("POST", "/v1/sessions", r#"{"type":"hello","version":1,"guest":"eve","client":"x"}"#),
    ("POST", "/v1/sessions/self/commands", r#"[{"type":"ping","id":"1"},{"type":"join","channel":"a"}]"#),
    ("POST", "/v1/accounts", r#"{"user":"emil","password":"correct horse","code":"x"}"#),
    ("POST", "/v1/login", r#"{"user":"emil","password":"correct horse"}"#),
    ("POST", "/v1/password", r#"{"old":"correct horse","new":"battery staple"}"#),
    ("POST", "/v1/channels/healthy/messages", r#"{"body":{"text":"hi"},"kind":"x-a","ref":1,"base":0}"#),
    ("POST", "/v1/channels/healthy/create", r#"{"private":true,"title":"A room"}"#),
    ("POST", "/v1/channels/healthy/kick", r#"{"user":"ann","reason":"noise"}"#),
    ("POST", "/v1/channels/healthy/role", r#"{"user":"ann","role":"muted"}"#),
    ("POST", "/v1/channels/healthy/members", r#"{"after":"ann","limit":1}"#),
    ("POST", "/v1/channels/@emil/delete", ""),
];

/// What may come with any of them.
const HEADERS: [(&str, &str); 12] = [
    ("Content-Type", "application/json; charset=utf-8"),
    ("Idempotency-Key", "k-1"),
    ("Origin", "http://chat.example:8080"),
    ("Access-Control-Request-Method", "POST"),
    ("Access-Control-Request-Headers", "authorization,content-type"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "parlor.v1, x"),
    ("X-Forwarded-For", "203.0.113.5, 10.2.2.2"),
    ("Expect", "100-continue"),
    ("Connection", "Upgrade"),
];

/// A request as it goes over the wire, with some of the headers.
fn wire(seed: u64, token: &str) -> String {
    let (method, path, body) = REQUESTS[seed as usize % REQUESTS.len()];
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: chat.example:8080\r\nAuthorization: Bearer {token}\r\n");
    let some = |(at, _): &(usize, &(&str, &str))| path == "/v1/ws" || (seed >> (at + 8)).is_multiple_of(8);
    for (_, (name, value)) in HEADERS.iter().enumerate().filter(some) {
        text.extend([name, ": ", value, "\r\n"]);
    }
    let length = body.len();
    if !body.is_empty() && (seed >> 4).is_multiple_of(4) {
        return format!("{text}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
    }
    format!("{text}Content-Length: {length}\r\n\r\n{body}")
}

async fn half_and_damaged_requests_disturb_nobody_and_are_answered_as_requests_are(stage: Stage) {
    let site = house(stage, SOON).await;
    let eve = site.guest("eve").await;
    let each = async |seed: u64| {
        let mixed = StdRng::seed_from_u64(seed).random();
        let whole = wire(mixed, eve.token());
        let (bytes, half_close) = match seed % 4 {
            0 => (whole.as_bytes()[..mixed as usize % whole.len()].to_vec(), !seed.is_multiple_of(32)),
            _ => ([&damaged(whole.as_bytes(), mixed), LAST.as_bytes()].concat(), false),
        };
        for answer in answers(&exchange(stage, &site, &bytes, half_close).await) {
            may_be(&answer, &String::from_utf8_lossy(&bytes));
        }
    };
    beside(stage, &site, 400, each).await;
}

async fn damaged_paths_headers_and_bodies_are_refused_as_they_should_be(stage: Stage) {
    let site = house(stage, DEADLINE).await;
    let eve = site.guest("eve").await;
    let each = async |seed: u64| {
        let (method, path, body) = REQUESTS[seed as usize % REQUESTS.len()];
        let (name, value) = HEADERS[seed as usize % 3];
        let (mut path, mut body, mut value) = (path.to_owned(), body.to_owned(), value.to_owned());
        let mut bearer = format!("Bearer {}", eve.token());
        let line = |text: &str| damaged_text(text, seed).replace(['\r', '\n'], "");
        match seed / REQUESTS.len() as u64 % 4 {
            0 => path = format!("/{}", line(&path[1..]).replace(|c: char| !c.is_ascii_graphic(), "")),
            1 => value = line(&value),
            2 => bearer = line(&bearer),
            _ => body = damaged_text(&body, seed),
        }
        let request = Request::of(method, path);
        let request = if matches!(method, "POST" | "PUT") { request.saying(body) } else { request };
        let request = request.with("Authorization", &bearer).with(name, &value);
        may_be(&site.ask(request.clone()).await, &request);
    };
    beside(stage, &site, 800, each).await;
}

/// Commands of many types.
const COMMANDS: [&str; 12] = [
    r#"{"type":"ping","id":"1"}"#,
    r#"{"type":"join","id":"2","channel":"noise","since":{"epoch":"e","seq":3}}"#,
    r#"{"type":"publish","id":"3","channel":"noise","body":{"text":"hi"},"key":"k","base":0,"ref":1}"#,
    r#"{"type":"history","id":"4","channel":"noise","hour":"2026-11-22T10","limit":3}"#,
    r#"{"type":"watch","id":"5","users":["ann"],"channel":"noise"}"#,
    r#"{"type":"contacts","id":"6","add":["ann"]}"#,
    r#"{"type":"read","channel":"noise","seq":9007199254740991}"#,
    r#"{"type":"members","id":"8","channel":"noise","after":"ann"}"#,
    r#"{"type":"role","id":"9","channel":"noise","user":"ann","role":"owner"}"#,
    r#"{"type":"create","id":"10","channel":"mine","private":true}"#,
    r#"{"type":"visible","id":"11","on":false}"#,
    r#"{"type":"leave","id":"12","channel":"noise","only":"session"}"#,
];

fn some_commands(seed: u64) -> impl Iterator<Item = &'static str> {
    (0..4).map(move |n| COMMANDS[(seed >> (8 * n)) as usize % COMMANDS.len()])
}

/// A client's frame.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [9, 8, 7, 6];
    let mut bytes = match payload.len() {
        short @ 0..126 => vec![first, 0x80 | short as u8],
        long => [&[first, 0xfe][..], &(long as u16).to_be_bytes()].concat(),
    };
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The server's frames: kind and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, start) = match (second, rest) {
            (126, [high, low, ..]) => (usize::from(*high) << 8 | usize::from(*low), 4),
            (short, _) => (usize::from(*short), 2),
        };
        let Some(payload) = bytes.get(start..start + length) else { break };
        all.push((first & 0x0f, payload));
        bytes = &bytes[start + length..];
    }
    all
}

async fn damaged_frames_of_a_websocket_disturb_nobody_and_end_as_they_should(stage: Stage) {
    let site = house(stage, DEADLINE).await;
    let upgrade = format!(
        "GET /v1/ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        site.address
    );
    let each = async |seed: u64| {
        let mixed: u64 = StdRng::seed_from_u64(seed).random();
        let mut sent: Vec<u8> = masked(0x81, br#"{"type":"hello","version":1,"guest":"eve"}"#);
        let said = some_commands(mixed).map(|text| match seed % 3 {
            0 => masked(0x81, damaged_text(text, mixed).as_bytes()),
            1 => {
                [masked(0x01, &text.as_bytes()[..9]), masked(0x89, b"?"), masked(0x80, &text.as_bytes()[9..])].concat()
            }
            _ => masked(0x81, text.as_bytes()),
        });
        let said: Vec<u8> = said.flatten().collect();
        sent.extend(if seed.is_multiple_of(3) { said } else { damaged(&said, mixed) });
        let all = exchange(stage, &site, &[upgrade.as_bytes(), &sent].concat(), true).await;
        let (answer, length) = head(&all).expect("an upgrade");
        assert_eq!(answer.status, 101, "{answer:?}");
        for (kind, payload) in frames(&all[length..]) {
            let code = payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
            match kind {
                1 => assert_is_frame(&serde_json::from_slice(payload).unwrap_or_default()),
                8 => assert!(matches!(code, None | Some(1000 | 1002 | 1003 | 1007 | 1009 | 4503)), "{code:?}"),
                _ => assert!(matches!(kind, 9 | 10), "{kind}"),
            }
        }
    };
    beside(stage, &site, 300, each).await;
}

fn assert_is_frame(frame: &Value) {
    assert!(frame["type"].is_string() && frame["code"] != "internal", "{frame}");
    assert!(frame["type"] != "error" || (frame["code"].is_string() && frame["message"].is_string()), "{frame}");
}

async fn damaged_commands_of_a_session_are_answered_one_by_one(stage: Stage) {
    let site = house(stage, DEADLINE).await;
    let each = async |seed: u64| {
        let mixed: u64 = StdRng::seed_from_u64(seed).random();
        let mut eve = Polls::open(site.address).await;
        for n in 0..4 {
            let whole = format!("[{}]", some_commands(mixed + n).collect::<Vec<_>>().join(","));
            let body = damaged_text(&whole, mixed + n);
            let answer = eve.http.ask(Request::post(eve.path("/commands"), &body)).await;
            may_be(&answer, &body);
            // A number that no program can hold is JSON, and none that is taken.
            let Ok(commands) = serde_json::from_str::<Value>(&body) else { continue };
            assert_eq!(answer.status, 200, "{body}: {answer:?}");
            let answers = answer.json();
            assert_eq!(answers.as_array().map(Vec::len), Some(commands.as_array().map_or(1, Vec::len)), "{body}");
            answers.as_array().into_iter().flatten().for_each(assert_is_frame);
        }
        assert_eq!(eve.command(json!({"type": "ping"})).await[0]["type"], "pong");
    };
    beside(stage, &site, 150, each).await;
}
