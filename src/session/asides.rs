//! What a hub does with the single things in a channel's stream, and with what the registry says.

use std::sync::Arc;

use serde_json::{Value, json};

use super::hub::State;
use super::machine::WATCHED_MAX;
use super::memberships::UNREAD_MAX;
use super::pending::What;
use super::queries;
use super::watches::Source;
use super::{HubIn, SessionIn};
use crate::channel::{Action, Answer, Aside, ChannelIn, Closed, Item, Joined, Origin};
use crate::clock;
use crate::metrics::Outcome;
use crate::model::maps::HashSet;
use crate::model::{ChannelName, Conn, Role, Seq, UserName};
use crate::presence::{Asked, Asker, Reason, RegistryIn, Row, State as There, ToHub, Whom};
use crate::protocol::{CloseCode, ErrorCode, Problem, event, published, reply};

/// Stands for a command's ticket where nobody asked: someone came to a channel that is watched;
const NEWCOMER: u64 = 0;
/// or a session is told of its user's contacts.
pub(super) const CONTACTS: u64 = u64::MAX;

/// Answers a join. False if the session is not there any more.
pub(super) fn joined(state: &State, channel: &ChannelName, origin: &Origin, joined: &Joined, next: Seq) -> bool {
    let Some(cell) = state.worker.cell(origin.conn) else { return false };
    let mut cell = cell.borrow_mut();
    if cell.over().is_some() {
        return false;
    }
    let replay = (joined.head + 1).saturating_sub(next);
    let metrics = &state.worker.app.context.metrics;
    if replay > 0 {
        metrics.replays.inc();
    }
    if joined.gap {
        metrics.gaps.inc();
    }
    cell.channels.insert(channel.clone());
    let members = json!({
        "channel": channel, "epoch": joined.epoch, "head": joined.head, "first": joined.first,
        "next": next, "replay": replay, "gap": joined.gap,
    });
    let now = clock::moment();
    if cell.outbox.is_numbered() {
        // The reply goes another way than the events, and they have to say by themselves where the replay begins.
        cell.send(event("joined", &members), now);
    }
    if let Some(waiting) = cell.settle(origin.ticket) {
        cell.answer(&waiting.to, |id| reply("joined", id, members), now);
    }
    true
}

