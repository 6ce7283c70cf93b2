//! The table against a naive world: hubs with their living sessions, what each hub believes, and every interleaving of
//! sessions, beats, goodbyes, sweeps, and restarts of hubs and of the table itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::Sid;
use crate::presence::{Asker, Row, Seen, State};

const TIMEOUT: u64 = 60_000;
const HUBS: u32 = 3;

fn name(n: u8) -> UserName {
    UserName::parse(&format!("u{n}")).unwrap()
}

fn conn(count: u64) -> Conn {
    Conn { boot: 1, count }
}

fn seen(user: &UserName, conn: Conn, heard: Moment) -> Seen {
    Seen { user: user.clone(), conn, sid: Sid(Arc::from("0123456789ab")), heard }
}

fn at(ms: u64) -> Now {
    Now { moment: Moment(ms), wall: Wall(1_000_000 + ms as i64) }
}

fn fresh() -> Table {
    Table::fresh(Duration::from_millis(TIMEOUT), 1, at(0))
}

fn ask(users: &[&UserName], watch: bool) -> Input {
    let asker = Asker { conn: conn(99), ticket: 1 };
    Input::Ask { hub: HubId(0), asker, users: users.iter().map(|&user| (user.clone(), None)).collect(), watch }
}

fn up(hub: u32, user: &UserName, count: u64, heard: u64) -> Input {
    Input::Up { hub: HubId(hub), seen: seen(user, conn(count), Moment(heard)) }
}

fn down(user: &UserName, count: u64, reason: Reason) -> Input {
    Input::Down { user: user.clone(), conn: conn(count), reason }
}

/// Who was told to be in which state, and why.
fn changes(effects: &[Effect]) -> Vec<(&str, State, Option<Reason>)> {
    let change = |effect| match effect {
        &Effect::Tell(_, ToHub::Changed { ref row, reason, .. }) => Some((row.user.as_str(), row.state, reason)),
        _ => None,
    };
    effects.iter().filter_map(change).collect()
}

#[test]
fn the_first_session_in_makes_a_user_online_and_the_last_one_out_offline() {
    let (mut table, ann) = (fresh(), name(1));
    table.step(ask(&[&ann], true), at(0));
    assert_eq!(changes(&table.step(up(0, &ann, 1, 10), at(10))), [("u1", State::Online, None)]);
    assert!(changes(&table.step(up(1, &ann, 2, 20), at(20))).is_empty());
    let row = table.row(&ann);
    assert_eq!((row.state, row.sessions, row.last_seen), (State::Online, 2, Some(at(20).wall)));
    assert!(changes(&table.step(down(&ann, 1, Reason::Logout), at(30))).is_empty());
    let last = table.step(down(&ann, 2, Reason::Kicked), at(40));
    assert_eq!(changes(&last), [("u1", State::Offline, Some(Reason::Kicked))]);
    let row = table.row(&ann);
    assert_eq!((row.state, row.sessions, row.last_seen), (State::Offline, 0, Some(at(30).wall)));
    assert!(last.contains(&Effect::Write(ann, at(30).wall)));
}

#[test]
fn the_end_of_an_older_connection_leaves_a_newer_one_alone() {
    let (mut table, ann) = (fresh(), name(1));
    table.step(ask(&[&ann], true), at(0));
    table.step(up(0, &ann, 1, 0), at(0));
    table.step(down(&ann, 1, Reason::Disconnected), at(1));
    table.step(up(0, &ann, 2, 2), at(2));
    assert!(table.step(down(&ann, 1, Reason::Timeout), at(3)).is_empty());
    assert!(table.step(down(&name(2), 2, Reason::Timeout), at(3)).is_empty());
    assert_eq!(table.row(&ann).state, State::Online);
}

#[test]
fn a_beat_of_an_unknown_session_enters_it() {
    let (mut table, ann) = (fresh(), name(1));
    table.step(Input::Beat { hub: HubId(0), seen: seen(&ann, conn(1), Moment(5)) }, at(9));
    assert_eq!(table.row(&ann).state, State::Online);
}

#[test]
fn a_beat_that_is_too_old_by_itself_ends_its_session_and_shows_nobody() {
    let (mut table, ann) = (fresh(), name(1));
    table.step(ask(&[&ann], true), at(0));
    let effects = table.step(Input::Beat { hub: HubId(2), seen: seen(&ann, conn(1), Moment(0)) }, at(TIMEOUT));
    assert_eq!(effects, [Effect::Tell(HubId(2), ToHub::Reap(vec![conn(1)]))]);
}

