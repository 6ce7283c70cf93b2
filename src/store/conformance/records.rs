//! Cases of the small records.

use std::sync::mpsc;

use bytes::Bytes;

use super::{Case, Outcome, Rig, same, value, write};
use crate::store::{MetaOp, ReadError, WriteError};

pub(super) const CASES: &[Case] = &[
    ("a record is made once and swapped at its version", versions),
    ("a write happens wholly or not at all", atomic),
    ("records are listed by prefix, page by page", listing),
    ("those who watch hear of what was written below their prefix", watching),
    ("a record that does not fit is refused", sizes),
    ("a closed store refuses", closed),
];

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put(key: &str, text: &str) -> MetaOp {
    MetaOp::Put(key.into(), bytes(text))
}

fn versions(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let meta = store.meta();
    let make = || vec![MetaOp::Create("a".into(), bytes("1"))];
    same!(meta.get("a")?, None, "an unknown record");
    write(&*meta, make())?;
    same!(write(&*meta, make()), Err(WriteError::Conflict("a".into())), "made again");
    write(&*meta, vec![MetaOp::Swap("a".into(), 1, bytes("2"))])?;
    let stale = vec![MetaOp::Swap("a".into(), 1, bytes("3"))];
    same!(write(&*meta, stale), Err(WriteError::Conflict("a".into())), "a stale swap");
    write(&*meta, vec![put("a", "4"), MetaOp::Swap("b".into(), 0, bytes("b"))])?;
    same!(value(meta.get("a")?), Some((3, "4".into())), "after a put");
    same!(value(meta.get("b")?), Some((1, "b".into())), "a swap of nothing");
    store.close()?;
    let store = rig.open()?;
    same!(value(store.meta().get("a")?), Some((3, "4".into())), "after reopening");
    write(&*store.meta(), vec![MetaOp::Remove("a".into()), MetaOp::Remove("never".into())])?;
    same!(store.meta().get("a")?, None, "removed");
    Ok(store.close()?)
}

fn atomic(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let meta = store.meta();
    let mixed = vec![put("a", "1"), MetaOp::Remove("c".into()), MetaOp::Swap("b".into(), 7, bytes("x"))];
    write(&*meta, vec![put("c", "kept")])?;
    same!(write(&*meta, mixed), Err(WriteError::Conflict("b".into())), "a write whose last part fails");
    same!((value(meta.get("a")?), value(meta.get("c")?)), (None, Some((1, "kept".into()))), "what it left");
    let chain = vec![MetaOp::Create("d".into(), bytes("1")), MetaOp::Swap("d".into(), 1, bytes("2")), put("d", "3")];
    write(&*meta, chain)?;
    same!(value(meta.get("d")?), Some((3, "3".into())), "parts that build on each other");
    write(&*meta, vec![MetaOp::Remove("d".into()), MetaOp::Create("d".into(), bytes("new"))])?;
    same!(value(meta.get("d")?), Some((1, "new".into())), "removed and made again");
    Ok(store.close()?)
}

fn listing(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let meta = store.meta();
    let names: Vec<String> = (0..30).map(|n| format!("m/{n:02}")).collect();
    write(&*meta, names.iter().map(|name| put(name, "x")).chain([put("l/9", "x"), put("m0", "x")]).collect())?;
    let (mut found, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let page = meta.list("m/", after.as_deref(), 7)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page.into_iter().map(|(name, _)| name));
    }
    same!(found, names, "all below the prefix");
    same!(meta.list("", None, 99)?.len(), 32, "everything");
    same!(meta.list("m/", None, 0)?.len(), 0, "none of it");
    Ok(store.close()?)
}

fn watching(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let meta = store.meta();
    let (tell, told) = mpsc::channel();
    meta.watch("a/", Box::new(move |name, record| drop(tell.send((name.to_owned(), value(record.cloned()))))));
    write(&*meta, vec![put("a/1", "x"), put("b/1", "x")])?;
    let _ = write(&*meta, vec![put("a/2", "x"), MetaOp::Create("a/1".into(), bytes("y"))]);
    write(&*meta, vec![MetaOp::Remove("a/1".into()), MetaOp::Remove("a/9".into())])?;
    let heard: Vec<_> = told.try_iter().collect();
    same!(heard, vec![("a/1".to_owned(), Some((1, "x".to_owned()))), ("a/1".to_owned(), None)], "what was heard");
    Ok(store.close()?)
}

fn sizes(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let meta = store.meta();
    let most = 64 * 1024 - 16;
    write(&*meta, vec![put("a", &"x".repeat(most - 1))])?;
    same!(meta.get("a")?.map(|record| record.value.len()), Some(most - 1), "the largest");
    same!(write(&*meta, vec![put("a", &"x".repeat(most))]), Err(WriteError::TooLarge(most + 1)), "one larger");
    Ok(store.close()?)
}

fn closed(rig: &Rig) -> Outcome {
    let store = rig.open()?;
    let meta = store.meta();
    store.close()?;
    same!(write(&*meta, vec![put("a", "x")]), Err(WriteError::Unavailable("it is closed".into())), "a late write");
    let read = meta.get("a");
    same!(matches!(read, Ok(None) | Err(ReadError::Unavailable(_))), true, "a late read is none or refused");
    Ok(())
}
