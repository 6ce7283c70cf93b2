//! What only WebSocket has: the upgrade, frames as RFC 6455 draws them, and who may come from where.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::{Answer, Raw, Sent, Stage, Upgrade, get};

scenarios! {
    websocket:
        the_subprotocol_is_accepted_if_it_is_offered,
        a_page_of_a_foreign_origin_is_refused,
        an_origin_that_the_configuration_allows_is_let_in,
        a_token_may_come_in_a_header,
        a_bad_token_in_a_header_is_refused_by_close_code,
        a_request_without_an_upgrade_is_refused,
        a_text_in_pieces_is_one_frame,
        a_ping_between_the_pieces_is_answered_at_once,
        a_binary_message_ends_the_session_with_1003,
        text_that_is_not_utf_8_ends_the_session_with_1007,
        a_frame_above_the_limit_ends_the_session_with_1009,
        pieces_that_are_too_large_together_end_the_session_with_1009,
        a_broken_frame_ends_the_session_with_1002,
        a_close_is_answered_by_a_close,
        one_address_may_have_so_many_connections;
}

/// Hello, and what comes after it.
const HELLO: &str = r#"{"type":"hello","id":"h","version":1,"guest":"ann"}"#;
const PING: &str = r#"{"type":"ping","id":"p"}"#;

async fn upgrade(to: SocketAddr, headers: &[(&str, &str)]) -> Raw {
    match Raw::upgrade(to, headers).await {
        Upgrade::Done(raw) => raw,
        Upgrade::Refused(answer) => panic!("{headers:?} was refused: {answer:?}"),
    }
}

async fn refusal(to: SocketAddr, headers: &[(&str, &str)]) -> Answer {
    match Raw::upgrade(to, headers).await {
        Upgrade::Done(_) => panic!("{headers:?} was let in"),
        Upgrade::Refused(answer) => answer,
    }
}

async fn is_well(raw: &mut Raw) {
    raw.send(Sent::TEXT, PING.as_bytes()).await;
    let pong = raw.frame().await;
    assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!("p")));
}

