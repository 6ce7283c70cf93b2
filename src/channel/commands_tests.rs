//! Whom a channel tells what: those who hear it, and those who watch who comes.

use super::super::messages::{Batch, Draft};
use super::super::state::tests::{SETTINGS, TIME};
use super::super::step::{Found, Input, Loaded};
use super::*;
use crate::model::{Epoch, HubId, Standing, Wall};
use crate::protocol::Publish;
use crate::store::{AppendError, Head};

/// A session of a user of its own, on a hub of its own.
fn origin(session: u32, ticket: u64) -> Origin {
    let user = UserName::parse(&format!("u{session}")).unwrap();
    Origin {
        hub: HubId(session),
        conn: Conn { boot: 1, count: session.into() },
        ticket,
        user,
        standing: Standing::Guest,
    }
}

fn head(epoch: &str, seq: Seq) -> Head {
    Head { epoch: Epoch(epoch.into()), seq, first: 1, at: Wall(0), hash: [0; 16], token: 0 }
}

fn loaded(epoch: &str, seq: Seq) -> Input {
    Input::Loaded(Ok(Found::There(Box::new(Loaded::empty(head(epoch, seq), SETTINGS)))))
}

/// A channel that is awake.
fn awake() -> State {
    let mut state = State::new(ChannelName::stored("a").unwrap(), 1, SETTINGS);
    state.command(TIME, origin(9, 1), Action::Look);
    state.input(TIME, loaded("e", 3));
    state
}

fn join() -> Action {
    Action::Join { start: Start::Stood, member: false }
}

fn publish() -> Action {
    let publish = Publish {
        channel: ChannelName::stored("a").unwrap(),
        body: "{}".into(),
        key: None,
        base: None,
        kind: None,
        reply_to: None,
    };
    Action::Publish(Box::new(Draft { publish, permit: None }))
}

/// What a hub is told by these effects, and that it is done with it.
fn told(state: &mut State, hub: u32, effects: Vec<Effect>) -> Vec<Item> {
    let (mut items, mut todo) = (Vec::new(), effects);
    while let Some(effect) = todo.pop() {
        let Effect::Send(to, Batch { items: batch, ack, .. }) = effect else { continue };
        if ack.done() {
            todo.extend(state.acked(TIME));
        }
        if to == HubId(hub) {
            items.extend(batch);
        }
    }
    items
}

#[test]
fn whoever_watches_a_channel_is_told_of_each_user_who_comes_and_of_each_once() {
    let mut state = awake();
    let effects = state.command(TIME, origin(1, 1), Action::Watch);
    let items = told(&mut state, 1, effects);
    assert!(matches!(&items[..], [Item::Answer(_, Answer::Users(users))] if users.is_empty()), "{items:?}");
    for (session, ticket) in [(2, 1), (3, 1), (2, 2)] {
        let effects = state.command(TIME, origin(session, ticket), join());
        let items = told(&mut state, 1, effects);
        let came: Vec<_> = items
            .iter()
            .filter_map(
                |item| if let Item::Watch(conn, user) = item { Some((conn.count, user.as_str())) } else { None },
            )
            .collect();
        let user = format!("u{session}");
        assert_eq!(came, if ticket == 1 { vec![(1, &*user)] } else { vec![] });
    }
    let effects = state.command(TIME, origin(1, 2), Action::Unwatch);
    told(&mut state, 1, effects);
    let effects = state.command(TIME, origin(4, 1), join());
    assert!(told(&mut state, 1, effects).is_empty());
}

#[test]
fn whoever_hears_a_channel_whose_log_turns_out_to_be_another_is_told_that_it_is_closed() {
    for (epoch, closed) in [("e", false), ("f", true)] {
        let mut state = awake();
        let effects = state.command(TIME, origin(1, 1), join());
        told(&mut state, 1, effects);
        state.command(TIME, origin(2, 1), publish());
        // What became of it is not known, so the log is read anew.
        state.input(TIME, Input::Appended(Err(AppendError::Unknown)));
        let effects = state.input(TIME, loaded(epoch, 3));
        let items = told(&mut state, 1, effects);
        let reset = |item: &Item| matches!(item, Item::Closed(conn, Closed::Reset) if conn.count == 1);
        assert_eq!(items.iter().any(reset), closed, "{epoch}: {items:?}");
    }
}

#[test]
fn when_a_user_leaves_the_others_sessions_are_told_and_nobody_elses() {
    let mut state = awake();
    let other = Origin { user: origin(1, 1).user, ..origin(2, 1) };
    for who in [origin(1, 1), other, origin(3, 1)] {
        let hub = who.hub.0;
        let effects = state.command(TIME, who, join());
        told(&mut state, hub, effects);
    }
    state.roster.admit(origin(1, 1).user, 0);
    let effects = state.command(TIME, origin(1, 2), Action::Leave { only_session: false });
    let job = effects.iter().find_map(|effect| if let Effect::Note(job, _) = effect { Some(*job) } else { None });
    let effects = state.input(TIME, Input::Noted(job.unwrap(), Ok(())));
    let closed: Vec<u64> = effects
        .iter()
        .filter_map(|effect| if let Effect::Send(_, batch) = effect { Some(&batch.items) } else { None })
        .flatten()
        .filter_map(|item| if let Item::Closed(conn, Closed::Left) = item { Some(conn.count) } else { None })
        .collect();
    assert_eq!(closed, [2]);
}

#[test]
fn publishes_that_waited_for_a_hub_that_was_behind_go_on_when_it_is_done() {
    let mut state = awake();
    let joined = state.command(TIME, origin(1, 1), join());
    told(&mut state, 1, joined);
    let (mut seq, mut behind, mut waits) = (3, None, None);
    // The hub of session 1 is handed the first message, and deals with it for a long time.
    for ticket in 2..100 {
        let mut effects = state.command(TIME, origin(2, ticket), publish());
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                match effect {
                    Effect::Append(_, batch) => {
                        seq += batch.len() as Seq;
                        next.extend(state.input(TIME, Input::Appended(Ok(head("e", seq)))));
                    }
                    Effect::Send(HubId(1), batch) => behind = Some(batch.ack),
                    Effect::Send(_, batch) if batch.ack.done() => next.extend(state.acked(TIME)),
                    _ => {}
                }
            }
            effects = next;
        }
        if seq < ticket + 2 {
            waits = Some(ticket);
            break;
        }
    }
    assert!(waits.is_some(), "messages pile up for the hub without end");
    assert!(behind.unwrap().done(), "nobody waits for the hub");
    let effects = state.acked(TIME);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Append(..))), "the publish waits for nothing");
}
