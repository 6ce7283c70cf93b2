//! Channels, stepped through logical time.

use serde_json::json;

use super::*;
use crate::client::Code;

const NOW: Now = Now { at: Moment(1000), dice: 0 };

fn cursor(epoch: &str, seq: u64) -> Cursor {
    Cursor { epoch: Epoch(epoch.into()), seq }
}

fn message(seq: u64) -> Message {
    let at = "2026-11-22T10:00:00.000Z";
    serde_json::from_value(json!({"channel": "a", "seq": seq, "at": at, "from": "bob", "body": {}})).unwrap()
}

fn joined(epoch: &str, next: u64, head: u64) -> Joined {
    let text = json!({"channel": "a", "epoch": epoch, "head": head, "first": 1, "next": next});
    serde_json::from_value(text).unwrap()
}

fn page(first: u64, seqs: impl IntoIterator<Item = u64>, more: bool) -> Page {
    Page { epoch: Epoch("e".into()), first, head: 100, messages: seqs.into_iter().map(message).collect(), more }
}

/// A channel and what the application heard of it.
struct Bench {
    tracks: Tracks,
    out: Vec<Event>,
}

impl Bench {
    fn new(start: Start) -> Self {
        let rules = Rules { held: 3, ..Rules::default() };
        let mut tracks = Tracks::new(rules, BTreeMap::new());
        assert_eq!(tracks.want("a", start, true, 1), None);
        Self { tracks, out: vec![] }
    }

    /// Joined, and live from there.
    fn live(next: u64) -> Self {
        let mut bench = Self::new(Start::Stood);
        bench.join(NOW.at);
        bench.tracks.joined(joined("e", next, next - 1), &mut bench.out);
        bench.out.clear();
        bench
    }

    fn join(&mut self, at: Moment) -> Start {
        let needs = self.tracks.needs(at);
        let [Need::Join { start, .. }] = &needs[..] else { panic!("{needs:?}") };
        self.tracks.asked("a", 1);
        start.clone()
    }

    fn asks_for(&mut self, after: u64, before: u64) {
        assert_eq!(self.tracks.needs(NOW.at), [Need::Page { channel: "a".into(), after, before }]);
        self.tracks.asked("a", 7);
    }

    fn page(&mut self, page: Page) {
        self.tracks.page(NOW, "a", 7, page, &mut self.out);
    }

    fn hears(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            self.tracks.message(NOW, message(seq), &mut self.out);
        }
    }

    /// What the application was told: places of messages, and of holes below zero.
    fn told(&mut self) -> Vec<i64> {
        let shown = |event| match event {
            Event::Message(message) => vec![message.seq as i64],
            Event::Hole { from, to, .. } => vec![-(from as i64), -(to as i64)],
            _ => vec![],
        };
        std::mem::take(&mut self.out).into_iter().flat_map(shown).collect()
    }
}

#[test]
fn messages_are_handed_on_once_and_a_jump_joins_again_from_the_cursor() {
    let mut bench = Bench::live(5);
    bench.hears([5, 6, 6, 4, 8, 9]);
    assert_eq!(bench.told(), [5, 6]);
    assert_eq!(bench.join(NOW.at), Start::Since(cursor("e", 6)));
    bench.hears([7, 8]);
    assert!(bench.told().is_empty(), "the old subscription is of no interest any more");
    bench.tracks.joined(joined("e", 7, 9), &mut bench.out);
    bench.hears([7, 8, 9]);
    assert_eq!(bench.told(), [7, 8, 9]);
}

#[test]
fn a_pulse_ahead_of_what_came_joins_again() {
    let mut bench = Bench::live(5);
    bench.hears([5]);
    bench.tracks.pulse(NOW, &BTreeMap::from([("a".into(), 5), ("b".into(), 9)]));
    assert!(bench.tracks.needs(NOW.at).is_empty());
    bench.tracks.pulse(NOW, &BTreeMap::from([("a".into(), 6)]));
    assert_eq!(bench.join(NOW.at), Start::Since(cursor("e", 5)));
}