async fn the_subprotocol_is_accepted_if_it_is_offered(stage: Stage) {
    let site = stage.site().await;
    for (offered, expected) in [
        (None, None),
        (Some("parlor.v1"), Some("parlor.v1")),
        (Some("other, parlor.v1"), Some("parlor.v1")),
        (Some("parlor.v2"), None),
    ] {
        let headers: Vec<_> = offered.map(|offered| ("Sec-WebSocket-Protocol", offered)).into_iter().collect();
        let mut raw = upgrade(site.address, &headers).await;
        assert_eq!(raw.answer.header("sec-websocket-protocol"), expected, "offered {offered:?}");
        raw.send(Sent::TEXT, HELLO.as_bytes()).await;
        assert_eq!(raw.frame().await["type"], "welcome");
    }
    // The answer to the key of RFC 6455, section 1.3.
    let raw = upgrade(site.address, &[]).await;
    assert_eq!(raw.answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

async fn a_page_of_a_foreign_origin_is_refused(stage: Stage) {
    let site = stage.site().await;
    let own = format!("http://{}", site.address);
    upgrade(site.address, &[]).await;
    upgrade(site.address, &[("Origin", &own)]).await;
    let other_port = format!("http://{}:1", site.address.ip());
    for foreign in ["https://evil.example", "null", "http://127.0.0.1.evil.example", &other_port] {
        let answer = refusal(site.address, &[("Origin", foreign)]).await;
        assert_eq!(answer.status, 403, "{foreign}: {answer:?}");
    }
}

async fn an_origin_that_the_configuration_allows_is_let_in(stage: Stage) {
    let allowed = vec!["https://chat.example.org".to_owned()];
    let site = stage.site_with(|config| config.server.allowed_origins = allowed).await;
    upgrade(site.address, &[("Origin", "https://chat.example.org")]).await;
    for foreign in ["http://chat.example.org", "https://chat.example.org:8443", "https://x.chat.example.org"] {
        assert_eq!(refusal(site.address, &[("Origin", foreign)]).await.status, 403, "{foreign}");
    }
    let site = stage.site_with(|config| config.server.allowed_origins = vec!["*".to_owned()]).await;
    upgrade(site.address, &[("Origin", "https://anywhere.example")]).await;
}

async fn a_token_may_come_in_a_header(stage: Stage) {
    let site = stage.site().await;
    let ann = site.guest("ann").await;
    let bearer = format!("Bearer {}", ann.token());
    let mut raw = upgrade(site.address, &[("Authorization", &bearer)]).await;
    raw.send(Sent::TEXT, br#"{"type":"hello","version":1}"#).await;
    let welcome = raw.frame().await;
    assert_eq!((&welcome["type"], &welcome["user"]), (&json!("welcome"), &json!(ann.user())), "{welcome}");
}

async fn a_bad_token_in_a_header_is_refused_by_close_code(stage: Stage) {
    let site = stage.site().await;
    let mut raw = upgrade(site.address, &[("Authorization", "Bearer no-such-token")]).await;
    raw.send(Sent::TEXT, br#"{"type":"hello","version":1}"#).await;
    let (code, error) = raw.close_code().await;
    assert_eq!(code, 4500);
    assert_eq!(error.map(|error| error["code"].clone()), Some(json!("unauthenticated")));
}

async fn a_request_without_an_upgrade_is_refused(stage: Stage) {
    let site = stage.site().await;
    let answer = get(site.address, "/v1/ws").await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
}

async fn a_text_in_pieces_is_one_frame(stage: Stage) {
    let site = stage.site().await;
    let mut raw = Raw::open(site.address).await;
    let hello = HELLO.as_bytes();
    raw.send_raw(Sent::TEXT, &hello[..10], true).await;
    raw.send_raw(Sent::MORE, &[], true).await;
    raw.send_raw(Sent::MORE, &hello[10..11], true).await;
    raw.send(Sent::MORE, &hello[11..]).await;
    assert_eq!(raw.frame().await["type"], "welcome");
    // A character may be cut in two (RFC 6455, section 5.6).
    let text = r#"{"type":"ping","id":"ä"}"#.as_bytes();
    let cut = text.iter().position(|byte| *byte >= 0x80).expect("a long character") + 1;
    raw.send_raw(Sent::TEXT, &text[..cut], true).await;
    raw.send(Sent::MORE, &text[cut..]).await;
    assert_eq!(raw.frame().await["id"], "ä");
}

async fn a_ping_between_the_pieces_is_answered_at_once(stage: Stage) {
    let site = stage.site().await;
    let (mut raw, _) = Raw::welcome(site.address, HELLO).await;
    let ping = PING.as_bytes();
    raw.send_raw(Sent::TEXT, &ping[..10], true).await;
    raw.send(Sent::PING, b"are you there?").await;
    loop {
        match raw.next().await {
            Some((Sent::PONG, payload)) => break assert_eq!(payload, b"are you there?"),
            Some((Sent::PING, _)) => {}
            other => panic!("expected a pong, got {other:?}"),
        }
    }
    raw.send(Sent::MORE, &ping[10..]).await;
    assert_eq!(raw.frame().await["type"], "pong");
}

async fn a_binary_message_ends_the_session_with_1003(stage: Stage) {
    let site = stage.site().await;
    let (mut raw, _) = Raw::welcome(site.address, HELLO).await;
    raw.send(Sent::BINARY, PING.as_bytes()).await;
    assert_eq!(raw.close_code().await.0, 1003);
    let mut raw = Raw::open(site.address).await;
    raw.send(Sent::BINARY, HELLO.as_bytes()).await;
    assert_eq!(raw.close_code().await.0, 1003);
}

async fn text_that_is_not_utf_8_ends_the_session_with_1007(stage: Stage) {
    let site = stage.site().await;
    let (mut bystander, _) = Raw::welcome(site.address, HELLO).await;
    for text in [&b"{\"type\":\"ping\",\"x\":\"\xff\"}"[..], b"\xc3", b"{\"a\":\"\xed\xa0\x80\"}", b"\xc0\xaf"] {
        let (mut raw, _) = Raw::welcome(site.address, HELLO).await;
        raw.send(Sent::TEXT, text).await;
        assert_eq!(raw.close_code().await.0, 1007, "{text:?}");
    }
    is_well(&mut bystander).await;
}

async fn a_frame_above_the_limit_ends_the_session_with_1009(stage: Stage) {
    let site = stage.site_with(|config| {
        config.limits.frame_bytes = 2000;
        config.limits.body_bytes = 1000;
    });
    let site = site.await;
    let (mut raw, _) = Raw::welcome(site.address, HELLO).await;
    let padded = |length: usize| format!("{PING}{}", " ".repeat(length - PING.len()));
    raw.send(Sent::TEXT, padded(2000).as_bytes()).await;
    assert_eq!(raw.frame().await["type"], "pong", "the limit itself is allowed");
    raw.send(Sent::TEXT, padded(2001).as_bytes()).await;
    assert_eq!(raw.close_code().await.0, 1009);
    let (mut raw, _) = Raw::welcome(site.address, HELLO).await;
    raw.send(Sent::TEXT, padded(300_000).as_bytes()).await;
    assert_eq!(raw.close_code().await.0, 1009);
}

async fn pieces_that_are_too_large_together_end_the_session_with_1009(stage: Stage) {
    let site = stage.site_with(|config| {
        config.limits.frame_bytes = 2000;
        config.limits.body_bytes = 1000;
    });
    let site = site.await;
    let (mut raw, _) = Raw::welcome(site.address, HELLO).await;
    raw.send_raw(Sent::TEXT, PING.as_bytes(), true).await;
    for _ in 0..10 {
        raw.send_raw(Sent::MORE, &[b' '; 300], true).await;
    }
    assert_eq!(raw.close_code().await.0, 1009);
}

async fn a_broken_frame_ends_the_session_with_1002(stage: Stage) {
    let site = stage.site().await;
    let (mut bystander, _) = Raw::welcome(site.address, HELLO).await;
    let text = PING.as_bytes();
    let cases = [
        ("no mask", 0x80 | Sent::TEXT, text, false),
        ("a reserved opcode", 0x80 | 3, text, true),
        ("a piece of nothing", 0x80 | Sent::MORE, text, true),
        ("a ping in pieces", Sent::PING, b"x", true),
        ("a long ping", 0x80 | Sent::PING, &[b'x'; 126], true),
    ];
    for (what, first, payload, masked) in cases {
        let (mut raw, _) = Raw::welcome(site.address, HELLO).await;
        raw.send_raw(first, payload, masked).await;
        assert_eq!(raw.close_code().await.0, 1002, "{what}");
    }
    is_well(&mut bystander).await;
}

async fn a_close_is_answered_by_a_close(stage: Stage) {
    let site = stage.site().await;
    let (mut raw, _) = Raw::welcome(site.address, HELLO).await;
    raw.send(Sent::CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(raw.close_code().await.0, 1000);
    assert_eq!(raw.next().await, None, "the server ends the connection");
}

async fn one_address_may_have_so_many_connections(stage: Stage) {
    let site = stage.site_with(|config| config.limits.connections_per_address = 3).await;
    let (mut first, _) = Raw::welcome(site.address, HELLO).await;
    let (mut second, _) = Raw::welcome(site.address, HELLO).await;
    let (third, _) = Raw::welcome(site.address, HELLO).await;
    let mut fourth = Raw::open(site.address).await;
    fourth.send(Sent::TEXT, HELLO.as_bytes()).await;
    let (code, error) = fourth.close_code().await;
    let error = error.expect("an error before the close");
    assert_eq!((code, &error["code"], &error["close"]), (4003, &json!("overloaded"), &json!(4003)));
    assert!(error["retry_after_ms"].is_u64(), "{error}");
    is_well(&mut first).await;
    is_well(&mut second).await;
    drop((third, fourth));
    let begun = std::time::Instant::now();
    loop {
        let mut next = Raw::open(site.address).await;
        next.send(Sent::TEXT, HELLO.as_bytes()).await;
        if next.frame().await["type"] == "welcome" {
            break;
        }
        assert!(begun.elapsed() < crate::support::DEADLINE, "there is room again, and nobody is let in");
        crate::support::pause(20).await;
    }
}
