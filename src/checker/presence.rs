//! Presence is true: what clients were told of users, against when their sessions were certainly there, and certainly
//! not.
//!
//! - `ghost`: someone is called online who was certainly offline all that time.
//! - `false-offline`: someone is called offline who was certainly online all that time.
//! - `unknown-for-nothing`: someone is called unknown, and the server had no trouble.
//! - `sessions-count`: someone has more sessions than there can be.
//! - `not-converged`: at rest, what a watcher was told last is not the truth.
//!
//! A session is certainly there from its welcome until shortly before its client knows that it is over, or until
//! something is amiss; then again once a command that was sent since is carried out. It may be there from its hello
//! until the server must have found out.

use serde_json::Value;

use super::By;
use super::cx::Cx;
use super::frame::{list, number, text};
use super::names::{Map, Set};
use super::session::{Asked, Session};
use super::trouble::Spans;

const ONLINE: u8 = 1;
const OFFLINE: u8 = 2;
const UNKNOWN: u8 = 3;

/// How long the server may take to notice a goodbye or a FIN (protocol, promise 6).
const NOTICE_MS: u64 = 1000;

fn state_of(frame: &Value) -> u8 {
    match text(frame, "state") {
        Some("online") => ONLINE,
        Some("offline") => OFFLINE,
        _ => UNKNOWN,
    }
}

/// What a client was told of a user: it was so at some moment of this time.
#[derive(Clone, Copy, Debug)]
struct Claim {
    user: u32,
    from: u64,
    to: u64,
    at: u64,
    session: u32,
    sessions: u32,
    state: u8,
    /// It is what a watcher knows at rest.
    rest: bool,
}

/// A session that ended, as far as the server had to find out.
#[derive(Clone, Copy, Debug)]
struct Gone {
    user: u32,
    from: u64,
    opened: u64,
    /// When it ended, and how long the server may take; or it never did.
    over: Option<(u64, u64)>,
}

/// Everything about presence.
#[derive(Debug, Default)]
pub(super) struct Presence {
    sure: Map<u32, Vec<(u64, u64)>>,
    gone: Vec<Gone>,
    claims: Vec<Claim>,
    /// Users who may have hidden themselves.
    hidden: Set<u32>,
    /// How many claims could be decided.
    pub decided: u64,
}

impl Presence {
    /// A session was welcomed.
    pub fn welcome(cx: &Cx, session: &mut Session<'_>) {
        if !cx.trouble.now() && !session.hampered.now() {
            session.sure = Some(cx.at + cx.terms.slack_ms);
        }
    }

    /// From now on it is not certain that a session is there.
    pub fn doubt(&mut self, cx: &Cx, session: &mut Session<'_>) {
        if let (Some(from), Some(user)) = (session.sure.take(), session.user) {
            let until = cx.at.saturating_sub(cx.terms.slack_ms).max(session.proof);
            if until > from {
                self.sure.entry(user).or_default().push((from, until));
            }
        }
    }

    /// A command was carried out: the session was there.
    pub fn proven(cx: &Cx, session: &mut Session<'_>, asked: &Asked<'_>) {
        if session.leaving || session.user.is_none() {
            return;
        }
        session.proof = session.proof.max(asked.at);
        let calm = |until: Option<u64>| until.is_none_or(|until| until <= asked.at);
        if session.sure.is_none() && calm(cx.trouble.spans.until()) && calm(session.hampered.until()) {
            session.sure = Some(cx.at);
        }
    }

    /// A session says goodbye.
    pub fn leaving(&mut self, cx: &Cx, session: &mut Session<'_>) {
        session.leaving = true;
        self.doubt(cx, session);
    }

    /// A user may hide.
    pub fn hide(&mut self, session: &Session<'_>) {
        self.hidden.extend(session.user.or(session.presumed));
    }

    /// A session is over, or the history is.
    pub fn gone(&mut self, cx: &Cx, session: &mut Session<'_>, by: Option<By>) {
        self.doubt(cx, session);
        let Some(user) = session.user.or(session.presumed) else { return };
        let Some(greeted) = session.greeted else { return };
        let terms = &cx.terms;
        let told = matches!(by, Some(By::Client | By::Server)) && session.user.is_some() && !session.hampered.now();
        let bound = if told {
            NOTICE_MS
        } else {
            // A poll that was parked when its client vanished counts once it is answered.
            terms.timeout_ms + terms.sweep_ms + if session.longpoll { terms.heartbeat_ms } else { 0 }
        };
        let over = by.map(|_| (cx.at, bound + terms.slack_ms));
        self.gone.push(Gone { user, from: greeted, opened: session.opened, over });
    }

    fn claim(&mut self, cx: &mut Cx, session: &Session<'_>, row: &Value, from: u64) -> u32 {
        let user = cx.names.maybe(text(row, "user"));
        let sessions = number(row, "sessions").unwrap_or_default() as u32;
        let (at, state) = (cx.at, state_of(row));
        self.claims.push(Claim { user, from, to: at, at, session: session.no, sessions, state, rest: false });
        user
    }

