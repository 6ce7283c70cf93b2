//! A user's channels with what is unread there, by pages.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Session;
use super::queries::{settle_later, unread_now, written};
use crate::model::{ChannelName, Grants, UserName};
use crate::store::{
    ChannelLog, Mark, Membership, Meta, Place, ReadError, Unread, mark_key, member_key, place_key, places_prefix,
};

/// How many unread messages are counted at most (protocol, section 2).
pub(super) const UNREAD_MAX: u64 = 1000;
/// How many messages one page has looked at, at most, beyond its last channel's.
const LOOKED_AT_MAX: u64 = 100_000;

/// Answers `channels`.
pub(super) fn channels(session: &Session, ticket: u64, after: Option<ChannelName>, limit: usize) {
    let context = &session.worker.app.context;
    let Some(user) = session.user().cloned() else { return };
    let (log, meta) = (Arc::clone(&context.log), Arc::clone(&context.meta));
    let grants = session.cell.borrow().grants.clone();
    let read = context.reads.run(move || {
        let whose = Whose { log: &*log, meta: &*meta, user: &user, grants: &grants };
        let (rows, more) = whose.page(after.as_ref(), limit, LOOKED_AT_MAX)?;
        written(&json!({ "channels": rows, "more": more }))
    });
    settle_later(&session.cell, ticket, "channels", async move { read.await.map_err(unread_now) });
}

/// Whose channels are asked for, and where they are found.
struct Whose<'a> {
    log: &'a dyn ChannelLog,
    meta: &'a dyn Meta,
    user: &'a UserName,
    grants: &'a Grants,
}

impl Whose<'_> {
    /// Those that follow `after`, at most `limit`, and whether more follow. It ends early, but not before it has one, once
    /// `most` messages were looked at to count the unread ones.
    fn page(&self, after: Option<&ChannelName>, limit: usize, most: u64) -> Result<(Vec<Value>, bool), ReadError> {
        let prefix = places_prefix(self.user.as_str());
        let (mut rows, mut looked_at) = (Vec::new(), 0);
        let (mut after, mut more) = (after.map(|name| format!("{prefix}{name}")), true);
        while more {
            let page = self.meta.list(&prefix, after.as_deref(), limit.saturating_add(1))?;
            more = page.len() > limit;
            after = page.last().map(|(key, _)| key.clone());
            for channel in page.iter().map(|(key, _)| &key[prefix.len()..]).filter(|name| self.grants.hold(name)) {
                if rows.len() == limit || (looked_at >= most && !rows.is_empty()) {
                    return Ok((rows, true));
                }
                if let Some((row, more)) = self.row(channel)? {
                    rows.push(row);
                    looked_at += more;
                }
            }
        }
        Ok((rows, false))
    }

    /// One of the user's channels, and how many messages were looked at for it; `None` if it is no more.
    fn row(&self, channel: &str) -> Result<Option<(Value, u64)>, ReadError> {
        let Self { log, meta, user, .. } = self;
        let Ok(channel) = ChannelName::stored(channel) else { return Ok(None) };
        let Some(head) = log.head(&channel)? else { return Ok(None) };
        let record = meta.get(&member_key(channel.as_str(), user.as_str()))?;
        let Some(Membership { read }) = record.and_then(|record| Membership::parse(&record.value)) else {
            return Ok(None);
        };
        let place = meta.get(&place_key(channel.as_str()))?.map(|record| Place::read(&record.value));
        let place = place.unwrap_or_default();
        if place.ending {
            return Ok(None);
        }
        let mark = meta.get(&mark_key(channel.as_str(), user.as_str()))?;
        let mark = mark.map(|record| Mark::read(&record.value)).unwrap_or_default();
        let Unread { count, looked_at } = log.unread(&channel, user, read, UNREAD_MAX)?;
        let mut row = json!({
            "channel": channel, "epoch": head.epoch, "head": head.seq, "read": read, "unread": count, "role": mark.role,
        });
        if let Some(title) = place.title {
            row["title"] = title.into();
        }
        Ok(Some((row, looked_at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::store::conformance::{append, batch, create, write};
    use crate::store::{MemoryRows, Store};
    use crate::supervise::Probes;

    #[test]
    fn a_page_ends_at_its_limit_or_where_too_much_would_be_looked_at_and_nothing_is_left_out() {
        let store = Store::on(Arc::new(MemoryRows::default()), &Config::default().store, &Probes::default()).unwrap();
        let (log, meta) = (store.log(), store.meta());
        let user = UserName::parse("zoe").unwrap();
        for n in 0..9 {
            let name = ChannelName::stored(&format!("c{n}")).unwrap();
            let head = create(&*log, &name).unwrap();
            append(&*log, &name, &head, batch(1, 10, "words")).unwrap();
            write(&*meta, Membership::begin(&name, "zoe", 0).to_vec()).unwrap();
        }
        // One that is no more.
        write(&*meta, Membership::begin(&ChannelName::stored("c33").unwrap(), "zoe", 0).to_vec()).unwrap();
        let pages = |grants: &Grants, limit, most| {
            let whose = Whose { log: &*log, meta: &*meta, user: &user, grants };
            let (mut all, mut sizes, mut more) = (Vec::<ChannelName>::new(), Vec::new(), true);
            while more {
                let (rows, follows) = whose.page(all.last(), limit, most).unwrap();
                sizes.push(rows.len());
                assert!(rows.iter().all(|row| row["unread"] == 10), "{rows:?}");
                all.extend(rows.iter().map(|row| ChannelName::stored(row["channel"].as_str().unwrap()).unwrap()));
                more = follows;
            }
            (all.iter().map(ToString::to_string).collect::<Vec<_>>(), sizes)
        };
        let all: Vec<String> = (0..9).map(|n| format!("c{n}")).collect();
        assert_eq!(pages(&Grants::Any, 4, 1000), (all.clone(), vec![4, 4, 1]));
        assert_eq!(pages(&Grants::Any, 9, 1000), (all.clone(), vec![9]));
        assert_eq!(pages(&Grants::Any, 100, 25), (all.clone(), vec![3, 3, 3]));
        assert_eq!(pages(&Grants::Any, 100, 0).1, [1; 9]);
        let some = Grants::Only(vec!["c7".into(), "c2".into()]);
        assert_eq!(pages(&some, 1, 1000).0, ["c2", "c7"]);
    }
}
