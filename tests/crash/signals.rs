//! How the process ends, and when it does not begin.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::run;
use crate::support::{Process, pause};

#[test]
fn sigterm_and_sigint_end_it_with_0_within_the_drain_time() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        for signal in [Signal::TERM, Signal::INT] {
            let server = Process::start(dir.path(), &[("server.drain_timeout_ms", "3000")]);
            let mut ann = server.client("ann", None).await;
            ann.join("a").await;
            let ids: Vec<_> =
                (0..20).map(|_| ann.begin(json!({"type": "publish", "channel": "a", "body": {}}))).collect();
            ann.reply(&ids[0]).await;
            server.signal(signal);
            ann.event("notice").await;
            for id in &ids[1..] {
                let reply = ann.reply(id).await;
                assert!(reply["type"] == "published" || reply["type"] == "error", "{reply}");
            }
            ann.ends_with(1001).await;
            let (status, took) = server.end().await;
            assert_eq!(status.code(), Some(0));
            assert!(took < Duration::from_secs(3), "it took {took:?}");
        }
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = [("server.drain_timeout_ms", "15000"), ("server.drain_notice_ms", "15000")];
        let server = Process::start(dir.path(), &settings);
        let mut ann = server.client("ann", None).await;
        server.signal(Signal::TERM);
        ann.event("notice").await;
        pause(100).await;
        server.signal(Signal::TERM);
        let (_, took) = server.end().await;
        assert!(took < Duration::from_secs(2), "it took {took:?}");
        // And what it left behind opens.
        Process::start(dir.path(), &[]).stop().await;
    });
}

#[test]
fn a_data_directory_in_use_is_refused_with_3() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Process::start(dir.path(), &[]);
        let (code, said) = Process::refusal(dir.path(), &[]);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("in use") && said.contains("data"), "{said}");
        server.client("ann", None).await.catch_up().await;
        server.stop().await;
    });
}

#[test]
fn an_address_in_use_is_refused_with_4() {
    run(async {
        let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let server = Process::start(dir.path(), &[]);
        let taken = server.address.to_string();
        let (code, said) = Process::refusal(other.path(), &[("server.bind", &taken)]);
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains(&taken), "{said}");
        server.stop().await;
    });
}

#[test]
fn a_bad_configuration_is_refused_with_2_and_every_fault_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = [
        ("limits.body_bytes", "many"),
        ("presence.timeout_ms", "1"),
        ("store.durability", "sometimes"),
        ("limits.no_such_key", "1"),
    ];
    let (code, said) = Process::refusal(dir.path(), &settings);
    assert_eq!(code, Some(2), "{said}");
    for (key, _) in settings {
        assert!(said.to_lowercase().contains(key), "{key} is not named: {said}");
    }
    assert!(!dir.path().join("data").exists(), "nothing was begun");
}
