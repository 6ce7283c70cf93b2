//! Orders, step by step, to a channel whose log is what is said here.

use super::super::messages::Action;
use super::super::state::tests::{SETTINGS, TIME};
use super::super::step::{Found, Input, Loaded};
use super::*;
use crate::model::{ChannelName, Conn, Epoch, HubId, Standing, Wall};
use crate::protocol::{ErrorCode, Start};
use crate::store::Head;

fn head(first: Seq, seq: Seq) -> Head {
    Head { epoch: Epoch("e".into()), seq, first, at: Wall(0), hash: [0; 16], token: 1 }
}

fn asleep() -> State {
    State::new(ChannelName::stored("a").unwrap(), 1, SETTINGS)
}

/// A channel of 1,000 messages.
fn awake() -> State {
    let mut state = asleep();
    state.load();
    load(&mut state, head(1, 1000));
    state
}

fn load(state: &mut State, head: Head) -> Vec<Effect> {
    let loaded = Loaded::empty(head, SETTINGS);
    state.input(TIME, Input::Loaded(Ok(Found::There(Box::new(loaded)))))
}

fn trim(state: &mut State, below: Seq) -> (Vec<Effect>, oneshot::Receiver<Result<Trimmed, Problem>>) {
    let (tell, told) = oneshot::channel();
    (state.ordered(TIME, Order::Trim { of: head(1, 1000), below, tell }), told)
}

fn bitten(state: &mut State, first: Seq) -> Vec<Effect> {
    state.input(TIME, Input::Trimmed(Ok(Trimmed { head: head(first, 1000), messages: 10, bytes: 20 })))
}

/// Where the only bite ends.
fn bite(effects: &[Effect]) -> Seq {
    let [Effect::Trim(below)] = effects else { panic!("one bite, not {effects:?}") };
    *below
}

#[test]
fn a_trim_goes_bite_by_bite_and_what_goes_is_given_to_nobody_from_its_beginning_on() {
    let mut state = awake();
    let (effects, mut told) = trim(&mut state, 600);
    assert_eq!((bite(&effects), state.kept().first), (257, 600));
    let user = UserName::parse("ann").unwrap();
    let origin =
        Origin { hub: HubId(0), conn: Conn { boot: 1, count: 1 }, ticket: 1, user, standing: Standing::Account };
    let start = Start::Since(crate::model::Cursor { epoch: Epoch("e".into()), seq: 300 });
    let effects = state.command(TIME, origin, Action::Join { start, member: false });
    let [Effect::Send(_, batch)] = &effects[..] else { panic!("an answer: {effects:?}") };
    let Item::Joined(_, joined) = &batch.items[0] else { panic!("joined") };
    assert_eq!((joined.first, joined.next, joined.gap), (600, 600, true));
    assert_eq!(bite(&bitten(&mut state, 257)), 513);
    assert_eq!(bite(&bitten(&mut state, 513)), 600);
    assert!(told.try_recv().is_err() && !state.is_idle());
    assert!(bitten(&mut state, 600).is_empty());
    let trimmed = told.try_recv().unwrap().unwrap();
    assert_eq!((trimmed.head.first, trimmed.messages, trimmed.bytes), (600, 30, 60));
}

#[test]
fn a_channel_that_sleeps_is_trimmed_without_being_loaded_and_may_sleep_on() {
    let mut state = asleep();
    let (effects, mut told) = trim(&mut state, 5000);
    assert_eq!(bite(&effects), 257);
    assert!(!state.is_absent(), "not before it is done");
    assert_eq!(bite(&bitten(&mut state, 257)), 513);
    assert!(bitten(&mut state, 1001).is_empty(), "nothing is left");
    assert_eq!(told.try_recv().unwrap().unwrap().head.first, 1001);
    assert!(state.is_absent());
}

