//! Damage of every sort to real rows: it is found, mended, and nothing is lost that could be read.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::config;
use crate::model::{ChannelName, Message, Role, Wall};
use crate::store::conformance::{NOON, append, batch, create, wait, write};
use crate::store::{Batch, Keep, Mark, Membership, MemoryRows, MetaOp, Place, Rows, Store, keys, record, seal};
use crate::supervise::Probes;

pub(super) fn channel(name: &str) -> ChannelName {
    ChannelName::stored(name).unwrap()
}

pub(super) fn settings() -> config::Store {
    config::Store {
        engine: config::Engine::Memory,
        path: "memory".into(),
        durability: config::Durability::Always,
        sync_interval: std::time::Duration::from_secs(3600),
        cache_bytes: 8 << 20,
        reserve_bytes: 1 << 20,
        read_threads: 1,
    }
}

pub(super) fn open(rows: &Arc<dyn Rows>) -> Store {
    Store::on(Arc::clone(rows), &settings(), &Probes::default()).unwrap()
}

/// Messages, two of each hour, so that there are many rows.
fn hourly(from: u64, to: u64, body: &str) -> Vec<Message> {
    let late = |message: Message| Message { at: Wall(NOON.0 + message.seq as i64 * 1_800_000), ..message };
    batch(from, to, body).into_iter().map(late).collect()
}

/// Four channels: one of long blocks, one of many hours that was trimmed and has an erased message, a private one, a direct
/// one; and records of every sort.
pub(super) fn fill(store: &Store) {
    let (log, meta) = (store.log(), store.meta());
    let place = Place { private: true, title: Some("P".into()), ending: false };
    let mut ops = vec![place.write(&channel("p"))];
    for (name, user) in
        [("a", "ann"), ("b", "ann"), ("p", "ann"), ("p", "bob"), ("@ann:bob", "ann"), ("@ann:bob", "bob")]
    {
        ops.extend(Membership::begin(&channel(name), user, 0));
    }
    ops.extend(Mark { role: Role::Owner, ..Mark::default() }.write(&channel("p"), "ann"));
    ops.extend(Mark { banned: true, ..Mark::default() }.write(&channel("a"), "eve"));
    let account = r#"{"password":"x","made":1,"operator":true,"round":1}"#;
    ops.push(Keep { count: Some(500), ..Keep::default() }.write("a"));
    for (name, value) in [("user/ann", account), ("seen/ann", "12"), ("visible/bob", "on"), ("contacts/ann", "bob")] {
        ops.push(MetaOp::Put(name.into(), Bytes::from_static(value.as_bytes())));
    }
    write(&*meta, ops).unwrap();
    for name in ["a", "b", "p", "@ann:bob"] {
        let name = channel(name);
        let mut head = create(&*log, &name).unwrap();
        for part in 0..6 {
            let (from, to) = (part * 10 + 1, part * 10 + 10);
            let messages = if name.as_str() == "b" { hourly(from, to, "words") } else { batch(from, to, "some words") };
            head = append(&*log, &name, &head, messages).unwrap();
        }
    }
    wait(|done| log.trim(&channel("b"), 22, done)).unwrap();
    wait(|done| log.redact(&channel("b"), 31, done)).unwrap();
    let read = |name: &str, seq| Membership::write(&channel(name), "ann", seq);
    write(&*meta, vec![read("a", 60), read("b", 7)]).unwrap();
}

pub(super) fn filled() -> Arc<dyn Rows> {
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
    let store = open(&rows);
    fill(&store);
    store.close().unwrap();
    rows
}

type All = BTreeMap<Bytes, Bytes>;

