//! From one transport to the other and back: the promises hold across the switch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parlor::config::Config;
use serde_json::{Value, json};

use crate::support::{Client, Stage, Transport, pause, publish};

scenarios! {
    mixed:
        a_client_that_changes_over_again_and_again_misses_and_doubles_nothing,
        two_sessions_of_a_user_over_both_transports_are_one_user;
}

fn small(config: &mut Config) {
    config.channels.window = 16;
}

/// Someone who changes transports while it publishes.
struct Roamer {
    client: Client,
    /// Publishes that were not answered: key and base.
    open: VecDeque<(String, u64)>,
    count: u64,
    /// Places by key.
    receipts: BTreeMap<String, u64>,
}

impl Roamer {
    fn publish(&mut self, (key, base): &(String, u64)) -> String {
        self.client.begin(publish("a", key, json!({"key": key, "base": base})))
    }

    /// Publishes some more, waits for some of the answers, and leaves the hearers open.
    async fn talk(&mut self, more: u64, answers: usize) {
        let base = self.client.cursor("a")["seq"].as_u64().unwrap_or_default();
        for _ in 0..more {
            self.open.push_back((format!("r{}", self.count), base));
            self.count += 1;
        }
        let open: Vec<_> = self.open.iter().cloned().collect();
        let ids: Vec<_> = open.iter().map(|one| self.publish(one)).collect();
        for ((key, _), id) in open.iter().zip(&ids).take(answers) {
            let receipt = self.client.reply(id).await;
            assert_eq!(receipt["type"], "published", "{receipt}");
            let seq = receipt["seq"].as_u64().unwrap_or_default();
            assert_eq!(*self.receipts.entry(key.clone()).or_insert(seq), seq, "{key} has one place");
            self.open.pop_front();
        }
    }

    /// Goes on over the other transport.
    async fn change_over(mut self) -> Self {
        let before = self.client.way();
        self.client = self.client.back().await;
        assert_ne!(self.client.way(), before);
        let cursor = self.client.cursor("a");
        let joined = self.client.join_with("a", json!({"since": cursor})).await;
        let expected = cursor["seq"].as_u64().map(|seq| seq + 1);
        assert_eq!((&joined["gap"], joined["next"].as_u64()), (&json!(false), expected), "{joined}");
        self
    }
}

async fn a_client_that_changes_over_again_and_again_misses_and_doubles_nothing(stage: Stage) {
    let site = stage.site_with(small).await;
    let mut hearers = [site.guest("one").await, site.guest("other").await];
    assert_ne!(hearers[0].way(), hearers[1].way());
    for one in &mut hearers {
        one.join("a").await;
    }
    let (stop, mut bob) = (Arc::new(AtomicBool::new(false)), site.guest("bob").await);
    let told = Arc::clone(&stop);
    let talk = tokio::spawn(async move {
        while !told.load(Ordering::Relaxed) {
            bob.publish_many("a", 5).await;
            pause(1).await;
        }
    });
    let mut client = site.guest("roamer").await;
    client.join("a").await;
    let mut roamer = Roamer { client, open: VecDeque::new(), count: 0, receipts: BTreeMap::new() };
    for round in 0..24 {
        // Never all answers, so that some are under way when it goes.
        roamer.talk(4, round % 5).await;
        roamer = roamer.change_over().await;
    }
    let left = roamer.open.len();
    roamer.talk(0, left).await;
    stop.store(true, Ordering::Relaxed);
    talk.await.expect("bob is well");
    let head = hearers[0].history("a", json!({"limit": 1})).await["head"].as_u64().unwrap_or_default();
    roamer.client.hear("a", head).await;
    let story = roamer.client.heard("a");
    assert!(story.keys().copied().eq(*story.keys().next().unwrap_or(&0)..=head), "no hole");
    for one in &mut hearers {
        one.hear("a", head).await;
        let theirs = one.heard("a");
        assert!(theirs.keys().copied().eq(1..=head), "{} missed something", one.user());
        for (seq, message) in &story {
            assert_eq!(theirs[seq], *message, "{} hears {seq} otherwise", one.user());
        }
    }
    let mut places = BTreeMap::<&str, Vec<u64>>::new();
    let theirs = hearers[0].heard("a");
    for (seq, message) in &theirs {
        if let Some(key) = message["key"].as_str() {
            places.entry(key).or_default().push(*seq);
        }
    }
    assert_eq!((roamer.receipts.len(), places.len()), (96, 96));
    for (key, seq) in &roamer.receipts {
        assert_eq!(places[&**key], [*seq], "{key} was receipted at {seq}");
    }
}

async fn two_sessions_of_a_user_over_both_transports_are_one_user(stage: Stage) {
    let site = stage.site_with(small).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    let mut other = ann.twin().await;
    assert_eq!((ann.way(), other.way()), (Transport::WebSocket, Transport::LongPoll));
    ann.join("a").await;
    other.join("a").await;
    bob.join("a").await;
    let rows = bob.ask(json!({"type": "presence", "users": [ann.user()]})).await;
    assert_eq!((&rows["users"][0]["state"], &rows["users"][0]["sessions"]), (&json!("online"), &json!(2)));
    let who = bob.ask(json!({"type": "who", "channel": "a"})).await;
    assert_eq!(who["count"], 2, "{who}");
    // A key used over one is known over the other, and both hear what either says.
    let first = ann.publish_with("a", "over one", json!({"key": "k", "base": 0})).await;
    let again = other.publish_with("a", "over the other", json!({"key": "k", "base": 0})).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&first["seq"], &Value::Bool(true)));
    other.publish("a", "and on").await;
    for one in [&mut ann, &mut other, &mut bob] {
        one.hear("a", 2).await;
    }
    bob.ask(json!({"type": "watch", "users": [ann.user()]})).await;
    ann.ask(json!({"type": "logout"})).await;
    let rows = bob.ask(json!({"type": "presence", "users": [other.user()]})).await;
    assert_eq!((&rows["users"][0]["state"], &rows["users"][0]["sessions"]), (&json!("online"), &json!(1)));
    other.ask(json!({"type": "logout"})).await;
    assert_eq!(bob.event("presence").await["state"], "offline");
}
