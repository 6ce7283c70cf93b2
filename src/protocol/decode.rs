//! From a frame's text to a command.

use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Command, ErrorCode, Hello, History, ID_MAX, Join, Problem, Publish, Start, USERS_MAX, VERSIONS, Watch, json, said,
};
use crate::model::{ChannelName, Cursor, Epoch, Hour, Key, Kind, MAX_SEQ, Seq, UserName};

/// A page's length where the client names none.
const PAGE_DEFAULT: usize = 50;

/// The limits that reading a command needs.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// The longest page.
    pub page_max: usize,
}

/// A frame whose type and id are known.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The client's name for the command.
    pub id: Option<String>,
    /// What it wants to be.
    pub kind: String,
    text: &'a str,
}

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl<'a> Incoming<'a> {
    /// Reads what every frame has. The error carries the id, if that much could be read.
    pub fn read(text: &'a str) -> Result<Self, (Option<String>, Problem)> {
        let bad = |why: String| Problem::bad_frame(why);
        json::check(text).map_err(|why| (None, bad(why)))?;
        let top: Top<'a> = serde_json::from_str(text).map_err(|e| (None, bad(e.to_string())))?;
        let id = match top.id.map(|raw| serde_json::from_str::<String>(raw.get())) {
            None => None,
            Some(Ok(id)) if (1..=ID_MAX).contains(&id.len()) => Some(id),
            Some(_) => return Err((None, bad(format!("id: expected a string of 1 to {ID_MAX} bytes")))),
        };
        match top.r#type.map(|raw| serde_json::from_str::<String>(raw.get())) {
            Some(Ok(kind)) => Ok(Self { id, kind, text }),
            Some(Err(_)) => Err((id, bad("type: expected a string".into()))),
            None => Err((id, bad("type: missing".into()))),
        }
    }

    /// Reads it as a hello; `None` if it is another command.
    pub fn hello(&self) -> Option<Result<Hello, Problem>> {
        (self.kind == "hello").then(|| {
            let raw: said::Hello = self.parse()?;
            if !VERSIONS.contains(&raw.version) {
                let message = format!("version: expected one of {VERSIONS:?}, got {}", raw.version);
                return Err(Problem::new(ErrorCode::VersionUnsupported, message));
            }
            if let Some(wish) = &raw.guest {
                UserName::guest(wish, [0; 5]).map_err(|e| Problem::bad_frame(format!("guest: {e}")))?;
            }
            let client = raw.client.map(|text| text.chars().filter(|c| !c.is_control()).take(128).collect());
            Ok(Hello { token: raw.token, guest: raw.guest, client })
        })
    }

    /// Reads it as a command of `me`.
    pub fn command(&self, me: &UserName, bounds: &Bounds) -> Result<Command, Problem> {
        match self.kind.as_str() {
            "refresh" => Ok(Command::Refresh { token: self.parse::<said::Refresh>()?.token }),
            "join" => self.join(me),
            "leave" => self.leave(me),
            "publish" => self.publish(me, bounds),
            "history" => self.history(me, bounds),
            "presence" => Ok(Command::Presence { users: users(&self.parse::<said::Presence>()?.users)? }),
            "who" => {
                let raw: said::Page = self.parse()?;
                let after = raw.after.as_deref().map(user).transpose()?;
                Ok(Command::Who { channel: channel_of(&raw.channel, me)?, after, limit: page(raw.limit, bounds)? })
            }
            "watch" => Ok(Command::Watch(self.watch(me)?)),
            "unwatch" => Ok(Command::Unwatch(self.watch(me)?)),
            "typing" => Ok(Command::Typing { channel: channel_of(&self.parse::<said::InChannel>()?.channel, me)? }),
            "read" => {
                let raw: said::Read = self.parse()?;
                Ok(Command::Read { channel: channel_of(&raw.channel, me)?, seq: seq("seq", raw.seq)? })
            }
            "channels" => {
                let raw: said::Channels = self.parse()?;
                let after = raw.after.as_deref().map(|name| channel_of(name, me)).transpose()?;
                Ok(Command::Channels { after, limit: page(raw.limit, bounds)? })
            }
            "contacts" => {
                let raw: said::Contacts = self.parse()?;
                let all = |names: Option<Vec<String>>| users(&names.unwrap_or_default());
                Ok(Command::Contacts { add: all(raw.add)?, remove: all(raw.remove)? })
            }
            "visible" => Ok(Command::Visible { on: self.parse::<said::Visible>()?.on }),
            "ping" => Ok(Command::Ping),
            "logout" => Ok(Command::Logout),
            other => {
                if let Some(read) = self.tending(me, bounds) {
                    return read;
                }
                let shown: String = other.chars().take(32).collect();
                Err(Problem::new(ErrorCode::UnknownType, format!("type: {shown:?} is not known")))
            }
        }
    }

    pub(super) fn parse<T: Deserialize<'a>>(&self) -> Result<T, Problem> {
        serde_json::from_str(self.text).map_err(|e| Problem::bad_frame(format!("{}: {e}", self.kind)))
    }

    fn join(&self, me: &UserName) -> Result<Command, Problem> {
        let raw: said::Join = self.parse()?;
        let start = match (raw.since, raw.tail) {
            (Some(_), Some(_)) => return Err(Problem::bad_frame("join: since and tail exclude each other")),
            (Some(since), None) => {
                Start::Since(Cursor { epoch: Epoch(since.0.epoch.as_ref().into()), seq: seq("since", since.0.seq)? })
            }
            (None, Some(tail)) => Start::Tail(tail),
            (None, None) => Start::Stood,
        };
        Ok(Command::Join(Join { channel: channel_of(&raw.channel, me)?, start, member: raw.member.unwrap_or(true) }))
    }

    fn leave(&self, me: &UserName) -> Result<Command, Problem> {
        let raw: said::Leave = self.parse()?;
        let only_session = match raw.only.as_deref() {
            None => false,
            Some("session") => true,
            Some(_) => return Err(Problem::bad_frame("only: expected \"session\"")),
        };
        Ok(Command::Leave { channel: channel_of(&raw.channel, me)?, only_session })
    }

    fn publish(&self, me: &UserName, bounds: &Bounds) -> Result<Command, Problem> {
        let raw: said::Publish = self.parse()?;
        let body = raw.body.get();
        if !body.starts_with('{') {
            return Err(Problem::bad_frame("body: expected an object"));
        }
        if body.len() > bounds.body_bytes {
            let message = format!("body: expected at most {} bytes, got {}", bounds.body_bytes, body.len());
            return Err(Problem::new(ErrorCode::TooLarge, message));
        }
        let key = raw.key.map(|text| Key::new(&text).ok_or_else(|| Problem::bad_frame("key: expected 1 to 64 bytes")));
        let reply_to = raw.reply_to.map(|place| seq("ref", place)).transpose()?;
        if reply_to == Some(0) {
            return Err(Problem::bad_frame("ref: expected at least 1, got 0"));
        }
        Ok(Command::Publish(Publish {
            channel: channel_of(&raw.channel, me)?,
            body: ByteString::from(body),
            key: key.transpose()?,
            base: raw.base.map(|place| seq("base", place)).transpose()?,
            kind: raw.kind.map(|text| kind(&text)).transpose()?,
            reply_to,
        }))
    }

    fn history(&self, me: &UserName, bounds: &Bounds) -> Result<Command, Problem> {
        let raw: said::History = self.parse()?;
        let hour = raw.hour.map(|text| {
            Hour::parse(&text).ok_or_else(|| Problem::bad_frame("hour: expected a UTC hour such as \"2026-11-22T10\""))
        });
        Ok(Command::History(History {
            channel: channel_of(&raw.channel, me)?,
            before: raw.before.map(|place| seq("before", place)).transpose()?,
            after: raw.after.map(|place| seq("after", place)).transpose()?,
            hour: hour.transpose()?,
            limit: page(raw.limit, bounds)?,
        }))
    }

    fn watch(&self, me: &UserName) -> Result<Watch, Problem> {
        let raw: said::Watch = self.parse()?;
        if raw.users.is_none() && raw.channel.is_none() {
            return Err(Problem::bad_frame(format!("{}: expected users or channel", self.kind)));
        }
        let channel = raw.channel.map(|name| channel_of(&name, me)).transpose()?;
        Ok(Watch { users: users(&raw.users.unwrap_or_default())?, channel })
    }
}