#[test]
fn a_gap_is_read_page_by_page_before_what_follows_is_handed_on() {
    let mut bench = Bench::new(Start::Since(cursor("e", 2)));
    bench.join(NOW.at);
    assert_eq!(bench.tracks.gate("a"), Gate::Shut);
    let waiters = bench.tracks.joined(joined("e", 6, 7), &mut bench.out);
    assert_eq!((waiters[0].0, &waiters[0].1.cursor), (1, &cursor("e", 2)));
    bench.asks_for(2, 6);
    bench.hears([6, 7]);
    bench.page(page(1, 3..=4, true));
    assert_eq!(bench.told(), [3, 4]);
    bench.asks_for(4, 6);
    bench.page(page(1, [5], false));
    bench.hears([8]);
    assert_eq!(bench.told(), [5, 6, 7, 8]);
    assert_eq!(bench.tracks.gate("a"), Gate::Open(Some(cursor("e", 100))));
}

#[test]
fn what_the_log_no_longer_has_is_told_as_a_hole() {
    let mut bench = Bench::new(Start::Since(cursor("e", 2)));
    bench.join(NOW.at);
    bench.tracks.joined(joined("e", 10, 12), &mut bench.out);
    bench.asks_for(2, 10);
    bench.page(page(7, 7..=8, true));
    bench.asks_for(8, 10);
    bench.page(page(30, [], false));
    bench.hears([10]);
    assert_eq!(bench.told(), [-3, -6, 7, 8, -9, -9, 10]);
}

#[test]
fn more_than_is_held_is_dropped_and_asked_for_again() {
    let mut bench = Bench::new(Start::Since(cursor("e", 2)));
    bench.join(NOW.at);
    bench.tracks.joined(joined("e", 4, 9), &mut bench.out);
    bench.asks_for(2, 4);
    bench.hears(4..=9);
    bench.page(page(1, [3], false));
    assert_eq!(bench.told(), [3, 4, 5, 6]);
    assert_eq!(bench.join(NOW.at), Start::Since(cursor("e", 6)));
}

#[test]
fn a_page_that_cannot_be_had_now_is_asked_for_again_and_one_that_never_can_is_a_hole() {
    let mut bench = Bench::new(Start::Since(cursor("e", 2)));
    bench.join(NOW.at);
    bench.tracks.joined(joined("e", 5, 5), &mut bench.out);
    bench.asks_for(2, 5);
    let later = Fault { retry_after_ms: Some(50), ..Fault::new(Code::Unavailable, "") };
    bench.tracks.page_failed(NOW, "a", 7, Some(&later), &mut bench.out);
    assert!(bench.tracks.needs(NOW.at).is_empty());
    assert_eq!(bench.tracks.deadline(), Some(Moment(1050)));
    assert_eq!(bench.tracks.needs(Moment(1050)).len(), 1);
    bench.tracks.asked("a", 7);
    bench.tracks.page_failed(NOW, "a", 7, Some(&Fault::new(Code::Forbidden, "")), &mut bench.out);
    bench.hears([5]);
    assert_eq!(bench.told(), [-3, -4, 5]);
}

#[test]
fn another_epoch_or_a_cursor_past_the_head_begins_anew() {
    for (epoch, head) in [("f", 9), ("e", 3)] {
        let mut bench = Bench::live(5);
        bench.hears([5]);
        bench.out.clear();
        bench.tracks.offline();
        bench.join(NOW.at);
        bench.tracks.joined(joined(epoch, 3, head), &mut bench.out);
        let reset = Event::Reset { channel: "a".into(), epoch: Epoch(epoch.into()), next: 3 };
        assert!(bench.out.contains(&reset), "{:?}", bench.out);
        bench.hears([3]);
        assert_eq!(bench.told(), [3]);
    }
}

