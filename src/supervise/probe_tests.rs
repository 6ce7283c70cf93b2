//! Figures of a kind and of its actors: what is counted shows, and the one that is jammed shows among many.

use super::super::{Lasting, Life, Named, named};
use super::*;

enum Word {
    Short,
    VeryLong,
}

enum Other {
    Short,
}

named!(Word: Short, VeryLong);
named!(Other: Short);

static KIND: Kind = Kind { name: "test", messages: &[Word::NAMES, Other::NAMES], endings: Lasting::NAMES };

fn lives(count: usize) -> (Arc<Probe>, Vec<Life>) {
    let probe = Probes::default().of(&KIND);
    let lives = (0..count).map(|n| Life::begin(&probe, n.to_string().into())).collect();
    (probe, lives)
}

#[test]
fn what_is_handled_is_counted_by_its_type_and_ends_by_their_reason() {
    let (probe, lives) = lives(3);
    for (message, times) in [(Word::Short, 2), (Word::VeryLong, 3)] {
        for _ in 0..times {
            lives[0].vitals().handled::<Word>(message.index(), 0, 0);
        }
    }
    lives[1].vitals().handled::<Other>(Other::Short.index(), 0, 0);
    let seen = probe.snapshot();
    assert_eq!(seen.handled, [("short".to_owned(), 3), ("very_long".to_owned(), 3)]);
    assert_eq!((seen.live, seen.started), (3, 3));
    drop(lives);
    let seen = probe.snapshot();
    assert_eq!((seen.live, seen.started, seen.stopped), (0, 3, vec![("stopped".to_owned(), 3)]));
    probe.each(|vitals| panic!("{} is shown", vitals.name()));
}

#[test]
fn a_jammed_one_shows_among_a_thousand_busy_ones() {
    let (probe, lives) = lives(1000);
    let jammed = lives[500].vitals();
    let sent = [jammed.entered(), jammed.entered()];
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(250) {
        for life in &lives {
            let vitals = life.vitals();
            if vitals.name() != "500" {
                vitals.left(vitals.entered());
            }
        }
    }
    assert!(probe.snapshot().oldest >= Duration::from_millis(100), "{:?}", probe.snapshot());
    let mut waiting = Vec::new();
    probe.each(|vitals| waiting.extend((vitals.waiting().0 > 0).then(|| (vitals.name().to_owned(), vitals.waiting()))));
    let [(name, (2, oldest))] = &waiting[..] else { panic!("{waiting:?}") };
    assert!(name == "500" && *oldest >= Duration::from_millis(250), "{waiting:?}");
    sent.into_iter().for_each(|sent| jammed.left(sent));
    assert_eq!((probe.snapshot().oldest, jammed.waiting().0), (Duration::ZERO, 0));
    assert_eq!((probe.snapshot().mailbox_depth, probe.snapshot().mailbox_high_water), (0, 3));
}

#[test]
fn the_longest_handler_of_late_is_told_with_its_message() {
    let (_, lives) = lives(1);
    let vitals = lives[0].vitals();
    assert_eq!(vitals.longest(), None);
    let now = vitals.probe().now();
    vitals.handled::<Word>(Word::VeryLong.index(), now, now.saturating_sub(7_000_000));
    vitals.handled::<Word>(Word::Short.index(), now, vitals.probe().now());
    let (took, message) = vitals.longest().expect("there was one");
    assert_eq!(vitals.probe().message(message), "very_long");
    assert!(took < Duration::from_secs(1), "{took:?}");
}
