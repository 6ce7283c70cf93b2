//! The machine's connections, stepped through logical time. What it does with channels and publishes under faults is
//! shown by the simulation beside this.

use serde_json::{Value, json};

use super::*;
use crate::client::Code;
use crate::client::asks::Watched;
use crate::client::options::Start;
use crate::client::outbox::Ticket;

/// A machine, the time, and what it did.
struct Bench {
    machine: Machine,
    at: u64,
    open: Vec<(ConnId, Transport)>,
    said: Vec<(ConnId, Value)>,
    hung: Vec<(ConnId, Goodbye)>,
    told: Vec<Event>,
    done: Vec<(Ticket, Result<Answer, Error>)>,
}

impl Bench {
    fn new(choice: Choice) -> Self {
        let options = Options::new("").guest("ann").transport(choice);
        let machine = Machine::new(&options);
        let mut bench = Self { machine, at: 0, open: vec![], said: vec![], hung: vec![], told: vec![], done: vec![] };
        bench.machine.start(bench.now());
        bench.take();
        bench
    }

    /// Welcomed, on the first connection.
    fn online(choice: Choice) -> Self {
        let mut bench = Self::new(choice);
        bench.greet(1);
        bench
    }

    fn greet(&mut self, conn: ConnId) {
        self.does(|machine, now| machine.opened(now, conn));
        self.frame(
            conn,
            json!({"type": "welcome", "user": "~ann-aaaaa", "token": "t", "limits": {"outstanding": 4},
            "now": "2026-11-22T10:00:00.000Z", "expires_at": "2026-11-22T10:30:00.000Z"}),
        );
    }

    fn now(&self) -> Now {
        Now { at: Moment(self.at), dice: 0x00ff_ffff }
    }

    fn does(&mut self, what: impl FnOnce(&mut Machine, Now)) {
        let now = self.now();
        what(&mut self.machine, now);
        self.take();
    }

    fn frame(&mut self, conn: ConnId, frame: Value) {
        self.does(|machine, now| machine.heard(now, conn, &frame.to_string()));
    }

    fn down(&mut self, conn: ConnId, code: Option<u16>) {
        self.does(|machine, now| machine.down(now, conn, Down { code, ..Down::default() }));
    }

    fn wait(&mut self, ms: u64) {
        self.at += ms;
        self.does(Machine::tick);
    }

    fn take(&mut self) {
        for effect in self.machine.take_effects() {
            match effect {
                Effect::Open(conn, over) => self.open.push((conn, over)),
                Effect::Say(conn, frame) => self.said.push((conn, serde_json::from_str(&frame).unwrap())),
                Effect::Hang(conn, goodbye) => self.hung.push((conn, goodbye)),
                Effect::Tell(event) => self.told.push(event),
                Effect::Done(ticket, answer) => self.done.push((ticket, answer)),
            }
        }
    }

    fn last_state(&self) -> &State {
        let state = |event: &'_ Event| matches!(event, Event::State(_));
        match self.told.iter().rev().find(|event| state(event)) {
            Some(Event::State(state)) => state,
            _ => panic!("no state was told"),
        }
    }

    fn last_said(&self) -> &Value {
        &self.said.last().expect("something was said").1
    }
}

use Transport::{LongPoll, WebSocket};

#[test]
fn the_application_is_told_of_each_change_and_the_token_is_kept() {
    let mut bench = Bench::online(Choice::Auto);
    assert_eq!(bench.said[0].1["guest"], "ann");
    bench.down(1, None);
    let states: Vec<_> = bench.told.iter().map(|event| format!("{event:?}")).collect();
    let expected = ["Connecting(WebSocket)", "Greeting(WebSocket)", "Online(WebSocket)"];
    assert_eq!(states[..3], expected.map(|state| format!("State({state})")));
    assert!(matches!(bench.last_state(), State::Waiting(_)));
    bench.wait(300);
    bench.greet(2);
    let hello = &bench.said[1].1;
    assert_eq!((&hello["token"], &hello["guest"]), (&json!("t"), &Value::Null));
}