#[test]
fn a_sweep_reaps_whoever_was_silent_for_the_timeout_and_nobody_else() {
    let (mut table, ann, bob) = (fresh(), name(1), name(2));
    table.step(ask(&[&ann, &bob], true), at(0));
    table.step(up(1, &ann, 1, 0), at(0));
    table.step(up(1, &bob, 2, 1), at(1));
    assert!(table.step(Input::Sweep, at(TIMEOUT - 1)).is_empty());
    let effects = table.step(Input::Sweep, at(TIMEOUT));
    assert_eq!(effects[0], Effect::Tell(HubId(1), ToHub::Reap(vec![conn(1)])));
    assert_eq!(changes(&effects), [("u1", State::Offline, Some(Reason::Timeout))]);
    assert_eq!(table.counts(), (1, 1));
}

#[test]
fn a_recovering_table_says_unknown_then_tells_every_watcher_the_truth_once() {
    let (ann, bob) = (name(1), name(2));
    let hubs = [HubId(0), HubId(1)];
    let mut table = Table::recovering(Duration::from_millis(TIMEOUT), 2, hubs, at(0));
    let asked = |hub| Effect::Tell(hub, ToHub::Report { incarnation: 2 });
    assert_eq!(table.opening(), hubs.map(asked));
    table.step(ask(&[&ann], true), at(1));
    assert_eq!(table.row(&ann).state, State::Unknown);
    let report = |hub, incarnation, sessions| Input::Report {
        hub: HubId(hub),
        incarnation,
        sessions,
        interest: if hub == 0 { vec![bob.clone()] } else { vec![] },
    };
    assert!(table.step(report(1, 1, vec![]), at(2)).is_empty(), "an answer to an earlier life says nothing");
    assert!(changes(&table.step(report(0, 2, vec![]), at(2))).is_empty());
    let effects = table.step(report(1, 2, vec![seen(&bob, conn(7), Moment(1))]), at(3));
    let told = changes(&effects);
    assert!(told.contains(&("u1", State::Offline, None)));
    assert!(told.contains(&("u2", State::Online, None)));
    assert!(!table.is_recovering());
}

#[test]
fn who_goes_while_the_table_recovers_is_called_offline_with_its_reason_once_every_hub_has_reported() {
    let (mut table, ann) = (Table::recovering(Duration::from_millis(TIMEOUT), 2, [HubId(0), HubId(1)], at(0)), name(1));
    let report = |hub, interest| Input::Report { hub: HubId(hub), incarnation: 2, sessions: vec![], interest };
    table.step(report(0, vec![ann.clone()]), at(1));
    table.step(up(0, &ann, 1, 2), at(2));
    // Another session of hers may stand in the report that is to come.
    assert_eq!(changes(&table.step(down(&ann, 1, Reason::Logout), at(3))), []);
    let told = table.step(report(1, vec![]), at(4));
    assert_eq!(changes(&told), [("u1", State::Offline, Some(Reason::Logout))]);
}

#[test]
fn a_hub_that_never_reports_holds_up_the_truth_for_one_timeout_at_most() {
    let ann = name(1);
    let mut table = Table::recovering(Duration::from_millis(TIMEOUT), 2, [HubId(0)], at(0));
    table.step(ask(&[&ann], true), at(1));
    assert!(table.step(Input::Sweep, at(TIMEOUT - 1)).is_empty());
    assert_eq!(changes(&table.step(Input::Sweep, at(TIMEOUT))), [("u1", State::Offline, None)]);
}

#[test]
fn a_hub_that_begins_anew_keeps_only_the_sessions_that_it_reports_again() {
    let (mut table, ann, bob) = (fresh(), name(1), name(2));
    table.step(Input::Hub { hub: HubId(1) }, at(0));
    table.step(up(1, &ann, 1, 0), at(0));
    table.step(up(1, &bob, 2, 0), at(0));
    table.step(ask(&[&ann, &bob], true), at(0));
    assert_eq!(
        table.step(Input::Hub { hub: HubId(1) }, at(5)),
        [Effect::Tell(HubId(1), ToHub::Report { incarnation: 1 })]
    );
    assert_eq!(table.counts(), (2, 2));
    let report = Input::Report {
        hub: HubId(1),
        incarnation: 1,
        sessions: vec![seen(&bob, conn(2), Moment(0))],
        interest: vec![],
    };
    assert_eq!(changes(&table.step(report, at(6))), [("u1", State::Offline, Some(Reason::Disconnected))]);
}