pub(super) fn all(rows: &dyn Rows) -> All {
    let mut all = All::new();
    rows.scan(&[0]..&[0xff; 40], false, &mut |key, value| {
        all.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

fn rows_of(all: &All) -> MemoryRows {
    let rows = MemoryRows::default();
    rows.apply(&Batch(all.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect())).unwrap();
    rows
}

/// Listens, and gathers what it hears.
#[derive(Default)]
struct Heard {
    faults: Vec<Fault>,
    kept: All,
    aside: Vec<Bytes>,
}

impl Sink for Heard {
    fn fault(&mut self, fault: Fault) -> Result<(), Stop> {
        self.faults.push(fault);
        Ok(())
    }

    fn keep(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.kept.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        Ok(())
    }

    fn aside(&mut self, key: &[u8], _: &[u8]) -> Result<(), Stop> {
        self.aside.push(Bytes::copy_from_slice(key));
        Ok(())
    }
}

fn heard(all: &All) -> (Heard, Counts) {
    let mut heard = Heard::default();
    let counts = examine(&rows_of(all), &Scope::All, &mut heard).unwrap();
    (heard, counts)
}

pub(super) fn faults(rows: &dyn Rows) -> Vec<String> {
    let mut heard = Heard::default();
    examine(rows, &Scope::All, &mut heard).unwrap();
    heard.faults.iter().map(ToString::to_string).collect()
}

/// What users see of a store.
fn messages(all: &All) -> BTreeMap<(String, u64), Message> {
    let rows: Arc<dyn Rows> = Arc::new(rows_of(all));
    let store = open(&rows);
    let log = store.log();
    let mut found = BTreeMap::new();
    for (name, head) in log.channels(None, 99).unwrap() {
        store.verify(&name).unwrap();
        for message in log.range(&name, head.first, head.seq, 9999, usize::MAX).unwrap() {
            found.insert((name.to_string(), message.seq), message);
        }
    }
    found
}

/// Mends it; afterwards all is well.
fn mended(all: &All) -> (Heard, Counts) {
    let (first, counts) = heard(all);
    assert!(!first.faults.is_empty(), "the damage was not found");
    let (again, _) = heard(&first.kept);
    assert_eq!(again.faults, [], "after {:?}", first.faults);
    assert_eq!(again.kept, first.kept, "what is sound stays as it is");
    (first, counts)
}

fn replace(all: &All, key: &Bytes, value: Option<Vec<u8>>) -> All {
    let mut worse = all.clone();
    worse.remove(key);
    worse.extend(value.map(|value| (key.clone(), Bytes::from(value))));
    worse
}

/// How many places of one do not hold the same in the other.
fn differ(one: &BTreeMap<(String, u64), Message>, other: &BTreeMap<(String, u64), Message>) -> usize {
    one.iter().filter(|(place, message)| other.get(*place) != Some(*message)).count()
}

#[test]
fn a_sound_store_is_sound_and_would_be_written_as_it_is() {
    let whole = all(&*filled());
    let (heard, counts) = heard(&whole);
    assert_eq!(heard.faults, []);
    assert_eq!(heard.kept, whole);
    assert_eq!((counts.channels, counts.messages, counts.lost), (4, 60 * 3 + 39, 0));
}

#[test]
fn a_flipped_bit_is_put_right_wherever_it_is() {
    let whole = all(&*filled());
    for (n, (key, value)) in whole.iter().enumerate() {
        for bit in [n % 8, 8 * 4 + 1, value.len() * 8 - 1 - n % 16, value.len() * 4] {
            let mut worse = value.to_vec();
            worse[bit / 8] ^= 1 << (bit % 8);
            let (heard, counts) = mended(&replace(&whole, key, Some(worse)));
            let derived = [2, 6, 7].contains(&key[0]);
            assert!(derived || heard.kept == whole, "{key:?}: {:?}", heard.faults);
            assert_eq!(heard.kept, whole);
            assert_eq!(counts.lost, 0);
        }
    }
}

#[test]
fn a_row_of_messages_that_is_gone_or_nonsense_costs_those_messages_and_no_others() {
    let whole = all(&*filled());
    let before = messages(&whole);
    let blocks: Vec<&Bytes> = whole.keys().filter(|key| keys::of_block(key).is_some()).collect();
    for (n, key) in blocks.iter().enumerate() {
        let is_last = blocks.get(n + 1).is_none_or(|next| keys::number(next) != keys::number(key));
        let lost = crate::store::block::open(key, &whole[*key]).unwrap().len();
        for worse in [Some(vec![0xa5; 99]), Some(vec![]), None] {
            if worse.is_none() && is_last {
                continue;
            }
            let (heard, counts) = mended(&replace(&whole, key, worse));
            let now = messages(&heard.kept);
            assert_eq!(now.len(), before.len(), "{:?}", heard.faults);
            assert_eq!((differ(&before, &now), counts.lost), (lost, lost as u64), "{:?}", heard.faults);
            let lost_kind =
                |message: &&Message| message.kind.as_ref().is_some_and(|kind| kind.as_str() == "server.lost");
            assert_eq!(now.values().filter(lost_kind).count(), lost);
            let births =
                |all: &All| all.iter().filter(|(key, _)| key[0] == 3).map(|(_, v)| v.clone()).collect::<Vec<_>>();
            let other = births(&heard.kept).iter().zip(births(&whole)).filter(|(a, b)| **a != *b).count();
            assert_eq!(other, 1, "only this channel has another epoch");
        }
    }
}

#[test]
fn a_body_that_is_damaged_is_erased_and_its_header_stays() {
    let whole = all(&*filled());
    let before = messages(&whole);
    let key = Bytes::from(keys::block(1, 10));
    let mut worse = whole[&key].to_vec();
    let at = worse.windows(5).position(|words| words == b"words").unwrap();
    worse[at..at + 3].copy_from_slice(&[0xff, 0, 0xff]);
    let (heard, counts) = mended(&replace(&whole, &key, Some(worse)));
    let now = messages(&heard.kept);
    assert_eq!((differ(&before, &now), counts.lost), (1, 1));
    let (place, hit) = now.iter().find(|(place, message)| before[*place] != **message).unwrap();
    assert_eq!(hit, &Message { body: "{}".into(), ..before[place].clone() });
    assert_eq!(heard.aside, [key]);
}

#[test]
fn a_channels_row_is_made_anew_from_the_index_or_because_no_other_is_left() {
    let whole = all(&*filled());
    let before = messages(&whole);
    for name in ["a", "b", "p", "@ann:bob"] {
        let key = Bytes::from(keys::channel(name));
        let (heard, counts) = mended(&replace(&whole, &key, Some(vec![7; 61])));
        assert_eq!((messages(&heard.kept), counts.lost), (before.clone(), 0), "{name}");
        if !name.starts_with('@') {
            assert_eq!(messages(&mended(&replace(&whole, &key, None)).0.kept), before, "{name}");
        }
    }
}

#[test]
fn a_record_that_cannot_be_read_opens_nothing_that_was_shut() {
    let whole = all(&*filled());
    let value = |all: &All, name: &str| {
        let key = keys::meta(name);
        all.get(&key[..]).map(|value| String::from_utf8(seal::open(&key, value).unwrap()[8..].to_vec()).unwrap())
    };
    for (name, part) in [
        ("user/ann", r#""disabled":true"#),
        ("visible/bob", "off"),
        ("p/a/eve", r#""banned":true"#),
        ("p/p/ann", r#""invited":true"#),
        ("place/p", r#""private":true"#),
        ("keep/a", r#"{"age_s":0,"count":0,"bytes":0}"#),
        ("c/a/ann", r#"{"read":0}"#),
        ("m/ann/a", ""),
    ] {
        let (heard, _) = mended(&replace(&whole, &Bytes::from(keys::meta(name)), Some(vec![1; 40])));
        let now = value(&heard.kept, name).unwrap();
        assert!(now.contains(part), "{name}: {now}");
    }
    for (gone, back) in [("c/a/ann", "c/a/ann"), ("m/ann/a", "m/ann/a"), ("a/ann/p", "a/ann/p")] {
        let (heard, _) = mended(&replace(&whole, &Bytes::from(keys::meta(gone)), None));
        assert!(value(&heard.kept, back).is_some(), "{back}");
    }
}

#[test]
fn a_webhook_goes_on_where_it_was_in_a_channel_that_lost_messages() {
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
    let store = open(&rows);
    fill(&store);
    let epoch = |store: &Store| store.log().head(&channel("a")).unwrap().unwrap().epoch;
    let before = epoch(&store);
    let cursor = |epoch: &str| MetaOp::Put("hook/w/a".into(), format!("{epoch} 58").into());
    write(&*store.meta(), vec![cursor(&before.0), MetaOp::Put("hook/v/a".into(), Bytes::from_static(b"1-z 58"))])
        .unwrap();
    store.close().unwrap();
    let whole = all(&*rows);
    let (heard, _) = mended(&replace(&whole, &Bytes::from(keys::block(1, 10)), Some(vec![0xa5; 99])));
    let rows: Arc<dyn Rows> = Arc::new(rows_of(&heard.kept));
    let store = open(&rows);
    let value = |name: &str| store.meta().get(name).unwrap().unwrap().value;
    assert_ne!(epoch(&store), before);
    assert_eq!(value("hook/w/a"), format!("{} 58", epoch(&store)));
    assert_eq!(value("hook/v/a"), "1-z 58", "one that was of an earlier channel stays so");
}

#[test]
fn what_belongs_nowhere_is_set_aside() {
    let whole = all(&*filled());
    let number = |key: Vec<u8>, number| (Bytes::from(key.clone()), seal::number(&key, number));
    let record = |name: &str| {
        let key = keys::meta(name);
        let record = crate::store::Versioned { version: 1, value: Bytes::from_static(b"{}") };
        (Bytes::from(key.clone()), crate::store::seal_meta(&key, &record))
    };
    let strays = [
        number(keys::hour(99, crate::model::Hour(5)), 1),
        (Bytes::from(keys::block(99, 5)), Bytes::from_static(b"x")),
        number(keys::hour(1, crate::model::Hour(5)), 1),
        number(keys::listed(false, "nobody"), 77),
        number(keys::store("unheard"), 1),
        record("c/nowhere/ann"),
        record("a/ann/a"),
        (Bytes::from_static(&[9, 1]), Bytes::from_static(b"x")),
        (Bytes::from_static(&[1, 1]), Bytes::from_static(b"x")),
    ];
    for (key, value) in strays {
        let (heard, _) = mended(&replace(&whole, &key, Some(value.to_vec())));
        assert_eq!(heard.kept, whole, "{key:?}: {:?}", heard.faults);
    }
}

#[test]
fn a_header_that_names_another_is_found_though_every_checksum_is_right() {
    let whole = all(&*filled());
    let key = Bytes::from(keys::block(1, 30));
    let records = crate::store::block::open(&key, &whole[&key]).unwrap();
    let mut messages = records.iter().map(|record| record.message().unwrap()).collect::<Vec<_>>();
    messages[0].body = r#"{"text":"forged"}"#.into();
    let (rows, _) = crate::store::block::cut(1, &messages, records[0].before);
    let (heard, _) = mended(&replace(&whole, &key, Some(rows[0].value.to_vec())));
    assert_eq!(heard.faults[0].to_string(), "chain a 31: its header does not name the one before it");
    let (rows, _) = crate::store::block::cut(1, &messages, record::ROOT);
    let (heard, _) = mended(&replace(&whole, &key, Some(rows[0].value.to_vec())));
    assert_eq!(heard.faults.len(), 2, "{:?}", heard.faults);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_becomes_of_some_rows_is_found_and_mended_and_the_rest_stays(
        harms in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..255u8, 0..4u8), 1..6),
    ) {
        static WHOLE: std::sync::OnceLock<All> = std::sync::OnceLock::new();
        let whole = WHOLE.get_or_init(|| all(&*filled()));
        let mut worse = whole.clone();
        for (row, at, by, how) in harms {
            let key = whole.keys().nth(row.index(whole.len())).unwrap().clone();
            let mut value = whole[&key].to_vec();
            let at = at.index(value.len());
            match how {
                0 => value.truncate(at),
                1 => value[at] ^= by,
                2 => value[at..].fill(by),
                _ => drop(value.splice(at..at, [by])),
            }
            worse.insert(key, value.into());
        }
        prop_assume!(worse != *whole);
        let (heard, _) = mended(&worse);
        // A sound row of messages stays, but for the chain behind what was lost.
        let (before, now) = (messages(whole), messages(&heard.kept));
        for (key, value) in whole.iter().filter(|(key, _)| keys::of_block(key).is_some()) {
            if worse[key] == value {
                for record in crate::store::block::open(key, value).unwrap() {
                    let name = ["a", "b", "p", "@ann:bob"][keys::number(key).unwrap() as usize - 1];
                    let place = (name.to_owned(), record.seq);
                    // Unless nothing tells any more whose they are.
                    if now.keys().any(|(found, _)| found == name) {
                        prop_assert_eq!(now.get(&place), before.get(&place));
                    }
                }
            }
        }
    }
}
