//! The journal of `examples/engine`: it conforms, it does what a map does, and it knows a torn tail from damage.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parlor::store::{Batch, EngineError, Rows, conformance};
use proptest::prelude::*;
use tempfile::TempDir;

#[path = "../../examples/engine/journal/mod.rs"]
mod engine;

use engine::{JournalRows, Rewriting};

/// For a journal that is not rewritten in a test that does not ask for it.
const NEVER: Rewriting = Rewriting { from: u64::MAX, ratio: 4 };

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn open(dir: &Path) -> JournalRows {
    JournalRows::open(dir, NEVER).unwrap_or_else(|why| panic!("it does not open: {why}"))
}

/// Writes and syncs a batch of rows.
fn write(rows: &JournalRows, batch: &[(&str, Option<&str>)]) {
    apply(rows, batch);
    rows.sync().expect("it is synced");
}

fn apply(rows: &JournalRows, batch: &[(&str, Option<&str>)]) {
    let row = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let batch = batch.iter().map(|(key, value)| (row(key), value.map(row)));
    rows.apply(&Batch(batch.collect())).expect("it is written");
}

fn all(rows: &JournalRows) -> Map {
    let mut map = Map::new();
    let scanned = rows.scan(b"".as_slice()..&[0xff; 9], false, &mut |key, value| {
        map.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    });
    scanned.expect("it is read");
    map
}