#[test]
fn the_online_list_is_paged_by_name() {
    let mut table = fresh();
    for n in 1..=5 {
        table.step(up(0, &name(n), n.into(), 0), at(0));
    }
    let page = table.online(Some(&name(2)), 2);
    assert_eq!((page.users, page.sessions, page.list, page.more), (5, 5, vec![name(3), name(4)], true));
    assert!(!table.online(Some(&name(3)), 2).more);
}

#[test]
fn one_who_stays_is_noted_for_the_disk_once_an_hour() {
    let (mut table, ann) = (fresh(), name(1));
    let mut notes = Vec::new();
    for beat in 0..=10_000_u64 {
        let now = at(beat * 1_000);
        let input = Input::Beat { hub: HubId(0), seen: seen(&ann, conn(1), now.moment) };
        notes.extend(table.step(input, now).into_iter().filter(|effect| matches!(effect, Effect::Write(..))));
    }
    assert_eq!(notes.len(), 3);
}

#[derive(Clone, Debug)]
enum Op {
    Connect { user: u8, hub: u32 },
    Beat(usize),
    Down(usize),
    StaleDown { user: u8, count: u64 },
    Watch { user: u8, hub: u32 },
    Forget { user: u8, hub: u32 },
    Sweep,
    Pass(u64),
    LoseTable,
    LoseHub(u32),
    Report(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let (user, hub) = (0..6u8, 0..HUBS);
    prop_oneof![
        6 => (user.clone(), hub.clone()).prop_map(|(user, hub)| Op::Connect { user, hub }),
        10 => any::<usize>().prop_map(Op::Beat),
        4 => any::<usize>().prop_map(Op::Down),
        2 => (user.clone(), 0..40u64).prop_map(|(user, count)| Op::StaleDown { user, count }),
        4 => (user.clone(), hub.clone()).prop_map(|(user, hub)| Op::Watch { user, hub }),
        1 => (user, hub.clone()).prop_map(|(user, hub)| Op::Forget { user, hub }),
        6 => Just(Op::Sweep),
        8 => prop_oneof![8 => 0..25_000u64, 1 => 0..10_000_000u64].prop_map(Op::Pass),
        1 => Just(Op::LoseTable),
        1 => hub.clone().prop_map(Op::LoseHub),
        4 => hub.prop_map(Op::Report),
    ]
}

/// What is really so, and what each hub was told.
#[derive(Default)]
struct World {
    now: u64,
    next: u64,
    /// Living sessions: whose, on which hub, last heard when.
    live: BTreeMap<u64, (u8, u32, u64)>,
    /// What each hub believes of those whom it watches.
    beliefs: BTreeMap<(u32, UserName), State>,
    /// Reports asked for and not yet sent.
    owed: BTreeMap<u32, u64>,
    /// Hubs that began anew and whose earlier sessions the table may still count.
    doubtful: BTreeSet<u32>,
}

impl World {
    fn is_in_time(&self, user: &UserName) -> bool {
        self.live.values().any(|&(whose, _, heard)| name(whose) == *user && heard + TIMEOUT > self.now)
    }

    /// Lets the hubs hear what the table says, and holds it against the truth.
    fn hear(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            let Effect::Tell(HubId(hub), what) = effect else { continue };
            match what {
                ToHub::Report { incarnation } => drop(self.owed.insert(hub, incarnation)),
                ToHub::Reap(conns) => {
                    for conn in conns {
                        if let Some((_, _, heard)) = self.live.remove(&conn.count) {
                            prop_assert!(heard + TIMEOUT <= self.now, "{conn} was in time and was reaped");
                        }
                    }
                }
                ToHub::Answer { rows, .. } => {
                    for row in rows {
                        self.told(hub, row)?;
                    }
                }
                ToHub::Changed { row, .. } => self.told(hub, row)?,
            }
        }
        Ok(())
    }

    fn told(&mut self, hub: u32, row: Row) -> Result<(), TestCaseError> {
        if row.state == State::Offline {
            prop_assert!(!self.is_in_time(&row.user), "{} is there and was called offline", row.user);
        }
        prop_assert_eq!(row.state == State::Online, row.sessions > 0);
        self.beliefs.insert((hub, row.user), row.state);
        Ok(())
    }

    fn seen(&self, count: u64) -> Option<(u32, Seen)> {
        let &(user, hub, heard) = self.live.get(&count)?;
        Some((hub, seen(&name(user), conn(count), Moment(heard))))
    }

