//! What is said of users, true and false.

use serde_json::{Value, json};

use super::super::sample::{Story, two, user};
use super::super::{By, What};

fn row(state: &str, sessions: u64) -> Value {
    json!({"user": user("ann"), "state": state, "sessions": sessions, "last_seen": null})
}

/// Bob asks how Ann is.
fn told(story: &Story, state: &str, sessions: u64) -> Story {
    told_by(2, story, state, sessions)
}

fn told_by(session: u32, story: &Story, state: &str, sessions: u64) -> Story {
    let mut story = story.clone();
    let ask = json!({"type": "presence", "users": [user("ann")]});
    story.both(session, ask, json!({"type": "presence", "users": [row(state, sessions)]}));
    on(&mut story);
    story
}

/// Time goes by, and whoever is there shows it.
fn on(story: &mut Story) {
    story.wait(1000);
    story.what(What::Note { text: "later".into() });
}

fn event(story: &mut Story, state: &str) {
    story.hear(2, json!({"type": "presence", "user": user("ann"), "state": state, "last_seen": null}));
}

/// Bob watches Ann, who is there.
fn watching() -> Story {
    let mut story = two();
    story.wait(500);
    story.both(
        2,
        json!({"type": "watch", "users": [user("ann")]}),
        json!({"type": "watching", "users": [row("online", 1)]}),
    );
    story
}

#[test]
fn who_is_there_is_online() {
    let story = watching();
    told(&story, "online", 1).holds();
    told(&story, "offline", 0).breaks("false-offline");
    told(&story, "unknown", 0).breaks("unknown-for-nothing");
    told(&story, "online", 2).breaks("sessions-count");
    let mut bad = story.clone();
    event(&mut bad, "offline");
    on(&mut bad);
    bad.breaks("false-offline");
}

#[test]
fn who_went_is_offline_once_the_server_must_know() {
    for (by, over, within) in [
        (By::Client, "websocket", 1100),
        (By::Server, "websocket", 1100),
        (By::Network, "websocket", 2200),
        (By::Nobody, "websocket", 2200),
        (By::Client, "longpoll", 1100),
        (By::Nobody, "longpoll", 2700),
    ] {
        let mut story = Story::new();
        story.open(1, over, "ann");
        story.websocket(2, "bob");
        story.wait(500);
        story.over(1, by);
        told(&story, "online", 1).holds();
        told(&story, "offline", 0).holds();
        story.wait(within);
        told(&story, "online", 1).holds();
        story.wait(1);
        told(&story, "offline", 0).holds();
        told(&story, "online", 1).breaks("ghost");
    }
}

#[test]
fn a_goodbye_that_may_not_arrive_is_found_out_by_its_silence() {
    let mut story = watching();
    story.what(What::Hampered { session: 1 });
    story.over(1, By::Client);
    story.wait(2200);
    told(&story, "online", 1).holds();
    story.wait(1);
    told(&story, "online", 1).breaks("ghost");
}

#[test]
fn a_hampered_session_may_be_either_until_it_shows_that_it_is_there() {
    let mut story = watching();
    story.what(What::Hampered { session: 1 });
    story.wait(5000);
    for state in [("online", 1), ("offline", 0)] {
        told(&story, state.0, state.1).holds();
    }
    story.what(What::Eased { session: 1 });
    told(&story, "offline", 0).holds();
    story.wait(1);
    story.both(1, json!({"type": "ping"}), json!({"type": "pong", "now": "2026-11-22T16:00:00.000Z"}));
    told(&story, "offline", 0).breaks("false-offline");
}

#[test]
fn a_report_about_an_old_session_ends_no_newer_one() {
    let mut story = watching();
    story.websocket(3, "ann");
    story.wait(500);
    story.over(1, By::Client);
    told(&story, "online", 2).holds();
    event(&mut story, "offline");
    on(&mut story);
    story.breaks("false-offline");
}

#[test]
fn an_event_that_comes_late_to_one_who_was_hampered_is_no_lie() {
    for hampered in [true, false] {
        let mut story = watching();
        if hampered {
            story.what(What::Hampered { session: 2 });
        }
        story.over(1, By::Client);
        story.wait(20);
        story.websocket(3, "ann");
        story.wait(1000);
        if hampered {
            story.what(What::Eased { session: 2 });
        }
        event(&mut story, "offline");
        on(&mut story);
        if hampered { story.holds() } else { story.breaks("false-offline") }
    }
}

#[test]
fn unknown_is_for_times_of_trouble() {
    let mut story = watching();
    story.what(What::ServerSlow);
    told(&story, "unknown", 0).holds();
    story.what(What::ServerWell);
    story.wait(2000);
    told(&story, "unknown", 0).holds();
    story.wait(2000);
    told(&story, "unknown", 0).breaks("unknown-for-nothing");
}

#[test]
fn after_a_restart_nobody_is_there_until_heard_from() {
    let mut story = watching();
    story.what(What::ServerDown);
    story.wait(100);
    story.what(What::ServerUp);
    story.websocket(4, "bob");
    told_by(4, &story, "offline", 0).holds();
    told_by(4, &story, "online", 1).breaks("ghost");
    story.websocket(3, "ann");
    told_by(4, &story, "online", 1).holds();
    story.wait(200);
    told_by(4, &story, "offline", 0).breaks("false-offline");
}

#[test]
fn at_rest_a_watcher_knows_the_truth() {
    let mut story = watching();
    story.what(What::Rest);
    story.holds();
    story.over(1, By::Client);
    story.wait(3000);
    let mut told = story.clone();
    event(&mut told, "offline");
    told.what(What::Rest);
    told.holds();
    let mut unwatched = story.clone();
    let unwatch = json!({"type": "unwatch", "users": [user("ann")]});
    unwatched.both(2, unwatch, json!({"type": "unwatched"}));
    unwatched.what(What::Rest);
    unwatched.holds();
    story.what(What::Rest);
    story.breaks("not-converged");
}

#[test]
fn over_longpoll_an_event_goes_before_the_answer_that_it_follows() {
    for early in [true, false] {
        let mut story = Story::new();
        story.open(2, "longpoll", "bob");
        let watch = json!({"type": "watch", "users": [user("ann")]});
        let id = story.ask(2, watch);
        story.websocket(1, "ann");
        if early {
            event(&mut story, "online");
        }
        story.answer(2, &id, json!({"type": "watching", "users": [row("offline", 0)]}));
        story.wait(1000);
        story.what(What::Rest);
        on(&mut story);
        if early { story.holds() } else { story.breaks("not-converged") }
    }
}
