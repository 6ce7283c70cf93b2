//! Slow readers: they do not slow the others, and one that has stopped is cut off, whatever its socket does.

use std::time::Duration;

use parlor::config::Config;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::silence::{TIMEOUT, lenient};
use crate::support::{Client, End, Polls, Stage, pause, publish};

scenarios! {
    once:
        a_jammed_reader_is_cut_off_and_the_others_hear_everything_at_their_pace,
        a_burst_of_large_messages_ends_nobody_who_reads,
        coming_back_to_many_channels_at_once_gives_every_replay;
    secure:
        a_jammed_reader_is_cut_off_and_the_others_hear_everything_at_their_pace,
        a_burst_of_large_messages_ends_nobody_who_reads,
        coming_back_to_many_channels_at_once_gives_every_replay;
    waiting:
        a_reader_that_was_too_slow_comes_back_and_misses_nothing;
    longpoll:
        a_reader_that_takes_its_time_over_a_replay_gets_all_of_it;
}

fn tight(config: &mut Config) {
    lenient(config);
    config.limits.session_queue_bytes = 512 << 10;
}

/// Publishes so many messages of eight kilobytes into `a`.
async fn flood(who: &mut Client, count: usize) {
    let text = "x".repeat(8 << 10);
    for batch in (0..count).collect::<Vec<_>>().chunks(8) {
        let ids: Vec<_> = batch.iter().map(|_| who.begin(publish("a", &text, json!({})))).collect();
        for id in ids {
            let reply = who.reply(&id).await;
            assert_eq!(reply["type"], "published", "{reply}");
        }
        // A pace that anyone who reads at all keeps up with: some ten megabytes a second.
        pause(4).await;
    }
}

async fn a_jammed_reader_is_cut_off_and_the_others_hear_everything_at_their_pace(stage: Stage) {
    let site = stage.site_with(tight).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut slow = site.narrow_guest("slow").await;
    let user = slow.user().to_owned();
    ann.join("a").await;
    slow.join("a").await;
    ann.ask(json!({"type": "watch", "users": [user]})).await;
    slow.jam();
    let flooding = tokio::spawn(async move {
        flood(&mut bob, 1500).await;
        bob
    });
    let begun = Instant::now();
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for seq in 1..=1500 {
        ann.hear("a", seq).await;
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    assert!(longest < Duration::from_secs(1), "the healthy reader waited {longest:?} for a message");
    let _bob = flooding.await.expect("bob is well");
    let event = ann.event_where("presence", |event| event["user"] == user && event["state"] == "offline").await;
    let took = begun.elapsed();
    assert!(took < TIMEOUT + Duration::from_secs(3), "{event} after {took:?}");
    // Its socket is cut: reading again, it gets what was in flight, and then the end.
    slow.unjam();
    let end = slow.end().await;
    assert!(matches!(end, End::Closed(4001 | 4000) | End::Gone(_)), "{end:?}");
    let mut back = slow.back().await;
    let cursor = back.cursor("a");
    assert_eq!(back.join_with("a", json!({"since": cursor})).await["gap"], false);
    back.hear("a", 1500).await;
}

async fn a_reader_that_was_too_slow_comes_back_and_misses_nothing(stage: Stage) {
    let site = stage
        .site_with(|config| {
            tight(config);
            config.presence.timeout = Duration::from_secs(60);
            config.presence.heartbeat = Duration::from_secs(20);
        })
        .await;
    let mut bob = site.guest("bob").await;
    let mut slow = site.narrow_guest("slow").await;
    slow.join("a").await;
    let user = slow.user().to_owned();
    bob.ask(json!({"type": "watch", "users": [user]})).await;
    for _ in 0..2 {
        slow.jam();
        flood(&mut bob, 1200).await;
        // Over long-poll it is given some time to say what it has.
        bob.event_where("presence", |event| event["state"] == "offline").await;
        slow.unjam();
        let end = slow.end().await;
        assert!(matches!(end, End::Closed(4001) | End::Gone(_)), "{end:?}");
        slow = slow.back().await;
        let cursor = slow.cursor("a");
        let joined = slow.join_with("a", json!({"since": cursor})).await;
        assert_eq!(joined["gap"], false, "{joined}");
        let head = joined["head"].as_u64().unwrap_or_default();
        slow.hear("a", head).await;
    }
    assert!(slow.heard("a").into_keys().eq(1..=2400));
}

async fn a_burst_of_large_messages_ends_nobody_who_reads(stage: Stage) {
    // The limits as they are by default: 64 publishes under way, of 32 KiB each, and queues of 1 MiB.
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    for burst in 1..=3 {
        let text = "x".repeat((32 << 10) - 11);
        let ids: Vec<_> = (0..64).map(|_| bob.begin(publish("a", &text, json!({})))).collect();
        for id in ids {
            let reply = bob.reply(&id).await;
            assert_eq!(reply["type"], "published", "{reply}");
        }
        ann.hear("a", burst * 64).await;
    }
}

async fn coming_back_to_many_channels_at_once_gives_every_replay(stage: Stage) {
    // Together the replays are four times what a queue holds by default; each by itself would fit.
    let site = stage.site().await;
    let mut bob = site.guest("bob").await;
    let channels: Vec<_> = (0..16).map(|n| format!("c{n}")).collect();
    let text = "x".repeat(8 << 10);
    let mut cursors = Vec::new();
    for channel in &channels {
        let epoch = bob.join_with(channel, json!({"member": false})).await["epoch"].clone();
        cursors.push(json!({"epoch": epoch, "seq": 0}));
        let ids: Vec<_> = (0..32).map(|_| bob.begin(publish(channel, &text, json!({})))).collect();
        for id in ids {
            let reply = bob.reply(&id).await;
            assert_eq!(reply["type"], "published", "{reply}");
        }
        bob.hear(channel, 32).await;
    }
    let mut ann = site.guest("ann").await;
    let join = |(channel, since): (&String, &Value)| json!({"type": "join", "channel": channel, "since": since});
    let ids: Vec<_> = channels.iter().zip(&cursors).map(join).map(|command| ann.begin(command)).collect();
    for id in ids {
        let reply = ann.reply(&id).await;
        assert_eq!((&reply["type"], &reply["gap"]), (&json!("joined"), &json!(false)), "{reply}");
    }
    for channel in &channels {
        ann.hear(channel, 32).await;
    }
}

async fn a_reader_that_takes_its_time_over_a_replay_gets_all_of_it(stage: Stage) {
    let site = stage.site_with(|config| config.limits.session_queue_bytes = 64 << 10).await;
    let mut bob = site.guest("bob").await;
    for channel in ["a", "b", "c"] {
        bob.join(channel).await;
        for _ in 0..30 {
            bob.publish(channel, &"x".repeat(5000)).await;
        }
    }
    let mut ann = Polls::open(site.address).await;
    let join = |channel: &str| json!({"type": "join", "channel": channel, "tail": 30});
    ann.command(json!([join("a"), join("b"), join("c")])).await;
    let (mut after, mut heard) = (0, 0);
    while heard < 90 {
        // Longer than a burst of new messages may wait for a reader.
        pause(if after == 0 { 2300 } else { 5 }).await;
        let (events, next) = ann.page(after, "5").await;
        heard += events.iter().filter(|event| event["type"] == "message").count();
        after = next;
    }
    assert_eq!(heard, 90);
}
