//! What an application does with a client on a good day.

use parlor::client::{Client, Code, Draft, Error, Event, Start, State};
use serde_json::json;

use crate::house::{House, Over};
use crate::listener::Listener;

scenarios! {
    two_clients_hear_each_other_in_order,
    single_commands_are_answered,
    whoever_is_watched_is_heard_of,
    a_bad_token_is_refused_for_good,
    a_logout_ends_the_client,
    a_client_goes_on_from_the_cursors_of_an_earlier_one,
    a_channel_that_was_left_is_not_heard,
}

/// A guest who hears the lobby.
async fn joined(house: &House, name: &str) -> (Client, Listener) {
    let (client, events) = house.guest(name);
    client.join("lobby", Start::Stood).await.expect("joined");
    (client, Listener::new(events))
}

async fn two_clients_hear_each_other_in_order(over: Over) {
    let house = House::new(over).await;
    let (ann, mut ann_hears) = joined(&house, "ann").await;
    let (bob, mut bob_hears) = joined(&house, "bob").await;
    let mut receipts = vec![];
    for n in 0..20 {
        let who = if n % 2 == 0 { &ann } else { &bob };
        receipts.push(who.say("lobby", &format!("number {n}")).await.expect("accepted").await.expect("stored"));
    }
    let expected: Vec<String> = (0..20).map(|n| format!("number {n}")).collect();
    assert_eq!(ann_hears.hear("lobby", 20).await, expected);
    assert_eq!(bob_hears.hear("lobby", 20).await, expected);
    let places: Vec<u64> = receipts.iter().map(|receipt| receipt.seq).collect();
    assert_eq!(places, (1..=20).collect::<Vec<_>>());
    assert_eq!(ann.cursor("lobby"), Some(bob_hears.heard["lobby"][19].cursor()));
    assert_eq!(bob_hears.heard["lobby"][0].from, ann.user().expect("a user"));
}

async fn single_commands_are_answered(over: Over) {
    let house = House::new(over).await;
    let (ann, _hears) = joined(&house, "ann").await;
    let me = ann.user().expect("a user");
    for n in 0..5 {
        ann.say("lobby", &n.to_string()).await.expect("accepted").await.expect("stored");
    }
    let poll = Draft::new(json!({"q": "tea?"})).kind("x-poll").answers(2);
    let receipt = ann.publish_with("lobby", poll).await.expect("accepted").await.expect("stored");
    let history = ann.history("lobby", Some(3), None, 10).await.expect("a page");
    assert_eq!(history.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [4, 5, 6]);
    let last = &history.messages[2];
    assert_eq!((last.cursor().epoch, last.kind.as_deref(), last.reply_to), (receipt.epoch, Some("x-poll"), Some(2)));
    assert_eq!(ann.who("lobby", None, 10).await.expect("names").users, std::slice::from_ref(&me));
    ann.read("lobby", 6).await.expect("read");
    ann.typing("lobby").await.expect("typed");
    let channels = ann.channels(None, 10).await.expect("channels");
    assert_eq!((channels.channels[0].channel.as_str(), channels.channels[0].read), ("lobby", 6));
    assert_eq!(ann.presence(&[&me, "nobody"]).await.expect("rows")[1].state, "offline");
    let error = ann.typing("elsewhere").await.expect_err("not there");
    assert_eq!(error.fault().and_then(|fault| fault.code), Some(Code::NotJoined));
    let error = ann.command(json!({"type": "dance"})).await.expect_err("not known");
    assert_eq!(error.fault().and_then(|fault| fault.code), Some(Code::UnknownType));
    let error = ann.say("lobby", &"x".repeat(40_000)).await.expect("accepted").await.expect_err("too large");
    assert_eq!(error.fault().and_then(|fault| fault.code), Some(Code::TooLarge));
    assert!(matches!(ann.join("No Name", Start::Stood).await, Err(Error::Invalid(_))));
}

