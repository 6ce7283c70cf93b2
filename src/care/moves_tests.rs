//! A store taken elsewhere is the same there; a file that is not what was written is refused.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::job::{Order, Tools, begin};
use super::tests::{all, channel, faults, fill, open};
use super::{Stop, check, lines, restore};
use crate::model::Wall;
use crate::store::conformance::{append, batch, create, wait, write};
use crate::store::{MemoryRows, MetaOp, Rows, SledRows, Store, keys};

pub(super) fn tools(store: &Store) -> Tools {
    Tools { archive: store.archive(), meta: store.meta(), bytes_on_disk: Arc::new(|| 1), forget: Arc::new(|_, _| ()) }
}

/// What comes of an order, and `between` is called after each step.
fn carried_out(store: &Store, order: Order, mut between: impl FnMut(usize)) -> Vec<u8> {
    let mut job = begin(order, tools(store)).unwrap();
    let (mut out, mut steps) = (Vec::new(), 0);
    while let Some(lines) = job.step().unwrap() {
        out.extend(lines);
        steps += 1;
        between(steps);
    }
    out
}

fn zipped(path: &Path, text: &[u8]) {
    let mut out = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap();
}

fn backed_up(between: impl FnOnce(&Store) + Copy) -> (Vec<u8>, Arc<dyn Rows>) {
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
    let store = open(&rows);
    fill(&store);
    let mut steps = 0;
    let text = carried_out(&store, Order::Backup, |_| {
        steps += 1;
        // Between the records and the ends of the channels, and between the messages of two.
        if steps == 3 || steps == 8 {
            between(&store);
        }
    });
    store.close().unwrap();
    (text, rows)
}

#[test]
fn what_was_backed_up_is_restored_to_the_hash_with_other_epochs() {
    let (text, rows) = backed_up(|_| ());
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("backup");
    zipped(&file, &text);
    let whole = check(&file, |_| ()).unwrap();
    assert_eq!((whole.channels, whole.messages), (4, 60 * 3 + 39));
    let data = home.path().join("data");
    restore(&file, &whole, &data, 1 << 20, |_| ()).unwrap().unwrap();
    let restored = SledRows::open_known(&data, 1 << 20).unwrap();
    assert_eq!(faults(&restored), [""; 0]);
    // Small records are the same to the byte, but for those that say nothing themselves.
    let small = |rows: &dyn Rows| all(rows).into_iter().filter(|(key, _)| key[0] == 4).collect::<Vec<_>>();
    assert_eq!(small(&restored), small(&*rows));
    assert!(restored.get(&keys::listed(true, "p")).unwrap().is_some(), "private stays private");
    let (before, after) = (open(&rows), open(&(Arc::new(restored) as Arc<dyn Rows>)));
    for (name, head) in before.log().channels(None, 9).unwrap() {
        let now = after.log().head(&name).unwrap().unwrap();
        assert_eq!((now.seq, now.first, now.at, now.hash), (head.seq, head.first, head.at, head.hash));
        assert_ne!(now.epoch, head.epoch);
        let all = |store: &Store| store.log().range(&name, 1, head.seq, 999, usize::MAX).unwrap();
        assert_eq!(all(&before), all(&after));
    }
}

#[test]
fn what_happens_to_channels_meanwhile_does_no_harm() {
    let (text, _) = backed_up(|store| {
        let log = store.log();
        for name in ["a", "b"] {
            let head = log.head(&channel(name)).unwrap().unwrap();
            let more = batch(head.seq + 1, head.seq + 3, "later").into_iter();
            let later = more.map(|message| crate::model::Message { at: head.at, ..message }).collect();
            append(&*log, &channel(name), &head, later).unwrap();
        }
        create(&*log, &channel("new")).unwrap();
        wait(|done| log.trim(&channel("b"), 50, done)).unwrap();
        // It is deleted once only.
        let _ = wait(|done| log.delete(&channel("p"), done));
    });
    let home = tempfile::tempdir().unwrap();
    let (file, data) = (home.path().join("backup"), home.path().join("data"));
    zipped(&file, &text);
    let whole = check(&file, |_| ()).unwrap();
    restore(&file, &whole, &data, 1 << 20, |_| ()).unwrap().unwrap();
    let restored = SledRows::open_known(&data, 1 << 20).unwrap();
    assert_eq!(faults(&restored), [""; 0]);
    let there = |name: &str| restored.get(&keys::channel(name)).unwrap().is_some();
    assert_eq!(["a", "b", "p", "@ann:bob", "new"].map(there), [true, true, false, true, false]);
}

