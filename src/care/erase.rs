//! A user's messages without their bodies: in the log, and then wherever a server shows them.

use std::sync::mpsc;

use serde_json::json;

use super::fault::Stop;
use super::job::{Job, Tools, line};
use crate::model::{ChannelName, Seq, UserName};
use crate::store::{AppendError, MetaOp, REDACTED, ReadError, Standing, size_key};

/// Bytes of messages that are read at a time.
const PAGE: usize = 256 << 10;
/// Why it did not go on.
const ENDED: &str = "the store has ended";

/// Erasing, under way.
pub(super) struct Erase {
    tools: Tools,
    user: UserName,
    dry_run: bool,
    after: Option<ChannelName>,
    /// The channel that is being gone through, the next place in it, and how many were found there.
    now: Option<(Standing, Seq, u64)>,
    messages: u64,
    channels: u64,
    done: bool,
}

impl Erase {
    pub(super) fn new(tools: Tools, user: &str, dry_run: bool) -> Result<Self, Stop> {
        let user = UserName::parse(user).map_err(|why| Stop::File(why.to_string()))?;
        Ok(Self { tools, user, dry_run, after: None, now: None, messages: 0, channels: 0, done: false })
    }

    /// What was counted of its bodies may have been written down meanwhile by one who had read them before.
    fn forget_size(&self, channel: &ChannelName) -> Result<(), Stop> {
        let (tell, told) = mpsc::channel();
        let done = move |outcome| drop(tell.send(outcome));
        self.tools.meta.write(vec![MetaOp::Remove(size_key(channel.as_str()))], Box::new(done));
        let why = match told.recv() {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why.to_string(),
            Err(_) => ENDED.to_owned(),
        };
        Err(Stop::File(format!("{channel}: {why}")))
    }

    fn redact(&self, of: &Standing, seqs: &[Seq]) -> Result<(), Stop> {
        let channel = &of.name;
        for some in seqs.chunks(REDACTED) {
            let (tell, told) = mpsc::channel();
            let done = move |outcome| drop(tell.send(outcome));
            self.tools.archive.redact(of, some.to_vec(), Box::new(done));
            match told.recv() {
                Ok(Ok(_)) => (self.tools.forget)(channel, some),
                Ok(Err(AppendError::NoChannel)) => return Ok(()),
                Ok(Err(why)) => return Err(Stop::File(format!("{channel}: {why}"))),
                Err(_) => return Err(Stop::File(format!("{channel}: {ENDED}"))),
            }
        }
        Ok(())
    }
}

impl Job for Erase {
    fn step(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let mut out = Vec::new();
        let Some((standing, from, found)) = self.now.take() else {
            if self.done {
                return Ok(None);
            }
            let (found, last) = self.tools.archive.channels(self.after.as_ref(), 1)?;
            self.done = last.is_none();
            self.after = last;
            self.now = found.into_iter().next().map(|next| {
                let first = next.entry.anchor.seq + 1;
                (next, first, 0)
            });
            if self.done {
                let end = json!({ "messages": self.messages, "channels": self.channels });
                line(&mut out, &json!({ "end": end }))?;
            }
            return Ok(Some(out));
        };
        let page = match self.tools.archive.page(&standing, from, PAGE) {
            Ok(page) => page,
            Err(ReadError::NoChannel) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let own = page.iter().filter(|kept| kept.erased.is_none() && kept.message.from == self.user);
        let seqs: Vec<Seq> = own.map(|kept| kept.message.seq).collect();
        if !self.dry_run {
            self.redact(&standing, &seqs)?;
        }
        let found = found + seqs.len() as u64;
        match page.last().map(|last| last.message.seq + 1).filter(|&next| next <= standing.entry.head.seq) {
            Some(next) => self.now = Some((standing, next, found)),
            None if found > 0 => {
                if !self.dry_run {
                    self.forget_size(&standing.name)?;
                }
                self.messages += found;
                self.channels += 1;
                line(&mut out, &json!({ "channel": standing.name, "messages": found }))?;
            }
            None => {}
        }
        Ok(Some(out))
    }
}
