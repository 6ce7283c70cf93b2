//! What every frame has to be like: ids and replies, and what happens to nonsense.

use serde_json::json;

use crate::support::{Client, Stage, Transport, publish};

scenarios! {
    once:
        replies_carry_the_id_and_a_command_without_one_gets_none,
        an_error_without_an_id_is_an_event,
        an_id_is_a_string_of_1_to_64_bytes,
        nonsense_is_a_bad_frame_and_the_session_lives_on,
        a_member_that_is_missing_or_of_a_wrong_type_is_a_bad_frame,
        a_name_outside_its_grammar_is_a_bad_frame,
        a_number_above_the_highest_place_is_a_bad_frame,
        a_frame_is_at_most_32_deep,
        a_lone_surrogate_is_refused_and_not_stored,
        fifteen_bad_frames_and_a_good_one_are_forgiven,
        sixteen_bad_frames_in_a_row_end_the_session_and_no_other,
        an_unknown_type_is_no_bad_frame,
        ping_is_answered_with_the_time;
}

/// Texts that are no frames. The first sixteen are JSON all the same; the others no request over long-poll can carry:
/// it is refused, and the session does not hear of it.
const NONSENSE: [&str; 28] = [
    "[]",
    "null",
    "1",
    "\"ping\"",
    "[{\"type\":\"ping\"}]",
    "{}",
    "{\"type\":1}",
    "{\"type\":null}",
    "{\"type\":[\"ping\"]}",
    "{\"type\":\"ping\",\"x\":\"\\ud83d\"}",
    "{\"type\":\"ping\",\"\\udc00\":1}",
    "true",
    "-1e9",
    "[[],{}]",
    "{\"kind\":\"ping\"}",
    "\"\"",
    "",
    " ",
    "hello",
    "{",
    "}",
    "{\"type\":\"ping\"}{\"type\":\"ping\"}",
    "{\"type\":\"ping\",}",
    "{\"type\":\"ping\" \"id\":\"1\"}",
    "{'type':'ping'}",
    "{\"type\":\"ping\",\"x\":NaN}",
    "{\"type\":\"ping\",\"x\":\"\u{1}\"}",
    "\u{feff}{\"type\":\"ping\"}",
];

/// Those of them that reach this client's session.
fn nonsense(client: &Client) -> &'static [&'static str] {
    if client.way() == Transport::WebSocket { &NONSENSE } else { &NONSENSE[..16] }
}

async fn replies_carry_the_id_and_a_command_without_one_gets_none(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.send(json!({"type": "ping"}));
    ann.send(json!({"type": "join", "channel": "a"}));
    ann.send(publish("a", "one", json!({})));
    for id in ["1", "x", "ä", &"y".repeat(64), "with \"quotes\" and \\"] {
        ann.send(json!({"type": "ping", "id": id}));
        let pong = ann.reply(id).await;
        assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!(id)));
    }
    ann.hear("a", 1).await;
    let stray: Vec<_> = ann.pending().filter(|event| event["type"] == "pong" || event["type"] == "published").collect();
    assert!(stray.is_empty(), "a command without an id was answered: {stray:?}");
}

async fn an_error_without_an_id_is_an_event(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.send(json!({"type": "join", "channel": "NOT A NAME"}));
    let error = ann.event("error").await;
    assert_eq!((&error["code"], error.get("id")), (&json!("bad_frame"), None));
    ann.send(json!({"type": "typing", "channel": "a"}));
    let error = ann.event("error").await;
    assert!(error["code"] == "not_joined" || error["code"] == "not_found", "{error}");
}

async fn an_id_is_a_string_of_1_to_64_bytes(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    for id in [json!(""), json!("y".repeat(65)), json!(7), json!(true), json!(["1"]), json!({"a": 1})] {
        ann.send(json!({"type": "ping", "id": id}));
        let error = ann.event("error").await;
        assert_eq!((&error["code"], error.get("id")), (&json!("bad_frame"), None), "id {id}");
    }
}

