//! Stores that are not what was written: clear errors, and never a panic.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::super::conformance::{append, batch, create};
use super::super::{Batch, MemoryRows, OpenError, ReadError, Rows, SledRows, Store, keys};
use super::support::{channel, config, open};
use crate::config::{self as settings, Durability, Engine};
use crate::supervise::Probes;

fn on_disk(path: &Path) -> Result<Store, OpenError> {
    let config = settings::Store { engine: Engine::Sled, path: path.into(), ..config(Durability::Always) };
    Store::open(&config, &Probes::default())
}

fn filled(path: &Path) {
    fill(path).close().unwrap();
}

fn fill(path: &Path) -> Store {
    let store = on_disk(path).unwrap();
    for n in 0..20 {
        let name = channel(&format!("c{n}"));
        let head = create(&*store.log(), &name).unwrap();
        append(&*store.log(), &name, &head, batch(1, 30, &"words".repeat(100))).unwrap();
    }
    store
}

#[test]
fn a_later_format_is_refused_before_anything_is_touched() {
    let home = tempfile::tempdir().unwrap();
    filled(home.path());
    fs::write(home.path().join("format"), "7\n").unwrap();
    let before = fs::metadata(home.path().join("sled/db")).unwrap().modified().unwrap();
    let error = on_disk(home.path()).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 7, known: 4, .. }), "{error}");
    assert_eq!(fs::metadata(home.path().join("sled/db")).unwrap().modified().unwrap(), before);
    for nonsense in ["", "one", "0", "-1"] {
        fs::write(home.path().join("format"), nonsense).unwrap();
        let error = on_disk(home.path()).err().unwrap();
        assert!(matches!(error, OpenError::Damaged { .. }), "{nonsense}: {error}");
    }
}

#[test]
fn a_store_of_an_earlier_format_is_taken_as_it_is() {
    for (format, files) in [(1, 0), (2, 1), (3, 2)] {
        let home = tempfile::tempdir().unwrap();
        filled(home.path());
        // Opening empties the journal.
        drop(SledRows::open(home.path(), 1 << 20).unwrap());
        for file in ["journal", "journal.odd"].into_iter().skip(files) {
            fs::remove_file(home.path().join(file)).unwrap();
            let error = on_disk(home.path()).err().unwrap();
            assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        }
        fs::write(home.path().join("format"), format!("{format}\n")).unwrap();
        for _ in 0..2 {
            let store = on_disk(home.path()).unwrap();
            (0..20).for_each(|n| assert_eq!(store.verify(&channel(&format!("c{n}"))).unwrap().seq, 30));
            store.close().unwrap();
            assert_eq!(fs::read(home.path().join("format")).unwrap(), b"4\n");
        }
    }
}

#[test]
fn what_stands_in_the_one_journal_of_format_2_is_kept() {
    for round_is_odd in [false, true] {
        let home = tempfile::tempdir().unwrap();
        drop(SledRows::open(home.path(), 1 << 20).unwrap());
        if round_is_odd {
            SledRows::open(home.path(), 1 << 20).unwrap().settle(true).unwrap();
        }
        drop(fill(home.path()));
        let [even, odd] = ["journal", "journal.odd"].map(|name| home.path().join(name));
        // Whichever file the round is in, it was `journal`.
        let holds = |path: &Path| fs::read(path).unwrap()[..1000].iter().any(|&byte| byte != 0);
        if holds(&odd) && !holds(&even) {
            fs::rename(&odd, &even).unwrap();
        }
        let _ = fs::remove_file(&odd);
        fs::write(home.path().join("format"), "2\n").unwrap();
        let store = on_disk(home.path()).unwrap();
        (0..20).for_each(|n| assert_eq!(store.verify(&channel(&format!("c{n}"))).unwrap().seq, 30));
    }
}

#[test]
fn a_journal_that_was_scratched_is_damage() {
    let home = tempfile::tempdir().unwrap();
    // As after a kill: a clean end leaves nothing in it.
    drop(fill(home.path()));
    for path in ["journal", "journal.odd"].map(|name| home.path().join(name)) {
        let mut bytes = fs::read(&path).unwrap();
        bytes[5000] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let error = on_disk(home.path()).err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn garbage_in_place_of_the_data_is_damage() {
    let home = tempfile::tempdir().unwrap();
    filled(home.path());
    let db = home.path().join("sled/db");
    let length = fs::metadata(&db).unwrap().len() as usize;
    fs::write(&db, vec![0xa5; length]).unwrap();
    let error = on_disk(home.path()).err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_missing_or_an_empty_data_file_is_damage() {
    for empty in [true, false] {
        let home = tempfile::tempdir().unwrap();
        filled(home.path());
        let db = home.path().join("sled/db");
        if empty {
            fs::write(&db, "").unwrap();
        } else {
            fs::remove_file(&db).unwrap();
        }
        let error = on_disk(home.path()).err().unwrap();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_data_file_that_was_cut_or_scratched_opens_or_says_that_it_is_damaged() {
    for part in 1..8 {
        let home = tempfile::tempdir().unwrap();
        filled(home.path());
        let db = home.path().join("sled/db");
        let mut bytes = fs::read(&db).unwrap();
        let at = bytes.len() / 8 * part;
        if part % 2 == 0 {
            bytes.truncate(at);
        } else {
            bytes[at / 40..at / 40 + 64].fill(0x5a);
        }
        fs::write(&db, bytes).unwrap();
        match on_disk(home.path()) {
            // What opens answers every read, if only with an error.
            Ok(store) => (0..20).for_each(|n| drop(store.verify(&channel(&format!("c{n}"))))),
            Err(error) => assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Io { .. }), "{error}"),
        }
    }
}

#[test]
fn a_creation_that_was_interrupted_is_begun_again() {
    let home = tempfile::tempdir().unwrap();
    drop(SledRows::open(home.path(), 1 << 20).unwrap());
    fs::remove_file(home.path().join("format")).unwrap();
    assert_eq!(on_disk(home.path()).unwrap().boot(), 1);
}

fn first_block(rows: &dyn Rows) -> (Bytes, Bytes) {
    let range = keys::blocks(1, 0);
    let mut found = None;
    rows.scan(&range.start..&range.end, false, &mut |key, value| {
        found = Some((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        ControlFlow::Break(())
    })
    .unwrap();
    found.unwrap()
}

#[test]
fn a_scratched_row_and_a_missing_one_are_named_and_the_rest_is_readable() {
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
    let store = open(&rows);
    let (log, name) = (store.log(), channel("c"));
    let mut head = create(&*log, &name).unwrap();
    for from in [1, 11, 21] {
        head = append(&*log, &name, &head, batch(from, from + 9, "a")).unwrap();
    }
    let (key, value) = first_block(&*rows);
    let mut scratched = value.to_vec();
    scratched[100] ^= 1;
    let mut harm = Batch::default();
    harm.put(key.clone(), scratched);
    rows.apply(&harm).unwrap();
    assert_eq!(log.range(&name, 1, 9, 9, 9999), Err(ReadError::Damaged(1)));
    assert_eq!(log.range(&name, 11, 30, 99, 9999).unwrap().len(), 20);
    assert_eq!(store.verify(&name), Err(ReadError::Damaged(1)));
    let mut harm = Batch::default();
    harm.remove(key);
    rows.apply(&harm).unwrap();
    assert_eq!(log.range(&name, 1, 9, 9, 9999), Err(ReadError::Damaged(1)));
    assert_eq!(append(&*log, &name, &head, batch(31, 31, "a")).unwrap().seq, 31, "the log goes on");
}
