//! What presence costs with 100,000 sessions: a heartbeat, a sign-on and a sign-off, and the sweep that finds the dead.
//! One actor does all of it, so its sweep is how long everybody's presence stands still: it is to stay below a
//! millisecond while nobody is due.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlor::model::{HubId, Moment, Sid, UserName, Wall};
use parlor::presence::delta::{Effect, Input, Now};
use parlor::presence::wheel::Wheel;
use parlor::presence::{Asker, Reason, Seen, Table};

mod support;

/// How many are there.
const SESSIONS: u64 = 100_000;
/// `presence.timeout_ms`
const TIMEOUT: u64 = 60_000;
/// `presence.heartbeat_ms`, in sweeps: what one sweep and the next lie apart is a second.
const HEARTBEAT: u64 = 25;
/// Where time begins.
const START: u64 = 1_000_000;

fn now(moment: u64) -> Now {
    Now { moment: Moment(moment), wall: Wall(1_795_348_800_000 + moment as i64) }
}

/// As a session speaks of itself: it has its names already.
fn seen(number: u64, heard: u64) -> Seen {
    static ALL: LazyLock<Vec<(UserName, Sid)>> = LazyLock::new(|| {
        let names = |number| (support::user(number), Sid(format!("{number:012x}").into()));
        (0..2 * SESSIONS).map(names).collect()
    });
    // Those who come and go beside the many take turns.
    let place = if number < SESSIONS { number } else { SESSIONS + number % SESSIONS };
    let (user, sid) = ALL[place as usize].clone();
    Seen { user, conn: support::conn(number), sid, heard: Moment(heard) }
}

fn up(number: u64, heard: u64) -> Input {
    Input::Up { hub: HubId(number as u32 % 2), seen: seen(number, heard) }
}

fn beat(number: u64, heard: u64) -> Input {
    Input::Beat { hub: HubId(number as u32 % 2), seen: seen(number, heard) }
}

fn down(number: u64) -> Input {
    Input::Down { user: seen(number, 0).user, conn: support::conn(number), reason: Reason::Disconnected }
}

/// A table with everyone in it, heard from within the last `spread` milliseconds; one user in ten is watched.
fn table(spread: u64) -> Table {
    let mut table = Table::fresh(Duration::from_millis(TIMEOUT), 1, now(START - spread));
    let users = (0..SESSIONS).step_by(10).map(|number| (seen(number, 0).user, None)).collect();
    let asker = Asker { conn: support::conn(0), ticket: 1 };
    table.step(Input::Ask { hub: HubId(0), asker, users, watch: true }, now(START - spread));
    for number in 0..SESSIONS {
        table.step(up(number, START - spread + number * spread / SESSIONS), now(START));
    }
    table
}

/// A server's day: each second every one in 25 is heard from, and who joined is swept for.
struct Day {
    table: Table,
    moment: u64,
    /// The next who joins only to fall silent.
    silent: u64,
}

impl Day {
    /// One that has lasted for longer than a timeout, so that marks lie as they come to lie.
    fn new() -> Self {
        let mut day = Self { table: table(HEARTBEAT * 1000), moment: START, silent: SESSIONS };
        for _ in 0..=TIMEOUT / 1000 {
            day.second(0);
        }
        day
    }

    /// The next second, at whose end `silent` sessions are due; how long its sweep took.
    fn second(&mut self, silent: u64) -> Duration {
        self.moment += 1000;
        let now = now(self.moment);
        for number in (self.moment / 1000 % HEARTBEAT..SESSIONS).step_by(HEARTBEAT as usize) {
            self.table.step(beat(number, self.moment), now);
        }
        // As if they had been heard from a timeout ago: they are due by the next sweep.
        for number in self.silent..self.silent + silent {
            self.table.step(up(number, self.moment - TIMEOUT + 1), now);
        }
        self.silent += silent;
        self.moment += 1;
        let began = Instant::now();
        let effects = self.table.step(Input::Sweep, self::now(self.moment));
        let took = began.elapsed();
        self.moment -= 1;
        assert_eq!(silent > 0, !effects.is_empty());
        took
    }
}

