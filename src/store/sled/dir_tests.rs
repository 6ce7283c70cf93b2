//! What a data directory is taken for, whatever became of it.

use super::super::super::rows::{Batch, Rows};
use super::super::SledRows;
use super::*;

fn open(path: &Path) -> SledRows {
    SledRows::open(path, 1 << 20).unwrap()
}

#[test]
fn a_store_that_was_never_complete_is_begun_again_whatever_became_of_its_settings() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sled")).unwrap();
    fs::write(dir.path().join("sled/conf"), [0; 63]).unwrap();
    open(dir.path());
    open(dir.path());
}

#[test]
fn a_snapshot_that_was_only_begun_is_no_reason_to_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let rows = open(dir.path());
    let mut batch = Batch::default();
    batch.put(&b"key"[..], &b"value"[..]);
    rows.apply(&batch).unwrap();
    rows.sync().unwrap();
    rows.close();
    let begun = dir.path().join("sled/snap.0000000000FFFFFF.generating");
    for left in [&b""[..], b"torn", b"long enough, but torn", &[0; 12], &[0; 99]] {
        fs::write(&begun, left).unwrap();
        let rows = open(dir.path());
        assert_eq!(rows.get(b"key").unwrap().unwrap(), &b"value"[..]);
        assert!(!begun.exists());
        rows.close();
    }
}

#[test]
fn of_the_snapshots_only_the_newest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = Vec::new();
    for n in 0..4_u8 {
        let rows = open(dir.path());
        let mut batch = Batch::default();
        batch.put(vec![n], &b"value"[..]);
        rows.apply(&batch).unwrap();
        rows.sync().unwrap();
        rows.close();
        let now = Dir::new(dir.path()).snapshots().unwrap();
        // A store that was never opened again has none.
        assert_eq!(now.len(), usize::from(n > 0));
        assert!(n == 0 || now != before, "sled wrote none");
        before = now;
    }
}

#[test]
fn a_snapshot_that_is_whole_and_lacks_its_name_is_given_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    drop(open(dir.path()));
    let tree = dir.path().join("sled");
    let snapshot = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with("snap.");
    let find = || fs::read_dir(&tree).unwrap().map(|entry| entry.unwrap().path()).find(|path| snapshot(path));
    let path = find().unwrap();
    let whole = fs::read(&path).unwrap();
    fs::rename(&path, path.with_extension(format!("{}.generating", path.extension().unwrap().display()))).unwrap();
    let prepared = Dir::new(dir.path());
    prepared.prepare(Found::Store).unwrap();
    assert_eq!(find().map(|path| fs::read(path).unwrap()), Some(whole));
    assert!(path.exists());
    drop(open(dir.path()));
}
