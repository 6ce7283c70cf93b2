//! TLS: both transports over it, HTTP/2 with many polls on one socket, and a certificate that is replaced under way.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::longpoll::HELLO;
use crate::support::{DEADLINE, Stage, eventually, tls};

scenarios! {
    secure:
        what_is_said_over_websocket_is_heard_by_http2_and_the_other_way_round,
        many_polls_share_a_socket_and_the_end_of_one_session_is_nobody_elses,
        one_socket_has_only_so_many_requests_under_way,
        one_who_is_refused_again_and_again_is_cut_off,
        a_head_that_is_too_large_ends_its_socket,
        a_renewed_certificate_is_shown_without_a_restart_and_a_bad_one_is_not,
        a_peer_that_does_not_shake_hands_is_cut_off,
        the_server_says_that_it_is_to_be_asked_over_tls,
        one_who_speaks_http_1_over_tls_is_answered,
        a_page_of_the_server_itself_is_its_own_over_http2,
        browsers_are_told_to_come_back_over_tls_alone;
}

/// One socket on which HTTP/2 is spoken.
struct Socket(SendRequest<Bytes>);

impl Socket {
    async fn open(to: SocketAddr) -> Self {
        let stream = tls::connect(to, false, &["h2", "http/1.1"]).await.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self(client)
    }

    /// Asks, and leaves the socket free for others meanwhile.
    fn ask(&self, method: &str, path: &str, body: &str) -> impl Future<Output = (u16, Value)> + use<> {
        let request = http::Request::builder().method(method).uri(format!("https://localhost{path}"));
        self.send(request.header("content-type", "application/json"), body)
    }

    fn send(&self, request: http::request::Builder, body: &str) -> impl Future<Output = (u16, Value)> + use<> {
        let mut client = self.0.clone();
        let request = request.body(()).expect("a request");
        let body = Bytes::copy_from_slice(body.as_bytes());
        async move {
            poll_fn(|ctx| client.poll_ready(ctx)).await.expect("the socket is there");
            let (answer, mut sending) = client.send_request(request, body.is_empty()).expect("it is sent");
            if !body.is_empty() {
                sending.send_data(body, true).expect("it is sent");
            }
            let answer = timeout(DEADLINE, answer).await.expect("an answer in time").expect("an answer");
            let status = answer.status().as_u16();
            let (mut stream, mut text) = (answer.into_body(), Vec::new());
            while let Some(part) = stream.data().await {
                let part = part.expect("the socket is there");
                stream.flow_control().release_capacity(part.len()).expect("it was taken");
                text.extend_from_slice(&part);
            }
            (status, serde_json::from_slice(&text).unwrap_or_default())
        }
    }

    /// Begins a session; its secret.
    async fn hello(&self) -> String {
        let (status, welcome) = self.ask("POST", "/v1/sessions", HELLO).await;
        assert_eq!(status, 201, "{welcome}");
        welcome["session"].as_str().expect("a secret").to_owned()
    }

    async fn command(&self, session: &str, command: Value) -> Value {
        let (status, replies) =
            self.ask("POST", &format!("/v1/sessions/{session}/commands"), &command.to_string()).await;
        assert_eq!(status, 200, "{replies}");
        replies[0].clone()
    }

    /// Begins a session that hears a channel, and has heard everything so far; its secret, and the last event's number.
    async fn joined(&self, channel: &str) -> (String, u64) {
        let session = self.hello().await;
        assert_eq!(self.command(&session, json!({"type": "join", "channel": channel})).await["type"], "joined");
        let mut after = 0;
        loop {
            let path = format!("/v1/sessions/{session}/events?after={after}&wait=0");
            let (_, page) = self.ask("GET", &path, "").await;
            match page["next"].as_u64().expect("a number") {
                next if next == after && after > 0 => return (session, after),
                next => after = next,
            }
        }
    }

