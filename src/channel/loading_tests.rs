//! What those hear who are reported to a channel that began anew: in time, or late.

use super::super::messages::{Batch, Subscriber};
use super::super::state::tests::{SETTINGS, TIME};
use super::super::step::{Found, Settings};
use super::*;
use crate::model::{ChannelName, Conn, Epoch, Role, UserName, Wall};
use crate::store::{Head, Mark, Place};

const LATE: HubId = HubId(2);

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

/// A channel of ann's, to which bob belongs; from it dave is banned.
fn there(private: bool) -> Found {
    let head = Head { epoch: Epoch("e".into()), seq: 3, first: 1, at: Wall(0), hash: [0; 16], token: 0 };
    let mut loaded = Loaded::empty(head, SETTINGS);
    loaded.place = Place { private, ..Place::default() };
    let mark = |role, banned| Mark { role, banned, invited: false };
    loaded.marks = vec![(user("ann"), mark(Role::Owner, false)), (user("dave"), mark(Role::Member, true))];
    loaded.members = vec![(user("ann"), 0), (user("bob"), 0)];
    Found::There(Box::new(loaded))
}

/// What a session is told that is reported to hear this, or to watch who comes; by a hub that is late, or is not.
fn told(found: Found, who: &str, hears: Option<Hears>, late: bool) -> Vec<Item> {
    told_by(SETTINGS, found, who, hears, late)
}

fn told_by(settings: Settings, found: Found, who: &str, hears: Option<Hears>, late: bool) -> Vec<Item> {
    let mut state = State::new(ChannelName::stored("a").unwrap(), 2, settings);
    state.begin_again(TIME, vec![HubId(1), LATE]);
    state.input(TIME, Input::Loaded(Ok(found)));
    let standing = if who == "oz" { Standing::Operator } else { Standing::Account };
    let watching = hears.is_none();
    let one = Subscriber { conn: Conn { boot: 1, count: 7 }, user: user(who), standing, hears, watching };
    let mut effects = state.attached(TIME, HubId(1), Vec::new());
    if late {
        effects.extend(state.input(TIME, Input::AttachOver));
    }
    effects.extend(state.attached(TIME, LATE, vec![one]));
    let to_it = |effect| match effect {
        Effect::Send(LATE, Batch { items, .. }) => items,
        _ => Vec::new(),
    };
    effects.into_iter().flat_map(to_it).filter(|item| !matches!(item, Item::Messages(_))).collect()
}

#[test]
fn whoever_may_hear_it_no_more_is_told_so_however_late_that_is_found_out() {
    let hears = |epoch: &str, member| Some(Hears { epoch: Epoch(epoch.into()), member });
    for late in [false, true] {
        for (private, who, what, expected) in [
            (true, "bob", hears("e", true), None),
            (true, "oz", hears("e", false), None),
            (true, "carol", hears("e", true), Some(Closed::Left)),
            (true, "dave", hears("e", true), Some(Closed::Banned)),
            (false, "dave", hears("e", false), Some(Closed::Banned)),
            (false, "carol", hears("e", false), None),
            (false, "carol", hears("e", true), Some(Closed::Left)),
            (false, "bob", hears("d", true), Some(Closed::Reset)),
        ] {
            let items = told(there(private), who, what.clone(), late);
            let closed = items.iter().find_map(|item| if let Item::Closed(_, why) = item { Some(*why) } else { None });
            assert_eq!((closed, items.len()), (expected, usize::from(expected.is_some())), "{who} {what:?} {late}");
        }
        for (private, who, sees) in [(true, "bob", true), (true, "carol", false), (false, "carol", true)] {
            let items = told(there(private), who, None, late);
            assert_eq!(matches!(items[..], [Item::Unwatch(..)]), !sees, "{who}: {items:?}");
            assert_eq!(items.is_empty(), sees, "{who}: {items:?}");
        }
        for (found, why) in [(Found::Deleted, Closed::Deleted), (Found::Nothing, Closed::Reset)] {
            let items = told(found, "bob", hears("e", true), late);
            assert!(matches!(items[..], [Item::Closed(_, said)] if said == why), "{items:?}");
        }
    }
}

#[test]
fn a_membership_that_may_have_been_lost_is_not_said_to_have_been_left() {
    for (private, late) in [(false, false), (false, true), (true, false), (true, true)] {
        let hears = Some(Hears { epoch: Epoch("e".into()), member: true });
        let items = told_by(Settings { durable: false, ..SETTINGS }, there(private), "carol", hears, late);
        assert!(matches!(items[..], [Item::Closed(_, Closed::Reset)]), "{items:?}");
    }
}

#[test]
fn a_channel_that_is_not_there_keeps_nobody_who_is_reported_late() {
    let mut state = State::new(ChannelName::stored("a").unwrap(), 2, SETTINGS);
    state.begin_again(TIME, vec![LATE]);
    state.input(TIME, Input::Loaded(Ok(Found::Deleted)));
    assert!(!state.is_absent(), "a hub has yet to report");
    state.input(TIME, Input::AttachOver);
    assert!(state.is_absent());
    let (conn, hears) = (Conn { boot: 1, count: 7 }, Hears { epoch: Epoch("e".into()), member: false });
    let one = Subscriber { conn, user: user("bob"), standing: Standing::Guest, hears: Some(hears), watching: true };
    let effects = state.attached(TIME, LATE, vec![one]);
    let acked = |effect| if let Effect::Send(_, batch) = effect { batch.ack.done() } else { false };
    assert_eq!(effects.into_iter().map(acked).filter(|waits| *waits).count(), 0);
    assert!(state.is_absent() && state.reported.is_empty());
}

#[test]
fn a_report_that_comes_when_the_channel_sleeps_wakes_it_and_is_looked_at() {
    let mut state = State::new(ChannelName::stored("a").unwrap(), 1, SETTINGS);
    let subscriber = |name: &str, count| {
        let hears = Some(Hears { epoch: Epoch("e".into()), member: true });
        let (conn, standing) = (Conn { boot: 1, count }, Standing::Account);
        Subscriber { conn, user: user(name), standing, hears, watching: false }
    };
    let effects = state.attached(TIME, LATE, vec![subscriber("bob", 1), subscriber("dave", 2)]);
    assert!(matches!(effects[..], [Effect::Load(_)]), "{effects:?}");
    let effects = state.input(TIME, Input::Loaded(Ok(there(false))));
    let banned = |item: &Item| matches!(item, Item::Closed(conn, Closed::Banned) if conn.count == 2);
    let told = |effect: &Effect| matches!(effect, Effect::Send(LATE, batch) if batch.items.iter().any(banned));
    assert!(effects.iter().any(told), "{effects:?}");
    assert!(state.roster.is_here(&user("bob")) && !state.roster.is_here(&user("dave")));
}
