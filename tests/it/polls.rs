//! Polls: their numbers, what is sent again, how long they wait, and which of two wins.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::longpoll::is_parked;
use crate::support::{DEADLINE, Http, Polls, Request, Site, Stage, eventually, page, pause, replies};

scenarios! {
    longpoll:
        an_answer_that_is_cut_anywhere_is_given_again,
        an_answer_to_commands_that_is_cut_anywhere_is_asked_for_again_by_key,
        what_was_acknowledged_is_not_sent_again_and_the_rest_is,
        a_number_that_cannot_be_is_a_conflict_that_names_the_right_one,
        after_and_wait_have_to_be_numbers,
        a_poll_waits_as_long_as_it_says_and_no_longer_than_a_heartbeat,
        a_later_poll_ends_the_first,
        of_many_polls_one_is_answered_with_events,
        polls_that_race_with_events_lose_and_double_nothing,
        commands_over_many_connections_are_all_carried_out_once;
}

/// A session that hears `a`, and the number of its newest event.
pub async fn hearer(site: &Site) -> (Polls, u64) {
    let mut ann = Polls::open(site.address).await;
    assert_eq!(ann.command(json!({"type": "join", "channel": "a", "tail": 0})).await[0]["type"], "joined");
    let (events, next) = ann.rest(0).await;
    assert_eq!(events[0]["type"], "joined");
    (ann, next)
}

/// A publish into `a` with a key of its own.
pub fn publish(n: u64) -> Value {
    json!({"type": "publish", "channel": "a", "body": {"n": n}, "key": format!("k{n}"), "base": 0})
}

/// The bodies of messages, in order.
pub fn bodies(events: &[Value]) -> Vec<u64> {
    events.iter().filter(|event| event["type"] == "message").filter_map(|event| event["body"]["n"].as_u64()).collect()
}

/// Waits until the message with this body has come, without acknowledging any. Returns the events and `next`.
pub async fn arrived(ann: &mut Polls, after: u64, n: u64) -> (Vec<Value>, u64) {
    let begun = Instant::now();
    loop {
        let (events, next) = ann.page(after, "0").await;
        if bodies(&events).contains(&n) {
            return (events, next);
        }
        assert!(begun.elapsed() < DEADLINE, "message {n} does not come: {events:?}");
        pause(1).await;
    }
}

/// Sends a request over a connection of its own and reads so many bytes of the answer. Returns how many came.
async fn cut(to: std::net::SocketAddr, request: &Request, bytes: usize) -> usize {
    let mut http = Http::connect(to).await;
    http.send(&request.clone().with("Connection", "close")).await.expect("the request is sent");
    http.first(bytes).await.len()
}

async fn an_answer_that_is_cut_anywhere_is_given_again(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut next) = hearer(&site).await;
    let mut bob = Polls::open(site.address).await;
    let (mut at, mut sent, mut heard) = (0, 0, Vec::new());
    loop {
        // What comes in between is numbered on, and what was there keeps its numbers.
        if at % 64 == 0 {
            sent += 1;
            assert_eq!(bob.command(publish(sent)).await[0]["type"], "published");
            arrived(&mut ann, next, sent).await;
        }
        let came = cut(site.address, &ann.poll(next, "0"), at).await;
        let (events, last) = ann.page(next, "0").await;
        assert_eq!(events.len() as u64, last - next);
        let (again, _) = ann.page(next, "0").await;
        assert_eq!(events, again, "cut at {at}");
        if at % 256 == 255 {
            heard.extend(bodies(&events));
            next = last;
        }
        if came < at {
            break;
        }
        at += 1;
    }
    heard.extend(bodies(&ann.page(next, "0").await.0));
    assert!(heard.iter().copied().eq(1..=sent), "{heard:?}");
    assert!(at > 300, "the answer was cut {at} times");
}

async fn an_answer_to_commands_that_is_cut_anywhere_is_asked_for_again_by_key(stage: Stage) {
    let site = stage.site().await;
    let mut ann = Polls::open(site.address).await;
    ann.command(json!({"type": "join", "channel": "a"})).await;
    let mut at = 0;
    loop {
        let request = ann.carry(&json!([publish(2 * at), {"type": "ping"}, publish(2 * at + 1)]));
        let came = cut(site.address, &request, at as usize).await;
        let answered = replies(&ann.http.ask(request).await);
        for (slot, seq) in [(0, 2 * at + 1), (2, 2 * at + 2)] {
            let receipt = &answered[slot];
            assert_eq!(
                (&receipt["type"], &receipt["seq"]),
                (&json!("published"), &json!(seq)),
                "cut at {at}: {receipt}"
            );
            assert!(at == 0 || receipt["duplicate"] == true, "cut at {at}: {receipt}");
        }
        if came < at as usize {
            break;
        }
        at += 1;
    }
    let (mut heard, mut after) = (Vec::new(), 0);
    while heard.last() != Some(&(2 * at + 1)) {
        let (events, next) = ann.page(after, "5").await;
        heard.extend(bodies(&events));
        after = next;
    }
    assert!(heard.iter().copied().eq(0..2 * at + 2), "each once, in order: {heard:?}");
    assert!(at > 300, "the answer was cut {at} times");
}

