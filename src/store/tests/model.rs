//! A random life of a store beside a naive model of it: a list of messages per channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::conformance::{append, create, wait};
use super::super::{AppendError, Head, MemoryRows, ReadError, Rows, SledRows, Store, Trimmed};
use super::support::{any_batch, channel, open};
use crate::model::{Message, Wall};

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Append(usize, Vec<Message>),
    Stale(usize),
    Trim(usize, u64),
    Redact(usize, u64),
    Delete(usize),
    Reopen { clean: bool },
}

fn any_step() -> impl Strategy<Value = Step> {
    let name = 0..3usize;
    prop_oneof![
        2 => name.clone().prop_map(Step::Create),
        8 => (name.clone(), any_batch(20)).prop_map(|(name, batch)| Step::Append(name, batch)),
        1 => name.clone().prop_map(Step::Stale),
        2 => (name.clone(), 0..120u64).prop_map(|(name, below)| Step::Trim(name, below)),
        2 => (name.clone(), 0..120u64).prop_map(|(name, seq)| Step::Redact(name, seq)),
        1 => name.prop_map(Step::Delete),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
    ]
}

#[derive(Debug)]
struct Naive {
    head: Head,
    kept: Vec<Message>,
}

fn check(store: &Store, name: usize, naive: Option<&Naive>) {
    let (log, name) = (store.log(), channel(["a", "b", "c"][name]));
    let Some(naive) = naive else {
        assert_eq!(log.head(&name).unwrap(), None);
        assert_eq!(log.tail(&name, 9), Err(ReadError::NoChannel));
        return;
    };
    assert_eq!(log.head(&name).unwrap().as_ref(), Some(&naive.head));
    assert_eq!(store.verify(&name).unwrap(), naive.head);
    assert_eq!(log.tail(&name, usize::MAX).unwrap(), naive.kept);
    let mut hours = BTreeMap::new();
    for message in &naive.kept {
        hours.entry(message.at.hour()).or_insert(message.seq);
    }
    for (hour, seq) in hours {
        assert_eq!(log.first_of_hour(&name, hour).unwrap(), Some(seq));
    }
    if let Some(middle) = naive.kept.get(naive.kept.len() / 2) {
        let page = log.range(&name, middle.seq, u64::MAX, 7, usize::MAX).unwrap();
        assert_eq!(page, naive.kept.iter().filter(|m| m.seq >= middle.seq).take(7).cloned().collect::<Vec<_>>());
        if let Some(key) = &middle.key {
            let same = |m: &&Message| m.key.as_ref() == Some(key) && m.from == middle.from;
            let found = log.find(&name, &middle.from, key, 1, u64::MAX).unwrap();
            assert_eq!(found, naive.kept.iter().find(same).map(|m| m.seq));
        }
        let unread = naive.kept.iter().filter(|m| m.seq > middle.seq && m.kind.is_none() && m.from != middle.from);
        assert_eq!(log.unread(&name, &middle.from, middle.seq, 1000).unwrap().count, unread.count() as u64);
    }
}

fn live(rows: Arc<dyn Rows>, steps: Vec<Step>) {
    let mut store = open(&rows);
    let mut model: [Option<Naive>; 3] = [None, None, None];
    let names = ["a", "b", "c"].map(channel);
    for step in steps {
        let log = store.log();
        match step {
            Step::Create(n) => {
                let head = create(&*log, &names[n]).unwrap();
                let naive = model[n].get_or_insert(Naive { head: head.clone(), kept: Vec::new() });
                assert_eq!(naive.head, head);
            }
            Step::Append(n, mut batch) => {
                let Some(naive) = &mut model[n] else { continue };
                let shift = naive.head.at.0.max(batch[0].at.0) - batch[0].at.0;
                for (message, seq) in batch.iter_mut().zip(naive.head.seq + 1..) {
                    message.seq = seq;
                    message.at = Wall(message.at.0 + shift);
                }
                naive.head = append(&*log, &names[n], &naive.head, batch.clone()).unwrap();
                naive.kept.extend(batch);
            }
            Step::Stale(n) => {
                let Some(naive) = &model[n] else { continue };
                let mut stale = naive.head.clone();
                stale.seq += 1;
                let outcome = append(&*log, &names[n], &stale, Vec::new());
                assert_eq!(outcome, Err(AppendError::Conflict(naive.head.clone())));
            }
            Step::Trim(n, below) => {
                let outcome = wait(|done| log.trim(&names[n], below, done));
                let Some(naive) = &mut model[n] else { continue };
                let (gone, kept): (Vec<_>, _) = naive.kept.drain(..).partition(|message| message.seq < below);
                naive.kept = kept;
                naive.head.first = naive.head.first.max(below.min(naive.head.seq + 1));
                let bytes = gone.iter().map(|message| message.body.len() as u64).sum();
                let (head, messages) = (naive.head.clone(), gone.len() as u64);
                assert_eq!(outcome.unwrap(), Trimmed { head, messages, bytes });
            }
            Step::Redact(n, seq) => {
                let outcome = wait(|done| log.redact(&names[n], seq, done));
                let Some(naive) = &mut model[n] else { continue };
                assert_eq!(outcome.is_ok(), (1..=naive.head.seq).contains(&seq));
                naive.kept.iter_mut().filter(|m| m.seq == seq).for_each(|m| m.body = "{}".into());
            }
            Step::Delete(n) => {
                let outcome = wait(|done| log.delete(&names[n], done));
                assert_eq!(outcome.is_ok(), model[n].take().is_some());
            }
            Step::Reopen { clean } => {
                if clean {
                    store.close().unwrap();
                } else {
                    drop(store);
                }
                store = open(&rows);
            }
        }
        model.iter().enumerate().for_each(|(n, naive)| check(&store, n, naive.as_ref()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_a_list_per_channel_does(steps in prop::collection::vec(any_step(), 1..30)) {
        live(Arc::new(MemoryRows::default()), steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn so_does_one_on_disk_whatever_has_left_the_journal(
        steps in prop::collection::vec(any_step(), 10..30), settled in 0..9000_usize,
    ) {
        let home = tempfile::tempdir().unwrap();
        live(Arc::new(SledRows::open(home.path(), 8 << 20).unwrap().settled_at(settled)), steps);
    }
}
