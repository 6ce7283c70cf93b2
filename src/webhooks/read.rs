//! Reading for webhooks. Blocks on the disk, and belongs on the read pool.

use super::body;
use super::records::{cursor_key, cursor_of, event_of, queue_key, queue_prefix};
use super::step::{Fetched, Number, Page, Stored, What};
use crate::config::Webhook;
use crate::model::{ChannelName, Cursor, Seq};
use crate::store::{ChannelLog, Head, Meta, ReadError};

/// How many messages are read at once,
const PAGE: usize = 32;
/// and how many bytes of bodies.
const PAGE_BYTES: usize = 256 << 10;
/// How many channels are looked at at once, to find those that have something new.
const CHANNELS: usize = 200;
/// How many events of a queue are looked at at once.
const QUEUE: usize = 500;

/// A part of something that is walked through, and whether that was all.
pub(super) struct Part<T, A> {
    pub found: Vec<T>,
    /// From where it goes on.
    pub after: Option<A>,
}

/// Where a cursor stands in a log as it is now: from where it goes on, how many messages behind it were trimmed away, and
/// whether the log is another one.
pub(super) fn adopt(cursor: Option<&Cursor>, head: &Head) -> (Seq, u64, bool) {
    let first = head.first.saturating_sub(1);
    // A life of the log that goes on may have another name, if something of it may have been lost.
    let birth = |epoch: &str| epoch.rsplit('-').next().map(str::to_owned);
    match cursor.filter(|cursor| birth(&cursor.epoch.0) == birth(&head.epoch.0)) {
        Some(cursor) => {
            let seq = cursor.seq.min(head.seq);
            (seq.max(first), first.saturating_sub(seq), false)
        }
        None => (first, 0, true),
    }
}

/// What follows a cursor, or the one that is kept.
pub(super) fn fetch(
    log: &dyn ChannelLog,
    meta: &dyn Meta,
    hook: &str,
    channel: Option<&ChannelName>,
    what: What,
) -> Result<Fetched, ReadError> {
    match (what, channel) {
        (What::Queue(number), _) => {
            let record = meta.get(&queue_key(hook, number))?;
            Ok(Fetched::Queue(record.and_then(|record| event_of(number, &record.value)).map(|(_, event)| event)))
        }
        (What::Log(cursor), Some(channel)) => {
            let cursor = match cursor {
                Some(cursor) => Some(cursor),
                None => kept(meta, hook, channel)?,
            };
            match page(log, channel, cursor.as_ref()) {
                Err(ReadError::NoChannel) => Ok(Fetched::Log(Page::Gone)),
                page => page.map(Fetched::Log),
            }
        }
        (What::Log(_), None) => Ok(Fetched::Log(Page::Gone)),
    }
}

/// The cursor that is kept.
pub(super) fn kept(meta: &dyn Meta, hook: &str, channel: &ChannelName) -> Result<Option<Cursor>, ReadError> {
    Ok(meta.get(&cursor_key(hook, channel))?.and_then(|record| cursor_of(&record.value)))
}

fn page(log: &dyn ChannelLog, channel: &ChannelName, cursor: Option<&Cursor>) -> Result<Page, ReadError> {
    let head = log.head(channel)?.ok_or(ReadError::NoChannel)?;
    let (mut seq, mut trimmed, anew) = adopt(cursor, &head);
    let read = |upto| log.range(channel, seq + 1, upto, PAGE, PAGE_BYTES);
    let messages = match read(head.seq) {
        // What is in front of what is damaged is told, and that is passed over as if it had been trimmed away.
        Err(ReadError::Damaged(bad)) if bad > seq + 1 => read(bad - 1)?,
        Err(ReadError::Damaged(bad)) => {
            log::error!("channel {channel}: {}; webhooks go on behind it", ReadError::Damaged(bad));
            (seq, trimmed) = (seq + 1, trimmed + 1);
            Vec::new()
        }
        messages => messages?,
    };
    let events = messages.iter().map(|message| body::message(channel, &head.epoch, message)).collect();
    Ok(Page::Kept { at: Cursor { epoch: head.epoch, seq }, head: head.seq, trimmed, anew, events })
}

/// Channels behind `after` that may have something new for some of `hooks`, and where they stand.
pub(super) fn behind(
    log: &dyn ChannelLog,
    meta: &dyn Meta,
    hooks: &[Webhook],
    after: Option<&ChannelName>,
) -> Result<Part<(usize, ChannelName, Cursor), ChannelName>, ReadError> {
    let page = log.all_names(after.map(ChannelName::as_str), CHANNELS)?;
    let after = page.last().filter(|_| page.len() == CHANNELS).cloned();
    let mut found = Vec::new();
    for name in page {
        // One that cannot be read keeps no other from being looked at.
        let Ok(Some(head)) = log.head(&name) else { continue };
        let stand = Cursor { epoch: head.epoch, seq: head.seq };
        for (at, hook) in hooks.iter().enumerate().filter(|(_, hook)| hook.messages && hook.holds(&name)) {
            let kept = kept(meta, &hook.name, &name)?;
            if kept.map_or(stand.seq > 0, |kept| kept != stand) {
                found.push((at, name.clone(), stand.clone()));
            }
        }
    }
    Ok(Part { found, after })
}

/// What is in a webhook's queue behind `after`.
pub(super) fn queue(meta: &dyn Meta, hook: &str, after: Option<Number>) -> Result<Part<Stored, Number>, ReadError> {
    let prefix = queue_prefix(hook);
    let behind = after.map(|after| queue_key(hook, after));
    let page = meta.list(&prefix, behind.as_deref(), QUEUE)?;
    let number = |key: &str| Number::parse(key.get(prefix.len()..)?);
    let after = page.last().filter(|_| page.len() == QUEUE).and_then(|(key, _)| number(key));
    let found = page.iter().filter_map(|(key, record)| event_of(number(key)?, &record.value).map(|(stored, _)| stored));
    Ok(Part { found: found.collect(), after })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Epoch, Wall};

    #[test]
    fn a_cursor_goes_on_in_its_own_log_and_anywhere_else_it_begins() {
        let head = |epoch: &str, first, seq| Head {
            epoch: Epoch(epoch.into()),
            seq,
            first,
            at: Wall(0),
            hash: [0; 16],
            token: 0,
        };
        let cursor = |seq| Cursor { epoch: Epoch("1-a".into()), seq };
        assert_eq!(adopt(Some(&cursor(5)), &head("1-a", 1, 9)), (5, 0, false));
        assert_eq!(adopt(Some(&cursor(5)), &head("2-a", 1, 9)), (5, 0, false));
        assert_eq!(adopt(Some(&cursor(5)), &head("2-a", 1, 3)), (3, 0, false), "the last ones were lost");
        assert_eq!(adopt(Some(&cursor(5)), &head("1-a", 8, 9)), (7, 2, false));
        assert_eq!(adopt(Some(&cursor(5)), &head("1-b", 1, 9)), (0, 0, true));
        assert_eq!(adopt(None, &head("1-b", 4, 9)), (3, 0, true));
    }
}
