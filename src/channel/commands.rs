//! What a channel does with each command but a publish. Pure.

use std::sync::Arc;

use serde::Serialize;

use super::decision::denied;
use super::lanes::Gait;
use super::making::no_guests;
use super::messages::{Action, Answer, Aside, Closed, Item, Joined, Origin};
use super::resume::Replay;
use super::rights::{Deed, No};
use super::state::{Phase, State};
use super::step::{Effect, Job};
use crate::model::{ChannelName, Conn, Role, Seq, Standing, UserName};
use crate::protocol::{ErrorCode, Problem, Start, Tending, event};
use crate::store::{Membership, WriteError};

impl State {
    /// How many users hear the channel and do not hide.
    pub fn online(&self) -> usize {
        self.roster.named()
    }

    /// How many users belong to it; `None` while that is not known.
    pub fn belonging(&self) -> Option<usize> {
        (self.phase == Phase::Ready).then(|| self.roster.members().len())
    }

    /// A command reaches a channel that is loaded, or that is known not to be there.
    pub(super) fn admit(&mut self, origin: Origin, action: Action) {
        if self.phase == Phase::Absent {
            return self.nobody_there(origin, action);
        }
        let gait = match action {
            Action::Tend(Tending::Members { .. }) => Gait::Together,
            Action::Join { .. } | Action::Leave { .. } | Action::Tend(_) => Gait::Alone,
            _ => Gait::Together,
        };
        let conn = origin.conn;
        if let Some((origin, action)) = self.lanes.enter(&conn, origin.ticket, gait, (origin, action)) {
            self.run(origin, action);
        }
    }

    /// Carries out a command whose turn it is.
    pub(super) fn run(&mut self, origin: Origin, action: Action) {
        if self.phase == Phase::Absent {
            // It was deleted while the command waited in its lane.
            return self.settle(origin, |o| Item::Refused(o, Problem::not_found()));
        }
        if let Some(answer) = self.not_theirs(&origin, &action) {
            return self.settle(origin, |o| {
                answer.map_or_else(|p| Item::Refused(o.clone(), p), |a| Item::Answer(o.clone(), a))
            });
        }
        match action {
            Action::Join { start, member } => self.join(origin, start, member),
            Action::Leave { only_session } => self.leave(origin, only_session),
            Action::Publish(draft) => self.publish(origin, draft),
            Action::Typing => self.typing(origin),
            Action::Read(seq) => self.read(origin, seq),
            Action::Who { after, limit } => {
                let (users, more, count) = self.roster.who(&origin.user, after.as_ref(), limit);
                self.settle(origin, |o| Item::Answer(o, Answer::Who { users, count, more }));
            }
            Action::Look => {
                let head = self.seqs.head();
                let answer = Answer::Look { epoch: head.epoch.clone(), first: head.first, head: head.seq };
                self.settle(origin, |o| Item::Answer(o, answer));
            }
            Action::Watch => self.watch(origin),
            Action::Unwatch => {
                self.roster.watch(&origin, false);
                self.settle(origin, |o| Item::Answer(o, Answer::Ok));
            }
            Action::Tend(tending) => self.tend(origin, tending),
        }
    }

    /// What a user hears whose right it is not to do this, if so. To whom the channel is not to be seen, it answers as one
    /// that is not there.
    fn not_theirs(&self, origin: &Origin, action: &Action) -> Option<Result<Answer, Problem>> {
        let create = matches!(action, Action::Tend(Tending::Create { .. }));
        if create && self.rights.parties().is_none() && origin.standing != Standing::Barred {
            let there = || Problem::new(ErrorCode::Conflict, "the channel is there");
            return Some(Err(if origin.standing == Standing::Guest { no_guests() } else { there() }));
        }
        match self.may(origin, deed(action)) {
            Ok(()) => None,
            Err(No::Hidden) => Some(unseen(action)),
            Err(no) => Some(Err(denied(no))),
        }
    }

