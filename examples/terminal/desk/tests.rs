//! The desk, fed by hand.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use parlor::client::{Cursor, Error, Event, History, Message, State, Transport};
use parlor::model::{Epoch, Moment, Wall};
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, Farewell, Line, Now};

const NOON: Now = Now { at: Moment(0), wall: Wall(1_795_348_800_000) };

pub(super) fn utc(at: Wall) -> NaiveDateTime {
    DateTime::from_timestamp_millis(at.0).unwrap().naive_utc()
}

fn at(ms: u64) -> Now {
    Now { at: Moment(ms), ..NOON }
}

fn paint(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.paint(false)).collect()
}

fn message(channel: &str, seq: u64, from: &str, more: Value) -> Message {
    let mut frame = json!({"channel": channel, "seq": seq, "at": "2026-11-22T10:42:00.000Z", "from": from});
    frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(frame).unwrap()
}

fn words(channel: &str, seq: u64, from: &str, text: &str) -> Event {
    Event::Message(message(channel, seq, from, json!({"body": {"text": text}})))
}

fn joined(channel: &str, head: u64, up_to: u64) -> Event {
    let frame = json!({"channel": channel, "epoch": "e", "head": head, "first": 1, "next": head + 1});
    let mut joined: parlor::client::Joined = serde_json::from_value(frame).unwrap();
    joined.cursor = cursor(up_to);
    Event::Joined(joined)
}

fn cursor(seq: u64) -> Cursor {
    Cursor { epoch: Epoch("e".into()), seq }
}

/// Ann, online, in the lobby.
fn desk() -> Desk {
    let mut desk = Desk::new("http://here", utc, vec![("lobby".into(), None)]);
    desk.be(Some("~ann-11111".into()));
    desk.heard(&Event::State(State::Online(Transport::WebSocket)), NOON);
    desk
}

fn hear(desk: &mut Desk, event: Event) -> Vec<String> {
    paint(&desk.heard(&event, NOON))
}

fn type_in(desk: &mut Desk, line: &str) -> (Vec<String>, Vec<Ask>) {
    let turn = desk.typed(line, NOON);
    (paint(&turn.lines), turn.asks)
}

#[test]
fn messages_are_shown_with_time_channel_and_name_and_ones_own_as_you() {
    let mut desk = desk();
    assert_eq!(hear(&mut desk, words("lobby", 1, "~bob-22222", "hi")), ["[10:42] #lobby bob~22222: hi"]);
    assert_eq!(hear(&mut desk, words("lobby", 2, "~ann-11111", "hello")), ["[10:42] #lobby you: hello"]);
    assert_eq!(hear(&mut desk, words("lobby", 3, "you", "a name")), ["[10:42] #lobby @you: a name"]);
    let answer = json!({"ref": 2, "body": {"text": "yes"}});
    let answer = Event::Message(message("lobby", 4, "bob", answer));
    assert_eq!(hear(&mut desk, answer), ["[10:42] #lobby bob (to you): yes"]);
}

#[test]
fn what_is_of_an_unknown_kind_is_had_and_not_shown() {
    let mut desk = desk();
    let odd = message("lobby", 1, "bob", json!({"kind": "x-dance", "body": {"text": "no"}}));
    assert!(hear(&mut desk, Event::Message(odd)).is_empty());
    let bare = message("lobby", 2, "bob", json!({"body": {"n": 1}}));
    assert_eq!(hear(&mut desk, Event::Message(bare)), ["[10:42] #lobby bob: {\"n\":1}"]);
    let (status, _) = type_in(&mut desk, "/status");
    assert_eq!(status.last().unwrap(), "channel  #lobby: had up to 2 of epoch ");
}

#[test]
fn joining_is_told_once_and_coming_back_says_what_is_new() {
    let mut desk = desk();
    assert_eq!(hear(&mut desk, joined("lobby", 12, 2)), ["in #lobby, 12 messages so far"]);
    assert!(hear(&mut desk, joined("lobby", 13, 12)).is_empty(), "after a lost connection");
    let mut again = Desk::new("http://here", utc, vec![("lobby".into(), Some(cursor(9)))]);
    assert_eq!(hear(&mut again, joined("lobby", 10, 9)), ["back in #lobby, 1 message since you left"]);
}