    /// Has as many requests under way as it may.
    async fn full(&self, session: &str) -> Vec<impl Sized + use<>> {
        let path = format!("/v1/sessions/{session}/commands");
        let mut held = Vec::new();
        for _ in 0..256 {
            let mut client = self.0.clone();
            poll_fn(|ctx| client.poll_ready(ctx)).await.expect("the socket is there");
            let request = http::Request::post(format!("https://localhost{path}")).body(()).expect("a request");
            held.push(client.send_request(request, false).expect("it begins"));
        }
        eventually("no more are taken", async || self.ask("GET", "/healthz", "").await.0 == 503).await;
        held
    }

    /// The answer's status; none if the socket is ended instead.
    async fn status(&self, request: http::Request<()>) -> Option<u16> {
        let mut client = self.0.clone();
        poll_fn(|ctx| client.poll_ready(ctx)).await.ok()?;
        let (answer, _) = client.send_request(request, true).ok()?;
        Some(timeout(DEADLINE, answer).await.expect("an answer or an end in time").ok()?.status().as_u16())
    }

    fn poll(&self, session: &str, after: u64) -> impl Future<Output = (u16, Value)> + use<> {
        self.ask("GET", &format!("/v1/sessions/{session}/events?after={after}&wait=20"), "")
    }
}

async fn what_is_said_over_websocket_is_heard_by_http2_and_the_other_way_round(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    let socket = Socket::open(site.address).await;
    let (session, last) = socket.joined("a").await;
    let parked = tokio::spawn(socket.poll(&session, last));
    ann.publish("a", "over TLS").await;
    let (_, page) = parked.await.expect("no panic");
    assert!(page["events"].to_string().contains("over TLS"), "{page}");
    let said = json!({"type": "publish", "id": "1", "channel": "a", "body": {"text": "back"}});
    let seq = socket.command(&session, said).await["seq"].as_u64().expect("a receipt");
    ann.hear("a", seq).await;
}

async fn many_polls_share_a_socket_and_the_end_of_one_session_is_nobody_elses(stage: Stage) {
    let site = stage.site().await;
    let socket = Socket::open(site.address).await;
    let mut all = Vec::new();
    for number in 0..40 {
        let (session, last) = socket.joined(&format!("c{number}")).await;
        let parked = tokio::spawn(socket.poll(&session, last));
        all.push((number, session, parked));
    }
    let (_, gone, leaving) = all.pop().expect("forty");
    assert_eq!(socket.ask("DELETE", &format!("/v1/sessions/{gone}"), "").await.0, 204);
    let (status, end) = leaving.await.expect("no panic");
    assert_eq!((status, &end["close"]), (404, &json!(1000)), "{end}");
    for (number, session, parked) in all {
        let said = json!({"type": "publish", "channel": format!("c{number}"), "body": {"text": "here"}});
        socket.command(&session, said).await;
        let (status, page) = parked.await.expect("no panic");
        assert_eq!(status, 200, "session {number}: {page}");
        assert!(page["events"].to_string().contains("here"), "session {number}: {page}");
    }
}

async fn one_socket_has_only_so_many_requests_under_way(stage: Stage) {
    let site = stage.site().await;
    let socket = Socket::open(site.address).await;
    let session = socket.hello().await;
    let held = socket.full(&session).await;
    drop(held);
    eventually("there is room again", async || socket.ask("GET", "/healthz", "").await.0 == 200).await;
    assert_eq!(socket.command(&session, json!({"type": "ping"})).await["type"], "pong");
}

async fn one_who_is_refused_again_and_again_is_cut_off(stage: Stage) {
    let site = stage.site().await;
    let socket = Socket::open(site.address).await;
    let session = socket.hello().await;
    let _held = socket.full(&session).await;
    let mut refused = 0;
    while let Some(status) = socket.status(get(&[])).await {
        assert_eq!(status, 503);
        refused += 1;
        assert!(refused < 1000, "it goes on");
    }
    assert!(refused > 900, "it ended after {refused}");
    assert_eq!(Socket::open(site.address).await.status(get(&[])).await, Some(200));
}

