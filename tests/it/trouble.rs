//! A store that fails: publishes are told so, reads go on, and when it is well again nothing that was receipted is gone.

use std::sync::Arc;

use parlor::store::{Failing, Fault, MemoryRows, Rows, SledRows, Trouble};
use serde_json::{Value, json};

use crate::places::{closed, create, tend};
use crate::support::{Client, DEADLINE, Engine, Site, Stage, pause, publish};

scenarios! {
    everywhere:
        a_store_that_fails_takes_nothing_and_comes_back_with_everything_receipted,
        a_single_failed_write_is_got_over;
    waiting:
        a_full_disk_refuses_publishes_and_lets_reads_go_on,
        a_channel_is_deleted_and_left_on_a_full_disk_too,
        a_read_that_fails_is_tried_again;
}

/// A server whose engine can be made to fail.
async fn fragile(stage: Stage) -> (Site, Trouble, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let below: Arc<dyn Rows> = match stage.engine {
        Engine::Memory => Arc::new(MemoryRows::default()),
        Engine::Sled => Arc::new(SledRows::open(&dir.path().join("data"), 8 << 20).expect("an engine")),
    };
    let (rows, trouble) = Failing::over(below);
    let site = stage.site_on(Some(rows), |config| config.channels.window = 8).await;
    (site, trouble, dir)
}

fn keyed(n: usize) -> Value {
    publish("a", &format!("number {n}"), json!({"key": format!("k{n}"), "base": 0}))
}

/// Waits until `/readyz` answers with this status.
async fn ready(site: &Site, status: u16) {
    let begun = tokio::time::Instant::now();
    loop {
        let answer = site.get("/readyz").await;
        if answer.status == status {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "expected {status} from /readyz, got {}: {}", answer.status, answer.body);
        pause(10).await;
    }
}

/// Publishes with a key until it is receipted.
async fn insist(who: &mut Client, n: usize) -> Value {
    let begun = tokio::time::Instant::now();
    loop {
        let reply = who.command(keyed(n)).await;
        match reply["code"].as_str() {
            None => return reply,
            Some("unavailable" | "internal" | "overloaded") => pause(20).await,
            Some(_) => who.fail(&format!("neither published nor to be retried: {reply}")),
        }
        assert!(begun.elapsed() < DEADLINE, "still not published: {reply}");
    }
}

async fn a_store_that_fails_takes_nothing_and_comes_back_with_everything_receipted(stage: Stage) {
    let (site, trouble, _dir) = fragile(stage).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let epoch = ann.join("a").await["epoch"].clone();
    bob.join("a").await;
    for n in 0..30 {
        assert_eq!(bob.ask(keyed(n)).await["seq"], n + 1);
    }
    ready(&site, 200).await;
    for _ in 0..1000 {
        trouble.arm(Fault::Reopen);
    }
    trouble.arm(Fault::Sync);
    // The one that the failure strikes, and those after it.
    for n in 30..34 {
        let reply = bob.command(keyed(n)).await;
        assert_eq!(reply["code"], "unavailable", "{reply}");
    }
    ready(&site, 503).await;
    for members in [json!({"after": 0, "limit": 30}), json!({"before": 10})] {
        let page = ann.history("a", members).await;
        assert_eq!(page["messages"][0]["seq"], 1, "reads go on: {page}");
    }
    trouble.disarm();
    ready(&site, 200).await;
    for n in (0..40).rev() {
        let receipt = insist(&mut bob, n).await;
        assert!(n >= 30 || receipt["seq"] == n + 1, "number {n} was receipted before: {receipt}");
        assert!(n >= 30 || receipt["duplicate"] == true, "{receipt}");
    }
    for one in [&mut ann, &mut bob] {
        one.hear("a", 40).await;
        one.has_not_heard("closed").await;
    }
    let page = ann.history("a", json!({"after": 0, "limit": 100})).await;
    assert_eq!((&page["head"], &page["epoch"]), (&json!(40), &epoch), "the epoch is kept");
    for (place, heard) in bob.heard("a") {
        assert_eq!(page["messages"][place as usize - 1]["key"], heard["key"], "at {place}");
    }
}

