//! The outbox, stepped through logical time.

use serde_json::Value;
use serde_json::value::to_raw_value;

use super::*;
use crate::model::Wall;

fn words(channel: &str, text: &str) -> Words {
    let body = to_raw_value(&serde_json::json!({"text": text})).unwrap();
    Words { channel: channel.into(), body, key: format!("k-{text}"), kind: None, reply_to: None }
}

fn cursor(epoch: &str, seq: u64) -> Cursor {
    Cursor { epoch: Epoch(epoch.into()), seq }
}

fn receipt(seq: u64) -> Receipt {
    Receipt { channel: "a".into(), epoch: Epoch("e".into()), seq, at: Wall(0), duplicate: false }
}

fn fault(code: Code, retry_after_ms: Option<u64>) -> Fault {
    Fault { retry_after_ms, ..Fault::new(code, "") }
}

/// An outbox, its ids, and what is known of all channels.
struct Bench {
    outbox: Outbox,
    ids: u64,
    known: Option<Cursor>,
    limits: Limits,
}

impl Bench {
    fn new() -> Self {
        let rules = Rules { outbox: 4, outbox_bytes: 4000, ..Rules::default() };
        Self { outbox: Outbox::new(rules), ids: 0, known: None, limits: Limits { outstanding: 2, ..Limits::default() } }
    }

    fn put(&mut self, ticket: Ticket, channel: &str) {
        self.outbox.accept(ticket, words(channel, &ticket.to_string()), Base::Unsent).unwrap();
    }

    /// What is sent now: ids, words and bases.
    fn sent(&mut self, now: u64) -> Vec<(u64, String, Option<u64>)> {
        let mut sent = vec![];
        let (known, ids) = (self.known.clone(), &mut self.ids);
        let mut id = || {
            *ids += 1;
            *ids
        };
        while let Some(next) = self.outbox.next(Moment(now), &self.limits, |_| Gate::Open(known.clone()), &mut id) {
            let frame: Value = serde_json::from_str(&next.unwrap()).unwrap();
            let text = frame["body"]["text"].as_str().unwrap().to_owned();
            sent.push((frame["id"].as_str().unwrap().parse().unwrap(), text, frame["base"].as_u64()));
        }
        sent
    }

    fn texts(&mut self, now: u64) -> Vec<String> {
        self.sent(now).into_iter().map(|(_, text, _)| text).collect()
    }
}

#[test]
fn publishes_go_in_order_and_no_more_than_may_be_unanswered() {
    let mut bench = Bench::new();
    (1..=3).for_each(|n| bench.put(n, "a"));
    assert_eq!(bench.texts(0), ["1", "2"]);
    assert_eq!(bench.outbox.receipt(1, receipt(1)), Some((1, Ok(receipt(1)))));
    assert_eq!(bench.texts(0), ["3"]);
    assert_eq!(bench.outbox.receipt(1, receipt(1)), None);
}

#[test]
fn a_full_outbox_takes_no_more_by_number_and_by_bytes() {
    let mut bench = Bench::new();
    assert_eq!(bench.outbox.accept(9, words("a", &"x".repeat(4000)), Base::Unsent), Err(Error::Full));
    (1..=4).for_each(|n| bench.put(n, "a"));
    assert_eq!(bench.outbox.accept(5, words("a", "5"), Base::Unsent), Err(Error::Full));
    bench.sent(0);
    bench.outbox.receipt(1, receipt(1));
    bench.put(5, "a");
}

#[test]
fn what_has_no_answer_when_the_connection_goes_is_sent_again_with_its_base() {
    let mut bench = Bench::new();
    bench.known = Some(cursor("e", 7));
    (1..=3).for_each(|n| bench.put(n, "a"));
    assert_eq!(bench.sent(0), [(1, "1".into(), Some(7)), (2, "2".into(), Some(7))]);
    bench.outbox.offline();
    bench.known = Some(cursor("e", 9));
    assert_eq!(bench.sent(0), [(3, "1".into(), Some(7)), (4, "2".into(), Some(7))]);
    bench.outbox.offline();
    bench.known = Some(cursor("f", 2));
    assert_eq!(bench.sent(0)[0], (5, "1".into(), None), "the base counts places of a log that is gone");
}

#[test]
fn silence_sends_it_again_and_frees_its_place() {
    let mut bench = Bench::new();
    bench.put(1, "a");
    bench.sent(0);
    assert_eq!(bench.outbox.deadline(), Some(Moment(15_000)));
    bench.outbox.silent(Moment(14_999));
    assert!(bench.sent(14_999).is_empty());
    bench.outbox.silent(Moment(15_000));
    assert_eq!(bench.texts(15_000), ["1"]);
}

