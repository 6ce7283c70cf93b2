//! Which transport is used: WebSocket where it comes through, long-poll where it does not, and back.

use std::time::Duration;

use parlor::client::{Choice, Client, Event, Start, State, Transport};

use crate::house::{House, Over};
use crate::listener::Listener;

#[test]
fn where_upgrades_are_refused_long_poll_is_used_until_they_are_not() {
    crate::run(async {
        let house = House::new(Over::Front).await;
        house.proxy.refuse_upgrades(true);
        let options = house.options().transport(Choice::Auto);
        let options = options.probe(Duration::from_millis(20), Duration::from_millis(200));
        let (ann, events) = Client::start(options.guest("ann")).expect("a client");
        let mut hears = Listener::new(events);
        ann.join("lobby", Start::Stood).await.expect("joined");
        assert_eq!(ann.state(), State::Online(Transport::LongPoll));
        // A probe has failed, and the conversation goes on meanwhile.
        let mut said = 0;
        let mut all = vec![];
        let mut say = async |ann: &Client, hears: &mut Listener| {
            for _ in 0..20 {
                all.push(ann.say("lobby", &format!("number {said}")).await.expect("accepted"));
                said += 1;
            }
            hears.hear("lobby", said - 10).await;
        };
        while house.proxy.refused() < 3 {
            say(&ann, &mut hears).await;
        }
        house.proxy.refuse_upgrades(false);
        while ann.state() != State::Online(Transport::WebSocket) {
            say(&ann, &mut hears).await;
        }
        say(&ann, &mut hears).await;
        let count = said;
        for (n, publishing) in all.into_iter().enumerate() {
            let receipt = publishing.await.expect("stored");
            assert_eq!(receipt.seq, n as u64 + 1, "nothing was doubled, and the order was kept");
        }
        let words = hears.hear("lobby", count).await;
        assert_eq!(words, (0..count).map(|n| format!("number {n}")).collect::<Vec<_>>());
        let states = hears.others.iter().filter(|event| matches!(event, Event::State(State::Waiting(_)))).count();
        assert_eq!(states, 0, "the application never was without a connection");
        // The session before is ended, not left to its timeout.
        let front = house.front.as_ref().expect("a front");
        while front.deleted() == 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_fixed_transport_does_not_fall_back() {
    crate::run(async {
        let house = House::new(Over::LongPoll).await;
        house.proxy.refuse_upgrades(true);
        let options = house.options().transport(Choice::Only(Transport::WebSocket));
        let (_ann, events) = Client::start(options.guest("ann")).expect("a client");
        let mut hears = Listener::new(events);
        for _ in 0..3 {
            hears.until_state(|state| matches!(state, State::Waiting(_))).await;
        }
        let polls = |event: &Event| matches!(event, Event::State(State::Connecting(Transport::LongPoll)));
        assert!(!hears.others.iter().any(polls));
    });
}
