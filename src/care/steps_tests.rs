//! Work in steps, and what happens to the store between them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::job::{Order, Tools, begin};
use super::moves_tests::tools;
use super::tests::{channel, fill, open};
use crate::store::conformance::{append, batch, create, wait, write};
use crate::store::{AppendError, Batch, EngineError, MemoryRows, MetaOp, Rows, Store, Visit, keys, size_key};

fn filled() -> Store {
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
    let store = open(&rows);
    fill(&store);
    store
}

/// What is said, line by line; `between` is called before each step.
fn said(order: Order, tools: Tools, mut between: impl FnMut(usize)) -> Vec<Value> {
    let mut job = begin(order, tools).unwrap();
    let (mut out, mut step) = (Vec::new(), 0);
    loop {
        between(step);
        step += 1;
        let Some(lines) = job.step().unwrap() else { break };
        out.extend(lines);
    }
    out.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn erase(user: &str) -> Order {
    Order::Erase { user: user.into(), dry_run: false }
}

#[test]
fn what_was_counted_of_a_channel_goes_with_the_bodies_that_are_erased() {
    let store = filled();
    let meta = store.meta();
    let count = |name: &str| write(&*meta, vec![MetaOp::Put(size_key(name), Bytes::from_static(b"{}"))]).unwrap();
    let is_counted = |name: &str| store.meta().get(&size_key(name)).unwrap().is_some();
    ["a", "b", "p"].into_iter().for_each(count);
    let meta = store.meta();
    let forget = move |name: &crate::model::ChannelName, _: &[u64]| {
        let key = size_key(name.as_str());
        assert_eq!(meta.get(&key).unwrap(), None, "it goes together with the bodies");
        // One who had read the bodies before writes down only now how many bytes they have.
        if name.as_str() == "b" {
            write(&*meta, vec![MetaOp::Put(key, Bytes::from_static(b"{}"))]).unwrap();
        }
    };
    said(erase("bob"), Tools { forget: Arc::new(|_, _| ()), ..tools(&store) }, |_| ());
    assert_eq!(["a", "b", "p"].map(is_counted), [true; 3], "nothing of them was erased");
    said(erase("ann"), Tools { forget: Arc::new(forget), ..tools(&store) }, |_| ());
    assert_eq!(["a", "b", "p"].map(is_counted), [false; 3]);
    let head = store.log().head(&channel("a")).unwrap().unwrap();
    let bodies = store.log().range(&channel("a"), 1, head.seq, 99, usize::MAX).unwrap();
    assert!(bodies.iter().all(|message| &*message.body == "{}"));
}

/// Rows of which one is always gone by the time it is looked up.
struct Gone(MemoryRows, Vec<u8>);

impl Rows for Gone {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        if key == self.1 { Ok(None) } else { self.0.get(key) }
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        self.0.scan(range, reverse, visit)
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        self.0.apply(batch)
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.0.sync()
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.0.reopen()
    }

    fn close(&self) {
        self.0.close();
    }

    fn free_bytes(&self) -> Result<u64, EngineError> {
        self.0.free_bytes()
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.0.bytes_on_disk()
    }
}

#[test]
fn a_channel_that_is_deleted_while_it_is_looked_at_ends_nothing_early() {
    let filled = super::tests::filled();
    let rows = MemoryRows::default();
    let all = super::tests::all(&*filled).into_iter();
    rows.apply(&Batch(all.map(|(key, value)| (key, Some(value))).collect())).unwrap();
    let rows: Arc<dyn Rows> = Arc::new(Gone(rows, keys::channel("a")));
    let store = open(&rows);
    let of = |order| said(order, tools(&store), |_| ()).pop().unwrap();
    assert_eq!(of(Order::Stats)["end"]["channels"], 3);
    assert_eq!(of(Order::Backup)["end"]["channels"], 3);
    assert_eq!(of(erase("ann"))["end"]["channels"], 3);
    let exported = said(Order::Export { channels: Vec::new() }, tools(&store), |_| ());
    assert_eq!(exported.iter().filter(|line| line.get("head").is_some()).count(), 3);
}

#[test]
fn a_channel_that_was_made_anew_since_it_was_looked_at_keeps_its_bodies() {
    let store = filled();
    let (log, name) = (store.log(), channel("a"));
    let before = store.archive().channel(&name).unwrap().unwrap();
    wait(|done| log.delete(&name, done)).unwrap();
    let head = create(&*log, &name).unwrap();
    append(&*log, &name, &head, batch(1, 3, "anew")).unwrap();
    let erased = wait(|done| store.archive().redact(&before, vec![1, 2], done));
    assert_eq!(erased, Err(AppendError::NoChannel));
    assert!(log.range(&name, 1, 3, 9, 999).unwrap().iter().all(|message| &*message.body != "{}"));
}