async fn a_head_that_is_too_large_ends_its_socket(stage: Stage) {
    let site = stage.site().await;
    let names: Vec<String> = (0..20_000).map(|number| format!("x-{number}")).collect();
    let (few, many) = (&names[..80], &names[..]);
    let socket = Socket::open(site.address).await;
    assert_eq!(socket.status(get(few)).await, Some(200));
    assert_eq!(socket.status(get(many)).await, None);
    assert_eq!(Socket::open(site.address).await.status(get(few)).await, Some(200));
}

/// A request with headers of these names.
fn get(names: &[String]) -> http::Request<()> {
    let request = http::Request::get("https://localhost/healthz");
    names.iter().fold(request, |request, name| request.header(name, "y")).body(()).expect("a request")
}

async fn a_renewed_certificate_is_shown_without_a_restart_and_a_bad_one_is_not(stage: Stage) {
    let site = stage.site().await;
    let files = site.config.server.tls.clone().expect("it speaks TLS");
    let mut ann = site.guest("ann").await;
    let first = tls::shown(site.address).await;
    std::fs::write(&files.cert, "no certificate").expect("it is written");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(tls::shown(site.address).await, first, "the old one stays");
    tls::files(files.cert.parent().expect("a folder"));
    eventually("the new one is shown", async || tls::shown(site.address).await != first).await;
    ann.catch_up().await;
}

async fn a_peer_that_does_not_shake_hands_is_cut_off(stage: Stage) {
    let site = stage.site_with(|config| config.limits.request_timeout = Duration::from_secs(1)).await;
    for said in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut silent = TcpStream::connect(site.address).await.expect("a connection");
        silent.write_all(said).await.expect("it is sent");
        let mut answer = Vec::new();
        let end = timeout(DEADLINE, silent.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "it goes on: {answer:?}");
        assert!(!answer.starts_with(b"HTTP"), "nothing is said in the clear");
    }
    site.guest("ann").await.catch_up().await;
}

/// Asks in HTTP/1.1.
async fn plain(to: SocketAddr, path: &str) -> String {
    let mut stream = tls::connect(to, false, &[]).await.unwrap_or_else(|why| panic!("{why}"));
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("an end in time").expect("a clean end");
    answer
}

async fn the_server_says_that_it_is_to_be_asked_over_tls(stage: Stage) {
    let site = stage.site_with(|config| config.web.chat = false).await;
    let page = plain(site.address, "/").await;
    assert!(page.contains("wss://localhost/v1/ws") && !page.contains("http://"), "{page}");
}

async fn one_who_speaks_http_1_over_tls_is_answered(stage: Stage) {
    let site = stage.site().await;
    for (path, status) in [("/v1/channels", "200"), ("/v1/nothing", "404"), ("/v1/ws", "400")] {
        let answer = plain(site.address, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
}

async fn a_page_of_the_server_itself_is_its_own_over_http2(stage: Stage) {
    let site = stage.site().await;
    let socket = Socket::open(site.address).await;
    for (origin, status) in
        [("https://localhost", 200), ("http://localhost", 403), ("https://elsewhere.example", 403), ("null", 403)]
    {
        let request = http::Request::get("https://localhost/v1/channels").header("origin", origin);
        assert_eq!(socket.send(request, "").await.0, status, "{origin}");
    }
}

async fn browsers_are_told_to_come_back_over_tls_alone(stage: Stage) {
    let site = stage.site().await;
    for path in ["/", "/v1/channels", "/healthz", "/nothing"] {
        let answer = plain(site.address, path).await.to_ascii_lowercase();
        assert_eq!(answer.matches("strict-transport-security: max-age=31536000").count(), 1, "{path}: {answer}");
    }
}
