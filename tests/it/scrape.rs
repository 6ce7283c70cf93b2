//! A real server's scrape: its form, that nothing that clients do makes a new series, and that it tells the truth.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::exposition::{Scraped, scraped};
use crate::support::{Polls, Request, Site, Stage, eventually, publish};

scenarios! {
    once:
        a_scrape_is_well_formed_and_counts_what_was_done;
    alone:
        users_channels_and_sessions_make_no_new_series,
        the_page_for_operators_names_every_family_and_no_other,
        operators_see_who_is_behind_and_who_was_slow,
        operators_find_sessions_by_channel_and_by_what_waits;
}

/// What says in words what each family is.
const PAGE: &str = include_str!("../../docs/operating/metrics.md");

async fn scrape(site: &Site) -> Scraped {
    scraped(&site.get("/metrics").await.body)
}

fn is(seen: &Scraped, name: &str, labels: &[(&str, &str)], expected: f64) {
    let value = seen.value(name, labels);
    assert!((value - expected).abs() < 0.001, "{name} {labels:?} is {value}, and not {expected}");
}

async fn a_scrape_is_well_formed_and_counts_what_was_done(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.guest("ann").await, site.guest("bob").await);
    ann.join("a").await;
    bob.join("a").await;
    for n in 1..=3 {
        assert_eq!(ann.ask(publish("a", "some words", json!({"key": format!("k{n}"), "base": 0}))).await["seq"], n);
    }
    ann.ask(publish("a", "some words", json!({"key": "k3", "base": 0}))).await;
    bob.hear("a", 3).await;
    ann.hear("a", 3).await;
    let mut late = site.guest("late").await;
    late.join_with("a", json!({"since": {"epoch": "another", "seq": 9}})).await;
    late.ask(json!({"type": "logout"})).await;
    let ended = async || {
        let seen = scrape(&site).await;
        let gone = seen.value("parlor_actor_stopped_total", &[("kind", "session"), ("reason", "logout")]);
        // Its connection may stay for as long as its client has to answer a close.
        gone > 0.5 && seen.value("parlor_actor_live", &[("kind", "wire")]) < 2.5
    };
    eventually("a session and its wire have ended", ended).await;
    let seen = scrape(&site).await;
    for (outcome, count) in [("stored", 3.0), ("duplicate", 1.0), ("refused", 0.0)] {
        is(&seen, "parlor_publishes_total", &[("outcome", outcome)], count);
    }
    is(&seen, "parlor_gaps_total", &[], 1.0);
    is(&seen, "parlor_replays_total", &[], 1.0);
    is(&seen, "parlor_deliveries_total", &[], 9.0);
    is(&seen, "parlor_sessions", &[], 2.0);
    is(&seen, "parlor_presence_online_users", &[], 2.0);
    is(&seen, "parlor_presence_sessions", &[], 2.0);
    is(&seen, "parlor_channels_active", &[], 1.0);
    is(&seen, "parlor_inflight_bytes", &[], 0.0);
    is(&seen, "parlor_closes_total", &[("code", "1000")], 1.0);
    is(&seen, "parlor_slow_sessions_total", &[], 0.0);
    is(&seen, "parlor_actor_live", &[("kind", "session")], 2.0);
    is(&seen, "parlor_actor_started_total", &[("kind", "session")], 3.0);
    is(&seen, "parlor_actor_live", &[("kind", "channel")], 1.0);
    is(&seen, "parlor_actor_live", &[("kind", "hub")], 2.0);
    is(&seen, "parlor_actor_live", &[("kind", "wire")], 2.0);
    is(&seen, "parlor_store_queue_depth", &[], 0.0);
    let commands = seen.value("parlor_actor_handled_total", &[("kind", "channel"), ("message", "command")]);
    assert!(commands >= 7.0, "three joins and four publishes: {commands}");
    let by_transport = |name: &str| -> f64 {
        ["websocket", "longpoll"].iter().map(|transport| seen.value(name, &[("transport", *transport)])).sum()
    };
    assert!((by_transport("parlor_connections") - 2.0).abs() < 0.001);
    assert!((by_transport("parlor_connections_total") - 3.0).abs() < 0.001);
    for name in ["parlor_frames_total", "parlor_bytes_total"] {
        let of = |direction: &str| -> f64 {
            let each = ["websocket", "longpoll"];
            each.iter().map(|way| seen.value(name, &[("direction", direction), ("transport", *way)])).sum()
        };
        assert!(of("in") >= 9.0 && of("out") >= 9.0, "{name}: {} {}", of("in"), of("out"));
    }
    ann.refused(publish("nowhere", "some words", json!({}))).await;
    is(&scrape(&site).await, "parlor_publishes_total", &[("outcome", "refused")], 1.0);
}

async fn users_channels_and_sessions_make_no_new_series(stage: Stage) {
    let site = stage.site().await;
    let series = |seen: Scraped| -> BTreeSet<String> {
        seen.samples.iter().map(|read| format!("{} {:?}", read.name, read.labels)).collect()
    };
    let before = series(scrape(&site).await);
    let mut all = Vec::new();
    for n in 0..100 {
        let mut one = site.guest(&format!("g{n}")).await;
        one.begin(json!({"type": "join", "channel": format!("c{n}")}));
        one.begin(json!({"type": "no such thing", "channel": format!("c{n}")}));
        all.push(one);
        all.last_mut().unwrap().catch_up().await;
        Polls::open(site.address).await.command(json!({"type": "join", "channel": format!("d{n}")})).await;
    }
    let after = series(scrape(&site).await);
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(before.len() < 1000, "{}", before.len());
    let live = scrape(&site).await.value("parlor_actor_live", &[("kind", "channel")]);
    assert!(live >= 200.0, "{live}");
}

