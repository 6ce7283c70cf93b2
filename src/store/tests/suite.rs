//! The conformance suite on every engine that there is.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::super::conformance::{append, batch, create, wait};
use super::super::{Failing, MemoryRows, Rows, SledRows, conformance, keys};
use super::support::{channel, open};

#[test]
fn the_memory_engine_conforms() {
    conformance::run(|| Arc::new(MemoryRows::default())).unwrap();
}

#[test]
fn the_sled_engine_conforms() {
    let homes = tempfile::tempdir().unwrap();
    let next = std::cell::Cell::new(0);
    conformance::run(|| {
        next.set(next.get() + 1);
        Arc::new(SledRows::open(&homes.path().join(next.get().to_string()), 8 << 20).unwrap())
    })
    .unwrap();
}

#[test]
fn the_failing_shim_conforms_while_nothing_is_armed() {
    conformance::run(|| Failing::over(Arc::new(MemoryRows::default())).0).unwrap();
    let homes = tempfile::tempdir().unwrap();
    let next = std::cell::Cell::new(0);
    conformance::run(|| {
        next.set(next.get() + 1);
        let sled = SledRows::open(&homes.path().join(next.get().to_string()), 8 << 20).unwrap();
        Failing::over(Arc::new(sled)).0
    })
    .unwrap();
}

#[test]
fn blocks_that_were_appended_one_by_one_are_joined_when_they_leave_the_journal() {
    let home = tempfile::tempdir().unwrap();
    let rows: Arc<dyn Rows> = Arc::new(SledRows::open(home.path(), 8 << 20).unwrap().settled_at(20_000));
    let store = open(&rows);
    let (log, name) = (store.log(), channel("c"));
    let mut head = create(&*log, &name).unwrap();
    let range = keys::blocks(1, 0);
    let mut blocks = usize::MAX;
    // They leave it beside the appends, sooner or later.
    while head.seq < 400 || (blocks >= 200 && head.seq < 20_000) {
        for seq in head.seq + 1..=head.seq + 100 {
            head = append(&*log, &name, &head, batch(seq, seq, "words")).unwrap();
        }
        blocks = 0;
        rows.scan(&range.start..&range.end, false, &mut |_, _| {
            blocks += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    assert!(blocks < 200, "{blocks} blocks of {} messages", head.seq);
    assert_eq!(store.verify(&name).unwrap(), head);
    assert_eq!(log.tail(&name, 400).unwrap(), batch(head.seq - 399, head.seq, "words"));
    // One that was joined is rewritten as a whole.
    wait(|done| log.redact(&name, 5, done)).unwrap();
    wait(|done| log.trim(&name, 4, done)).unwrap();
    let left = log.range(&name, 1, 6, 9, usize::MAX).unwrap();
    assert_eq!(left.iter().map(|m| (m.seq, &*m.body == "{}")).collect::<Vec<_>>(), [(4, false), (5, true), (6, false)]);
}

#[test]
fn readers_beside_appends_and_trims_never_see_a_hole() {
    // In the journal, in sled, and on the way from one to the other.
    for settled in [usize::MAX, 0, 3000] {
        no_hole(settled);
    }
}

fn no_hole(settled: usize) {
    let home = tempfile::tempdir().unwrap();
    let rows: Arc<dyn Rows> = Arc::new(SledRows::open(home.path(), 8 << 20).unwrap().settled_at(settled));
    let store = open(&rows);
    let (log, name) = (store.log(), channel("c"));
    let mut head = create(&*log, &name).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut newest = 0;
            while !ended.load(SeqCst) {
                let page = log.range(&name, 1, u64::MAX, 500, usize::MAX).unwrap();
                assert!(page.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
                let head = log.head(&name).unwrap().unwrap().seq;
                assert!(head >= newest && page.last().is_none_or(|last| last.seq <= head));
                newest = head;
            }
        });
        for round in 1..=150u64 {
            for _ in 0..3 {
                head = append(&*log, &name, &head, batch(head.seq + 1, head.seq + 4, "words")).unwrap();
            }
            if round % 4 == 0 {
                wait(|done| log.trim(&name, head.seq.saturating_sub(30), done)).unwrap();
            }
        }
        ended.store(true, SeqCst);
        reader.join().unwrap();
    });
    assert_eq!(store.verify(&name).unwrap().seq, 1800);
}