#[test]
fn a_join_that_was_put_off_is_tried_again_and_one_that_was_refused_is_not() {
    let mut bench = Bench::new(Start::Tail(3));
    assert_eq!(bench.join(NOW.at), Start::Tail(3));
    let later = Fault { retry_after_ms: Some(70), ..Fault::new(Code::RateLimited, "") };
    assert_eq!(bench.tracks.join_failed(NOW, "a", 1, Some(&later)), None);
    assert!(bench.tracks.needs(Moment(1069)).is_empty());
    bench.join(Moment(1070));
    assert_eq!(bench.tracks.join_failed(NOW, "a", 1, None), None, "no answer came");
    bench.join(Moment(60_000));
    let refused = bench.tracks.join_failed(NOW, "a", 1, Some(&Fault::new(Code::NotFound, "")));
    assert_eq!(refused, Some(Refused { waiters: vec![1], heard: false }));
    assert!(bench.tracks.names().is_empty());
}

#[test]
fn a_reset_joins_again_and_any_other_close_is_the_end() {
    let mut bench = Bench::live(5);
    assert!(!bench.tracks.closed(NOW, "a", "reset"));
    bench.join(NOW.at);
    assert!(!bench.tracks.closed(NOW, "a", "kicked"), "that was about the subscription before");
    bench.tracks.joined(joined("e", 5, 4), &mut bench.out);
    assert!(bench.tracks.closed(NOW, "a", "kicked"));
    assert!(bench.tracks.names().is_empty());
}

#[test]
fn a_reset_that_comes_again_and_again_is_not_followed_at_full_speed() {
    let mut bench = Bench::live(5);
    bench.tracks.closed(Now { dice: 100, ..NOW }, "a", "reset");
    bench.join(NOW.at);
    bench.tracks.joined(joined("e", 5, 4), &mut bench.out);
    bench.tracks.closed(Now { dice: 100, ..NOW }, "a", "reset");
    assert!(bench.tracks.needs(NOW.at).is_empty());
    assert_eq!(bench.tracks.deadline(), Some(Moment(1100)));
}

#[test]
fn the_cursor_of_an_earlier_client_is_used_where_nothing_else_is_said() {
    let kept = BTreeMap::from([("a".to_owned(), cursor("e", 4)), ("b".to_owned(), cursor("e", 5))]);
    let mut tracks = Tracks::new(Rules::default(), kept);
    tracks.want("a", Start::Stood, true, 1);
    tracks.want("b", Start::Tail(0), false, 2);
    let needs = tracks.needs(NOW.at);
    let a = Need::Join { channel: "a".into(), start: Start::Since(cursor("e", 4)), member: true };
    let b = Need::Join { channel: "b".into(), start: Start::Tail(0), member: false };
    assert_eq!(needs, [a, b]);
}

#[test]
fn while_the_application_takes_nothing_only_first_joins_are_made_and_publishes_may_go() {
    let mut bench = Bench::live(5);
    bench.tracks.park();
    bench.hears([5, 6]);
    bench.tracks.want("b", Start::Tail(0), true, 2);
    let needs = bench.tracks.needs(NOW.at);
    assert!(matches!(&needs[..], [Need::Join { channel, .. }] if channel == "b"), "{needs:?}");
    bench.tracks.asked("b", 3);
    let joined_b = Joined { channel: "b".into(), ..joined("e", 9, 8) };
    assert_eq!(bench.tracks.joined(joined_b, &mut bench.out).len(), 1);
    assert_eq!(bench.tracks.gate("a"), Gate::Open(Some(cursor("e", 4))));
    assert_eq!(bench.tracks.gate("c"), Gate::Shut, "nothing is known of it on this connection");
    assert!(bench.out.is_empty());
    bench.tracks.unpark();
    let starts: Vec<_> = bench.tracks.needs(NOW.at).into_iter().collect();
    let join = |channel: &str, seq| Need::Join {
        channel: channel.into(),
        start: Start::Since(cursor("e", seq)),
        member: true,
    };
    assert_eq!(starts, [join("a", 4), join("b", 8)]);
}