async fn what_was_acknowledged_is_not_sent_again_and_the_rest_is(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, joined) = hearer(&site).await;
    ann.command(json!((1..=5).map(publish).collect::<Vec<_>>())).await;
    let (all, last) = arrived(&mut ann, joined, 5).await;
    assert_eq!((bodies(&all), last), (vec![1, 2, 3, 4, 5], joined + 5));
    for have in [0, 0, 2, 2, 3] {
        let (events, next) = ann.page(joined + have, "0").await;
        assert_eq!((bodies(&events), next), ((have + 1..=5).collect(), last), "after {have} of them");
    }
    ann.command(publish(6)).await;
    let (events, next) = arrived(&mut ann, joined + 4, 6).await;
    assert_eq!((bodies(&events), next), (vec![5, 6], joined + 6));
    let (events, next) = ann.page(joined + 6, "0").await;
    assert_eq!((events, next), (vec![], joined + 6));
}

async fn a_number_that_cannot_be_is_a_conflict_that_names_the_right_one(stage: Stage) {
    let site = stage.site().await;
    let mut ann = Polls::open(site.address).await;
    ann.command(json!([{"type": "join", "channel": "a"}, publish(1), publish(2), publish(3)])).await;
    // Nothing was sent so far: one may have nothing yet.
    let conflict = async |ann: &mut Polls, after: u64, next: u64| {
        let request = ann.poll(after, "0");
        let answer = ann.http.ask(request).await;
        let error = answer.json();
        let said = (answer.status, &error["type"], &error["code"], &error["next"]);
        assert_eq!(said, (409, &json!("error"), &json!("conflict"), &json!(next)), "after {after}");
    };
    for after in [1, 4, u64::MAX] {
        conflict(&mut ann, after, 0).await;
    }
    let (events, last) = arrived(&mut ann, 0, 3).await;
    assert_eq!(last, 4, "{events:?}");
    conflict(&mut ann, 5, 0).await;
    ann.page(2, "0").await;
    for after in [0, 1, 5] {
        conflict(&mut ann, after, 2).await;
    }
    // A conflict ends nobody's poll, and whoever goes on from `next` has missed nothing.
    let mut parked = ann.parked(4, "5").await;
    eventually("a poll is parked", async || is_parked(&site, 1).await).await;
    conflict(&mut ann, 1, 4).await;
    ann.command(publish(4)).await;
    assert_eq!(bodies(&page(&parked.answer().await).0), [4]);
    assert_eq!(bodies(&ann.page(4, "0").await.0), [4]);
}

async fn after_and_wait_have_to_be_numbers(stage: Stage) {
    let site = stage.site().await;
    let mut ann = Polls::open(site.address).await;
    for query in [
        "",
        "?",
        "?wait=0",
        "?after=",
        "?after=x&wait=0",
        "?after=-1&wait=0",
        "?after=0.5&wait=0",
        "?after=18446744073709551616&wait=0",
        "?after=0&after=0&wait=0",
        "?after=0&wait=",
        "?after=0&wait=x",
        "?after=0&wait=-1",
        "?after=0&wait=nan",
        "?after=0&wait=0&wait=0",
    ] {
        let request = Request::get(ann.path(&format!("/events{query}")));
        let answer = ann.http.ask(request).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("bad_frame")), "{query}: {answer:?}");
    }
    for query in ["?after=0&wait=0", "?wait=0.01&after=0&colour=blue"] {
        let request = Request::get(ann.path(&format!("/events{query}")));
        assert_eq!(page(&ann.http.ask(request).await), (vec![], 0), "{query}");
    }
}

async fn a_poll_waits_as_long_as_it_says_and_no_longer_than_a_heartbeat(stage: Stage) {
    let site = stage.site_with(|config| config.presence.heartbeat = Duration::from_millis(300)).await;
    let (mut ann, next) = hearer(&site).await;
    for (wait, least) in [("0", 0), ("0.2", 200), ("25", 300), ("9999", 300)] {
        let begun = Instant::now();
        let (events, last) = ann.page(next, wait).await;
        let took = begun.elapsed();
        assert_eq!((events, last), (vec![], next), "wait={wait}");
        assert!(took >= Duration::from_millis(least) && took < Duration::from_secs(8), "wait={wait} took {took:?}");
    }
    let begun = Instant::now();
    let request = Request::get(ann.path(&format!("/events?after={next}")));
    assert_eq!(page(&ann.http.ask(request).await), (vec![], next));
    assert!(begun.elapsed() >= Duration::from_millis(300), "without `wait` it waits, too");
}