async fn the_page_for_operators_names_every_family_and_no_other(stage: Stage) {
    let site = stage.site().await;
    let shown: BTreeSet<String> = scrape(&site).await.types.into_keys().collect();
    let words = PAGE.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named = words.filter(|word| word.starts_with("parlor_") || word.starts_with("process_"));
    let named: BTreeSet<String> = named.map(|word| word.trim_end_matches("_bucket").to_owned()).collect();
    let missing = |from: &BTreeSet<String>, of: &BTreeSet<String>| of.difference(from).cloned().collect::<Vec<_>>();
    assert_eq!(missing(&named, &shown), [""; 0], "in docs/operating/metrics.md");
    assert_eq!(missing(&shown, &named), [""; 0], "in a scrape");
}

/// A token of an operator's.
async fn operator(stage: Stage, change: impl FnOnce(&mut parlor::config::Config)) -> (Site, String) {
    let mut site = stage.lasting_site(change).await;
    site.sign_up("root").await;
    site.stop().await;
    site.make_operator("root");
    site.start().await;
    let token = site.login("root").await;
    (site, token)
}

async fn asked(site: &Site, path: &str, token: &str) -> (u16, serde_json::Value) {
    let answer = site.ask(Request::get(path).with("Authorization", &format!("Bearer {token}"))).await;
    (answer.status, answer.json())
}

async fn operators_see_who_is_behind_and_who_was_slow(stage: Stage) {
    let (site, token) = operator(stage, |_| ()).await;
    let mut ann = site.guest("ann").await;
    ann.join("a").await;
    ann.publish_many("a", 20).await;
    let (status, all) = asked(&site, "/v1/admin/actors", &token).await;
    assert_eq!(status, 200, "{all}");
    let of = |kind: &str| all["actors"].as_array().unwrap().iter().find(|one| one["kind"] == kind).unwrap().clone();
    for kind in ["session", "channel", "hub", "presence", "log_writer", "longpoll", "read", "wire"] {
        let one = of(kind);
        for member in ["live", "mailbox_depth", "mailbox_high_water", "oldest_ms", "handled", "restarts", "panics"] {
            assert!(one[member].is_u64(), "{kind} {member}: {one}");
        }
        for member in ["handle_seconds", "wait_seconds"] {
            assert!(["p50", "p90", "p99"].iter().all(|p| one[member][p].is_number()), "{one}");
        }
        assert!(one["started"].is_u64() && one["stopped"].is_object() && one["resting"] == 0, "{one}");
        assert!(one["slowest"].as_array().is_some_and(|few| few.len() <= 10), "{one}");
        assert!(one["deepest"].as_array().is_some_and(|few| few.len() <= 10), "{one}");
    }
    let channel = of("channel");
    let slow = channel["slowest"].as_array().unwrap().iter().find(|one| one["name"] == "a").expect("it did something");
    assert!(
        slow["handle_ms"].as_f64().is_some_and(|ms| ms > 0.0)
            && channel["handled_by"][slow["message"].as_str().unwrap()].as_u64() > Some(0)
    );
    let sid = ann.welcome()["sid"].as_str().expect("a public name");
    assert!(of("session")["slowest"].as_array().unwrap().iter().any(|one| one["name"] == sid), "{}", of("session"));
    let secret = ann.welcome()["session"].as_str().expect("a secret");
    assert!(!all.to_string().contains(secret));
}

async fn operators_find_sessions_by_channel_and_by_what_waits(stage: Stage) {
    let (site, token) = operator(stage, |config| config.presence.heartbeat = Duration::from_secs(20)).await;
    let (mut ann, mut bob) = (site.guest("ann").await, Polls::open(site.address).await);
    ann.join("a").await;
    bob.command(json!({"type": "join", "channel": "a"})).await;
    let mut cleo = site.guest("cleo").await;
    cleo.join("b").await;
    ann.publish("a", "nobody fetches this").await;
    let users = |answer: (u16, serde_json::Value)| -> Vec<String> {
        assert_eq!(answer.0, 200, "{}", answer.1);
        let rows = answer.1["sessions"].as_array().unwrap().clone();
        rows.iter().map(|row| row["user"].as_str().unwrap().to_owned()).collect()
    };
    let there: BTreeSet<String> =
        users(asked(&site, "/v1/admin/sessions?channel=a", &token).await).into_iter().collect();
    assert_eq!(there, BTreeSet::from([ann.user().to_owned(), bob.user().to_owned()]));
    let deep = users(asked(&site, "/v1/admin/sessions?sort=queued", &token).await);
    assert_eq!((deep[0].as_str(), deep.len()), (bob.user(), 3), "{deep:?}");
    let (_, first) = asked(&site, "/v1/admin/sessions?sort=queued&limit=1", &token).await;
    assert_eq!((&first["more"], &first["count"]), (&json!(true), &json!(3)), "{first}");
    for wrong in ["sort=size", "sort=queued&after=0", "channel=NO"] {
        let (status, why) = asked(&site, &format!("/v1/admin/sessions?{wrong}"), &token).await;
        assert_eq!((status, &why["code"]), (400, &json!("bad_frame")), "{wrong}: {why}");
    }
}