/// Deals with a thing that is not a message or a join.
pub(super) fn item(state: &mut State, channel: &ChannelName, item: Item, whom: &[Conn]) {
    match item {
        Item::Published { origin, epoch, seq, at, duplicate } => {
            let outcome = if duplicate { Outcome::Duplicate } else { Outcome::Stored };
            state.worker.app.context.metrics.publishes.of(outcome).inc();
            state.with_cell(origin.conn, |cell, now| {
                let mut cell = cell.borrow_mut();
                if let Some(waiting) = cell.settle(origin.ticket) {
                    cell.answer(&waiting.to, |id| published(id, channel, &epoch, seq, at, duplicate), now);
                }
            });
        }
        Item::Refused(origin, problem) => state.with_cell(origin.conn, |cell, now| {
            let mut cell = cell.borrow_mut();
            let Some(waiting) = cell.settle(origin.ticket) else { return };
            state.worker.refused(&waiting);
            if waiting.what == What::Join && !state.hears(origin.conn, channel) {
                cell.channels.remove(channel);
            }
            cell.refuse(&waiting.to, &problem, now);
        }),
        Item::Left(origin) => {
            state.counts.forget(channel, origin.conn);
            state.drop_subscription(origin.conn, channel);
            state.with_cell(origin.conn, |cell, now| {
                let mut cell = cell.borrow_mut();
                cell.channels.remove(channel);
                if let Some(waiting) = cell.settle(origin.ticket) {
                    cell.answer(&waiting.to, |id| reply("left", id, json!({ "channel": channel })), now);
                }
            });
        }
        Item::Closed(conn, why) => closed(state, channel, conn, why),
        Item::Event { frame, .. } => {
            for conn in whom {
                state.with_cell(*conn, |cell, now| cell.borrow_mut().send(frame.clone(), now));
            }
        }
        // At once, and not by way of the session: in order with what else is said of the channel.
        Item::Answer(origin, Answer::Who { users, count, more }) => state.with_cell(origin.conn, |cell, _| {
            let mut cell = cell.borrow_mut();
            if let Some(waiting) = cell.settle(origin.ticket) {
                let members = json!({ "channel": channel, "users": users, "count": count, "more": more });
                queries::say(&mut cell, &waiting, "who", members);
            }
        }),
        Item::Answer(origin, answer) => {
            if matches!(answer, Answer::Users(_)) && !begin_watch(state, channel, &origin) {
                return;
            }
            state.with_cell(origin.conn, |cell, _| {
                cell.borrow().session.send(SessionIn::Answer(origin.ticket, answer));
            });
        }
        Item::Watch(conn, _) if !lives(state, conn) => {
            state.worker.app.directory.send(channel, ChannelIn::Gone(conn));
        }
        Item::Watch(conn, user) => {
            if state.watches.count(conn) < WATCHED_MAX && state.watches.come(conn, channel, user.clone()) {
                note_watched(state, conn);
                ask_registry(state, conn, NEWCOMER, vec![(user, None)], true);
            }
        }
        Item::Unwatch(conn, why) => {
            let unwatched = state.watches.remove(conn, Vec::new(), Some(channel.clone()));
            state.unwatched(conn, unwatched);
            refuse(state, channel, conn, why, What::is_watch);
        }
        Item::Messages(_) | Item::Joined(..) => {}
    }
}

/// The log no longer has what a session was owed: it has to join anew, and is told what it missed by `gap`.
pub(super) fn lost(state: &mut State, channel: &ChannelName, conn: Conn, why: Closed) {
    closed(state, channel, conn, why);
    state.worker.app.directory.send(channel, ChannelIn::Lost(conn));
}

fn closed(state: &mut State, channel: &ChannelName, conn: Conn, why: Closed) {
    state.counts.forget(channel, conn);
    state.drop_subscription(conn, channel);
    // What is being read may not follow the channel's last frame. A watch goes on where only the log begins anew.
    refuse(state, channel, conn, why, |what| what.is_read() && (why != Closed::Reset || !what.is_watch()));
    state.with_cell(conn, |cell, now| {
        let mut cell = cell.borrow_mut();
        cell.channels.remove(channel);
        cell.send(event("closed", json!({ "channel": channel, "reason": why })), now);
    });
}

/// Refuses what a session asked of a channel that is closed to it, if it is of this sort.
fn refuse(state: &State, channel: &ChannelName, conn: Conn, why: Closed, sort: impl Fn(&What) -> bool) {
    let problem = if why == Closed::Reset {
        Problem::unavailable("the channel begins anew")
    } else {
        Problem::new(ErrorCode::Forbidden, "you are in this channel no more")
    };
    state.with_cell(conn, |cell, now| {
        let mut cell = cell.borrow_mut();
        for waiting in cell.pending.take_of(channel, sort) {
            cell.refuse(&waiting.to, &problem, now);
        }
        cell.unblock();
    });
}

/// A channel tells a session who is there, and from now on who comes. Returns whether the session still wants that, and
/// may have it.
fn begin_watch(state: &mut State, channel: &ChannelName, origin: &Origin) -> bool {
    let Some(cell) = state.worker.cell(origin.conn).filter(|_| lives(state, origin.conn)) else {
        state.worker.app.directory.send(channel, ChannelIn::Gone(origin.conn));
        return false;
    };
    let waits = cell.borrow().pending.get(origin.ticket).is_some();
    if !waits && !state.watches.channels(origin.conn).any(|watched| watched == channel) {
        // It was told that it does not: the channel has to know. Nobody waits for the answer.
        let undo = Origin { ticket: 0, ..origin.clone() };
        state.worker.app.directory.send(channel, ChannelIn::Command(undo, Action::Unwatch));
        return false;
    }
    // From here on the channel is told when the session ends.
    state.watches.enter(origin.conn, channel, []);
    narrowed(state, origin.conn);
    true
}

