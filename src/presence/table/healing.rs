//! How the table comes to the truth again: after a hub began anew, and after it was lost itself.

use std::collections::BTreeSet;

use super::{Session, Table};
use crate::model::maps::HashMap;
use crate::model::{Conn, HubId, Moment, UserName};
use crate::presence::delta::{Effect, Now};
use crate::presence::{Reason, Seen, State, ToHub, Whom};

/// A table that is rebuilding what an earlier one knew.
#[derive(Debug)]
pub(super) struct Recovery {
    /// Hubs that have not reported.
    pub(super) awaited: BTreeSet<HubId>,
    /// By then every living session has been heard from, whether its hub reported or not.
    pub(super) until: Moment,
    /// Why those went who have gone meanwhile.
    pub(super) parted: HashMap<UserName, Reason>,
}

impl Table {
    /// A hub begins anew: what it watched is void, and its sessions are those that it will report.
    pub(super) fn renew(&mut self, hub: HubId, out: &mut Vec<Effect>) {
        let entry = self.hubs.entry(hub).or_default();
        entry.unsure = true;
        for user in std::mem::take(&mut entry.interest) {
            self.unlist(hub, &user);
        }
        for session in self.sessions.values_mut().filter(|session| session.hub == hub) {
            session.confirmed = false;
        }
        if let Some(recovery) = &mut self.recovery {
            recovery.awaited.insert(hub);
        }
        out.push(Effect::Tell(hub, ToHub::Report { incarnation: self.incarnation }));
    }

    pub(super) fn report(
        &mut self,
        hub: HubId,
        sessions: Vec<Seen>,
        interest: Vec<UserName>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        for seen in sessions {
            self.hear(hub, seen, now, out);
        }
        self.watch(hub, interest);
        if std::mem::take(&mut self.hubs.entry(hub).or_default().unsure) {
            let lost = |session: &Session| session.hub == hub && !session.confirmed;
            let mut lost: Vec<Conn> =
                self.sessions.iter().filter(|(_, session)| lost(session)).map(|(&conn, _)| conn).collect();
            lost.sort_unstable();
            for conn in lost {
                self.end(conn, Reason::Disconnected, now, out);
            }
        }
        match &mut self.recovery {
            None => self.settle(hub, &HashMap::default(), out),
            Some(recovery) => {
                recovery.awaited.remove(&hub);
                if recovery.awaited.is_empty() {
                    self.recovered(out);
                }
            }
        }
    }

    /// Everything is known again: each hub hears how those are whom it watches.
    pub(super) fn recovered(&mut self, out: &mut Vec<Effect>) {
        let Some(recovery) = self.recovery.take() else { return };
        if self.is_public {
            // Those who came were told of when they came.
            let gone = recovery.parted.iter().filter(|(user, _)| self.row(user).state == State::Offline);
            out.extend(gone.map(|(user, reason)| Effect::Public(self.row(user), Some(*reason))));
        }
        let hubs: Vec<HubId> = self.hubs.keys().copied().collect();
        for hub in hubs {
            self.settle(hub, &recovery.parted, out);
        }
    }

    /// Tells a hub the truth about all whom it watches, so that what it missed is healed.
    pub(super) fn settle(&self, hub: HubId, parted: &HashMap<UserName, Reason>, out: &mut Vec<Effect>) {
        for user in self.hubs.get(&hub).into_iter().flat_map(|hub| &hub.interest) {
            let row = self.row(user);
            let reason = (row.state == State::Offline).then(|| parted.get(user).copied()).flatten();
            let mut whom = Whom::Everyone;
            if self.veiled.contains_key(user) {
                let row = self.truth(user);
                out.push(Effect::Tell(hub, ToHub::Changed { row, reason: None, whom: Whom::Itself }));
                whom = Whom::Others;
            }
            out.push(Effect::Tell(hub, ToHub::Changed { row, reason, whom }));
        }
    }
}
