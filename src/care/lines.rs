//! The lines of a backup: one JSON object each, the first names the format, the last has a checksum over all before it.
//!
//! `docs/operating/data.md` describes them. A reader takes a file whole or says what is wrong with it.

use std::borrow::Cow;
use std::io::{BufRead, Read};

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fault::Stop;
use crate::model::{ChannelName, Key, Kind, Message, UserName, Wall};
use crate::store::entry::Mark;
use crate::store::{Hash, Kept};

/// The version of the lines that are written.
pub(super) const VERSION: u32 = 1;
/// The longest line, in bytes: a body of 64 KiB of which every byte is escaped, and more.
const LONGEST: u64 = 1 << 20;

/// One line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<'a> {
    /// The first.
    ParlorBackup {
        /// The version of the lines.
        version: u32,
        /// When it was begun, in milliseconds since 1970.
        at: i64,
    },
    /// A small record.
    #[serde(borrow)]
    Record(Record<'a>),
    /// A channel; its messages follow. A later line for the same one is over an earlier one and its messages.
    #[serde(borrow)]
    Channel(Channel<'a>),
    /// A channel was deleted while it was read.
    Gone(Cow<'a, str>),
    /// A message of the channel before.
    #[serde(borrow)]
    Message(Told<'a>),
    /// The last.
    End(End),
    /// It could not be read to its end, and why.
    Failed(String),
}

/// A small record: its name, how often it was written, and its value, as text or in hex.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hex: Option<String>,
}

/// A place in a log: its seq, its time, and the chain up to it in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) seq: u64,
    pub(super) at: i64,
    pub(super) hash: String,
}

impl Place {
    pub(super) fn of(mark: &Mark) -> Self {
        Self { seq: mark.seq, at: mark.at.0, hash: hex::encode(mark.hash) }
    }

    pub(super) fn mark(&self) -> Option<Mark> {
        Some(Mark { seq: self.seq, at: Wall(self.at), hash: hash(&self.hash)? })
    }
}

fn hash(text: &str) -> Option<Hash> {
    hex::decode(text).ok()?.try_into().ok()
}

/// A channel: what was trimmed away before it begins, and where it ends.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Channel<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) created: i64,
    pub(super) anchor: Place,
    pub(super) head: Place,
}

/// A message. Of an erased one only the length and the hash of its body are there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told<'a> {
    pub(super) seq: u64,
    pub(super) at: i64,
    pub(super) from: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) erased: Option<Erased>,
}

/// What is known of an erased body.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Erased {
    pub(super) length: u32,
    pub(super) hash: String,
}

impl<'a> Told<'a> {
    pub(super) fn of(kept: &'a Kept) -> Self {
        let Kept { message, erased } = kept;
        let text = |text: &'a str| Cow::Borrowed(text);
        Self {
            seq: message.seq,
            at: message.at.0,
            from: text(message.from.as_str()),
            key: message.key.as_ref().map(|key| text(key.as_str())),
            kind: message.kind.as_ref().map(|kind| text(kind.as_str())),
            reply_to: message.reply_to,
            body: erased.is_none().then(|| text(&message.body)),
            erased: erased.map(|(length, hash)| Erased { length, hash: hex::encode(hash) }),
        }
    }

    pub(super) fn kept(&self) -> Option<Kept> {
        let erased = match &self.erased {
            Some(erased) => Some((erased.length, hash(&erased.hash)?)),
            None => None,
        };
        let body = match &self.body {
            Some(body) => ByteString::from(body.as_ref()),
            None if erased.is_some() => "{}".into(),
            None => return None,
        };
        let key = self.key.as_ref().map(|key| Key::new(key).ok_or(())).transpose().ok()?;
        let kind = self.kind.as_ref().map(|kind| Kind::new(kind).ok_or(())).transpose().ok()?;
        let from = UserName::parse(&self.from).ok()?;
        let message = Message { seq: self.seq, at: Wall(self.at), from, key, kind, reply_to: self.reply_to, body };
        Some(Kept { message, erased })
    }
}

/// What a backup holds, and the SHA-256 of all lines before, in hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Channels.
    pub channels: u64,
    /// Messages, those of channels that were begun again or deleted meanwhile among them.
    pub messages: u64,
    /// Small records.
    pub records: u64,
    /// The checksum.
    pub sha256: String,
}

/// Writes lines, and their checksum behind them.
#[derive(Default)]
pub(super) struct Writer {
    sum: Sha256,
    pub(super) out: Vec<u8>,
}

impl Writer {
    pub(super) fn line(&mut self, line: &Line<'_>) -> Result<(), Stop> {
        let start = self.out.len();
        serde_json::to_writer(&mut self.out, line).map_err(std::io::Error::from)?;
        self.out.push(b'\n');
        self.sum.update(&self.out[start..]);
        Ok(())
    }

    pub(super) fn end(&mut self, end: End) -> Result<(), Stop> {
        let sha256 = hex::encode(self.sum.clone().finalize());
        self.line(&Line::End(End { sha256, ..end }))
    }
}

/// Reads lines up to the last.
pub(super) struct Reader<R> {
    from: R,
    sum: Sha256,
    line: String,
    number: u64,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, sum: Sha256::new(), line: String::new(), number: 0, ended: false }
    }

    /// What is wrong with the line that was read last.
    pub(super) fn damaged(&self, why: impl std::fmt::Display) -> Stop {
        Stop::File(format!("the file is damaged or was cut off, at line {}: {why}", self.number))
    }

    /// The next line; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, Stop> {
        if self.ended {
            return Ok(None);
        }
        self.line.clear();
        self.number += 1;
        let read = self.from.by_ref().take(LONGEST).read_line(&mut self.line);
        if let Err(why) = read {
            return Err(self.damaged(why));
        }
        if !self.line.ends_with('\n') {
            return Err(self.damaged("it ends before its last line"));
        }
        let damaged =
            |why: &str, number: u64| Stop::File(format!("the file is damaged or was cut off, at line {number}: {why}"));
        let number = self.number;
        let line: Line<'_> = serde_json::from_str(&self.line).map_err(|why| damaged(&why.to_string(), number))?;
        match (&line, number) {
            (Line::ParlorBackup { version, .. }, 1) if *version != VERSION => {
                return Err(Stop::File(format!("the file has version {version}; this Parlor reads {VERSION}")));
            }
            (Line::ParlorBackup { .. }, 1) => {}
            (_, 1) | (Line::ParlorBackup { .. }, _) => return Err(damaged("this is no backup", number)),
            (Line::Failed(why), _) => return Err(Stop::File(format!("the backup was not ended: {why}"))),
            (Line::End(end), _) => {
                self.ended = true;
                if end.sha256 != hex::encode(self.sum.clone().finalize()) {
                    return Err(damaged("the checksum is wrong", number));
                }
                let mut more = [0];
                if !matches!(self.from.read(&mut more), Ok(0)) {
                    return Err(damaged("it goes on behind its last line", number));
                }
            }
            _ => {}
        }
        self.sum.update(self.line.as_bytes());
        Ok(Some(line))
    }
}

/// The name of a channel, as a line says it.
pub(super) fn channel(name: &str) -> Result<ChannelName, Stop> {
    ChannelName::stored(name).map_err(|why| Stop::File(format!("{name:?}: {why}")))
}
