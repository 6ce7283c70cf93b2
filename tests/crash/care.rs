//! The care of data by the real commands: beside a server, with kills in the middle, and what each says by its exit code.

use std::fmt::Write;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use parlor::store::{Batch, Rows, SledRows};
use serde_json::{Value, json};

use crate::run;
use crate::support::Process;

/// What a command printed that was done.
fn done(dir: &Path, words: &[&str]) -> String {
    let (code, said, errors) = Process::carry_out(dir, words, "");
    assert_eq!(code, Some(0), "{words:?}: {said}{errors}");
    said
}

fn refused(dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    let (code, said, errors) = Process::carry_out(dir, words, "");
    (code, format!("{said}{errors}"))
}

/// An export of one channel with so many messages by `ann`.
fn export(channel: &str, messages: u64) -> String {
    let mut text = format!("{}\n", json!({"channel": channel, "title": "T"}));
    let _ = writeln!(text, "{}", json!({"channel": channel, "member": "ann", "read": 3}));
    for seq in 1..=messages {
        let at = format!("2026-11-22T{:02}:{:02}:{:02}.000Z", seq / 3600, seq / 60 % 60, seq % 60);
        let body = json!({"text": format!("{seq} {}", "words ".repeat(40))});
        let message = json!({"channel": channel, "seq": seq, "at": at, "from": "ann", "body": body});
        let _ = writeln!(text, "{message}");
    }
    text
}

fn filled(dir: &Path, messages: u64) {
    fs::write(dir.join("in"), export("a", messages)).expect("it is written");
    assert!(done(dir, &["import", "in"]).contains(&format!("1 channels, {messages} messages imported")));
}

#[test]
fn a_backup_beside_a_server_that_is_written_to_is_restored_whole() {
    run(async {
        let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        filled(dir.path(), 2000);
        let server = Process::start(dir.path(), &[]);
        let mut ann = server.client("ann", None).await;
        ann.join("b").await;
        let path = dir.path().to_owned();
        let mut backup = tokio::task::spawn_blocking(move || done(&path, &["backup", "out"]));
        let mut before = 0;
        while !backup.is_finished() {
            before = ann.publish("b", "meanwhile").await["seq"].as_u64().expect("a seq");
        }
        let said = (&mut backup).await.expect("a backup");
        assert!(said.starts_with("2 channels, ") && before > 0, "{said}");
        let (code, why) = refused(dir.path(), &["verify"]);
        assert_eq!(code, Some(3), "{why}");
        assert!(why.contains("in use by another process"), "{why}");
        // Another order is not kept waiting by one that takes its time.
        assert!(done(dir.path(), &["stats"]).contains("channels\t2\n"));
        server.stop().await;

        let file = dir.path().join("out");
        let file = file.to_str().expect("a path");
        let said = done(other.path(), &["restore", file, "--verify"]);
        assert!(said.contains("sound, and all of it is there"), "{said}");
        let (code, why) = refused(other.path(), &["restore", file]);
        assert_eq!(code, Some(3), "{why}");
        let server = Process::start(other.path(), &[]);
        let mut ann = server.client("ann", Some(ann.token())).await;
        let page = ann.history("a", json!({"before": 11, "limit": 10})).await;
        assert_eq!(page["messages"].as_array().map(Vec::len), Some(10), "{page}");
        server.stop().await;
    });
}

#[test]
fn a_backup_that_was_cut_off_is_refused_and_leaves_nothing() {
    let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    filled(dir.path(), 300);
    done(dir.path(), &["backup", "out"]);
    let file = dir.path().join("out");
    let whole = fs::read(&file).expect("a backup");
    for part in [0, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..part]).expect("it is written");
        let (code, why) = refused(other.path(), &["restore", file.to_str().expect("a path")]);
        assert_eq!(code, Some(1), "{why}");
        assert!(why.contains("damaged or was cut off"), "{why}");
        assert!(!other.path().join("data/format").exists());
    }
}