#[test]
fn one_that_is_put_off_holds_back_what_is_newer_in_its_channel_alone() {
    let mut bench = Bench::new();
    bench.put(1, "a");
    bench.sent(0);
    bench.put(2, "a");
    bench.put(3, "b");
    assert_eq!(bench.outbox.refused(Moment(0), 0, 1, fault(Code::Overloaded, Some(200))), None);
    assert_eq!(bench.texts(0), ["3"]);
    assert_eq!(bench.outbox.deadline(), Some(Moment(200)));
    assert!(bench.texts(199).is_empty());
    assert_eq!(bench.texts(200), ["1"], "two may be unanswered");
}

#[test]
fn one_that_is_put_off_is_due_though_nobody_looked_when_its_time_came() {
    let mut bench = Bench::new();
    bench.put(1, "a");
    bench.sent(0);
    bench.outbox.refused(Moment(0), 0, 1, fault(Code::RateLimited, Some(3)));
    assert!(bench.texts(2).is_empty());
    assert_eq!(bench.outbox.deadline(), Some(Moment(3)), "however late that is read");
    assert_eq!(bench.texts(9), ["1"]);
}

#[test]
fn too_fast_holds_back_everything() {
    let mut bench = Bench::new();
    bench.put(1, "a");
    bench.sent(0);
    bench.put(2, "b");
    bench.outbox.refused(Moment(0), 0, 1, fault(Code::RateLimited, Some(300)));
    assert!(bench.texts(299).is_empty());
    assert_eq!(bench.texts(300), ["1", "2"]);
}

#[test]
fn a_refusal_is_told_and_says_whether_an_earlier_try_may_be_stored() {
    let mut bench = Bench::new();
    bench.put(1, "a");
    bench.put(2, "a");
    bench.sent(0);
    let forbidden = fault(Code::Forbidden, None);
    let refused = bench.outbox.refused(Moment(0), 0, 1, forbidden.clone());
    assert_eq!(refused, Some((1, Err(Error::Server(forbidden.clone())))));
    bench.outbox.refused(Moment(0), 0, 2, fault(Code::Unavailable, Some(10)));
    assert_eq!(bench.sent(10)[0].0, 3);
    let refused = bench.outbox.refused(Moment(10), 0, 3, forbidden.clone());
    assert_eq!(refused, Some((2, Err(Error::Uncertain(forbidden)))));
    assert_eq!(bench.outbox.give_up(), Vec::<Ticket>::new());
}

#[test]
fn a_message_with_the_key_is_as_good_as_a_receipt_but_its_answer_still_counts() {
    let mut bench = Bench::new();
    (1..=4).for_each(|n| bench.put(n, "a"));
    bench.sent(0);
    let text = r#"{"channel":"a","seq":5,"at":"1970-01-01T00:00:00.000Z","from":"me","body":{},"key":"k-1"}"#;
    let message: Message = serde_json::from_str(text).unwrap();
    assert_eq!(bench.outbox.heard(&message, &Epoch("e".into())), Some((1, Ok(receipt(5)))));
    assert_eq!(bench.outbox.heard(&message, &Epoch("e".into())), None);
    assert!(bench.texts(0).is_empty(), "the server still counts two");
    assert_eq!(bench.outbox.receipt(1, receipt(5)), None);
    assert_eq!(bench.texts(0), ["3"]);
}

#[test]
fn a_frame_that_the_server_would_close_for_is_not_sent() {
    let mut bench = Bench::new();
    bench.put(1, "a");
    bench.limits.frame_bytes = 20;
    let mut id = || 1;
    let next = bench.outbox.next(Moment(0), &bench.limits, |_| Gate::Open(None), &mut id);
    let Some(Err((1, Err(Error::Server(fault))))) = next else { panic!("{next:?}") };
    assert_eq!(fault.code, Some(Code::TooLarge));
}

#[test]
fn a_key_that_was_used_before_keeps_the_base_that_it_came_with() {
    let mut bench = Bench::new();
    bench.known = Some(cursor("e", 90));
    bench.outbox.accept(1, words("a", "1"), Base::Is(Some(cursor("e", 30)))).unwrap();
    bench.outbox.accept(2, words("a", "2"), Base::Is(None)).unwrap();
    assert_eq!(bench.sent(0), [(1, "1".into(), Some(30)), (2, "2".into(), None)]);
}

#[test]
fn a_shut_channel_waits_and_a_renamed_one_keeps_its_publishes() {
    let mut bench = Bench::new();
    bench.put(1, "@bob");
    let mut id = || 1;
    assert!(bench.outbox.next(Moment(0), &bench.limits, |_| Gate::Shut, &mut id).is_none());
    bench.outbox.rename("@bob", "@ann:bob");
    assert_eq!(bench.outbox.channels(), ["@ann:bob"]);
    assert_eq!(bench.texts(0), ["1"]);
    assert_eq!(bench.outbox.receipt(1, receipt(1)), Some((1, Ok(receipt(1)))));
    assert!(bench.outbox.channels().is_empty());
}
