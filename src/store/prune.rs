//! The writes that take rows away: trimming, erasing a body, sweeping up after a deleted channel.
//!
//! Each takes a bounded bite out of the log; what is left waits for the next commit.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::commit::{Commit, engine, unavailable};
use super::entry::{Entry, Mark, Missing};
use super::kept::size_key;
use super::keys::{self, ChannelId};
use super::record::Record;
use super::rows::EngineError;
use super::{AppendError, Head, block};
use crate::model::{ChannelName, Hour, Seq};

/// Rows that one bite takes at most.
const BITE: usize = 256;

/// What a trim has taken so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gone {
    pub(super) messages: u64,
    /// Of bodies, as they are read.
    pub(super) bytes: u64,
}

impl Commit<'_> {
    /// Takes blocks from the front of the log; true: down to `below`.
    pub(super) fn trim(
        &mut self,
        name: &ChannelName,
        below: Seq,
        gone: &mut Gone,
    ) -> Result<(Entry, bool), AppendError> {
        let mut entry = self.present(name)?;
        let target = below.saturating_sub(1).min(entry.head.seq);
        if target <= entry.anchor.seq {
            return Ok((entry, true));
        }
        let range = keys::blocks(entry.id, entry.anchor.seq + 1);
        let mut writes: Vec<(Vec<u8>, Option<Bytes>, Bytes)> = Vec::new();
        let mut kept_hour: Option<Hour> = None;
        let mut anchor = entry.anchor;
        let (mut bad, mut bytes) = (None, 0);
        let view = self.view;
        view.scan(&range.start..&range.end, false, &mut |key, value| {
            let records = match block::open(key, value) {
                Ok(records) => records,
                Err(why) => {
                    bad = Some(Missing::Row(keys::last(key).unwrap_or(0), why));
                    return ControlFlow::Break(());
                }
            };
            if let Some(last) = records.iter().rev().find(|record| record.seq <= target) {
                anchor = Mark { seq: last.seq, at: last.at, hash: last.link() };
                bytes += records.iter().filter(|record| record.seq <= target).map(Record::body_length).sum::<u64>();
                let whole = records.last().is_some_and(|record| record.seq <= target);
                let left = (!whole).then(|| block::rewrite(key, &records, target + 1, &[]));
                writes.push((key.to_vec(), left, Bytes::copy_from_slice(value)));
            }
            kept_hour = records.iter().find(|record| record.seq > anchor.seq).map(|record| record.at.hour());
            if kept_hour.is_some() || writes.len() >= BITE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .map_err(engine)?;
        if let Some(bad) = bad {
            return Err(unavailable(bad));
        }
        let hours = keys::hours(entry.id, Some(kept_hour.unwrap_or_else(|| anchor.at.hour())));
        let hours = self.bite(&hours).map_err(engine)?;
        gone.messages += anchor.seq - entry.anchor.seq;
        gone.bytes += bytes;
        entry.anchor = anchor;
        // Nothing can fail behind this: the rows go with the anchor or not at all.
        self.put_entry(name, entry)?;
        for (key, value) in hours {
            self.put(key, None, Some(value));
        }
        for (key, value, before) in writes {
            self.put(key, value, Some(before));
        }
        Ok((entry, anchor.seq >= target))
    }

    /// Erases the bodies of some messages; what was trimmed already has none.
    pub(super) fn redact(
        &mut self,
        name: &ChannelName,
        id: Option<ChannelId>,
        seqs: &[Seq],
    ) -> Result<Head, AppendError> {
        let entry = self.present(name)?;
        if id.is_some_and(|id| id != entry.id) {
            return Err(AppendError::NoChannel);
        }
        let head = self.head(entry);
        if seqs.iter().any(|&seq| seq > entry.head.seq || seq == 0) {
            return Err(AppendError::Conflict(head));
        }
        let mut wanted: Vec<Seq> = seqs.iter().copied().filter(|&seq| seq > entry.anchor.seq).collect();
        wanted.sort_unstable();
        let mut writes = Vec::new();
        let view = self.view;
        // One block after the other, each with all that is to go from it.
        while let Some(&seq) = wanted.first() {
            let range = keys::blocks(entry.id, seq);
            let mut found = None;
            view.scan(&range.start..&range.end, false, &mut |key, value| {
                let opened = block::open(key, value).map_err(|bad| Missing::Row(seq, bad));
                let rewritten = opened.map(|records| block::rewrite(key, &records, 0, &wanted));
                found = Some((key.to_vec(), rewritten, Bytes::copy_from_slice(value)));
                ControlFlow::Break(())
            })
            .map_err(engine)?;
            let Some((key, rewritten, before)) = found else { break };
            let last = keys::last(&key).unwrap_or(seq);
            wanted.retain(|&seq| seq > last);
            writes.push((key, rewritten.map_err(unavailable)?, before));
        }
        // What was counted of the bodies holds no more; it is counted anew.
        let name = size_key(name.as_str());
        let counted = self.get(&keys::meta(&name)).map_err(engine)?;
        // Nothing can fail behind this.
        for (key, value, before) in writes {
            self.put(key, Some(value), Some(before));
        }
        if counted.is_some() {
            self.put(keys::meta(&name), None, counted);
            self.changes.push((name, None));
        }
        Ok(head)
    }

    /// Removes rows of a deleted channel; true: none is left.
    pub(super) fn sweep(&mut self, id: ChannelId) -> Result<bool, EngineError> {
        let mut rows = self.bite(&keys::blocks(id, 0))?;
        if rows.is_empty() {
            rows = self.bite(&keys::hours(id, None))?;
        }
        let clean = rows.is_empty();
        if clean {
            self.put(keys::gone(id), None, None);
        }
        for (key, value) in rows {
            self.put(key, None, Some(value));
        }
        Ok(clean)
    }

    fn bite(&self, range: &std::ops::Range<Vec<u8>>) -> Result<Vec<(Vec<u8>, Bytes)>, EngineError> {
        let mut rows = Vec::new();
        self.view.scan(&range.start..&range.end, false, &mut |key, value| {
            rows.push((key.to_vec(), Bytes::copy_from_slice(value)));
            if rows.len() < BITE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(rows)
    }
}

/// Deleted channels whose rows an earlier life of the store left behind.
pub(super) fn left_behind(view: &super::view::View) -> Result<Vec<ChannelId>, EngineError> {
    let range = keys::all_gone();
    let mut found = Vec::new();
    view.scan(&range.start..&range.end, false, &mut |key, _| {
        found.extend(keys::number(key));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
