//! Engines that fail: every answer is true, whatever breaks when.

use std::sync::{Arc, mpsc};

use proptest::prelude::*;

use super::super::conformance::{append, batch, create, write};
use super::super::rows::Batch;
use super::super::{
    AppendError, ChannelLog, Failing, Fault, Head, Health, MemoryRows, MetaOp, Rows, SledRows, Store, Trouble,
};
use super::support::{channel, open};
use crate::model::ChannelName;

fn bench() -> (Arc<Failing>, Trouble, Store) {
    let (rows, trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let store = open(&(Arc::clone(&rows) as Arc<dyn Rows>));
    (rows, trouble, store)
}

/// Returns when the store takes writes again.
fn recovered(store: &Store) {
    while write(&*store.meta(), vec![MetaOp::Put("probe".into(), "x".into())]).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn a_write_whose_sync_fails_is_unknown_and_the_store_comes_back_by_itself() {
    for (fault, keep, there) in [
        (Fault::Sync, 0, false),
        (Fault::Sync, 1, true),
        (Fault::Apply, 1, false),
        (Fault::ApplyLate, 1, true),
        (Fault::ApplyLate, 0, false),
        (Fault::Panic, 0, false),
    ] {
        let (_rows, trouble, store) = bench();
        let log = store.log();
        let head = create(&*log, &channel("c")).unwrap();
        trouble.keep(keep);
        trouble.arm(fault);
        assert_eq!(append(&*log, &channel("c"), &head, batch(1, 3, "a")), Err(AppendError::Unknown));
        recovered(&store);
        let now = log.head(&channel("c")).unwrap().unwrap();
        assert_eq!((now.seq == 3, &now.epoch), (there, &head.epoch), "{fault:?}, {keep} kept");
        let next = append(&*log, &channel("c"), &now, batch(now.seq + 1, now.seq + 1, "b")).unwrap();
        assert_eq!(store.verify(&channel("c")).unwrap(), next);
        assert_eq!(store.health(), Health::Ok);
    }
}

#[test]
fn nobody_reads_what_is_not_durable_yet() {
    let (_rows, trouble, store) = bench();
    let log = store.log();
    let head = create(&*log, &channel("c")).unwrap();
    let head = append(&*log, &channel("c"), &head, batch(1, 2, "a")).unwrap();
    trouble.hold();
    let (tell, told) = mpsc::channel();
    log.append(&channel("c"), &head, batch(3, 4, "b"), Box::new(move |outcome| drop(tell.send(outcome))));
    trouble.await_held_sync();
    let (shown, read, early) = (log.head(&channel("c")), log.tail(&channel("c"), 9), told.try_recv());
    // Before anything is judged: a sync that is held for ever would keep the store from being closed.
    trouble.release();
    assert_eq!(shown.unwrap(), Some(head));
    assert_eq!(read.unwrap().len(), 2);
    assert!(early.is_err());
    assert_eq!(told.recv().unwrap().unwrap().seq, 4);
    assert_eq!(log.tail(&channel("c"), 9).unwrap().len(), 4);
}

#[test]
fn while_it_does_not_reopen_writes_are_refused_at_once_and_reads_go_on() {
    let (_rows, trouble, store) = bench();
    let log = store.log();
    let head = create(&*log, &channel("c")).unwrap();
    let head = append(&*log, &channel("c"), &head, batch(1, 2, "a")).unwrap();
    (0..2).for_each(|_| trouble.arm(Fault::Reopen));
    trouble.arm(Fault::Sync);
    assert_eq!(append(&*log, &channel("c"), &head, batch(3, 4, "b")), Err(AppendError::Unknown));
    let refused = append(&*log, &channel("c"), &head, batch(3, 4, "b"));
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    assert!(matches!(store.health(), Health::Failed(_)));
    assert_eq!(log.tail(&channel("c"), 9).unwrap(), batch(1, 2, "a"), "without what is not durable");
    recovered(&store);
    assert_eq!(append(&*log, &channel("c"), &head, batch(3, 4, "b")).unwrap().seq, 4);
}

#[test]
fn a_store_that_cannot_reopen_can_still_be_closed_and_dropped() {
    for close in [true, false] {
        let (_rows, trouble, store) = bench();
        (0..99).for_each(|_| trouble.arm(Fault::Reopen));
        trouble.arm(Fault::Sync);
        assert_eq!(create(&*store.log(), &channel("c")), Err(AppendError::Unknown));
        if close { assert!(store.close().is_err()) } else { drop(store) }
    }
}

#[test]
fn a_failed_read_refuses_its_own_write_alone() {
    let (_rows, trouble, store) = bench();
    let log = store.log();
    trouble.arm(Fault::Read);
    assert!(matches!(create(&*log, &channel("c")), Err(AppendError::Unavailable(_))));
    assert!(create(&*log, &channel("c")).is_ok());
    trouble.arm(Fault::Read);
    assert!(log.head(&channel("c")).is_err());
    assert!(log.head(&channel("c")).unwrap().is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Append { channel: usize, count: u64 },
    Arm(Fault),
    Keep(usize),
    Crash,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3usize, 1..40u64).prop_map(|(channel, count)| Step::Append { channel, count }),
        3 => prop::sample::select(vec![Fault::Apply, Fault::ApplyLate, Fault::Panic, Fault::Sync, Fault::Read]).prop_map(Step::Arm),
        1 => (0..3usize).prop_map(Step::Keep),
        1 => Just(Step::Crash),
    ]
}

/// Head of `name`, when the store answers again.
fn settled(store: &Store, log: &dyn ChannelLog, name: &ChannelName) -> Head {
    recovered(store);
    loop {
        if let Ok(head) = create(log, name) {
            return head;
        }
        std::thread::yield_now();
    }
}

fn survive(below: Arc<dyn Rows>, steps: Vec<Step>) {
    let (rows, trouble) = Failing::over(below);
    let reopen = || open(&(Arc::clone(&rows) as Arc<dyn Rows>));
    let mut store = reopen();
    let mut told = [0u64; 3];
    let names = ["a", "b", "c"].map(channel);
    let epochs = names.each_ref().map(|name| create(&*store.log(), name).unwrap().epoch);
    for step in steps {
        match step {
            Step::Arm(fault) => trouble.arm(fault),
            Step::Keep(count) => trouble.keep(count),
            Step::Crash => {
                trouble.disarm();
                drop(store);
                rows.crash().unwrap();
                store = reopen();
            }
            Step::Append { channel, count } => {
                let (log, name) = (store.log(), &names[channel]);
                let head = settled(&store, &*log, name);
                assert_eq!(head.epoch, epochs[channel]);
                assert_eq!(head.seq, told[channel], "every told message is there, and no other");
                match append(&*log, name, &head, batch(head.seq + 1, head.seq + count, "words")) {
                    Ok(next) => {
                        assert_eq!(next.seq, head.seq + count);
                        told[channel] = next.seq;
                    }
                    Err(AppendError::Unknown) => {
                        let now = settled(&store, &*log, name).seq;
                        assert!(now == head.seq || now == head.seq + count, "wholly or not at all: {now}");
                        told[channel] = now;
                    }
                    Err(AppendError::Unavailable(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    trouble.disarm();
    for (name, told) in names.iter().zip(told) {
        assert_eq!(settled(&store, &*store.log(), name).seq, told);
        assert_eq!(store.verify(name).unwrap().seq, told);
        assert_eq!(store.log().tail(name, 9999).unwrap(), batch(1, told, "words"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_breaks_when_told_messages_stay_and_unknown_ones_are_whole(steps in prop::collection::vec(any_step(), 1..40)) {
        survive(Arc::new(MemoryRows::default()), steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn over_sled_too_told_messages_stay_and_unknown_ones_are_whole(steps in prop::collection::vec(any_step(), 10..30)) {
        let home = tempfile::tempdir().unwrap();
        survive(Arc::new(SledRows::open(home.path(), 8 << 20).unwrap()), steps);
    }
}

#[test]
fn an_engine_on_disk_is_open_again_while_its_last_handle_is_let_go() {
    let reopen = |n: u8| {
        let dir = tempfile::tempdir().unwrap();
        let rows = SledRows::open(&dir.path().join("data"), 1 << 20).unwrap();
        for round in 0..25u8 {
            let mut batch = Batch::default();
            batch.put(vec![n, round], vec![round; 3000]);
            rows.apply(&batch).unwrap();
            rows.sync().unwrap();
            rows.reopen().unwrap();
            assert!(rows.get(&[n, round]).unwrap().is_some());
        }
    };
    // Several at once, so that sled's threads are kept waiting now and then.
    std::thread::scope(|scope| (0..4).for_each(|n| drop(scope.spawn(move || reopen(n)))));
}
