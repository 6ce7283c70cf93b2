//! What the sled engine does with its directory and its largest rows, and what a full disk does.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::super::conformance::{append, batch, create, write};
use super::super::{
    AppendError, Failing, Health, MAX_VALUE, MemoryRows, MetaOp, OpenError, Rows, SledRows, Store, WriteError,
    conformance, queue,
};
use super::support::{channel, config, open};
use crate::config::{Durability, Engine};
use crate::supervise::Probes;

#[test]
fn the_largest_messages_never_leave_sleds_one_file() {
    let home = tempfile::tempdir().unwrap();
    let rows: Arc<dyn Rows> = Arc::new(SledRows::open(home.path(), 8 << 20).unwrap());
    let store = open(&rows);
    let log = store.log();
    // As large as fits a row: found by trying.
    let fits = |size: usize| super::super::block::fits(&batch(1, 1, &"x".repeat(size))[0]);
    let size = (0..MAX_VALUE).rev().find(|&size| fits(size)).unwrap() - 8;
    let body = "x".repeat(size);
    for n in 0..24 {
        let name = channel(&format!("c{n}"));
        let mut head = create(&*log, &name).unwrap();
        for from in [1, 11] {
            head = append(&*log, &name, &head, batch(from, from + 9, &body)).unwrap();
        }
        assert_eq!(head.seq, 20);
    }
    let blobs = std::fs::read_dir(home.path().join("sled/blobs")).unwrap().count();
    assert_eq!(blobs, 0);
    store.close().unwrap();
    assert_eq!(std::fs::read_dir(home.path().join("sled/blobs")).unwrap().count(), 0);
}

#[test]
fn a_data_directory_is_its_owners_alone_and_one_processs_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("deep/data");
    let config = crate::config::Store { engine: Engine::Sled, path: path.clone(), ..config(Durability::Always) };
    let store = Store::open(&config, &Probes::default()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let again = Store::open(&config, &Probes::default()).err().unwrap();
    assert_eq!(again, OpenError::InUse(path.display().to_string()));
    assert!(store.bytes_on_disk().unwrap() > 0);
    let log = store.log();
    store.close().unwrap();
    let store = Store::open(&config, &Probes::default()).unwrap();
    assert_eq!(store.boot(), 2);
    assert!(log.head(&channel("c")).is_err(), "what is left of the first answers that it is closed");
}

#[test]
fn what_a_killed_process_leaves_behind_opens_with_everything_that_was_told() {
    let home = tempfile::tempdir().unwrap();
    let config = |name: &str| crate::config::Store {
        engine: Engine::Sled,
        path: home.path().join(name),
        ..config(Durability::Always)
    };
    let store = Store::open(&config("live"), &Probes::default()).unwrap();
    let mut head = create(&*store.log(), &channel("c")).unwrap();
    for kill in 0..5 {
        for _ in 0..10 {
            head = append(&*store.log(), &channel("c"), &head, batch(head.seq + 1, head.seq + 7, "words")).unwrap();
        }
        // The files as they are now are what a kill would leave: nobody had a chance to close anything.
        let copy = config(&format!("killed{kill}"));
        std::fs::create_dir_all(copy.path.join("sled/blobs")).unwrap();
        for file in ["format", "journal", "journal.odd", "sled/conf", "sled/db"] {
            std::fs::copy(home.path().join("live").join(file), copy.path.join(file)).unwrap();
        }
        let after = Store::open(&copy, &Probes::default()).unwrap();
        assert_eq!(after.verify(&channel("c")).unwrap(), head);
        assert_eq!(after.log().tail(&channel("c"), 999).unwrap(), batch(1, head.seq, "words"));
    }
}

#[test]
fn a_deleted_channels_rows_are_swept_up_also_after_a_restart() {
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
    let store = open(&rows);
    let log = store.log();
    let empty = rows.bytes_on_disk().unwrap();
    let mut head = create(&*log, &channel("c")).unwrap();
    for seq in 1..=700 {
        head = append(&*log, &channel("c"), &head, batch(seq, seq, "words")).unwrap();
    }
    conformance::wait(|done| log.delete(&channel("c"), done)).unwrap();
    drop(store);
    let _store = open(&rows);
    // The number for the next channel is all that is left of it.
    while rows.bytes_on_disk().unwrap() > empty + 40 {
        std::thread::yield_now();
    }
}

#[test]
fn small_records_wait_in_a_bounded_queue() {
    let (rows, trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let rows: Arc<dyn Rows> = rows;
    let store = open(&rows);
    let put = || vec![MetaOp::Put("a".into(), "x".into())];
    let (tell, told) = std::sync::mpsc::channel();
    let send = |tell: &std::sync::mpsc::Sender<_>| {
        let tell = tell.clone();
        store.meta().write(put(), Box::new(move |outcome| drop(tell.send(outcome))));
    };
    trouble.hold();
    send(&tell);
    trouble.await_held_sync();
    (0..queue::METAS).for_each(|_| send(&tell));
    assert!(told.try_recv().is_err());
    send(&tell);
    assert!(matches!(told.recv().unwrap(), Err(WriteError::Unavailable(_))));
    trouble.release();
    assert!(told.iter().take(queue::METAS + 1).all(|outcome| outcome.is_ok()));
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = SledRows::open(&file, 1 << 20).err().unwrap();
    assert!(matches!(&error, OpenError::Io { path, .. } if path.ends_with("file")), "{error}");
}

#[test]
fn a_full_disk_refuses_writes_and_not_reads_until_there_is_space() {
    let (rows, trouble) = Failing::over(Arc::new(MemoryRows::default()));
    let rows: Arc<dyn Rows> = rows;
    let store = open(&rows);
    let log = store.log();
    let head = create(&*log, &channel("c")).unwrap();
    let head = append(&*log, &channel("c"), &head, batch(1, 5, "a")).unwrap();
    write(&*store.meta(), vec![MetaOp::Put("b".into(), "x".into())]).unwrap();
    drop(store);
    trouble.free_bytes(Some(1000));
    let store = open(&rows);
    let log = store.log();
    assert_eq!(store.health(), Health::LowSpace);
    assert_eq!(append(&*log, &channel("c"), &head, batch(6, 6, "a")), Err(AppendError::Full));
    assert_eq!(create(&*log, &channel("d")), Err(AppendError::Full));
    assert_eq!(create(&*log, &channel("c")), Ok(head.clone()), "what is there is there");
    let put = || vec![MetaOp::Put("a".into(), "x".into())];
    assert!(matches!(write(&*store.meta(), put()), Err(WriteError::Unavailable(_))));
    assert_eq!(log.tail(&channel("c"), 9).unwrap().len(), 5);
    // What makes room is taken, alone.
    let release = || MetaOp::Release("c".into(), "it ends".into());
    assert_eq!(write(&*store.meta(), vec![release(), MetaOp::Remove("b".into())]), Ok(()));
    let both = [vec![release()], put()].concat();
    assert!(matches!(write(&*store.meta(), both), Err(WriteError::Unavailable(_))));
    assert_eq!(store.meta().get("b").unwrap(), None);
    trouble.free_bytes(None);
    // The disk is asked again within a second.
    while store.health() != Health::Ok {
        std::thread::yield_now();
    }
    assert_eq!(append(&*log, &channel("c"), &head, batch(6, 6, "a")).unwrap().seq, 6);
}
