//! What others and what a user's own sessions are told of users who hide, in every interleaving of sessions, changes of
//! mind, and restarts of the table, against a naive world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{HubId, Moment, Sid, Wall};
use crate::presence::delta::Input;
use crate::presence::{Asker, Seen, ToHub};
use crate::store::Versioned;

const USERS: u8 = 4;
const HUBS: u32 = 2;
const TIMEOUT: Duration = Duration::from_secs(60);

fn name(n: u8) -> UserName {
    UserName::parse(&format!("u{n}")).unwrap()
}

fn conn(count: u64) -> Conn {
    Conn { boot: 1, count }
}

fn at(ms: u64) -> Now {
    Now { moment: Moment(ms), wall: Wall(1_000_000 + ms as i64) }
}

fn seen(user: u8, count: u64, heard: u64) -> Seen {
    Seen { user: name(user), conn: conn(count), sid: Sid(Arc::from("0123456789ab")), heard: Moment(heard) }
}

fn ask(hub: u32, by: Conn, user: u8) -> Input {
    Input::Ask { hub: HubId(hub), asker: Asker { conn: by, ticket: 1 }, users: vec![(name(user), None)], watch: true }
}

/// What the store's writer does.
fn hide(hidden: &Hidden, user: u8, hides: bool) {
    let value = if hides { &b"off"[..] } else { b"on" };
    hidden.take(&format!("visible/u{user}"), Some(&Versioned { version: 1, value: value.into() }));
}

fn told(effects: &[Effect]) -> Vec<(State, Option<Reason>, Whom)> {
    let change = |effect: &Effect| match effect {
        Effect::Tell(_, ToHub::Changed { row, reason, whom }) => Some((row.state, *reason, *whom)),
        _ => None,
    };
    effects.iter().filter_map(change).collect()
}

#[test]
fn to_others_who_hides_goes_and_who_shows_itself_comes() {
    let hidden = Hidden::default();
    let mut table = Table::fresh(TIMEOUT, 1, at(0)).hiding(hidden.clone());
    table.step(ask(0, conn(99), 1), at(0));
    table.step(Input::Up { hub: HubId(0), seen: seen(1, 1, 5) }, at(5));
    hide(&hidden, 1, true);
    let effects = table.step(Input::Shown { user: name(1) }, at(10));
    assert_eq!(told(&effects), [(State::Offline, Some(Reason::Disconnected), Whom::Others)]);
    assert!(effects.contains(&Effect::Write(name(1), at(10).wall)));
    assert!(table.step(Input::Shown { user: name(1) }, at(11)).is_empty());
    let beat = Input::Beat { hub: HubId(0), seen: seen(1, 1, 4_000_000) };
    assert!(table.step(beat, at(4_000_000)).is_empty(), "it leaves no trace on disk either");
    let (other, own) = (table.row_for(conn(99), &name(1)), table.row_for(conn(1), &name(1)));
    assert_eq!((other.state, other.sessions, other.last_seen), (State::Offline, 0, Some(at(10).wall)));
    assert_eq!((own.state, own.sessions, own.last_seen), (State::Online, 1, Some(at(4_000_000).wall)));
    assert_eq!(table.online(None, 9), OnlinePage::default());
    assert_eq!((table.counts(), table.last_seen().count()), ((1, 1), 0));
    hide(&hidden, 1, false);
    let effects = table.step(Input::Shown { user: name(1) }, at(4_000_001));
    assert_eq!(told(&effects), [(State::Online, None, Whom::Others)]);
    assert_eq!(table.online(None, 9).users, 1);
}

#[test]
fn who_comes_and_goes_hidden_was_never_there() {
    let hidden = Hidden::default();
    let mut table = Table::fresh(TIMEOUT, 1, at(0)).hiding(hidden.clone());
    table.step(ask(0, conn(99), 1), at(0));
    table.step(Input::Up { hub: HubId(0), seen: seen(1, 1, 5) }, at(5));
    table.step(Input::Down { user: name(1), conn: conn(1), reason: Reason::Logout }, at(6));
    hide(&hidden, 1, true);
    for (count, reason) in [(2, Reason::Logout), (3, Reason::Timeout)] {
        assert!(table.step(Input::Up { hub: HubId(1), seen: seen(1, count, 20) }, at(20)).is_empty());
        assert_eq!(table.row(&name(1)).last_seen, Some(at(6).wall));
        assert!(table.step(Input::Down { user: name(1), conn: conn(count), reason }, at(30)).is_empty());
        assert_eq!(table.row(&name(1)).last_seen, Some(at(6).wall));
    }
}

