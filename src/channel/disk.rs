//! What a channel has done on disk by more than one read or write: reading it, making it, clearing it away. Whoever waits
//! for it is told by a message.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::directory::Context;
use super::step::{Found, Loaded, Making, NotMade, Settings};
use crate::auth::is_known;
use crate::model::{ChannelName, Key, Seq, UserName, Wall};
use crate::planted::{Bug, planted};
use crate::protocol::Posted;
use crate::store::{
    AppendError, ChannelLog, Head, Mark, Membership, Meta, MetaOp, Place, ReadError, WriteError, keep_key,
    marks_prefix, members_prefix, place_key, size_key,
};

/// How many of the newest messages are read at once.
const NEWEST_PAGE: usize = 64;
/// How many memberships are read at once.
const MEMBERS_PAGE: usize = 1000;
/// How many records of a deleted channel are removed at once.
const BITE: usize = 200;

/// Reads a channel; with `after`, after everything that was ever appended to it: the writer answers in order, so an append that an
/// earlier life left in flight is done before. One that was being deleted, or half made, is cleared away first.
pub(super) async fn load(name: ChannelName, context: Arc<Context>, after: bool) -> Result<Found, ReadError> {
    let read_head = || {
        let (log, name) = (Arc::clone(&context.log), name.clone());
        context.reads.run(move || log.head(&name))
    };
    let mut head = read_head().await?;
    if head.is_some() && after {
        let (tell, told) = oneshot::channel();
        context.log.create(&name, Box::new(move |result| drop(tell.send(result))));
        head = match told.await {
            Ok(Ok(head)) => Some(head),
            Ok(Err(AppendError::Full)) => read_head().await?,
            Ok(Err(error)) => return Err(ReadError::Unavailable(error.to_string())),
            Err(_) => return Err(ReadError::Unavailable("the writer gave no answer".into())),
        };
    }
    let (meta, key) = (Arc::clone(&context.meta), place_key(name.as_str()));
    let place = context.reads.run(move || meta.get(&key)).await?;
    let place = place.map(|record| Place::read(&record.value));
    let ending = place.as_ref().is_some_and(|place| place.ending);
    let Some(head) = head.filter(|_| !ending) else {
        if place.is_some() {
            clear(&name, &context).await?;
        }
        return Ok(if ending { Found::Deleted } else { Found::Nothing });
    };
    let (log, meta, settings) = (Arc::clone(&context.log), Arc::clone(&context.meta), Settings::of(&context.config));
    let read = move || {
        let mut loaded = read_channel(&*log, &name, head, settings)?;
        loaded.place = place.unwrap_or_default();
        let member = |value: &[u8]| Membership::parse(value).map(|membership| membership.read);
        loaded.members = by_user(&*meta, &members_prefix(name.as_str()), member)?;
        loaded.marks = by_user(&*meta, &marks_prefix(name.as_str()), |value| Some(Mark::read(value)))?;
        Ok(Found::There(Box::new(loaded)))
    };
    context.reads.run(read).await
}

fn read_channel(log: &dyn ChannelLog, name: &ChannelName, head: Head, settings: Settings) -> Result<Loaded, ReadError> {
    let newest = settings.window.max(settings.dedup_window) as u64;
    let mut next = (head.seq + 1).saturating_sub(newest).max(head.first);
    let mut loaded = Loaded::empty(Head { seq: next - 1, ..head.clone() }, settings);
    while next <= head.seq {
        let part = log.range(name, next, head.seq, NEWEST_PAGE, usize::MAX)?;
        let Some(last) = part.last() else { break };
        next = last.seq + 1;
        part.iter()
            .filter(|_| !planted(Bug::KeysForgotten))
            .for_each(|message| loaded.note(Arc::new(Posted::new(name, message))));
    }
    loaded.head = head;
    Ok(loaded)
}

