//! Looks at one channel after the other, until one has something to let go. Blocks on the disk.

use super::count::{add_up, counted, measure};
use super::decide::{Bounds, Log, Step};
use crate::config;
use crate::model::{ChannelName, Seq, Wall};
use crate::store::{ChannelLog, Head, Keep, Meta, ReadError, Size, keep_key};

/// How many channels are looked at in one go …
const CHANNELS: usize = 100;
/// … how many messages …
const MESSAGES: u64 = 4096;
/// … and how many hours of one channel.
const HOURS: usize = 512;

/// Where to look.
pub(super) struct Shelf<'a> {
    pub log: &'a dyn ChannelLog,
    pub meta: &'a dyn Meta,
    pub config: &'a config::Retention,
    pub now: Wall,
}

/// What a look came to.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What was counted, and is to be remembered.
    pub sizes: Vec<(ChannelName, Size)>,
    /// The channel behind which to go on.
    pub after: Option<String>,
    /// The channel that has something to let go; it is to be looked at again.
    pub due: Option<Due>,
    /// The channel of which there is more to count, if that was why the look ended.
    pub again: Option<ChannelName>,
    /// Whether there are no more.
    pub over: bool,
}

/// A channel, and what it has to let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub channel: ChannelName,
    /// Its log now.
    pub of: Head,
    /// The oldest that it is to keep.
    pub below: Seq,
}

/// What became of one channel.
enum Visit {
    Done,
    /// There is more to count.
    Again,
    Due(Due),
}

impl Shelf<'_> {
    /// Looks at the channels that follow `after`.
    pub fn look(&self, after: Option<String>) -> Result<Page, ReadError> {
        let names = self.log.all_names(after.as_deref(), CHANNELS)?;
        let mut page = Page { over: names.len() < CHANNELS, after, ..Page::default() };
        let mut most = MESSAGES;
        for channel in names {
            match self.visit(&channel, &mut page.sizes, &mut most) {
                Ok(Visit::Done) => {}
                Ok(Visit::Again) => {
                    (page.again, page.over) = (Some(channel), false);
                    break;
                }
                Ok(Visit::Due(due)) => {
                    (page.due, page.over) = (Some(due), false);
                    break;
                }
                // One that cannot be read keeps no other from being looked at.
                Err(error) => log::debug!("{channel} is passed over: {error}"),
            }
            page.after = Some(channel.as_str().to_owned());
        }
        Ok(page)
    }

    fn visit(
        &self,
        channel: &ChannelName,
        sizes: &mut Vec<(ChannelName, Size)>,
        most: &mut u64,
    ) -> Result<Visit, ReadError> {
        let Some(head) = self.log.head(channel)? else { return Ok(Visit::Done) };
        let keep = self.meta.get(&keep_key(channel.as_str()))?;
        let bounds = Bounds::of(self.config, keep.map(|record| Keep::read(&record.value)).unwrap_or_default());
        let due = |below| Visit::Due(Due { channel: channel.clone(), of: head.clone(), below });
        let hours = if bounds.is_none() { Vec::new() } else { self.log.hours(channel, HOURS)? };
        let whole = hours.len() < HOURS;
        let mut known = Log { first: head.first, head: head.seq, hours: &hours, whole, bytes: None, front: None };
        // What is to go anyway is not counted before.
        if let Step::Trim(below) = bounds.next(self.now, &known) {
            return Ok(due(below));
        }
        let mut size = counted(self.meta, channel, &head)?;
        let before = size.clone();
        measure(self.log, channel, &head, &mut size, most)?;
        let mut step = Step::Nothing;
        if size.upto == head.seq {
            known.bytes = Some(size.bytes);
            step = self.decide(channel, &head, bounds, known, &mut size, most)?;
        }
        let counted = size.upto == head.seq && !matches!(step, Step::Weigh(_));
        if size != before {
            sizes.push((channel.clone(), size));
        }
        Ok(match step {
            Step::Trim(below) => due(below),
            _ if !counted => Visit::Again,
            _ => Visit::Done,
        })
    }

    /// What has to go by bytes; `Weigh` if there is more to count before that is known.
    fn decide(
        &self,
        channel: &ChannelName,
        head: &Head,
        bounds: Bounds,
        mut known: Log<'_>,
        size: &mut Size,
        most: &mut u64,
    ) -> Result<Step, ReadError> {
        let mut step = bounds.next(self.now, &known);
        if let Step::Weigh(end) = step {
            // What was counted of the front may be of more than its oldest hour is now.
            if size.front_upto > end {
                (size.front_upto, size.front_bytes) = (head.first - 1, 0);
            }
            let counted = (size.front_upto, size.front_bytes);
            (size.front_upto, size.front_bytes) = add_up(self.log, channel, counted, end, u64::MAX, most)?;
            if size.front_upto < end {
                return Ok(step);
            }
            known.front = Some(size.front_bytes);
            step = bounds.next(self.now, &known);
        }
        if let Step::Cut(excess) = step {
            let (upto, _) = add_up(self.log, channel, (head.first - 1, 0), head.seq - 1, excess, &mut { MESSAGES })?;
            step = if upto < head.first { Step::Nothing } else { Step::Trim(upto + 1) };
        }
        Ok(step)
    }
}