async fn whoever_is_watched_is_heard_of(over: Over) {
    let mut house = House::new(over).await;
    let (bob, _) = house.guest("bob");
    bob.online().await.expect("online");
    let name = bob.user().expect("a user");
    let (ann, events) = house.guest("ann");
    let mut ann_hears = Listener::new(events);
    ann.online().await.expect("online");
    let rows = ann.watch(&[&name], None).await.expect("watching");
    assert_eq!((rows[0].user.as_str(), rows[0].state.as_str()), (name.as_str(), "online"));
    // The watch outlives the connection.
    house.close().await;
    house.open().await;
    ann_hears.until(|event| matches!(event, Event::Watching(_))).await;
    let gone = |event: &Event| matches!(event, Event::Presence(row) if row.user == name && row.state == "offline");
    bob.online().await.expect("online");
    bob.logout().await.expect("logged out");
    ann_hears.until(gone).await;
    ann.unwatch(&[&name], None).await.expect("unwatched");
}

async fn a_bad_token_is_refused_for_good(over: Over) {
    let house = House::new(over).await;
    let (client, events) = Client::start(house.options().token("g1.~ann-aaaaa.nonsense")).expect("a client");
    let publishing = client.say("lobby", "hello").await;
    let Err(Error::Refused(fault)) = client.online().await else { panic!("expected to be refused") };
    assert_eq!(fault.code, Some(Code::Unauthenticated));
    if let Ok(publishing) = publishing {
        assert!(matches!(publishing.await, Err(Error::Refused(_))));
    }
    assert!(matches!(client.channels(None, 1).await, Err(Error::Refused(_))));
    let rest = Listener::new(events).rest().await;
    assert!(matches!(rest.last(), Some(Event::State(State::Refused(_)))), "{rest:?}");
}

async fn a_logout_ends_the_client(over: Over) {
    let house = House::new(over).await;
    let (client, events) = house.guest("ann");
    client.online().await.expect("online");
    let (user, token) = (client.user(), client.token().expect("a token"));
    client.logout().await.expect("logged out");
    assert!(matches!(client.say("lobby", "late").await, Err(Error::Ended)));
    assert!(matches!(Listener::new(events).rest().await.last(), Some(Event::State(State::Ended))));
    let (again, _) = Client::start(house.options().token(token)).expect("a client");
    again.online().await.expect("online");
    assert_eq!(again.user(), user);
    again.close().await;
}

async fn a_client_goes_on_from_the_cursors_of_an_earlier_one(over: Over) {
    let mut house = House::new(over).await;
    let (ann, mut ann_hears) = joined(&house, "ann").await;
    for n in 1..=5 {
        ann.say("lobby", &n.to_string()).await.expect("accepted").await.expect("stored");
    }
    ann_hears.hear("lobby", 3).await;
    let (token, cursors) = (ann.token().expect("a token"), ann.cursors());
    assert_eq!(cursors["lobby"].seq, 3, "what was not taken does not count");
    for n in 6..=20 {
        ann.say("lobby", &n.to_string()).await.expect("accepted").await.expect("stored");
    }
    ann.close().await;
    house.close().await;
    house.trim("lobby", 15);
    house.open().await;
    let (ann, events) = Client::start(house.options().token(token).cursors(cursors)).expect("a client");
    ann.join("lobby", Start::Stood).await.expect("joined");
    let mut hears = Listener::new(events);
    let words = hears.hear("lobby", 6).await;
    assert_eq!(words, (15..=20).map(|n| n.to_string()).collect::<Vec<_>>());
    let hole = |event: &&Event| matches!(event, Event::Hole { .. });
    let hole = hears.others.iter().find(hole).expect("a hole");
    assert_eq!(hole, &Event::Hole { channel: "lobby".into(), from: 4, to: 14 });
}

async fn a_channel_that_was_left_is_not_heard(over: Over) {
    let mut house = House::new(over).await;
    let (ann, mut ann_hears) = joined(&house, "ann").await;
    let (bob, mut bob_hears) = joined(&house, "bob").await;
    ann.leave("lobby").await.expect("left");
    ann.join("other", Start::Stood).await.expect("joined");
    for channel in ["lobby", "other"] {
        bob.say(channel, "here?").await.expect("accepted").await.expect("stored");
    }
    bob_hears.hear("lobby", 1).await;
    ann_hears.hear("other", 1).await;
    assert_eq!(ann_hears.heard.keys().collect::<Vec<_>>(), ["other"]);
    // Nor over a new connection.
    house.close().await;
    house.open().await;
    ann_hears.until(|event| matches!(event, Event::Joined(joined) if joined.channel == "other")).await;
    let channels = ann.channels(None, 10).await.expect("channels").channels;
    assert_eq!(channels.iter().map(|row| row.channel.as_str()).collect::<Vec<_>>(), ["other"]);
    drop(bob);
}
