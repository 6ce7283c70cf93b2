//! Panics elsewhere than in the middle of a channel's work: in a session, a wire, a timer, what is done beside an actor.
//! Each is caught, counted and said once; and an actor that panics again and again rests, while the others go on.

use std::sync::OnceLock;
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;
use parlor::config::Config;
use parlor::store::{Failing, MemoryRows};
use serde_json::{Value, json};

use crate::support::{Client, DEADLINE, Site, Stage, eventually, pause, publish};

scenarios! {
    once:
        a_session_that_breaks_over_a_command_is_come_back_to_and_nobody_else_notices,
        a_session_that_breaks_over_its_hello_is_come_back_to,
        a_channel_that_breaks_beside_its_core_loses_nothing,
        a_registry_that_breaks_beside_its_table_calls_nobody_offline,
        a_worker_whose_timer_breaks_is_come_back_to;
    websocket:
        a_connection_that_breaks_is_come_back_to;
    alone:
        a_panic_is_said_once_with_what_it_was_over,
        a_worker_that_breaks_too_often_rests_and_the_other_goes_on,
        a_registry_that_breaks_too_often_rests_and_messages_go_on,
        a_channel_that_breaks_too_often_rests_and_is_not_named_to_strangers,
        lines_that_break_too_often_come_back_by_themselves,
        a_write_that_takes_long_is_warned_of;
}

/// How often an actor may break before it rests.
const BUDGET: usize = 5;

fn quick(config: &mut Config) {
    config.presence.heartbeat = Duration::from_millis(200);
    config.presence.timeout = Duration::from_secs(5);
    config.presence.sweep = Duration::from_millis(20);
    config.channels.idle = Duration::from_secs(60);
}

/// Waits until every armed fault has struck.
async fn struck(site: &Site) {
    eventually("the fault strikes", async || site.faults.left() == 0).await;
}