async fn a_later_poll_ends_the_first(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, next) = hearer(&site).await;
    let mut first = ann.parked(next, "20").await;
    for _ in 0..5 {
        eventually("a poll is parked", async || is_parked(&site, 1).await).await;
        let second = ann.parked(next, "20").await;
        assert_eq!(page(&first.answer().await), (vec![], next), "the first ends with an empty list");
        first = second;
    }
    ann.command(publish(1)).await;
    let (events, last) = page(&first.answer().await);
    assert_eq!((bodies(&events), last), (vec![1], next + 1));
    // One that does not wait ends it, too.
    let mut first = ann.parked(last, "20").await;
    eventually("a poll is parked", async || is_parked(&site, 1).await).await;
    assert_eq!(ann.page(last, "0").await, (vec![], last));
    assert_eq!(page(&first.answer().await), (vec![], last));
}

async fn of_many_polls_one_is_answered_with_events(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut next) = hearer(&site).await;
    for round in 1..=5 {
        let mut answers = tokio::task::JoinSet::new();
        for _ in 0..24 {
            let mut http = ann.parked(next, "20").await;
            answers.spawn(async move { page(&http.answer().await) });
        }
        // All but the one that came last end at once.
        for _ in 0..23 {
            assert_eq!(answers.join_next().await.expect("a poll").expect("it is answered"), (vec![], next));
        }
        ann.command(publish(round)).await;
        let (events, last) = answers.join_next().await.expect("a poll").expect("it is answered");
        assert_eq!((bodies(&events), last), (vec![round], next + 1));
        next = last;
    }
}

async fn polls_that_race_with_events_lose_and_double_nothing(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut next) = hearer(&site).await;
    let mut bob = Polls::open(site.address).await;
    let talking = tokio::spawn(async move {
        for n in 1..=300 {
            bob.command(publish(n)).await;
        }
    });
    let (mut lines, mut heard) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        lines.push(Http::connect(site.address).await);
    }
    let begun = Instant::now();
    while heard.len() < 300 {
        // All ask for the same, at once, and several may be told some of it.
        for http in &mut lines {
            http.send(&ann.poll(next, "0.2")).await.expect("the poll is sent");
        }
        let mut most = Vec::new();
        for http in &mut lines {
            let (events, last) = page(&http.answer().await);
            assert_eq!(events.len() as u64, last - next);
            let (short, long) = if events.len() < most.len() { (&events, &most) } else { (&most, &events) };
            assert_eq!(short[..], long[..short.len()], "the same numbers stand for the same events");
            if events.len() > most.len() {
                most = events;
            }
        }
        next += most.len() as u64;
        heard.extend(bodies(&most));
        assert!(begun.elapsed() < 2 * DEADLINE, "heard {} of 300", heard.len());
    }
    talking.await.expect("bob is well");
    heard.extend(bodies(&ann.rest(next).await.0));
    assert!(heard.iter().copied().eq(1..=300), "{heard:?}");
}

async fn commands_over_many_connections_are_all_carried_out_once(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, next) = hearer(&site).await;
    let mut tasks = Vec::new();
    for line in 0..8_u64 {
        let (to, path) = (site.address, ann.path("/commands"));
        tasks.push(tokio::spawn(async move {
            let mut http = Http::connect(to).await;
            let mut places = Vec::new();
            for n in 0..12 {
                let batch: Vec<_> = (0..=n % 4).map(|m| publish(1000 * line + 10 * n + m)).collect();
                for reply in replies(&http.ask(Request::post(&path, json!(batch).to_string())).await) {
                    assert_eq!((&reply["type"], &reply["duplicate"]), (&json!("published"), &json!(false)), "{reply}");
                    places.push(reply["seq"].as_u64().unwrap_or_default());
                }
            }
            places
        }));
    }
    // Meanwhile events are fetched over yet another connection, in the order of their places.
    let (mut at, mut heard) = (next, Vec::new());
    while heard.len() < 8 * 30 {
        let (events, last) = ann.page(at, "5").await;
        heard.extend(events.iter().filter_map(|event| event["seq"].as_u64()));
        at = last;
    }
    assert!(heard.iter().copied().eq(1..=240), "{heard:?}");
    let mut all = Vec::new();
    for task in tasks {
        let places = task.await.expect("the line is well");
        assert!(places.is_sorted_by(|a, b| a < b), "what came over one connection is in order: {places:?}");
        all.extend(places);
    }
    all.sort_unstable();
    assert!(all.into_iter().eq(1..=240), "each was answered once");
    // One request after the other, each over another connection.
    let mut lines = Vec::new();
    for _ in 0..4 {
        lines.push(Http::connect(site.address).await);
    }
    for n in 0..40 {
        let request = ann.carry(&publish(100_000 + n));
        let answer = lines[n as usize % 4].ask(request).await;
        assert_eq!(replies(&answer)[0]["seq"], 241 + n);
    }
}
