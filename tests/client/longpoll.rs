//! The server's long-poll when requests and answers are lost, sessions are gone, and requests are put off.

use parlor::client::{Client, Code, Event, Start, State, Transport};
use serde_json::{Value, json};

use crate::front::{Fault, On};
use crate::house::{House, Over};
use crate::listener::Listener;

/// A guest in the lobby, and a listener.
async fn start() -> (House, Client, Listener) {
    let house = House::new(Over::Front).await;
    let (ann, events) = house.guest("ann");
    ann.join("lobby", Start::Stood).await.expect("joined");
    (house, ann, Listener::new(events))
}

fn error(code: &str, close: Option<u16>) -> Value {
    let mut error = json!({"type": "error", "code": code, "message": ""});
    if let Some(close) = close {
        error["close"] = close.into();
    }
    error
}

/// Publishes so much, and hears it all, once and in order.
async fn go_on(ann: &Client, hears: &mut Listener, count: usize) {
    let before = hears.words("lobby").len();
    let mut all = vec![];
    for n in 0..count {
        all.push(ann.say("lobby", &n.to_string()).await.expect("accepted"));
    }
    let stored = async {
        for publishing in all {
            publishing.await.expect("stored");
        }
    };
    let ((), words) = tokio::join!(stored, hears.hear("lobby", before + count));
    assert_eq!(words[before..], (0..count).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// How many connections were made so far, as far as the events say that were taken.
fn connections(hears: &Listener) -> usize {
    hears.others.iter().filter(|event| matches!(event, Event::State(State::Online(_)))).count()
}

#[test]
fn a_poll_whose_answer_was_lost_is_sent_again_with_the_same_number() {
    crate::run(async {
        let (house, ann, mut hears) = start().await;
        let front = house.front.as_ref().expect("a front");
        front.break_next(On::Poll, &[Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer]);
        go_on(&ann, &mut hears, 20).await;
        while !front.is_done() {
            go_on(&ann, &mut hears, 1).await;
        }
        assert_eq!(connections(&hears), 1, "the session lives on");
        let polls = front.polls();
        assert!(polls.windows(2).filter(|pair| pair[0] == pair[1]).count() >= 2, "{polls:?}");
    });
}

#[test]
fn polls_that_are_put_off_come_again() {
    crate::run(async {
        let (house, ann, mut hears) = start().await;
        let front = house.front.as_ref().expect("a front");
        let put_off = Fault::Answer(503, error("overloaded", None));
        front.break_next(On::Poll, &[put_off.clone(), put_off, Fault::Answer(502, Value::Null)]);
        while !front.is_done() {
            go_on(&ann, &mut hears, 5).await;
        }
        assert_eq!(connections(&hears), 1, "the session lives on");
    });
}

#[test]
fn commands_whose_fate_is_unknown_are_settled_over_a_new_session() {
    crate::run(async {
        let (house, ann, mut hears) = start().await;
        let front = house.front.as_ref().expect("a front");
        for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::Answer(502, json!("a proxy's page"))] {
            front.break_next(On::Commands, &[fault]);
            go_on(&ann, &mut hears, 30).await;
            assert!(front.is_done());
        }
        assert!(connections(&hears) > 1);
    });
}

#[test]
fn commands_that_are_put_off_together_are_put_off_one_by_one() {
    crate::run(async {
        let (house, ann, mut hears) = start().await;
        let front = house.front.as_ref().expect("a front");
        let fault = |status, code| Fault::Answer(status, error(code, None));
        let faults = [fault(429, "rate_limited"), fault(503, "overloaded"), fault(503, "unavailable")];
        front.break_next(On::Commands, &faults);
        // One at a time: what was under way already when another was put off may come before that one.
        while !front.is_done() {
            go_on(&ann, &mut hears, 1).await;
        }
        assert_eq!(connections(&hears), 1, "the session lives on");
    });
}

#[test]
fn commands_that_come_fast_go_together_and_in_order_and_singly_if_that_is_too_much() {
    crate::run(async {
        let (house, ann, mut hears) = start().await;
        let front = house.front.as_ref().expect("a front");
        go_on(&ann, &mut hears, 500).await;
        let batches = front.batches();
        assert!(batches.len() < 400 && batches.iter().all(|count| *count <= 64), "{batches:?}");
        front.break_next(On::Commands, &[Fault::TooMuch]);
        while !front.is_done() {
            go_on(&ann, &mut hears, 30).await;
        }
        assert_eq!(connections(&hears), 1, "the session lives on");
    });
}

#[test]
fn a_session_that_is_gone_is_opened_anew_and_one_that_was_ended_for_good_is_not() {
    crate::run(async {
        let (house, ann, mut hears) = start().await;
        let front = house.front.as_ref().expect("a front");
        for (on, close) in [(On::Commands, None), (On::Poll, None), (On::Poll, Some(4001))] {
            let before = connections(&hears);
            front.break_next(on, &[Fault::Answer(404, error("not_found", close))]);
            while connections(&hears) == before {
                go_on(&ann, &mut hears, 10).await;
            }
            assert!(front.is_done());
        }
        front.break_next(On::Poll, &[Fault::Answer(404, error("not_found", Some(4501)))]);
        let State::Refused(fault) = hears.until_state(State::is_over).await else { panic!("expected to be refused") };
        assert_eq!((fault.code, fault.close), (Some(Code::Forbidden), Some(4501)));
    });
}

#[test]
fn events_that_were_acknowledged_and_never_came_are_heard_over_a_new_session() {
    crate::run(async {
        let (house, ann, mut hears) = start().await;
        let front = house.front.as_ref().expect("a front");
        front.break_next(On::Poll, &[Fault::Acknowledge]);
        while connections(&hears) < 2 {
            go_on(&ann, &mut hears, 10).await;
        }
        assert!(front.is_done());
    });
}

#[test]
fn a_client_that_closes_ends_its_session() {
    crate::run(async {
        let (house, ann, _hears) = start().await;
        assert_eq!(ann.state(), State::Online(Transport::LongPoll));
        ann.close().await;
        let front = house.front.as_ref().expect("a front");
        while front.deleted() == 0 {
            tokio::task::yield_now().await;
        }
    });
}
