//! Channels and their messages as objects for people and other programs.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::value::RawValue;

use super::fault::Stop;
use super::job::{Job, Tools, line};
use super::lines;
use super::rows::Object;
use crate::model::{ChannelName, Seq};
use crate::store::{Kept, Mark, Membership, Place, ReadError, Standing, marks_prefix, members_prefix, place_key};

/// Bytes of messages that are read at a time.
const PAGE: usize = 256 << 10;
/// Records that are read at a time.
const RECORDS: usize = 500;
/// Channels that are looked up at a time.
const CHANNELS: usize = 200;

enum Stage {
    Begin,
    Members(Option<String>),
    Marks(Option<String>),
    Messages(Seq),
}

/// An export under way.
pub(super) struct Export {
    tools: Tools,
    /// Those that were asked for, if not all.
    wanted: Option<VecDeque<ChannelName>>,
    after: Option<ChannelName>,
    left: VecDeque<Standing>,
    stage: Stage,
    out: Vec<u8>,
    done: bool,
}

impl Export {
    pub(super) fn new(tools: Tools, channels: &[String]) -> Result<Self, Stop> {
        let wanted: VecDeque<_> = channels.iter().map(|name| lines::channel(name)).collect::<Result<_, _>>()?;
        let wanted = (!channels.is_empty()).then_some(wanted);
        let left = VecDeque::new();
        Ok(Self { tools, wanted, after: None, left, stage: Stage::Begin, out: Vec::new(), done: false })
    }

    /// Looks for more channels; false if there are none.
    fn find(&mut self) -> Result<bool, Stop> {
        match &mut self.wanted {
            Some(wanted) => {
                let Some(name) = wanted.pop_front() else { return Ok(false) };
                let found = self.tools.archive.channel(&name)?;
                self.left.push_back(found.ok_or_else(|| Stop::File(format!("there is no channel {name}")))?);
            }
            None => {
                let (found, last) = self.tools.archive.channels(self.after.as_ref(), CHANNELS)?;
                self.left.extend(found);
                self.after = last;
                return Ok(self.after.is_some());
            }
        }
        Ok(true)
    }

    fn channel(&mut self, of: &Standing) -> Result<Stage, Stop> {
        let place = self.tools.meta.get(&place_key(of.name.as_str()))?;
        let place = place.map_or_else(Place::default, |record| Place::read(&record.value));
        let object = Object {
            channel: of.name.as_str().into(),
            created: Some(of.entry.created.to_string().into()),
            private: Some(place.private),
            title: place.title.map(Cow::Owned),
            epoch: Some((&*of.epoch.0).into()),
            first: Some(of.entry.anchor.seq + 1),
            head: Some(of.entry.head.seq),
            ..Object::default()
        };
        line(&mut self.out, &object)?;
        Ok(Stage::Members(None))
    }

    fn members(&mut self, of: &Standing, after: Option<&str>) -> Result<Stage, Stop> {
        let prefix = members_prefix(of.name.as_str());
        let page = self.tools.meta.list(&prefix, after, RECORDS)?;
        for (name, record) in &page {
            let read = Membership::parse(&record.value).map_or(0, |member| member.read).min(of.entry.head.seq);
            let member = Some(name[prefix.len()..].into());
            let channel = of.name.as_str().into();
            line(&mut self.out, &Object { channel, member, read: Some(read), ..Object::default() })?;
        }
        Ok(page.into_iter().last().map_or(Stage::Marks(None), |(last, _)| Stage::Members(Some(last))))
    }

    fn marks(&mut self, of: &Standing, after: Option<&str>) -> Result<Stage, Stop> {
        let prefix = marks_prefix(of.name.as_str());
        let page = self.tools.meta.list(&prefix, after, RECORDS)?;
        for (name, record) in &page {
            let Mark { role, banned, invited } = Mark::read(&record.value);
            let mark = Some(name[prefix.len()..].into());
            let (role, banned, invited) = (Some(role), Some(banned), Some(invited));
            let channel = of.name.as_str().into();
            line(&mut self.out, &Object { channel, mark, role, banned, invited, ..Object::default() })?;
        }
        let first = Stage::Messages(of.entry.anchor.seq + 1);
        Ok(page.into_iter().last().map_or(first, |(last, _)| Stage::Marks(Some(last))))
    }

    /// The next messages; `None` if there are no more.
    fn messages(&mut self, of: &Standing, from: Seq) -> Result<Option<Stage>, Stop> {
        if from > of.entry.head.seq {
            return Ok(None);
        }
        let page = match self.tools.archive.page(of, from, PAGE) {
            Ok(page) => page,
            Err(ReadError::NoChannel) => return Err(Stop::File(format!("{} was deleted meanwhile", of.name))),
            Err(error) => return Err(error.into()),
        };
        if page.first().is_none_or(|first| first.message.seq != from) {
            return Err(Stop::File(format!("{} was trimmed meanwhile; begin again", of.name)));
        }
        for kept in &page {
            line(&mut self.out, &object(&of.name, kept)?)?;
        }
        Ok(page.last().map(|last| Stage::Messages(last.message.seq + 1)))
    }
}

fn object<'a>(channel: &'a ChannelName, kept: &'a Kept) -> Result<Object<'a>, Stop> {
    let Kept { message, erased } = kept;
    // Between the tokens of a body may be new lines, within them not.
    let body = message.body.replace(['\n', '\r'], " ");
    let body = RawValue::from_string(body).map_err(std::io::Error::from)?;
    Ok(Object {
        channel: channel.as_str().into(),
        seq: Some(message.seq),
        at: Some(message.at.to_string().into()),
        from: Some(message.from.as_str().into()),
        key: message.key.as_ref().map(|key| key.as_str().into()),
        kind: message.kind.as_ref().map(|kind| kind.as_str().into()),
        reply_to: message.reply_to,
        body: Some(Cow::Owned(body)),
        erased: erased.map(|_| true),
        ..Object::default()
    })
}

impl Job for Export {
    fn step(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        if self.done {
            return Ok(None);
        }
        if self.left.is_empty() && !self.find()? {
            self.done = true;
            return Ok(Some(b"{\"end\":{}}\n".to_vec()));
        }
        let Some(of) = self.left.pop_front() else { return Ok(Some(Vec::new())) };
        let next = match std::mem::replace(&mut self.stage, Stage::Begin) {
            Stage::Begin => Some(self.channel(&of)?),
            Stage::Members(after) => Some(self.members(&of, after.as_deref())?),
            Stage::Marks(after) => Some(self.marks(&of, after.as_deref())?),
            Stage::Messages(from) => self.messages(&of, from)?,
        };
        if let Some(next) = next {
            self.stage = next;
            self.left.push_front(of);
        }
        Ok(Some(std::mem::take(&mut self.out)))
    }
}