#[test]
fn while_the_table_recovers_who_hides_is_as_unknown_as_who_is_away() {
    let hidden = Hidden::default();
    hide(&hidden, 1, true);
    let mut table = Table::recovering(TIMEOUT, 2, [HubId(0), HubId(1)], at(0)).hiding(hidden);
    let report =
        |hub, sessions| Input::Report { hub: HubId(hub), incarnation: 2, sessions, interest: vec![name(1), name(2)] };
    table.step(report(0, vec![seen(1, 1, 1)]), at(1));
    assert_eq!((table.row(&name(1)).state, table.row(&name(2)).state), (State::Unknown, State::Unknown));
    assert_eq!(table.row_for(conn(1), &name(1)).state, State::Online);
    let effects = table.step(report(1, vec![]), at(2));
    let of_both = [
        (State::Online, None, Whom::Itself),
        (State::Offline, None, Whom::Others),
        (State::Offline, None, Whom::Everyone),
    ];
    assert_eq!(told(&effects), of_both.repeat(2));
}

#[derive(Clone, Debug)]
enum Op {
    Connect {
        user: u8,
        hub: u32,
    },
    Beat(usize),
    Down(usize),
    Hide(u8, bool),
    /// The table hears of the oldest change of mind.
    Hear,
    Watch {
        user: u8,
        hub: u32,
    },
    LoseTable,
    Report(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let (user, hub) = (0..USERS, 0..HUBS);
    prop_oneof![
        6 => (user.clone(), hub.clone()).prop_map(|(user, hub)| Op::Connect { user, hub }),
        4 => any::<usize>().prop_map(Op::Beat),
        5 => any::<usize>().prop_map(Op::Down),
        6 => (user.clone(), any::<bool>()).prop_map(|(user, hides)| Op::Hide(user, hides)),
        7 => Just(Op::Hear),
        4 => (user, hub.clone()).prop_map(|(user, hub)| Op::Watch { user, hub }),
        1 => Just(Op::LoseTable),
        4 => hub.prop_map(Op::Report),
    ]
}

#[derive(Default)]
struct World {
    now: u64,
    next: u64,
    live: BTreeMap<u64, (u8, u32)>,
    hidden: Hidden,
    /// Of whom the table has yet to hear.
    unheard: Vec<u8>,
    /// Who hides and was told so: what others see of it since.
    promised: BTreeMap<u8, Option<Row>>,
    /// What others on each hub believe.
    beliefs: BTreeMap<(u32, UserName), State>,
    owed: BTreeMap<u32, u64>,
}

impl World {
    fn is_there(&self, user: u8) -> bool {
        self.live.values().any(|(whose, _)| *whose == user)
    }

    fn step(&mut self, table: &mut Table, input: Input) -> Result<(), TestCaseError> {
        let effects = table.step(input, at(self.now));
        self.hear(effects)
    }