pub(super) fn channel_of(text: &str, me: &UserName) -> Result<ChannelName, Problem> {
    ChannelName::parse(text, me).map_err(|e| Problem::bad_frame(format!("channel: {e}")))
}

pub(super) fn user(text: &str) -> Result<UserName, Problem> {
    UserName::parse(text).map_err(|e| Problem::bad_frame(e.to_string()))
}

fn users(names: &[String]) -> Result<Vec<UserName>, Problem> {
    if names.len() > USERS_MAX {
        let message = format!("users: expected at most {USERS_MAX}, got {}", names.len());
        return Err(Problem::new(ErrorCode::TooLarge, message));
    }
    names.iter().map(|name| user(name)).collect()
}

fn seq(member: &str, place: u64) -> Result<Seq, Problem> {
    if place > MAX_SEQ {
        return Err(Problem::bad_frame(format!("{member}: expected at most {MAX_SEQ}, got {place}")));
    }
    Ok(place)
}

pub(super) fn page(limit: Option<u64>, bounds: &Bounds) -> Result<usize, Problem> {
    match limit {
        Some(0) => Err(Problem::bad_frame("limit: expected at least 1, got 0")),
        Some(n) => Ok(usize::try_from(n).unwrap_or(usize::MAX).min(bounds.page_max)),
        None => Ok(PAGE_DEFAULT.min(bounds.page_max)),
    }
}

/// The rule for kinds: an application's own begin with `x-`; a few are reserved (protocol, section 2).
fn kind(text: &str) -> Result<Kind, Problem> {
    if matches!(text, "edit" | "delete" | "reaction") || text.starts_with("server.") {
        return Err(Problem::new(ErrorCode::Forbidden, format!("kind: {text:.64} is reserved")));
    }
    let own = text.strip_prefix("x-").is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_control));
    own.then(|| Kind::new(text)).flatten().ok_or_else(|| Problem::bad_frame("kind: expected x-… of at most 64 bytes"))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decode_damaged_tests.rs"]
mod damaged_tests;