    /// Rows that answer a `presence` or a `watch`.
    pub fn rows(&mut self, cx: &mut Cx, session: &mut Session<'_>, frame: &Value, asked: &Asked<'_>) {
        let named: Set<&str> = list(asked.frame, "users").iter().filter_map(Value::as_str).collect();
        let watching = text(frame, "type") == Some("watching");
        for row in list(frame, "users") {
            let user = self.claim(cx, session, row, asked.at);
            if !watching || !text(row, "user").is_some_and(|name| named.contains(name)) {
                continue;
            }
            let told = session.told.entry(user).or_default();
            if told.unwatched < asked.turn {
                told.watched = true;
                // Over long-poll an event may have come before the answer that it follows.
                if !session.longpoll || told.event < asked.turn {
                    told.state = state_of(row);
                }
            }
        }
    }

    /// A `presence` event.
    pub fn event(&mut self, cx: &mut Cx, session: &mut Session<'_>, frame: &Value) {
        let slack = cx.terms.slack_ms;
        let recent = cx.at.saturating_sub(slack);
        let late = [session.hampered.since(recent), cx.trouble.spans.since(recent)];
        let from = late.into_iter().flatten().map(|since| since.saturating_sub(slack)).fold(recent, u64::min);
        let user = self.claim(cx, session, frame, from);
        let told = session.told.entry(user).or_default();
        (told.state, told.event) = (state_of(frame), cx.turn);
    }

    /// An `unwatch` was sent.
    pub fn unwatch(cx: &mut Cx, session: &mut Session<'_>, frame: &Value) {
        for name in list(frame, "users").iter().filter_map(Value::as_str) {
            let told = session.told.entry(cx.names.id(name)).or_default();
            (told.watched, told.unwatched) = (false, cx.turn);
        }
    }

    /// Everything has come to rest: what watchers know is the truth.
    pub fn rest(&mut self, cx: &Cx, session: &Session<'_>) {
        let (at, from) = (cx.at, cx.at.saturating_sub(cx.terms.slack_ms));
        for (&user, told) in session.told.iter().filter(|(_, told)| told.watched) {
            let (session, state) = (session.no, told.state);
            self.claims.push(Claim { user, from, to: at, at, session, sessions: 0, state, rest: true });
        }
    }

    /// Once everything is known: holds every claim against it.
    pub fn finish(&mut self, cx: &mut Cx) {
        for spans in self.sure.values_mut() {
            merge(spans);
        }
        let mut starts: Map<u32, Vec<u64>> = Map::default();
        let mut ends: Map<u32, Vec<u64>> = Map::default();
        for gone in &self.gone {
            let found_out = gone.over.map_or(u64::MAX, |(at, bound)| cx.trouble.spans.deadline(at, bound));
            starts.entry(gone.user).or_default().push(gone.from);
            ends.entry(gone.user).or_default().push(found_out.min(cx.trouble.up_after(gone.opened)));
        }
        starts.values_mut().chain(ends.values_mut()).for_each(|times| times.sort_unstable());
        for claim in &self.claims {
            let (Some(starts), Some(ends)) = (starts.get(&claim.user), ends.get(&claim.user)) else { continue };
            if self.hidden.contains(&claim.user) {
                continue;
            }
            let begun = starts.partition_point(|start| *start <= claim.to);
            let ended = ends.partition_point(|end| *end < claim.from);
            let most = begun.saturating_sub(ended) as u32;
            let sure = self.sure.get(&claim.user).is_some_and(|spans| covers(spans, claim.from, claim.to));
            let known = if most == 0 { Some(OFFLINE) } else { sure.then_some(ONLINE) };
            self.decided += u64::from(known.is_some());
            let rule = match (claim.state, known) {
                (UNKNOWN, _) => {
                    let after = cx.terms.timeout_ms + cx.terms.slack_ms;
                    let amiss = |spans: &Spans| spans.touch(claim.from, claim.to, after);
                    let why = amiss(&cx.trouble.spans) || amiss(&cx.trouble.registry);
                    (!why).then_some("unknown-for-nothing")
                }
                (ONLINE, Some(OFFLINE)) => Some("ghost"),
                (OFFLINE, Some(ONLINE)) => Some("false-offline"),
                _ => (claim.sessions > most).then_some("sessions-count"),
            };
            let Some(rule) = rule else { continue };
            let rule = if claim.rest { "not-converged" } else { rule };
            let Claim { from, to, session, sessions, state, .. } = *claim;
            let (user, state) = (cx.names.of(claim.user), ["", "online", "offline", "unknown"][usize::from(state)]);
            cx.found.add(claim.at, rule, || {
                format!("session {session}: {user} is {state} with {sessions} sessions, between {from} and {to}")
            });
        }
    }
}

/// Joins spans that touch.
fn merge(spans: &mut Vec<(u64, u64)>) {
    spans.sort_unstable();
    spans.dedup_by(|next, before| {
        let touch = next.0 <= before.1;
        if touch {
            before.1 = before.1.max(next.1);
        }
        touch
    });
}

fn covers(spans: &[(u64, u64)], from: u64, to: u64) -> bool {
    let upto = spans.partition_point(|(start, _)| *start <= from);
    spans[..upto].last().is_some_and(|(_, end)| *end >= to)
}

#[cfg(test)]
#[path = "presence_tests.rs"]
mod tests;
