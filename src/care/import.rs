//! Channels and messages from an export, or from another program: looked through first, and then written so that a channel
//! is there whole or not at all.

use std::io::{BufRead, Read};

use bytes::Bytes;

use super::build::{Build, Row, channel_rows, number};
use super::fault::Stop;
use super::lines;
use super::rows::{self, Object};
use super::walk::Walk;
use crate::config::holds;
use crate::model::maps::HashSet;
use crate::model::{ChannelName, Key, Kind, MAX_SEQ, Message, Seq, UserName, Wall};
use crate::protocol::title;
use crate::store::entry::{Entry, Mark as End};
use crate::store::{
    Batch, Kept, Mark, Membership, MetaOp, Place, Rows, SledRows, Versioned, block, keys, life, open_meta, record,
    seal, seal_meta,
};

/// The longest line, in bytes.
const LONGEST: u64 = 1 << 20;

/// What a file brings.
#[derive(Default)]
pub struct Brought {
    /// Its channels: where each of them begins, and what is said of it.
    channels: Vec<Said>,
    /// How many messages there are.
    pub messages: u64,
}

impl Brought {
    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }
}

struct Said {
    name: ChannelName,
    created: Option<Wall>,
    epoch: Option<(u64, u64)>,
    place: Place,
    /// The seq and the time of its first message.
    first: Option<(Seq, Wall)>,
    /// Its memberships and marks.
    ops: Vec<MetaOp>,
    /// Its newest message, and the time of that.
    head: Seq,
    at: Option<Wall>,
}

/// One object, understood.
enum Piece {
    Channel(Box<Said>),
    Member(UserName, Seq),
    Mark(UserName, Mark),
    Message(Box<Kept>),
}

/// Calls `each` with the objects of a file, in their order.
fn each(from: &mut dyn BufRead, mut each: impl FnMut(ChannelName, Piece) -> Result<(), String>) -> Result<(), Stop> {
    let (mut line, mut at) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        at += 1;
        if Read::take(&mut *from, LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let done = if line.ends_with(b"\n") || (line.len() as u64) < LONGEST {
            let text = std::str::from_utf8(&line).map_err(|why| why.to_string());
            text.and_then(rows::read).and_then(understand).and_then(|(channel, piece)| each(channel, piece))
        } else {
            Err(format!("it is longer than {LONGEST} bytes"))
        };
        done.map_err(|why| Stop::File(format!("line {at}: {why}")))?;
    }
}

fn understand(object: Object<'_>) -> Result<(ChannelName, Piece), String> {
    let channel = lines::channel(&object.channel).map_err(|why| why.to_string())?;
    let user = |name: &str| UserName::parse(name).map_err(|why| format!("{name:?}: {why}"));
    let when = |text: &str| rows::time(text).ok_or_else(|| format!("expected a time by RFC 3339, found {text:?}"));
    let piece = if let Some(member) = &object.member {
        Piece::Member(user(member)?, object.read.unwrap_or(0))
    } else if let Some(mark) = &object.mark {
        let (banned, invited) = (object.banned.unwrap_or(false), object.invited.unwrap_or(false));
        Piece::Mark(user(mark)?, Mark { role: object.role.unwrap_or_default(), banned, invited })
    } else if let Some(seq) = object.seq {
        let seq = in_bounds(seq)?;
        let at = object.at.as_deref().ok_or("a message without `at`")?;
        let from = object.from.as_deref().ok_or("a message without `from`")?;
        let erased = object.erased == Some(true);
        let body = match &object.body {
            _ if erased => "{}",
            Some(body) if body.get().trim_start().starts_with('{') => body.get(),
            _ => return Err("a message without a `body` that is an object".into()),
        };
        let key = object.key.map(|key| Key::new(&key).ok_or("a `key` has 1 to 64 bytes")).transpose()?;
        let kind = object.kind.map(|kind| Kind::new(&kind).ok_or("a `kind` has 1 to 64 bytes")).transpose()?;
        let (at, from) = (when(at)?, user(from)?);
        let reply_to = object.reply_to.map(in_bounds).transpose()?;
        let message = Message { seq, at, from, key, kind, reply_to, body: body.into() };
        if !block::fits(&message) {
            return Err(format!("message {seq}: it is too long"));
        }
        Piece::Message(Box::new(Kept { message, erased: erased.then(|| (2, record::hash(b"{}"))) }))
    } else {
        let created = object.created.as_deref().map(when).transpose()?;
        let place = Place {
            private: object.private.unwrap_or(false),
            title: title(object.title.as_deref()).map_err(|why| why.message)?,
            ending: false,
        };
        let epoch = object.epoch.as_deref().and_then(epoch);
        let (name, ops) = (channel.clone(), Vec::new());
        let first = object.first.map(in_bounds).transpose()?.filter(|&first| first > 1);
        let first = first.map(|first| (first, created.unwrap_or_default()));
        Piece::Channel(Box::new(Said { name, created, epoch, place, first, ops, head: 0, at: None }))
    };
    Ok((channel, piece))
}

