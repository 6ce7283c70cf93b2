//! `join` in all its forms: where a subscription begins, what it replays, and who may.

use serde_json::{Value, json};

use crate::support::{Client, Site, Stage, pause};

scenarios! {
    everywhere:
        a_new_channel_is_empty,
        a_first_visit_gives_the_current_hour_up_to_50,
        a_first_visit_gives_the_newest_20_if_the_hour_has_fewer,
        a_tail_gives_the_newest,
        a_cursor_gives_exactly_what_came_after_it,
        a_cursor_of_another_epoch_is_a_gap,
        a_cursor_past_the_head_is_a_gap,
        a_cursor_further_back_than_a_replay_goes_is_a_gap,
        the_epoch_is_kept_over_a_restart;
    once:
        joining_again_goes_on_where_it_stood,
        joining_again_while_others_publish_loses_and_doubles_nothing,
        joining_again_with_a_cursor_begins_there,
        since_and_tail_exclude_each_other,
        a_visitor_hears_and_is_no_member,
        a_channel_that_is_not_there_is_not_found,
        no_channel_is_made_where_joining_makes_none,
        several_joins_under_way_are_told_apart,
        a_guest_finds_no_direct_channel,
        a_session_may_subscribe_to_so_many_channels;
}

/// `[next, replay, head, gap]` of a `joined`.
fn shape(joined: &Value) -> (u64, u64, u64, bool) {
    let number = |member: &str| joined[member].as_u64().unwrap_or(u64::MAX);
    (number("next"), number("replay"), number("head"), joined["gap"] == true)
}

/// A channel `a` with so many messages, all of the current hour, and its epoch.
async fn filled(site: &Site, count: usize) -> (Client, Value) {
    same_hour().await;
    let mut bob = site.guest("bob").await;
    let epoch = bob.join_with("a", json!({"tail": 0})).await["epoch"].clone();
    bob.publish_many("a", count).await;
    (bob, epoch)
}

/// Waits for the next hour if this one ends within seconds, so that a scenario plays in one.
async fn same_hour() {
    while parlor::clock::wall().0 % 3_600_000 > 3_600_000 - 8_000 {
        pause(200).await;
    }
}

async fn a_new_channel_is_empty(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let joined = ann.join("a").await;
    assert_eq!(shape(&joined), (1, 0, 0, false));
    assert_eq!((&joined["channel"], &joined["first"]), (&json!("a"), &json!(1)));
    assert!(joined["epoch"].as_str().is_some_and(|epoch| !epoch.is_empty()));
}

async fn a_first_visit_gives_the_current_hour_up_to_50(stage: Stage) {
    let site = stage.site().await;
    let (mut bob, _) = filled(&site, 30).await;
    let mut ann = site.guest("ann").await;
    assert_eq!(shape(&ann.join("a").await), (1, 30, 30, false));
    ann.hear("a", 30).await;
    bob.publish_many("a", 31).await;
    let mut eve = site.guest("eve").await;
    assert_eq!(shape(&eve.join("a").await), (12, 50, 61, false));
    eve.hear("a", 61).await;
}

async fn a_first_visit_gives_the_newest_20_if_the_hour_has_fewer(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    site.stop().await;
    same_hour().await;
    let ages: Vec<_> = (0..40).map(|n| if n < 37 { 3 } else { 0 }).collect();
    site.write_past("few", &ages);
    site.write_past("old", &ages[..30]);
    site.write_past("little", &ages[..7]);
    let ages: Vec<_> = (0..40).map(|n| if n < 10 { 3 } else { 0 }).collect();
    site.write_past("many", &ages);
    site.start().await;
    let mut ann = site.guest("ann").await;
    assert_eq!(shape(&ann.join("few").await), (21, 20, 40, false));
    assert_eq!(shape(&ann.join("old").await), (11, 20, 30, false));
    assert_eq!(shape(&ann.join("little").await), (1, 7, 7, false));
    assert_eq!(shape(&ann.join("many").await), (11, 30, 40, false));
    for (channel, head) in [("few", 40), ("old", 30), ("little", 7), ("many", 40)] {
        ann.hear(channel, head).await;
    }
}