#[test]
fn what_is_not_opened_or_welcomed_in_time_is_given_up() {
    let mut bench = Bench::new(Choice::Only(WebSocket));
    assert_eq!(bench.machine.deadline(), Some(Moment(10_000)));
    bench.wait(10_000);
    assert_eq!(bench.hung, [(1, Goodbye::Unsaid)]);
    bench.wait(1000);
    bench.does(|machine, now| machine.opened(now, 2));
    bench.wait(10_000);
    assert_eq!(bench.hung.len(), 2);
}

#[test]
fn auto_goes_to_long_poll_at_once_and_to_web_socket_when_a_probe_comes_through() {
    let mut bench = Bench::new(Choice::Auto);
    bench.down(1, None);
    assert_eq!(bench.open, [(1, WebSocket), (2, LongPoll)]);
    bench.greet(2);
    // The first probe fails, the second comes through.
    bench.wait(20_000);
    bench.frame(2, json!({"type": "pong"}));
    bench.wait(20_000);
    bench.frame(2, json!({"type": "pong"}));
    bench.wait(20_000);
    assert_eq!(bench.open.last(), Some(&(3, WebSocket)));
    bench.down(3, None);
    for _ in 0..6 {
        bench.wait(20_000);
        bench.frame(2, json!({"type": "pong"}));
    }
    assert_eq!(bench.open.last(), Some(&(4, WebSocket)));
    bench.does(|machine, now| machine.raw(now, 9, json!({"type": "who", "channel": "a"})));
    let id = bench.last_said()["id"].clone();
    bench.greet(4);
    assert_eq!(bench.last_state(), &State::Online(WebSocket));
    assert!(bench.hung.is_empty(), "someone waits for an answer over it");
    bench.frame(2, json!({"type": "who", "id": id}));
    assert!(matches!(bench.done[0], (9, Ok(Answer::Value(_)))));
    assert_eq!(bench.hung, [(2, Goodbye::Said)]);
}

#[test]
fn silence_is_asked_about_and_then_ends_the_connection() {
    let mut bench = Bench::online(Choice::Auto);
    assert_eq!(bench.machine.deadline(), Some(Moment(25_000)));
    bench.wait(25_000);
    assert_eq!(bench.last_said()["type"], "ping");
    bench.wait(34_999);
    assert_eq!(bench.last_state(), &State::Online(WebSocket));
    bench.wait(1);
    assert_eq!(bench.hung, [(1, Goodbye::Unsaid)]);
    assert!(matches!(bench.last_state(), State::Waiting(_)));
}

#[test]
fn close_codes_say_whether_to_come_back() {
    for code in [1000, 1001, 1009, 4000, 4001, 4003, 4499] {
        let mut bench = Bench::online(Choice::Auto);
        bench.down(1, Some(code));
        assert!(matches!(bench.last_state(), State::Waiting(_)), "{code}");
    }
    for (code, sort) in [(4500, Code::Unauthenticated), (4502, Code::Forbidden), (4504, Code::VersionUnsupported)] {
        let mut bench = Bench::online(Choice::Auto);
        bench.does(|machine, now| machine.join(now, 5, "a", Start::Stood, true));
        bench.down(1, Some(code));
        let State::Refused(fault) = bench.last_state() else { panic!("{code}") };
        assert_eq!((fault.code, fault.close), (Some(sort), Some(code)));
        assert!(matches!(&bench.done[..], [(5, Err(Error::Refused(_)))]));
        assert_eq!(bench.machine.deadline(), None);
        bench.does(|machine, now| machine.raw(now, 6, json!({"type": "channels"})));
        assert!(matches!(bench.done[1], (6, Err(Error::Refused(_)))));
    }
}