    /// Work goes on after its records were written.
    pub(super) fn noted(&mut self, job: Job, result: Result<(), WriteError>) {
        let job = match job {
            Job::Delete(asker) => return self.deleted(asker, result),
            Job::Order(tell) => {
                // Whoever asked may have gone.
                return drop(tell.send(result.map_err(|error| Problem::unavailable(error.to_string()))));
            }
            job => job,
        };
        let failed = result.err().map(|error| Problem::unavailable(error.to_string()));
        match (job, failed) {
            (Job::Join { origin, .. }, None) if self.may(&origin, Deed::Join { member: true }).is_err() => {
                // Put out meanwhile: what was written last is that the user does not belong.
                let ops = Membership::end(self.name.as_str(), origin.user.as_str()).to_vec();
                let tidy = self.job(Job::Tidy);
                self.effects.push(Effect::Note(tidy, ops));
                let no = self.not_theirs(&origin, &Action::Join { start: Start::Stood, member: true });
                let problem = no.and_then(Result::err).unwrap_or_else(Problem::not_found);
                self.settle(origin, |o| Item::Refused(o, problem));
            }
            (Job::Join { origin, start }, None) => {
                // Another session of the user may have been as fast.
                if !self.roster.is_member(&origin.user) {
                    self.announce_member(&origin.user, "joined");
                    self.roster.admit(origin.user.clone(), 0);
                }
                self.subscribe(origin, start);
            }
            (Job::Leave { origin, .. }, None) => {
                self.membership_ended(&origin.user);
                self.part(origin, true);
            }
            (Job::Read { origin, .. }, None) if !self.roster.is_member(&origin.user) => {
                self.settle(origin, |o| Item::Refused(o, not_joined()));
            }
            (Job::Read { origin, seq, .. }, None) => self.tell_read(origin, seq),
            (Job::Readmit { origin, draft, users }, failed) => self.readmitted(origin, draft, users, failed),
            (Job::Edit { origin, edit }, failed) => self.changed(origin, *edit, failed),
            (Job::Leave { origin, read }, Some(problem)) => {
                if let Some(read) = read {
                    self.roster.admit(origin.user.clone(), read);
                }
                self.settle(origin, |o| Item::Refused(o, problem));
            }
            (Job::Read { origin, seq, before }, Some(problem)) => {
                self.roster.unread(&origin.user, seq, before);
                self.settle(origin, |o| Item::Refused(o, problem));
            }
            (Job::Join { origin, .. } | Job::Publish { origin, .. } | Job::Known { origin, .. }, Some(problem)) => {
                self.settle(origin, |o| Item::Refused(o, problem));
            }
            // Neither is a write.
            (Job::Publish { origin, .. } | Job::Known { origin, .. }, None) => {
                self.settle(origin, |o| Item::Refused(o, Problem::unavailable("it was not looked for")));
            }
            // The others were looked at before.
            (Job::Tidy | Job::Delete(_) | Job::Order(_), _) => {}
        }
    }

    fn join(&mut self, origin: Origin, start: Start, member: bool) {
        if !member || self.roster.is_member(&origin.user) {
            return self.subscribe(origin, start);
        }
        let ops = Membership::begin(&self.name, origin.user.as_str(), 0).to_vec();
        let job = self.job(Job::Join { origin, start });
        self.effects.push(Effect::Note(job, ops));
    }

    /// In one step: where the replay ends, and that this session hears what follows.
    fn subscribe(&mut self, origin: Origin, start: Start) {
        let most = self.settings.replay_max;
        let kept = self.kept();
        let (head, first) = (kept.head, kept.first);
        let stood = start == Start::Stood && self.roster.is_subscribed(origin.conn);
        let Replay { next, gap } = match &start {
            Start::Since(cursor) => kept.since(cursor, most),
            Start::Tail(n) => kept.tail(*n, most),
            Start::Stood if stood => Replay { next: head + 1, gap: false },
            Start::Stood => kept.first_visit(self.window.of_hour(self.time.wall.hour())),
        };
        let page = if next > head { Vec::new() } else { self.window.since(next).unwrap_or_default() };
        if self.roster.subscribe(&origin) {
            let watchers: Vec<_> = self.roster.watchers().collect();
            for (conn, hub) in watchers {
                self.links.say(hub, Item::Watch(conn, origin.user.clone()));
            }
        }
        let epoch = self.seqs.head().epoch.clone();
        let member = self.roster.is_member(&origin.user);
        let joined = Joined { epoch, member, head, first, next, gap, stood, page };
        self.settle(origin, |o| Item::Joined(o, joined));
    }

