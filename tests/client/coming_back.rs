//! What happens to messages when connections, servers and applications do not behave.

use std::time::Duration;

use parlor::client::{Client, Event, Publishing, Receipt, Start, State};

use crate::house::{House, Over};
use crate::listener::Listener;

scenarios! {
    a_restart_in_mid_stream_loses_and_doubles_nothing,
    connections_that_are_cut_again_and_again_lose_and_double_nothing,
    what_is_published_while_nobody_is_there_is_stored_in_order,
    an_application_that_takes_nothing_loses_nothing,
    an_application_that_waits_for_a_receipt_before_it_takes_the_next_event_gets_it,
}

/// Says so many things, and returns what to wait for.
async fn say(client: &Client, channel: &str, from: usize, count: usize) -> Vec<Publishing> {
    let mut publishings = vec![];
    for n in from..from + count {
        publishings.push(client.say(channel, &format!("number {n}")).await.expect("accepted"));
    }
    publishings
}

async fn receipts(publishings: Vec<Publishing>) -> Vec<Receipt> {
    let mut receipts = vec![];
    for publishing in publishings {
        receipts.push(publishing.await.expect("stored"));
    }
    receipts
}

fn numbers(count: usize) -> Vec<String> {
    let mut numbers: Vec<_> = (0..count).map(|n| format!("number {n}")).collect();
    numbers.sort();
    numbers
}

/// Everything was heard once, at the places that the receipts name.
fn hold(heard: &Listener, receipts: &[Receipt], count: usize) {
    let mut words = heard.words("lobby");
    for (n, receipt) in receipts.iter().enumerate() {
        assert_eq!(words[receipt.seq as usize - 1], format!("number {n}"));
    }
    words.sort();
    assert_eq!(words, numbers(count));
}

async fn a_restart_in_mid_stream_loses_and_doubles_nothing(over: Over) {
    let mut house = House::new(over).await;
    let (ann, ann_events) = house.guest("ann");
    let (bob, bob_events) = house.guest("bob");
    let (mut ann_hears, mut bob_hears) = (Listener::new(ann_events), Listener::new(bob_events));
    ann.join("lobby", Start::Stood).await.expect("joined");
    bob.join("lobby", Start::Stood).await.expect("joined");
    let mut all = say(&ann, "lobby", 0, 300).await;
    tokio::join!(bob_hears.hear("lobby", 20), ann_hears.hear("lobby", 20));
    house.close().await;
    all.extend(say(&ann, "lobby", 300, 300).await);
    house.open().await;
    tokio::join!(bob_hears.hear("lobby", 320), ann_hears.hear("lobby", 320));
    house.close().await;
    house.open().await;
    let (all, ..) = tokio::join!(receipts(all), bob_hears.hear("lobby", 600), ann_hears.hear("lobby", 600));
    hold(&bob_hears, &all, 600);
    hold(&ann_hears, &all, 600);
}

async fn connections_that_are_cut_again_and_again_lose_and_double_nothing(over: Over) {
    let house = House::new(over).await;
    let (ann, ann_events) = house.guest("ann");
    let (bob, bob_events) = house.guest("bob");
    let (mut ann_hears, mut bob_hears) = (Listener::new(ann_events), Listener::new(bob_events));
    ann.join("lobby", Start::Stood).await.expect("joined");
    bob.join("lobby", Start::Stood).await.expect("joined");
    let all = say(&ann, "lobby", 0, 1000).await;
    let cuts = async {
        // Cuts fall where they fall: after as much time as some bytes of randomness say.
        let mut cut = 0;
        for _ in 0..40 {
            let wait = u64::from(parlor::clock::random::<1>()[0]) / 8;
            tokio::time::sleep(Duration::from_millis(wait)).await;
            cut += house.proxy.cut();
        }
        cut
    };
    let (cut, all, ..) =
        tokio::join!(cuts, receipts(all), bob_hears.hear("lobby", 1000), ann_hears.hear("lobby", 1000));
    assert!(cut > 0, "nothing was cut");
    hold(&bob_hears, &all, 1000);
    hold(&ann_hears, &all, 1000);
}

async fn what_is_published_while_nobody_is_there_is_stored_in_order(over: Over) {
    let mut house = House::closed(over, |_| {}).await;
    let (ann, events) = house.guest("ann");
    let mut hears = Listener::new(events);
    let join = ann.join("lobby", Start::Stood);
    let all = say(&ann, "lobby", 0, 200);
    let opens = async {
        hears.until_state(|state| matches!(state, State::Waiting(_))).await;
        house.open().await;
    };
    let (joined, all, ()) = tokio::join!(join, all, opens);
    joined.expect("joined");
    let all = receipts(all).await;
    assert!(all.is_sorted_by_key(|receipt| receipt.seq), "in the order in which they were said");
    hears.hear("lobby", 200).await;
    hold(&hears, &all, 200);
}

async fn an_application_that_takes_nothing_loses_nothing(over: Over) {
    let house = House::with(over, |config| config.limits.session_queue_bytes = 128 << 10).await;
    let (ann, _) = house.guest("ann");
    let (bob, events) = Client::start(house.options().guest("bob").events(8)).expect("a client");
    bob.join("lobby", Start::Stood).await.expect("joined");
    ann.join("lobby", Start::Stood).await.expect("joined");
    let mut all = vec![];
    for n in 0..6000 {
        let words = format!("{n} {}", "x".repeat(2000));
        all.push(ann.say("lobby", &words).await.expect("accepted"));
        if all.len() == 100 {
            receipts(std::mem::take(&mut all)).await;
        }
    }
    let mut hears = Listener::new(events);
    let words = hears.hear("lobby", 6000).await;
    for (n, words) in words.iter().enumerate() {
        assert!(words.starts_with(&format!("{n} ")));
    }
    // It came back by its cursor, unless the sockets in between swallowed everything.
    let joins = hears.others.iter().filter(|event| matches!(event, Event::Joined(_))).count();
    assert!(joins >= 1);
}

async fn an_application_that_waits_for_a_receipt_before_it_takes_the_next_event_gets_it(over: Over) {
    let house = House::new(over).await;
    let (ann, _) = house.guest("ann");
    let (bob, events) = Client::start(house.options().guest("bob").events(4)).expect("a client");
    bob.join("lobby", Start::Stood).await.expect("joined");
    ann.join("lobby", Start::Stood).await.expect("joined");
    receipts(say(&ann, "lobby", 0, 200).await).await;
    let mut hears = Listener::new(events);
    hears.hear("lobby", 1).await;
    // There are more events than have room, and nobody takes them.
    let receipt = bob.say("lobby", "what was that?").await.expect("accepted").await.expect("stored");
    bob.join("other", Start::Stood).await.expect("joined");
    assert_eq!(bob.history("lobby", None, None, 1).await.expect("a page").head, receipt.seq);
    let words = hears.hear("lobby", 201).await;
    assert_eq!(words[200], "what was that?");
}
