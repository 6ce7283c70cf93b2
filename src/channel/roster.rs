//! Who hears a channel, and who belongs to it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::messages::Origin;
use crate::model::maps::{HashMap, HashSet};
use crate::model::{Conn, HubId, Moment, Seq, UserName};
use crate::planted::{Bug, planted};
use crate::presence::Hidden;

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
    sessions: Vec<Conn>,
    typed: Option<Moment>,
}

/// Sessions and members of one channel.
#[derive(Debug, Default)]
pub(super) struct Roster {
    seats: HashMap<Conn, Seat>,
    online: BTreeMap<UserName, Here>,
    hidden: Hidden,
    /// Of those who are here those who hide.
    hiding: HashSet<UserName>,
    hubs: HashMap<HubId, usize>,
    watchers: HashMap<Conn, HubId>,
    members: BTreeMap<UserName, Seq>,
}

impl Roster {
    /// An empty one, where these users hide.
    pub fn hiding(hidden: Hidden) -> Self {
        Self { hidden, ..Self::default() }
    }

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
        here.sessions.push(origin.conn);
        let first = here.sessions.len() == 1;
        if first && self.hidden.contains(&origin.user) {
            self.hiding.insert(origin.user.clone());
        }
        first
    }

    /// A user began to hide, or ended it.
    pub fn shown(&mut self, user: &UserName) {
        if self.is_here(user) && self.hidden.contains(user) {
            self.hiding.insert(user.clone());
        } else {
            self.hiding.remove(user);
        }
    }

    /// Whether a user is here and hides.
    pub fn hides(&self, user: &UserName) -> bool {
        self.hiding.contains(user)
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
            here.sessions.retain(|other| *other != conn);
            if here.sessions.is_empty() {
                self.online.remove(&seat.user);
                self.hiding.remove(&seat.user);
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
        let theirs = self.online.get(user).into_iter().flat_map(|here| &here.sessions);
        theirs.filter_map(|conn| Some((*conn, self.seats.get(conn)?.hub))).collect()
    }

    /// A user's sessions that watch who comes, with their hubs.
    pub fn watchers_of(&self, user: &UserName) -> Vec<(Conn, HubId)> {
        let theirs = self.watchers().filter(|(conn, _)| self.seats.get(conn).is_some_and(|seat| seat.user == *user));
        theirs.collect()
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

    /// How many of them do not hide.
    pub fn named(&self) -> usize {
        self.online.len() - self.hiding.len()
    }

    /// Users who hear the channel, after a name, and whether more follow; and how many there are in all. Of those who hide
    /// only the one who asks.
    pub fn who(&self, asker: &UserName, after: Option<&UserName>, limit: usize) -> (Vec<UserName>, bool, usize) {
        let (users, more) = page(&self.online, after, limit, |name| name == asker || !self.hides(name));
        (users, more, self.named() + usize::from(self.hides(asker)))
    }

    /// Members after a name, and whether more follow.
    pub fn members_after(&self, after: Option<&UserName>, limit: usize) -> (Vec<UserName>, bool) {
        page(&self.members, after, limit, |_| true)
    }

    /// Members, and others who are here and do not hide, or `None` if those are more than `most`.
    pub fn everyone(&self, most: usize) -> Option<Vec<UserName>> {
        if self.is_crowded(most) || self.members.len() > most {
            return None;
        }
        let here = self.online.keys().filter(|name| !self.hides(name) && !self.is_member(name));
        let mut names: Vec<UserName> = here.chain(self.members.keys()).cloned().collect();
        names.sort();
        (names.len() <= most).then_some(names)
    }

    /// Whether more than `most` are here. Those who hide do not count, or it would show that they came, but there is an end
    /// to that.
    pub fn is_crowded(&self, most: usize) -> bool {
        self.named() > most || self.online.len() > most.saturating_mul(2)
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
#[path = "roster_tests.rs"]
mod tests;
