//! How a channel begins, because someone joins it, creates it, or speaks to someone; and how it ends. Pure.

use std::sync::Arc;

use super::decision::denied;
use super::messages::{Action, Answer, Aside, Closed, Item, Origin};
use super::orders::Asker;
use super::rights::{Deed, No};
use super::state::{Phase, State};
use super::step::{Effect, Job, Loaded, Making, NotMade};
use crate::model::{Role, Standing, UserName};
use crate::protocol::{ErrorCode, Problem, Tending};
use crate::store::{Head, Mark, Membership, Place, WriteError};

impl State {
    /// A command to a channel that is not there.
    pub(super) fn nobody_there(&mut self, origin: Origin, action: Action) {
        let direct = self.rights.parties().is_some();
        match &action {
            _ if origin.standing == Standing::Barred => self.unseen(origin, &action),
            _ if direct => match self.may(&origin, super::commands::deed(&action)) {
                Ok(()) if matches!(action, Action::Join { .. } | Action::Publish(_)) => self.make(origin, action),
                Err(No::Forbidden(why)) => self.refuse(origin, denied(No::Forbidden(why))),
                _ => self.unseen(origin, &action),
            },
            Action::Join { .. } if self.settings.create_on_join => self.make(origin, action),
            Action::Tend(Tending::Create { .. }) if origin.standing == Standing::Guest => {
                self.refuse(origin, no_guests());
            }
            Action::Tend(Tending::Create { .. }) => self.make(origin, action),
            _ => self.unseen(origin, &action),
        }
    }

    fn unseen(&mut self, origin: Origin, action: &Action) {
        match super::commands::unseen(action) {
            Ok(answer) => self.answer(origin, |o| Item::Answer(o, answer)),
            Err(problem) => self.refuse(origin, problem),
        }
    }

    /// Makes the channel; the command waits.
    fn make(&mut self, origin: Origin, action: Action) {
        self.phase = Phase::Loading;
        let mut making = Making::default();
        let begin = |user: &UserName| Membership::begin(&self.name, user.as_str(), 0);
        if let Some((one, other)) = self.rights.parties() {
            making.ops.extend(begin(one));
            if one != other {
                making.ops.extend(begin(other));
                making.account = Some(if *one == origin.user { other.clone() } else { one.clone() });
            }
        } else if let Action::Tend(Tending::Create { private, title }) = &action {
            let place = Place { private: *private, title: title.clone(), ending: false };
            making.ops.push(place.write(&self.name));
            making.ops.extend(OWNER.write(&self.name, origin.user.as_str()));
            making.ops.extend(begin(&origin.user));
        }
        self.making = Some((origin, action));
        self.effects.push(Effect::Make(Box::new(making)));
    }

    /// The channel was made, or was not.
    pub(super) fn made(&mut self, result: Result<Head, NotMade>) {
        let Some((origin, action)) = self.making.take() else { return };
        let head = match result {
            Ok(head) => head,
            Err(NotMade::NoAccount) => {
                self.phase = Phase::Absent;
                self.refuse(origin, Problem::not_found());
                return self.open();
            }
            Err(NotMade::Failed(why)) => {
                self.held.push_front((origin, action));
                return self.not_loaded(&why);
            }
        };
        let mut loaded = Loaded::empty(head, self.settings);
        let parties = self.rights.parties().cloned();
        let mut told = None;
        match (action, &parties) {
            (Action::Tend(Tending::Create { private, title }), None) => {
                loaded.place = Place { private, title, ending: false };
                loaded.marks = vec![(origin.user.clone(), OWNER)];
                loaded.members = vec![(origin.user.clone(), 0)];
                let answer = Answer::Created { epoch: loaded.head.epoch.clone(), private };
                self.answer(origin, |o| Item::Answer(o, answer));
            }
            (action, Some((one, other))) => {
                let both = [one.clone(), other.clone()];
                loaded.members = both.iter().map(|user| (user.clone(), 0)).collect();
                if matches!(action, Action::Publish(_)) {
                    // They are told with the message.
                    self.added.extend(both);
                } else {
                    let user = if *one == origin.user { other } else { one };
                    told = (*user != origin.user).then(|| (user.clone(), origin.user.clone()));
                }
                self.held.push_front((origin, action));
            }
            (action, None) => self.held.push_front((origin, action)),
        }
        let epoch = loaded.head.epoch.clone();
        self.loaded(loaded);
        if let Some((user, from)) = told {
            let (channel, added) = (self.name.clone(), vec![user.clone()]);
            let members = vec![(user, 0)];
            let aside = Aside::Activity { channel, epoch, head: 0, from, members, added };
            self.effects.push(Effect::Aside(Arc::new(aside)));
        }
    }

    /// Writes down that the channel is no more; from then on it only has to be cleared away.
    pub(super) fn delete(&mut self, asker: Asker) {
        self.edits.busy = true;
        self.edits.closing = true;
        self.phase = Phase::Loading;
        let end = self.rights.place().clone().end(&self.name);
        let job = self.job(Job::Delete(asker));
        self.effects.push(Effect::Note(job, vec![end]));
    }

    /// It is written that the channel is no more, or it is not.
    pub(super) fn deleted(&mut self, asker: Asker, result: Result<(), WriteError>) {
        (self.edits.busy, self.edits.closing) = (false, false);
        let doubted = std::mem::take(&mut self.edits.doubted);
        if let Err(error) = result {
            self.tell_asker(asker, Err(Problem::unavailable(error.to_string())));
            if doubted || error == WriteError::Unknown {
                // Whether it was written after all is seen when all is read anew.
                return self.load();
            }
            self.phase = Phase::Ready;
            return self.open();
        }
        let members: Vec<UserName> = self.roster.members().keys().cloned().collect();
        if members.len() <= self.settings.announce_max {
            for user in members {
                let told = self.roster.sessions_of(&user).into_iter().map(|(conn, _)| conn).collect();
                self.beside(&user, asker.user(), "removed", told);
            }
        }
        self.end(Closed::Deleted);
        self.tell_asker(asker, Ok(()));
        self.effects.push(Effect::Clear);
    }

    /// The channel is not there any more: whoever hears or watches it is told, whoever waits is refused, and nothing is
    /// known of it.
    pub(super) fn end(&mut self, why: Closed) {
        self.end_orders();
        self.close_all(why);
        for (conn, hub) in self.roster.watchers().collect::<Vec<_>>() {
            self.roster.unwatch(conn);
            self.links.say(hub, Item::Unwatch(conn, why));
        }
        let jobs = std::mem::take(&mut self.jobs).into_values().filter_map(Job::into_origin);
        let edits = std::mem::take(&mut self.edits).waiting.into_iter().map(|(origin, _)| origin);
        let left: Vec<Origin> = self.seqs.abandon().into_iter().chain(jobs).chain(edits).collect();
        let problem = if why == Closed::Deleted {
            Problem::not_found()
        } else {
            Problem::unavailable("the channel was lost; whether it was done is not known")
        };
        for waiting in left {
            self.settle(waiting, |o| Item::Refused(o, problem.clone()));
        }
        self.forget();
    }

    /// Whether a user may do this now.
    pub(super) fn may(&self, origin: &Origin, deed: Deed) -> Result<(), No> {
        self.rights.may(&origin.user, origin.standing, || self.roster.is_member(&origin.user), deed)
    }
}

const OWNER: Mark = Mark { role: Role::Owner, banned: false, invited: false };

/// Why a guest makes no channel of its own.
pub(super) fn no_guests() -> Problem {
    Problem::new(ErrorCode::Forbidden, "a channel is created by an account")
}