#[test]
fn a_hello_that_is_refused_ends_the_client_and_one_that_is_put_off_does_not() {
    let error = |code: &str, more: Value| {
        let mut error = json!({"type": "error", "id": "1", "code": code, "message": ""});
        error.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        error
    };
    for code in ["unauthenticated", "forbidden", "version_unsupported", "bad_frame"] {
        let mut bench = Bench::new(Choice::Auto);
        bench.does(|machine, now| machine.opened(now, 1));
        bench.frame(1, error(code, json!({})));
        assert!(matches!(bench.last_state(), State::Refused(_)), "{code}");
    }
    let mut bench = Bench::new(Choice::Auto);
    bench.does(|machine, now| machine.opened(now, 1));
    bench.frame(1, error("unauthenticated", json!({"close": 4002})));
    bench.down(1, Some(4002));
    assert!(matches!(bench.last_state(), State::Waiting(_)));
    let mut bench = Bench::new(Choice::Auto);
    bench.does(|machine, now| machine.opened(now, 1));
    bench.frame(1, error("unavailable", json!({"retry_after_ms": 7000})));
    let State::Waiting(wait) = bench.last_state() else { panic!() };
    assert!(wait.as_millis() >= 7000);
}

#[test]
fn a_stopping_server_says_within_which_time_to_come_back() {
    let mut bench = Bench::online(Choice::Auto);
    bench.frame(1, json!({"type": "notice", "code": "draining", "text": "", "retry_after_ms": 400}));
    bench.down(1, Some(1001));
    let State::Waiting(wait) = bench.last_state() else { panic!() };
    assert!(wait.as_millis() <= 400);
}

#[test]
fn over_long_poll_what_is_told_of_users_waits_for_the_answer_to_a_watch_that_may_be_older() {
    let offline =
        json!({"type": "presence", "user": "bob", "state": "offline", "reason": "timeout", "last_seen": null});
    let online = json!([{"user": "bob", "state": "online", "sessions": 1, "last_seen": null}]);
    for (choice, waits) in [(Choice::Only(Transport::LongPoll), true), (Choice::Only(Transport::WebSocket), false)] {
        let mut bench = Bench::online(choice);
        let watched = Watched { users: vec!["bob".into()], channel: None };
        bench.does(|machine, now| machine.watch(now, 1, watched));
        let id = bench.said.last().unwrap().1["id"].clone();
        let told = |bench: &Bench| bench.told.iter().filter(|event| matches!(event, Event::Presence(_))).count();
        bench.frame(1, offline.clone());
        assert_eq!((told(&bench), bench.done.len()), (usize::from(!waits), 0));
        bench.frame(1, json!({"type": "watching", "id": id, "users": online}));
        assert_eq!((told(&bench), bench.done.len()), (1, 1));
        bench.frame(1, offline.clone());
        assert_eq!(told(&bench), 2);
    }
}

#[test]
fn what_waits_for_the_answer_to_a_watch_is_told_without_it_when_none_can_come() {
    let mut bench = Bench::online(Choice::Only(Transport::LongPoll));
    let watched = Watched { users: vec!["bob".into()], channel: None };
    bench.does(|machine, now| machine.watch(now, 1, watched));
    bench.frame(1, json!({"type": "presence", "user": "bob", "state": "online", "last_seen": null}));
    bench.does(|machine, now| machine.down(now, 1, Down::default()));
    assert!(bench.told.iter().any(|event| matches!(event, Event::Presence(_))));
}

#[test]
fn presence_of_those_whom_nobody_watches_is_told_too() {
    for choice in [Choice::Only(Transport::WebSocket), Choice::Only(Transport::LongPoll)] {
        let mut bench = Bench::online(choice);
        // A contact, of whom the server tells by itself.
        bench.frame(1, json!({"type": "presence", "user": "bob", "state": "online", "last_seen": null}));
        assert!(matches!(bench.told.last(), Some(Event::Presence(row)) if row.user == "bob"));
        let said = bench.said.len();
        bench.down(1, None);
        bench.wait(300);
        bench.greet(2);
        assert!(bench.said[said..].iter().all(|(_, said)| said["type"] != "watch"), "the server knows by itself");
    }
}

