//! What durability means: with `interval` an unclean end changes every epoch; with `always` nothing does.

use std::sync::Arc;

use super::super::conformance::{append, batch, create};
use super::super::{Failing, Fault, MemoryRows, MetaOp, Rows, Store};
use super::support::{channel, config};
use crate::clock::{self, made_up};
use crate::config::Durability;
use crate::model::{Moment, Wall};
use crate::supervise::Probes;

fn open(rows: &Arc<Failing>, durability: Durability) -> Store {
    Store::on(Arc::clone(rows) as Arc<dyn Rows>, &config(durability), &Probes::default()).unwrap()
}

fn epoch(store: &Store) -> String {
    create(&*store.log(), &channel("c")).unwrap().epoch.to_string()
}

#[test]
fn with_interval_a_crash_loses_told_messages_and_changes_the_epoch() {
    let (rows, _trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let store = open(&rows, Durability::Interval);
    let before = epoch(&store);
    store.close().unwrap();
    let store = open(&rows, Durability::Interval);
    assert_eq!(epoch(&store), before, "a clean end keeps it");
    let head = create(&*store.log(), &channel("c")).unwrap();
    append(&*store.log(), &channel("c"), &head, batch(1, 9, "a")).unwrap();
    assert_eq!(store.log().tail(&channel("c"), 99).unwrap().len(), 9, "told and readable at once");
    drop(store);
    rows.crash().unwrap();
    let store = open(&rows, Durability::Interval);
    assert_eq!(store.log().tail(&channel("c"), 99).unwrap(), []);
    assert_ne!(epoch(&store), before);
}

#[test]
fn an_unclean_end_with_interval_shows_though_the_next_start_says_always() {
    let (rows, _trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let store = open(&rows, Durability::Interval);
    let before = epoch(&store);
    store.close().unwrap();
    drop(open(&rows, Durability::Interval));
    rows.crash().unwrap();
    let store = open(&rows, Durability::Always);
    let after = epoch(&store);
    assert_ne!(after, before);
    drop(store);
    rows.crash().unwrap();
    assert_eq!(epoch(&open(&rows, Durability::Always)), after, "and from then on it stays");
}

#[test]
fn with_always_a_crash_changes_nothing() {
    let (rows, _trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let store = open(&rows, Durability::Always);
    let head = create(&*store.log(), &channel("c")).unwrap();
    let head = append(&*store.log(), &channel("c"), &head, batch(1, 9, "a")).unwrap();
    drop(store);
    rows.crash().unwrap();
    assert_eq!(open(&rows, Durability::Always).log().head(&channel("c")).unwrap(), Some(head));
}

#[test]
fn with_interval_a_failed_sync_changes_the_epoch_while_it_runs() {
    let (rows, trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let mut config = config(Durability::Interval);
    config.sync_interval = std::time::Duration::ZERO;
    let store = Store::on(Arc::clone(&rows) as Arc<dyn Rows>, &config, &Probes::default()).unwrap();
    let before = create(&*store.log(), &channel("c")).unwrap();
    let synced = trouble.counts().1;
    trouble.arm(Fault::Sync);
    let _ = append(&*store.log(), &channel("c"), &before, batch(1, 1, "a"));
    let after = loop {
        // Refused while it is being reopened, or told before the sync that fails.
        match create(&*store.log(), &channel("c")) {
            Ok(head) if trouble.counts().2 > 0 => break head,
            _ => std::thread::yield_now(),
        }
    };
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.seq, 0, "what was not synced is gone");
    assert!(trouble.counts().1 > synced);
}

#[test]
fn with_interval_writes_that_never_pause_do_not_put_the_sync_off() {
    made_up::begin(made_up::Time { moment: Moment(0), wall: Wall(0), start: clock::stamp() }, 1);
    let (rows, trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let mut config = config(Durability::Interval);
    config.sync_interval = std::time::Duration::from_millis(50);
    let (store, mut stepped) = Store::stepped(rows as Arc<dyn Rows>, &config, &Probes::default()).unwrap();
    let (mut syncs, mut last) = (trouble.counts().1, 0);
    for now in (0..1000).step_by(10) {
        made_up::set(Moment(now), Wall(0));
        store.meta().write(vec![MetaOp::Put("a".into(), "x".into())], Box::new(|told| told.unwrap()));
        stepped.write(true);
        let synced = trouble.counts().1;
        if synced > syncs {
            (syncs, last) = (synced, now);
        }
        assert!(now - last <= 60, "nothing was synced from {last} to {now} ms");
    }
    made_up::end();
}