#[test]
fn several_channels_are_open_at_once_and_the_prompt_names_the_current_one() {
    let mut desk = desk();
    assert_eq!(desk.prompt().paint(false), "#lobby> ");
    assert_eq!(type_in(&mut desk, "/join #dev").1, [Ask::Join("dev".into())]);
    assert_eq!(desk.prompt().paint(false), "2:#dev> ");
    assert_eq!(type_in(&mut desk, "hi").1, [Ask::Say(1, "dev".into(), "hi".into())]);
    assert_eq!(type_in(&mut desk, "/1").0, ["you talk in #lobby now"]);
    assert_eq!(type_in(&mut desk, "/switch dev").0, ["you talk in #dev now"]);
    assert!(type_in(&mut desk, "/3").0[0].contains("no channel number 3"));
    assert!(type_in(&mut desk, "/switch x").0[0].contains("not in #x"));
    assert_eq!(type_in(&mut desk, "/channels").0, ["  /1 #lobby (not joined yet)", "* /2 #dev (not joined yet)"]);
    let (lines, asks) = type_in(&mut desk, "/leave");
    assert_eq!((lines, asks), (vec!["you talk in #lobby now".into()], vec![Ask::Leave("dev".into())]));
    type_in(&mut desk, "/leave");
    assert!(type_in(&mut desk, "hello?").0[0].contains("you are in no channel"));
    assert_eq!(desk.waiting(), 1, "what nobody took does not wait");
}

#[test]
fn a_refused_join_closes_the_channel_again() {
    let mut desk = desk();
    type_in(&mut desk, "/join dev");
    let refused = Error::Invalid("no such thing".into());
    let lines = desk.answered(Answer::Joined("dev".into(), Err(refused)), NOON);
    assert_eq!(paint(&lines), ["#dev was not joined (no such thing)"]);
    assert_eq!(desk.prompt().paint(false), "#lobby> ");
}

#[test]
fn a_lost_connection_is_told_once_and_again_when_the_waits_grow() {
    let mut desk = desk();
    desk.typed("one", NOON);
    let waiting = |ms| Event::State(State::Waiting(Duration::from_millis(ms)));
    assert_eq!(paint(&desk.heard(&waiting(200), at(0))), ["offline, trying again at once; 1 message waits"]);
    assert!(desk.heard(&waiting(1900), at(1)).is_empty());
    assert_eq!(type_in(&mut desk, "two").0, ["[waits] #lobby you: two"]);
    let still = ["still offline, trying again in 3 s; 2 messages wait"];
    assert_eq!(paint(&desk.heard(&waiting(2100), at(2))), still);
    assert!(desk.heard(&waiting(4000), at(60_001)).is_empty());
    assert_eq!(desk.heard(&waiting(4000), at(60_002)).len(), 1);
    let online = Event::State(State::Online(Transport::LongPoll));
    assert_eq!(hear(&mut desk, online.clone()), ["online again by long-poll"]);
    assert!(hear(&mut desk, online).is_empty());
    assert_eq!(hear(&mut desk, Event::State(State::Online(Transport::WebSocket))), ["online by WebSocket now"]);
}

#[test]
fn words_without_a_receipt_are_told_after_a_while_when_refused_and_at_the_end() {
    let mut desk = desk();
    for text in ["one", "two", "three"] {
        type_in(&mut desk, text);
    }
    assert!(desk.tick(at(1999)).is_empty());
    assert!(desk.answered(Answer::Sent(1, Ok(())), NOON).is_empty());
    assert_eq!(paint(&desk.tick(at(2000))), ["[waits] #lobby you: two", "[waits] #lobby you: three"]);
    let failed = desk.answered(Answer::Sent(2, Err(Error::Full)), NOON);
    assert_eq!(paint(&failed), ["not sent to #lobby: two (as much is waiting as may wait)"]);
    assert_eq!(paint(&desk.not_sent()), ["not known to be sent to #lobby: three"]);
}

