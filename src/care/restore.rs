//! A backup made into a store: read once to see that it is whole, and once more to write it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use flate2::read::GzDecoder;

use super::build::{Build, Row, channel_rows, number};
use super::fault::Stop;
use super::lines::{self, End, Line, Reader, Record};
use super::numbers::later_boot;
use crate::model::maps::HashMap;
use crate::model::{Seq, Wall};
use crate::store::entry::Entry;
use crate::store::{
    Beside, Mark, OpenError, Place, SledRows, Versioned, asked_key, keys, life, places_prefix, seal_meta,
};

/// How many records are written at a time.
const RECORDS: usize = 200;

/// What a backup holds, by its first reading.
pub struct Whole {
    /// As it says itself.
    pub said: End,
    /// Channels that were backed up to their ends.
    pub channels: u64,
    /// Their messages.
    pub messages: u64,
    /// For each channel the number of the line at which it last began.
    begun: HashMap<String, u64>,
    /// Channels that are there for their members alone.
    private: HashSet<String>,
}

type Backup = Reader<BufReader<GzDecoder<BufReader<Box<dyn Read>>>>>;

fn open(path: &Path, passed: impl Fn(u64) + 'static) -> Result<Backup, Stop> {
    let counted = Counted { file: File::open(path)?, passed };
    let file: Box<dyn Read> = Box::new(counted);
    Ok(Reader::new(BufReader::with_capacity(64 << 10, GzDecoder::new(BufReader::with_capacity(64 << 10, file)))))
}

struct Counted<P> {
    file: File,
    passed: P,
}

impl<P: Fn(u64)> Read for Counted<P> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(out)?;
        (self.passed)(count as u64);
        Ok(count)
    }
}

/// Reads a backup through, and says what is wrong with it.
pub fn check(path: &Path, passed: impl Fn(u64) + 'static) -> Result<Whole, Stop> {
    let mut from = open(path, passed)?;
    let mut whole =
        Whole { said: End::default(), channels: 0, messages: 0, begun: HashMap::default(), private: HashSet::new() };
    let (mut number, mut of_channel) = (0, HashMap::<String, u64>::default());
    let mut current = None;
    while let Some(line) = from.next()? {
        number += 1;
        match line {
            Line::Channel(channel) => {
                let name = channel.name.into_owned();
                whole.begun.insert(name.clone(), number);
                of_channel.insert(name.clone(), 0);
                current = Some(name);
            }
            Line::Gone(name) => {
                whole.begun.remove(name.as_ref());
                of_channel.remove(name.as_ref());
                current = None;
            }
            Line::Message(_) => {
                if let Some(count) = current.as_ref().and_then(|name| of_channel.get_mut(name)) {
                    *count += 1;
                }
            }
            Line::Record(record) => {
                if let Some(channel) = record.name.strip_prefix("place/")
                    && Place::read(&value(&record)).private
                {
                    whole.private.insert(channel.to_owned());
                }
            }
            Line::End(end) => whole.said = end,
            Line::ParlorBackup { .. } | Line::Failed(_) => {}
        }
    }
    whole.channels = whole.begun.len() as u64;
    whole.messages = of_channel.values().sum();
    Ok(whole)
}

fn value(record: &Record<'_>) -> Bytes {
    match (&record.text, &record.hex) {
        (Some(text), _) => Bytes::copy_from_slice(text.as_bytes()),
        (None, Some(text)) => hex::decode(text).unwrap_or_default().into(),
        (None, None) => Bytes::new(),
    }
}

/// The seq of a record `hook/`, behind the epoch.
fn done_with(value: &[u8]) -> Option<Seq> {
    std::str::from_utf8(value).ok()?.split_once(' ')?.1.parse().ok()
}

/// A record `hooks/`, as if the webhook had begun in this generation: what its cursors hold is right there.
fn begun_in(generation: u64, value: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(value);
    let patterns = text.split_once(' ').map_or("", |(_, patterns)| patterns);
    format!("{generation:x} {patterns}").into()
}

/// Makes a store in `folder`, which holds none, of a backup that was found whole. Every channel has another epoch.
pub fn restore(
    path: &Path,
    whole: &Whole,
    folder: &Path,
    cache: u64,
    passed: impl Fn(u64) + 'static,
) -> Result<Result<(), Stop>, OpenError> {
    SledRows::make(folder, cache, |next| {
        let mut from = open(path, passed)?;
        let generation = life::short_random();
        let hooks = HashMap::default();
        Filling { next, whole, generation, rows: Vec::new(), id: 0, hooks, build: None }.fill(&mut from)
    })
}

