//! The names of all channels but direct ones, those that are everyone's apart from those that are not: so that a list costs
//! what it shows. A name is entered with its channel and goes with it, in the same commit.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::commit::open_meta;
use super::entry::Entry;
use super::keys;
use super::life;
use super::places::{Mark, Place, asked_key, place_key};
use super::rows::{Batch, EngineError, Rows};
use super::seal;
use super::{Versioned, commit};
use crate::model::ChannelName;

/// How many rows are read before what they come to is written.
const BITE: usize = 1000;

/// Where the name of a channel stands of which this is said; `None` for a direct one, which stands nowhere.
pub(super) fn key(name: &str, place: Option<&Versioned>) -> Option<Vec<u8>> {
    let private = place.is_some_and(|place| Place::read(&place.value).private);
    (!name.starts_with('@')).then(|| keys::listed(private, name))
}

/// Enters what a store of an earlier format holds, once: the names, and in which channels users were asked in or have a
/// rank.
pub(super) fn complete(rows: &dyn Rows) -> Result<(), EngineError> {
    if life::is_indexed(rows)? {
        return Ok(());
    }
    each(rows, keys::channels(None), |key, value, batch| {
        let Some(name) = keys::name(key).filter(|name| ChannelName::stored(name).is_ok()) else { return Ok(()) };
        let Ok(entry) = Entry::open(key, value) else { return Ok(()) };
        let place = record(rows, &place_key(name))?;
        if let Some(key) = self::key(name, place.as_ref()) {
            let value = seal::number(&key, entry.id);
            batch.put(key, value);
        }
        Ok(())
    })?;
    each(rows, keys::metas("p/", None), |key, value, batch| {
        let parts = keys::name(key).and_then(|name| name.strip_prefix("p/")?.rsplit_once('/'));
        if let (Some((channel, user)), Ok(record)) = (parts, open_meta(key, value))
            && Mark::read(&record.value).asks()
        {
            let key = keys::meta(&asked_key(channel, user));
            let value = commit::seal_meta(&key, &Versioned { version: 1, value: Bytes::new() });
            batch.put(key, value);
        }
        Ok(())
    })?;
    life::indexed(rows)
}

fn record(rows: &dyn Rows, name: &str) -> Result<Option<Versioned>, EngineError> {
    let key = keys::meta(name);
    // One that cannot be read keeps strangers out.
    let damaged = || Versioned { version: 0, value: Bytes::from_static(b"damaged") };
    Ok(rows.get(&key)?.map(|value| open_meta(&key, &value).unwrap_or_else(|_| damaged())))
}

/// Goes through the rows of `range`, and writes what `enter` makes of some of them before it reads more.
fn each(
    rows: &dyn Rows,
    mut range: std::ops::Range<Vec<u8>>,
    enter: impl Fn(&[u8], &[u8], &mut Batch) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    loop {
        let mut page: Vec<(Bytes, Bytes)> = Vec::new();
        rows.scan(&range.start..&range.end, false, &mut |key, value| {
            page.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            if page.len() < BITE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        range.start = [last, &[0][..]].concat();
        let mut batch = Batch::default();
        page.iter().try_for_each(|(key, value)| enter(key, value, &mut batch))?;
        rows.apply(&batch)?;
        rows.sync()?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::conformance::{create, write};
    use super::super::tests::support::{channel, open};
    use super::super::{ChannelLog, MemoryRows, Meta, asked_prefix};
    use super::*;
    use crate::model::Role;

    /// Two private channels of which one is bob's, one that is everyone's, and a direct one.
    fn fill(log: &dyn ChannelLog, meta: &dyn Meta) {
        let place = Place { private: true, ..Place::default() };
        let mut ops = vec![place.write(&channel("b")), place.write(&channel("c"))];
        ops.extend(Mark { role: Role::Owner, ..Mark::default() }.write(&channel("b"), "bob"));
        ops.extend(Mark { role: Role::Muted, ..Mark::default() }.write(&channel("c"), "bob"));
        write(meta, ops).unwrap();
        ["a", "b", "c", "@ann:bob"].iter().for_each(|name| drop(create(log, &channel(name)).unwrap()));
    }

    #[test]
    fn what_an_earlier_format_holds_is_entered_once() {
        let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
        let store = open(&rows);
        fill(&*store.log(), &*store.meta());
        store.close().unwrap();
        // As it would stand there without the index.
        let mut batch = Batch::default();
        for (private, name) in [(false, "a"), (true, "b"), (true, "c")] {
            let key = keys::listed(private, name);
            assert!(rows.get(&key).unwrap().is_some(), "{name}");
            batch.remove(key);
        }
        batch.remove(keys::meta("a/bob/b"));
        batch.remove(keys::store("indexed"));
        rows.apply(&batch).unwrap();
        for _ in 0..2 {
            let store = open(&rows);
            let names = |private| store.log().names(private, "", None, 99).unwrap();
            assert_eq!((names(false), names(true)), (vec![channel("a")], vec![channel("b"), channel("c")]));
            let asked = store.meta().list(&asked_prefix("bob"), None, 99).unwrap();
            assert_eq!(asked.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), ["a/bob/b"]);
            store.close().unwrap();
        }
        rows.apply(&batch).unwrap();
        complete(&*rows).unwrap();
        let mut again = Batch::default();
        again.remove(keys::listed(false, "a"));
        rows.apply(&again).unwrap();
        complete(&*rows).unwrap();
        assert!(rows.get(&keys::listed(false, "a")).unwrap().is_none(), "not twice");
    }

    #[test]
    fn a_store_of_many_channels_is_entered_in_bites() {
        let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
        let store = open(&rows);
        let log = store.log();
        let most = BITE + 7;
        (0..most).for_each(|n| drop(create(&*log, &channel(&format!("c{n}"))).unwrap()));
        store.close().unwrap();
        let mut batch = Batch::default();
        (0..most).for_each(|n| batch.remove(keys::listed(false, &format!("c{n}"))));
        batch.remove(keys::store("indexed"));
        rows.apply(&batch).unwrap();
        assert_eq!(open(&rows).log().names(false, "", None, usize::MAX).unwrap().len(), most);
    }
}
