//! What owners, moderators and operators do with a channel: one change at a time, decided when its turn comes, and written
//! before anyone is told. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use super::decision::{Change, Decision, Edit, denied, forbidden, nobody};
use super::messages::{Answer, Aside, Closed, Item, Origin};
use super::orders::Asker;
use super::rights::Deed;
use super::state::{Phase, State};
use super::step::{Effect, Job, overloaded};
use crate::model::{ChannelName, Conn, Epoch, Role, Seq, UserName};
use crate::protocol::{Frame, Problem, Tending, event};
use crate::store::{Membership, ReadError};

/// How many changes may wait.
const WAITING_MAX: usize = 1024;

/// What is to be changed, in the order in which it was asked for.
#[derive(Debug, Default)]
pub(super) struct Edits {
    pub waiting: VecDeque<(Origin, Tending)>,
    /// Whether a change is being made.
    pub busy: bool,
    /// Whether the channel is about to be deleted: nothing more is appended.
    pub closing: bool,
    /// Whether the log may have become another since then.
    pub doubted: bool,
    /// Who is being put out: nothing that they say is taken until they have heard so.
    pub leaving: Option<UserName>,
}

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl State {
    /// Takes a command that its caller has the right to give; its turn may come later.
    pub(super) fn tend(&mut self, origin: Origin, tending: Tending) {
        if let Tending::Members { after, limit } = tending {
            return self.list_members(origin, after.as_ref(), limit);
        }
        if self.edits.waiting.len() >= WAITING_MAX {
            return self.settle(origin, |o| Item::Refused(o, overloaded()));
        }
        self.edits.waiting.push_back((origin, tending));
        self.next_edit();
    }

    fn list_members(&mut self, origin: Origin, after: Option<&UserName>, limit: usize) {
        let (page, more) = self.roster.members_after(after, limit);
        let rows = page.into_iter().map(|user| (self.rights.mark(&user).role, user));
        let users = rows.map(|(role, user)| (user, role)).collect();
        self.settle(origin, |o| Item::Answer(o, Answer::Members { users, more }));
    }

    /// Makes the changes that wait, as far as none is being written.
    pub(super) fn next_edit(&mut self) {
        while !self.edits.busy && self.is_open() && self.phase == Phase::Ready {
            let Some((origin, tending)) = self.edits.waiting.pop_front() else { return };
            if tending == Tending::Delete && self.seqs.is_appending() {
                // What is being written comes before the end; nothing else does.
                self.edits.closing = true;
                return self.edits.waiting.push_front((origin, tending));
            }
            // Whoever wanted it deleted may not do that any more, or is about to.
            self.edits.closing = false;
            self.tend_now(origin, tending, false);
        }
    }

    fn tend_now(&mut self, origin: Origin, tending: Tending, known: bool) {
        match self.decide(&origin, &tending, known) {
            Decision::Refused(problem) => self.settle(origin, |o| Item::Refused(o, problem)),
            Decision::Done => self.settle(origin, |o| Item::Answer(o, Answer::Ok)),
            Decision::Ask(user) => {
                self.edits.busy = true;
                let job = self.job(Job::Known { origin, tending });
                self.effects.push(Effect::Known(job, user));
            }
            Decision::Change(edit) => self.change(origin, edit),
            Decision::Delete => self.delete(Asker::Session(origin)),
        }
    }

    /// It is known whether there is a user of the name that a command gave.
    pub(super) fn known(&mut self, origin: Origin, tending: Tending, known: Result<bool, ReadError>) {
        self.edits.busy = false;
        match known {
            Ok(true) if self.phase == Phase::Ready && self.is_open() => self.tend_now(origin, tending, true),
            Ok(true) => {
                let problem = Problem::unavailable("the channel is being loaded anew");
                self.settle(origin, |o| Item::Refused(o, problem));
            }
            Ok(false) => self.settle(origin, |o| Item::Refused(o, nobody())),
            Err(error) => {
                let problem = Problem::unavailable(error.to_string());
                self.settle(origin, |o| Item::Refused(o, problem));
            }
        }
        self.next_edit();
    }

    /// Has a change hold from here on, and writes it down. What the user asked for before and has no place yet is refused
    /// with the rest.
    fn change(&mut self, origin: Origin, mut edit: Edit) {
        self.edits.busy = true;
        let mut ops = edit.mark.write(&self.name, edit.user.as_str()).to_vec();
        let out = matches!(edit.change, Change::Out(..));
        if out {
            // At once, and written in any case: one of the user's joins may be under way.
            edit.read = self.end_membership(&edit.user);
            ops.extend(Membership::end(self.name.as_str(), edit.user.as_str()));
            self.edits.leaving = Some(edit.user.clone());
        }
        self.rights.set(&edit.user, edit.mark);
        if out || edit.mark.role == Role::Muted {
            for waiting in self.seqs.withdraw(&edit.user) {
                self.settle(waiting, |o| Item::Refused(o, silenced()));
            }
        }
        let job = self.job(Job::Edit { origin, edit: Box::new(edit) });
        self.effects.push(Effect::Note(job, ops));
    }

    /// Ends a membership at once, or takes over its end from what is ending it: the last to do so puts it back if it
    /// fails.
    pub(super) fn end_membership(&mut self, user: &UserName) -> Option<Seq> {
        self.roster.dismiss(user).or_else(|| self.jobs.values_mut().find_map(|job| job.take_read(user)))
    }

    /// The end of a membership was written: whatever else was to end it puts nothing back.
    pub(super) fn membership_ended(&mut self, user: &UserName) {
        for job in self.jobs.values_mut() {
            job.take_read(user);
        }
    }

    /// A change was written, or was not.
    pub(super) fn changed(&mut self, origin: Origin, edit: Edit, failed: Option<Problem>) {
        self.edits.busy = false;
        self.edits.leaving = None;
        if let Some(problem) = failed {
            self.rights.set(&edit.user, edit.was);
            if let Some(read) = edit.read {
                self.roster.admit(edit.user, read);
            }
            self.settle(origin, |o| Item::Refused(o, problem));
        } else {
            if matches!(edit.change, Change::Out(..)) {
                self.membership_ended(&edit.user);
            }
            match &edit.change {
                Change::Invited => self.beside(&edit.user, &origin.user, "invited", Vec::new()),
                Change::Out(why, reason) => self.put_out(&edit.user, &origin.user, *why, reason.as_deref()),
                Change::Back => {}
                Change::Role => self.announce(&edit.user, "role", Some(edit.mark.role), Some(&origin.user), None),
            }
            self.settle(origin, |o| Item::Answer(o, Answer::Ok));
        }
        self.next_edit();
    }

    /// Ends everything that a user hears here, in order with the deliveries, and tells the others.
    fn put_out(&mut self, user: &UserName, by: &UserName, why: Closed, reason: Option<&str>) {
        // One of the user's joins, or a leave that failed, may have come between.
        self.roster.dismiss(user);
        let mut told = Vec::new();
        for (conn, hub) in self.roster.sessions_of(user) {
            self.roster.unsubscribe(conn);
            self.links.say(hub, Item::Closed(conn, why));
            told.push(conn);
        }
        self.blind(user, why);
        let how = if why == Closed::Banned { "banned" } else { "kicked" };
        self.announce(user, how, None, Some(by), reason);
        self.beside(user, by, "removed", told);
    }

    /// A user's sessions watch who comes no more.
    pub(super) fn blind(&mut self, user: &UserName, why: Closed) {
        for (conn, hub) in self.roster.watchers_of(user) {
            self.roster.unwatch(conn);
            self.links.say(hub, Item::Unwatch(conn, why));
        }
    }

    /// Why someone may not say anything now, if so.
    pub(super) fn no_voice(&self, origin: &Origin) -> Option<Problem> {
        self.is_leaving(origin).or_else(|| self.may(origin, Deed::Publish).err().map(denied))
    }

    /// Why someone who is being put out may not say anything, if so.
    pub(super) fn is_leaving(&self, origin: &Origin) -> Option<Problem> {
        (self.edits.leaving.as_ref() == Some(&origin.user)).then(silenced)
    }

    /// Tells a user's sessions, but not these, what became of the user here.
    pub(super) fn beside(&mut self, user: &UserName, from: &UserName, change: &str, not: Vec<Conn>) {
        let frame = self.activity_frame(from, change);
        let removed = change == "removed";
        let aside = Aside::User { user: user.clone(), channel: self.name.clone(), frame, not, removed };
        self.effects.push(Effect::Aside(Arc::new(aside)));
    }

    /// What a user's sessions hear beside the stream.
    fn activity_frame(&self, from: &UserName, change: &str) -> Frame {
        #[derive(Serialize)]
        struct Activity<'a> {
            channel: &'a ChannelName,
            epoch: &'a Epoch,
            head: Seq,
            unread: u64,
            from: &'a UserName,
            change: &'a str,
        }
        let head = self.seqs.head();
        let activity = Activity { channel: &self.name, epoch: &head.epoch, head: head.seq, unread: 0, from, change };
        event("activity", activity)
    }
}

fn silenced() -> Problem {
    forbidden("you were muted, or put out of this channel")
}

#[cfg(test)]
#[path = "tending_tests.rs"]
mod tests;