struct Filling<'a> {
    next: &'a Beside,
    whole: &'a Whole,
    /// A part of every epoch.
    generation: u64,
    rows: Vec<Row>,
    id: u64,
    /// Up to where webhooks are done with a channel: the records' names and versions, and the seqs.
    hooks: HashMap<String, Vec<(String, u64, Seq)>>,
    /// The channel whose messages come, and where it is said to end.
    build: Option<(Build, lines::Place)>,
}

impl Filling<'_> {
    fn fill(mut self, from: &mut Backup) -> Result<(), Stop> {
        let mut number_of_line = 0;
        while let Some(line) = from.next()? {
            number_of_line += 1;
            match line {
                Line::Record(record) => self.record(&record)?,
                Line::Channel(channel) => {
                    self.end()?;
                    // One that is told again later is not told whole here.
                    if self.whole.begun.get(channel.name.as_ref()) == Some(&number_of_line) {
                        self.begin(&channel)?;
                    }
                }
                Line::Message(told) => {
                    if let Some((build, _)) = &mut self.build {
                        let kept = told.kept();
                        build.add(kept.ok_or_else(|| Stop::File("a message is none".into()))?)?;
                        if let Some(rows) = build.ready() {
                            self.next.put(&rows)?;
                        }
                    }
                }
                Line::Gone(_) => self.build = None,
                Line::End(_) | Line::ParlorBackup { .. } | Line::Failed(_) => {}
            }
        }
        self.end()?;
        self.rows.push(number(life::GENERATION, self.generation));
        self.rows.push(number(life::BOOT, later_boot()));
        self.rows.push(number(life::NEXT_CHANNEL, self.id + 1));
        self.rows.push(number(life::INDEXED, 1));
        Ok(self.next.put(&self.rows)?)
    }

    fn begin(&mut self, channel: &lines::Channel<'_>) -> Result<(), Stop> {
        self.id += 1;
        let anchor = channel.anchor.mark().ok_or_else(|| Stop::File("a hash is none".into()))?;
        let entry = Entry::new(self.id, life::short_random(), Wall(channel.created));
        let build = Build::new(lines::channel(&channel.name)?, Entry { anchor, head: anchor, ..entry });
        self.build = Some((build, channel.head.clone()));
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        let Some((build, head)) = self.build.take() else { return Ok(()) };
        let (name, entry, rows) = build.end();
        if head.mark() != Some(entry.head) {
            return Err(Stop::File(format!(
                "{name}: its messages end at {}, and are not those that ended at {}",
                entry.head.seq, head.seq
            )));
        }
        self.next.put(&rows)?;
        self.rows.extend(channel_rows(&name, &entry, self.whole.private.contains(name.as_str())));
        let epoch = entry.show(self.generation).epoch;
        for (record, version, seq) in self.hooks.remove(name.as_str()).unwrap_or_default() {
            self.put(&record, version, format!("{epoch} {}", seq.min(entry.head.seq)).into());
        }
        self.flush(RECORDS)
    }

    fn flush(&mut self, most: usize) -> Result<(), Stop> {
        if self.rows.len() >= most {
            self.next.put(&self.rows)?;
            self.rows.clear();
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), Stop> {
        let name = record.name.as_ref();
        let (kind, rest) = name.split_once('/').unwrap_or((name, ""));
        let (first, second) = rest.split_once('/').unwrap_or((rest, ""));
        let (channel, user) = if kind == "hook" { (second, first) } else { (first, second) };
        let of_channel = matches!(kind, "c" | "p" | "place" | "keep" | "size" | "hook");
        if of_channel && !self.whole.begun.contains_key(channel) {
            return Ok(());
        }
        let mut value = value(record);
        if kind == "hook" {
            // The channel has another epoch, and what was told of it is the same.
            if let Some(seq) = done_with(&value) {
                self.hooks.entry(channel.to_owned()).or_default().push((name.to_owned(), record.version, seq));
            }
            return Ok(());
        }
        if kind == "hooks" {
            value = begun_in(self.generation, &value);
        }
        if kind == "c" {
            self.put(&format!("{}{channel}", places_prefix(user)), 1, Bytes::new());
        }
        if kind == "p" && Mark::read(&value).asks() {
            self.put(&asked_key(channel, user), 1, Bytes::new());
        }
        self.put(name, record.version, value);
        self.flush(RECORDS)
    }

    fn put(&mut self, name: &str, version: u64, value: Bytes) {
        let key = keys::meta(name);
        let value = seal_meta(&key, &Versioned { version, value });
        self.rows.push((key.into(), Some(value)));
    }
}