/// A place in a log.
fn in_bounds(seq: u64) -> Result<Seq, String> {
    if seq <= MAX_SEQ { Ok(seq) } else { Err(format!("expected a place up to {MAX_SEQ}, found {seq}")) }
}

/// The store's part of an epoch, and the channel's.
pub(super) fn epoch(text: &str) -> Option<(u64, u64)> {
    let (generation, birth) = text.split_once('-')?;
    Some((u64::from_str_radix(generation, 36).ok()?, u64::from_str_radix(birth, 36).ok()?))
}

/// Looks a file through: its objects, their order, and that none of its channels is among `there`.
pub fn look(from: &mut dyn BufRead, there: &dyn Fn(&ChannelName) -> Result<bool, Stop>) -> Result<Brought, Stop> {
    let mut brought = Brought::default();
    let mut known: HashSet<ChannelName> = HashSet::default();
    let mut failed = None;
    let mut next = None;
    let looked = each(from, |channel, piece| {
        if let Piece::Channel(said) = piece {
            match there(&channel) {
                Ok(false) => {}
                Ok(true) => return Err(format!("there is a channel {channel} already")),
                Err(why) => {
                    failed = Some(why);
                    return Err("the store cannot be read".into());
                }
            }
            if !known.insert(channel.clone()) {
                return Err(format!("{channel} comes twice"));
            }
            next = said.first.map(|(first, _)| first);
            brought.channels.push(*said);
            return Ok(());
        }
        let said = brought.channels.last_mut().filter(|said| said.name == channel);
        let said = said.ok_or_else(|| format!("an object of {channel} that does not follow the channel's own"))?;
        match piece {
            Piece::Member(user, read) => said.ops.extend(Membership::begin(&channel, user.as_str(), read)),
            Piece::Mark(user, mark) => {
                let ops = mark.write(&channel, user.as_str());
                said.ops.extend(ops.into_iter().filter(|op| matches!(op, MetaOp::Put(..))));
            }
            Piece::Message(kept) => {
                let Message { seq, at, .. } = kept.message;
                if seq != next.unwrap_or(seq) || seq == 0 {
                    return Err(format!("message {seq}: expected {}", next.unwrap_or(1)));
                }
                if said.at.is_some_and(|before| at < before) {
                    return Err(format!("message {seq}: it is of {at}, before the one before it"));
                }
                if said.head == 0 {
                    said.first = (seq > 1).then_some((seq, at));
                }
                (said.head, said.at) = (seq, Some(at));
                next = Some(seq + 1);
                brought.messages += 1;
            }
            Piece::Channel(_) => {}
        }
        Ok(())
    });
    match failed {
        Some(why) => Err(why),
        None => looked.map(|()| brought),
    }
}

/// Where rows go.
type Put<'a> = &'a mut dyn FnMut(Vec<Row>) -> Result<(), Stop>;

/// How channels come to be there.
struct Into {
    /// The number of the first.
    id: u64,
    /// Whether they keep their part of the epoch.
    births: bool,
    now: Wall,
    hooks: Hooks,
}

/// The webhooks of a store, with their patterns of channels, and the store's part of every epoch.
#[derive(Default)]
struct Hooks {
    generation: u64,
    all: Vec<(String, Vec<String>)>,
}

impl Hooks {
    fn of(rows: &SledRows) -> Result<Self, Stop> {
        let key = keys::store(life::GENERATION);
        let generation = rows.get(&key)?.and_then(|value| seal::open_number(&key, &value).ok());
        let mut walk = Walk::new(rows, keys::metas("hooks/", None));
        let all = walk.by_ref().filter_map(|(key, value)| {
            let (name, record) = (keys::name(&key)?.strip_prefix("hooks/")?, open_meta(&key, &value).ok()?);
            let patterns = String::from_utf8_lossy(&record.value).split(' ').skip(1).map(ToOwned::to_owned).collect();
            Some((name.to_owned(), patterns))
        });
        Ok(Self { all: all.collect(), generation: generation.unwrap_or_default() })
    }

    /// Has them follow a channel from where it is on: what was brought is no news.
    fn follow(&self, name: &ChannelName, entry: &Entry) -> Vec<MetaOp> {
        let head = entry.show(self.generation);
        let followed = self.all.iter().filter(|(_, patterns)| holds(patterns, name));
        followed
            .map(|(hook, _)| MetaOp::Put(format!("hook/{hook}/{name}"), format!("{} {}", head.epoch, head.seq).into()))
            .collect()
    }
}