#[test]
fn after_a_restore_webhooks_go_on_where_they_were_and_nothing_is_left_of_channels_that_were_not_backed_up() {
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
    let store = open(&rows);
    fill(&store);
    let (log, meta) = (store.log(), store.meta());
    let epoch = log.head(&channel("a")).unwrap().unwrap().epoch;
    let put = |name: &str, value: String| MetaOp::Put(name.into(), value.into());
    let ops = ["keep/p", "size/p", "hook/w/p", "keep/a"].map(|name| put(name, format!("{epoch} 9")));
    write(&*meta, ops.into()).unwrap();
    let hooks = [("hooks/w", format!("{:x} a* b", log.generation())), ("hook/w/a", format!("{epoch} 58"))];
    write(&*meta, hooks.map(|(name, value)| put(name, value)).into()).unwrap();
    let text = carried_out(&store, Order::Backup, |step| {
        if step == 3 {
            wait(|done| log.delete(&channel("p"), done)).unwrap();
        }
    });
    let home = tempfile::tempdir().unwrap();
    let (file, data) = (home.path().join("backup"), home.path().join("data"));
    zipped(&file, &text);
    let whole = check(&file, |_| ()).unwrap();
    restore(&file, &whole, &data, 1 << 20, |_| ()).unwrap().unwrap();
    let restored: Arc<dyn Rows> = Arc::new(SledRows::open_known(&data, 1 << 20).unwrap());
    let after = open(&restored);
    let value = |name: &str| after.meta().get(name).unwrap().map(|record| record.value);
    assert_eq!(["keep/p", "size/p", "hook/w/p"].map(value), [None, None, None]);
    assert!(value("keep/a").is_some());
    let now = after.log().head(&channel("a")).unwrap().unwrap().epoch;
    assert_ne!(now, epoch);
    assert_eq!(value("hook/w/a"), Some(format!("{now} 58").into()));
    assert_eq!(value("hooks/w"), Some(format!("{:x} a* b", after.log().generation()).into()));
    assert!(after.boot() > 1000 * store.boot(), "what was numbered by boots is behind");
}

#[test]
fn a_message_as_a_line_is_the_message_again() {
    let (text, _) = backed_up(|_| ());
    let mut from = lines::Reader::new(&text[..]);
    let (mut messages, mut erased) = (0, 0);
    while let Some(line) = from.next().unwrap() {
        if let lines::Line::Message(told) = line {
            let kept = told.kept().unwrap();
            assert_eq!(lines::Told::of(&kept), told);
            messages += 1;
            erased += usize::from(kept.erased.is_some());
        }
    }
    assert_eq!((messages, erased), (60 * 3 + 39, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_backup_that_is_not_what_was_written_is_refused(at: prop::sample::Index, by in 1..=255u8, cut: bool) {
        static TEXT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut text = TEXT.get_or_init(|| backed_up(|_| ()).0).clone();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] ^= by }
        let mut from = lines::Reader::new(&text[..]);
        let read = loop {
            match from.next() {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(why) => break Err(why),
            }
        };
        prop_assert!(matches!(read, Err(Stop::File(_))));
    }

    #[test]
    fn nothing_that_is_imported_makes_it_panic(
        seed: u64, whole in prop::sample::select(&[
            r#"{"channel":"a","created":"2026-11-22T10:00:00.000Z","private":true,"title":"T","epoch":"1-z","first":1,"head":2}"#,
            r#"{"channel":"a","member":"ann","read":7}"#,
            r#"{"channel":"a","mark":"ann","role":"owner","banned":false}"#,
            r#"{"channel":"a","seq":1,"at":"2026-11-22T10:00:00.000Z","from":"ann","body":{"text":"hi"},"kind":"x-a"}"#,
        ][..]),
    ) {
        let line = crate::model::cases::damaged_text(whole, seed);
        let text = format!("{{\"channel\":\"a\"}}\n{line}\n");
        let _ = super::look(&mut text.as_bytes(), &|_| Ok(false));
    }
}

