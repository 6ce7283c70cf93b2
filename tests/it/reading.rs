//! `history`: ranges, hours and pages, and that a message reads as it was heard.

use serde_json::{Value, json};

use crate::support::{Client, Stage};

scenarios! {
    everywhere:
        history_gives_any_range,
        history_gives_an_hour,
        every_page_in_both_directions_makes_the_whole;
    once:
        history_of_an_empty_channel_is_empty,
        a_limit_above_the_longest_page_is_cut_to_it,
        what_is_read_is_what_was_heard;
}

/// The places in a page.
fn places(page: &Value) -> Vec<u64> {
    page["messages"].as_array().into_iter().flatten().filter_map(|message| message["seq"].as_u64()).collect()
}

/// A client of a channel `a` with 60 messages.
async fn sixty(stage: Stage) -> (crate::support::Site, Client) {
    let site = stage.site_with(|config| config.channels.window = 16).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish_many("a", 60).await;
    (site, ann)
}

async fn history_gives_any_range(stage: Stage) {
    let (_site, mut ann) = sixty(stage).await;
    let epoch = ann.cursor("a")["epoch"].clone();
    let cases: [(Value, Vec<u64>, bool); 17] = [
        (json!({}), (11..=60).collect(), true),
        (json!({"limit": 60}), (1..=60).collect(), false),
        (json!({"limit": 5}), (56..=60).collect(), true),
        (json!({"before": 61, "limit": 3}), (58..=60).collect(), true),
        (json!({"before": 30, "limit": 10}), (20..=29).collect(), true),
        (json!({"before": 6, "limit": 5}), (1..=5).collect(), false),
        (json!({"before": 6, "limit": 4}), (2..=5).collect(), true),
        (json!({"before": 1}), vec![], false),
        (json!({"before": 0}), vec![], false),
        (json!({"after": 0, "limit": 3}), (1..=3).collect(), true),
        (json!({"after": 55}), (56..=60).collect(), false),
        (json!({"after": 55, "limit": 5}), (56..=60).collect(), false),
        (json!({"after": 55, "limit": 4}), (56..=59).collect(), true),
        (json!({"after": 60}), vec![], false),
        (json!({"after": 1000}), vec![], false),
        (json!({"after": 10, "before": 15}), (11..=14).collect(), false),
        (json!({"after": 15, "before": 16}), vec![], false),
    ];
    for (members, expected, more) in cases {
        let page = ann.history("a", members.clone()).await;
        assert_eq!((places(&page), page["more"] == true), (expected, more), "{members}: more is {}", page["more"]);
        assert_eq!((&page["channel"], &page["epoch"]), (&json!("a"), &epoch));
        assert_eq!((&page["first"], &page["head"]), (&json!(1), &json!(60)));
    }
    let backwards = ann.history("a", json!({"after": 20, "before": 10})).await;
    assert_eq!(places(&backwards), Vec::<u64>::new());
}

async fn history_gives_an_hour(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    site.stop().await;
    site.write_past("a", &[30, 30, 30, 5, 5, 4]);
    site.start().await;
    let mut ann = site.guest("ann").await;
    ann.join_with("a", json!({"tail": 0})).await;
    let all = ann.history("a", json!({})).await;
    assert_eq!(places(&all), [1, 2, 3, 4, 5, 6]);
    let hour = |n: usize| all["messages"][n]["at"].as_str().unwrap_or_default()[..13].to_owned();
    for (name, expected) in [(hour(0), vec![1, 2, 3]), (hour(3), vec![4, 5]), (hour(5), vec![6])] {
        assert_eq!(places(&ann.history("a", json!({"hour": name})).await), expected, "{name}");
    }
    for empty in ["1970-01-01T00", "2000-02-29T23", "2999-12-31T23"] {
        assert_eq!(places(&ann.history("a", json!({"hour": empty})).await), Vec::<u64>::new(), "{empty}");
    }
    let cut = ann.history("a", json!({"hour": hour(0), "limit": 2})).await;
    assert_eq!((places(&cut).len(), &cut["more"]), (2, &json!(true)));
    for bad in ["2026-11-22", "2026-11-22T24", "2026-11-22T10:00", "2026-13-01T00", "now", ""] {
        assert_eq!(ann.refused(json!({"type": "history", "channel": "a", "hour": bad})).await, "bad_frame", "{bad}");
    }
}

async fn every_page_in_both_directions_makes_the_whole(stage: Stage) {
    let (_site, mut ann) = sixty(stage).await;
    for limit in [1, 7, 20, 60] {
        let (mut up, mut after) = (Vec::new(), 0);
        loop {
            let page = ann.history("a", json!({"after": after, "limit": limit})).await;
            up.extend(places(&page));
            after = up.last().copied().unwrap_or_default();
            if page["more"] != true {
                break;
            }
        }
        let (mut down, mut before) = (Vec::new(), 61);
        loop {
            let page = ann.history("a", json!({"before": before, "limit": limit})).await;
            down.splice(0..0, places(&page));
            before = down.first().copied().unwrap_or_default();
            if page["more"] != true {
                break;
            }
        }
        let whole: Vec<_> = (1..=60).collect();
        assert_eq!((&up, &down), (&whole, &whole), "limit {limit}");
    }
}

async fn history_of_an_empty_channel_is_empty(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    for members in [json!({}), json!({"before": 5}), json!({"after": 0}), json!({"hour": "2026-11-22T10"})] {
        let page = ann.history("a", members).await;
        assert_eq!((&page["messages"], &page["more"]), (&json!([]), &json!(false)));
        assert_eq!((&page["first"], &page["head"]), (&json!(1), &json!(0)));
    }
}

async fn a_limit_above_the_longest_page_is_cut_to_it(stage: Stage) {
    let site = stage.site_with(|config| config.limits.page_max = 7).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish_many("a", 20).await;
    for members in [json!({"limit": 8}), json!({"limit": 1_000_000}), json!({})] {
        let page = ann.history("a", members).await;
        assert_eq!((places(&page), &page["more"]), ((14..=20).collect(), &json!(true)));
    }
}

async fn what_is_read_is_what_was_heard(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish_with("a", "with all", json!({"key": "k", "kind": "x-all"})).await;
    ann.publish_with("a", "an answer", json!({"ref": 1})).await;
    ann.publish("a", "bare").await;
    ann.hear("a", 3).await;
    let page = ann.history("a", json!({})).await;
    for (place, heard) in ann.heard("a") {
        let read = &page["messages"][place as usize - 1];
        for member in ["seq", "at", "from", "body", "key", "kind", "ref"] {
            assert_eq!(read.get(member), heard.get(member), "{member} of {place}");
        }
    }
}
