//! Of the accounts that have sessions on one worker: their contacts, and which of these each session has been told of. Pure.
//!
//! A session is made known here before its user's list is read, so whatever is written after that reading is learned.

use std::sync::Arc;

use crate::model::maps::HashMap;
use crate::model::{Conn, UserName};

/// A user's contacts as they were once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Of two lists the one with the higher version is the newer one; 0 if none was ever written.
    pub version: u64,
    /// By name, ascending.
    pub names: Arc<[UserName]>,
}

/// What becomes different for a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub added: Vec<UserName>,
    pub removed: Vec<UserName>,
}

#[derive(Debug, Default)]
struct Owner {
    newest: Listed,
    /// What each session was told; `None` for one that is not welcome yet.
    told: HashMap<Conn, Option<Listed>>,
}

/// All lists of a worker.
#[derive(Debug, Default)]
pub(super) struct Lists {
    owners: HashMap<UserName, Owner>,
    whose: HashMap<Conn, UserName>,
}

impl Lists {
    /// A session of this user is about to be welcome.
    pub fn coming(&mut self, conn: Conn, user: UserName) {
        self.gone(conn);
        self.owners.entry(user.clone()).or_default().told.insert(conn, None);
        self.whose.insert(conn, user);
    }

    /// A session is gone, or was not welcome.
    pub fn gone(&mut self, conn: Conn) {
        let Some(user) = self.whose.remove(&conn) else { return };
        if let Some(owner) = self.owners.get_mut(&user) {
            owner.told.remove(&conn);
            if owner.told.is_empty() {
                self.owners.remove(&user);
            }
        }
    }

    /// A list of this user was written. Tells the user's sessions of it that were told of an older one and do not `wait`
    /// for one of their own. Returns what is different, and for whom: it is found out once for all who knew the same.
    pub fn learn(&mut self, user: &UserName, listed: Listed, wait: impl Fn(Conn) -> bool) -> Vec<(Change, Vec<Conn>)> {
        let Some(owner) = self.owners.get_mut(user) else { return Vec::new() };
        owner.learn(listed);
        let mut changes: HashMap<u64, (Change, Vec<Conn>)> = HashMap::default();
        for (conn, told) in &mut owner.told {
            let Some(before) = told.take_if(|told| told.version < owner.newest.version && !wait(*conn)) else {
                continue;
            };
            let fresh = || (between(&before.names, &owner.newest.names), Vec::new());
            changes.entry(before.version).or_insert_with(fresh).1.push(*conn);
            *told = Some(owner.newest.clone());
        }
        changes.into_values().collect()
    }

    /// Tells a session of a list that was read for it. Returns what is different; `None` if it was told of this one or
    /// of a newer one before.
    pub fn tell(&mut self, conn: Conn, listed: Listed) -> Option<Change> {
        let owner = self.owners.get_mut(self.whose.get(&conn)?)?;
        let told = owner.told.get_mut(&conn)?;
        if told.as_ref().is_some_and(|told| told.version >= listed.version) {
            return None;
        }
        let before = told.replace(listed.clone()).unwrap_or_default();
        let change = between(&before.names, &listed.names);
        owner.learn(listed);
        Some(change)
    }

    /// Whether a session was told of the list of this version, and of none since.
    pub fn is_at(&self, conn: Conn, version: u64) -> bool {
        let owner = self.whose.get(&conn).and_then(|user| self.owners.get(user));
        let told = owner.and_then(|owner| owner.told.get(&conn)?.as_ref());
        told.is_some_and(|told| told.version == version)
    }

    /// Tells a session of the newest list, if it was told of an older one. Returns what is different.
    pub fn catch_up(&mut self, conn: Conn) -> Option<Change> {
        let owner = self.owners.get(self.whose.get(&conn)?)?;
        owner.told.get(&conn)?.as_ref()?;
        let newest = owner.newest.clone();
        self.tell(conn, newest)
    }
}

impl Owner {
    fn learn(&mut self, listed: Listed) {
        if listed.version > self.newest.version {
            self.newest = listed;
        }
    }
}