#[test]
fn what_is_read_while_a_bite_is_written_is_read_behind_it() {
    let mut state = asleep();
    let (_, _told) = trim(&mut state, 600);
    let (tell, _kept) = oneshot::channel();
    let effects = state.ordered(TIME, Order::Keep(Keep::default(), tell));
    assert!(matches!(effects[..], [Effect::Load(true)]), "{effects:?}");
    assert!(bitten(&mut state, 257).is_empty(), "not while it is read");
    let effects = load(&mut state, head(257, 1000));
    assert!(matches!(effects[..], [Effect::Note(..), Effect::Trim(513)]), "{effects:?}");
    assert_eq!(state.kept().first, 600);
}

#[test]
fn a_bite_that_fails_ends_the_trim_and_the_next_one_goes_on() {
    let mut state = awake();
    let (_, mut told) = trim(&mut state, 600);
    assert!(state.input(TIME, Input::Trimmed(Err(AppendError::Unknown))).is_empty());
    assert_eq!(told.try_recv().unwrap().unwrap_err().code, ErrorCode::Unavailable);
    assert!(state.is_idle());
    assert_eq!(bite(&trim(&mut state, 600).0), 257);
}

#[test]
fn two_trims_come_one_after_the_other() {
    let mut state = awake();
    let (_, mut first) = trim(&mut state, 100);
    let (effects, mut second) = trim(&mut state, 200);
    assert!(effects.is_empty());
    assert_eq!(bite(&bitten(&mut state, 100)), 200);
    assert!(first.try_recv().is_ok() && second.try_recv().is_err());
    assert!(bitten(&mut state, 200).is_empty() && second.try_recv().is_ok());
}

#[test]
fn an_operator_deletes_behind_what_is_being_written_and_hears_so() {
    let mut state = awake();
    let (tell, mut told) = oneshot::channel();
    let effects = state.ordered(TIME, Order::Delete(UserName::parse("oz").unwrap(), tell));
    let [Effect::Note(job, _)] = effects[..] else { panic!("{effects:?}") };
    let effects = state.input(TIME, Input::Noted(job, Ok(())));
    assert!(told.try_recv().unwrap().is_ok() && matches!(effects[..], [Effect::Clear]), "{effects:?}");
    state.input(TIME, Input::Loaded(Ok(Found::Deleted)));
    let (tell, mut told) = oneshot::channel();
    state.ordered(TIME, Order::Delete(UserName::parse("oz").unwrap(), tell));
    assert_eq!(told.try_recv().unwrap().unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(trim(&mut state, 9).1.try_recv().unwrap().unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn orders_that_need_the_log_are_refused_where_it_cannot_be_read() {
    let mut state = asleep();
    let (tell, mut told) = oneshot::channel();
    state.ordered(TIME, Order::Keep(Keep::default(), tell));
    state.input(TIME, Input::Loaded(Err(crate::store::ReadError::Unavailable("no".into()))));
    assert_eq!(told.try_recv().unwrap().unwrap_err().code, ErrorCode::Unavailable);
    assert!(state.is_idle());
}

#[test]
fn what_comes_after_a_trim_was_asked_for_stays_and_so_does_another_log() {
    let mut state = asleep();
    let (mut effects, mut told) = trim(&mut state, Seq::MAX);
    let mut first = 1;
    while !effects.is_empty() {
        first = bite(&effects);
        // Meanwhile others publish.
        let trimmed = Trimmed { head: head(first, 1000 + first), messages: 1, bytes: 1 };
        effects = state.input(TIME, Input::Trimmed(Ok(trimmed)));
    }
    assert_eq!((first, told.try_recv().unwrap().unwrap().messages), (1001, 4));
    let mut state = awake();
    let (tell, mut told) = oneshot::channel();
    let of = Head { epoch: Epoch("another".into()), ..head(1, 1000) };
    assert!(state.ordered(TIME, Order::Trim { of, below: 1000, tell }).is_empty());
    assert_eq!(told.try_recv().unwrap().unwrap_err().code, ErrorCode::Unavailable);
    assert_eq!(state.kept().first, 1);
}