    fn hear(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::Write(user, _) => {
                    prop_assert!((0..USERS).all(|n| name(n) != user || !self.promised.contains_key(&n)), "{}", user);
                }
                Effect::Tell(HubId(hub), ToHub::Report { incarnation }) => drop(self.owed.insert(hub, incarnation)),
                Effect::Tell(HubId(hub), ToHub::Answer { rows, .. }) => {
                    for row in rows {
                        self.told(hub, row, Whom::Others)?;
                    }
                }
                Effect::Tell(HubId(hub), ToHub::Changed { row, whom, .. }) => self.told(hub, row, whom)?,
                Effect::Tell(_, ToHub::Reap(_)) | Effect::Public(..) => {}
            }
        }
        Ok(())
    }

    fn told(&mut self, hub: u32, row: Row, whom: Whom) -> Result<(), TestCaseError> {
        let user = (0..USERS).find(|n| name(*n) == row.user).unwrap();
        if whom != Whom::Others {
            prop_assert!(row.state != State::Offline || !self.is_there(user), "{} was told that it is not there", user);
        }
        if whom != Whom::Itself {
            prop_assert!(row.state != State::Online || !self.promised.contains_key(&user), "{} was betrayed", user);
            self.beliefs.insert((hub, row.user), row.state);
        }
        Ok(())
    }

    fn act(&mut self, op: &Op, table: &mut Table) -> Result<(), TestCaseError> {
        self.now += 1;
        let pick = |at: usize| self.live.iter().nth(at.checked_rem(self.live.len())?).map(|(&c, &(u, h))| (c, u, h));
        match *op {
            Op::Connect { user, hub } => {
                self.next += 1;
                self.live.insert(self.next, (user, hub));
                let seen = seen(user, self.next, self.now);
                self.step(table, Input::Up { hub: HubId(hub), seen })?;
            }
            Op::Beat(at) => {
                let Some((count, user, hub)) = pick(at) else { return Ok(()) };
                let seen = seen(user, count, self.now);
                self.step(table, Input::Beat { hub: HubId(hub), seen })?;
            }
            Op::Down(at) => {
                let Some((count, user, _)) = pick(at) else { return Ok(()) };
                self.live.remove(&count);
                self.step(table, Input::Down { user: name(user), conn: conn(count), reason: Reason::Logout })?;
            }
            Op::Hide(user, hides) => {
                hide(&self.hidden, user, hides);
                self.unheard.push(user);
                self.promised.remove(&user);
            }
            Op::Hear if !self.unheard.is_empty() => {
                let user = self.unheard.remove(0);
                self.step(table, Input::Shown { user: name(user) })?;
                if self.hidden.contains(&name(user)) && !self.unheard.contains(&user) {
                    self.promised.insert(user, None);
                }
            }
            Op::Hear => {}
            Op::Watch { user, hub } => self.step(table, ask(hub, conn(0), user))?,
            Op::LoseTable => {
                let life = table.incarnation() + 1;
                *table =
                    Table::recovering(TIMEOUT, life, (0..HUBS).map(HubId), at(self.now)).hiding(self.hidden.clone());
                self.promised.values_mut().for_each(|row| *row = None);
                self.hear(table.opening())?;
            }
            Op::Report(hub) => {
                let Some(incarnation) = self.owed.remove(&hub) else { return Ok(()) };
                let here = self.live.iter().filter(|(_, (_, home))| *home == hub);
                let sessions = here.map(|(count, (user, _))| seen(*user, *count, self.now)).collect();
                let interest = self.beliefs.keys().filter(|(home, _)| *home == hub).map(|(_, user)| user.clone());
                let interest = interest.collect();
                self.step(table, Input::Report { hub: HubId(hub), incarnation, sessions, interest })?;
            }
        }
        Ok(())
    }

    fn check(&mut self, table: &Table) -> Result<(), TestCaseError> {
        for (&user, before) in &mut self.promised {
            let row = table.row(&name(user));
            prop_assert_eq!((row.state == State::Online, row.sessions), (false, 0));
            if let Some(before) = before {
                prop_assert_eq!(before.last_seen, row.last_seen, "others see {} move", user);
            } else if !table.is_recovering() {
                *before = Some(row);
            }
        }
        for (&count, &(user, _)) in &self.live {
            let own = table.row_for(conn(count), &name(user));
            prop_assert!(own.state == State::Online || table.is_recovering(), "{} sees itself {:?}", user, own.state);
        }
        if table.is_recovering() || !self.unheard.is_empty() {
            return Ok(());
        }
        let shown = |user: u8| self.is_there(user) && !self.hidden.contains(&name(user));
        for ((hub, user), belief) in &self.beliefs {
            let is_shown = (0..USERS).any(|n| name(n) == *user && shown(n));
            prop_assert_eq!(*belief == State::Online, is_shown, "hub {} believes {:?} of {}", hub, belief, user);
        }
        let page = table.online(None, 99);
        let sessions = self.live.values().filter(|(user, _)| shown(*user)).count();
        prop_assert_eq!((page.list, page.sessions), ((0..USERS).filter(|n| shown(*n)).map(name).collect(), sessions));
        prop_assert_eq!(page.users, (0..USERS).filter(|n| shown(*n)).count());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nobody_who_hides_is_betrayed_and_nobody_else_is_wronged(ops in prop::collection::vec(op(), 1..150)) {
        let mut world = World::default();
        let mut table = Table::fresh(TIMEOUT, 1, at(0)).hiding(world.hidden.clone());
        for op in ops {
            world.act(&op, &mut table)?;
            world.check(&table)?;
        }
    }
}
