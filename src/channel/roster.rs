//! Who hears a channel, and who belongs to it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::messages::Origin;
use crate::model::maps::HashMap;
use crate::model::{Conn, HubId, Moment, Seq, UserName};
use crate::planted::{Bug, planted};

/// At most one `typing` in this time is passed on (protocol, section 2).
const TYPING_EVERY: Duration = Duration::from_secs(3);

/// A session that hears the channel, watches who comes, or both.
#[derive(Debug)]
struct Seat {
    user: UserName,
    hub: HubId,
    subscribed: bool,
    watching: bool,
}

/// A user who hears the channel.
#[derive(Debug, Default)]
struct Here {
    sessions: usize,
    typed: Option<Moment>,
}

/// Sessions and members of one channel.
#[derive(Debug, Default)]
pub(super) struct Roster {
    seats: HashMap<Conn, Seat>,
    online: BTreeMap<UserName, Here>,
    hubs: HashMap<HubId, usize>,
    watchers: HashMap<Conn, HubId>,
    members: BTreeMap<UserName, Seq>,
}

impl Roster {
    /// Whether nobody hears or watches.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub fn is_watching(&self, conn: Conn) -> bool {
        self.watchers.contains_key(&conn)
    }

    pub fn is_subscribed(&self, conn: Conn) -> bool {
        self.seats.get(&conn).is_some_and(|seat| seat.subscribed)
    }

    /// Subscribes a session; true if its user was not here before.
    pub fn subscribe(&mut self, origin: &Origin) -> bool {
        let seat = self.seat(origin.conn, &origin.user, origin.hub);
        if std::mem::replace(&mut seat.subscribed, true) {
            return false;
        }
        *self.hubs.entry(origin.hub).or_default() += 1;
        let here = self.online.entry(origin.user.clone()).or_default();
        here.sessions += 1;
        here.sessions == 1
    }

    fn seat(&mut self, conn: Conn, user: &UserName, hub: HubId) -> &mut Seat {
        self.seats.entry(conn).or_insert_with(|| Seat { user: user.clone(), hub, subscribed: false, watching: false })
    }

    /// Ends a session's subscription; false if it had none.
    pub fn unsubscribe(&mut self, conn: Conn) -> bool {
        let Some(seat) = self.seats.get_mut(&conn) else { return false };
        if !std::mem::replace(&mut seat.subscribed, false) {
            return false;
        }
        if let Some(count) = self.hubs.get_mut(&seat.hub) {
            *count -= 1;
            if *count == 0 {
                self.hubs.remove(&seat.hub);
            }
        }
        if let Some(here) = self.online.get_mut(&seat.user) {
            here.sessions -= 1;
            if here.sessions == 0 {
                self.online.remove(&seat.user);
            }
        }
        self.vacate(conn);
        true
    }

    fn vacate(&mut self, conn: Conn) {
        if self.seats.get(&conn).is_some_and(|seat| !seat.subscribed && !seat.watching) {
            self.seats.remove(&conn);
        }
    }

    /// Has a session watch who comes, or not.
    pub fn watch(&mut self, origin: &Origin, on: bool) {
        if !on && !self.seats.contains_key(&origin.conn) {
            return;
        }
        let seat = self.seat(origin.conn, &origin.user, origin.hub);
        seat.watching = on;
        if on {
            self.watchers.insert(origin.conn, origin.hub);
        } else {
            self.watchers.remove(&origin.conn);
        }
        self.vacate(origin.conn);
    }

    /// Ends a session's watch.
    pub fn unwatch(&mut self, conn: Conn) {
        if let Some(seat) = self.seats.get_mut(&conn) {
            seat.watching = false;
        }
        self.watchers.remove(&conn);
        self.vacate(conn);
    }

    /// A session is gone altogether.
    pub fn gone(&mut self, conn: Conn) {
        self.unsubscribe(conn);
        self.seats.remove(&conn);
        self.watchers.remove(&conn);
    }

    /// All sessions of a hub are gone.
    pub fn hub_gone(&mut self, hub: HubId) {
        let theirs: Vec<Conn> = self.seats.iter().filter(|(_, seat)| seat.hub == hub).map(|(conn, _)| *conn).collect();
        theirs.into_iter().for_each(|conn| self.gone(conn));
    }

    /// Takes up what a hub reports.
    pub fn attach(&mut self, origin: &Origin, hears: bool, watching: bool) {
        if hears {
            self.subscribe(origin);
        }
        if watching {
            self.watch(origin, true);
        }
    }

    /// Hubs with a subscriber.
    pub fn hubs(&self) -> impl Iterator<Item = HubId> {
        self.hubs.keys().copied()
    }

    /// Sessions that watch who comes, with their hubs.
    pub fn watchers(&self) -> impl Iterator<Item = (Conn, HubId)> {
        self.watchers.iter().map(|(conn, hub)| (*conn, *hub))
    }

    /// A user's sessions that hear the channel, with their hubs.
    pub fn sessions_of(&self, user: &UserName) -> Vec<(Conn, HubId)> {
        let theirs = self.seats.iter().filter(|(_, seat)| seat.subscribed && seat.user == *user);
        theirs.map(|(conn, seat)| (*conn, seat.hub)).collect()
    }

    /// A user's sessions that watch who comes, with their hubs.
    pub fn watchers_of(&self, user: &UserName) -> Vec<(Conn, HubId)> {
        let theirs = self.seats.iter().filter(|(_, seat)| seat.watching && seat.user == *user);
        theirs.map(|(conn, seat)| (*conn, seat.hub)).collect()
    }

    /// Whether a user hears the channel.
    pub fn is_here(&self, user: &UserName) -> bool {
        self.online.contains_key(user)
    }

    /// Every session that hears the channel, with its hub.
    pub fn subscribed(&self) -> Vec<(Conn, HubId)> {
        let all = self.seats.iter().filter(|(_, seat)| seat.subscribed);
        all.map(|(conn, seat)| (*conn, seat.hub)).collect()
    }

    /// How many users hear the channel.
    pub fn online(&self) -> usize {
        self.online.len()
    }

    /// Users who hear the channel and may be named, after a name, and whether more follow.
    pub fn who(
        &self,
        after: Option<&UserName>,
        limit: usize,
        may_be_named: impl Fn(&UserName) -> bool,
    ) -> (Vec<UserName>, bool) {
        page(&self.online, after, limit, may_be_named)
    }

    /// Members after a name, and whether more follow.
    pub fn members_after(&self, after: Option<&UserName>, limit: usize) -> (Vec<UserName>, bool) {
        page(&self.members, after, limit, |_| true)
    }

    /// How many users hear the channel and may be named.
    pub fn named(&self, may_be_named: impl Fn(&UserName) -> bool) -> usize {
        self.online.keys().filter(|name| may_be_named(name)).count()
    }

    /// Members, and others who are here and may be named, or `None` if those are more than `most`.
    pub fn everyone(&self, most: usize, may_be_named: impl Fn(&UserName) -> bool) -> Option<Vec<UserName>> {
        if self.online.len().max(self.members.len()) > most {
            return None;
        }
        let here = self.online.keys().filter(|name| may_be_named(name) && !self.is_member(name));
        let mut names: Vec<UserName> = here.chain(self.members.keys()).cloned().collect();
        names.sort();
        (names.len() <= most).then_some(names)
    }

    /// Whether a typing user's event is passed on now.
    pub fn may_type(&mut self, user: &UserName, now: Moment) -> bool {
        let Some(here) = self.online.get_mut(user) else { return false };
        let due = here.typed.is_none_or(|then| now.since(then) >= TYPING_EVERY);
        if due {
            here.typed = Some(now);
        }
        due
    }

    pub fn is_member(&self, user: &UserName) -> bool {
        self.members.contains_key(user)
    }

    /// Makes a member whose read position is `read`, unless it is one.
    pub fn admit(&mut self, user: UserName, read: Seq) {
        self.members.entry(user).or_insert(read);
    }

    /// Ends a membership, and gives the read position that it had.
    pub fn dismiss(&mut self, user: &UserName) -> Option<Seq> {
        self.members.remove(user)
    }

    /// Moves a member's read position forward, and gives the one before; `None` if it is no member.
    pub fn read(&mut self, user: &UserName, seq: Seq) -> Option<Seq> {
        let position = self.members.get_mut(user)?;
        let before = *position;
        *position = before.max(seq);
        if planted(Bug::ReadGoesBack) {
            *position = seq;
            return Some(0);
        }
        Some(before)
    }

    /// Takes a move of a read position back that could not be kept, unless it moved on since.
    pub fn unread(&mut self, user: &UserName, seq: Seq, before: Seq) {
        if let Some(position) = self.members.get_mut(user).filter(|position| **position == seq) {
            *position = before;
        }
    }

    pub fn members(&self) -> &BTreeMap<UserName, Seq> {
        &self.members
    }

    /// Nobody belongs to it any more.
    pub fn clear_members(&mut self) {
        self.members.clear();
    }
}

