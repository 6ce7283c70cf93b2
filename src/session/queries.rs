//! Answers that take more than a channel's word: pages of the log, lists from disk, presence.

use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::cell::Shared;
use super::pending::{Waiting, Watching, What};
use super::{HubIn, Session, SessionIn};
use crate::channel::Answer;
use crate::clock;
use crate::model::{ChannelName, Epoch, Hour, Message, Seq, UserName};
use crate::presence::{Asked, last_seen_key, parse_last_seen};
use crate::protocol::{Frame, History, Posted, Problem, reply};
use crate::store::{ChannelLog, Meta, ReadError};

/// How many messages are read at once on the way back from the newest.
const STRIDE: u64 = 32;
/// How many bytes of bodies one page of history carries, beyond its first message.
const PAGE_BYTES: usize = 512 * 1024;

/// Has something done for a session beside its actor, on its thread; the session ends if that panics.
pub(super) fn beside(cell: &Shared, work: impl Future<Output = ()> + 'static) {
    cell.borrow().session.beside(SessionIn::Broken, work);
}

/// Carries out `work`, then settles the command with the frame or the problem that it gives.
pub(super) fn settle_later<F>(cell: &Shared, ticket: u64, kind: &'static str, work: F)
where
    F: Future<Output = Result<Box<RawValue>, Problem>> + 'static,
{
    let session = Rc::clone(cell);
    beside(cell, async move {
        let result = work.await;
        let mut cell = session.borrow_mut();
        let Some(waiting) = cell.settle(ticket) else { return };
        match result {
            Ok(members) => say(&mut cell, &waiting, kind, members),
            Err(problem) => cell.refuse(&waiting.to, &problem, clock::moment()),
        }
    });
}

/// Sends a command's reply.
pub(super) fn say(cell: &mut super::Cell, waiting: &Waiting, kind: &str, members: impl Serialize) {
    cell.answer(&waiting.to, |id| reply(kind, id, members), clock::moment());
}

/// Writes a reply's members down, away from the session's thread.
pub(super) fn written(members: &impl Serialize) -> Result<Box<RawValue>, ReadError> {
    serde_json::value::to_raw_value(members).map_err(|error| ReadError::Unavailable(error.to_string()))
}

pub(super) fn unread_now(error: ReadError) -> Problem {
    match error {
        ReadError::NoChannel => Problem::not_found(),
        other => Problem::unavailable(other.to_string()),
    }
}

/// A channel has answered.
pub(super) fn answer(session: &Session, ticket: u64, answer: Answer) {
    let mut cell = session.cell.borrow_mut();
    let Some(what) = cell.pending.get(ticket).map(|waiting| waiting.what.clone()) else { return };
    match (answer, what) {
        (Answer::Look { epoch, first, head }, What::History(asked)) => {
            drop(cell);
            history(session, ticket, *asked, epoch, first, head);
        }
        (Answer::Users(present), What::WatchChannel(users, wanted)) => {
            let Some(channel) = cell.pending.get(ticket).and_then(|waiting| waiting.channel.clone()) else { return };
            let mut all: Vec<UserName> = present.iter().chain(&users).cloned().collect();
            all.sort();
            all.dedup();
            let watching = Watching { users, channel: wanted.then_some((channel, present)) };
            cell.pending.turn(ticket, What::Watch(watching));
            drop(cell);
            ask(session, ticket, all);
        }
        (Answer::Members { users, more }, _) => {
            // Only who is online is asked.
            let names = users.iter().map(|(user, _)| (user.clone(), None)).collect();
            cell.pending.turn(ticket, What::Members(users, more));
            session.worker.hub.send(HubIn::Ask(cell.conn, ticket, names));
        }
        (Answer::Created { epoch, private }, _) => {
            let Some(waiting) = cell.settle(ticket) else { return };
            let channel = waiting.channel.clone();
            say(&mut cell, &waiting, "created", json!({ "channel": channel, "epoch": epoch, "private": private }));
        }
        (_, what) => {
            let Some(waiting) = cell.settle(ticket) else { return };
            let kind = if what == What::Unwatch { "unwatched" } else { "ok" };
            say(&mut cell, &waiting, kind, json!({}));
        }
    }
}

/// Asks the registry, after looking up when those who may be offline were last seen: its answer can then go out in the
/// order in which it came.
pub(super) fn ask(session: &Session, ticket: u64, users: Vec<UserName>) {
    let context = &session.worker.app.context;
    let meta = Arc::clone(&context.meta);
    let look_up = context.reads.run(move || last_seen(&*meta, users));
    let (cell, worker) = (Rc::clone(&session.cell), Rc::clone(&session.worker));
    beside(&session.cell, async move {
        let found = look_up.await;
        let mut cell = cell.borrow_mut();
        match found {
            Ok(asked) => worker.hub.send(HubIn::Ask(cell.conn, ticket, asked)),
            Err(error) => {
                if let Some(waiting) = cell.settle(ticket) {
                    cell.refuse(&waiting.to, &unread_now(error), clock::moment());
                }
            }
        }
    });
}

/// These users, and when they were last seen as far as it is on disk.
pub(super) fn last_seen(meta: &dyn Meta, users: Vec<UserName>) -> Result<Vec<Asked>, ReadError> {
    let look_up = |user: UserName| {
        let record = meta.get(&last_seen_key(&user))?;
        Ok((user, record.and_then(|record| parse_last_seen(&record.value))))
    };
    users.into_iter().map(look_up).collect()
}

/// Reads a page of a channel whose log stands between `first` and `head`.
fn history(session: &Session, ticket: u64, asked: History, epoch: Epoch, first: Seq, head: Seq) {
    let context = &session.worker.app.context;
    let log = Arc::clone(&context.log);
    let bytes = PAGE_BYTES.min(context.config.limits.session_queue_bytes / 4);
    let read = context.reads.run(move || {
        let (messages, more) = page(&*log, &asked, first, head, bytes)?;
        // What was announced and then lost, which only an interval allows, ended that life of the log.
        let now = log.head(&asked.channel)?.ok_or(ReadError::NoChannel)?;
        if now.epoch != epoch {
            return Err(ReadError::Unavailable("the log began anew".into()));
        }
        let frames: Result<Vec<Box<RawValue>>, _> =
            messages.into_iter().map(|frame| RawValue::from_string(frame.to_string())).collect();
        let messages = frames.map_err(|error| ReadError::Unavailable(error.to_string()))?;
        written(&Page { channel: &asked.channel, epoch: &epoch, first, head, messages, more })
    });
    settle_later(&session.cell, ticket, "history", async move { read.await.map_err(unread_now) });
}

#[derive(Serialize)]
struct Page<'a> {
    channel: &'a ChannelName,
    epoch: &'a Epoch,
    first: Seq,
    head: Seq,
    messages: Vec<Box<RawValue>>,
    more: bool,
}

