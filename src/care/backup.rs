//! A whole store as lines, read beside whoever writes to it.
//!
//! First the channels that there are, then the small records, then where each channel ends, then the messages up to there.
//! So no record speaks of a message that is not in the backup; and a channel that was not there before the records and after
//! them is left out, with the records that speak of it, since they may be half of what belongs to it.

use std::collections::{BTreeMap, VecDeque};

use super::fault::Stop;
use super::job::{Job, Tools};
use super::lines::{Channel, End, Line, Place, Record, Told, VERSION, Writer};
use crate::model::{ChannelName, Seq, Wall};
use crate::store::{ReadError, Standing};

/// Channels that are looked up at a time.
const CHANNELS: usize = 200;
/// Records that are read at a time.
const RECORDS: usize = 500;
/// Bytes of messages that are read at a time.
const PAGE: usize = 256 << 10;

/// How far it is.
enum Stage {
    /// Which channels there are.
    Names(Option<ChannelName>),
    /// The small records behind this one.
    Records(Option<String>),
    /// Where the channels end that follow this one.
    Heads(Option<ChannelName>),
    /// The messages of the first of those that are left, from this one on.
    Messages(Seq),
    Done,
}

/// A backup under way.
pub(super) struct Backup {
    tools: Tools,
    stage: Stage,
    /// The numbers of the channels that were there before the records were read.
    names: BTreeMap<ChannelName, u64>,
    left: VecDeque<Standing>,
    writer: Writer,
    end: End,
}

impl Backup {
    pub(super) fn new(tools: Tools, now: Wall) -> Result<Self, Stop> {
        let mut writer = Writer::default();
        writer.line(&Line::ParlorBackup { version: VERSION, at: now.0 })?;
        let (names, left) = (BTreeMap::new(), VecDeque::new());
        Ok(Self { tools, stage: Stage::Names(None), names, left, writer, end: End::default() })
    }

    fn records(&mut self, after: Option<&str>) -> Result<Option<String>, Stop> {
        let page = self.tools.meta.list("", after, RECORDS)?;
        for (name, record) in &page {
            // The other halves of memberships and marks are made of those.
            if name.starts_with("m/") || name.starts_with("a/") {
                continue;
            }
            let text = std::str::from_utf8(&record.value).ok();
            let hex = text.is_none().then(|| hex::encode(&record.value));
            let line = Record { name: name.into(), version: record.version, text: text.map(Into::into), hex };
            self.writer.line(&Line::Record(line))?;
            self.end.records += 1;
        }
        Ok(page.into_iter().last().map(|(name, _)| name))
    }

    fn begin(&mut self) -> Result<Stage, Stop> {
        let Some(standing) = self.left.front() else {
            self.writer.end(self.end.clone())?;
            return Ok(Stage::Done);
        };
        let entry = &standing.entry;
        let (anchor, head) = (Place::of(&entry.anchor), Place::of(&entry.head));
        let name = standing.name.as_str().into();
        self.writer.line(&Line::Channel(Channel { name, created: entry.created.0, anchor, head }))?;
        Ok(Stage::Messages(entry.anchor.seq + 1))
    }

    fn messages(&mut self, from: Seq) -> Result<Stage, Stop> {
        let Some(standing) = self.left.front_mut() else { return self.begin() };
        let page =
            if from > standing.entry.head.seq { Ok(Vec::new()) } else { self.tools.archive.page(standing, from, PAGE) };
        let page = match page {
            Ok(page)
                if from > standing.entry.head.seq || page.first().is_some_and(|first| first.message.seq == from) =>
            {
                page
            }
            // Its beginning was trimmed away, or it was deleted: it is told again, or that it is gone.
            Ok(_) | Err(ReadError::NoChannel) => {
                let now = self.tools.archive.channel(&standing.name)?;
                if let Some(now) = now.filter(|now| now.entry.id == standing.entry.id) {
                    *standing = now;
                } else {
                    let gone = Line::Gone(standing.name.as_str().into());
                    self.writer.line(&gone)?;
                    self.left.pop_front();
                }
                return self.begin();
            }
            Err(error) => return Err(error.into()),
        };
        for kept in &page {
            self.writer.line(&Line::Message(Told::of(kept)))?;
        }
        self.end.messages += page.len() as u64;
        let next = page.last().map_or(from, |last| last.message.seq + 1);
        if next <= standing.entry.head.seq {
            return Ok(Stage::Messages(next));
        }
        self.end.channels += 1;
        self.left.pop_front();
        self.begin()
    }
}

impl Job for Backup {
    fn step(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let archive = self.tools.archive.clone();
        self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Names(after) => {
                let (page, last) = archive.channels(after.as_ref(), CHANNELS)?;
                self.names.extend(page.into_iter().map(|standing| (standing.name, standing.entry.id)));
                last.map_or(Stage::Records(None), |last| Stage::Names(Some(last)))
            }
            Stage::Records(after) => match self.records(after.as_deref())? {
                Some(last) => Stage::Records(Some(last)),
                None => Stage::Heads(None),
            },
            Stage::Heads(after) => {
                let (page, last) = archive.channels(after.as_ref(), CHANNELS)?;
                match last {
                    Some(last) => {
                        let names = &self.names;
                        let same = |of: &Standing| names.get(&of.name) == Some(&of.entry.id);
                        self.left.extend(page.into_iter().filter(same));
                        Stage::Heads(Some(last))
                    }
                    None => self.begin()?,
                }
            }
            Stage::Messages(from) => self.messages(from)?,
            Stage::Done => return Ok(None),
        };
        Ok(Some(std::mem::take(&mut self.writer.out)))
    }
}
