//! Streams that break their promises, and the same ones mended.

use serde_json::{Value, json};

use crate::checker::What;
use crate::checker::sample::{Story, message, two, user};

fn said(seq: u64) -> Value {
    message(seq, &user("ann"), &format!("k{seq}"))
}

/// Ann says three things and hears them; Bob hears what the test says.
fn spoken() -> Story {
    let mut story = two();
    (1..4).for_each(|seq| story.published(1, &said(seq), &[1]));
    story
}

#[test]
fn a_stream_has_neither_holes_nor_doubles() {
    for (heard, rule) in [
        (&[1, 2, 3][..], None),
        (&[1, 3], Some("hole")),
        (&[2, 3], Some("hole")),
        (&[1, 2, 2, 3], Some("double")),
        (&[1, 2, 3, 1], Some("double")),
    ] {
        let mut story = spoken();
        heard.iter().for_each(|seq| story.hear(2, said(*seq)));
        match rule {
            Some(rule) => story.breaks(rule),
            None => story.holds(),
        }
    }
}

#[test]
fn nothing_of_a_channel_comes_without_a_subscription() {
    let frames = [
        said(1),
        json!({"type": "member", "channel": "lobby", "user": user("ann"), "change": "joined"}),
        json!({"type": "typing", "channel": "lobby", "user": user("ann")}),
        json!({"type": "read", "channel": "lobby", "user": user("ann"), "seq": 0}),
        json!({"type": "pulse", "heads": {"lobby": 0}}),
        json!({"type": "closed", "channel": "lobby", "reason": "reset"}),
    ];
    for frame in frames {
        let mut story = two();
        story.published(1, &said(1), &[1]);
        story.websocket(3, "carl");
        let mut good = story.clone();
        good.join(3, json!({"tail": 1}), [1, 1, 1], false);
        good.hear(3, frame.clone());
        good.holds();
        story.hear(3, frame);
        story.breaks("not-subscribed");
    }
}

#[test]
fn nothing_follows_left_or_closed() {
    let closed = json!({"type": "closed", "channel": "lobby", "reason": "reset"});
    for end in [None, Some(closed)] {
        let mut story = two();
        match end {
            None => story.both(
                2,
                json!({"type": "leave", "channel": "lobby", "only": "session"}),
                json!({"type": "left", "channel": "lobby"}),
            ),
            Some(closed) => story.hear(2, closed),
        }
        story.published(1, &said(1), &[1]);
        story.what(What::Rest);
        story.holds();
        story.hear(2, said(1));
        story.breaks("not-subscribed");
    }
}

#[test]
fn what_waited_before_left_may_come_over_longpoll() {
    let mut story = spoken();
    story.open(3, "longpoll", "carl");
    story.join(3, json!({"tail": 3}), [1, 3, 1], false);
    let leave = json!({"type": "leave", "channel": "lobby"});
    story.both(3, leave, json!({"type": "left", "channel": "lobby"}));
    story.hear(3, said(1));
    story.holds();
    let mut bad = story.clone();
    bad.hear(3, said(3));
    bad.breaks("hole");
    // A subscription that is heard of before the answer that ended the one before stays.
    let id = story.ask(3, json!({"type": "leave", "channel": "lobby", "only": "session"}));
    story.join(3, json!({}), [1, 3, 1], false);
    story.answer(3, &id, json!({"type": "left", "channel": "lobby"}));
    [1, 2, 3].into_iter().for_each(|seq| story.hear(3, said(seq)));
    story.what(What::Rest);
    let heard = |seq| story.broken().is_empty().then_some(seq);
    assert_eq!(heard(4), None, "ann and bob have not heard all");
}

#[test]
fn a_join_of_which_nobody_knows_what_became_leaves_all_open() {
    let mut story = two();
    story.published(1, &said(1), &[1, 2]);
    let id = story.ask(2, json!({"type": "join", "channel": "lobby", "tail": 1}));
    story.answer(2, &id, json!({"type": "error", "code": "unavailable", "message": "later"}));
    let mut refused = two();
    refused.published(1, &said(1), &[1, 2]);
    let id = refused.ask(2, json!({"type": "join", "channel": "lobby", "tail": 1}));
    refused.answer(2, &id, json!({"type": "error", "code": "rate_limited", "message": "later"}));
    story.hear(2, said(1));
    story.holds();
    refused.hear(2, said(1));
    refused.breaks("double");
}

#[test]
fn a_subscription_has_to_be_asked_for() {
    let mut story = Story::new();
    story.open(1, "longpoll", "ann");
    let mut bad = story.clone();
    bad.hear(1, Story::joined([1, 0, 1], false));
    bad.breaks("joined-unasked");
    story.join(1, json!({}), [1, 0, 1], false);
    story.holds();
}

