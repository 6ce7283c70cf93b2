//! One long good history with everything in it, and the same one with each of its deliveries left out or doubled.

use serde_json::{Value, json};

use super::sample::{Story, message, terms, two, user, with};
use super::{By, History, What, check, count, examine};

fn said(seq: u64) -> Value {
    message(seq, &user("ann"), &format!("k{seq}"))
}

fn row(name: &str, state: &str) -> Value {
    json!({"user": user(name), "state": state, "sessions": u64::from(state == "online"), "last_seen": null})
}

fn page(seqs: std::ops::Range<u64>, head: u64, more: bool) -> Value {
    let messages: Vec<Value> = seqs.map(said).collect();
    json!({"type": "history", "channel": "lobby", "epoch": "e", "first": 1, "head": head, "messages": messages, "more": more})
}

/// Ann and Bob over WebSocket, Carl over long-poll; Ann says three things.
fn begin() -> Story {
    let mut story = Story::new();
    story.websocket(1, "ann");
    story.websocket(2, "bob");
    story.open(3, "longpoll", "carl");
    for session in [1, 2, 3] {
        story.join(session, json!({}), [1, 0, 1], false);
    }
    let watch = json!({"type": "watch", "users": [user("ann"), user("carl")]});
    story.wait(200);
    story.both(2, watch, json!({"type": "watching", "users": [row("ann", "online"), row("carl", "online")]}));
    for seq in 1..4 {
        story.published(1, &said(seq), &[1, 2, 3]);
    }
    story.hear(2, json!({"type": "pulse", "heads": {"lobby": 3}}));
    story
}

/// Bob's connection breaks; he comes back with his cursor while Ann goes on, and sends again what had no receipt.
fn break_off(story: &mut Story) {
    let open = message(4, &user("bob"), "b1");
    story.ask(2, Story::publish(&open));
    story.over(2, By::Network);
    story.hear(1, open.clone());
    story.hear(3, open.clone());
    story.published(1, &said(5), &[1, 3]);
    story.websocket(4, "bob");
    story.join(4, json!({"since": {"epoch": "e", "seq": 3}}), [1, 5, 4], false);
    let again = story.ask(4, Story::publish(&open));
    story.hear(4, open.clone());
    story.answer(4, &again, Story::receipt(&open, true));
    story.hear(4, said(5));
    story.both(4, json!({"type": "read", "channel": "lobby", "seq": 5}), json!({"type": "ok"}));
    story.hear(4, json!({"type": "read", "channel": "lobby", "user": user("bob"), "seq": 5}));
    let mine = json!({"channel": "lobby", "epoch": "e", "head": 5, "read": 5, "unread": 0, "role": "member"});
    story.both(4, json!({"type": "channels"}), json!({"type": "channels", "channels": [mine], "more": false}));
    let watch = json!({"type": "watch", "users": [user("ann"), user("carl")]});
    story.both(4, watch, json!({"type": "watching", "users": [row("ann", "online"), row("carl", "online")]}));
    story.both(4, json!({"type": "history", "channel": "lobby", "before": 4, "limit": 2}), page(2..4, 5, true));
    story.wait(500);
    story.what(What::Rest);
}

/// Carl is away while more is said than is replayed; he reads the gap.
fn gap(story: &mut Story) {
    story.wait(500);
    story.say(3, json!({"type": "logout"}));
    story.over(3, By::Client);
    story.hear(
        4,
        json!({"type": "presence", "user": user("carl"), "state": "offline", "reason": "logout",
        "last_seen": null}),
    );
    for seq in 6..66 {
        story.published(1, &said(seq), &[1, 4]);
    }
    story.wait(2000);
    story.open(5, "longpoll", "carl");
    story.hear(4, json!({"type": "presence", "user": user("carl"), "state": "online", "last_seen": null}));
    story.join(5, json!({"since": {"epoch": "e", "seq": 5}}), [1, 65, 16], true);
    (16..66).for_each(|seq| story.hear(5, said(seq)));
    story.both(5, json!({"type": "history", "channel": "lobby", "after": 5, "before": 16}), page(6..16, 65, false));
    story.wait(500);
    story.what(What::Rest);
}

/// Bob's network jams, his server is slow for a while, and a command gets no good answer.
fn jam(story: &mut Story) {
    story.what(What::Hampered { session: 4 });
    story.published(1, &said(66), &[1, 5]);
    story.wait(3000);
    story.what(What::Eased { session: 4 });
    story.hear(4, said(66));
    story.what(What::ServerSlow);
    let id = story.ask(1, Story::publish(&said(67)));
    let late = story.ask(4, json!({"type": "presence", "users": [user("carl")]}));
    story.wait(9600);
    story.answer(1, &id, json!({"type": "error", "code": "unavailable", "message": "later"}));
    story.wait(3000);
    story.what(What::ServerWell);
    story.answer(4, &late, json!({"type": "presence", "users": [row("carl", "unknown")]}));
    [1, 4, 5].into_iter().for_each(|session| story.hear(session, said(67)));
    story.both(1, Story::publish(&said(67)), Story::receipt(&said(67), true));
    story.wait(500);
    story.what(What::Rest);
}