#[test]
fn a_kill_while_a_store_is_made_smaller_or_restored_leaves_it_whole_or_not_there() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 3000);
    done(dir.path(), &["backup", "out"]);
    let data = dir.path().join("data");
    let sound = || {
        let said = done(dir.path(), &["verify"]);
        assert!(said.starts_with("1 channels, 3000 messages"), "{said}");
        assert!(!data.join("sled.new").exists() && !data.join("sled.old").exists());
    };
    for left in ["sled.new/db", "sled.old"] {
        Process::interrupt(dir.path(), &["compact"], || data.join(left).exists());
        sound();
    }
    let said = done(dir.path(), &["compact"]);
    assert!(said.contains(" rows; "), "{said}");
    sound();
    for left in ["sled.new/db", "sled/db", "format.new"] {
        fs::remove_dir_all(&data).expect("it is removed");
        Process::interrupt(dir.path(), &["restore", "out"], || data.join(left).exists());
        if !data.join("format").exists() && !data.join("sled").exists() {
            done(dir.path(), &["restore", "out"]);
        }
        sound();
    }
}

#[test]
fn what_a_user_said_is_gone_at_once_where_it_was_shown() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Process::start(dir.path(), &[]);
        let (mut ann, mut bob) = (server.client("ann", None).await, server.client("bob", None).await);
        let name = ann.user().to_owned();
        for who in [&mut ann, &mut bob] {
            who.join("a").await;
            who.publish("a", "secret").await;
        }
        let shown = async |server: &Process| {
            let mut eve = server.client("eve", None).await;
            eve.join_with("a", json!({"tail": 9})).await;
            eve.hear("a", 2).await;
            let page = eve.history("a", json!({"limit": 9})).await;
            assert_eq!(page["messages"].as_array().map(Vec::len), Some(2), "{page}");
            let bodies: Vec<Value> = eve.heard("a").into_values().map(|message| message["body"].clone()).collect();
            bodies
        };
        assert_eq!(shown(&server).await, [json!({"text": "secret"}), json!({"text": "secret"})]);
        let said = done(dir.path(), &["erase", &name, "--dry-run"]);
        assert_eq!(said, "a\t1\n1 messages in 1 channels would be erased; nothing was changed\n");
        assert_eq!(done(dir.path(), &["erase", &name]), "a\t1\n1 messages in 1 channels erased\n");
        assert_eq!(shown(&server).await, [json!({}), json!({"text": "secret"})]);
        assert_eq!(done(dir.path(), &["erase", &name]), "0 messages in 0 channels erased\n");
        server.stop().await;
        assert!(done(dir.path(), &["verify"]).ends_with("sound\n"));
        assert_eq!(done(dir.path(), &["erase", bob.user()]), "a\t1\n1 messages in 1 channels erased\n");
        assert!(done(dir.path(), &["verify"]).ends_with("sound\n"));
    });
}