/// A session may have come by another token: it ends if it watches a channel where it may not go by this one.
pub(super) fn narrowed(state: &State, conn: Conn) {
    state.with_cell(conn, |cell, now| {
        let mut cell = cell.borrow_mut();
        if state.watches.channels(conn).any(|channel| !cell.grants.hold(channel.as_str())) {
            cell.end(CloseCode::Later, None, Reason::Disconnected, now);
        }
    });
}

/// Passes on news for sessions that need not subscribe.
pub(super) fn pass_on(state: &mut State, aside: &Aside) {
    match aside {
        Aside::User { user, channel, frame, not, removed } => {
            let theirs: Vec<Conn> = state.by_user.get(user).into_iter().flatten().copied().collect();
            for conn in theirs {
                if *removed {
                    state.counts.forget(channel, conn);
                }
                if !not.contains(&conn) {
                    state.tell_of(channel, conn, frame);
                }
            }
        }
        Aside::Activity { channel, epoch, head, from, members, added } => {
            for (user, read) in members {
                let theirs = state.by_user.get(user).into_iter().flatten();
                let conns: Vec<Conn> = theirs.filter(|conn| !state.hears(**conn, channel)).copied().collect();
                if !conns.is_empty() {
                    let mut base = json!({ "channel": channel, "epoch": epoch, "head": head, "from": from });
                    if added.contains(user) {
                        base["change"] = "added".into();
                    }
                    count_unread(state, conns, channel, user, *read, base);
                }
            }
        }
    }
}

fn count_unread(
    state: &mut State,
    conns: Vec<Conn>,
    channel: &ChannelName,
    user: &UserName,
    read: Seq,
    mut base: Value,
) {
    let context = &state.worker.app.context;
    let (log, hub) = (Arc::clone(&context.log), state.worker.hub.clone());
    let (channel, user) = (channel.clone(), user.clone());
    let number = state.worker.next_read();
    state.counts.begin(&channel, number, conns);
    let counted = {
        let channel = channel.clone();
        context.reads.run(move || log.unread(&channel, &user, read, UNREAD_MAX))
    };
    state.beside(async move {
        let frame = counted.await.ok().map(|unread| {
            base["unread"] = unread.count.into();
            event("activity", base)
        });
        hub.send(HubIn::Activity { channel, read: number, frame });
    });
}

pub(super) fn lives(state: &State, conn: Conn) -> bool {
    state.worker.cell(conn).is_some_and(|cell| cell.borrow().over().is_none())
}

pub(super) fn watch(state: &mut State, conn: Conn, source: &Source, users: Vec<UserName>) {
    state.watches.add(conn, source, users);
    note_watched(state, conn);
}

fn note_watched(state: &State, conn: Conn) {
    let watched = state.watches.count(conn);
    state.with_cell(conn, |cell, _| cell.borrow_mut().watched = watched);
}

pub(super) fn ask_registry(state: &State, conn: Conn, ticket: u64, users: Vec<Asked>, watch: bool) {
    let asker = Asker { conn, ticket };
    state.worker.app.registry.send(RegistryIn::Ask { hub: state.worker.id, asker, users, watch });
}