#[test]
fn commands_end_with_the_connection_and_watches_are_set_up_again() {
    let mut bench = Bench::online(Choice::Auto);
    let watched = Watched { users: vec!["bob".into()], channel: None };
    bench.does(|machine, now| machine.watch(now, 1, watched));
    let id = bench.last_said()["id"].clone();
    bench.frame(1, json!({"type": "watching", "id": id, "users": []}));
    bench.does(|machine, now| machine.raw(now, 2, json!({"type": "channels"})));
    bench.down(1, None);
    assert!(matches!(bench.done[1], (2, Err(Error::Disconnected))));
    bench.does(|machine, now| machine.raw(now, 3, json!({"type": "channels"})));
    assert!(matches!(bench.done[2], (3, Err(Error::Disconnected))));
    bench.wait(300);
    bench.greet(2);
    let again = bench.last_said().clone();
    assert_eq!((&again["type"], &again["users"]), (&json!("watch"), &json!(["bob"])));
    let row = json!({"user": "bob", "state": "online", "sessions": 1, "last_seen": null});
    bench.frame(2, json!({"type": "watching", "id": again["id"], "users": [row]}));
    assert!(matches!(bench.told.last(), Some(Event::Watching(rows)) if rows.len() == 1));
}

#[test]
fn a_command_without_an_answer_times_out() {
    let mut bench = Bench::online(Choice::Auto);
    bench.does(|machine, now| machine.raw(now, 2, json!({"type": "channels"})));
    bench.wait(15_000);
    assert!(matches!(bench.done[0], (2, Err(Error::Timeout))));
}

#[test]
fn commands_that_the_client_must_know_of_go_by_their_methods() {
    let mut bench = Bench::online(Choice::Auto);
    for command in [json!({"type": "join", "channel": "a"}), json!({"type": 3}), json!([])] {
        bench.does(|machine, now| machine.raw(now, 1, command));
        assert!(matches!(bench.done.pop(), Some((1, Err(Error::Invalid(_))))));
    }
    bench.does(|machine, now| machine.join(now, 1, "No Name", Start::Stood, true));
    assert!(matches!(bench.done.pop(), Some((1, Err(Error::Invalid(_))))));
}

#[test]
fn a_token_is_refreshed_when_a_third_of_its_life_is_over() {
    let mut bench = Bench::online(Choice::Auto);
    for _ in 0..30 {
        bench.wait(20_000);
        bench.frame(1, json!({"type": "pong"}));
    }
    let refresh = bench.said.iter().find(|(_, said)| said["type"] == "refresh").expect("a refresh");
    assert_eq!(refresh.1["token"], "t");
}

#[test]
fn a_logout_is_the_end_and_whoever_waits_is_told() {
    let mut bench = Bench::online(Choice::Auto);
    bench.does(|machine, now| machine.join(now, 1, "a", Start::Stood, true));
    bench.does(|machine, now| machine.logout(now, 2));
    let id = bench.last_said()["id"].clone();
    bench.frame(1, json!({"type": "bye", "id": id}));
    bench.down(1, Some(1000));
    assert_eq!(bench.last_state(), &State::Ended);
    assert!(matches!(bench.done[..], [(2, Ok(Answer::Nothing)), (1, Err(Error::Ended))]));
    assert!(bench.open.len() == 1 && bench.machine.is_over());
}

#[test]
fn a_direct_channel_is_known_by_its_full_name_once_we_know_who_we_are() {
    let mut bench = Bench::new(Choice::Auto);
    bench.does(|machine, now| machine.join(now, 1, "@bob", Start::Stood, true));
    bench.does(|machine, now| machine.opened(now, 1));
    bench.frame(1, json!({"type": "welcome", "user": "ann", "token": "t"}));
    assert_eq!(bench.last_said()["channel"], "@ann:bob");
    bench.frame(1, json!({"type": "joined", "channel": "@ann:bob", "epoch": "e", "head": 0, "first": 1, "next": 1}));
    assert!(matches!(&bench.done[..], [(1, Ok(Answer::Joined(_)))]));
}