/// The messages asked for, and whether more lie in the direction read: downwards with `before` alone or with nothing,
/// else upwards.
fn page(
    log: &dyn ChannelLog,
    asked: &History,
    first: Seq,
    head: Seq,
    bytes: usize,
) -> Result<(Vec<Frame>, bool), ReadError> {
    let (mut from, mut to) = (first, head);
    if let Some(hour) = asked.hour {
        let Some(start) = log.first_of_hour(&asked.channel, hour)? else { return Ok((Vec::new(), false)) };
        from = from.max(start);
        let next = |n| log.first_of_hour(&asked.channel, Hour(hour.0 + n));
        to = to.min(end_of_hour(log, &asked.channel, start, head, hour, next(1)?)?);
    }
    if let Some(after) = asked.after {
        from = from.max(after + 1);
    }
    if let Some(before) = asked.before {
        to = to.min(before.saturating_sub(1));
    }
    if from > to {
        return Ok((Vec::new(), false));
    }
    let upwards = asked.after.is_some() || asked.hour.is_some();
    let messages = if upwards {
        log.range(&asked.channel, from, to, asked.limit, bytes)?
    } else {
        newest(log, &asked.channel, from.max((to + 1).saturating_sub(asked.limit as u64)), to, bytes)?
    };
    let more = match (upwards, messages.first(), messages.last()) {
        (true, _, Some(last)) => last.seq < to,
        (false, Some(oldest), _) => oldest.seq > from,
        _ => false,
    };
    let frames = messages.iter().map(|message| Posted::new(&asked.channel, message).frame).collect();
    Ok((frames, more))
}

/// The messages `from ..= to`; if they are more than `most` bytes, the newest of them, but at least one.
fn newest(
    log: &dyn ChannelLog,
    channel: &ChannelName,
    from: Seq,
    to: Seq,
    most: usize,
) -> Result<Vec<Message>, ReadError> {
    let (mut kept, mut bytes, mut end) = (VecDeque::<Message>::new(), 0, to + 1);
    while end > from {
        let start = from.max(end.saturating_sub(STRIDE));
        for message in log.range(channel, start, end - 1, usize::MAX, usize::MAX)?.into_iter().rev() {
            bytes += message.body.len();
            if bytes > most && !kept.is_empty() {
                return Ok(kept.into());
            }
            kept.push_front(message);
        }
        end = start;
    }
    Ok(kept.into())
}

/// The last message of an hour that begins at `start`.
fn end_of_hour(
    log: &dyn ChannelLog,
    channel: &ChannelName,
    start: Seq,
    head: Seq,
    hour: Hour,
    next: Option<Seq>,
) -> Result<Seq, ReadError> {
    if let Some(next) = next {
        return Ok(next - 1);
    }
    // The hour after had no messages: time never goes back in a channel, so the end can be searched by halves.
    let (mut low, mut high) = (start, head);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let found = log.range(channel, middle, middle, 1, usize::MAX)?;
        if found.first().is_some_and(|message| message.at.hour() <= hour) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}
