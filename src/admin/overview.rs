//! Channels as operators see them: one, or the first of all of them in some order. Blocks on the disk.
//!
//! A step looks at so many names, and reads so many records, and no more; whoever wants all of them takes step after step.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use crate::channel::Glance;
use crate::config;
use crate::model::maps::HashMap;
use crate::model::{ChannelName, Epoch, Seq};
use crate::retention::{Bounds, counted, measure};
use crate::store::{ChannelLog, Head, Keep, Meta, Place, ReadError, keep_key, members_prefix, place_key};

/// How many names are looked at in one step.
const STEP: usize = 500;
/// How many memberships are counted in one step, and of one sleeping channel.
const MEMBERS: usize = 10_000;
/// How many messages are looked at to know the bytes of the channels of one answer.
pub(super) const MESSAGES: u64 = 20_000;

/// A channel as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ChannelView)]
pub(crate) struct Row {
    channel: ChannelName,
    kind: &'static str,
    active: bool,
    epoch: Epoch,
    head: Seq,
    first: Seq,
    members: usize,
    online: usize,
    rate: f64,
    bytes: u64,
    retention: Bounds,
}

/// Where the store is, and what was said of retention.
pub(super) struct Shelf<'a> {
    pub(super) log: &'a dyn ChannelLog,
    pub(super) meta: &'a dyn Meta,
    pub(super) retention: &'a config::Retention,
}

impl Shelf<'_> {
    /// One channel; `None` if it is not there. To know its bytes no more than `most` messages are looked at.
    pub(super) fn row(
        &self,
        channel: ChannelName,
        glance: Option<Glance>,
        most: &mut u64,
    ) -> Result<Option<Row>, ReadError> {
        let Some((head, place)) = self.found(&channel)? else { return Ok(None) };
        let members = match glance.and_then(|glance| glance.members) {
            Some(members) => members,
            None => self.members(&channel, MEMBERS)?,
        };
        Ok(Some(Row {
            kind: kind(&channel, &place),
            active: glance.is_some(),
            head: head.seq,
            first: head.first,
            members,
            online: glance.map_or(0, |glance| glance.online),
            rate: glance.map_or(0.0, |glance| glance.rate),
            bytes: self.bytes(&channel, &head, most)?,
            retention: Bounds::of(self.retention, self.keep(&channel)?),
            epoch: head.epoch,
            channel,
        }))
    }

    /// Where a channel's log stands; `None` if it is not there.
    pub(super) fn there(&self, channel: &ChannelName) -> Result<Option<Head>, ReadError> {
        Ok(self.found(channel)?.map(|(head, _)| head))
    }

    fn found(&self, channel: &ChannelName) -> Result<Option<(Head, Place)>, ReadError> {
        let Some(head) = self.head(channel)? else { return Ok(None) };
        let place = self.meta.get(&place_key(channel.as_str()))?;
        let place = place.map(|record| Place::read(&record.value)).unwrap_or_default();
        Ok((!place.ending).then_some((head, place)))
    }

    fn keep(&self, channel: &ChannelName) -> Result<Keep, ReadError> {
        let record = self.meta.get(&keep_key(channel.as_str()))?;
        Ok(record.map(|record| Keep::read(&record.value)).unwrap_or_default())
    }

    /// What was counted, and what came since as far as it may be looked at.
    fn bytes(&self, channel: &ChannelName, head: &Head, most: &mut u64) -> Result<u64, ReadError> {
        let mut size = counted(self.meta, channel, head)?;
        // What is damaged, or was shortened meanwhile, does not hide what is known.
        let _ = measure(self.log, channel, head, &mut size, most);
        Ok(size.bytes)
    }

    /// The head of a log that can be read.
    fn head(&self, channel: &ChannelName) -> Result<Option<Head>, ReadError> {
        match self.log.head(channel) {
            Err(ReadError::Damaged(_)) => Ok(None),
            head => head,
        }
    }

    /// How many belong to a sleeping channel, as far as `most`.
    fn members(&self, channel: &ChannelName, most: usize) -> Result<usize, ReadError> {
        Ok(self.meta.list(&members_prefix(channel.as_str()), None, most)?.len())
    }

    /// Looks at the names that follow `walk.after`.
    pub(super) fn step(&self, mut walk: Walk) -> Result<Walk, ReadError> {
        let names = self.log.all_names(walk.after.as_deref(), STEP)?;
        walk.over = names.len() < STEP;
        let mut records = 0;
        for name in names {
            walk.after = Some(name.as_str().to_owned());
            if walk.search.as_ref().is_some_and(|part| !name.as_str().contains(part)) {
                continue;
            }
            walk.count += 1;
            if walk.from.as_ref().is_some_and(|from| name.as_str() <= from.as_str()) {
                continue;
            }
            let glance = walk.active.get(&name);
            let weight = match walk.sort {
                Sort::Name => 0.0,
                Sort::Rate => glance.map_or(0.0, |glance| glance.rate),
                Sort::Online => glance.map_or(0.0, |glance| glance.online as f64),
                Sort::Head => self.head(&name)?.map_or(0.0, |head| head.seq as f64),
                Sort::Bytes => match self.head(&name)? {
                    Some(head) => counted(self.meta, &name, &head)?.bytes as f64,
                    None => 0.0,
                },
                Sort::Members => match glance.and_then(|glance| glance.members) {
                    Some(members) => members as f64,
                    None => {
                        let members = self.members(&name, MEMBERS)?;
                        records += members;
                        members as f64
                    }
                },
            };
            walk.take(weight, name);
            if records >= MEMBERS {
                walk.over = false;
                break;
            }
        }
        walk.cut();
        Ok(walk)
    }
}

