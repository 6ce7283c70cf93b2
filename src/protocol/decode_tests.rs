//! What the decoder takes and what it refuses.

use super::*;

pub(super) const BOUNDS: Bounds = Bounds { body_bytes: 100, page_max: 10 };

pub(super) fn me() -> UserName {
    UserName::parse("~ann-abcde").unwrap()
}

fn read(text: &str) -> Result<Command, Problem> {
    let frame = Incoming::read(text).map_err(|(_, problem)| problem)?;
    frame.command(&me(), &BOUNDS)
}

fn code(text: &str) -> ErrorCode {
    read(text).expect_err(text).code
}

/// Commands of each type.
pub(super) const EACH: [&str; 31] = [
    r#"{"type":"join","channel":"a"}"#,
    r#"{"type":"join","channel":"a","since":{"epoch":"e","seq":0},"member":false}"#,
    r#"{"type":"join","channel":"a","tail":0,"more":{"x":1}}"#,
    r#"{"type":"leave","channel":"a","only":"session"}"#,
    r#"{"type":"publish","channel":"a","body":{}}"#,
    r#"{"type":"publish","channel":"a","body":{"text":"\u0000"},"key":"k","base":0,"kind":"x-y","ref":1}"#,
    r#"{"type":"history","channel":"a","hour":"2026-11-22T10","limit":99999}"#,
    r#"{"type":"history","channel":"@bob","before":9,"after":3}"#,
    r#"{"type":"presence","users":["ann","~ann-abcde"]}"#,
    r#"{"type":"who","channel":"a"}"#,
    r#"{"type":"watch","users":["ann"],"channel":"a"}"#,
    r#"{"type":"unwatch","channel":"a"}"#,
    r#"{"type":"typing","channel":"a"}"#,
    r#"{"type":"read","channel":"a","seq":9007199254740991}"#,
    r#"{"type":"channels","after":"a"}"#,
    r#"{"type":"channels","channel":7,"limit":3}"#,
    r#"{"type":"contacts"}"#,
    r#"{"type":"contacts","add":["ann","~ann-abcde"],"remove":[]}"#,
    r#"{"type":"visible","on":false}"#,
    r#"{"type":"refresh","token":"t"}"#,
    r#"{"type":"ping","id":"é"}"#,
    r#"{"type":"logout"}"#,
    r#"{"type":"create","channel":"a","private":true,"title":"A room"}"#,
    r#"{"type":"members","channel":"a","after":"bob","limit":3}"#,
    r#"{"type":"invite","channel":"a","user":"bob"}"#,
    r#"{"type":"kick","channel":"a","user":"~bob-abcde","reason":"noise"}"#,
    r#"{"type":"ban","channel":"a","user":"bob","reason":""}"#,
    r#"{"type":"unban","channel":"a","user":"bob"}"#,
    r#"{"type":"role","channel":"a","user":"bob","role":"moderator"}"#,
    r#"{"type":"delete","channel":"a"}"#,
    r#"{"type":"who","channel":"a","after":"bob","limit":1}"#,
];

#[test]
fn a_command_of_each_type_is_read() {
    for good in EACH {
        assert!(read(good).is_ok(), "{good}: {:?}", read(good));
    }
}