/// Writes the channels of a file that was looked through, and gives the rows by which they are there.
fn write(from: &mut dyn BufRead, brought: &Brought, into: &Into, put: Put<'_>) -> Result<Vec<Row>, Stop> {
    let (mut last, mut index) = (Vec::new(), 0_usize);
    let mut build: Option<Build> = None;
    let mut failed = None;
    let mut end = |build: &mut Option<Build>, said: Option<&Said>, put: Put<'_>| {
        let (Some(build), Some(said)) = (build.take(), said) else { return Ok(()) };
        let (name, entry, rows) = build.end();
        put(rows)?;
        last.extend(channel_rows(&name, &entry, said.place.private));
        last.extend(records(said, entry.head.seq, into.hooks.follow(&name, &entry)));
        Ok::<_, Stop>(())
    };
    let read = each(from, |_, piece| {
        let done = match piece {
            Piece::Channel(_) => {
                let before = index.checked_sub(1).and_then(|before| brought.channels.get(before));
                let done = end(&mut build, before, put);
                let Some(said) = brought.channels.get(index) else { return Err("the file has changed".into()) };
                let birth = said.epoch.filter(|_| into.births).map_or_else(life::short_random, |(_, birth)| birth);
                let mut entry = Entry::new(into.id + index as u64, birth, said.created.unwrap_or(into.now));
                if let Some((first, at)) = said.first {
                    entry.anchor = End { seq: first - 1, at, hash: record::ROOT };
                }
                build = Some(Build::new(said.name.clone(), entry));
                index += 1;
                done
            }
            Piece::Message(kept) => match &mut build {
                Some(build) => build.add(*kept).and_then(|()| build.ready().map_or(Ok(()), &mut *put)),
                None => Ok(()),
            },
            Piece::Member(..) | Piece::Mark(..) => Ok(()),
        };
        done.map_err(|why| {
            failed = Some(why);
            "it cannot be written".into()
        })
    });
    if let Some(why) = failed {
        return Err(why);
    }
    read?;
    end(&mut build, index.checked_sub(1).and_then(|before| brought.channels.get(before)), put)?;
    Ok(last)
}

/// The records of a channel.
fn records(said: &Said, head: Seq, hooks: Vec<MetaOp>) -> Vec<Row> {
    let plain = said.place == Place::default();
    let ops = said.ops.iter().cloned().chain((!plain).then(|| said.place.write(&said.name))).chain(hooks);
    let row = |op: MetaOp| {
        let MetaOp::Put(name, value) = op else { return None };
        // Nobody has read further than there is.
        let read = name.starts_with("c/").then(|| Membership::parse(&value)).flatten();
        let value = match read {
            Some(member) if member.read > head => Bytes::from(format!(r#"{{"read":{head}}}"#)),
            _ => value,
        };
        let key = keys::meta(&name);
        let value = seal_meta(&key, &Versioned { version: 1, value });
        Some((Bytes::from(key), Some(value)))
    };
    ops.filter_map(row).collect()
}

/// Adds the channels to a store that nobody else has open. Each has an epoch of its own.
pub fn add(rows: &SledRows, from: &mut dyn BufRead, brought: &Brought, now: Wall) -> Result<(), Stop> {
    let first = life::next_channel(rows)?;
    let ids = first..first + brought.channels.len() as u64;
    let apply = |batch: Vec<Row>| {
        rows.apply(&Batch(batch))?;
        rows.sync()?;
        Ok::<_, Stop>(rows.settle(false)?)
    };
    // Until the channels are there, what is written for them is to be swept up, whatever happens.
    let mut marks: Vec<Row> = ids
        .clone()
        .map(|id| {
            let key = keys::gone(id);
            let value = seal::number(&key, id);
            (key.into(), Some(value))
        })
        .collect();
    marks.push(number(life::NEXT_CHANNEL, ids.end));
    apply(marks)?;
    let into = Into { id: first, births: false, now, hooks: Hooks::of(rows)? };
    let mut last = write(from, brought, &into, &mut |rows| apply(rows))?;
    last.extend(ids.map(|id| (keys::gone(id).into(), None)));
    apply(last)?;
    Ok(rows.settle(true)?)
}

/// Makes a store of the channels in an empty directory. They keep their epochs, if all of these are of one store.
pub fn make(
    folder: &std::path::Path,
    cache: u64,
    from: &mut dyn BufRead,
    brought: &Brought,
    now: Wall,
) -> Result<Result<bool, Stop>, crate::store::OpenError> {
    let generations: Option<Vec<u64>> = brought.channels.iter().map(|said| Some(said.epoch?.0)).collect();
    let generation = generations.filter(|all| all.windows(2).all(|two| two[0] == two[1]));
    let generation = generation.and_then(|all| all.first().copied());
    SledRows::make(folder, cache, |next| {
        let mut put = |rows: Vec<Row>| Ok(next.put(&rows)?);
        let into = Into { id: 1, births: generation.is_some(), now, hooks: Hooks::default() };
        let mut last = write(from, brought, &into, &mut put)?;
        last.push(number(life::GENERATION, generation.unwrap_or_else(life::short_random)));
        last.push(number(life::NEXT_CHANNEL, brought.channels.len() as u64 + 1));
        last.push(number(life::INDEXED, 1));
        next.put(&last)?;
        Ok(generation.is_some())
    })
}
