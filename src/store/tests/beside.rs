//! A read that is slow up in the middle of its scan, while others write.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::channel as pipe;

use bytes::Bytes;
use parking_lot::Mutex;

use super::super::conformance::{append, batch, create};
use super::super::rows::{Batch, EngineError, Visit};
use super::super::{Failing, Rows, SledRows, keys};
use super::support::{channel, open};

type Act = Box<dyn FnOnce() + Send>;

/// An engine that does something when a scan has passed a row.
struct HeldUp {
    below: Arc<dyn Rows>,
    at: Mutex<Option<(Vec<u8>, Act)>>,
}

impl Rows for HeldUp {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.below.get(key)
    }

    fn scan(&self, range: Range<&[u8]>, reverse: bool, visit: Visit<'_>) -> Result<(), EngineError> {
        self.below.scan(range, reverse, &mut |key, value| {
            let flow = visit(key, value);
            let act = self.at.lock().take_if(|(at, _)| at == key);
            act.into_iter().for_each(|(_, act)| act());
            flow
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), EngineError> {
        self.below.apply(batch)
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.below.sync()
    }

    fn reopen(&self) -> Result<(), EngineError> {
        self.below.reopen()
    }

    fn close(&self) {
        self.below.close();
    }

    fn free_bytes(&self) -> Result<u64, EngineError> {
        self.below.free_bytes()
    }

    fn bytes_on_disk(&self) -> Result<u64, EngineError> {
        self.below.bytes_on_disk()
    }
}

#[test]
fn what_was_being_written_when_a_read_passed_it_is_not_taken_for_damage() {
    let home = tempfile::tempdir().unwrap();
    let (rows, trouble) = Failing::over(Arc::new(SledRows::open(home.path(), 8 << 20).unwrap()));
    let slow = Arc::new(HeldUp { below: rows, at: Mutex::default() });
    let rows: Arc<dyn Rows> = Arc::clone(&slow) as _;
    let store = open(&rows);
    let (log, name) = (store.log(), channel("c"));
    let head = create(&*log, &name).unwrap();
    let head = append(&*log, &name, &head, batch(1, 4, "words")).unwrap();
    // 5 to 8 are there, and not to be seen before they are synced.
    trouble.hold();
    let (tell, told) = pipe();
    log.append(&name, &head, batch(5, 8, "words"), Box::new(move |outcome| drop(tell.send(outcome))));
    trouble.await_held_sync();
    let (writer, there) = (store.log(), name.clone());
    let act = move || {
        trouble.release();
        let head = told.recv().unwrap().unwrap();
        append(&*writer, &there, &head, batch(9, 12, "words")).unwrap();
    };
    *slow.at.lock() = Some((keys::block(1, 8), Box::new(act)));
    assert_eq!(log.range(&name, 1, u64::MAX, 99, usize::MAX), Ok(batch(1, 12, "words")));
}