#[test]
fn what_has_no_order_is_not_imported() {
    let line =
        |seq: u64| format!(r#"{{"channel":"a","seq":{seq},"at":"2026-11-22T10:00:00Z","from":"ann","body":{{}}}}"#);
    let look = |lines: &[&str]| {
        let text = lines.join("\n");
        super::look(&mut text.as_bytes(), &|name| Ok(name.as_str() == "there")).map(|brought| brought.messages)
    };
    let of = r#"{"channel":"a"}"#;
    assert_eq!(look(&[of, &line(5), &line(6)]).unwrap(), 2);
    for (wrong, why) in [
        (vec![line(1)], "does not follow"),
        (vec![of.into(), line(1), line(3)], "expected 2"),
        (vec![of.into(), of.into()], "comes twice"),
        (vec![r#"{"channel":"there"}"#.into()], "already"),
        (vec![of.into(), line(1).replace("22T10", "99T10")], "expected a time"),
        (vec![of.into(), line(1).replace("{}", "7")], "an object"),
        (vec!["nonsense".into()], "line 1"),
        (vec![of.into(), line(1 << 53)], "line 2: expected a place up to"),
        (vec![of.into(), line(u64::MAX)], "line 2: expected a place up to"),
        (vec![r#"{"channel":"a","first":9007199254740992}"#.into()], "expected a place up to"),
        (vec![format!(r#"{{"channel":"a","title":"{}"}}"#, "x".repeat(257))], "title: expected at most 256 bytes"),
        (vec![r#"{"channel":"a","title":"two\nlines"}"#.into()], "without control characters"),
        (vec![of.into(), line(1), line(2).replace("10:00:00Z", "09:00:00Z")], "line 3: message 2: it is of"),
        (vec![of.into(), line(1).replace("{}", &format!(r#"{{"text":"{}"}}"#, "x".repeat(70_000)))], "too long"),
    ] {
        let said = look(&wrong.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    let no_text = [of.as_bytes(), b"\n\xff\n"].concat();
    let said = super::look(&mut &no_text[..], &|_| Ok(false)).map(|_| ()).unwrap_err();
    assert!(matches!(&said, Stop::File(why) if why.starts_with("line 2")), "{said}");
}

#[test]
fn webhooks_are_told_of_what_follows_an_import() {
    let home = tempfile::tempdir().unwrap();
    let opened = || Arc::new(SledRows::open(home.path(), 1 << 20).unwrap());
    let store = open(&(opened() as Arc<dyn Rows>));
    let begun = [("hooks/w", "1 a* b"), ("hooks/v", "1 *"), ("hooks/u", "1 c")];
    write(&*store.meta(), begun.map(|(name, with)| MetaOp::Put(name.into(), with.into())).into()).unwrap();
    store.close().unwrap();
    let text = r#"{"channel":"a"}
        {"channel":"a","seq":1,"at":"2026-11-22T10:00:00Z","from":"ann","body":{}}
        {"channel":"a","seq":2,"at":"2026-11-22T10:00:00Z","from":"ann","body":{}}
        {"channel":"@ann:bob"}"#;
    let brought = super::look(&mut text.as_bytes(), &|_| Ok(false)).unwrap();
    let rows = opened();
    super::add(&rows, &mut text.as_bytes(), &brought, Wall(1)).unwrap();
    let store = open(&(rows as Arc<dyn Rows>));
    let followed = |hook: &str, name: &str| {
        let value = store.meta().get(&format!("hook/{hook}/{name}")).unwrap().map(|record| record.value);
        let epoch = store.log().head(&channel(name)).unwrap().unwrap().epoch;
        value.map(|value| String::from_utf8(value.to_vec()).unwrap().replace(&epoch.0[..], "epoch"))
    };
    assert_eq!([followed("w", "a"), followed("v", "a")], [(); 2].map(|()| Some("epoch 2".to_owned())));
    assert_eq!(["w", "v", "u"].map(|hook| followed(hook, "@ann:bob")), [None, None, None]);
    assert_eq!(followed("u", "a"), None);
}