#[test]
fn of_several_joins_over_longpoll_some_may_have_been_refused() {
    let mut story = Story::new();
    story.open(1, "longpoll", "ann");
    story.ask(1, json!({"type": "join", "channel": "lobby", "since": {"epoch": "e", "seq": 4}}));
    story.join(1, json!({"tail": 0}), [1, 9, 10], false);
    story.holds();
    story.join(1, json!({"since": {"epoch": "e", "seq": 4}}), [1, 9, 10], false);
    story.breaks("resume-next");
}

#[test]
fn a_pulse_names_what_stood_before_it() {
    let mut story = spoken();
    [1, 2].into_iter().for_each(|seq| story.hear(2, said(seq)));
    story.hear(2, json!({"type": "pulse", "heads": {"lobby": 2}}));
    story.holds();
    story.hear(2, json!({"type": "pulse", "heads": {"lobby": 3}}));
    story.breaks("pulse-ahead");
}

#[test]
fn a_subscription_is_closed_for_a_reason() {
    for (reason, command) in [("left", "leave"), ("deleted", "delete")] {
        let closed = json!({"type": "closed", "channel": "lobby", "reason": reason});
        let mut story = two();
        story.websocket(3, "bob");
        let mut bad = story.clone();
        bad.hear(2, closed.clone());
        bad.breaks("closed-why");
        story.ask(3, json!({"type": command, "channel": "lobby"}));
        story.hear(2, closed);
        story.holds();
    }
}

#[test]
fn nobody_is_told_of_its_own_typing() {
    let typing = |name: &str| json!({"type": "typing", "channel": "lobby", "user": user(name)});
    let mut story = two();
    story.hear(1, typing("bob"));
    story.holds();
    story.hear(1, typing("ann"));
    story.breaks("own-typing");
}

#[test]
fn a_subscription_begins_where_it_has_to() {
    for (wish, places, gap, rule) in [
        (json!({"tail": 2}), [1, 3, 2], false, None),
        (json!({"tail": 2}), [1, 3, 3], false, Some("tail")),
        (json!({"since": {"epoch": "e", "seq": 1}}), [1, 3, 2], false, None),
        (json!({"since": {"epoch": "e", "seq": 1}}), [1, 3, 3], false, Some("resume-next")),
        (json!({"since": {"epoch": "e", "seq": 1}}), [1, 3, 1], true, Some("resume-gap")),
        (json!({"since": {"epoch": "old", "seq": 1}}), [1, 3, 1], true, None),
        (json!({}), [1, 3, 1], false, Some("stands")),
        (json!({}), [1, 3, 2], false, None),
        (json!({"tail": 2}), [1, 3, 5], false, Some("replay-count")),
    ] {
        let mut story = spoken();
        story.hear(2, said(1));
        story.join(2, wish.clone(), places, gap);
        match rule {
            Some(rule) => assert!(story.broken().contains(&rule), "{wish} {places:?}: {:?}", story.broken()),
            None => story.holds(),
        }
    }
}

#[test]
fn a_first_visit_gives_at_least_twenty_if_there_are() {
    for (next, rule) in [(1, None), (3, Some("first-visit"))] {
        let mut story = spoken();
        story.websocket(3, "carl");
        story.join(3, json!({}), [1, 3, next], false);
        match rule {
            Some(rule) => story.breaks(rule),
            None => story.holds(),
        }
    }
}

#[test]
fn a_head_is_not_older_than_what_was_known() {
    let mut story = spoken();
    story.websocket(3, "carl");
    let mut bad = story.clone();
    bad.join(3, json!({"tail": 0}), [1, 2, 3], false);
    bad.breaks("stale-head");
    // Of what was told after the join was sent it need not know.
    let id = story.ask(3, json!({"type": "join", "channel": "lobby", "tail": 0}));
    story.published(1, &said(4), &[1]);
    story.answer(3, &id, Story::joined([1, 3, 4], false));
    story.holds();
}

#[test]
fn at_rest_everyone_has_heard_all() {
    let mut story = spoken();
    [1, 2].into_iter().for_each(|seq| story.hear(2, said(seq)));
    let mut good = story.clone();
    good.hear(2, said(3));
    good.what(What::Rest);
    good.holds();
    let mut hampered = story.clone();
    hampered.what(What::Hampered { session: 2 });
    hampered.what(What::Rest);
    hampered.holds();
    story.what(What::Rest);
    story.breaks("rest-not-heard");
}