#[test]
fn history_pages_backwards_from_the_oldest_shown() {
    let mut desk = desk();
    let page = |seqs: std::ops::Range<u64>, more| {
        let messages = seqs.map(|seq| message("lobby", seq, "bob", json!({"body": {"text": "x"}}))).collect();
        History { channel: "lobby".into(), epoch: Epoch("e".into()), first: 1, head: 9, messages, more }
    };
    assert_eq!(type_in(&mut desk, "/history 2").1, [Ask::Page("lobby".into(), None, 2)]);
    hear(&mut desk, words("lobby", 9, "bob", "new"));
    assert_eq!(type_in(&mut desk, "/history 2").1, [Ask::Page("lobby".into(), Some(9), 2)]);
    let shown = desk.answered(Answer::Page("lobby".into(), Ok(page(7..9, true))), NOON);
    assert_eq!(
        paint(&shown),
        [
            "── #lobby, 2 messages from before ──",
            "[10:42] #lobby bob: x",
            "[10:42] #lobby bob: x",
            "── there are older ones ──"
        ]
    );
    assert_eq!(type_in(&mut desk, "/history 2").1, [Ask::Page("lobby".into(), Some(7), 2)]);
    let empty = desk.answered(Answer::Page("lobby".into(), Ok(page(1..1, false))), NOON);
    assert_eq!(paint(&empty), ["#lobby: nothing older is kept"]);
}

#[test]
fn holes_and_resets_are_told() {
    let mut desk = desk();
    let hole = |from, to| Event::Hole { channel: "lobby".into(), from, to };
    assert_eq!(hear(&mut desk, hole(3, 7)), ["#lobby: messages 3 to 7 are no longer kept by the server"]);
    assert_eq!(hear(&mut desk, hole(3, 3)), ["#lobby: message 3 is no longer kept by the server"]);
    let reset = Event::Reset { channel: "lobby".into(), epoch: Epoch("f".into()), next: 1 };
    assert_eq!(hear(&mut desk, reset), ["#lobby began anew: what you read there before may be gone"]);
}

#[test]
fn nothing_of_what_strangers_send_reaches_the_terminal_as_it_is() {
    let mut desk = desk();
    let evil = "\u{1b}[2J\u{9b}31m";
    let mut lines = desk.heard(&words("lobby", 1, "bob", evil), NOON);
    let bare = message("lobby", 2, evil, json!({"body": {evil: "\u{9b}"}}));
    lines.extend(desk.heard(&Event::Message(bare), NOON));
    let member = json!({"channel": evil, "user": evil, "change": "role", "role": evil, "by": evil});
    lines.extend(desk.heard(&Event::Member(serde_json::from_value(member).unwrap()), NOON));
    lines.extend(desk.heard(&Event::Notice { code: evil.into(), text: evil.into() }, NOON));
    lines.extend(desk.answered(Answer::Raw(Ok(json!({"x": "\u{9b}"}))), NOON));
    assert_eq!(lines.len(), 5);
    for line in paint(&lines) {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn who_is_watched_is_told_when_that_changes() {
    let mut desk = desk();
    let rows = |state| serde_json::from_value(json!([{"user": "~bob-22222", "state": state}])).unwrap();
    let watching = Answer::Watching(vec!["~bob-22222".into()], None, Ok(rows("online")));
    assert_eq!(paint(&desk.answered(watching, NOON)), ["1 user watched", "bob~22222 is online"]);
    assert!(hear(&mut desk, Event::Watching(rows("online"))).is_empty());
    assert_eq!(hear(&mut desk, Event::Watching(rows("unknown"))), ["bob~22222 is perhaps here"]);
    let gone = json!({"user": "~bob-22222", "state": "offline", "reason": "timeout", "last_seen": null});
    let gone = Event::Presence(serde_json::from_value(gone).unwrap());
    assert_eq!(hear(&mut desk, gone.clone()), ["bob~22222 is offline (fell silent)"]);
    assert!(hear(&mut desk, gone).is_empty(), "that is not news");
}

#[test]
fn names_that_were_seen_can_be_completed() {
    let mut desk = desk();
    hear(&mut desk, words("lobby", 1, "~bob-22222", "hi"));
    assert_eq!(desk.new_words().unwrap(), ["#lobby", "bob~22222"]);
    hear(&mut desk, words("lobby", 2, "~bob-22222", "hi"));
    assert_eq!(desk.new_words(), None);
}

#[test]
fn there_are_two_ways_to_leave() {
    let mut desk = desk();
    assert_eq!(desk.typed("/quit", NOON).farewell, Some(Farewell::Quit));
    assert_eq!(desk.typed("/logout", NOON).farewell, Some(Farewell::Logout));
}