    fn pick(&self, at: usize) -> Option<u64> {
        self.live.keys().nth(at.checked_rem(self.live.len())?).copied()
    }

    fn inputs(&mut self, op: &Op, table: &mut Table) -> Vec<Input> {
        match *op {
            Op::Connect { user, hub } => {
                self.next += 1;
                self.live.insert(self.next, (user, hub, self.now));
                let (hub, seen) = self.seen(self.next).unwrap();
                vec![Input::Up { hub: HubId(hub), seen }]
            }
            Op::Beat(at) => {
                let Some(count) = self.pick(at) else { return vec![] };
                self.live.get_mut(&count).unwrap().2 = self.now;
                let (hub, seen) = self.seen(count).unwrap();
                vec![Input::Beat { hub: HubId(hub), seen }]
            }
            Op::Down(at) => {
                let Some(count) = self.pick(at) else { return vec![] };
                let (user, ..) = self.live.remove(&count).unwrap();
                vec![down(&name(user), count, Reason::Disconnected)]
            }
            Op::StaleDown { user, count } if !self.live.contains_key(&count) => {
                vec![down(&name(user), count, Reason::Disconnected)]
            }
            Op::Watch { user, hub } => {
                let asker = Asker { conn: conn(0), ticket: 0 };
                vec![Input::Ask { hub: HubId(hub), asker, users: vec![(name(user), None)], watch: true }]
            }
            Op::Forget { user, hub } => {
                self.beliefs.remove(&(hub, name(user)));
                vec![Input::Forget { hub: HubId(hub), users: vec![name(user)] }]
            }
            Op::Sweep => vec![Input::Sweep],
            Op::Pass(by) => {
                self.now += by;
                vec![]
            }
            Op::LoseTable => {
                let hubs = (0..HUBS).map(HubId);
                let life = table.incarnation() + 1;
                *table = Table::recovering(Duration::from_millis(TIMEOUT), life, hubs, at(self.now));
                self.doubtful.clear();
                vec![]
            }
            Op::LoseHub(hub) => {
                self.live.retain(|_, &mut (_, home, _)| home != hub);
                self.beliefs.retain(|&(home, _), _| home != hub);
                self.doubtful.insert(hub);
                vec![Input::Hub { hub: HubId(hub) }]
            }
            Op::Report(hub) => {
                let Some(incarnation) = self.owed.remove(&hub) else { return vec![] };
                self.doubtful.remove(&hub);
                let here = self.live.iter().filter(|(_, (_, home, _))| *home == hub).map(|(count, _)| *count);
                let sessions = here.filter_map(|count| self.seen(count)).map(|(_, seen)| seen).collect();
                let interest = self.beliefs.keys().filter(|(home, _)| *home == hub).map(|(_, user)| user.clone());
                vec![Input::Report { hub: HubId(hub), incarnation, sessions, interest: interest.collect() }]
            }
            Op::StaleDown { .. } => vec![],
        }
    }

    /// What must hold after every step.
    fn check(&self, table: &Table, op: &Op) -> Result<(), TestCaseError> {
        for user in (0..6).map(name) {
            let row = table.row(&user);
            if self.is_in_time(&user) {
                prop_assert_ne!(row.state, State::Offline, "{} is there", user);
                prop_assert!(table.is_recovering() || row.state == State::Online, "{} is there", user);
            }
            if row.state == State::Online && self.doubtful.is_empty() {
                prop_assert!(self.live.values().any(|&(whose, ..)| name(whose) == user), "{} is a ghost", user);
            }
            prop_assert!(row.state != State::Unknown || table.is_recovering());
        }
        if matches!(op, Op::Sweep) {
            let late: Vec<_> = self.live.iter().filter(|(_, (.., heard))| heard + TIMEOUT <= self.now).collect();
            prop_assert!(late.iter().all(|(count, _)| !table.knows(conn(**count))), "{late:?} outlived a sweep");
        }
        if self.owed.is_empty() {
            for ((hub, user), belief) in &self.beliefs {
                prop_assert_eq!(*belief, table.row(user).state, "hub {} believes otherwise of {}", hub, user);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn presence_is_true_in_every_interleaving(ops in prop::collection::vec(op(), 1..200)) {
        let (mut world, mut table) = (World::default(), fresh());
        for op in ops {
            for input in world.inputs(&op, &mut table) {
                let effects = table.step(input, at(world.now));
                world.hear(effects)?;
            }
            if matches!(op, Op::LoseTable) {
                world.hear(table.opening())?;
            }
            world.check(&table, &op)?;
        }
    }
}
