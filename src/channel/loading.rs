//! How a channel learns where its log stands: at its first command, after a life that broke off, and when the log is not as
//! expected. Pure.

use super::messages::{Action, Closed, Item, Origin};
use super::state::{Phase, State};
use super::step::{Effect, Input, Loaded, Time};
use crate::model::HubId;
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
        self.finish()
    }

    pub(super) fn load(&mut self) {
        self.phase = Phase::Loading;
        // A first life finds nothing in flight: whoever slept before had nothing left to do.
        let earlier = self.life > 1 || self.is_known();
        self.effects.push(Effect::Load(earlier));
    }

    pub(super) fn loaded(&mut self, loaded: Loaded) {
        let Loaded { head, window, keys, members } = loaded;
        let before = self.seqs.head().epoch.clone();
        self.window = window;
        self.keys = keys;
        if before.0.is_empty() {
            // Later on, what is known here is newer than what was read.
            members.into_iter().for_each(|(user, read)| self.roster.admit(user, read));
        }
        if !before.0.is_empty() && before != head.epoch {
            self.close_all(Closed::Reset);
        }
        self.seqs.reset(head);
        self.phase = Phase::Ready;
        self.open();
    }

    pub(super) fn absent(&mut self) {
        self.phase = Phase::Absent;
        // Nobody deleted it: what made it was lost before it was on disk, which only an interval allows.
        self.close_all(Closed::Reset);
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
        self.nudge();
        while let Some((origin, action)) = self.held.pop_front() {
            if !self.is_open() {
                self.held.push_front((origin, action));
                break;
            }
            self.admit(origin, action);
        }
    }

    /// Makes the log because someone joins it; the join waits.
    pub fn create(&mut self, origin: Origin, action: Action) {
        self.phase = Phase::Loading;
        self.held.push_front((origin, action));
        self.effects.push(Effect::Create);
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