#[test]
fn frames_outside_the_grammar_are_bad_frames() {
    for bad in [
        r#"{"type":"join"}"#,
        r#"{"type":"join","channel":"A"}"#,
        r#"{"type":"join","channel":7}"#,
        r#"{"type":"join","channel":"a","since":{"epoch":"e","seq":1},"tail":1}"#,
        r#"{"type":"join","channel":"a","since":["e",1]}"#,
        r#"{"type":"join","channel":"a","since":{"epoch":"e","seq":9007199254740992}}"#,
        r#"{"type":"join","channel":"a","tail":-1}"#,
        r#"{"type":"join","channel":"a","channel":"b"}"#,
        r#"{"type":"leave","channel":"a","only":"user"}"#,
        r#"{"type":"publish","channel":"a"}"#,
        r#"{"type":"publish","channel":"a","body":"x"}"#,
        r#"{"type":"publish","channel":"a","body":{},"key":""}"#,
        r#"{"type":"publish","channel":"a","body":{},"kind":"poll"}"#,
        r#"{"type":"publish","channel":"a","body":{},"base":1.5}"#,
        r#"{"type":"publish","channel":"a","body":{},"ref":0}"#,
        r#"{"type":"history","channel":"a","limit":0}"#,
        r#"{"type":"history","channel":"a","hour":"today"}"#,
        r#"{"type":"presence","users":["Ann"]}"#,
        r#"{"type":"contacts","add":"ann"}"#,
        r#"{"type":"contacts","remove":["Ann"]}"#,
        r#"{"type":"visible"}"#,
        r#"{"type":"visible","on":"no"}"#,
        r#"{"type":"visible","on":0}"#,
        r#"{"type":"who"}"#,
        r#"{"type":"watch"}"#,
        r#"{"type":"ping","id":""}"#,
        r#"{"type":"ping","id":7}"#,
        r#"{"type":7}"#,
        r"{}",
        "[]",
        "nonsense",
        "",
    ] {
        assert_eq!(code(bad), ErrorCode::BadFrame, "{bad}");
    }
    let long = "x".repeat(65);
    assert_eq!(code(&format!(r#"{{"type":"ping","id":"{long}"}}"#)), ErrorCode::BadFrame);
    assert_eq!(code(&format!(r#"{{"type":"publish","channel":"a","body":{{}},"key":"{long}"}}"#)), ErrorCode::BadFrame);
}

#[test]
fn other_refusals_have_codes_of_their_own() {
    assert_eq!(code(r#"{"type":"dance"}"#), ErrorCode::UnknownType);
    for kind in ["edit", "delete", "reaction", "server.note"] {
        let text = format!(r#"{{"type":"publish","channel":"a","body":{{}},"kind":"{kind}"}}"#);
        assert_eq!(code(&text), ErrorCode::Forbidden);
    }
    let large = format!(r#"{{"type":"publish","channel":"a","body":{{"text":"{}"}}}}"#, "x".repeat(100));
    assert_eq!(code(&large), ErrorCode::TooLarge);
    let many = vec!["\"ann\""; 501].join(",");
    assert_eq!(code(&format!(r#"{{"type":"presence","users":[{many}]}}"#)), ErrorCode::TooLarge);
}

#[test]
fn an_error_keeps_the_id_where_it_can_be_read() {
    let (id, _) = Incoming::read(r#"{"type":7,"id":"x"}"#).unwrap_err();
    assert_eq!(id.as_deref(), Some("x"));
}

#[test]
fn a_hello_needs_a_version_that_is_spoken() {
    let hello = |text: &str| Incoming::read(text).unwrap().hello().unwrap();
    assert!(hello(r#"{"type":"hello","version":1,"guest":"ann","future":[]}"#).is_ok());
    assert_eq!(hello(r#"{"type":"hello","version":2}"#).unwrap_err().code, ErrorCode::VersionUnsupported);
    for bad in
        [r#"{"type":"hello"}"#, r#"{"type":"hello","version":"1"}"#, r#"{"type":"hello","version":1,"guest":"Ann"}"#]
    {
        assert_eq!(hello(bad).unwrap_err().code, ErrorCode::BadFrame, "{bad}");
    }
}

#[test]
fn a_body_is_kept_to_the_letter() {
    let text = r#"{"type":"publish","channel":"a","body":{ "n": 1.000, "n2":12345678901234567890123 }}"#;
    let Command::Publish(publish) = read(text).unwrap() else { panic!("a publish") };
    assert_eq!(publish.body, r#"{ "n": 1.000, "n2":12345678901234567890123 }"#);
}