#[test]
fn damage_is_told_and_mended() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(refused(dir.path(), &["verify"]).0, Some(3), "there is nothing to look at");
    assert_eq!(refused(dir.path(), &["stats"]).0, Some(3));
    filled(dir.path(), 200);
    {
        let rows = SledRows::open(&dir.path().join("data"), 1 << 20).expect("a store");
        let mut harm = Batch::default();
        rows.scan(&[1]..&[2], false, &mut |key, value| {
            let mut value = value.to_vec();
            value[100..130].fill(7);
            harm.put(key.to_vec(), value);
            if harm.0.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .expect("a scan");
        rows.apply(&harm).expect("it is written");
    }
    let (code, said) = refused(dir.path(), &["verify"]);
    assert_eq!((code, said.matches("messages a ").count()), (Some(6), 2), "{said}");
    assert_eq!(refused(dir.path(), &["verify", "--channel", "a"]).0, Some(6));
    let (code, said) = refused(dir.path(), &["repair", "--dry-run"]);
    assert_eq!(code, Some(6), "{said}");
    let said = done(dir.path(), &["repair"]);
    assert!(said.contains("damaged rows are set aside in ") && said.contains("2 faults mended"), "{said}");
    assert!(done(dir.path(), &["verify"]).starts_with("1 channels, 200 messages"));
    assert!(done(dir.path(), &["repair"]).ends_with("sound; nothing was changed\n"));
}

/// Writes over the file wherever this stands in it, 9 bytes on; says how often.
fn scratch(path: &Path, mark: &[u8], over: &[u8]) -> usize {
    let mut bytes = fs::read(path).expect("the file");
    let places: Vec<usize> = (0..bytes.len() - mark.len()).filter(|at| bytes[*at..].starts_with(mark)).collect();
    for at in &places {
        bytes[at + 9..at + 9 + over.len()].copy_from_slice(over);
    }
    fs::write(path, bytes).expect("it is written");
    places.len()
}

#[test]
fn one_wrong_byte_in_a_file_is_found_before_the_engine_sees_it_and_put_right() {
    for count in [150, 20_000] {
        let dir = tempfile::tempdir().expect("a directory");
        filled(dir.path(), count);
        let whole = done(dir.path(), &["export"]);
        assert!(scratch(&dir.path().join("data/sled/db"), br#"{"text":"99 words"#, b"x") > 0);
        let (code, why) = Process::refusal(dir.path(), &[]);
        assert!(code == Some(3) && why.contains("`parlor repair` mends it"), "{why}");
        let (code, said) = refused(dir.path(), &["verify"]);
        assert!(code == Some(6) && said.starts_with("file sled/db at "), "{said}");
        let said = done(dir.path(), &["repair"]);
        assert!(said.contains("its one wrong byte is put right") && said.contains("no message was lost"), "{said}");
        assert!(said.contains("the damaged files are in "), "{said}");
        assert!(done(dir.path(), &["verify"]).ends_with("sound\n"));
        assert_eq!(done(dir.path(), &["export"]), whole, "epochs too");
    }
}

#[test]
fn behind_what_the_disk_has_lost_all_that_can_be_read_is_kept() {
    for count in [150, 20_000] {
        let dir = tempfile::tempdir().expect("a directory");
        filled(dir.path(), count);
        assert!(scratch(&dir.path().join("data/sled/db"), br#"{"text":"99 words"#, b"oops") > 0);
        let (code, said) = refused(dir.path(), &["verify"]);
        assert!(code == Some(6) && said.contains("file sled/db at "), "{said}");
        let said = done(dir.path(), &["repair"]);
        assert!(said.contains("every channel has another epoch"), "{said}");
        let held = done(dir.path(), &["verify"]);
        assert!(held.ends_with("sound\n"), "{held}");
        let lost = done(dir.path(), &["export"]).lines().filter(|line| line.contains("server.lost")).count();
        assert!(lost < 10_000, "{lost}");
        run(async {
            let server = Process::start(dir.path(), &[]);
            let mut ann = server.client("ann", None).await;
            ann.join("a").await;
            ann.publish("a", "it goes on").await;
            server.stop().await;
        });
    }
}

#[test]
fn what_is_exported_comes_back_the_same_and_over_nothing() {
    let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    filled(dir.path(), 200);
    let whole = done(dir.path(), &["export"]);
    assert_eq!(whole.lines().count(), 202);
    // What stands where the draft goes is not written to, whoever it belongs to.
    let [file, draft, other_file] = ["out", "out.partial", "elsewhere"].map(|name| dir.path().join(name));
    fs::write(&other_file, "as it was").expect("it is written");
    symlink(&other_file, &draft).expect("a link");
    done(dir.path(), &["export", "--channel", "a", "out"]);
    assert_eq!(fs::read_to_string(&other_file).expect("a file"), "as it was");
    assert_eq!(fs::symlink_metadata(&file).expect("an export").permissions().mode(), 0o100_600);
    assert_eq!(fs::read_to_string(dir.path().join("out")).expect("an export"), whole);
    let (code, why) = refused(dir.path(), &["import", "out"]);
    assert_eq!((code, why.contains("there is a channel a already")), (Some(2), true), "{why}");
    let (code, said, _) = Process::carry_out(other.path(), &["import", "-"], &whole);
    assert_eq!(code, Some(0));
    assert!(said.contains("their epochs are kept"), "{said}");
    assert_eq!(done(other.path(), &["export"]), whole);
    fs::write(other.path().join("in"), export("b", 7)).expect("it is written");
    done(other.path(), &["import", "in"]);
    assert!(done(other.path(), &["verify"]).starts_with("2 channels, 207 messages"));
    let totals: Value = serde_json::from_str(&done(other.path(), &["stats", "--json"])).expect("JSON");
    assert_eq!((&totals["messages"], &totals["largest"][0]["channel"]), (&json!(207), &json!("a")));
}
