//! From a publish to its receipt and its deliveries. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::dedup::{Used, Verdict};
use super::messages::{Aside, Draft, Item, Origin};
use super::sequencer::Committed;
use super::state::State;
use super::step::{Effect, Input, Job, overloaded};
use crate::model::{Seq, UserName};
use crate::protocol::{ErrorCode, Posted, Problem};
use crate::store::{AppendError, Head, Membership, ReadError};

/// How often members who do not subscribe hear of a channel's activity, at most (protocol, section 2).
const ACTIVITY_EVERY: Duration = Duration::from_secs(1);

impl State {
    /// Takes a publish whose turn it is.
    pub(super) fn publish(&mut self, origin: Origin, draft: Box<Draft>) {
        if let Some(problem) = self.is_leaving(&origin) {
            return self.settle(origin, |o| Item::Refused(o, problem));
        }
        let absent: Vec<UserName> = match self.rights.parties() {
            Some((one, other)) => {
                let absent = [one, other].into_iter().filter(|user| !self.roster.is_member(user));
                absent.cloned().collect()
            }
            None => Vec::new(),
        };
        if absent.is_empty() {
            let base = draft.publish.base;
            return self.sequence(origin, draft, base);
        }
        // Whoever left a direct channel is back when something is said there.
        let read = self.seqs.head().seq;
        let ops = absent.iter().flat_map(|user| Membership::begin(&self.name, user.as_str(), read)).collect();
        self.lanes.slow(&origin.conn);
        let job = self.job(Job::Readmit { origin, draft, users: absent });
        self.effects.push(Effect::Note(job, ops));
    }

    /// Those who had left a direct channel belong to it again, or it could not be written.
    pub(super) fn readmitted(
        &mut self,
        origin: Origin,
        draft: Box<Draft>,
        users: Vec<UserName>,
        failed: Option<Problem>,
    ) {
        self.lanes.quicken(&origin.conn);
        self.freed(origin.conn);
        let problem =
            failed.or_else(|| (!self.is_open()).then(|| Problem::unavailable("the channel is being loaded anew")));
        if let Some(problem) = problem {
            return self.settle(origin, |o| Item::Refused(o, problem));
        }
        let read = self.seqs.head().seq;
        for user in users {
            self.roster.admit(user.clone(), read);
            self.added.push(user);
        }
        let base = draft.publish.base;
        self.sequence(origin, draft, base);
    }

    fn sequence(&mut self, origin: Origin, draft: Box<Draft>, base: Option<Seq>) {
        if let Some(key) = &draft.publish.key {
            if self.seqs.join_twin(&origin, key) {
                return;
            }
            let first = self.seqs.head().first;
            match self.keys.look(&origin.user, key, base, self.settings.dedup_scan, first) {
                Verdict::New => {}
                Verdict::Used(used) => return self.again(origin, used),
                Verdict::TooFar => {
                    let problem = Problem::new(ErrorCode::Conflict, "base: too old to look for the key since then");
                    return self.settle(origin, |o| Item::Refused(o, problem));
                }
                Verdict::Search(from, to) => {
                    let (user, key) = (origin.user.clone(), key.clone());
                    self.lanes.slow(&origin.conn);
                    let job = self.job(Job::Publish { origin, draft, to });
                    return self.effects.push(Effect::Find { job, user, key, from, to });
                }
            }
        }
        if self.seqs.is_full() {
            return self.settle(origin, |o| Item::Refused(o, overloaded()));
        }
        self.seqs.offer(origin, draft);
    }

    /// A key was looked for in the log, up to `to`.
    pub(super) fn found(&mut self, origin: Origin, draft: Box<Draft>, to: Seq, used: Result<Option<Used>, ReadError>) {
        self.lanes.quicken(&origin.conn);
        self.freed(origin.conn);
        // The user may have been silenced or put out meanwhile.
        if let Some(problem) = self.no_voice(&origin) {
            return self.settle(origin, |o| Item::Refused(o, problem));
        }
        match used {
            Ok(Some(used)) => self.again(origin, used),
            _ if !self.is_open() => {
                let problem = Problem::unavailable("the channel is being loaded anew; ask again with the same key");
                self.settle(origin, |o| Item::Refused(o, problem));
            }
            // What was stored meanwhile has still to be looked at.
            Ok(None) => self.sequence(origin, draft, Some(to)),
            Err(error) => {
                let problem = Problem::unavailable(format!("the key could not be looked for: {error}"));
                self.settle(origin, |o| Item::Refused(o, problem));
            }
        }
    }

