//! Who is online, as a plain table: fed an input and the time, it returns what is to be said and noted.
//!
//! It promises: a user is online while at least one of its sessions is; a session that was heard from within the
//! timeout is never ended by it; one that was not is ended by the first sweep after; what is said of one connection
//! touches no other. While it recovers it calls nobody offline: whom it does not know is `unknown`. Others are told of no
//! session of a user who hides.
//!
//! It knows no actix, no disk and no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::healing::Recovery;
use super::delta::{Effect, Input, Now};
use super::gone::Gone;
use super::wheel::Wheel;
use super::{Hidden, Reason, Seen, ToHub, Whom};
use crate::model::maps::HashMap;
use crate::model::{Conn, HubId, Moment, UserName, Wall};
use crate::planted::{Bug, planted};

mod healing;
mod veils;

/// How many users that went are remembered without asking the disk.
const GONE_MAX: usize = 10_000;
/// How often the last sign of a user who stays is noted for the disk: what a crash may cost.
const NOTE_EVERY_MS: i64 = 3_600_000;

#[derive(Debug)]
struct Session {
    user: UserName,
    hub: HubId,
    heard: Moment,
    /// Whether its hub has spoken of it since that hub last began anew.
    confirmed: bool,
}

#[derive(Debug)]
struct User {
    conns: Vec<Conn>,
    /// When any of its sessions was last heard from.
    seen: Wall,
    /// What was last given out as [`Effect::Write`].
    noted: Wall,
}

#[derive(Debug, Default)]
struct Hub {
    /// Whom its sessions watch.
    interest: BTreeSet<UserName>,
    /// Whether it began anew and has not reported since.
    unsure: bool,
}

/// The presence of all users.
#[derive(Debug)]
pub struct Table {
    timeout: Duration,
    incarnation: u64,
    recovery: Option<Recovery>,
    sessions: HashMap<Conn, Session>,
    users: BTreeMap<UserName, User>,
    hubs: BTreeMap<HubId, Hub>,
    watchers: HashMap<UserName, BTreeSet<HubId>>,
    gone: Gone,
    hidden: Hidden,
    /// Of the users who are online those who hide, and when others think that they were last heard from.
    veiled: HashMap<UserName, Option<Wall>>,
    wheel: Wheel<Conn>,
    /// Whether webhooks are told of everyone.
    is_public: bool,
}

impl Table {
    /// A server's first table: nobody is online, and that is known. A session that is silent for `timeout` is dead.
    pub fn fresh(timeout: Duration, incarnation: u64, now: Now) -> Self {
        Self {
            timeout,
            incarnation,
            recovery: None,
            sessions: HashMap::default(),
            users: BTreeMap::new(),
            hubs: BTreeMap::new(),
            watchers: HashMap::default(),
            gone: Gone::new(GONE_MAX),
            hidden: Hidden::default(),
            veiled: HashMap::default(),
            wheel: Wheel::new(timeout, now.moment),
            is_public: false,
        }
    }

    /// A table that takes the place of one that was lost: until all `hubs` have reported, or a whole timeout has
    /// passed, users that it has not heard of are `unknown`. [`Table::opening`] says what to ask.
    pub fn recovering(timeout: Duration, incarnation: u64, hubs: impl IntoIterator<Item = HubId>, now: Now) -> Self {
        let awaited: BTreeSet<HubId> = hubs.into_iter().collect();
        let mut table = Self::fresh(timeout, incarnation, now);
        table.hubs = awaited.iter().map(|&hub| (hub, Hub::default())).collect();
        if !awaited.is_empty() && !planted(Bug::RebuiltCallsOffline) {
            table.recovery = Some(Recovery { awaited, until: now.moment.after(timeout), parted: HashMap::default() });
        }
        table
    }

    /// The same table; if `is_public`, webhooks are told of everyone who comes or goes as others may see it.
    #[must_use]
    pub fn public(mut self, is_public: bool) -> Self {
        self.is_public = is_public;
        self
    }