fn sweep(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("sweep of 100,000");
    group.sample_size(10).throughput(Throughput::Elements(1));
    for (what, due) in [("none due", 0), ("100 due", 100)] {
        let mut day = Day::new();
        group.bench_function(what, |bench| bench.iter_custom(|times| (0..times).map(|_| day.second(due)).sum()));
    }
    group.bench_function("all due", |bench| {
        bench.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                let mut table = table(500);
                let began = Instant::now();
                let effects = table.step(Input::Sweep, now(START + TIMEOUT));
                took += began.elapsed();
                assert!(effects.len() as u64 > SESSIONS && table.counts() == (0, 0));
            }
            took
        });
    });
    group.finish();
}

/// Steps a table through inputs that are made ahead, a thousand at a time, and undoes what they did where nobody
/// measures.
fn steps(table: &mut Table, times: u64, make: impl Fn(u64) -> Input, undo: impl Fn(u64) -> Option<Input>) -> Duration {
    const AT_ONCE: u64 = 1000;
    let (mut took, mut left) = (Duration::ZERO, times);
    while left > 0 {
        let count = left.min(AT_ONCE);
        left -= count;
        let these = left..left + count;
        let inputs: Vec<Input> = these.clone().map(&make).collect();
        let mut effects: Vec<Vec<Effect>> = Vec::with_capacity(inputs.len());
        let began = Instant::now();
        effects.extend(inputs.into_iter().map(|input| table.step(input, now(START + 1))));
        took += began.elapsed();
        black_box(&effects);
        these.filter_map(&undo).for_each(|input| drop(table.step(input, now(START + 1))));
    }
    took
}

fn sessions(bench: &mut Criterion) {
    let mut table = table(HEARTBEAT * 1000);
    let mut group = bench.benchmark_group("among 100,000");
    group.throughput(Throughput::Elements(1));
    // Spread over all, so that the caches are as cold as they are; each is news, or the table would not look further.
    let mut heard = START;
    group.bench_function("a beat", |bench| {
        bench.iter_custom(|times| {
            heard += 1 + times;
            steps(&mut table, times, |number| beat(number * 7919 % SESSIONS, heard + number / SESSIONS), |_| None)
        });
    });
    group.bench_function("a sign-on", |bench| {
        bench.iter_custom(|times| {
            let new = |number| SESSIONS + number;
            steps(&mut table, times, |number| up(new(number), START), |number| Some(down(new(number))))
        });
    });
    group.bench_function("a sign-off", |bench| {
        bench.iter_custom(|times| {
            let old = |number| number * 7919 % SESSIONS;
            steps(&mut table, times, |number| down(old(number)), |number| Some(up(old(number), START)))
        });
    });
    group.finish();
}

/// The wheel by itself: what of the above is its part.
fn wheel(bench: &mut Criterion) {
    let fresh = || {
        let mut wheel = Wheel::new(Duration::from_millis(TIMEOUT), Moment(START));
        (0..SESSIONS).for_each(|number| wheel.schedule(number, Moment(START + TIMEOUT + number % 25_000)));
        wheel
    };
    let mut group = bench.benchmark_group("wheel of 100,000");
    group.throughput(Throughput::Elements(1));
    let (mut turned, mut number) = (fresh(), 0);
    group.bench_function("a deadline moved later", |bench| {
        bench.iter(|| {
            number += 7919;
            turned.schedule(number % SESSIONS, Moment(START + TIMEOUT + 25_000 + number % 1000));
        });
    });
    group.bench_function("a key put in and taken out", |bench| {
        bench.iter(|| {
            number += 1;
            turned.schedule(SESSIONS + number, Moment(START + TIMEOUT));
            turned.cancel(&(SESSIONS + number))
        });
    });
    let mut idle = fresh();
    group.bench_function("an advance with nothing in reach", |bench| bench.iter(|| idle.advance(Moment(START + 1))));
    group.finish();
}

criterion_group!(benches, sweep, sessions, wheel);
criterion_main!(benches);
