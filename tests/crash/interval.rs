//! With `interval` the newest messages may be lost in a crash, and then every channel comes back with a new epoch.

use serde_json::{Value, json};

use crate::run;
use crate::support::Process;

const INTERVAL: [(&str, &str); 2] = [("store.durability", "interval"), ("store.sync_interval_ms", "50")];

/// Joins all three channels, and returns their epochs.
async fn epochs(server: &Process, token: Option<&str>) -> (Vec<Value>, String) {
    let mut ann = server.client("ann", token).await;
    let mut all = Vec::new();
    for channel in ["a", "b", "untouched"] {
        all.push(ann.join(channel).await["epoch"].clone());
    }
    (all, ann.token().to_owned())
}

#[test]
fn a_clean_stop_keeps_the_epochs_and_a_kill_changes_them_all() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Process::start(dir.path(), &INTERVAL);
        let (mut before, token) = epochs(&server, None).await;
        server.stop().await;
        for round in 0..3 {
            let server = Process::start(dir.path(), &INTERVAL);
            let (after, _) = epochs(&server, Some(&token)).await;
            assert_eq!(after, before, "a clean stop lost nothing");
            let mut ann = server.client("ann", Some(&token)).await;
            ann.publish_many("a", 50).await;
            let cursor = json!({"epoch": before[0], "seq": ann.history("a", json!({})).await["head"]});
            server.kill();
            let server = Process::start(dir.path(), &INTERVAL);
            let (after, _) = epochs(&server, Some(&token)).await;
            for (old, new) in before.iter().zip(&after) {
                assert_ne!(old, new, "round {round}: a kill may have lost something");
            }
            let mut ann = server.client("ann", Some(&token)).await;
            assert_eq!(ann.join_with("a", json!({"since": cursor})).await["gap"], true, "who comes back is told");
            before = after;
            server.stop().await;
        }
    });
}

#[test]
fn a_kill_changes_no_epoch_where_all_is_durable() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Process::start(dir.path(), &[]);
        let (before, token) = epochs(&server, None).await;
        server.kill();
        let server = Process::start(dir.path(), &[]);
        assert_eq!(epochs(&server, Some(&token)).await.0, before);
        server.stop().await;
    });
}