/// Names that follow `after`, and whether there are more.
fn page<T>(
    of: &BTreeMap<UserName, T>,
    after: Option<&UserName>,
    limit: usize,
    may_be_named: impl Fn(&UserName) -> bool,
) -> (Vec<UserName>, bool) {
    use std::ops::Bound::{Excluded, Unbounded};
    let from = after.map_or(Unbounded, Excluded);
    let all = of.range::<UserName, _>((from, Unbounded)).map(|(name, _)| name);
    let mut names = all.filter(|name| may_be_named(name)).cloned();
    let page = names.by_ref().take(limit).collect();
    (page, names.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Standing;

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
        assert_eq!(roster.online(), 1);
        roster.gone(Conn { boot: 1, count: 2 });
        assert!(roster.is_empty() && roster.online() == 0 && roster.hubs().next().is_none());
    }

    #[test]
    fn pages_of_names_ascend_and_say_whether_more_follow() {
        let mut roster = Roster::default();
        for (n, name) in ["c", "a", "b"].iter().enumerate() {
            roster.subscribe(&origin(name, n as u64, 0));
        }
        let (page, more) = roster.who(None, 2, |_| true);
        assert_eq!((page.iter().map(UserName::as_str).collect::<Vec<_>>(), more), (vec!["a", "b"], true));
        let (page, more) = roster.who(page.last(), 2, |_| true);
        assert_eq!((page.len(), more), (1, false));
        let (page, more) = roster.who(None, 1, |name| name.as_str() != "a");
        assert_eq!((page.len(), page[0].as_str(), more), (1, "b", true));
        let (page, more) = roster.who(page.last(), 2, |name| name.as_str() != "c");
        assert_eq!((page, more), (vec![], false));
        assert_eq!(roster.named(|name| name.as_str() != "a"), 2);
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
}