fn map(rows: &[(&str, &str)]) -> Map {
    rows.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// Three batches in a journal that is closed; where the last one begins.
fn three_batches(dir: &Path) -> usize {
    let rows = open(dir);
    write(&rows, &[("a", Some("1")), ("b", Some("2"))]);
    write(&rows, &[("c", Some("3")), ("a", None)]);
    let begins = rows.bytes_on_disk().expect("it is there");
    // A value that ends in zeros is no torn tail.
    write(&rows, &[("b", Some("two")), ("d", Some("4\0\0\0"))]);
    begins as usize
}

fn before_the_last() -> Map {
    map(&[("b", "2"), ("c", "3")])
}

fn with_the_last() -> Map {
    map(&[("b", "two"), ("c", "3"), ("d", "4\0\0\0")])
}

/// A journal of these bytes, in a directory of its own.
fn journal_of(bytes: &[u8]) -> TempDir {
    let dir = dir();
    fs::write(dir.path().join("journal"), bytes).expect("it is written");
    dir
}

#[test]
fn it_conforms() {
    let homes = dir();
    let mut next = 0;
    let make = || {
        next += 1;
        Ok(Arc::new(JournalRows::open(&homes.path().join(next.to_string()), Rewriting { from: 0, ratio: 2 })?) as _)
    };
    conformance::run_with(make, |_| {}).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_torn_tail_is_cut_off_wherever_it_is_torn() {
    let home = dir();
    let begins = three_batches(home.path());
    let whole = fs::read(home.path().join("journal")).expect("a journal");
    assert_eq!(all(&open(journal_of(&whole).path())), with_the_last());
    for length in begins..whole.len() {
        // The file ends there, or it was made as long as it should be and the rest of it never written.
        let short = whole[..length].to_vec();
        let mut hollow = short.clone();
        hollow.resize(whole.len() + 5000, 0);
        for torn in [short, hollow] {
            let dir = journal_of(&torn);
            let rows = open(dir.path());
            assert_eq!(all(&rows), before_the_last(), "torn at {length}");
            assert_eq!(rows.bytes_on_disk(), Ok(begins as u64), "torn at {length}");
            write(&rows, &[("e", Some("5"))]);
            drop(rows);
            assert_eq!(open(dir.path()).get(b"e"), Ok(Some(Bytes::from("5"))), "torn at {length}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_reported() {
    let home = dir();
    three_batches(home.path());
    let whole = fs::read(home.path().join("journal")).expect("a journal");
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            let dir = journal_of(&flipped);
            let outcome = JournalRows::open(dir.path(), NEVER).map(drop);
            assert!(matches!(outcome, Err(EngineError::Damaged(_))), "bit {bit} of byte {at}: {outcome:?}");
            let left = fs::read(dir.path().join("journal")).expect("a journal");
            assert_eq!(left, flipped, "what is damaged is left as it is");
        }
    }
}

#[test]
fn a_value_that_is_damaged_while_it_is_open_is_reported_and_not_written_anew() {
    let home = dir();
    let rows = JournalRows::open(home.path(), Rewriting { from: 400, ratio: 4 }).expect("it opens");
    write(&rows, &[("a", Some("precious")), ("b", Some("2"))]);
    let path = home.path().join("journal");
    let mut bytes = fs::read(&path).expect("a journal");
    let at = bytes.windows(8).position(|part| part == b"precious").expect("the value");
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("it is damaged");
    assert!(matches!(rows.get(b"a"), Err(EngineError::Damaged(_))));
    for _ in 0..30 {
        write(&rows, &[("b", Some("again and again"))]);
    }
    assert_eq!(rows.get(b"b"), Ok(Some(Bytes::from("again and again"))));
    assert!(rows.bytes_on_disk().expect("it is there") > 900, "it was not rewritten");
    assert!(matches!(rows.reopen(), Err(EngineError::Damaged(_))));
    assert!(matches!(rows.get(b"b"), Err(EngineError::Damaged(_))));
}

#[test]
fn rewriting_keeps_everything_and_gives_the_room_back() {
    let home = dir();
    let mut rows = JournalRows::open(home.path(), Rewriting { from: 1000, ratio: 4 }).expect("it opens");
    let mut expected = Map::new();
    let (mut longest, mut rewritten) = (0, 0);
    for n in 0..2000 {
        let (key, value) = (format!("{}", n % 20), "v".repeat(n % 50));
        let before = rows.bytes_on_disk().expect("it is there");
        if n % 7 == 0 {
            apply(&rows, &[(&key, None)]);
            expected.remove(key.as_bytes());
        } else {
            apply(&rows, &[(&key, Some(&value))]);
            expected.insert(key.into_bytes(), value.into_bytes());
        }
        let after = rows.bytes_on_disk().expect("it is there");
        longest = longest.max(after);
        rewritten += usize::from(after < before);
        if n % 500 == 0 {
            // A crash in the middle of rewriting leaves this.
            fs::write(home.path().join("journal.next"), b"half a journal").expect("it is written");
            drop(rows);
            rows = JournalRows::open(home.path(), Rewriting { from: 1000, ratio: 4 }).expect("it opens");
            assert!(!home.path().join("journal.next").exists());
        }
        assert_eq!(all(&rows), expected, "after {n}");
    }
    assert!(rewritten > 20, "it was rewritten {rewritten} times");
    assert!(longest < 5000, "it grew to {longest} bytes");
    drop(rows);
    assert_eq!(all(&open(home.path())), expected);
}

#[test]
fn another_process_and_another_version_are_refused_and_a_stranger_is_damage() {
    let home = dir();
    let rows = open(home.path());
    let refused = JournalRows::open(home.path(), NEVER).map(drop);
    assert!(matches!(&refused, Err(EngineError::Failed(why)) if why.contains("in use")), "{refused:?}");
    rows.close();
    assert_eq!(rows.get(b"a"), Err(EngineError::Closed));
    let other = open(home.path());
    assert!(rows.reopen().is_err(), "the other one has it now");
    other.close();
    assert_eq!(rows.reopen(), Ok(()));

    for (bytes, says) in [(&b"parlorjl\0\0\0\x07"[..], "found 7"), (b"GIF89a......", "expected a journal"), (b"", "")] {
        let dir = journal_of(bytes);
        let refused = JournalRows::open(dir.path(), NEVER).map(drop);
        assert!(matches!(&refused, Err(EngineError::Damaged(why)) if why.contains(says)), "{bytes:?}: {refused:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Reopen,
    Close,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = prop::collection::vec(0..4u8, 0..4);
    let value = prop::collection::vec(any::<u8>(), 0..60);
    let row = (key, prop::option::weighted(0.7, value));
    prop_oneof![
        8 => prop::collection::vec(row, 0..8).prop_map(Step::Apply),
        1 => Just(Step::Reopen),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_does_what_a_map_does(
        steps in prop::collection::vec(any_step(), 1..60),
        from in prop::collection::vec(0..4u8, 0..4),
        to in prop::collection::vec(0..4u8, 0..4),
    ) {
        let home = dir();
        let rows = JournalRows::open(home.path(), Rewriting { from: 300, ratio: 4 }).expect("it opens");
        let mut expected = Map::new();
        for step in steps {
            match step {
                Step::Apply(batch) => {
                    let owned = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
                        (Bytes::copy_from_slice(key), value.as_deref().map(Bytes::copy_from_slice))
                    };
                    rows.apply(&Batch(batch.iter().map(owned).collect())).expect("it is written");
                    for (key, value) in batch {
                        match value {
                            Some(value) => expected.insert(key, value),
                            None => expected.remove(&key),
                        };
                    }
                }
                Step::Reopen => rows.reopen().expect("it opens"),
                Step::Close => {
                    rows.close();
                    rows.reopen().expect("it opens");
                }
            }
            prop_assert_eq!(&all(&rows), &expected);
        }
        let within: Vec<_> = expected.iter().filter(|(key, _)| **key >= from && **key < to).collect();
        for reverse in [false, true] {
            let mut found = Vec::new();
            rows.scan(&from..&to, reverse, &mut |key, value| {
                found.push((key.to_vec(), value.to_vec()));
                // All but one, if there are two.
                if found.len() + 1 >= within.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }).expect("it is read");
            let mut hoped: Vec<_> = within.iter().map(|(key, value)| ((*key).clone(), (*value).clone())).collect();
            if reverse {
                hoped.reverse();
            }
            hoped.truncate(1.max(within.len().saturating_sub(1)));
            prop_assert_eq!(found, hoped);
        }
    }
}