fn kind(channel: &ChannelName, place: &Place) -> &'static str {
    match channel.is_direct() {
        true => "direct",
        false if place.private => "private",
        false => "public",
    }
}

/// In which order channels are wanted: by name, or the highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Rate,
    Members,
    Online,
    Bytes,
    Head,
}

impl FromStr for Sort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "name" => Self::Name,
            "rate" => Self::Rate,
            "members" => Self::Members,
            "online" => Self::Online,
            "bytes" => Self::Bytes,
            "head" => Self::Head,
            _ => return Err(()),
        })
    }
}

/// A walk over all names, in steps, and what was found so far.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) sort: Sort,
    pub(super) search: Option<String>,
    /// Only names that follow this one are wanted.
    pub(super) from: Option<String>,
    pub(super) limit: usize,
    /// What the active channels showed when it began.
    pub(super) active: HashMap<ChannelName, Glance>,
    after: Option<String>,
    /// Whether every name was looked at.
    pub(super) over: bool,
    /// How many names there are that were searched for.
    pub(super) count: usize,
    /// How many of them are wanted.
    wanted: usize,
    best: Vec<(f64, ChannelName)>,
}

impl Walk {
    pub(super) fn new(sort: Sort, limit: usize, active: HashMap<ChannelName, Glance>) -> Self {
        let (search, from, after) = (None, None, None);
        Self { sort, search, from, limit, active, after, over: false, count: 0, wanted: 0, best: Vec::new() }
    }

    fn take(&mut self, weight: f64, name: ChannelName) {
        self.wanted += 1;
        self.best.push((weight, name));
    }

    /// Keeps no more than are wanted.
    fn cut(&mut self) {
        self.best.sort_by(|(one, a), (other, b)| other.total_cmp(one).then_with(|| a.as_str().cmp(b.as_str())));
        self.best.truncate(self.limit);
    }

    /// Whether more would follow.
    pub(super) fn more(&self) -> bool {
        !self.over || self.wanted > self.best.len()
    }

    /// The channels that were found, in order, with what they showed.
    pub(super) fn found(self) -> Vec<(ChannelName, Option<Glance>)> {
        let Self { best, active, .. } = self;
        best.into_iter()
            .map(|(_, name)| (active.get(&name).copied(), name))
            .map(|(glance, name)| (name, glance))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_walk_keeps_the_highest_and_says_whether_there_are_more(
            weights in prop::collection::vec(0..6_u8, 0..40), limit in 1..20_usize, cuts in 1..7_usize,
        ) {
            let name = |n: usize| ChannelName::stored(&format!("c{n:02}")).unwrap();
            let mut walk = Walk::new(Sort::Head, limit, HashMap::default());
            for (n, weight) in weights.iter().enumerate() {
                walk.take(f64::from(*weight), name(n));
                if n % cuts == 0 {
                    walk.cut();
                }
            }
            walk.cut();
            walk.over = true;
            prop_assert_eq!(walk.more(), weights.len() > limit);
            let mut all: Vec<_> = (0..weights.len()).collect();
            all.sort_by_key(|n| (std::cmp::Reverse(weights[*n]), *n));
            let found: Vec<_> = walk.found().into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(found, all.into_iter().take(limit).map(name).collect::<Vec<_>>());
        }
    }
}
