//! What is read of damaged files, held against what sled says of them and against all that was ever written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bytes::BufMut;
use proptest::prelude::*;

use super::super::super::seal;
use super::super::SledRows;
use super::*;

/// The store's own rows are not looked at.
const OWN: &[u8] = &[1];
const END: &[u8] = &[0xff; 9];

/// A thing to do to a store.
#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u16, Option<(u8, usize)>)>),
    Settle,
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let row = (0..400_u16, prop::option::weighted(0.8, (any::<u8>(), 0..2000_usize)));
    prop_oneof![
        8 => prop::collection::vec(row, 1..60).prop_map(Step::Write),
        4 => Just(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

/// A store that went through these, its rows, and every value that each of its keys ever had.
struct Written {
    home: tempfile::TempDir,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    ever: BTreeSet<(Vec<u8>, Vec<u8>)>,
}

fn written(steps: &[Step]) -> Written {
    let home = tempfile::tempdir().unwrap();
    let store = SledRows::open(home.path(), 1 << 20).unwrap();
    let (mut rows, mut ever) = (BTreeMap::new(), BTreeSet::new());
    for step in steps {
        match step {
            Step::Write(changes) => {
                let mut batch = Batch::default();
                for (key, value) in changes {
                    // Not where blocks are, which are joined.
                    let key = [&[4][..], &key.to_be_bytes()].concat();
                    match value {
                        Some((byte, length)) => {
                            let value = seal::seal(&key, |out| out.put_bytes(*byte, *length));
                            batch.put(key.clone(), value.clone());
                            ever.insert((key.clone(), value.to_vec()));
                            rows.insert(key, value.to_vec());
                        }
                        None => {
                            batch.remove(key.clone());
                            rows.remove(&key);
                        }
                    }
                }
                store.apply(&batch).unwrap();
                store.sync().unwrap();
            }
            Step::Settle => store.settle(true).unwrap(),
            Step::Reopen => store.reopen().unwrap(),
        }
    }
    Written { home, rows, ever }
}

fn all(rows: &dyn Rows, reverse: bool) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    rows.scan(OWN..END, reverse, &mut |key, value| {
        let last = if reverse { found.first_key_value() } else { found.last_key_value() };
        assert!(last.is_none_or(|(last, _): (&Vec<u8>, _)| (key < &last[..]) == reverse), "not in order");
        found.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

/// Reads a store as if it were damaged.
fn wreck(path: &Path) -> Wreck {
    let mut dir = Dir::new(path);
    dir.lock().unwrap();
    Wreck::read(dir, 1 << 20, Vec::new()).unwrap()
}

/// Where in a file something stands, as a part of it.
fn place(bytes: &[u8], at: prop::sample::Index) -> usize {
    let used: Vec<usize> =
        (0..bytes.len()).step_by(64).filter(|at| bytes[*at..][..64.min(bytes.len() - at)] != [0; 64]).collect();
    if used.is_empty() { 0 } else { used[at.index(used.len())] }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_not_damaged_is_read_as_sled_reads_it(steps in prop::collection::vec(any_step(), 1..24)) {
        let Written { home, rows, .. } = written(&steps);
        prop_assert!(Wreck::find(home.path(), 1 << 20).unwrap().is_none());
        let wreck = wreck(home.path());
        prop_assert!(all(&wreck, false) == rows);
        prop_assert!(all(&wreck, true) == rows);
        for key in rows.keys() {
            prop_assert_eq!(&wreck.get(key).unwrap().unwrap()[..], &rows[key][..]);
        }
    }

    #[test]
    fn one_wrong_byte_anywhere_loses_nothing_or_is_found_and_put_right(
        steps in prop::collection::vec(any_step(), 1..16), in_journal: bool, at: prop::sample::Index, within in 0..64_usize,
        by in 1..=u8::MAX,
    ) {
        let Written { home, rows, .. } = written(&steps);
        let name = if in_journal { "journal" } else { "sled/db" };
        let path = home.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let place = (place(&bytes, at) + within).min(bytes.len() - 1);
        bytes[place] ^= by;
        fs::write(&path, &bytes).unwrap();
        match Wreck::find(home.path(), 1 << 20).unwrap() {
            Some(wreck) => prop_assert!(all(&wreck, false) == rows),
            None => match SledRows::open(home.path(), 1 << 20) {
                // The last write of all may always be one that tore.
                Ok(store) => prop_assert!(in_journal || all(&store, false) == rows),
                Err(error) => prop_assert!(false, "nothing is found, and {error}"),
            },
        }
    }

    #[test]
    fn of_what_is_written_over_nothing_is_made_up_and_no_start_makes_it_worse(
        steps in prop::collection::vec(any_step(), 4..24), at: prop::sample::Index, length in 2..9000_usize, fill: bool,
    ) {
        let Written { home, ever, .. } = written(&steps);
        let path = home.path().join("sled/db");
        let mut bytes = fs::read(&path).unwrap();
        let place = place(&bytes, at);
        let end = (place + length).min(bytes.len());
        bytes[place..end].fill(if fill { 0xa5 } else { 0 });
        fs::write(&path, &bytes).unwrap();
        let Some(found) = Wreck::find(home.path(), 1 << 20).unwrap() else { return Ok(()) };
        let given = all(&found, false);
        for row in &given {
            prop_assert!(ever.contains(&(row.0.clone(), row.1.clone())), "{row:?} was never written");
        }
        drop(found);
        prop_assume!(SledRows::open(home.path(), 1 << 20).is_err());
        let found = wreck(home.path());
        prop_assert!(all(&found, false) == given, "a start made it worse");
        let next = found.beside().unwrap();
        next.put(&given.iter().map(|(key, value)| (key.clone().into(), Some(value.clone().into()))).collect::<Vec<_>>()).unwrap();
        found.replace(next, "aside").unwrap();
        prop_assert!(home.path().join("aside/db").exists());
        prop_assert!(Wreck::find(home.path(), 1 << 20).unwrap().is_none());
        prop_assert!(all(&SledRows::open(home.path(), 1 << 20).unwrap(), false) == given);
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("sled")).unwrap();
        for name in ["sled/db", "journal", "journal.odd", "sled/conf", "sled/snap.0000000000000009"] {
            fs::write(home.path().join(name), &bytes).unwrap();
        }
        fs::write(home.path().join("format"), "4\n").unwrap();
        if let Ok(Some(wreck)) = Wreck::find(home.path(), 1 << 20) {
            let _ = wreck.scan(OWN..END, false, &mut |_, _| ControlFlow::Continue(()));
        }
    }
}

#[test]
fn small_files_that_are_damaged_are_made_anew() {
    for name in ["format", "sled/conf", "snap", "journal"] {
        let Written { home, rows, .. } = written(&[Step::Write(vec![(1, Some((7, 9)))]), Step::Reopen, Step::Reopen]);
        let snapshot = || fs::read_dir(home.path().join("sled")).unwrap().map(|entry| entry.unwrap().path());
        let path = match name {
            "snap" => snapshot().find(|path| path.file_stem().is_some_and(|stem| stem == "snap")).unwrap(),
            name => home.path().join(name),
        };
        if name == "journal" {
            fs::remove_file(&path).unwrap();
        } else {
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 0x55;
            fs::write(&path, bytes).unwrap();
        }
        let found = Wreck::find(home.path(), 1 << 20).unwrap().unwrap_or_else(|| panic!("{name} is not missed"));
        assert!(found.damage()[0].file.ends_with(name), "{:?}", found.damage());
        assert_eq!(all(&found, false), rows, "{name}");
        let next = found.beside().unwrap();
        found.replace(next, "aside").unwrap();
        assert!(all(&SledRows::open(home.path(), 1 << 20).unwrap(), false).is_empty());
    }
}