    fn leave(&mut self, origin: Origin, only_session: bool) {
        let (subscribed, member) = (self.roster.is_subscribed(origin.conn), self.roster.is_member(&origin.user));
        if !subscribed && !member {
            return self.settle(origin, |o| Item::Refused(o, not_joined()));
        }
        if only_session {
            self.roster.unsubscribe(origin.conn);
            return self.settle(origin, Item::Left);
        }
        // At once, and not when it is written: what another session of the user does meanwhile is not a member's.
        let Some(read) = self.end_membership(&origin.user) else { return self.part(origin, false) };
        let ops = Membership::end(self.name.as_str(), origin.user.as_str()).to_vec();
        let job = self.job(Job::Leave { origin, read: Some(read) });
        self.effects.push(Effect::Note(job, ops));
    }

    /// Ends every subscription of a user who left: this session hears `left`, the others `closed`.
    fn part(&mut self, origin: Origin, member: bool) {
        for (conn, hub) in self.roster.sessions_of(&origin.user) {
            self.roster.unsubscribe(conn);
            if conn != origin.conn {
                self.links.say(hub, Item::Closed(conn, Closed::Left));
            }
        }
        if self.may(&origin, Deed::Look).is_err() {
            self.blind(&origin.user, Closed::Left);
        }
        if member {
            self.announce_member(&origin.user, "left");
        }
        self.settle(origin, Item::Left);
    }

    fn typing(&mut self, origin: Origin) {
        if !self.roster.is_subscribed(origin.conn) {
            return self.settle(origin, |o| Item::Refused(o, not_joined()));
        }
        let muted = self.rights.mark(&origin.user).role == Role::Muted && origin.standing != Standing::Operator;
        let silent = muted || self.roster.hides(&origin.user);
        if !silent && self.roster.may_type(&origin.user, self.time.now) {
            let frame = event("typing", Typing { channel: &self.name, user: &origin.user });
            self.tell(frame, None, Some(origin.user.clone()));
        }
        self.settle(origin, |o| Item::Answer(o, Answer::Ok));
    }

    fn read(&mut self, origin: Origin, seq: Seq) {
        let seq = seq.min(self.seqs.head().seq);
        match self.roster.read(&origin.user, seq) {
            None => self.settle(origin, |o| Item::Refused(o, not_joined())),
            Some(before) if before >= seq && !self.is_read_written(&origin.user) => {
                // What it rests on is not on disk: it is written once more, so that nobody is told `ok` too soon.
                let op = Membership::write(&self.name, origin.user.as_str(), before);
                let job = self.job(Job::Read { origin, seq: before, before });
                self.effects.push(Effect::Note(job, vec![op]));
            }
            Some(before) if before >= seq => self.settle(origin, |o| Item::Answer(o, Answer::Ok)),
            Some(before) => {
                let op = Membership::write(&self.name, origin.user.as_str(), seq);
                let job = self.job(Job::Read { origin, seq, before });
                self.effects.push(Effect::Note(job, vec![op]));
            }
        }
    }

    /// Whether no read position of the user is being written.
    fn is_read_written(&self, user: &UserName) -> bool {
        !self.jobs.values().any(|job| matches!(job, Job::Read { origin, .. } if origin.user == *user))
    }

