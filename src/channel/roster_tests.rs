//! Who is here, who is named, and who belongs, step by step.

use super::*;
use crate::model::Standing;
use crate::store::Versioned;

fn origin(user: &str, count: u64, hub: u32) -> Origin {
    let user = UserName::parse(user).unwrap();
    Origin { hub: HubId(hub), conn: Conn { boot: 1, count }, ticket: 0, user, standing: Standing::Guest }
}

#[test]
fn a_user_is_here_while_any_session_is() {
    let mut roster = Roster::default();
    assert!(roster.subscribe(&origin("ann", 1, 0)));
    assert!(!roster.subscribe(&origin("ann", 2, 1)));
    assert!(!roster.subscribe(&origin("ann", 2, 1)));
    assert!(roster.unsubscribe(Conn { boot: 1, count: 1 }));
    assert_eq!(roster.named(), 1);
    roster.gone(Conn { boot: 1, count: 2 });
    assert!(roster.is_empty() && roster.named() == 0 && roster.hubs().next().is_none());
}

#[test]
fn pages_of_names_ascend_and_say_whether_more_follow() {
    let mut roster = Roster::default();
    for (n, name) in ["c", "a", "b"].iter().enumerate() {
        roster.subscribe(&origin(name, n as u64, 0));
    }
    let (asker, names) =
        (UserName::parse("x").unwrap(), |page: &[UserName]| page.iter().map(ToString::to_string).collect());
    let (page, more, count) = roster.who(&asker, None, 2);
    assert_eq!((names(&page), more, count), (vec!["a".to_owned(), "b".into()], true, 3));
    let (page, more, _) = roster.who(&asker, page.last(), 2);
    assert_eq!((page.len(), more), (1, false));
}

#[test]
fn who_hides_is_named_to_nobody_else_and_counts_for_nobody_else() {
    let hidden = Hidden::default();
    let hide = |name: &str, on: bool| {
        let value = if on { &b"off"[..] } else { b"on" };
        let record = Versioned { version: 1, value: value.into() };
        drop(hidden.take(&format!("visible/{name}"), Some(&record)));
    };
    hide("a", true);
    let mut roster = Roster::hiding(hidden.clone());
    for (n, name) in ["a", "b", "c"].iter().enumerate() {
        roster.subscribe(&origin(name, n as u64, 0));
    }
    let [a, b] = ["a", "b"].map(|name| UserName::parse(name).unwrap());
    let shown = |roster: &Roster, asker| {
        let (page, more, count) = roster.who(asker, None, 1);
        (page[0].to_string(), more, count, roster.named())
    };
    assert_eq!(shown(&roster, &b), ("b".into(), true, 2, 2));
    assert_eq!(shown(&roster, &a), ("a".into(), true, 3, 2));
    assert_eq!(roster.everyone(2).map(|names| names.len()), Some(2), "who hides takes nobody's place");
    hide("a", false);
    hide("b", true);
    [&a, &b].iter().for_each(|user| roster.shown(user));
    assert_eq!(shown(&roster, &b), ("a".into(), true, 3, 2));
    roster.gone(Conn { boot: 1, count: 1 });
    assert_eq!((roster.named(), roster.hiding.len()), (2, 0));
    assert!(!roster.is_crowded(2) && roster.is_crowded(1));
    for n in 3..9 {
        hide(&format!("h{n}"), true);
        roster.subscribe(&origin(&format!("h{n}"), n, 0));
    }
    assert!(roster.named() == 2 && roster.is_crowded(2), "there is an end to it");
}

#[test]
fn a_read_position_never_moves_back() {
    let mut roster = Roster::default();
    let ann = UserName::parse("ann").unwrap();
    assert_eq!(roster.read(&ann, 3), None);
    roster.admit(ann.clone(), 2);
    assert_eq!(roster.read(&ann, 3), Some(2));
    assert_eq!(roster.read(&ann, 1), Some(3));
    assert_eq!(roster.members()[&ann], 3);
}

#[test]
fn a_hubs_end_takes_its_sessions_and_watchers_with_it() {
    let mut roster = Roster::default();
    roster.subscribe(&origin("ann", 1, 0));
    roster.watch(&origin("bob", 2, 1), true);
    roster.hub_gone(HubId(1));
    assert_eq!(roster.watchers().count(), 0);
    roster.hub_gone(HubId(0));
    assert!(roster.is_empty());
}