async fn nonsense_is_a_bad_frame_and_the_session_lives_on(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    for text in NONSENSE {
        ann.send_text(text);
        let error = ann.event("error").await;
        assert_eq!(error["code"], "bad_frame", "{text:?}: {error}");
        ann.catch_up().await;
    }
}

async fn a_member_that_is_missing_or_of_a_wrong_type_is_a_bad_frame(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    for command in [
        json!({"type": "join"}),
        json!({"type": "join", "channel": 1}),
        json!({"type": "join", "channel": "a", "member": "yes"}),
        json!({"type": "join", "channel": "a", "tail": -1}),
        json!({"type": "join", "channel": "a", "tail": "3"}),
        json!({"type": "join", "channel": "a", "since": 3}),
        json!({"type": "join", "channel": "a", "since": {"seq": 3}}),
        json!({"type": "join", "channel": "a", "since": {"epoch": "x"}}),
        json!({"type": "join", "channel": "a", "since": ["x", 3]}),
        json!({"type": "leave"}),
        json!({"type": "leave", "channel": "a", "only": "me"}),
        json!({"type": "publish", "channel": "a"}),
        json!({"type": "publish", "body": {}}),
        json!({"type": "publish", "channel": "a", "body": "words"}),
        json!({"type": "publish", "channel": "a", "body": ["words"]}),
        json!({"type": "publish", "channel": "a", "body": null}),
        json!({"type": "publish", "channel": "a", "body": {}, "key": ""}),
        json!({"type": "publish", "channel": "a", "body": {}, "key": "k".repeat(65)}),
        json!({"type": "publish", "channel": "a", "body": {}, "key": 1}),
        json!({"type": "publish", "channel": "a", "body": {}, "base": "1"}),
        json!({"type": "publish", "channel": "a", "body": {}, "ref": "1"}),
        json!({"type": "publish", "channel": "a", "body": {}, "ref": -1}),
        json!({"type": "history"}),
        json!({"type": "history", "channel": "a", "before": "x"}),
        json!({"type": "history", "channel": "a", "limit": 0}),
        json!({"type": "history", "channel": "a", "limit": -1}),
        json!({"type": "history", "channel": "a", "hour": "10"}),
        json!({"type": "presence"}),
        json!({"type": "presence", "users": "ann"}),
        json!({"type": "presence", "users": [1]}),
        json!({"type": "who"}),
        json!({"type": "who", "channel": "a", "limit": 0}),
        json!({"type": "watch"}),
        json!({"type": "watch", "users": "ann"}),
        json!({"type": "typing"}),
        json!({"type": "read", "channel": "a"}),
        json!({"type": "read", "channel": "a", "seq": "1"}),
        json!({"type": "channels", "limit": 0}),
    ] {
        assert_eq!(ann.refused(command.clone()).await, "bad_frame", "{command}");
        ann.catch_up().await;
    }
    assert_eq!(ann.history("a", json!({})).await["head"], 0, "nothing was stored");
}

async fn a_name_outside_its_grammar_is_a_bad_frame(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let long = "x".repeat(65);
    for name in ["", "A", "-a", ".a", "_a", "a b", "ä", "a/b", "a\u{0}", "#a", "@", "@@a", "@Bob", "@a:b:c", &long] {
        for command in [
            json!({"type": "join", "channel": name}),
            json!({"type": "publish", "channel": name, "body": {}}),
            json!({"type": "history", "channel": name}),
            json!({"type": "who", "channel": name}),
        ] {
            assert_eq!(ann.refused(command.clone()).await, "bad_frame", "{command}");
        }
        ann.catch_up().await;
    }
    for name in ["", "Ann", "a b", "~ann", "~ann-ABCDE", &long] {
        let command = json!({"type": "presence", "users": [name]});
        assert_eq!(ann.refused(command.clone()).await, "bad_frame", "{command}");
    }
    ann.join(&"x".repeat(64)).await;
    ann.join("0._-").await;
}

