//! A whole store for those who take it elsewhere or count it: every channel with its beginning and its end, and its messages
//! as they stand, those without a body too. Read in pages, beside whoever writes.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::entry::{self, Entry};
use super::local::Local;
use super::queue::Op;
use super::reply::Reply;
use super::writer::Core;
use super::{AppendError, ChannelLog, Done, Hash, Head, ReadError};
use crate::model::{ChannelName, Epoch, Message, Seq};

/// A channel as it stood at some moment.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) name: ChannelName,
    pub(crate) epoch: Epoch,
    pub(crate) entry: Entry,
}

/// A message as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) message: Message,
    /// How long its body was, and that one's hash, if it was erased.
    pub(crate) erased: Option<(u32, Hash)>,
}

/// A store, to be read as a whole.
#[derive(Clone)]
pub(crate) struct Archive(Local);

impl Archive {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self(Local(core))
    }

    /// A channel, if it is there.
    pub(crate) fn channel(&self, name: &ChannelName) -> Result<Option<Standing>, ReadError> {
        let core = &self.0.0;
        core.view.stable(|| {
            let entry = entry::load(&core.view, name)?;
            let generation = self.0.generation();
            Ok(entry.map(|entry| Standing { name: name.clone(), epoch: entry.show(generation).epoch, entry }))
        })
    }

    /// The channels whose names follow `after`, at most `max` of them, and the name behind which to go on; that alone says
    /// whether there are more, since one that is deleted meanwhile is left out.
    pub(crate) fn channels(
        &self,
        after: Option<&ChannelName>,
        max: usize,
    ) -> Result<(Vec<Standing>, Option<ChannelName>), ReadError> {
        let names = self.0.all_names(after.map(ChannelName::as_str), max)?;
        let found = names.iter().filter_map(|name| self.channel(name).transpose()).collect::<Result<_, _>>()?;
        Ok((found, names.into_iter().last()))
    }

    /// The messages of a channel from `from` up to where it stood, no more after `max_bytes` of bodies; they begin later if
    /// some were trimmed away meanwhile. `NoChannel` if it is not the same any more.
    pub(crate) fn page(&self, of: &Standing, from: Seq, max_bytes: usize) -> Result<Vec<Kept>, ReadError> {
        let view = &self.0.0.view;
        view.stable(|| {
            let (mut found, mut bytes) = (Vec::new(), 0);
            self.0.walk(&of.name, from, &mut |record| {
                let Some(record) = record else {
                    found.clear();
                    bytes = 0;
                    return Ok(ControlFlow::Continue(()));
                };
                if record.seq > of.entry.head.seq {
                    return Ok(ControlFlow::Break(()));
                }
                // What is short takes room, too.
                bytes += record.body.map_or(0, str::len) + 200;
                let erased = record.body.is_none().then_some((record.body_length, record.body_hash));
                found.push(Kept { message: record.message()?, erased });
                Ok(if bytes < max_bytes { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
            let same = entry::row(view, &of.name)?.is_some_and(|now| now.id == of.entry.id);
            if same { Ok(found) } else { Err(ReadError::NoChannel) }
        })
    }

    /// Erases the bodies of these messages, at most [`REDACTED`] of them, together. `NoChannel` if it is not the same any more.
    pub(crate) fn redact(&self, of: &Standing, seqs: Vec<Seq>, done: Done<Head, AppendError>) {
        self.0.push(Op::Redact(of.name.clone(), Some(of.entry.id), seqs, Reply::new(done)));
    }
}

/// How many bodies are erased in one go, at most.
pub(crate) const REDACTED: usize = 128;