/// The server stops in order, and everyone comes back: Ann over the other transport.
fn restart(story: &mut Story) {
    let notice = json!({"type": "notice", "code": "draining", "text": "the server is stopping", "retry_after_ms": 500});
    story.what(What::ServerDown);
    for session in [1, 4, 5] {
        story.hear(session, notice.clone());
        story.what(What::Over { session, code: Some(1001), by: By::Server });
    }
    story.wait(700);
    story.what(What::ServerUp);
    story.open(6, "longpoll", "ann");
    story.join(6, json!({"since": {"epoch": "e", "seq": 67}}), [1, 67, 68], false);
    story.websocket(7, "bob");
    let id = story.ask(7, json!({"type": "join", "channel": "lobby", "since": {"epoch": "e", "seq": 65}}));
    story.answer(7, &id, Story::joined([1, 67, 66], false));
    story.both(
        7,
        json!({"type": "presence", "users": [user("carl")]}),
        json!({"type": "presence", "users": [row("carl", "offline")]}),
    );
    [66, 67].into_iter().for_each(|seq| story.hear(7, said(seq)));
    story.published(6, &said(68), &[7, 6]);
    story.what(What::Rest);
    story.both(7, json!({"type": "leave", "channel": "lobby"}), json!({"type": "left", "channel": "lobby"}));
    story.hear(6, json!({"type": "member", "channel": "lobby", "user": user("bob"), "change": "left"}));
    story.published(6, &said(69), &[6]);
    story.wait(3000);
    story.what(What::Rest);
    let mut log: Vec<Value> = (1..70).map(said).collect();
    log[3] = message(4, &user("bob"), "b1");
    story.log(&log);
}

fn everything() -> Story {
    let mut story = begin();
    break_off(&mut story);
    gap(&mut story);
    jam(&mut story);
    restart(&mut story);
    story
}

#[test]
fn a_good_history_breaks_nothing_and_is_counted() {
    let story = everything();
    story.holds();
    let (_, sum) = examine(&story.history, &terms());
    assert_eq!((sum.websockets, sum.longpolls, sum.restarts, sum.rests, sum.gaps), (4, 3, 1, 5, 1));
    assert_eq!((sum.receipts, sum.duplicates, sum.refusals), (69, 2, 1));
    assert_eq!((sum.replays, sum.replayed, sum.logged), (3, 54, 69));
    assert!(sum.presence_decided >= 8 && sum.to_string().contains("69 messages"), "{sum}");
    assert_eq!(super::Summary { presence_decided: 0, ..sum }, count(&story.history));
}

#[test]
fn a_hello_that_waited_for_the_next_server_begins_a_session_like_any_other() {
    let mut story = two();
    story.over(1, By::Network);
    story.what(What::Opened { session: 3, over: "longpoll".into() });
    let id = story.ask(3, json!({"type": "hello", "version": 1, "token": "token-ann"}));
    story.wait(400);
    story.what(What::ServerDown);
    story.over(2, By::Network);
    story.wait(400);
    story.what(What::ServerUp);
    story.answer(3, &id, Story::welcome(3, "ann"));
    story.websocket(4, "bob");
    story.join(4, json!({}), [1, 0, 1], false);
    story.wait(4000);
    story.published(3, &said(1), &[4]);
    let asked = json!({"type": "presence", "users": [user("ann")]});
    story.both(4, asked, json!({"type": "presence", "users": [row("ann", "online")]}));
    story.log(&[said(1)]);
    story.holds();
}

#[test]
fn it_reads_back_as_it_was_written() {
    let history = everything().history;
    let mut written = Vec::new();
    history.write(&mut written).unwrap();
    assert_eq!(History::read(&written[..]).unwrap(), history);
}

#[test]
fn each_delivery_that_is_left_out_or_doubled_or_changed_is_noticed() {
    let good = everything().history;
    for (at, entry) in good.entries.iter().enumerate() {
        let What::Got { session, frame } = &entry.what else { continue };
        if frame["type"] != "message" {
            continue;
        }
        let mut missing = good.clone();
        missing.entries.remove(at);
        let mut twice = good.clone();
        twice.entries.insert(at, entry.clone());
        let mut changed = good.clone();
        let other = with(frame.clone(), json!({"body": {"text": "something else"}}));
        changed.entries[at].what = What::Got { session: *session, frame: other };
        for (what, bad) in [("missing", missing), ("twice", twice), ("changed", changed)] {
            assert!(!check(&bad, &terms()).is_empty(), "{what}: {entry:?}");
        }
    }
}

#[test]
fn each_receipt_that_names_another_place_is_noticed() {
    let good = everything().history;
    for (at, entry) in good.entries.iter().enumerate() {
        let What::Got { session, frame } = &entry.what else { continue };
        let Some(seq) = frame["seq"].as_u64().filter(|_| frame["type"] == "published") else { continue };
        for other in [seq - 1, seq + 1].into_iter().filter(|seq| *seq > 0) {
            let mut bad = good.clone();
            bad.entries[at].what = What::Got { session: *session, frame: with(frame.clone(), json!({"seq": other})) };
            assert!(!check(&bad, &terms()).is_empty(), "{entry:?} at {other}");
        }
    }
}
