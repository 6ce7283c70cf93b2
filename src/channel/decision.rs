//! What owners, moderators and operators may do with a channel and those in it, and what it comes to. Pure.

use super::messages::{Closed, Origin};
use super::rights::{Bearing, No};
use super::state::State;
use crate::model::{Role, Seq, Standing, UserName};
use crate::protocol::{ErrorCode, Problem, Tending};
use crate::store::Mark;

/// A change of what a channel makes of someone.
#[derive(Debug)]
pub(super) struct Edit {
    pub user: UserName,
    pub mark: Mark,
    pub was: Mark,
    /// The read position of a membership that ends with it.
    pub read: Option<Seq>,
    pub change: Change,
}

impl Edit {
    /// Takes the membership that ends with it, if it is this user's.
    pub fn take_read(&mut self, user: &UserName) -> Option<Seq> {
        self.read.take_if(|_| self.user == *user)
    }
}

#[derive(Debug)]
pub(super) enum Change {
    Invited,
    Out(Closed, Option<String>),
    Back,
    Role,
}

/// What comes of a command whose turn it is.
pub(super) enum Decision {
    Refused(Problem),
    /// There is nothing left to do.
    Done,
    /// First it has to be known whether there is such a user.
    Ask(UserName),
    Change(Edit),
    Delete,
}

impl State {
    /// What comes of a command whose turn it is; `known` says whether the user whom it names is.
    pub(super) fn decide(&self, origin: &Origin, tending: &Tending, known: bool) -> Decision {
        // What was so when it came may be otherwise by now.
        let deed = super::commands::deed_of(tending);
        if let Err(no) = self.may(origin, deed) {
            return Decision::Refused(denied(no));
        }
        let by = self.rights.bearing(&origin.user, origin.standing, || self.roster.is_member(&origin.user));
        let decided = match tending {
            Tending::Invite { user } => self.invite(user),
            Tending::Kick { user, reason } => self.kick(by, origin, user, reason.clone()),
            Tending::Ban { user, reason } => self.ban(by, origin, user, reason.clone()),
            Tending::Unban { user } => self.unban(by, user),
            Tending::Role { user, role } => self.give(by, origin, user, *role),
            Tending::Delete => return Decision::Delete,
            Tending::Create { .. } | Tending::Members { .. } => return Decision::Done,
        };
        match decided {
            Err(problem) => Decision::Refused(problem),
            Ok(None) => Decision::Done,
            Ok(Some(edit)) if !known && !self.has_heard_of(&edit.user) => Decision::Ask(edit.user),
            Ok(Some(edit)) if !edit.mark.is_plain() && !self.rights.knows(&edit.user) && self.rights.is_full() => {
                Decision::Refused(Problem::new(ErrorCode::TooLarge, "the channel has marked too many users"))
            }
            Ok(Some(edit)) => Decision::Change(edit),
        }
    }

    /// Whether a user is or was here, so that there has to be one of that name.
    fn has_heard_of(&self, user: &UserName) -> bool {
        self.roster.is_member(user) || self.roster.is_here(user) || self.rights.knows(user)
    }

    fn edit(&self, user: &UserName, change: Change, make: impl FnOnce(&mut Mark)) -> Edit {
        let was = self.rights.mark(user);
        let mut mark = was;
        make(&mut mark);
        Edit { user: user.clone(), mark, was, read: None, change }
    }

    fn invite(&self, user: &UserName) -> Result<Option<Edit>, Problem> {
        if user.is_guest() {
            return Err(forbidden("a guest cannot be invited"));
        }
        if self.rights.mark(user).banned {
            return Err(Problem::new(ErrorCode::Conflict, "they are banned from this channel"));
        }
        if self.roster.is_member(user) {
            return Ok(None);
        }
        Ok(Some(self.edit(user, Change::Invited, |mark| mark.invited = true)))
    }

    fn kick(
        &self,
        by: Bearing,
        origin: &Origin,
        user: &UserName,
        reason: Option<String>,
    ) -> Result<Option<Edit>, Problem> {
        self.may_put_out(by, origin, user)?;
        if !self.roster.is_member(user) && !self.roster.is_here(user) {
            return Err(Problem::new(ErrorCode::NotFound, "they are not in this channel"));
        }
        Ok(Some(self.edit(user, Change::Out(Closed::Kicked, reason), put_out)))
    }

    fn ban(
        &self,
        by: Bearing,
        origin: &Origin,
        user: &UserName,
        reason: Option<String>,
    ) -> Result<Option<Edit>, Problem> {
        self.may_put_out(by, origin, user)?;
        let gone = !self.roster.is_member(user) && !self.roster.is_here(user);
        if gone && self.rights.mark(user).banned {
            return Ok(None);
        }
        let shut_out = |mark: &mut Mark| {
            put_out(mark);
            mark.banned = true;
        };
        Ok(Some(self.edit(user, Change::Out(Closed::Banned, reason), shut_out)))
    }

    fn may_put_out(&self, by: Bearing, origin: &Origin, user: &UserName) -> Result<(), Problem> {
        if *user == origin.user {
            return Err(forbidden("nobody puts themselves out"));
        }
        by.may_order(self.rights.mark(user)).map_err(denied)
    }

    fn unban(&self, by: Bearing, user: &UserName) -> Result<Option<Edit>, Problem> {
        let mark = self.rights.mark(user);
        by.may_order(mark).map_err(denied)?;
        Ok(mark.banned.then(|| self.edit(user, Change::Back, |mark| mark.banned = false)))
    }

    fn give(&self, by: Bearing, origin: &Origin, user: &UserName, role: Role) -> Result<Option<Edit>, Problem> {
        let mark = self.rights.mark(user);
        by.may_give(role, mark, *user == origin.user).map_err(denied)?;
        if user.is_guest() && matches!(role, Role::Owner | Role::Moderator) {
            return Err(forbidden("a guest can neither own nor moderate a channel"));
        }
        let theirs = Bearing { mark, member: self.roster.is_member(user), standing: Standing::Account };
        if !theirs.sees(self.rights.place().private) {
            return Err(Problem::new(ErrorCode::NotFound, "they are not in this channel"));
        }
        if mark.banned {
            return Err(Problem::new(ErrorCode::Conflict, "they are banned from this channel"));
        }
        if mark.role == Role::Owner && role != Role::Owner && !self.rights.has_owner_beside(user) {
            return Err(Problem::new(ErrorCode::Conflict, "a channel keeps its last owner"));
        }
        Ok((mark.role != role).then(|| self.edit(user, Change::Role, |mark| mark.role = role)))
    }
}

/// What is taken from someone who is put out.
fn put_out(mark: &mut Mark) {
    mark.invited = false;
    if mark.role != Role::Muted {
        mark.role = Role::Member;
    }
}

pub(super) fn forbidden(why: &str) -> Problem {
    Problem::new(ErrorCode::Forbidden, why)
}

/// The user of that name is nobody.
pub(super) fn nobody() -> Problem {
    Problem::new(ErrorCode::NotFound, "there is no such user")
}

/// How someone is told that they may not.
pub(super) fn denied(no: No) -> Problem {
    match no {
        No::Hidden => Problem::not_found(),
        No::Forbidden(why) => forbidden(why),
    }
}