    /// What a recovering table has to say first: every hub is asked to report.
    pub fn opening(&self) -> Vec<Effect> {
        let awaited = self.recovery.iter().flat_map(|recovery| &recovery.awaited);
        awaited.map(|&hub| Effect::Tell(hub, ToHub::Report { incarnation: self.incarnation })).collect()
    }

    /// Which life of the registry this is.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Whether it still waits for reports.
    pub fn is_recovering(&self) -> bool {
        self.recovery.is_some()
    }

    /// Users online, and sessions.
    pub fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.sessions.len())
    }

    /// Takes one input.
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        match input {
            Input::Hub { hub } => self.renew(hub, &mut out),
            Input::Report { hub, incarnation, sessions, interest } => {
                if incarnation == self.incarnation {
                    self.report(hub, sessions, interest, now, &mut out);
                }
            }
            Input::Up { hub, seen } | Input::Beat { hub, seen } => self.hear(hub, seen, now, &mut out),
            Input::Down { user, conn, reason } => {
                let newest = || self.users.get(&user).and_then(|there| there.conns.last().copied());
                let conn = if planted(Bug::OldEndsNewer) { newest().unwrap_or(conn) } else { conn };
                if self.sessions.get(&conn).is_some_and(|session| session.user == user) {
                    self.end(conn, reason, now, &mut out);
                }
            }
            Input::Ask { hub, asker, users, watch } => {
                let rows = users.iter().map(|(user, known)| self.row_for(asker.conn, user).or_seen(*known)).collect();
                if watch {
                    self.watch(hub, users.into_iter().map(|(user, _)| user).collect());
                }
                out.push(Effect::Tell(hub, ToHub::Answer { asker, rows }));
            }
            Input::Forget { hub, users } => {
                for user in users {
                    self.forget(hub, &user);
                }
            }
            Input::Shown { user } => self.show(&user, now, &mut out),
            Input::Sweep => self.sweep(now, &mut out),
        }
        out
    }

    /// When each user who is online, and does not hide, was last heard from: what is to be kept before the table is let
    /// go.
    pub fn last_seen(&self) -> impl Iterator<Item = (&UserName, Wall)> {
        let shown = self.users.iter().filter(|(name, _)| !self.veiled.contains_key(*name));
        shown.map(|(name, user)| (name, user.seen))
    }

    /// Whether that connection's session is in the table.
    pub fn knows(&self, conn: Conn) -> bool {
        self.sessions.contains_key(&conn)
    }

    /// A session was heard from. One that is not in the table enters it: that is how the table heals.
    fn hear(&mut self, hub: HubId, seen: Seen, now: Now, out: &mut Vec<Effect>) {
        let Seen { user, conn, heard, .. } = seen;
        let deadline = heard.after(self.timeout);
        if self.sessions.get(&conn).is_some_and(|known| known.user != user) {
            self.end(conn, Reason::Disconnected, now, out);
        }
        if let Some(known) = self.sessions.get_mut(&conn) {
            known.hub = hub;
            known.confirmed = true;
            if heard <= known.heard || planted(Bug::BeatIgnored) {
                return;
            }
            known.heard = heard;
            self.wheel.schedule(conn, deadline);
            self.saw(&user, now.wall_at(heard), out);
            return;
        }
        if deadline <= now.moment {
            // Silent for too long by what its hub says itself: it does not come online only to be reaped.
            out.push(Effect::Tell(hub, ToHub::Reap(vec![conn])));
            return;
        }
        self.wheel.schedule(conn, deadline);
        self.sessions.insert(conn, Session { user: user.clone(), hub, heard, confirmed: true });
        let at = now.wall_at(heard);
        if let Some(there) = self.users.get_mut(&user) {
            there.conns.push(conn);
            self.saw(&user, at, out);
            return;
        }
        let before = self.gone.remove(&user);
        let seen = before.map_or(at, |before| before.max(at));
        self.users.insert(user.clone(), User { conns: vec![conn], seen, noted: seen });
        if self.hidden.contains(&user) {
            self.veiled.insert(user, before);
            return;
        }
        if let Some(recovery) = &mut self.recovery {
            recovery.parted.remove(&user);
        }
        out.push(Effect::Write(user.clone(), seen));
        self.announce(&user, None, Whom::Everyone, out);
    }

    fn saw(&mut self, user: &UserName, at: Wall, out: &mut Vec<Effect>) {
        if let Some(there) = self.users.get_mut(user) {
            there.seen = there.seen.max(at);
            if there.seen.0 - there.noted.0 >= NOTE_EVERY_MS && !self.veiled.contains_key(user) {
                there.noted = there.seen;
                out.push(Effect::Write(user.clone(), there.seen));
            }
        }
    }

    /// Takes a session out; with the last one its user goes.
    fn end(&mut self, conn: Conn, reason: Reason, now: Now, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.remove(&conn) else { return };
        self.wheel.cancel(&conn);
        let Some(there) = self.users.get_mut(&session.user) else { return };
        if matches!(reason, Reason::Logout | Reason::Disconnected) && session.confirmed {
            // A goodbye and a hang-up are signs of life too.
            there.seen = there.seen.max(now.wall);
        }
        there.conns.retain(|&other| other != conn);
        if !there.conns.is_empty() {
            return;
        }
        let seen = there.seen;
        self.users.remove(&session.user);
        if let Some(last) = self.veiled.remove(&session.user) {
            // To others it was gone before.
            return last.into_iter().for_each(|at| self.gone.insert(session.user.clone(), at));
        }
        self.gone.insert(session.user.clone(), seen);
        out.push(Effect::Write(session.user.clone(), seen));
        match &mut self.recovery {
            // Another session of that user may stand in a report that has not come.
            Some(recovery) => {
                recovery.parted.insert(session.user, reason);
            }
            None => self.announce(&session.user, Some(reason), Whom::Everyone, out),
        }
    }

    fn announce(&self, user: &UserName, reason: Option<Reason>, whom: Whom, out: &mut Vec<Effect>) {
        if self.is_public {
            out.push(Effect::Public(self.row(user), reason));
        }
        let Some(hubs) = self.watchers.get(user) else { return };
        let row = self.row(user);
        out.extend(hubs.iter().map(|&hub| Effect::Tell(hub, ToHub::Changed { row: row.clone(), reason, whom })));
    }

    fn sweep(&mut self, now: Now, out: &mut Vec<Effect>) {
        let mut due = self.wheel.advance(now.moment);
        if planted(Bug::NeverReaped) {
            due.clear();
        }
        due.sort_unstable();
        let mut reaped: BTreeMap<HubId, Vec<Conn>> = BTreeMap::new();
        for conn in &due {
            if let Some(session) = self.sessions.get(conn) {
                reaped.entry(session.hub).or_default().push(*conn);
            }
        }
        out.extend(reaped.into_iter().map(|(hub, conns)| Effect::Tell(hub, ToHub::Reap(conns))));
        for conn in due {
            self.end(conn, Reason::Timeout, now, out);
        }
        if self.recovery.as_ref().is_some_and(|recovery| recovery.until <= now.moment) {
            self.recovered(out);
        }
    }

    fn watch(&mut self, hub: HubId, users: Vec<UserName>) {
        let interest = &mut self.hubs.entry(hub).or_default().interest;
        for user in users {
            if interest.insert(user.clone()) {
                self.watchers.entry(user).or_default().insert(hub);
            }
        }
    }

    fn forget(&mut self, hub: HubId, user: &UserName) {
        if self.hubs.get_mut(&hub).is_some_and(|hub| hub.interest.remove(user)) {
            self.unlist(hub, user);
        }
    }

    fn unlist(&mut self, hub: HubId, user: &UserName) {
        if let Some(hubs) = self.watchers.get_mut(user) {
            hubs.remove(&hub);
            if hubs.is_empty() {
                self.watchers.remove(user);
            }
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