async fn a_tail_gives_the_newest(stage: Stage) {
    let site = stage.site().await;
    let (mut bob, _) = filled(&site, 60).await;
    for (tail, next) in [(0, 61), (1, 60), (20, 41), (60, 1), (1000, 1)] {
        let mut ann = site.guest("ann").await;
        assert_eq!(shape(&ann.join_with("a", json!({"tail": tail})).await), (next, 61 - next, 60, false), "{tail}");
        ann.hear("a", 60).await;
    }
    let mut ann = site.guest("ann").await;
    ann.join_with("a", json!({"tail": 0})).await;
    bob.publish("a", "the next").await;
    ann.hear("a", 61).await;
    assert_eq!(ann.heard("a").len(), 1);
}

async fn a_cursor_gives_exactly_what_came_after_it(stage: Stage) {
    let site = stage.site_with(|config| config.channels.window = 8).await;
    let (_bob, epoch) = filled(&site, 60).await;
    for seq in [0, 1, 30, 51, 52, 53, 59, 60] {
        let mut ann = site.guest("ann").await;
        let joined = ann.join_with("a", json!({"since": {"epoch": epoch, "seq": seq}})).await;
        assert_eq!(shape(&joined), (seq + 1, 60 - seq, 60, false), "since {seq}");
        ann.hear("a", 60).await;
        assert_eq!(ann.heard("a").len() as u64, 60 - seq);
    }
}

async fn a_cursor_of_another_epoch_is_a_gap(stage: Stage) {
    let site = stage.site_with(|config| config.limits.replay_max = 25).await;
    let (_bob, epoch) = filled(&site, 40).await;
    for other in ["another", "", &"x".repeat(200)] {
        for seq in [0, 20, 40, 99] {
            let mut ann = site.guest("ann").await;
            let joined = ann.join_with("a", json!({"since": {"epoch": other, "seq": seq}})).await;
            assert_eq!(shape(&joined), (16, 25, 40, true), "since {other:?} {seq}");
            assert_eq!(joined["epoch"], epoch);
            ann.hear("a", 40).await;
        }
    }
}

async fn a_cursor_past_the_head_is_a_gap(stage: Stage) {
    let site = stage.site().await;
    let (_bob, epoch) = filled(&site, 10).await;
    for seq in [11, 12, (1_u64 << 53) - 1] {
        let mut ann = site.guest("ann").await;
        let joined = ann.join_with("a", json!({"since": {"epoch": epoch, "seq": seq}})).await;
        assert_eq!(shape(&joined), (1, 10, 10, true), "since {seq}");
        ann.hear("a", 10).await;
    }
}

async fn a_cursor_further_back_than_a_replay_goes_is_a_gap(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.limits.replay_max = 10;
            config.channels.window = 4;
        })
        .await;
    let (_bob, epoch) = filled(&site, 40).await;
    for (seq, expected) in [(0, (31, 10, 40, true)), (29, (31, 10, 40, true)), (30, (31, 10, 40, false))] {
        let mut ann = site.guest("ann").await;
        let joined = ann.join_with("a", json!({"since": {"epoch": epoch, "seq": seq}})).await;
        assert_eq!(shape(&joined), expected, "since {seq}");
        ann.hear("a", 40).await;
        let between = ann.history("a", json!({"after": seq, "before": 31})).await;
        let places: Vec<_> =
            between["messages"].as_array().into_iter().flatten().map(|one| one["seq"].clone()).collect();
        assert_eq!(places, (seq + 1..31).map(Value::from).collect::<Vec<_>>(), "what lies between is read by history");
    }
}

