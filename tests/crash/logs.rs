//! The process's log: what stands beside a line's words, and another filter while it runs.

use std::fs::{File, read_to_string};
use std::path::Path;

use serde_json::{Value, json};

use crate::run;
use crate::support::{Answer, Process, Request, ask, eventually};

/// The operator's request.
async fn asked(server: &Process, dir: &Path, request: Request) -> Answer {
    let token = read_to_string(dir.join("data/operator.token")).expect("the token's file");
    ask(server.address, request.with("Authorization", &format!("Bearer {}", token.trim()))).await
}

#[test]
fn what_is_logged_changes_while_the_server_runs_and_each_line_carries_what_it_is_about() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let settings = [("log.filter", "warn"), ("log.format", "json")];
        let server = Process::start_logging(dir.path(), &settings, File::create(&path).expect("a file"));
        let early = server.client("early", None).await;
        let steer = |filter: &str| Request::put("/v1/admin/log", json!({ "filter": filter }).to_string());
        let changed = asked(&server, dir.path(), steer("warn,parlor=debug")).await;
        assert_eq!((changed.status, changed.json()), (200, json!({"filter": "warn,parlor=debug"})));
        for bad in [steer("parlor=loud"), Request::put("/v1/admin/log", r#"{"level":"info"}"#)] {
            let refused = asked(&server, dir.path(), bad).await;
            assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("bad_frame")));
        }
        let shown = asked(&server, dir.path(), Request::get("/v1/admin/log")).await.json();
        assert_eq!(shown, json!({"filter": "warn,parlor=debug"}), "a refusal changes nothing");

        let mut late = server.client("late", None).await;
        late.join("lobby").await;
        let secret = late.welcome()["session"].as_str().expect("a secret").to_owned();
        ask(server.address, Request::get(format!("/v1/sessions/{secret}/events?after=0&wait=0"))).await;
        asked(&server, dir.path(), Request::post("/v1/channels/lobby/delete", "{}")).await;
        let logged = async || read_to_string(&path).expect("a log").contains("the channel is deleted");
        eventually("the end of the channel is logged", logged).await;
        assert_eq!(asked(&server, dir.path(), steer("off")).await.status, 200);
        let quiet = read_to_string(&path).expect("a log").len();
        server.client("latest", None).await;
        server.stop().await;

        let log = read_to_string(&path).expect("a log");
        assert_eq!(log.len(), quiet, "nothing is logged any more");
        let read = |line: &str| serde_json::from_str::<Value>(line).expect("each line is JSON");
        let lines: Vec<Value> = log.lines().map(read).collect();
        let said = |sid: &Value| lines.iter().find(|line| line["sid"] == *sid);
        assert_eq!(said(&early.welcome()["sid"]), None, "that was not logged yet");
        let line = said(&late.welcome()["sid"]).expect("a line of the session");
        assert_eq!((&line["user"], &line["level"]), (&json!(late.user()), &json!("debug")));
        assert!(line["message"].as_str().is_some_and(|text| text.ends_with("says hello")), "{line}");
        let of = |message: &str| lines.iter().find(|line| line["message"] == message).expect("it is logged");
        assert_eq!(of("the channel is made")["channel"], "lobby");
        assert_eq!(
            (&of("the channel is deleted")["channel"], &of("the channel is deleted")["level"]),
            (&json!("lobby"), &json!("info"))
        );
        let polled =
            lines.iter().find(|line| line["route"] == "/v1/sessions/{session}/events").expect("a line of the poll");
        assert_eq!(polled["method"], "GET");
        assert!(polled["status"].is_u64() && polled["ms"].is_u64(), "{polled}");
        assert!(!log.contains(&secret));
    });
}

#[test]
fn an_operator_sees_the_configuration_in_effect_and_no_secret_of_it() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let key = "a-secret-of-at-least-thirty-two-bytes";
        let settings = [("jwt.algorithm", "HS256"), ("jwt.key", key), ("limits.page_max", "77")];
        let server = Process::start(dir.path(), &settings);
        let shown = asked(&server, dir.path(), Request::get("/v1/admin/config")).await;
        let config = &shown.json()["config"];
        assert_eq!((&config["limits"]["page_max"], &config["jwt"]["key"]), (&json!(77), &json!("(hidden)")));
        assert_eq!(config["presence"]["heartbeat_ms"], 25_000, "defaults are shown, too");
        assert!(!shown.body.contains(key));
        server.stop().await;
    });
}