/// Both lists ascend.
fn between(before: &[UserName], after: &[UserName]) -> Change {
    let not_in = |some: &[UserName], others: &[UserName]| {
        some.iter().filter(|name| others.binary_search(name).is_err()).cloned().collect()
    };
    Change { added: not_in(after, before), removed: not_in(before, after) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    const fn conn(count: u64) -> Conn {
        Conn { boot: 1, count }
    }

    fn listed(version: u64, names: &[&str]) -> Listed {
        Listed { version, names: names.iter().map(|name| user(name)).collect() }
    }

    fn change(added: &[&str], removed: &[&str]) -> Change {
        let all = |names: &[&str]| names.iter().map(|name| user(name)).collect();
        Change { added: all(added), removed: all(removed) }
    }

    #[test]
    fn a_session_is_told_what_is_different_and_nothing_twice() {
        let mut lists = Lists::default();
        lists.coming(conn(1), user("ann"));
        assert_eq!(lists.tell(conn(1), listed(2, &["bob", "dan"])), Some(change(&["bob", "dan"], &[])));
        assert_eq!(lists.tell(conn(1), listed(2, &["bob", "dan"])), None);
        assert!(lists.is_at(conn(1), 2));
        assert_eq!(lists.catch_up(conn(1)), None);
        assert_eq!(lists.learn(&user("ann"), listed(3, &["carol", "dan"]), |_| true), []);
        assert_eq!(lists.catch_up(conn(1)), Some(change(&["carol"], &["bob"])));
        assert_eq!(lists.tell(conn(1), listed(2, &["bob", "dan"])), None, "that was before");
        assert!(lists.is_at(conn(1), 3));
        assert!(lists.learn(&user("bob"), listed(1, &["ann"]), |_| false).is_empty());
    }

    #[test]
    fn what_is_new_is_found_out_once_for_all_sessions_that_knew_the_same() {
        let mut lists = Lists::default();
        for count in 1..=5 {
            lists.coming(conn(count), user("ann"));
        }
        (1..=3).for_each(|count| drop(lists.tell(conn(count), listed(1, &["bob"]))));
        lists.tell(conn(4), listed(2, &["bob", "dan"]));
        let mut told = lists.learn(&user("ann"), listed(3, &["dan"]), |it| it == conn(3));
        told.iter_mut().for_each(|(_, conns)| conns.sort_unstable());
        told.sort_by(|(_, one), (_, other)| one.cmp(other));
        assert_eq!(
            told,
            [(change(&["dan"], &["bob"]), vec![conn(1), conn(2)]), (change(&[], &["bob"]), vec![conn(4)])]
        );
        assert!(
            lists.learn(&user("ann"), listed(2, &["bob", "dan"]), |_| false).iter().all(|(_, it)| *it == [conn(3)])
        );
        assert!((1..=4).all(|count| lists.is_at(conn(count), 3)), "but for the one that is not welcome yet");
    }

    #[test]
    fn what_is_written_while_a_session_says_hello_is_told_behind_what_was_read() {
        let mut lists = Lists::default();
        lists.coming(conn(1), user("ann"));
        assert!(lists.learn(&user("ann"), listed(2, &["bob", "carol"]), |_| false).is_empty());
        assert_eq!(lists.catch_up(conn(1)), None, "it is not welcome yet");
        assert_eq!(lists.tell(conn(1), listed(1, &["bob"])), Some(change(&["bob"], &[])));
        assert_eq!(lists.catch_up(conn(1)), Some(change(&["carol"], &[])));
    }

    #[test]
    fn an_empty_list_is_told_of_too_and_nothing_is_kept_of_who_is_gone() {
        let mut lists = Lists::default();
        lists.coming(conn(1), user("ann"));
        lists.coming(conn(1), user("bob"));
        assert_eq!(lists.tell(conn(1), listed(0, &[])), Some(Change::default()));
        assert_eq!(lists.learn(&user("bob"), listed(1, &["dan"]), |_| false), [(change(&["dan"], &[]), vec![conn(1)])]);
        lists.gone(conn(1));
        assert_eq!(lists.tell(conn(1), listed(9, &[])), None);
        assert!(lists.owners.is_empty() && lists.whose.is_empty());
    }
}