async fn the_epoch_is_kept_over_a_restart(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (mut bob, epoch) = filled(&site, 10).await;
    bob.hear("a", 10).await;
    site.restart().await;
    let mut bob = bob.moved(site.address).back().await;
    let cursor = bob.cursor("a");
    let joined = bob.join_with("a", json!({"since": cursor})).await;
    assert_eq!((shape(&joined), &joined["epoch"]), ((11, 0, 10, false), &epoch));
    assert_eq!(bob.publish("a", "after the restart").await["seq"], 11);
    bob.hear("a", 11).await;
}

async fn joining_again_goes_on_where_it_stood(stage: Stage) {
    let site = stage.site().await;
    let (mut bob, _) = filled(&site, 30).await;
    let mut ann = site.guest("ann").await;
    ann.join_with("a", json!({"tail": 3})).await;
    ann.hear("a", 30).await;
    assert_eq!(shape(&ann.join("a").await), (31, 0, 30, false));
    bob.publish("a", "one more").await;
    ann.hear("a", 31).await;
    assert_eq!(shape(&ann.join("a").await), (32, 0, 31, false));
    assert_eq!(ann.heard("a").len(), 4);
}

async fn joining_again_while_others_publish_loses_and_doubles_nothing(stage: Stage) {
    let site = stage.site().await;
    let mut bob = site.guest("bob").await;
    let mut ann = site.guest("ann").await;
    bob.join("a").await;
    ann.join("a").await;
    let publishing = tokio::spawn(async move {
        bob.publish_many("a", 400).await;
        bob
    });
    let mut times = 0;
    while !publishing.is_finished() {
        ann.join("a").await;
        times += 1;
    }
    publishing.await.expect("bob is well").hear("a", 400).await;
    ann.hear("a", 400).await;
    assert_eq!(ann.heard("a").len(), 400, "joined {times} times meanwhile");
}

async fn joining_again_with_a_cursor_begins_there(stage: Stage) {
    let site = stage.site().await;
    let (mut bob, epoch) = filled(&site, 30).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.hear("a", 30).await;
    for seq in [0, 29, 12, 30] {
        let joined = ann.join_with("a", json!({"since": {"epoch": epoch, "seq": seq}})).await;
        assert_eq!(shape(&joined), (seq + 1, 30 - seq, 30, false));
    }
    assert_eq!(shape(&ann.join_with("a", json!({"tail": 2})).await), (29, 2, 30, false));
    bob.publish("a", "the end").await;
    ann.hear("a", 31).await;
}

async fn since_and_tail_exclude_each_other(stage: Stage) {
    let site = stage.site().await;
    let (_bob, epoch) = filled(&site, 3).await;
    let mut ann = site.guest("ann").await;
    let both = json!({"type": "join", "channel": "a", "since": {"epoch": epoch, "seq": 1}, "tail": 2});
    assert_eq!(ann.refused(both).await, "bad_frame");
    assert_eq!(ann.ask(json!({"type": "who", "channel": "a"})).await["count"], 1, "only bob");
}

async fn several_joins_under_way_are_told_apart(stage: Stage) {
    let site = stage.site_with(|config| config.limits.channels_per_session = 3).await;
    let (mut bob, _) = filled(&site, 30).await;
    bob.join("b").await;
    bob.publish_many("b", 9).await;
    let mut ann = site.guest("ann").await;
    for round in 0..10 {
        let join = |channel: &str, tail: u64| json!({"type": "join", "channel": channel, "tail": tail});
        // The reply that is due for each: `replay`, or the error's code.
        let due = [
            (join("a", 3), json!(3)),
            (join("b", 4), json!(4)),
            (join("a", 5), json!(5)),
            (json!({"type": "join", "channel": "A"}), json!("bad_frame")),
            (join("c", 0), json!(0)),
            (join("d", 0), json!("too_large")),
            (join("a", 7), json!(7)),
            (json!({"type": "leave", "channel": "b"}), Value::Null),
            (join("b", 2), json!(2)),
            (json!({"type": "leave", "channel": "c", "only": "session"}), Value::Null),
        ];
        let ids: Vec<_> = due.iter().map(|(command, _)| ann.begin(command.clone())).collect();
        for ((command, expected), id) in due.iter().zip(&ids) {
            let reply = ann.reply(id).await;
            let told = if reply["type"] == "error" { &reply["code"] } else { &reply["replay"] };
            assert_eq!(told, expected, "round {round}: {command}: {reply}");
        }
        ann.hear("a", 30).await;
        ann.hear("b", 9).await;
    }
}

