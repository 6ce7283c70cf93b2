//! What a user wants of presence beyond asking: to hear of its contacts, and not to be seen.
//!
//! Contacts are read when a session says hello, changed by command, and watched by all of the user's sessions.
//!
//! The list is one record, changed only if nobody else did meanwhile, so of changes made at the same time none is lost.
//! Every worker hears of each list that was written. A session is told how a contact is in the step in which it begins
//! to watch it.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;

use super::asides::{CONTACTS, ask_registry, lives, watch};
use super::cell::Shared;
use super::hub::State;
use super::lists::{Change, Listed};
use super::pending::What;
use super::queries::{beside, last_seen, settle_later, unread_now, written as members};
use super::watches::Source;
use super::{App, HubIn, Session, Worker};
use crate::auth::{AuthError, Identity};
use crate::channel::Context;
use crate::clock;
use crate::model::{Conn, Standing, UserName};
use crate::presence::{Asked, CONTACTS_PREFIX, Contacts, Hidden, RegistryIn, VISIBLE_PREFIX, contacts_key};
use crate::protocol::{ErrorCode, Problem};
use crate::store::{Meta, MetaOp, ReadError, Versioned, WriteError};

/// How often a change is tried again because someone else was quicker.
const TRIES: usize = 64;

/// A user's contacts, and when they were last seen as far as the disk knows.
#[derive(Debug)]
pub struct Roll {
    listed: Listed,
    asked: Vec<Asked>,
}

/// Has every worker told of each list of contacts that is written, and the registry of each who hides or shows itself.
pub fn follow(app: &Arc<App>) {
    // A weak hold: whoever is told by the store is told for as long as there is one.
    let told = Arc::downgrade(app);
    let tell = move |key: &str, record: Option<&Versioned>| {
        let user = UserName::parse(&key[CONTACTS_PREFIX.len()..]).ok();
        let Some(((user, app), record)) = user.zip(told.upgrade()).zip(record) else { return };
        let listed = listed_of(record.version, &Contacts::read(&record.value));
        app.tell_workers(|| HubIn::Contacts(user.clone(), listed.clone()));
    };
    app.context.meta.watch(CONTACTS_PREFIX, Box::new(tell));
    let (hidden, told) = (app.context.hidden.clone(), Arc::downgrade(app));
    let tell = move |key: &str, record: Option<&Versioned>| {
        if let Some((user, app)) = hidden.take(key, record).zip(told.upgrade()) {
            app.registry.send(RegistryIn::Shown { user });
        }
    };
    app.context.meta.watch(VISIBLE_PREFIX, Box::new(tell));
}

fn listed_of(version: u64, contacts: &Contacts) -> Listed {
    Listed { version, names: contacts.names().into() }
}

/// What the store has of a user. Blocks on the disk.
fn stored(meta: &dyn Meta, user: &UserName) -> Result<(u64, Contacts), ReadError> {
    let record = meta.get(&contacts_key(user))?;
    Ok(record.map_or_else(Default::default, |record| (record.version, Contacts::read(&record.value))))
}

fn roll(meta: &dyn Meta, version: u64, contacts: &Contacts) -> Result<Roll, ReadError> {
    let asked = last_seen(meta, contacts.names().to_vec())?;
    Ok(Roll { listed: listed_of(version, contacts), asked })
}

/// The contacts of an account that says hello. From here on its session misses no change of them.
pub(super) async fn greet(worker: &Worker, conn: Conn, identity: &Identity) -> Result<Option<Roll>, AuthError> {
    if identity.standing == Standing::Guest {
        return Ok(None);
    }
    worker.hub.send(HubIn::Coming(conn, identity.user.clone()));
    let read = read(&worker.app.context, identity.user.clone()).await;
    read.map(Some).map_err(|why| AuthError::Unavailable(why.to_string()))
}

/// Reads a user's contacts.
async fn read(context: &Context, user: UserName) -> Result<Roll, ReadError> {
    let meta = Arc::clone(&context.meta);
    let read = move || {
        let (version, contacts) = stored(&*meta, &user)?;
        roll(&*meta, version, &contacts)
    };
    context.reads.run(read).await
}

/// Takes some away, then adds others. It is on disk when this returns.
async fn change(
    context: &Context,
    user: &UserName,
    add: Vec<UserName>,
    remove: Vec<UserName>,
) -> Result<Roll, Problem> {
    let most = context.config.limits.contacts;
    let mut tries = 0..TRIES;
    loop {
        if tries.next().is_none() {
            return Err(Problem::unavailable("the contacts are changed by others all the time"));
        }
        let (meta, whose) = (Arc::clone(&context.meta), user.clone());
        let (version, before) = context.reads.run(move || stored(&*meta, &whose)).await.map_err(unread_now)?;
        let Some(after) = before.changed(&add, &remove) else { break };
        if after.names().len() > most.max(before.names().len()) {
            return Err(Problem::new(ErrorCode::TooLarge, format!("contacts: expected at most {most}")));
        }
        match write(context, MetaOp::Swap(contacts_key(user), version, after.bytes())).await {
            Ok(()) => break,
            Err(WriteError::Conflict(_)) => {}
            Err(why) => return Err(Problem::unavailable(why.to_string())),
        }
    }
    // Read again, since what was written may have been changed once more.
    read(context, user.clone()).await.map_err(unread_now)
}