async fn a_number_above_the_highest_place_is_a_bad_frame(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let epoch = ann.join("a").await["epoch"].clone();
    let (highest, above) = ((1_u64 << 53) - 1, 1_u64 << 53);
    for command in [
        json!({"type": "join", "channel": "a", "since": {"epoch": epoch, "seq": above}}),
        json!({"type": "history", "channel": "a", "after": above}),
        json!({"type": "read", "channel": "a", "seq": u64::MAX}),
        json!({"type": "publish", "channel": "a", "body": {}, "base": above}),
    ] {
        assert_eq!(ann.refused(command.clone()).await, "bad_frame", "{command}");
    }
    ann.send_text(r#"{"type":"history","channel":"a","after":1e400}"#);
    assert_eq!(ann.event("error").await["code"], "bad_frame");
    ann.history("a", json!({"after": highest})).await;
}

async fn a_frame_is_at_most_32_deep(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    // The frame is the first level, the body the second.
    let nested = |depth: usize| {
        let (open, shut) = ("[".repeat(depth - 2), "]".repeat(depth - 2));
        format!(r#"{{"type":"publish","id":"d{depth}","channel":"a","body":{{"deep":{open}{shut}}}}}"#)
    };
    for depth in [33, 34, 1000, 8000] {
        ann.send_text(nested(depth));
        assert_eq!(ann.event("error").await["code"], "bad_frame", "{depth} deep");
    }
    ann.send_text(nested(32));
    assert_eq!(ann.reply("d32").await["type"], "published");
    ann.hear("a", 1).await;
}

async fn a_lone_surrogate_is_refused_and_not_stored(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    for body in [r#"{"text":"\ud83d"}"#, r#"{"text":"\udc00x"}"#, r#"{"\udfff":1}"#, r#"{"a":[{"b":"\ud83d\ud83d"}]}"#]
    {
        ann.send_text(format!(r#"{{"type":"publish","channel":"a","body":{body}}}"#));
        assert_eq!(ann.event("error").await["code"], "bad_frame", "{body}");
    }
    ann.send_text(r#"{"type":"publish","id":"good","channel":"a","body":{"text":"\ud83d\ude00"}}"#);
    assert_eq!(ann.reply("good").await["seq"], 1);
    ann.hear("a", 1).await;
    assert_eq!(ann.heard("a")[&1]["body"]["text"], "\u{1f600}");
}

/// Sends so many frames of which each is bad in another way.
async fn be_bad(client: &mut Client, times: usize) {
    let texts = nonsense(client);
    for n in 0..times {
        client.send_text(texts[n % texts.len()]);
    }
    for n in 0..times {
        let error = client.event("error").await;
        assert_eq!(error["code"], "bad_frame", "number {n}: {error}");
    }
}

async fn fifteen_bad_frames_and_a_good_one_are_forgiven(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    for _ in 0..4 {
        be_bad(&mut ann, 15).await;
        ann.catch_up().await;
    }
}

async fn sixteen_bad_frames_in_a_row_end_the_session_and_no_other(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut other = ann.twin().await;
    bob.join("a").await;
    for text in nonsense(&ann).iter().rev().take(16) {
        ann.send_text(*text);
    }
    for n in 1..=15 {
        let error = ann.event("error").await;
        assert_eq!((&error["code"], error.get("close")), (&json!("bad_frame"), None), "number {n}");
    }
    ann.is_shut_out("bad_frame", 4503).await;
    other.catch_up().await;
    bob.publish("a", "still here").await;
}

async fn an_unknown_type_is_no_bad_frame(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    for n in 0..20 {
        let kind = ["no_such", "", "PING", "ping ", "message", "welcome"][n % 6];
        assert_eq!(ann.refused(json!({"type": kind})).await, "unknown_type", "{kind:?}");
    }
    ann.catch_up().await;
}

async fn ping_is_answered_with_the_time(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let (mut last, begun) = (String::new(), ann.welcome()["now"].as_str().unwrap_or_default().to_owned());
    for _ in 0..5 {
        let pong = ann.ask(json!({"type": "ping"})).await;
        let now = pong["now"].as_str().unwrap_or_default().to_owned();
        assert!(crate::support::is_time(&now) && now >= last && now >= begun, "{pong}");
        last = now;
    }
}
