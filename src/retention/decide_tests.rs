//! What goes, against a list of messages from which it is taken by plain loops.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;

/// Messages as (hour, bytes), oldest first.
type Plain = VecDeque<(u32, u64)>;

fn of_hour(kept: &Plain, hour: u32) -> (usize, u64) {
    let of = kept.iter().filter(|(own, _)| *own == hour);
    (of.clone().count(), of.map(|(_, bytes)| bytes).sum())
}

fn total(kept: &Plain) -> u64 {
    kept.iter().map(|(_, bytes)| bytes).sum()
}

/// The plain way.
fn naive(bounds: Bounds, now: Wall, kept: &mut Plain) {
    if bounds.age_s > 0 {
        let age = i64::try_from(bounds.age_s).unwrap() * 1000;
        kept.retain(|(hour, _)| (i64::from(*hour) + 1) * HOUR_MS > now.0 - age);
    }
    let count = usize::try_from(bounds.count).unwrap();
    if count > 0 && kept.len() > count {
        let stays = kept.len() - count;
        let hour = kept[stays].0;
        if of_hour(kept, hour).0 > count {
            kept.drain(..stays);
        } else {
            kept.retain(|(own, _)| *own >= hour);
        }
    }
    if bounds.bytes > 0 {
        while let Some((oldest, _)) = kept.front().copied()
            && kept.back().is_some_and(|(newest, _)| *newest > oldest)
            && total(kept) - of_hour(kept, oldest).1 >= bounds.bytes
        {
            kept.retain(|(own, _)| *own > oldest);
        }
        let alone = kept.front().is_some_and(|(oldest, _)| of_hour(kept, *oldest).1 > bounds.bytes);
        while alone && total(kept) > bounds.bytes && kept.len() > 1 {
            kept.pop_front();
        }
    }
}

/// The same by what is decided, each decision carried out; hours are told `page` at a time.
fn decided(bounds: Bounds, now: Wall, page: usize, kept: &mut Plain) {
    let (head, mut front) = (kept.len() as Seq, None);
    for _ in 0..200 {
        let first = head + 1 - kept.len() as Seq;
        let mut hours: Vec<(Hour, Seq)> = Vec::new();
        for ((hour, _), seq) in kept.iter().zip(first..) {
            if hours.last().is_none_or(|(last, _)| last.0 != *hour) {
                hours.push((Hour(*hour), seq));
            }
        }
        hours.truncate(page);
        let whole = hours.len() < page;
        let log = Log { first, head, hours: &hours, whole, bytes: Some(total(kept)), front };
        match bounds.next(now, &log) {
            Step::Nothing => return,
            Step::Trim(below) => {
                assert!(first < below && below <= head + 1);
                kept.drain(..usize::try_from(below - first).unwrap());
                front = None;
            }
            Step::Weigh(end) => {
                let (messages, bytes) = of_hour(kept, kept[0].0);
                assert_eq!((end + 1 - first, front.replace(bytes)), (messages as u64, None));
            }
            Step::Cut(excess) => {
                let mut cut = 0;
                while cut < excess && kept.len() > 1 {
                    cut += kept.pop_front().unwrap().1;
                }
                front = None;
            }
        }
    }
    panic!("it never ends: {bounds:?} {kept:?}");
}

fn bounds(age_s: u64, count: u64, bytes: u64) -> Bounds {
    Bounds { age_s, count, bytes }
}

proptest! {
    #[test]
    fn what_goes_is_what_plain_loops_would_take(
        hours in prop::collection::vec((0..3_u32, 1..60_u64), 0..40),
        age_s in prop_oneof![Just(0), 1..80_000_u64], count in prop_oneof![Just(0), 1..30_u64],
        bytes in prop_oneof![Just(0), 1..900_u64], page in 2..6_usize, late in 0..30_u32, within in 0..HOUR_MS,
    ) {
        let mut hour = 100;
        let all: Plain = hours.into_iter().map(|(later, bytes)| { hour += later; (hour, bytes) }).collect();
        let now = Wall(i64::from(hour + late) * HOUR_MS + within);
        let (mut kept, mut expected) = (all.clone(), all);
        naive(bounds(age_s, count, bytes), now, &mut expected);
        decided(bounds(age_s, count, bytes), now, page, &mut kept);
        prop_assert_eq!(kept, expected);
    }
}

#[test]
fn a_message_goes_when_its_whole_hour_is_older_than_it_may_be() {
    let hours = [(Hour(10), 1), (Hour(11), 5)];
    let log = Log { first: 1, head: 9, hours: &hours, whole: true, bytes: None, front: None };
    let at = |ms: i64| bounds(3600, 0, 0).next(Wall(ms), &log);
    assert_eq!(at(12 * HOUR_MS - 1), Step::Nothing);
    assert_eq!(at(12 * HOUR_MS), Step::Trim(5));
    assert_eq!(at(13 * HOUR_MS), Step::Trim(10), "all of it");
    assert_eq!(bounds(0, 0, 0).next(Wall(i64::MAX), &log), Step::Nothing);
    assert_eq!(bounds(u64::MAX, 0, 0).next(Wall(0), &log), Step::Nothing);
}

#[test]
fn what_is_set_for_a_channel_goes_before_the_configuration() {
    let config = config::Retention { age_s: 1, count: 2, bytes: 3, every: std::time::Duration::from_secs(1) };
    assert_eq!(Bounds::of(&config, Keep::default()), bounds(1, 2, 3));
    let keep = Keep { age_s: Some(0), bytes: Some(9), count: None };
    assert_eq!(Bounds::of(&config, keep), bounds(0, 2, 9));
    assert!(bounds(0, 0, 0).is_none() && !bounds(0, 0, 1).is_none());
}
