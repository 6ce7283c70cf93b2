//! The pages of lists against a look at every channel there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;
use crate::config::Config;
use crate::model::Role;
use crate::store::conformance::{create, write};
use crate::store::{Done, Membership, MemoryRows, MetaOp, Store, Tell, Versioned, WriteError};
use crate::supervise::Probes;

/// Records that count how often one of them is read.
struct Counted(Arc<dyn Meta>, AtomicUsize);

impl Meta for Counted {
    fn get(&self, key: &str) -> Result<Option<Versioned>, ReadError> {
        self.1.fetch_add(1, SeqCst);
        self.0.get(key)
    }

    fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<(String, Versioned)>, ReadError> {
        let page = self.0.list(prefix, after, max)?;
        self.1.fetch_add(page.len(), SeqCst);
        Ok(page)
    }

    fn write(&self, ops: Vec<MetaOp>, done: Done<(), WriteError>) {
        self.0.write(ops, done);
    }

    fn watch(&self, prefix: &str, tell: Tell) {
        self.0.watch(prefix, tell);
    }
}

struct World {
    _store: Store,
    log: Arc<dyn ChannelLog>,
    meta: Counted,
}

impl World {
    fn new() -> Self {
        let store = Store::on(Arc::new(MemoryRows::default()), &Config::default().store, &Probes::default()).unwrap();
        Self { log: store.log(), meta: Counted(store.meta(), AtomicUsize::new(0)), _store: store }
    }

    fn add(&self, channel: &str, private: bool, ops: impl IntoIterator<Item = MetaOp>) {
        let name = ChannelName::stored(channel).unwrap();
        let mut all: Vec<MetaOp> = ops.into_iter().collect();
        if private {
            all.push(Place { private, ..Place::default() }.write(&name));
        }
        write(&self.meta, all).unwrap();
        create(&*self.log, &name).unwrap();
    }

    /// All pages of so many rows.
    fn pages(&self, caller: &Caller, limit: usize) -> Vec<String> {
        let (mut found, mut more) = (Vec::<ChannelName>::new(), true);
        while more {
            let (page, follows) = list(&*self.log, &self.meta, caller, found.last(), limit).unwrap();
            assert!(page.len() == limit || (page.len() < limit && !follows), "{} of {limit}", page.len());
            found.extend(page.into_iter().map(|(name, ..)| name));
            more = follows;
        }
        found.iter().map(ToString::to_string).collect()
    }
}

fn caller(name: &str, standing: Standing, grants: &[&str]) -> Caller {
    let names: Vec<String> = grants.iter().map(|name| (*name).to_owned()).collect();
    let grants = if names.is_empty() { Grants::Any } else { Grants::Only(names) };
    Caller { user: UserName::parse(name).unwrap(), standing, grants }
}

#[test]
fn every_channel_that_one_sees_is_listed_once_and_in_order_whatever_the_page() {
    let world = World::new();
    let name = |text: &str| ChannelName::stored(text).unwrap();
    let belong = |channel: &str, user: &str| Membership::begin(&name(channel), user, 0);
    let mark = |channel: &str, mark: Mark| mark.write(&name(channel), "bob");
    for n in 0..12 {
        let (open, private, team) = (format!("a{n}"), format!("p{n}"), format!("team-{n}"));
        world.add(&open, false, if n % 2 == 0 { belong(&open, "bob").to_vec() } else { Vec::new() });
        let what = match n % 6 {
            0 => belong(&private, "bob").to_vec(),
            1 => mark(&private, Mark { invited: true, ..Mark::default() }).to_vec(),
            2 => mark(&private, Mark { role: Role::Moderator, ..Mark::default() }).to_vec(),
            3 => mark(&private, Mark { role: Role::Owner, banned: true, invited: true }).to_vec(),
            4 => [belong(&private, "bob"), mark(&private, Mark { role: Role::Owner, ..Mark::default() })].concat(),
            _ => mark(&private, Mark { role: Role::Muted, ..Mark::default() }).to_vec(),
        };
        world.add(&private, true, what);
        world.add(&team, n % 2 == 0, []);
        let direct = format!("@bob:u{n}");
        world.add(&direct, false, [belong(&direct, "bob"), belong(&direct, &format!("u{n}"))].concat());
        world.add(&format!("@u{n}:zoe"), false, belong(&format!("@u{n}:zoe"), "zoe"));
    }
    world.add("@ann:bob", false, belong("@ann:bob", "bob"));
    world.add("@bob:bob", false, belong("@bob:bob", "bob"));
    let all = world.log.channels(None, 999).unwrap();
    for caller in [
        caller("bob", Standing::Account, &[]),
        caller("zoe", Standing::Account, &[]),
        caller("zoe", Standing::Operator, &[]),
        caller("~eve-abcde", Standing::Guest, &[]),
        caller("bob", Standing::Account, &["team-*", "team-1*", "a3", "p3", "@ann:bob", "nowhere"]),
        caller("bob", Standing::Account, &["*"]),
        caller("bob", Standing::Account, &["@bob:u1*", "p1"]),
        caller("zoe", Standing::Operator, &["p*"]),
        caller("bob", Standing::Account, &["nowhere"]),
    ] {
        let sees = |name: &ChannelName| seen(&world.meta, name, &caller).unwrap().is_some();
        let expected: Vec<String> =
            all.iter().filter(|(name, _)| sees(name)).map(|(name, _)| name.to_string()).collect();
        for limit in [1, 2, 3, 7, 100] {
            assert_eq!(world.pages(&caller, limit), expected, "{caller:?} by {limit}");
        }
    }
}

#[test]
fn a_page_costs_what_it_shows_and_not_what_there_is_of_others() {
    let world = World::new();
    for n in 0..500 {
        world.add(&format!("a{n}"), true, []);
        world.add(&format!("@u{n}:zoe"), false, []);
        world.add(&format!("team-{n}"), true, []);
    }
    for n in 0..5 {
        world.add(&format!("b{n}"), false, []);
        let own = format!("c{n}");
        world.add(&own, true, Membership::begin(&ChannelName::stored(&own).unwrap(), "bob", 0));
    }
    for (grants, expected) in [(&[][..], 10), (&["b*"], 5), (&["b1", "a7"], 2)] {
        world.meta.1.store(0, SeqCst);
        let found = world.pages(&caller("bob", Standing::Account, grants), 4);
        let reads = world.meta.1.load(SeqCst);
        assert_eq!(found.len(), expected, "{found:?}");
        assert!(reads <= 100, "{reads} reads for {expected} rows");
    }
}

#[test]
fn one_who_left_a_direct_channel_finds_it_again_when_something_is_said() {
    let world = World::new();
    let (name, bob) = (ChannelName::stored("@ann:bob").unwrap(), caller("bob", Standing::Account, &[]));
    world.add("@ann:bob", false, Membership::begin(&name, "bob", 0));
    write(&world.meta, Membership::end("@ann:bob", "bob").to_vec()).unwrap();
    assert_eq!(world.pages(&bob, 9), [""; 0]);
    write(&world.meta, Membership::begin(&name, "bob", 0).to_vec()).unwrap();
    assert_eq!(world.pages(&bob, 9), ["@ann:bob"]);
}
