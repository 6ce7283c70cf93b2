//! Operators: the token that a new data directory begins with, what it opens, and an address of their own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::run;
use crate::support::{Answer, Process, Raw, Request, Upgrade, ask, get_with};

const ADMIN: [&str; 3] = ["/v1/admin/actors", "/v1/admin/sessions", "/v1/admin/sessions?limit=1"];

/// The first operator's token.
fn token(dir: &Path) -> String {
    fs::read_to_string(dir.join("data/operator.token")).expect("the token's file").trim().to_owned()
}

async fn asked(to: SocketAddr, request: Request, token: &str) -> Answer {
    ask(to, request.with("Authorization", &format!("Bearer {token}"))).await
}

async fn status(to: SocketAddr, path: &str, token: &str) -> u16 {
    asked(to, Request::get(path), token).await.status
}

async fn sessions(to: SocketAddr, query: &str, token: &str) -> Value {
    asked(to, Request::get(format!("/v1/admin/sessions{query}")), token).await.json()
}

#[test]
fn the_first_start_leaves_an_operators_token_that_only_the_owner_can_read() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("log");
        let server = Process::start_logging(dir.path(), &[("log.filter", "info")], File::create(&log).expect("a file"));
        let first = token(dir.path());
        let mode = fs::metadata(dir.path().join("data/operator.token")).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(status(server.address, "/v1/admin/actors", &first).await, 200);
        let welcome = server.client("operator", Some(&first)).await.welcome().clone();
        assert_eq!(welcome["user"], "operator");
        server.kill();
        let said = fs::read_to_string(&log).expect("a log");
        assert!(said.contains("data/operator.token") && !said.contains(&first[12..]), "{said}");
        // Neither a restart nor the file's loss makes another one.
        fs::remove_file(dir.path().join("data/operator.token")).expect("it is removed");
        let server = Process::start(dir.path(), &[]);
        assert!(!dir.path().join("data/operator.token").exists());
        assert_eq!(status(server.address, "/v1/admin/actors", &first).await, 200);
        let (code, _, said) =
            Process::carry_out(dir.path(), &["user", "password", "operator", "--stdin"], "correct horse\n");
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(status(server.address, "/v1/admin/actors", &first).await, 401, "a password takes its place");
        server.stop().await;
    });
}

#[test]
fn what_is_for_operators_opens_to_nobody_else() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Process::start(dir.path(), &[]);
        let mut guest = server.client("ann", None).await;
        guest.join("a").await;
        let account = {
            let said = json!({"user": "bob", "password": "correct horse"}).to_string();
            assert_eq!(ask(server.address, Request::post("/v1/accounts", said.clone())).await.status, 201);
            ask(server.address, Request::post("/v1/login", said)).await.json()["token"].as_str().unwrap().to_owned()
        };
        let kick = || Request::delete("/v1/admin/sessions/000000000000");
        for path in ADMIN {
            assert_eq!(ask(server.address, Request::get(path)).await.status, 401, "{path}");
            for token in [guest.token(), &account] {
                let refused = asked(server.address, Request::get(path), token).await;
                assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("forbidden")), "{path}");
            }
            assert_eq!(status(server.address, path, &token(dir.path())).await, 200, "{path}");
        }
        assert_eq!(ask(server.address, kick()).await.status, 401);
        assert_eq!(asked(server.address, kick(), &account).await.status, 403);
        assert_eq!(asked(server.address, kick(), &token(dir.path())).await.status, 404);
        let actors = asked(server.address, Request::get("/v1/admin/actors"), &token(dir.path())).await.json();
        let kinds: Vec<&str> =
            actors["actors"].as_array().unwrap().iter().filter_map(|it| it["kind"].as_str()).collect();
        assert!(["session", "channel", "hub", "presence"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
        server.stop().await;
    });
}

#[test]
fn an_operator_sees_the_sessions_and_ends_one_of_them() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Process::start(dir.path(), &[]);
        let operator = token(dir.path());
        // One over each transport.
        let (mut ann, mut bob) = (server.client("ann", None).await, server.client("bob", None).await);
        ann.join("a").await;
        let bobs = bob.user().to_owned();
        ann.ask(json!({"type": "watch", "users": [bobs]})).await;
        let all = sessions(server.address, "", &operator).await;
        assert_eq!((&all["count"], &all["more"]), (&json!(2), &json!(false)), "{all}");
        let row =
            |user: &str| all["sessions"].as_array().unwrap().iter().find(|row| row["user"] == user).unwrap().clone();
        let seen = row(ann.user());
        assert_eq!(
            (&seen["sid"], &seen["address"], &seen["channels"]),
            (&ann.welcome()["sid"], &json!("127.0.0.1"), &json!(1))
        );
        assert_ne!(seen["transport"], row(&bobs)["transport"]);
        for secret in [&ann.welcome()["session"], &ann.welcome()["token"]] {
            assert!(!all.to_string().contains(secret.as_str().unwrap()), "{all}");
        }
        let page = sessions(server.address, "?limit=1", &operator).await;
        assert_eq!((page["sessions"].as_array().map(Vec::len), &page["more"]), (Some(1), &json!(true)));
        let rest =
            sessions(server.address, &format!("?after={}", page["sessions"][0]["sid"].as_str().unwrap()), &operator)
                .await;
        assert_ne!(rest["sessions"][0]["sid"], page["sessions"][0]["sid"]);
        let only = sessions(server.address, &format!("?user={bobs}"), &operator).await;
        assert_eq!((&only["count"], &only["sessions"][0]["user"]), (&json!(1), &json!(bobs)));

        let kick = Request::delete(format!("/v1/admin/sessions/{}", bob.welcome()["sid"].as_str().unwrap()));
        assert_eq!(asked(server.address, kick, &operator).await.status, 204);
        bob.is_shut_out("forbidden", 4501).await;
        let gone = ann.event_where("presence", |event| event["state"] == "offline").await;
        assert_eq!((&gone["user"], &gone["reason"]), (&json!(bobs), &json!("kicked")));
        ann.catch_up().await;
        server.stop().await;
    });
}

#[test]
fn with_an_address_of_their_own_operators_come_there_alone() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let own = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let bind = own.to_string();
        let server = Process::start(dir.path(), &[("admin.bind", &bind), ("limits.sockets", "16")]);
        let operator = token(dir.path());
        for path in [&ADMIN[..], &["/admin", "/metrics", "/healthz", "/readyz"]].concat() {
            assert_eq!(status(own, path, &operator).await, 200, "{path}");
        }
        for path in ["/v1/channels", "/v1/online", "/"] {
            assert_eq!(status(own, path, &operator).await, 404, "{path}");
        }
        let Upgrade::Refused(refused) = Raw::upgrade(own, &[]).await else { panic!("a client came in there") };
        assert_eq!(refused.status, 404);
        for path in [&ADMIN[..], &["/admin", "/metrics"]].concat() {
            let hidden = asked(server.address, Request::get(path), &operator).await;
            let nothing = asked(server.address, Request::get("/v1/nothing"), &operator).await;
            assert_eq!((hidden.status, hidden.body), (404, nothing.body), "{path}");
        }
        assert_eq!(status(server.address, "/healthz", &operator).await, 200);
        // However many clients there are, an operator gets in.
        let _held: Vec<_> =
            (0..32).map(|_| std::net::TcpStream::connect(server.address).expect("a connection")).collect();
        assert!(get_with(server.address, "/healthz", &[]).await.is_err(), "there is no room for anyone else");
        assert_eq!(status(own, "/metrics", &operator).await, 200);
        server.stop().await;
    });
}
