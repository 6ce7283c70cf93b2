//! What others see of the table: a user who hides looks to them as one who went at that moment.

use std::ops::Bound;

use super::Table;
use crate::model::{Conn, UserName};
use crate::presence::delta::{Effect, Now};
use crate::presence::{Hidden, OnlinePage, Reason, Row, State, Whom};

impl Table {
    /// The same table, with those who hide. It is told when this has changed for someone.
    #[must_use]
    pub fn hiding(mut self, hidden: Hidden) -> Self {
        self.hidden = hidden;
        self
    }

    /// How one user is to others.
    pub fn row(&self, user: &UserName) -> Row {
        match self.veiled.get(user) {
            Some(&last_seen) => Row { user: user.clone(), state: self.absence(), sessions: 0, last_seen },
            None => self.truth(user),
        }
    }

    /// How one user is to itself.
    pub(super) fn truth(&self, user: &UserName) -> Row {
        let (state, sessions, last_seen) = match self.users.get(user) {
            Some(there) => (State::Online, there.conns.len(), Some(there.seen)),
            None => (self.absence(), 0, self.gone.get(user)),
        };
        Row { user: user.clone(), state, sessions, last_seen }
    }

    fn absence(&self) -> State {
        if self.is_recovering() { State::Unknown } else { State::Offline }
    }

    /// How one user is to whoever asks by that connection.
    pub(super) fn row_for(&self, asker: Conn, user: &UserName) -> Row {
        let is_own = self.sessions.get(&asker).is_some_and(|session| session.user == *user);
        if is_own { self.truth(user) } else { self.row(user) }
    }

    /// Users who are online to others, those whose names follow `after`, ascending, at most `max`.
    pub fn online(&self, after: Option<&UserName>, max: usize) -> OnlinePage {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = self.users.range::<UserName, _>((from, Bound::Unbounded)).map(|(name, _)| name);
        let mut names = all.filter(|name| !self.veiled.contains_key(*name)).cloned();
        let list: Vec<UserName> = names.by_ref().take(max).collect();
        let veiled: usize = self.veiled.keys().filter_map(|name| Some(self.users.get(name)?.conns.len())).sum();
        let (users, sessions) = (self.users.len() - self.veiled.len(), self.sessions.len() - veiled);
        OnlinePage { users, sessions, list, more: names.next().is_some() }
    }

    /// A user hides from now on, or does so no more.
    pub(super) fn show(&mut self, user: &UserName, now: Now, out: &mut Vec<Effect>) {
        let hides = self.hidden.contains(user);
        if hides == self.veiled.contains_key(user) {
            return;
        }
        let Some(there) = self.users.get_mut(user) else { return };
        // Whoever asks to be hidden was heard from, as whoever says goodbye.
        there.seen = if hides { there.seen.max(now.wall) } else { there.seen };
        there.noted = there.seen;
        let seen = there.seen;
        out.push(Effect::Write(user.clone(), seen));
        let reason = if hides {
            self.veiled.insert(user.clone(), Some(seen));
            Some(Reason::Disconnected)
        } else {
            self.veiled.remove(user);
            None
        };
        if let Some(recovery) = &mut self.recovery {
            recovery.parted.remove(user);
            if let Some(reason) = reason {
                // Nobody is called offline now; it is told with everything else.
                recovery.parted.insert(user.clone(), reason);
                return;
            }
        }
        self.announce(user, reason, Whom::Others, out);
    }
}

#[cfg(test)]
#[path = "veils_tests.rs"]
mod tests;
