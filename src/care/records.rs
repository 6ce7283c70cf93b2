//! The small records: whether each can be read, and whether those agree that say the same thing twice.

use bytes::Bytes;
use serde_json::{Value, json};

use super::channels::ended;
use super::fault::{Fault, Sink, Stop, What};
use super::import::epoch;
use super::numbers::is_indexed;
use super::walk::Walk;
use crate::clock;
use crate::model::maps::HashMap;
use crate::model::{ChannelName, Role, Seq, UserName};
use crate::store::entry::Entry;
use crate::store::{
    MAX_META, Mark, Membership, Place, Rows, Versioned, asked_key, keys, mark_key, mend, open_meta, place_key,
    places_prefix, seal_meta,
};

/// How far ahead a token stays void of which it is not known when it ends.
const LONG_MS: i64 = 3650 * 86_400_000;

/// What is known of a channel.
pub(super) struct Known {
    /// Where it ends.
    pub(super) head: Seq,
    /// The part of its epoch that was its own.
    pub(super) birth: u64,
    /// As it is to be, but for its end.
    pub(super) entry: Entry,
}

/// A record that is being looked at.
struct Look<'a> {
    rows: &'a dyn Rows,
    heads: &'a HashMap<ChannelName, Known>,
    sink: &'a mut dyn Sink,
    indexed: bool,
}

/// Goes through all small records; gives how many there are. `heads` are the channels.
pub(super) fn examine(rows: &dyn Rows, heads: &HashMap<ChannelName, Known>, sink: &mut dyn Sink) -> Result<u64, Stop> {
    let mut look = Look { rows, heads, sink, indexed: is_indexed(rows) };
    let mut walk = Walk::new(rows, vec![4]..vec![5]);
    let mut count = 0;
    for (key, value) in &mut walk {
        look.sink.passed(1);
        count += 1;
        match keys::name(&key).map(ToOwned::to_owned) {
            Some(name) => look.record(&key, &value, &name)?,
            None => super::channels::unknown(&key, &value, look.sink)?,
        }
    }
    ended(&walk, "the small records", look.sink)?;
    Ok(count)
}

/// What stands in a row, with its one wrong byte put right if need be.
fn read(key: &[u8], value: &[u8]) -> Option<Versioned> {
    open_meta(key, value).ok().or_else(|| open_meta(key, &mend::mend(key, value)?).ok())
}

fn get(rows: &dyn Rows, name: &str) -> Result<Option<Bytes>, Stop> {
    Ok(rows.get(&keys::meta(name))?)
}

/// What is said of a channel; where that cannot be read, its place in the index says whether it is private.
fn place(rows: &dyn Rows, channel: &str) -> Result<Option<Place>, Stop> {
    let name = place_key(channel);
    let Some(value) = get(rows, &name)? else { return Ok(None) };
    let said = read(&keys::meta(&name), &value).and_then(|record| serde_json::from_slice(&record.value).ok());
    let listed = || Ok::<_, Stop>(rows.get(&keys::listed(false, channel))?.is_none());
    Ok(Some(match said {
        Some(said) => said,
        None => Place { private: listed()?, ..Place::default() },
    }))
}

pub(super) fn is_private(rows: &dyn Rows, channel: &str) -> Result<bool, Stop> {
    Ok(place(rows, channel)?.is_some_and(|place| place.private))
}

/// What a channel has made of a user. Where that cannot be read, it is enough that the user was asked in, or shut out.
fn mark(rows: &dyn Rows, channel: &str, user: &str) -> Result<Option<Mark>, Stop> {
    let name = mark_key(channel, user);
    let Some(value) = get(rows, &name)? else { return Ok(None) };
    let said = read(&keys::meta(&name), &value).and_then(|record| serde_json::from_slice(&record.value).ok());
    let asked = get(rows, &asked_key(channel, user))?.is_some();
    Ok(Some(said.unwrap_or(Mark { role: Role::Member, banned: !asked, invited: asked })))
}

