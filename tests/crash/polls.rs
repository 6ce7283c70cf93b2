//! Long-poll and the process: what a kill does to a parked poll, and what the log tells of its session.

use serde_json::{Value, json};

use crate::run;
use crate::support::{Polls, Process, Request, ask};

fn publish(n: u64) -> Value {
    json!({"type": "publish", "channel": "a", "body": {"n": n}, "key": format!("k{n}"), "base": 0})
}

#[test]
fn a_kill_breaks_a_parked_poll_and_its_client_goes_on_where_it_was() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Process::start(dir.path(), &[]);
        let mut ann = Polls::open(server.address).await;
        let epoch = ann.command(json!({"type": "join", "channel": "a"})).await[0]["epoch"].clone();
        ann.command(json!([publish(1), publish(2)])).await;
        let (_, next) = ann.until(0, |event| event["seq"] == 2).await;
        let mut parked = ann.parked(next, "20").await;
        ann.command(json!({"type": "ping"})).await;
        server.kill();
        assert!(parked.receive().await.is_err(), "nobody is there to answer");
        let server = Process::start(dir.path(), &[]);
        for request in [ann.poll(next, "0"), ann.carry(&publish(3)), Request::delete(ann.path(""))] {
            let answer = ask(server.address, request).await;
            assert_eq!((answer.status, answer.json().get("close")), (404, None), "{answer:?}");
        }
        let mut back = Polls::hello(server.address, json!({"token": ann.welcome["token"]})).await;
        assert_eq!(back.user(), ann.user());
        let since = json!({"epoch": epoch, "seq": 1});
        let joined = back.command(json!({"type": "join", "channel": "a", "since": since})).await.remove(0);
        assert_eq!(
            (&joined["gap"], &joined["next"], &joined["head"]),
            (&json!(false), &json!(2), &json!(2)),
            "{joined}"
        );
        let again = back.command(json!([publish(2), publish(3)])).await;
        let shown: Vec<_> =
            again.iter().map(|receipt| (receipt["seq"].as_u64(), receipt["duplicate"] == true)).collect();
        assert_eq!(shown, [(Some(2), true), (Some(3), false)]);
        let (_, next) = back.until(0, |event| event["seq"] == 3).await;
        assert_eq!(next, 3, "`joined`, and each message once");
        server.stop().await;
    });
}

#[test]
fn the_log_names_sessions_by_their_public_name_alone() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let log = std::fs::File::create(&path).expect("a file for the log");
        let server = Process::start_logging(dir.path(), &[("log.filter", "debug,parlor=trace")], log);
        let mut ann = Polls::open(server.address).await;
        let mut bob = server.client("bob", None).await;
        bob.join("a").await;
        ann.command(json!([{"type": "join", "channel": "a"}, publish(1), {"type": "nonsense"}])).await;
        ann.rest(0).await;
        let token = format!("Bearer {}", ann.welcome["token"].as_str().unwrap_or_default());
        let hello = Request::post("/v1/sessions", r#"{"type":"hello","version":1}"#).with("Authorization", &token);
        assert_eq!(ask(server.address, hello).await.status, 201);
        let owner = format!("Bearer {}", ann.secret());
        let poll = Request::get("/v1/sessions/self/events?after=99").with("Authorization", &owner);
        assert_eq!(ask(server.address, poll).await.status, 409);
        assert_eq!(ask(server.address, Request::post(ann.path("/commands"), "{")).await.status, 400);
        assert_eq!(ann.logout().await.status, 204);
        assert_eq!(ann.logout().await.status, 404);
        let secrets =
            [&ann.welcome, bob.welcome()].map(|welcome| [welcome["session"].clone(), welcome["token"].clone()]);
        server.stop().await;
        let written = std::fs::read_to_string(&path).expect("the log");
        let sid = ann.welcome["sid"].as_str().unwrap_or_default();
        assert!(written.contains(sid), "the session is named by its sid: {written}");
        for secret in secrets.iter().flatten() {
            let secret = secret.as_str().expect("a secret");
            assert!(!written.contains(secret), "{secret} stands in the log: {written}");
        }
    });
}
