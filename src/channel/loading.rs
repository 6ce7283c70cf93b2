//! How a channel learns where its log stands: at its first command, after a life that broke off, and when the log is not as
//! expected. Pure.

use super::dedup::Keys;
use super::messages::{Closed, Hears, Item, Origin};
use super::rights::Deed;
use super::sequencer::blank;
use super::state::{Phase, State};
use super::step::{Effect, Input, Loaded, Time};
use super::window::Window;
use crate::model::{HubId, Seq, Standing};
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
        let earlier = self.life > 1 || self.is_known() || self.orders.is_biting();
        self.effects.push(Effect::Load(earlier));
    }

    pub(super) fn loaded(&mut self, loaded: Loaded) {
        let Loaded { head, window, keys, members, place, marks } = loaded;
        let before = self.seqs.head().epoch.clone();
        self.window = window;
        // What was read may be from before.
        self.window.erase(&std::mem::take(&mut self.erased));
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
        self.seqs.raise_first(self.orders.floor());
        self.window.forget(self.seqs.head().first);
        self.phase = Phase::Ready;
        self.open();
    }

    /// The log has these messages without their bodies now.
    pub(super) fn erased(&mut self, seqs: &[Seq]) -> Vec<Effect> {
        self.window.erase(seqs);
        if self.phase == Phase::Loading {
            self.erased.extend(seqs);
        }
        Vec::new()
    }

    pub(super) fn absent(&mut self, why: Closed) {
        self.phase = Phase::Absent;
        self.ended = why;
        self.end(why);
        self.open();
    }

    pub(super) fn not_loaded(&mut self, why: &str) {
        self.phase = Phase::New;
        for (origin, _) in std::mem::take(&mut self.held) {
            self.refuse(origin, Problem::unavailable(format!("the channel cannot be loaded now: {why}")));
        }
        self.put_off_orders(why);
        if self.is_needed() {
            self.effects.push(Effect::Later(200, Input::Retry));
        }
    }

    /// Once the log is read and every hub has reported: has the hubs fill in what they missed, and lets commands in.
    pub(super) fn open(&mut self) {
        if !self.is_open() {
            return;
        }
        self.sweep();
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

    /// An earlier life may have broken off before it told someone of their end here, or of its own; and a hub that comes
    /// late with its report has missed what happened meanwhile.
    fn sweep(&mut self) {
        for (origin, hears) in std::mem::take(&mut self.reported) {
            let hears = hears.filter(|_| self.roster.is_subscribed(origin.conn));
            if let Some(why) = self.is_over(&origin, hears.as_ref()) {
                if hears.is_some() {
                    self.roster.unsubscribe(origin.conn);
                    self.links.say(origin.hub, Item::Closed(origin.conn, why));
                }
                if self.roster.is_watching(origin.conn) {
                    self.roster.unwatch(origin.conn);
                    self.links.say(origin.hub, Item::Unwatch(origin.conn, why));
                }
            }
        }
    }

    /// Why someone who was reported to hear or watch the channel may not go on, if so.
    fn is_over(&self, origin: &Origin, hears: Option<&Hears>) -> Option<Closed> {
        if self.phase == Phase::Absent {
            return Some(self.ended);
        }
        let shut_out = self.rights.mark(&origin.user).banned && origin.standing != Standing::Operator;
        // Whoever was a member, and is none, left or was put out, or that was lost with what was not on disk yet.
        let parted = hears.is_some_and(|hears| hears.member) && !self.roster.is_member(&origin.user);
        let gone = if self.settings.durable { Closed::Left } else { Closed::Reset };
        let other = hears.is_some_and(|hears| hears.epoch != self.seqs.head().epoch);
        match self.may(origin, Deed::Look) {
            Err(_) if shut_out => Some(Closed::Banned),
            Err(_) => Some(gone),
            Ok(()) if parted => Some(gone),
            Ok(()) => other.then_some(Closed::Reset),
        }
    }

    /// Knows nothing any more but who hears and watches: the log is gone.
    pub(super) fn forget(&mut self) {
        self.seqs.reset(blank());
        self.window = Window::new(self.settings.window);
        self.keys = Keys::new(self.settings.dedup_window, 1);
        self.rights.clear();
        self.roster.clear_members();
        self.added.clear();
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

#[cfg(test)]
#[path = "loading_tests.rs"]
mod tests;
