//! Owners and kill -9: what they were told is done is done, and a channel that was being deleted is wholly there or wholly gone.

use std::time::Duration;

use serde_json::{Value, json};

use crate::run;
use crate::support::{Client, Process, Request, ask, password, pause, publish};

/// How often the server is killed in the middle.
const ROUNDS: u64 = 8;
/// How many channels are deleted at once.
const CHANNELS: usize = 12;

async fn account(server: &Process, name: &str) -> Client {
    let said = json!({"user": name, "password": password(name)}).to_string();
    let made = ask(server.address, Request::post("/v1/accounts", said.clone())).await;
    assert!(matches!(made.status, 201 | 409), "{made:?}");
    let login = ask(server.address, Request::post("/v1/login", said)).await;
    server.client(name, Some(login.json()["token"].as_str().expect("a token"))).await
}

#[test]
fn what_an_owner_was_told_is_done_outlasts_a_kill() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let mut server = Process::start(dir.path(), &[]);
        let mut ann = account(&server, "ann").await;
        ann.ask(json!({"type": "create", "channel": "a", "private": true, "title": "Ours"})).await;
        server.kill();
        server = Process::start(dir.path(), &[]);
        for (user, command, members, refusal) in [
            ("bob", "ban", json!({}), "not_found"),
            ("carol", "role", json!({"role": "muted"}), "forbidden"),
            ("dave", "kick", json!({}), "not_found"),
        ] {
            let (mut ann, mut other) = (account(&server, "ann").await, account(&server, user).await);
            ann.ask(json!({"type": "invite", "channel": "a", "user": user})).await;
            server.kill();
            server = Process::start(dir.path(), &[]);
            (ann, other) = (account(&server, "ann").await, other.moved(server.address).back().await);
            other.join("a").await;
            other.publish("a", "here I am").await;
            let mut order = json!({"type": command, "channel": "a", "user": user});
            for (member, value) in members.as_object().expect("an object") {
                order[member] = value.clone();
            }
            ann.ask(order).await;
            server.kill();
            server = Process::start(dir.path(), &[]);
            let mut other = other.moved(server.address).back().await;
            assert_eq!(other.refused(publish("a", "still here?", json!({}))).await, refusal, "{command}");
        }
        let mut ann = account(&server, "ann").await;
        let members = ann.ask(json!({"type": "members", "channel": "a"})).await;
        let names: Vec<&Value> = members["members"].as_array().into_iter().flatten().map(|row| &row["user"]).collect();
        assert_eq!(names, ["ann", "carol"]);
        server.stop().await;
    });
}

#[test]
fn a_channel_that_was_being_deleted_when_the_server_was_killed_is_wholly_there_or_wholly_gone() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let mut server = Process::start(dir.path(), &[]);
        for round in 0..ROUNDS {
            let mut ann = account(&server, "ann").await;
            let mut bob = account(&server, "bob").await;
            let names: Vec<String> = (0..CHANNELS).map(|n| format!("r{round}-{n}")).collect();
            for name in &names {
                ann.ask(json!({"type": "create", "channel": name, "private": true})).await;
                ann.ask(json!({"type": "invite", "channel": name, "user": "bob"})).await;
                bob.join(name).await;
                bob.publish_many(name, 5).await;
            }
            let begin = |name: &String| ann.begin(json!({"type": "delete", "channel": name}));
            let ids: Vec<String> = names.iter().map(begin).collect();
            // Each time a little later.
            pause(round * 3).await;
            server.kill();
            let mut told = Vec::new();
            for id in &ids {
                told.push(ann.reply_or_end(id).await.is_some_and(|reply| reply["type"] == "ok"));
            }
            server = Process::start(dir.path(), &[]);
            let mut ann = account(&server, "ann").await;
            let mut bob = account(&server, "bob").await;
            let listed = bob.ask(json!({"type": "channels", "limit": 1000})).await;
            for (name, told) in names.iter().zip(told) {
                let row = listed["channels"].as_array().into_iter().flatten().find(|row| row["channel"] == *name);
                let read = bob.command(json!({"type": "history", "channel": name})).await;
                let members = ann.command(json!({"type": "members", "channel": name})).await;
                let there = read["head"] == 5;
                assert!(!(told && there), "{name}: it was said to be gone");
                assert_eq!((there, there), (row.is_some(), members["type"] == "members"), "{name}: {read} {members}");
                if there {
                    assert_eq!(members["members"].as_array().map(Vec::len), Some(2), "{name}");
                } else {
                    assert_eq!((&read["code"], &members["code"]), (&json!("not_found"), &json!("not_found")), "{name}");
                    // Nothing of the first one clings to another of its name.
                    assert_eq!(bob.join(name).await["head"], 0);
                    let rows = ann.ask(json!({"type": "members", "channel": name})).await;
                    assert_eq!(rows["members"], json!([{"user": "bob", "role": "member", "online": true}]));
                }
            }
        }
        tokio::time::timeout(Duration::from_secs(20), server.stop()).await.expect("it stops");
    });
}
