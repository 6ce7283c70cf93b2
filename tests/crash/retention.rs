//! Retention and kill -9: whatever a sweep was at, what is left of a log is whole, and the next sweep goes on.

use std::path::Path;
use std::sync::mpsc;

use parlor::config::Config;
use parlor::model::{ChannelName, Message, UserName, Wall};
use parlor::store::{Head, Store};
use parlor::supervise::Probes;

use crate::run;
use crate::support::{Process, eventually, get};

/// How many messages there are: many bites.
const MESSAGES: u64 = 24_000;
/// How many are to stay.
const KEPT: u64 = 10;
const CHANNEL: &str = "a";

fn store(dir: &Path) -> (Store, ChannelName) {
    let mut config = Config::default().store;
    config.path = dir.join("data");
    let store = Store::open(&config, &Probes::default()).expect("the store opens");
    (store, ChannelName::stored(CHANNEL).expect("a name"))
}

/// A log as it would be after a busy hour.
fn fill(dir: &Path) {
    let (store, channel) = store(dir);
    let log = store.log();
    let (tell, told) = mpsc::channel();
    log.create(&channel, Box::new(move |head| drop(tell.send(head))));
    let mut head: Head = told.recv().expect("an answer").expect("a channel");
    while head.seq < MESSAGES {
        let message = |seq| Message {
            seq,
            at: Wall(parlor::clock::wall().0.max(head.at.0)),
            from: UserName::parse("historian").expect("a name"),
            key: None,
            kind: None,
            reply_to: None,
            body: r#"{"text":"long ago"}"#.into(),
        };
        let (tell, told) = mpsc::channel();
        let batch = (head.seq + 1..=head.seq + 1000).map(message).collect();
        log.append(&channel, &head, batch, Box::new(move |head| drop(tell.send(head))));
        head = told.recv().expect("an answer").expect("it is written");
    }
    drop(log);
    store.close().expect("it closes");
}

/// Where a log begins that is whole.
fn first(dir: &Path) -> u64 {
    let (store, channel) = store(dir);
    let head = store.verify(&channel).expect("what is left is whole");
    assert_eq!(head.seq, MESSAGES);
    store.close().expect("it closes");
    head.first
}

#[test]
fn what_a_killed_sweep_leaves_is_whole_and_the_next_one_goes_on() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        fill(dir.path());
        let kept = KEPT.to_string();
        let settings = [("retention.count", kept.as_str()), ("retention.every_s", "1")];
        let mut stood = 1;
        for round in 0..3 {
            let server = Process::start(dir.path(), &settings);
            let path = format!("/v1/channels/{CHANNEL}");
            let now = async || get(server.address, &path).await.json()["first"].as_u64().unwrap_or(0);
            eventually("something goes", async || now().await > stood || now().await > MESSAGES - KEPT).await;
            server.kill();
            let left = first(dir.path());
            assert!(left > stood || left == MESSAGES + 1 - KEPT, "round {round}: {left} after {stood}");
            stood = left;
        }
        let server = Process::start(dir.path(), &settings);
        let path = format!("/v1/channels/{CHANNEL}");
        eventually("all goes", async || get(server.address, &path).await.json()["first"] == MESSAGES + 1 - KEPT).await;
        server.stop().await;
        assert_eq!(first(dir.path()), MESSAGES + 1 - KEPT);
    });
}