/// The number in a scrape's line that begins so.
async fn figure(site: &Site, series: &str) -> f64 {
    let text = site.get("/metrics").await.body;
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

/// How often actors of a kind panicked.
async fn panics(site: &Site, kind: &str) -> f64 {
    figure(site, &format!("parlor_actor_panics_total{{kind=\"{kind}\"}}")).await
}

/// Publishes with a key until it is receipted, coming back as often as need be; the one who came back, and its receipt.
async fn insist(mut who: Client, command: &Value) -> (Client, Value) {
    let until = tokio::time::Instant::now() + DEADLINE;
    loop {
        let id = who.begin(command.clone());
        let reply = who.reply_or_end(&id).await;
        if let Some(receipt) = reply.filter(|reply| reply["type"] == "published") {
            return (who, receipt);
        }
        assert!(tokio::time::Instant::now() < until, "still not published");
        pause(10).await;
        if who.has_ended() {
            who = who.back().await;
        }
    }
}

/// Bob says three things while something breaks at each of the places: all are receipted, in order, and Ann hears them.
async fn talk_through(site: &Site, places: &[&'static str], kind: &str) {
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    let before = panics(site, kind).await;
    for (n, place) in places.iter().enumerate() {
        site.faults.arm(place);
        let said = publish("a", "whatever breaks", json!({"key": format!("k{n}"), "base": 0}));
        let receipt;
        (bob, receipt) = insist(bob, &said).await;
        assert_eq!(receipt["seq"], n + 1, "{place}: {receipt}");
        struck(site).await;
        if !ann.hear_or_end("a", n as u64 + 1).await {
            ann = ann.back().await;
            let since = ann.cursor("a");
            assert_eq!(ann.join_with("a", json!({"since": since})).await["gap"], false);
            ann.hear("a", n as u64 + 1).await;
        }
        assert!(ann.heard("a").into_keys().eq(1..=n as u64 + 1), "{place}: something is missing");
    }
    assert!(panics(site, kind).await >= before + places.len() as f64, "each is counted");
}

async fn a_session_that_breaks_over_a_command_is_come_back_to_and_nobody_else_notices(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    site.faults.arm("session.frame");
    site.faults.arm("session.over");
    let (mut bob, receipt) = insist(bob, &publish("a", "once more", json!({"key": "k", "base": 0}))).await;
    struck(&site).await;
    assert_eq!((&receipt["seq"], &receipt["duplicate"]), (&json!(1), &json!(false)), "{receipt}");
    ann.hear("a", 1).await;
    ann.ask(json!({"type": "ping"})).await;
    let shown = bob.ask(json!({"type": "presence", "users": [bob.user()]})).await;
    assert_eq!(shown["users"][0]["sessions"], 1, "the one that broke has left: {shown}");
    assert!((panics(&site, "session").await - 2.0).abs() < 0.1);
    let failed = figure(&site, "parlor_actor_stopped_total{kind=\"session\",reason=\"failed\"}").await;
    assert!((failed - 1.0).abs() < 0.1, "{failed}");
    let sessions = figure(&site, "parlor_sessions").await;
    assert!((sessions - 2.0).abs() < 0.1, "{sessions}");
}

async fn a_session_that_breaks_over_its_hello_is_come_back_to(stage: Stage) {
    let site = stage.site().await;
    let ann = site.guest("ann").await;
    site.faults.arm("session.hello");
    let mut bob = site.stranger("bob").await;
    let id = bob.begin(json!({"type": "hello", "version": 1, "guest": "bob"}));
    let reply = bob.reply_or_end(&id).await;
    assert!(reply.is_none_or(|reply| reply["type"] == "error"), "it was welcomed");
    struck(&site).await;
    let mut bob = site.guest("bob").await;
    bob.join("a").await;
    assert_eq!(ann.back().await.join("a").await["head"], 0);
}

async fn a_channel_that_breaks_beside_its_core_loses_nothing(stage: Stage) {
    let site = stage.site_with(|config| config.channels.idle = Duration::from_millis(60)).await;
    talk_through(&site, &["channel.effects", "channel.rest", "channel.effects"], "channel").await;
    // What it waits for: its log, when it wakes up.
    site.faults.arm("channel.later");
    let mut cleo = site.guest("cleo").await;
    let mut joined = Value::Null;
    while joined["type"] != "joined" {
        joined = cleo.command(json!({"type": "join", "channel": "b"})).await;
        assert!(joined["type"] == "joined" || joined["code"] == "unavailable", "{joined}");
    }
    struck(&site).await;
    assert_eq!(cleo.publish("b", "the first").await["seq"], 1);
}

async fn a_registry_that_breaks_beside_its_table_calls_nobody_offline(stage: Stage) {
    let site = stage.site_with(quick).await;
    let mut watcher = site.guest("watcher").await;
    let user = {
        let bob = site.guest("bob").await;
        watcher.ask(json!({"type": "watch", "users": [bob.user()]})).await;
        for place in ["registry.effects", "registry.notes"] {
            site.faults.arm(place);
            struck(&site).await;
        }
        eventually("he is known again", async || {
            let shown = watcher.ask(json!({"type": "presence", "users": [bob.user()]})).await;
            assert_ne!(shown["users"][0]["state"], "offline", "{shown}");
            shown["users"][0]["state"] == "online"
        })
        .await;
        let user = bob.user().to_owned();
        let mut bob = bob;
        bob.ask(json!({"type": "logout"})).await;
        user
    };
    let event = watcher.event_where("presence", |event| event["state"] == "offline").await;
    assert_eq!((&event["user"], &event["reason"]), (&json!(user), &json!("logout")));
}

async fn a_worker_whose_timer_breaks_is_come_back_to(stage: Stage) {
    let site = stage.site_with(quick).await;
    talk_through(&site, &["hub.tick", "hub.tick"], "hub").await;
}

async fn a_connection_that_breaks_is_come_back_to(stage: Stage) {
    let site = stage.site().await;
    talk_through(&site, &["wire.read", "wire.write", "wire.write"], "wire").await;
    let failed = figure(&site, "parlor_actor_stopped_total{kind=\"wire\",reason=\"failed\"}").await;
    assert!((failed - 3.0).abs() < 0.1, "{failed}");
}

/// What `/readyz` says stands in the way.
async fn obstacles(site: &Site) -> Vec<String> {
    let why = site.get("/readyz").await.json()["why"].clone();
    why.as_array().into_iter().flatten().map(|one| format!("{} {}", one["what"], one["why"]).replace('"', "")).collect()
}

async fn a_worker_that_breaks_too_often_rests_and_the_other_goes_on(stage: Stage) {
    let site = stage.site_with(quick).await;
    // One of two workers gets more than its budget, and the other does not.
    for _ in 0..=2 * BUDGET {
        site.faults.arm("hub.tick");
    }
    struck(&site).await;
    let said = obstacles(&site).await;
    assert!(said == ["actor hub 0"] || said == ["actor hub 1"], "{said:?}");
    assert_eq!(site.get("/healthz").await.status, 200);
    assert_eq!(site.get("/v1/online").await.status, 200, "the registry is there");
    // Whoever comes to the one that rests is sent on, and whoever comes to the other is served.
    let mut served = 0;
    for n in 0..20 {
        let mut one = site.stranger(&format!("g{n}")).await;
        let id = one.begin(json!({"type": "hello", "version": 1, "guest": format!("g{n}")}));
        if one.reply_or_end(&id).await.is_some_and(|reply| reply["type"] == "welcome") {
            served += 1;
            one.join("a").await;
            assert_eq!(one.publish("a", "and on").await["seq"], served);
        }
    }
    assert!((1..20).contains(&served), "{served}");
}

async fn a_registry_that_breaks_too_often_rests_and_messages_go_on(stage: Stage) {
    let site = stage.site_with(quick).await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    for _ in 0..=BUDGET {
        site.faults.arm("registry.sweep");
    }
    struck(&site).await;
    eventually("it says so", async || obstacles(&site).await == ["actor presence registry"]).await;
    assert_eq!(bob.publish("a", "and on").await["seq"], 1);
    ann.hear("a", 1).await;
}

async fn a_channel_that_breaks_too_often_rests_and_is_not_named_to_strangers(stage: Stage) {
    let site = stage.site_with(quick).await;
    let mut bob = site.guest("bob").await;
    bob.join("a").await;
    bob.join("b").await;
    assert_eq!(bob.publish("b", "before").await["seq"], 1);
    for _ in 0..=BUDGET {
        site.faults.arm("channel.step");
    }
    bob.begin(publish("a", "it breaks", json!({})));
    struck(&site).await;
    eventually("it says so", async || obstacles(&site).await == ["actor channel"]).await;
    assert_eq!(bob.publish("b", "after").await["seq"], 2, "the others go on");
    let rests = figure(&site, "parlor_actor_resting{kind=\"channel\"}").await;
    assert!((rests - 1.0).abs() < 0.1, "{rests}");
}

async fn lines_that_break_too_often_come_back_by_themselves(stage: Stage) {
    let site = stage.site_with(quick).await;
    for _ in 0..=BUDGET {
        site.faults.arm("longpoll.step");
    }
    // Each on one of two workers: not all of them need to be the same one's.
    let mut asked = 0;
    while site.faults.left() > 0 {
        let hello = json!({"type": "hello", "version": 1, "guest": "ann"});
        assert_eq!(site.post("/v1/sessions", None, hello).await.status, 500);
        asked += 1;
        assert!(asked <= 2 * BUDGET + 2, "they strike");
    }
    assert_eq!(site.get("/healthz").await.status, 200);
}

/// Keeps what is logged of panics and of slow handlers, for the whole test binary.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

static HEARD: OnceLock<Heard> = OnceLock::new();

impl Log for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        if line.contains("panicked") || record.target() == "parlor::slow" {
            self.0.lock().push(line);
        }
    }

    fn flush(&self) {}
}

