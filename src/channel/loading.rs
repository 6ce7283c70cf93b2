//! How a channel learns where its log stands: at its first command, after a life that broke off, and when the log is not as
//! expected. Pure.

use super::messages::{Closed, Item};
use super::state::{Phase, State};
use super::step::{Effect, Input, Loaded, Time};
use crate::model::{HubId, Standing};
use crate::protocol::Problem;

/// How long a channel that began anew waits for the hubs' reports, in ms.
const ATTACH_MS: u64 = 5000;

impl State {
    /// Begins after an earlier life that broke off: `hubs` are asked who subscribes.
    pub fn begin_again(&mut self, time: Time, hubs: Vec<HubId>) -> Vec<Effect> {
        self.time = time;
        self.awaited = hubs.into_iter().collect();
        self.effects.push(Effect::Report);
        self.effects.push(Effect::Later(ATTACH_MS, Input::AttachOver));
        self.load();
        self.finish()
    }

    /// The store may have lost what was announced: what is known is read anew.
    pub fn doubt(&mut self, time: Time) -> Vec<Effect> {
        self.time = time;
        // An append in flight will say so by itself.
        if self.phase == Phase::Ready && !self.seqs.is_appending() {
            self.reload();
        }
        self.edits.doubted = self.edits.closing;
        self.finish()
    }

    pub(super) fn load(&mut self) {
        self.phase = Phase::Loading;
        // A first life finds nothing in flight: whoever slept before had nothing left to do.
        let earlier = self.life > 1 || self.is_known();
        self.effects.push(Effect::Load(earlier));
    }

    pub(super) fn loaded(&mut self, loaded: Loaded) {
        let Loaded { head, window, keys, members, place, marks } = loaded;
        let before = self.seqs.head().epoch.clone();
        self.window = window;
        self.keys = keys;
        if before.0.is_empty() {
            // Later on, what is known here is newer than what was read.
            members.into_iter().for_each(|(user, read)| self.roster.admit(user, read));
            self.rights.fill(place, marks);
        }
        if !before.0.is_empty() && before != head.epoch {
            self.close_all(Closed::Reset);
        }
        self.seqs.reset(head);
        self.phase = Phase::Ready;
        self.open();
    }

    pub(super) fn absent(&mut self, why: Closed) {
        self.phase = Phase::Absent;
        self.end(why);
        self.open();
    }

    pub(super) fn not_loaded(&mut self, why: &str) {
        self.phase = Phase::New;
        for (origin, _) in std::mem::take(&mut self.held) {
            self.refuse(origin, Problem::unavailable(format!("the channel cannot be loaded now: {why}")));
        }
        if self.is_needed() {
            self.effects.push(Effect::Later(200, Input::Retry));
        }
    }

    /// Once the log is read and every hub has reported: has the hubs fill in what they missed, and lets commands in.
    pub(super) fn open(&mut self) {
        if !self.is_open() {
            return;
        }
        if !std::mem::replace(&mut self.swept, true) {
            self.sweep();
        }
        self.nudge();
        while let Some((origin, action)) = self.held.pop_front() {
            if !self.is_open() {
                self.held.push_front((origin, action));
                break;
            }
            self.admit(origin, action);
        }
        self.next_edit();
    }

    /// An earlier life may have broken off before it told someone that they are put out.
    fn sweep(&mut self) {
        if self.rights.is_everyones() {
            return;
        }
        for (conn, hub, user) in self.roster.seated() {
            let bearing = self.rights.bearing(&user, Standing::Account, || self.roster.is_member(&user));
            let why = if bearing.mark.banned { Closed::Banned } else { Closed::Reset };
            if self.rights.parties().is_none() && (bearing.mark.banned || !bearing.sees(self.rights.place().private)) {
                self.roster.unsubscribe(conn);
                self.links.say(hub, Item::Closed(conn, why));
            }
        }
    }

    /// Reads everything anew because the log did not take an append as expected.
    pub fn reload(&mut self) {
        for origin in self.seqs.abandon() {
            self.settle(origin, |o| {
                Item::Refused(
                    o,
                    Problem::unavailable("whether it was stored is not known; ask again with the same key"),
                )
            });
        }
        self.load();
    }
}
