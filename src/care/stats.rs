//! How much a store holds.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault::Stop;
use super::job::{Job, Tools, line};
use crate::model::{ChannelName, Seq};
use crate::store::{ReadError, Standing};

/// Bytes of messages that are read at a time.
const PAGE: usize = 256 << 10;
/// Records that are read at a time.
const RECORDS: usize = 500;
/// How many of the largest channels are named.
const LARGEST: usize = 10;

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Channels, direct ones too.
    pub channels: u64,
    /// Messages that are kept.
    pub messages: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// Bytes of the data directory.
    pub disk_bytes: u64,
    /// Accounts.
    pub accounts: u64,
    /// Guests that have not expired, or have not been cleared away.
    pub guests: u64,
    /// The channels with the most bytes of bodies, the largest first.
    pub largest: Vec<Size>,
}

/// How large a channel is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Its name.
    pub channel: String,
    /// Its messages.
    pub messages: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
}

/// Counting, under way.
pub(super) struct Stats {
    tools: Tools,
    totals: Totals,
    after: Option<ChannelName>,
    now: Option<(Standing, Seq, Size)>,
    users: Option<(&'static str, Option<String>)>,
    done: bool,
}

impl Stats {
    pub(super) fn new(tools: Tools) -> Self {
        let totals = Totals::default();
        Self { tools, totals, after: None, now: None, users: Some(("user/", None)), done: false }
    }

    fn users(&mut self, prefix: &'static str, after: Option<&str>) -> Result<(), Stop> {
        let page = self.tools.meta.list(prefix, after, RECORDS)?;
        let count = if prefix == "user/" { &mut self.totals.accounts } else { &mut self.totals.guests };
        *count += page.len() as u64;
        self.users = match page.into_iter().last() {
            Some((last, _)) => Some((prefix, Some(last))),
            None => (prefix == "user/").then_some(("guest/", None)),
        };
        Ok(())
    }

    fn count(&mut self, standing: Standing, from: Seq, mut size: Size) -> Result<(), Stop> {
        let page = match self.tools.archive.page(&standing, from, PAGE) {
            Ok(page) => page,
            Err(ReadError::NoChannel) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        size.messages += page.len() as u64;
        let bodies = page.iter().filter(|kept| kept.erased.is_none());
        size.body_bytes += bodies.map(|kept| kept.message.body.len() as u64).sum::<u64>();
        if let Some(next) = page.last().map(|last| last.message.seq + 1).filter(|&next| next <= standing.entry.head.seq)
        {
            self.now = Some((standing, next, size));
            return Ok(());
        }
        self.totals.channels += 1;
        self.totals.messages += size.messages;
        self.totals.body_bytes += size.body_bytes;
        let largest = &mut self.totals.largest;
        let place = largest.partition_point(|other| other.body_bytes >= size.body_bytes);
        largest.insert(place, size);
        largest.truncate(LARGEST);
        Ok(())
    }
}

impl Job for Stats {
    fn step(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let mut out = Vec::new();
        if let Some((prefix, after)) = self.users.take() {
            self.users(prefix, after.as_deref())?;
        } else if let Some((standing, from, size)) = self.now.take() {
            self.count(standing, from, size)?;
        } else if self.done {
            return Ok(None);
        } else {
            let (found, last) = self.tools.archive.channels(self.after.as_ref(), 1)?;
            self.done = last.is_none();
            self.after = last;
            self.now = found.into_iter().next().map(|next| {
                let size = Size { channel: next.name.to_string(), messages: 0, body_bytes: 0 };
                let first = next.entry.anchor.seq + 1;
                (next, first, size)
            });
            if self.done {
                self.totals.disk_bytes = (self.tools.bytes_on_disk)();
                line(&mut out, &json!({ "end": self.totals }))?;
            }
        }
        Ok(Some(out))
    }
}
