//! The traced program: a store that is made, written to, closed, dropped and opened again, and that says of every write
//! when it is asked for and when it is acknowledged.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use parlor::config::Durability;
use parlor::model::ChannelName;
use parlor::store::{AppendError, Head, MetaOp, SledRows, Store, Trimmed};
use parlor::supervise::Probes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::marks::{self, DATA, LARGEST, MARKS, Mark, Op};
use crate::{check, layout};

/// The variables that say what to do: lives, as in `mixed:always:120:close`, parted by commas, and a seed.
pub const LIVES: &str = "PARLOR_POWER_LIVES";
pub const SEED: &str = "PARLOR_POWER_LIFE_SEED";

/// How long a round of the journal is in a life that is `settling`, in bytes: a few commits.
const ROUND: usize = 12_000;
/// Writes that wait for their answers at a time.
const UNDER_WAY: usize = 12;
const CHANNELS: u64 = 10;

/// Works its lives off; the last may end with an abort.
pub fn run() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} says what to do"));
    let folder = PathBuf::from(variable(layout::WATCH));
    let file = OpenOptions::new().create(true).append(true).open(folder.join(MARKS)).expect("the marks");
    let seed = variable(SEED).parse().expect("a number");
    let mut child = Child { random: SmallRng::seed_from_u64(seed), marks: Arc::new(file), asked: seed << 32 };
    for life in variable(LIVES).split(',') {
        let [style, kind, writes, end] = life.split(':').collect::<Vec<_>>()[..] else { panic!("{life}") };
        let always = kind == "always";
        mark(&child.marks, &Mark::Opening(always));
        let durability = if always { Durability::Always } else { Durability::Interval };
        let mut config = marks::config(folder.join(DATA), durability);
        if kind == "late" {
            // Whatever is synced is synced by sled, now and then.
            config.sync_interval = Duration::from_secs(3600);
        }
        let rows = SledRows::open(&config.path, config.cache_bytes).expect("its rows");
        let rows = if style == "settling" { rows.settled_at(ROUND) } else { rows };
        let store = Store::on(Arc::new(rows), &config, &Probes::default()).expect("a store");
        child.live(&store, style == "heavy", writes.parse().expect("a number"), end == "abort");
        match end {
            "close" => {
                store.close().expect("a clean end");
                mark(&child.marks, &Mark::Closed);
            }
            "drop" => drop(store),
            _ => std::process::abort(),
        }
    }
}

fn mark(marks: &File, mark: &Mark) {
    let line = serde_json::to_string(mark).expect("a mark is JSON") + "\n";
    let mut marks = marks;
    // One write, so that it has one place in the trace.
    assert_eq!(marks.write(line.as_bytes()).expect("the marks can be written"), line.len());
}

struct Child {
    random: SmallRng,
    marks: Arc<File>,
    asked: u64,
}

/// An answer: whose, and the head now; a channel that is gone has none.
type Told = (String, Result<Option<Head>, String>);

impl Child {
    fn live(&mut self, store: &Store, heavy: bool, writes: u32, abort: bool) {
        let mut heads: BTreeMap<String, Head> = BTreeMap::new();
        for (name, head) in store.log().channels(None, usize::MAX).expect("the channels") {
            heads.insert(name.as_str().to_owned(), head);
        }
        mark(&self.marks, &Mark::Opened(check::read(store).expect("what is in the store")));

        let (tell, told) = mpsc::channel::<Told>();
        let mut busy: Vec<String> = Vec::new();
        let answer = |(name, outcome): Told, heads: &mut BTreeMap<String, Head>, busy: &mut Vec<String>| {
            match outcome.unwrap_or_else(|why| panic!("{name}: {why}")) {
                Some(head) => heads.insert(name.clone(), head),
                None => heads.remove(&name),
            };
            busy.retain(|other| *other != name);
        };
        for n in 0..writes {
            // Before a sudden end only such writes as can be told apart afterwards.
            let plain = abort && n + 3 * UNDER_WAY as u32 > writes;
            while busy.len() >= UNDER_WAY {
                answer(told.recv().expect("an answer"), &mut heads, &mut busy);
            }
            let name = match self.random.random_range(0..CHANNELS + 3) {
                n if n < CHANNELS => format!("channel-{n}"),
                n => format!("records-{n}"),
            };
            while busy.contains(&name) {
                answer(told.recv().expect("an answer"), &mut heads, &mut busy);
            }
            busy.push(name.clone());
            let op = self.choose(&name, heads.get(&name), heavy, plain);
            self.ask(store, op, heads.get(&name), (name, tell.clone()));
        }
        if !abort {
            while !busy.is_empty() {
                answer(told.recv().expect("an answer"), &mut heads, &mut busy);
            }
        }
    }