/// What was logged from the first call on and has this in it.
fn heard(part: &str) -> Vec<String> {
    let first = HEARD.get().is_none();
    let heard = HEARD.get_or_init(Heard::default);
    if first && log::set_logger(heard).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
    heard.0.lock().iter().filter(|line| line.contains(part)).cloned().collect()
}

async fn a_panic_is_said_once_with_what_it_was_over(stage: Stage) {
    heard("");
    let site = stage.site().await;
    let mut bob = site.guest("bob").await;
    bob.join("once-only").await;
    site.faults.arm("channel.committed");
    let (bob, _) = insist(bob, &publish("once-only", "a secret body", json!({"key": "k", "base": 0}))).await;
    struck(&site).await;
    let said = heard("channel once-only");
    let [line] = &said[..] else { panic!("{said:?}") };
    assert!(
        line.starts_with("channel once-only panicked over own: fault armed at channel.committed, at src/"),
        "{line}"
    );
    let name = bob.welcome()["sid"].as_str().expect("a public name").to_owned();
    site.faults.arm("session.frame");
    insist(bob, &publish("once-only", "a secret body", json!({"key": "l", "base": 0}))).await;
    let said = heard(&name);
    let [line] = &said[..] else { panic!("{said:?}") };
    assert!(
        line.starts_with(&format!("session {name} panicked over frame: fault armed at session.frame, at")),
        "{line}"
    );
    assert!(heard("a secret body").is_empty());
}

async fn a_write_that_takes_long_is_warned_of(stage: Stage) {
    heard("");
    let (rows, trouble) = Failing::over(std::sync::Arc::new(MemoryRows::default()));
    let site = stage.site_on(Some(rows), |config| config.log.slow = Duration::from_millis(30)).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    trouble.hold();
    let first = ann.begin(publish("a", "it takes long", json!({})));
    eventually("the sync waits", async || trouble.is_holding()).await;
    // Other channels' writes wait behind it, and that shows without asking anybody.
    ann.begin(publish("b", "and this waits", json!({})));
    let depth = "parlor_actor_mailbox_depth{kind=\"log_writer\"}";
    let oldest = "parlor_actor_oldest_seconds{kind=\"log_writer\"}";
    eventually("it shows", async || figure(&site, depth).await >= 1.0 && figure(&site, oldest).await > 0.05).await;
    assert!(figure(&site, "parlor_store_queue_depth").await >= 1.0);
    trouble.release();
    assert_eq!(ann.reply(&first).await["seq"], 1);
    let said = heard("log_writer store took ");
    assert!(said.iter().any(|line| line.contains(" ms for append")), "{said:?}");
    eventually("nothing waits", async || figure(&site, depth).await < 0.5 && figure(&site, oldest).await == 0.0).await;
}