/// The records below `prefix`, by the users who end their keys.
fn by_user<T>(
    meta: &dyn Meta,
    prefix: &str,
    parse: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<(UserName, T)>, ReadError> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = meta.list(prefix, after.as_deref(), MEMBERS_PAGE)?;
        for (key, record) in &page {
            match (UserName::parse(&key[prefix.len()..]), parse(&record.value)) {
                (Ok(user), Some(value)) => found.push((user, value)),
                _ => log::warn!("a record below {prefix} cannot be read and is passed over"),
            }
        }
        if page.len() < MEMBERS_PAGE {
            return Ok(found);
        }
        after = page.last().map(|(key, _)| key.clone());
    }
}

async fn write(context: &Context, ops: Vec<MetaOp>) -> Result<(), WriteError> {
    let (tell, told) = oneshot::channel();
    context.meta.write(ops, Box::new(move |result| drop(tell.send(result))));
    told.await.unwrap_or(Err(WriteError::Unknown))
}

/// Makes a channel: its records first, so that what a crash interrupts is no channel, and is cleared away.
pub(super) async fn make(name: ChannelName, context: Arc<Context>, making: Making) -> Result<Head, NotMade> {
    let Making { account, ops } = making;
    if let Some(user) = account {
        let meta = Arc::clone(&context.meta);
        let known = context.reads.run(move || Ok(!user.is_guest() && is_known(&*meta, &user)?)).await;
        if !known.map_err(|error| NotMade::Failed(error.to_string()))? {
            return Err(NotMade::NoAccount);
        }
    }
    if !ops.is_empty() {
        write(&context, ops).await.map_err(|error| NotMade::Failed(error.to_string()))?;
    }
    let (tell, told) = oneshot::channel();
    context.log.create(&name, Box::new(move |result| drop(tell.send(result))));
    match told.await {
        Ok(Ok(head)) => {
            log::debug!(channel:% = name; "the channel is made");
            Ok(head)
        }
        Ok(Err(error)) => Err(NotMade::Failed(error.to_string())),
        Err(_) => Err(NotMade::Failed("the writer gave no answer".into())),
    }
}

/// Removes a channel of which it is written that it is no more: the log, then all records, and last the one that says so.
pub(super) async fn clear(name: &ChannelName, context: &Context) -> Result<(), ReadError> {
    let (tell, told) = oneshot::channel();
    context.log.delete(name, Box::new(move |result| drop(tell.send(result))));
    match told.await.unwrap_or(Err(AppendError::Unknown)) {
        Ok(()) | Err(AppendError::NoChannel) => {}
        Err(error) => return Err(ReadError::Unavailable(error.to_string())),
    }
    loop {
        let (meta, channel) = (Arc::clone(&context.meta), name.clone());
        let page = context.reads.run(move || {
            let (members, marks) = (members_prefix(channel.as_str()), marks_prefix(channel.as_str()));
            let mut ops = Vec::new();
            for (key, _) in meta.list(&members, None, BITE)? {
                ops.extend(Membership::end(channel.as_str(), &key[members.len()..]));
            }
            for (key, _) in meta.list(&marks, None, BITE)? {
                ops.extend(Mark::end(channel.as_str(), &key[marks.len()..]));
            }
            Ok(ops)
        });
        let mut ops = page.await?;
        let last = ops.is_empty();
        if last {
            ops.extend([keep_key, size_key, place_key].map(|key| MetaOp::Remove(key(name.as_str()))));
        }
        write(context, ops).await.map_err(|error| ReadError::Unavailable(error.to_string()))?;
        if last {
            log::info!(channel:% = name; "the channel is deleted");
            return Ok(());
        }
    }
}

/// Where a user used a key, and when.
pub(super) fn find(
    log: &dyn ChannelLog,
    name: &ChannelName,
    user: &UserName,
    key: &Key,
    from: Seq,
    to: Seq,
) -> Result<Option<(Seq, Wall)>, ReadError> {
    let Some(seq) = log.find(name, user, key, from, to)? else { return Ok(None) };
    let found = log.range(name, seq, seq, 1, usize::MAX)?;
    Ok(found.first().map(|message| (message.seq, message.at)))
}
