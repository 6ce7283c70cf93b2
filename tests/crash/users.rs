//! Accounts from the command line: on the store itself, and through a server that runs; and a log that knows no secret.

use std::fs::File;
use std::path::Path;

use serde_json::json;

use crate::run;
use crate::support::{Process, Request, ask};

const WORDS: &str = "correct horse";

/// What a `user` command said on stdout, and that it was done.
fn done(dir: &Path, words: &[&str], stdin: &str) -> String {
    let (code, said, errors) = Process::carry_out(dir, &[&["user"], words].concat(), stdin);
    assert_eq!(code, Some(0), "{words:?}: {errors}");
    assert!(!format!("{said}{errors}").contains(WORDS), "{said}{errors}");
    said
}

/// The exit code of a `user` command that has to be refused, and why it was.
fn refused(dir: &Path, words: &[&str], stdin: &str) -> (Option<i32>, String) {
    let (code, said, errors) = Process::carry_out(dir, &[&["user"], words].concat(), stdin);
    assert_eq!(said, "");
    (code, errors)
}

/// Names, roles, states, and how their owners get in; but for the first operator.
fn list(dir: &Path) -> Vec<String> {
    let short = |line: &str| line.split('\t').take(4).collect::<Vec<_>>().join(" ");
    let all = done(dir, &["list"], "");
    all.lines().filter(|line| !line.starts_with("operator\t")).map(short).collect()
}

/// The status of a login, and its token.
async fn login(server: &Process, name: &str, password: &str) -> (u16, String) {
    let said = json!({"user": name, "password": password}).to_string();
    let answer = ask(server.address, Request::post("/v1/login", said)).await;
    (answer.status, answer.json()["token"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn accounts_are_made_before_a_server_runs_and_changed_while_it_does() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        done(dir, &["add", "ann", "--stdin"], "correct horse\n");
        done(dir, &["add", "bob", "--operator", "--stdin"], "correct horse");
        assert_eq!(list(dir), ["ann account enabled password", "bob operator enabled password"]);

        let server = Process::start(dir, &[]);
        let (status, token) = login(&server, "ann", WORDS).await;
        assert_eq!(status, 200);
        let mut ann = server.client("ann", Some(&token)).await;
        let mut twin = server.client("ann", Some(&token)).await;
        done(dir, &["add", "carol", "--stdin"], "correct horse\r\n");
        assert_eq!(login(&server, "carol", WORDS).await.0, 200);
        ann.catch_up().await;
        done(dir, &["disable", "ann"], "");
        ann.is_shut_out("unauthenticated", 4500).await;
        twin.is_shut_out("unauthenticated", 4500).await;
        assert_eq!(login(&server, "ann", WORDS).await.0, 401);
        assert_eq!(
            list(dir),
            ["ann account disabled password", "bob operator enabled password", "carol account enabled password"]
        );
        done(dir, &["enable", "ann"], "");
        let (status, token) = login(&server, "ann", WORDS).await;
        assert_eq!(status, 200);
        let mut ann = server.client("ann", Some(&token)).await;
        done(dir, &["role", "ann", "operator"], "");
        ann.is_shut_out("overloaded", 4003).await;
        let mut ann = server.client("ann", Some(&token)).await;
        done(dir, &["password", "ann", "--stdin"], "another one\n");
        ann.is_shut_out("unauthenticated", 4500).await;
        server.stop().await;

        done(dir, &["password", "bob", "--stdin"], "another one\n");
        done(dir, &["role", "bob", "account"], "");
        assert_eq!(
            list(dir),
            ["ann operator enabled password", "bob account enabled password", "carol account enabled password"]
        );
        let server = Process::start(dir, &[]);
        for (name, password, status) in [("ann", "another one", 200), ("bob", "another one", 200), ("bob", WORDS, 401)]
        {
            assert_eq!(login(&server, name, password).await.0, status, "{name} {password}");
        }
        server.stop().await;
    });
}

#[test]
fn what_cannot_be_done_says_why_with_an_exit_code() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        done(dir, &["add", "ann", "--stdin"], "correct horse\n");
        let server = Process::start(dir, &[]);
        for running in [true, false] {
            for (words, stdin, code, says) in [
                (&["add", "ann", "--stdin"][..], "correct horse\n", 1, "taken"),
                (&["add", "Ann", "--stdin"], "correct horse\n", 1, "[a-z0-9]"),
                (&["add", "bob", "--stdin"], "short\n", 1, "at least 8"),
                (&["add", "bob", "--stdin"], "", 1, "at least 8"),
                (&["disable", "bob"], "", 1, "bob"),
                (&["role", "ann", "king"], "", 2, "operator"),
                (&["invite", "--uses", "0"], "", 2, "0"),
            ] {
                let (got, why) = refused(dir, words, stdin);
                assert!(got == Some(code) && why.contains(says), "{words:?} running {running}: {got:?} {why}");
            }
            if running {
                // Where the server cannot be reached the store is still its own.
                let control = dir.join("data/control");
                std::fs::rename(&control, dir.join("elsewhere")).expect("the socket is there");
                let (code, why) = refused(dir, &["list"], "");
                assert!(code == Some(3) && why.contains("in use") && why.contains("stop"), "{code:?} {why}");
                std::fs::rename(dir.join("elsewhere"), &control).expect("the socket is there");
                server.signal(rustix::process::Signal::TERM);
                while control.exists() {
                    crate::support::pause(5).await;
                }
                crate::support::eventually("the store is free", async || refused_or_done(dir)).await;
            }
        }
    });
}

/// Whether the store can be opened.
fn refused_or_done(dir: &Path) -> bool {
    Process::carry_out(dir, &["user", "list"], "").0 == Some(0)
}

#[test]
fn a_log_of_everything_knows_no_password_token_or_code() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        let log = dir.join("log");
        let settings = [("log.filter", "trace"), ("auth.registration", "invite")];
        let server = Process::start_logging(dir, &settings, File::create(&log).expect("a file"));
        let code = done(dir, &["invite"], "").trim().to_owned();
        let said = json!({"user": "ann", "password": WORDS, "code": code}).to_string();
        assert_eq!(ask(server.address, Request::post("/v1/accounts", said)).await.status, 201);
        done(dir, &["add", "bob", "--stdin"], "correct horse\n");
        let (_, token) = login(&server, "ann", WORDS).await;
        let mut ann = server.client("ann", Some(&token)).await;
        let change = Request::post("/v1/password", json!({"old": WORDS, "new": "another one"}).to_string());
        let change = change.with("Authorization", &format!("Bearer {token}"));
        assert_eq!(ask(server.address, change).await.status, 204);
        assert_eq!(login(&server, "ann", "not this one").await.0, 401);
        done(dir, &["disable", "ann"], "");
        ann.is_shut_out("unauthenticated", 4500).await;
        server.stop().await;
        let log = std::fs::read_to_string(log).expect("the log");
        assert!(log.contains("says hello"), "it logs everything");
        for secret in [WORDS, "another one", "not this one", &token[7..], &code] {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    });
}