    fn tell_read(&mut self, origin: Origin, seq: Seq) {
        // A write before this one may have failed.
        self.roster.read(&origin.user, seq);
        let frame = event("read", ReadEvent { channel: &self.name, user: &origin.user, seq });
        self.tell(frame.clone(), None, Some(origin.user.clone()));
        self.effects.push(Effect::Aside(Arc::new(Aside::User {
            user: origin.user.clone(),
            channel: self.name.clone(),
            frame,
            not: Vec::new(),
            removed: false,
        })));
        self.settle(origin, |o| Item::Answer(o, Answer::Ok));
    }

    fn watch(&mut self, origin: Origin) {
        let most = self.settings.announce_max;
        match self.roster.everyone(most) {
            Some(users) => {
                self.roster.watch(&origin, true);
                self.settle(origin, |o| Item::Answer(o, Answer::Users(users)));
            }
            None => {
                let why = format!("watch: expected a channel of at most {most} users");
                let problem = Problem::new(ErrorCode::TooLarge, why);
                self.settle(origin, |o| Item::Refused(o, problem));
            }
        }
    }

    fn announce_member(&mut self, user: &UserName, change: &str) {
        // Of a direct channel's two it is known that they belong there.
        if self.rights.parties().is_none() {
            self.announce(user, change, None, None, None);
        }
    }

    /// Tells those who hear the channel what became of a user there.
    pub(super) fn announce(
        &mut self,
        user: &UserName,
        how: &str,
        role: Option<Role>,
        by: Option<&UserName>,
        reason: Option<&str>,
    ) {
        let frame = event("member", Change { channel: &self.name, user, how, role, by, reason });
        if self.settings.tells_members {
            self.effects.push(Effect::Member(frame.clone()));
        }
        self.tell(frame, None, None);
    }

    /// Has every subscriber hear an event, if they are not too many.
    fn tell(&mut self, frame: crate::protocol::Frame, not: Option<Conn>, not_user: Option<UserName>) {
        if self.roster.is_crowded(self.settings.announce_max) {
            return;
        }
        let hubs: Vec<_> = self.roster.hubs().collect();
        for hub in hubs {
            let item = Item::Event { frame: frame.clone(), not, not_user: not_user.clone() };
            self.links.say(hub, item);
        }
    }
}

/// What an action takes the right to do.
pub(super) fn deed(action: &Action) -> Deed {
    match action {
        Action::Join { member, .. } => Deed::Join { member: *member },
        Action::Publish(_) => Deed::Publish,
        Action::Who { .. } | Action::Look | Action::Watch => Deed::Look,
        Action::Leave { .. } | Action::Typing | Action::Read(_) | Action::Unwatch => Deed::Belong,
        Action::Tend(tending) => deed_of(tending),
    }
}

/// What a command about the channel as a place takes the right to do.
pub(super) fn deed_of(tending: &Tending) -> Deed {
    match tending {
        Tending::Members { .. } => Deed::Look,
        Tending::Invite { .. } => Deed::Invite,
        Tending::Delete => Deed::Delete,
        Tending::Create { .. }
        | Tending::Kick { .. }
        | Tending::Ban { .. }
        | Tending::Unban { .. }
        | Tending::Role { .. } => Deed::Order,
    }
}

/// What is heard of a channel that is not there.
pub(super) fn unseen(action: &Action) -> Result<Answer, Problem> {
    match action {
        Action::Leave { .. } | Action::Typing => Err(not_joined()),
        Action::Unwatch => Ok(Answer::Ok),
        _ => Err(Problem::not_found()),
    }
}

fn not_joined() -> Problem {
    Problem::new(ErrorCode::NotJoined, "not joined")
}

#[derive(Serialize)]
struct Typing<'a> {
    channel: &'a ChannelName,
    user: &'a UserName,
}

#[derive(Serialize)]
struct ReadEvent<'a> {
    channel: &'a ChannelName,
    user: &'a UserName,
    seq: Seq,
}

#[derive(Serialize)]
struct Change<'a> {
    channel: &'a ChannelName,
    user: &'a UserName,
    #[serde(rename = "change")]
    how: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a UserName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