async fn a_single_failed_write_is_got_over(stage: Stage) {
    let (site, trouble, _dir) = fragile(stage).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    let mut n = 0;
    for fault in [Fault::Sync, Fault::Apply, Fault::ApplyLate, Fault::Panic, Fault::Sync] {
        for _ in 0..3 {
            insist(&mut bob, n).await;
            n += 1;
        }
        trouble.arm(fault);
        // Several at once, of which the failure strikes some or all.
        let ids: Vec<_> = (n..n + 8).map(|n| bob.begin(keyed(n))).collect();
        for id in ids {
            let reply = bob.reply(&id).await;
            assert!(reply["type"] == "published" || reply["code"] == "unavailable", "{fault:?}: {reply}");
        }
        for _ in 0..8 {
            insist(&mut bob, n).await;
            n += 1;
        }
        ann.hear("a", n as u64).await;
    }
    let page = ann.history("a", json!({"after": 0, "limit": 1000})).await;
    let keys: std::collections::BTreeSet<_> =
        page["messages"].as_array().into_iter().flatten().map(|message| message["key"].to_string()).collect();
    assert_eq!((keys.len(), &page["head"]), (n, &json!(n)), "each key once, and nothing else");
}

async fn a_full_disk_refuses_publishes_and_lets_reads_go_on(stage: Stage) {
    let (site, trouble, _dir) = fragile(stage).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    for n in 0..20 {
        insist(&mut ann, n).await;
    }
    trouble.free_bytes(Some(1000));
    ready(&site, 503).await;
    let refused = ann.refused(keyed(20)).await;
    assert_eq!(refused, "unavailable");
    assert_eq!(ann.history("a", json!({"after": 0, "limit": 5})).await["messages"][0]["seq"], 1);
    ann.join_with("a", json!({"tail": 15})).await;
    ann.hear("a", 20).await;
    trouble.free_bytes(None);
    ready(&site, 200).await;
    assert_eq!(insist(&mut ann, 20).await["seq"], 21);
}

async fn a_channel_is_deleted_and_left_on_a_full_disk_too(stage: Stage) {
    let (site, trouble, _dir) = fragile(stage).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    create(&mut ann, "a", true).await;
    create(&mut ann, "b", false).await;
    tend(&mut ann, "invite", "a", "bob").await;
    let epoch = bob.join("a").await["epoch"].clone();
    bob.join("b").await;
    bob.publish_many("a", 20).await;
    trouble.free_bytes(Some(1000));
    ready(&site, 503).await;
    assert_eq!(bob.refused(publish("a", "no room", json!({}))).await, "unavailable");
    bob.ask(json!({"type": "leave", "channel": "b"})).await;
    ann.ask(json!({"type": "delete", "channel": "a"})).await;
    closed(&mut bob, "a", "deleted").await;
    assert_eq!(bob.refused(json!({"type": "history", "channel": "a"})).await, "not_found");
    assert_eq!(bob.ask(json!({"type": "channels"})).await["channels"], json!([]));
    trouble.free_bytes(None);
    ready(&site, 200).await;
    let joined = bob.join("a").await;
    assert_eq!((&joined["head"], joined["epoch"] == epoch), (&json!(0), false), "nothing of it is left");
}

async fn a_read_that_fails_is_tried_again(stage: Stage) {
    let (site, trouble, _dir) = fragile(stage).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let epoch = bob.join("a").await["epoch"].clone();
    bob.publish_many("a", 100).await;
    for round in 0..5 {
        trouble.arm(Fault::Read);
        let since = json!({"type": "join", "channel": "a", "since": {"epoch": epoch, "seq": round}});
        let begun = tokio::time::Instant::now();
        while ann.command(since.clone()).await["type"] != "joined" {
            assert!(begun.elapsed() < DEADLINE, "not joined");
            pause(20).await;
        }
        ann.hear("a", 100).await;
        trouble.disarm();
    }
}
