//! The seam for messages over one machine's rows: reads go to the rows at once, writes to the writer's queue.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::commit::unavailable;
use super::entry::{self, Entry, Missing};
use super::prune::Gone;
use super::queue::Op;
use super::record::Record;
use super::reply::Reply;
use super::rows::EngineError;
use super::seal::{self, Bad};
use super::writer::Core;
use super::{AppendError, ChannelLog, Done, Head, ReadError, Trimmed, Unread, block, keys, record};
use crate::model::{ChannelName, Hour, Key, Message, Seq, UserName};

/// How many messages are walked to count unread ones, for each that may be counted.
const UNREAD_WALK: u64 = 20;

/// Logs and small records over an engine's rows.
#[derive(Clone)]
pub(super) struct Local(pub(super) Arc<Core>);

impl From<EngineError> for ReadError {
    fn from(error: EngineError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Missing> for ReadError {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Row(seq, Bad::Checksum | Bad::Form) if seq > 0 => Self::Damaged(seq),
            missing @ Missing::Row(..) => Self::Unavailable(unavailable(missing).to_string()),
            Missing::Engine(error) => error.into(),
        }
    }
}

/// What a walk over records calls with each one; with `None` if it begins again, since what it gave so far was
/// trimmed away meanwhile.
pub(super) type Step<'a> = &'a mut dyn FnMut(Option<&Record<'_>>) -> Result<ControlFlow<()>, Bad>;

impl Local {
    pub(super) fn push(&self, op: Op) {
        let sent = self.0.vitals.probe().now();
        self.0.entered(sent);
        if let Err((op, why)) = self.0.queue.push(op, sent) {
            self.0.left(sent);
            op.refuse(why);
        }
    }

    fn entry(&self, channel: &ChannelName) -> Result<Entry, ReadError> {
        entry::load(&self.0.view, channel)?.ok_or(ReadError::NoChannel)
    }

    fn show(&self, entry: &Entry) -> Head {
        entry.show(self.0.generation.load(SeqCst))
    }

    /// Walks the kept records from `from` on, ascending. A hole is damage, unless a trim came between, or what is missing
    /// was being committed when it was passed.
    pub(super) fn walk(&self, channel: &ChannelName, from: Seq, step: Step<'_>) -> Result<(), ReadError> {
        let entry = entry::row(&self.0.view, channel)?.ok_or(ReadError::NoChannel)?;
        let mut next = from.max(entry.anchor.seq + 1);
        let mut missing = None;
        loop {
            let range = keys::blocks(entry.id, next);
            let mut outcome = Ok(());
            let mut hole = false;
            self.0.view.scan(&range.start..&range.end, false, &mut |key, value| {
                let walked = block::open(key, value).and_then(|records| {
                    let from = next;
                    for record in records.iter().filter(|record| record.seq >= from) {
                        hole = record.seq != next;
                        if hole {
                            return Ok(ControlFlow::Break(()));
                        }
                        next += 1;
                        if step(Some(record))?.is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    Ok(ControlFlow::Continue(()))
                });
                walked.unwrap_or_else(|bad| {
                    outcome = Err(ReadError::from(Missing::Row(next, bad)));
                    ControlFlow::Break(())
                })
            })?;
            outcome?;
            if !hole {
                return Ok(());
            }
            let now =
                entry::row(&self.0.view, channel)?.filter(|now| now.id == entry.id).ok_or(ReadError::NoChannel)?;
            if now.anchor.seq < next {
                if missing.replace(next) == Some(next) {
                    return Err(ReadError::Damaged(next));
                }
                // What follows it is committed, so it is, too, and is found if it was ever written.
                continue;
            }
            next = now.anchor.seq + 1;
            if step(None).map_err(|bad| Missing::Row(next, bad))?.is_break() {
                return Ok(());
            }
        }
    }

    /// Reads the whole log of `channel` and checks every checksum, every body and the chain; gives the head.
    pub(super) fn verify(&self, channel: &ChannelName) -> Result<Head, ReadError> {
        self.0.view.stable(|| {
            loop {
                let entry = self.entry(channel)?;
                let verified = self.verify_as(channel, &entry);
                // A trim that came between is no damage: the log begins elsewhere now.
                let now = entry::row(&self.0.view, channel)?.ok_or(ReadError::NoChannel)?;
                if verified.is_ok() || (now.id, now.anchor) == (entry.id, entry.anchor) {
                    return verified;
                }
            }
        })
    }

    fn verify_as(&self, channel: &ChannelName, entry: &Entry) -> Result<Head, ReadError> {
        let mut before = entry.anchor.hash;
        let mut last = entry.anchor.seq;
        self.walk(channel, entry.anchor.seq + 1, &mut |record| {
            let record = record.ok_or(Bad::Form)?;
            let body = record.body.is_none_or(|body| record::hash(body.as_bytes()) == record.body_hash);
            if record.before != before || !body {
                return Err(Bad::Form);
            }
            before = record.link();
            last = record.seq;
            Ok(if last == entry.head.seq { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if (last, before) == (entry.head.seq, entry.head.hash) {
            Ok(self.show(entry))
        } else {
            Err(ReadError::Damaged(last))
        }
    }

    /// The channels named by the first `max` keys of a range.
    fn named(
        &self,
        range: std::ops::Range<Vec<u8>>,
        name: fn(&[u8]) -> Option<&str>,
        max: usize,
    ) -> Result<Vec<ChannelName>, ReadError> {
        let mut names = Vec::new();
        if max > 0 {
            self.0.view.scan(&range.start..&range.end, false, &mut |key, _| {
                names.extend(name(key).and_then(|name| ChannelName::stored(name).ok()));
                if names.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(names)
    }

    fn messages(
        &self,
        channel: &ChannelName,
        from: Seq,
        to: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Message>, ReadError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        if max == 0 || from > to {
            entry::row(&self.0.view, channel)?.ok_or(ReadError::NoChannel)?;
            return Ok(found);
        }
        self.walk(channel, from, &mut |record| {
            let Some(record) = record else {
                found.clear();
                bytes = 0;
                return Ok(ControlFlow::Continue(()));
            };
            bytes += record.body.map_or(0, str::len);
            if record.seq > to || (bytes > max_bytes && !found.is_empty()) {
                return Ok(ControlFlow::Break(()));
            }
            found.push(record.message()?);
            Ok(if record.seq == to || found.len() >= max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }
}

impl ChannelLog for Local {
    fn head(&self, channel: &ChannelName) -> Result<Option<Head>, ReadError> {
        self.0.view.stable(|| Ok(entry::load(&self.0.view, channel)?.map(|entry| self.show(&entry))))
    }

    fn range(
        &self,
        channel: &ChannelName,
        from: Seq,
        to: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Message>, ReadError> {
        self.0.view.stable(|| self.messages(channel, from, to, max, max_bytes))
    }

    fn tail(&self, channel: &ChannelName, n: usize) -> Result<Vec<Message>, ReadError> {
        self.0.view.stable(|| {
            let head = self.entry(channel)?.head.seq;
            self.messages(channel, (head + 1).saturating_sub(n as u64), head, n, usize::MAX)
        })
    }

    fn first_of_hour(&self, channel: &ChannelName, hour: Hour) -> Result<Option<Seq>, ReadError> {
        self.0.view.stable(|| {
            let entry = self.entry(channel)?;
            let key = keys::hour(entry.id, hour);
            let Some(value) = self.0.view.get(&key)? else { return Ok(None) };
            let noted = seal::open_number(&key, &value)
                .map_err(|bad| ReadError::Unavailable(format!("the note of an hour is damaged: {bad}")))?;
            let first = noted.max(entry.anchor.seq + 1);
            if first == noted {
                return Ok((noted <= entry.head.seq).then_some(noted));
            }
            // The hour's beginning was trimmed away, perhaps all of it.
            let kept = self.messages(channel, first, first, 1, usize::MAX)?;
            Ok(kept.first().filter(|message| message.at.hour() == hour).map(|message| message.seq))
        })
    }

    fn hours(&self, channel: &ChannelName, max: usize) -> Result<Vec<(Hour, Seq)>, ReadError> {
        self.0.view.stable(|| {
            let entry = self.entry(channel)?;
            let (first, range) = (entry.anchor.seq + 1, keys::hours(entry.id, None));
            let (mut found, mut bad): (Vec<(Hour, Seq)>, _) = (Vec::new(), None);
            self.0.view.scan(&range.start..&range.end, false, &mut |key, value| {
                let noted =
                    keys::of_hour(key).ok_or(Bad::Form).and_then(|hour| Ok((hour, seal::open_number(key, value)?)));
                match noted {
                    // Those before it were trimmed away whole.
                    Ok((hour, noted)) if noted <= first => found = vec![(hour, first)],
                    Ok((_, noted)) if noted > entry.head.seq || found.len() > max => return ControlFlow::Break(()),
                    Ok(noted) => found.push(noted),
                    Err(why) => bad = Some(why),
                }
                if bad.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if let Some(bad) = bad {
                return Err(ReadError::Unavailable(format!("the note of an hour is damaged: {bad}")));
            }
            found.retain(|_| first <= entry.head.seq);
            found.truncate(max);
            Ok(found)
        })
    }

    fn find(
        &self,
        channel: &ChannelName,
        user: &UserName,
        key: &Key,
        from: Seq,
        to: Seq,
    ) -> Result<Option<Seq>, ReadError> {
        self.0.view.stable(|| {
            let mut found = None;
            self.walk(channel, from, &mut |record| {
                // A key that was found ends the walk: there is nothing to forget when it begins again.
                let Some(record) = record else { return Ok(ControlFlow::Continue(())) };
                if record.seq > to {
                    return Ok(ControlFlow::Break(()));
                }
                let it = record.key == Some(key.as_str()) && record.from == user.as_str();
                found = it.then_some(record.seq);
                Ok(if it || record.seq == to { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            Ok(found)
        })
    }

    fn unread(&self, channel: &ChannelName, user: &UserName, above: Seq, cap: u64) -> Result<Unread, ReadError> {
        self.0.view.stable(|| {
            let mut unread = Unread::default();
            self.walk(channel, above.saturating_add(1), &mut |record| {
                let Some(record) = record else {
                    unread.count = 0;
                    return Ok(ControlFlow::Continue(()));
                };
                if unread.count >= cap || record.seq > above.saturating_add(cap.saturating_mul(UNREAD_WALK)) {
                    return Ok(ControlFlow::Break(()));
                }
                unread.looked_at += 1;
                unread.count += u64::from(record.kind.is_none() && record.from != user.as_str());
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(unread)
        })
    }

    fn channels(&self, after: Option<&ChannelName>, max: usize) -> Result<Vec<(ChannelName, Head)>, ReadError> {
        self.0.view.stable(|| {
            let names = self.named(keys::channels(after.map(ChannelName::as_str)), keys::name, max)?;
            let mut found = Vec::with_capacity(names.len());
            for name in names {
                // One that is deleted meanwhile is left out.
                if let Some(entry) = entry::load(&self.0.view, &name)? {
                    let head = self.show(&entry);
                    found.push((name, head));
                }
            }
            Ok(found)
        })
    }

    fn names(
        &self,
        private: bool,
        prefix: &str,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<ChannelName>, ReadError> {
        self.0.view.stable(|| self.named(keys::all_listed(private, prefix, after), keys::listed_name, max))
    }

    fn all_names(&self, after: Option<&str>, max: usize) -> Result<Vec<ChannelName>, ReadError> {
        self.0.view.stable(|| self.named(keys::channels(after), keys::name, max))
    }

    fn generation(&self) -> u64 {
        self.0.generation.load(SeqCst)
    }

    fn create(&self, channel: &ChannelName, done: Done<Head, AppendError>) {
        self.push(Op::Create(channel.clone(), Reply::new(done)));
    }

    fn append(&self, channel: &ChannelName, after: &Head, batch: Vec<Message>, done: Done<Head, AppendError>) {
        self.push(Op::Append(channel.clone(), after.clone(), batch, Reply::new(done)));
    }

    fn trim(&self, channel: &ChannelName, below: Seq, done: Done<Trimmed, AppendError>) {
        self.push(Op::Trim(channel.clone(), below, Gone::default(), Reply::new(done)));
    }

    fn redact(&self, channel: &ChannelName, seq: Seq, done: Done<Head, AppendError>) {
        self.push(Op::Redact(channel.clone(), None, vec![seq], Reply::new(done)));
    }

    fn delete(&self, channel: &ChannelName, done: Done<(), AppendError>) {
        self.push(Op::Delete(channel.clone(), Reply::new(done)));
    }
}