async fn a_visitor_hears_and_is_no_member(stage: Stage) {
    let site = stage.site().await;
    let (mut bob, _) = filled(&site, 3).await;
    let mut ann = site.guest("ann").await;
    ann.join_with("a", json!({"member": false})).await;
    bob.publish("a", "for all").await;
    ann.hear("a", 4).await;
    ann.publish("a", "from a visitor").await;
    ann.hear("a", 5).await;
    assert_eq!(ann.ask(json!({"type": "channels"})).await["channels"], json!([]));
    assert_eq!(ann.ask(json!({"type": "who", "channel": "a"})).await["count"], 2);
    ann.join("a").await;
    let listed = ann.ask(json!({"type": "channels"})).await;
    assert_eq!(listed["channels"][0]["channel"], "a", "{listed}");
    ann.join_with("a", json!({"member": false})).await;
    let listed = ann.ask(json!({"type": "channels"})).await;
    assert_eq!(listed["channels"][0]["channel"], "a", "visiting does not end a membership: {listed}");
}

async fn a_channel_that_is_not_there_is_not_found(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    for command in [
        json!({"type": "publish", "channel": "nowhere", "body": {}}),
        json!({"type": "history", "channel": "nowhere"}),
        json!({"type": "who", "channel": "nowhere"}),
    ] {
        assert_eq!(ann.refused(command.clone()).await, "not_found", "{command}");
    }
}

async fn no_channel_is_made_where_joining_makes_none(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (bob, _) = filled(&site, 3).await;
    bob.cut();
    site.config.channels.create_on_join = false;
    site.restart().await;
    let mut ann = site.guest("ann").await;
    for members in [json!({}), json!({"tail": 1}), json!({"member": false})] {
        let mut command = json!({"type": "join", "channel": "b"});
        command.as_object_mut().expect("an object").extend(members.as_object().cloned().expect("an object"));
        assert_eq!(ann.refused(command).await, "not_found");
    }
    ann.join("a").await;
    ann.hear("a", 3).await;
}

async fn a_guest_finds_no_direct_channel(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.guest("ann").await;
    let other = format!("@{}", site.guest("eve").await.user());
    for channel in ["@bob", "@bob:carl", other.as_str()] {
        for command in [
            json!({"type": "join", "channel": channel}),
            json!({"type": "publish", "channel": channel, "body": {}}),
            json!({"type": "history", "channel": channel}),
            json!({"type": "who", "channel": channel}),
        ] {
            assert_eq!(ann.refused(command.clone()).await, "not_found", "{command}");
        }
    }
}

async fn a_session_may_subscribe_to_so_many_channels(stage: Stage) {
    let site = stage.site_with(|config| config.limits.channels_per_session = 3).await;
    let mut ann = site.guest("ann").await;
    for channel in ["a", "b", "c"] {
        ann.join(channel).await;
    }
    assert_eq!(ann.refused(json!({"type": "join", "channel": "d"})).await, "too_large");
    ann.join("b").await;
    ann.publish("a", "still heard").await;
    ann.hear("a", 1).await;
    ann.ask(json!({"type": "leave", "channel": "c", "only": "session"})).await;
    ann.join("d").await;
    let mut other = ann.twin().await;
    other.join("c").await;
    assert_eq!(ann.refused(json!({"type": "join", "channel": "c"})).await, "too_large");
}