    fn again(&mut self, origin: Origin, used: Used) {
        self.receipt(origin, used, true);
    }

    fn receipt(&mut self, origin: Origin, Used { seq, at }: Used, duplicate: bool) {
        let epoch = self.seqs.head().epoch.clone();
        self.settle(origin, |origin| Item::Published { origin, epoch, seq, at, duplicate });
    }

    /// The append in flight came to an end.
    pub(super) fn appended(&mut self, result: Result<Head, AppendError>) {
        match result {
            Ok(head) => {
                let done = self.seqs.committed(head);
                self.announce_messages(done);
            }
            Err(AppendError::Full | AppendError::Unavailable(_)) => {
                for origin in self.seqs.refused() {
                    let problem = Problem::unavailable("the store takes no messages now; ask again with the same key");
                    self.settle(origin, |o| Item::Refused(o, problem));
                }
            }
            Err(AppendError::TooLarge(bytes)) => {
                for origin in self.seqs.refused() {
                    let problem =
                        Problem::new(ErrorCode::TooLarge, format!("a message of {bytes} bytes cannot be stored"));
                    self.settle(origin, |o| Item::Refused(o, problem));
                }
            }
            Err(AppendError::Conflict(_) | AppendError::NoChannel | AppendError::Unknown) => self.reload(),
        }
        self.next_edit();
    }

    fn announce_messages(&mut self, done: Vec<Committed>) {
        let posted: Arc<[Arc<Posted>]> =
            done.iter().map(|one| Arc::new(Posted::new(&self.name, &one.message))).collect();
        for message in posted.iter() {
            self.keys.note(message.seq, message.at, &message.from, message.key.as_ref());
            self.window.push(Arc::clone(message));
        }
        self.said = self.said.saturating_add(posted.len() as u32);
        let hubs: Vec<_> = self.roster.hubs().collect();
        hubs.into_iter().for_each(|hub| self.links.deliver(hub, Arc::clone(&posted)));
        for Committed { message, origin, twins } in done {
            let used = Used { seq: message.seq, at: message.at };
            self.receipt(origin, used, false);
            for twin in twins {
                self.again(twin, used);
            }
        }
        self.activity();
    }

    /// Members who do not subscribe hear that something was said: at most once a second.
    fn activity(&mut self) {
        if self.rights.parties().is_some() {
            return self.tell_activity();
        }
        if self.activity_waits || self.roster.members().is_empty() {
            return;
        }
        let since = self.told_activity.map_or(ACTIVITY_EVERY, |then| self.time.now.since(then));
        if since >= ACTIVITY_EVERY {
            self.tell_activity();
        } else {
            self.activity_waits = true;
            let wait = ACTIVITY_EVERY.saturating_sub(since).as_millis() as u64;
            self.effects.push(Effect::Later(wait, Input::ActivityDue));
        }
    }

    /// The time has come to tell of what was said meanwhile.
    pub(super) fn activity_due(&mut self) {
        self.activity_waits = false;
        self.tell_activity();
    }

    fn tell_activity(&mut self) {
        let members = self.roster.members();
        let Some(from) = self.window.newest().map(|message| message.from.clone()) else { return };
        if members.len() > self.settings.announce_max {
            return;
        }
        let head = self.seqs.head();
        let aside = Aside::Activity {
            channel: self.name.clone(),
            epoch: head.epoch.clone(),
            head: head.seq,
            from,
            members: members.iter().map(|(user, read)| (user.clone(), *read)).collect(),
            added: std::mem::take(&mut self.added),
        };
        self.told_activity = Some(self.time.now);
        self.effects.push(Effect::Aside(Arc::new(aside)));
    }
}