/// It is on disk when this returns.
async fn write(context: &Context, op: MetaOp) -> Result<(), WriteError> {
    let (tell, told) = tokio::sync::oneshot::channel();
    context.meta.write(vec![op], Box::new(move |outcome| drop(tell.send(outcome))));
    told.await.unwrap_or(Err(WriteError::Unknown))
}

/// `visible`: has the session's user hide from others, or not. When it is answered the registry was told, and the channels
/// that the user hears know it.
pub(super) fn visible(session: &Session, ticket: u64, on: bool) {
    let Some(user) = session.user().cloned() else { return };
    let (worker, turn) = (Rc::clone(&session.worker), Rc::clone(&session.turn));
    settle_later(&session.cell, ticket, "ok", async move {
        let _turn = turn.lock().await;
        let written = write(&worker.app.context, Hidden::write(&user, on)).await;
        written.map_err(|why| Problem::unavailable(why.to_string()))?;
        // Nothing is sent: it ends when every channel where the user may be heard has counted anew.
        let (told, mut all) = mpsc::channel(1);
        worker.app.tell_workers(|| HubIn::Shown(user.clone(), told.clone()));
        drop(told);
        all.recv().await;
        members(&json!({})).map_err(unread_now)
    });
}

/// `contacts`: one command of a session after the other, in the order in which they came.
pub(super) fn command(session: &Session, ticket: u64, add: Vec<UserName>, remove: Vec<UserName>) {
    let Some(user) = session.user().cloned() else { return };
    let (cell, worker, turn) = (Rc::clone(&session.cell), Rc::clone(&session.worker), Rc::clone(&session.turn));
    beside(&session.cell, async move {
        let _turn = turn.lock().await;
        let changed = change(&worker.app.context, &user, add, remove).await;
        let mut cell = cell.borrow_mut();
        let roll = match changed {
            Ok(roll) => Some(roll),
            Err(problem) => {
                if let Some(waiting) = cell.settle(ticket) {
                    cell.refuse(&waiting.to, &problem, clock::moment());
                }
                None
            }
        };
        worker.hub.send(HubIn::Listed(cell.conn, ticket, roll));
    });
}

/// A session is told its list: as the answer to its command, or each contact by an event.
pub(super) fn listed(state: &mut State, conn: Conn, ticket: u64, roll: Option<Roll>) {
    if !lives(state, conn) {
        return;
    }
    if let Some(Roll { listed, mut asked }) = roll {
        let version = listed.version;
        let change = state.lists.tell(conn, listed).unwrap_or_default();
        let is_newest = state.lists.is_at(conn, version);
        let cell = state.worker.cell(conn);
        let is_contacts = |cell: Shared| cell.borrow().pending.get(ticket).is_some_and(|it| it.what == What::Contacts);
        let waits = cell.is_some_and(is_contacts);
        let ticket = if waits { ticket } else { CONTACTS };
        if !waits {
            asked.retain(|(user, _)| change.added.contains(user));
        }
        enter(state, conn, change);
        if waits || !asked.is_empty() {
            ask_registry(state, conn, ticket, asked, is_newest);
        }
    }
    catch_up(state, conn);
}

/// A user's list was written: those of the user's sessions are told that do not wait for a command of their own.
pub(super) fn changed(state: &mut State, user: &UserName, listed: Listed) {
    let worker = Rc::clone(&state.worker);
    let changes = state.lists.learn(user, listed, |conn| is_asking(&worker, conn));
    for (change, conns) in changes {
        tell(state, change, conns);
    }
}

/// Brings a session to its user's newest list, unless a command of its own is about to.
fn catch_up(state: &mut State, conn: Conn) {
    if is_asking(&state.worker, conn) {
        return;
    }
    if let Some(change) = state.lists.catch_up(conn) {
        tell(state, change, vec![conn]);
    }
}

/// These sessions watch other contacts from now on, and each is told how the new ones are.
fn tell(state: &mut State, change: Change, conns: Vec<Conn>) {
    conns.iter().for_each(|conn| enter(state, *conn, change.clone()));
    let added = change.added;
    if added.is_empty() {
        return;
    }
    let context = &state.worker.app.context;
    let (meta, names, hub) = (Arc::clone(&context.meta), added.clone(), state.worker.hub.clone());
    let look_up = context.reads.run(move || last_seen(&*meta, names));
    state.beside(async move {
        // Where the disk cannot say, the registry may.
        let asked = look_up.await.unwrap_or_else(|_| added.into_iter().map(|user| (user, None)).collect());
        conns.into_iter().for_each(|conn| hub.send(HubIn::Ask(conn, CONTACTS, asked.clone())));
    });
}

/// Whether a session waits for the answer to a `contacts` of its own.
fn is_asking(worker: &Worker, conn: Conn) -> bool {
    worker.cell(conn).is_some_and(|cell| cell.borrow().pending.has(&What::Contacts))
}

fn enter(state: &mut State, conn: Conn, change: Change) {
    watch(state, conn, &Source::Contact, change.added);
    let unwatched = state.watches.part(conn, change.removed);
    state.unwatched(conn, unwatched);
}