/// A session asks how users are. One that is to watch them is entered before the registry is asked: no `Forget` of
/// another session can fall in between, and nothing that changes from then on is missed.
pub(super) fn ask(state: &mut State, conn: Conn, ticket: u64, mut users: Vec<Asked>) {
    if !lives(state, conn) {
        return;
    }
    let Some(cell) = state.worker.cell(conn) else { return };
    let what = cell.borrow().pending.get(ticket).map(|waiting| waiting.what.clone());
    match what {
        Some(What::Watch(watching)) => {
            watch(state, conn, &Source::Name, watching.users);
            if let Some((channel, present)) = watching.channel {
                state.watches.enter(conn, &channel, present);
                note_watched(state, conn);
            }
            ask_registry(state, conn, ticket, users, true);
        }
        Some(What::Presence | What::Members(..)) => ask_registry(state, conn, ticket, users, false),
        None if ticket == CONTACTS => {
            users.retain(|(user, _)| state.watches.is_contact(conn, user));
            ask_registry(state, conn, ticket, users, true);
        }
        _ => {}
    }
}

/// Deals with what the registry says.
pub(super) fn presence(state: &mut State, message: ToHub) {
    match message {
        ToHub::Report { incarnation } => report(state, incarnation),
        ToHub::Answer { asker, rows } => answer(state, asker, rows),
        ToHub::Changed { row, reason, whom } => {
            let frame = row.frame(reason);
            let watchers: Vec<Conn> = state.watches.watchers(&row.user).collect();
            for cell in watchers.into_iter().filter_map(|conn| state.worker.cell(conn)) {
                let mut cell = cell.borrow_mut();
                let is_own = cell.user.as_ref() == Some(&row.user);
                let is_for_it = whom == Whom::Everyone || is_own == (whom == Whom::Itself);
                if is_for_it && state.watches.hears(cell.conn, &row.user, row.state == There::Online) {
                    cell.send(frame.clone(), clock::moment());
                }
            }
        }
        ToHub::Reap(conns) => {
            for conn in conns {
                state.with_cell(conn, |cell, now| {
                    cell.borrow_mut().end(CloseCode::Timeout, None, Reason::Timeout, now);
                });
            }
        }
    }
}

/// Tells a registry that began anew everything that it has to know.
fn report(state: &State, incarnation: u64) {
    let mut sessions = Vec::new();
    for cell in state.worker.cells() {
        let cell = cell.borrow();
        if let Some(user) = cell.user.as_ref().filter(|_| cell.over().is_none()) {
            sessions.push(super::actor::seen(&cell, user));
        }
    }
    let interest = state.watches.users();
    state.worker.app.registry.send(RegistryIn::Report { hub: state.worker.id, incarnation, sessions, interest });
}

/// The registry has answered.
fn answer(state: &mut State, asker: Asker, rows: Vec<Row>) {
    let Some(cell) = state.worker.cell(asker.conn) else { return };
    let mut cell = cell.borrow_mut();
    if matches!(asker.ticket, NEWCOMER | CONTACTS) {
        let is_wanted = |row: &&Row| match asker.ticket {
            // Who is not there has gone since, or hides; and the session may watch the channel no more.
            NEWCOMER => row.state == There::Online && state.watches.reveal(asker.conn, &row.user),
            _ => state.watches.is_contact(asker.conn, &row.user),
        };
        rows.iter().filter(is_wanted).for_each(|row| cell.send(row.frame(None), clock::moment()));
        return;
    }
    let Some(waiting) = cell.settle(asker.ticket) else { return };
    let kind = match &waiting.what {
        What::Members(users, more) => {
            let online: HashSet<&UserName> =
                rows.iter().filter(|row| row.state == There::Online).map(|row| &row.user).collect();
            let row = |(user, role): &(UserName, Role)| json!({ "user": user, "role": role, "online": online.contains(user) });
            let users: Vec<Value> = users.iter().map(row).collect();
            let members = json!({ "channel": waiting.channel, "members": users, "more": more });
            return queries::say(&mut cell, &waiting, "members", members);
        }
        What::Presence => "presence",
        What::Watch(_) => "watching",
        What::Contacts => "contacts",
        _ => return,
    };
    queries::say(&mut cell, &waiting, kind, json!({ "users": rows }));
}