    fn choose(&mut self, name: &str, head: Option<&Head>, heavy: bool, plain: bool) -> Op {
        let channel = name.to_owned();
        if name.starts_with("records") {
            let count = self.random.random_range(1..4_u64);
            let mut records = Vec::new();
            for _ in 0..count {
                let record = format!("{name}/{}", self.random.random_range(0..8));
                let size = match self.random.random_range(0..20) {
                    0 => None,
                    1 => Some(LARGEST),
                    _ => Some(self.random.random_range(1..200)),
                };
                if records.iter().all(|(other, _)| *other != record) {
                    records.push((record, if plain { size.or(Some(9)) } else { size }));
                }
            }
            return Op::Records(self.random.random(), records);
        }
        let Some(head) = head else { return Op::Create(channel) };
        let kept = head.seq + 1 - head.first;
        match self.random.random_range(0..100) {
            0..=1 if !plain => Op::Delete(channel),
            2..=9 if !plain && kept > 0 => Op::Trim(channel, head.first + self.random.random_range(0..=kept)),
            10..=13 if !plain && kept > 0 => Op::Redact(channel, self.random.random_range(head.first..=head.seq)),
            14..=17 if !plain && heavy => Op::Trim(channel, head.seq + 1),
            kind => {
                let sizes = match (kind, heavy) {
                    (18..=19, false) | (18..=30, true) => vec![LARGEST],
                    (31, false) | (31..=39, true) => vec![16_000; self.random.random_range(1..20)],
                    (40, true) => vec![LARGEST; 128],
                    (41..=50, _) => vec![300; self.random.random_range(20..120)],
                    (51..=65, true) => vec![8_000; self.random.random_range(1..10)],
                    _ => (0..self.random.random_range(1..6)).map(|_| self.random.random_range(1..1000)).collect(),
                };
                Op::Append { channel, from: head.seq + 1, salt: self.random.random(), sizes }
            }
        }
    }

    fn ask(&mut self, store: &Store, op: Op, head: Option<&Head>, (name, tell): (String, mpsc::Sender<Told>)) {
        self.asked += 1;
        let (number, marks) = (self.asked, Arc::clone(&self.marks));
        mark(&self.marks, &Mark::Ask(number, op.clone()));
        let answered = move |outcome: Result<Option<Head>, String>| {
            if let Ok(head) = &outcome {
                mark(&marks, &Mark::Told(number, head.as_ref().map(Into::into)));
            }
            // Nobody listens any more if the end came first.
            let _ = tell.send((name, outcome));
        };
        let log = store.log();
        let channel = |name: &str| ChannelName::stored(name).expect("a channel's name");
        let with_head = |answered: Box<dyn FnOnce(Result<Option<Head>, String>) + Send>| {
            Box::new(move |outcome: Result<Head, AppendError>| answered(outcome.map(Some).map_err(|e| e.to_string())))
        };
        match op {
            Op::Create(name) => log.create(&channel(&name), with_head(Box::new(answered))),
            Op::Append { channel: name, from, salt, sizes } => {
                let batch = marks::messages(from, salt, &sizes);
                log.append(&channel(&name), head.expect("a head"), batch, with_head(Box::new(answered)));
            }
            Op::Trim(name, below) => {
                let done = move |outcome: Result<Trimmed, AppendError>| {
                    answered(outcome.map(|trimmed| Some(trimmed.head)).map_err(|e| e.to_string()));
                };
                log.trim(&channel(&name), below, Box::new(done));
            }
            Op::Redact(name, seq) => log.redact(&channel(&name), seq, with_head(Box::new(answered))),
            Op::Delete(name) => {
                log.delete(
                    &channel(&name),
                    Box::new(move |done| answered(done.map(|()| None).map_err(|e| e.to_string()))),
                );
            }
            Op::Records(salt, records) => {
                let write = |(name, size): (String, Option<u32>)| match size {
                    Some(size) => MetaOp::Put(name.clone(), Bytes::from(marks::value(salt, &name, size))),
                    None => MetaOp::Remove(name),
                };
                let done = Box::new(move |done: Result<(), _>| {
                    answered(done.map(|()| None).map_err(|why: parlor::store::WriteError| why.to_string()));
                });
                store.meta().write(records.into_iter().map(write).collect(), done);
            }
        }
    }
}