impl Look<'_> {
    fn fault(&mut self, place: &str, why: impl Into<String>, mend: &'static str) -> Result<(), Stop> {
        self.sink.fault(Fault { what: What::Record, place: place.into(), why: why.into(), mend })
    }

    /// A record that is not to be there.
    fn leave_out(&mut self, name: &str, record: Option<Versioned>, why: String) -> Result<(), Stop> {
        if let Some(record) = record {
            let key = keys::meta(name);
            self.sink.aside(&key, &seal_meta(&key, &record))?;
        }
        self.fault(name, why, "set aside")
    }

    fn put(&mut self, name: &str, version: u64, value: &[u8]) -> Result<(), Stop> {
        let key = keys::meta(name);
        let record = Versioned { version, value: Bytes::copy_from_slice(value) };
        self.sink.keep(&key, &seal_meta(&key, &record))
    }

    /// Whether there is, or may come to be, a channel of which a record speaks.
    fn is_channel(&mut self, channel: &str) -> Result<bool, Stop> {
        let known = self.heads.contains_key(channel);
        Ok(known || get(self.rows, &place_key(channel))?.is_some())
    }

    fn record(&mut self, key: &[u8], value: &[u8], name: &str) -> Result<(), Stop> {
        let opened = open_meta(key, value);
        let mended = if opened.is_err() { read(key, value) } else { None };
        if let Err(bad) = &opened {
            let mend = if mended.is_some() { "its one wrong byte is put right" } else { in_place_of(name).1 };
            self.sink.aside(key, value)?;
            self.fault(name, bad.to_string(), mend)?;
        }
        let record = opened.ok().or(mended);
        let (kind, rest) = name.split_once('/').unwrap_or((name, ""));
        let pair = rest.split_once('/');
        let record = record.map(|record| match (kind, pair) {
            ("hook", Some((_, channel))) => self.followed(channel, record),
            _ => record,
        });
        match (kind, pair) {
            ("c", Some((channel, user))) => self.membership(name, record, channel, user),
            ("p", Some((channel, user))) => self.mark(name, record, channel, user),
            ("m", Some((user, channel))) => self.place_of(name, record, channel, user),
            ("a", Some((user, channel))) => self.asked(name, record, channel, user),
            ("place", None) => self.place(name, record, rest),
            _ => match &record {
                Some(record) if name.len() + record.value.len() <= MAX_META => {
                    self.put(name, record.version, &record.value)
                }
                Some(_) => self.leave_out(name, record, "it is longer than a record may be".into()),
                None => match in_place_of(name).0 {
                    Some(value) => self.put(name, 1, value.as_bytes()),
                    None => Ok(()),
                },
            },
        }
    }

    /// `hook/`: if the channel has another epoch, a webhook goes on where it was.
    fn followed(&self, channel: &str, record: Versioned) -> Versioned {
        let moved = self.heads.get(channel).filter(|known| known.birth != known.entry.birth);
        let cursor = std::str::from_utf8(&record.value).ok().and_then(|text| text.split_once(' '));
        let (Some(Known { head, birth, entry }), Some((at, seq))) = (moved, cursor) else { return record };
        match (epoch(at), seq.parse::<Seq>()) {
            (Some((generation, of)), Ok(seq)) if of == *birth => {
                let value = format!("{} {}", entry.show(generation).epoch, seq.min(*head));
                Versioned { version: record.version + 1, value: value.into() }
            }
            _ => record,
        }
    }

    /// `c/`, and by it `m/`.
    fn membership(&mut self, name: &str, record: Option<Versioned>, channel: &str, user: &str) -> Result<(), Stop> {
        if !named(channel, user) || !self.is_channel(channel)? {
            return self.leave_out(name, record, "there is no such channel, or no such name".into());
        }
        let other = format!("{}{channel}", places_prefix(user));
        if get(self.rows, &other)?.is_none() {
            self.fault(name, format!("{other} is not there"), "made anew")?;
            self.put(&other, 1, b"")?;
        }
        let said = record.as_ref().and_then(|record| Membership::parse(&record.value));
        let head = self.heads.get(channel).map_or(0, |known| known.head);
        match (record, said) {
            (Some(record), Some(said)) if said.read <= head => self.put(name, record.version, &record.value),
            (Some(record), Some(said)) => {
                let why = format!("it has read up to {}, and the channel ends at {head}", said.read);
                self.fault(name, why, "read up to the end")?;
                self.put(name, record.version + 1, json!({ "read": head }).to_string().as_bytes())
            }
            (record, _) => {
                if record.is_some() {
                    self.fault(name, "it is no membership", "made anew, with nothing read")?;
                }
                self.put(name, 1, br#"{"read":0}"#)
            }
        }
    }

    /// `m/`, by `c/`.
    fn place_of(&mut self, name: &str, record: Option<Versioned>, channel: &str, user: &str) -> Result<(), Stop> {
        if !named(channel, user) || !self.is_channel(channel)? {
            return self.leave_out(name, record, "there is no such channel, or no such name".into());
        }
        let other = format!("c/{channel}/{user}");
        if get(self.rows, &other)?.is_none() {
            self.fault(name, format!("{other} is not there"), "made anew, with nothing read")?;
            self.put(&other, 1, br#"{"read":0}"#)?;
        }
        self.put(name, record.map_or(1, |record| record.version), b"")
    }

    /// `p/`, and by it `a/`.
    fn mark(&mut self, name: &str, record: Option<Versioned>, channel: &str, user: &str) -> Result<(), Stop> {
        if !named(channel, user) || !self.is_channel(channel)? {
            return self.leave_out(name, record, "there is no such channel, or no such name".into());
        }
        let Some(mark) = mark(self.rows, channel, user)? else { return Ok(()) };
        let other = asked_key(channel, user);
        if mark.asks() && get(self.rows, &other)?.is_none() {
            if self.indexed {
                self.fault(name, format!("{other} is not there"), "made anew")?;
            }
            self.put(&other, 1, b"")?;
        }
        match record {
            Some(record) if serde_json::from_slice::<Mark>(&record.value).is_ok() => {
                self.put(name, record.version, &record.value)
            }
            record => {
                if record.is_some() {
                    self.fault(name, "it is no mark", "asked in or shut out, as its other half says")?;
                }
                self.put(name, 1, &serde_json::to_vec(&mark).unwrap_or_default())
            }
        }
    }

    /// `a/`, by `p/`.
    fn asked(&mut self, name: &str, record: Option<Versioned>, channel: &str, user: &str) -> Result<(), Stop> {
        if named(channel, user) && mark(self.rows, channel, user)?.is_some_and(Mark::asks) {
            return self.put(name, record.map_or(1, |record| record.version), b"");
        }
        let why = format!("{} does not say so", mark_key(channel, user));
        self.leave_out(name, record, why)
    }

    fn place(&mut self, name: &str, record: Option<Versioned>, channel: &str) -> Result<(), Stop> {
        if ChannelName::stored(channel).is_err() {
            return self.leave_out(name, record, "no channel has such a name".into());
        }
        let said = record.as_ref().is_some_and(|record| serde_json::from_slice::<Place>(&record.value).is_ok());
        match record {
            Some(record) if said => self.put(name, record.version, &record.value),
            record => {
                if record.is_some() {
                    self.fault(name, "it is nothing that is said of a channel", "made anew, without a title")?;
                }
                let Some(place) = place(self.rows, channel)? else { return Ok(()) };
                self.put(name, 1, &serde_json::to_vec(&place).unwrap_or_default())
            }
        }
    }
}

/// Whether both are names.
fn named(channel: &str, user: &str) -> bool {
    ChannelName::stored(channel).is_ok() && UserName::parse(user).is_ok()
}

/// What stands in for a record that cannot be read, so that nothing opens that was shut; and how that is said.
fn in_place_of(name: &str) -> (Option<String>, &'static str) {
    let now = clock::wall().0;
    match name.split_once('/').map_or(name, |(kind, _)| kind) {
        "user" => {
            // Later than all rounds there were; what other services signed until now is void.
            let round: Value = (now / 1000).into();
            let account = json!({"password": "", "made": now, "disabled": true, "since": now, "round": round});
            (Some(account.to_string()), "a disabled account without a password, to be enabled by an operator")
        }
        "visible" => (Some("off".into()), "the user hides"),
        "keep" => (Some(r#"{"age_s":0,"count":0,"bytes":0}"#.into()), "everything is kept"),
        "void" => (Some(now.saturating_add(LONG_MS).to_string()), "void for ten years"),
        "c" => (None, "made anew, with nothing read"),
        "p" => (None, "asked in or shut out, as its other half says"),
        "place" => (None, "made anew, without a title"),
        "m" | "a" => (None, "made anew"),
        _ => (None, "set aside"),
    }
}
