//! Channels as someone sees them who is not in them: one, or all of them by pages. Blocks on the disk.
//!
//! A page is put together from lists that hold little else than what it shows, so that it costs what it shows, however
//! many channels there are.

use std::collections::BTreeSet;

use super::rights::Bearing;
use crate::model::{Caller, ChannelName, Grants, Standing, UserName};
use crate::store::{
    ChannelLog, Head, Mark, Meta, Place, ReadError, asked_prefix, mark_key, member_key, place_key, places_prefix,
};

/// A channel as someone sees it who is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What is said of it.
    pub place: Place,
    /// Whether they are shut out.
    pub banned: bool,
}

/// What someone sees of a channel that has a log; `None` if it is not there, as far as they are concerned.
pub fn seen(meta: &dyn Meta, channel: &ChannelName, caller: &Caller) -> Result<Option<Seen>, ReadError> {
    let (user, standing) = (&caller.user, caller.grants.in_channel(channel, caller.standing));
    if standing == Standing::Barred {
        return Ok(None);
    }
    if let Some((one, other)) = channel.parties() {
        let theirs = standing != Standing::Guest && (*user == one || *user == other);
        return Ok(theirs.then(|| Seen { place: Place::default(), banned: false }));
    }
    let place = meta.get(&place_key(channel.as_str()))?;
    let place = place.map(|record| Place::read(&record.value)).unwrap_or_default();
    if place.ending {
        return Ok(None);
    }
    let mark = meta.get(&mark_key(channel.as_str(), user.as_str()))?;
    let mark = mark.map(|record| Mark::read(&record.value)).unwrap_or_default();
    let member = place.private && meta.get(&member_key(channel.as_str(), user.as_str()))?.is_some();
    let bearing = Bearing { mark, member, standing };
    let banned = mark.banned && standing != Standing::Operator;
    Ok(bearing.sees(place.private).then_some(Seen { place, banned }))
}

/// Channels in the order of their names, and whether more follow.
pub type Page = (Vec<(ChannelName, Head, Place)>, bool);

/// Channels that someone sees, those whose names follow `after`, ascending, at most `limit`. Of direct ones those to
/// which they belong.
pub fn list(
    log: &dyn ChannelLog,
    meta: &dyn Meta,
    caller: &Caller,
    after: Option<&ChannelName>,
    limit: usize,
) -> Result<Page, ReadError> {
    let shelves = Shelf::of(caller);
    let (mut found, mut after, mut more) = (Vec::new(), after.map(|name| name.as_str().to_owned()), true);
    while more && found.len() <= limit {
        // The first of all are among the first of each.
        let mut names = BTreeSet::new();
        for shelf in &shelves {
            names.extend(shelf.names(log, meta, &caller.user, after.as_deref(), limit + 1)?);
        }
        more = names.len() > limit;
        for name in names.into_iter().take(limit + 1) {
            after = Some(name.as_str().to_owned());
            if let Some(head) = log.head(&name)?
                && let Some(seen) = seen(meta, &name, caller)?
            {
                found.push((name, head, seen.place));
            }
            if found.len() > limit {
                break;
            }
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

/// Where names are looked for that someone may see; a name may stand on several.
#[derive(Debug, PartialEq, Eq)]
enum Shelf {
    /// Channels that begin so, and are there for everyone or are not.
    Named { private: bool, prefix: String },
    /// The one of this name.
    One(ChannelName),
    /// Those that begin so and to which one belongs.
    Own(String),
    /// Those that are there for one though one does not belong to them.
    Asked,
}

impl Shelf {
    fn of(caller: &Caller) -> Vec<Self> {
        let open = |prefix: &str| Self::Named { private: false, prefix: prefix.to_owned() };
        let private = |prefix: &str| Self::Named { private: true, prefix: prefix.to_owned() };
        let direct = || Self::Own("@".into());
        let names = match &caller.grants {
            Grants::Any if caller.standing == Standing::Operator => return vec![open(""), private(""), direct()],
            Grants::Any => return vec![open(""), Self::Own(String::new()), Self::Asked],
            Grants::Only(names) => names,
        };
        let mut shelves = Vec::new();
        for name in names {
            match name.strip_suffix('*') {
                None => shelves.extend(ChannelName::stored(name).ok().map(Self::One)),
                Some(beginning) if beginning.starts_with('@') => shelves.push(Self::Own(beginning.to_owned())),
                Some(beginning) => {
                    shelves.extend([open(beginning), private(beginning)]);
                    shelves.extend(beginning.is_empty().then(direct));
                }
            }
        }
        shelves
    }

    /// The names on it that follow `after`, ascending, at most `max`.
    fn names(
        &self,
        log: &dyn ChannelLog,
        meta: &dyn Meta,
        user: &UserName,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<ChannelName>, ReadError> {
        let own = |prefix: String, beginning: &str| {
            let after = after.map(|after| format!("{prefix}{after}"));
            let page = meta.list(&format!("{prefix}{beginning}"), after.as_deref(), max)?;
            Ok(page.iter().filter_map(|(key, _)| ChannelName::stored(&key[prefix.len()..]).ok()).collect())
        };
        match self {
            Self::Named { private, prefix } => log.names(*private, prefix, after, max),
            Self::One(name) => {
                Ok(if after.is_none_or(|after| name.as_str() > after) { vec![name.clone()] } else { Vec::new() })
            }
            Self::Own(beginning) => own(places_prefix(user.as_str()), beginning),
            Self::Asked => own(asked_prefix(user.as_str()), ""),
        }
    }
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
