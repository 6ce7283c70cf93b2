//! The process at the edge: what its log keeps to itself, and its certificate.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use parlor::config::Tls;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::run;
use crate::support::{Process, Request, ask, eventually, get, tls};

#[test]
fn no_secret_stands_in_the_log_whatever_is_logged() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("log");
        let file = File::create(&log).expect("a file");
        let server = Process::start_logging(dir.path(), &[("log.filter", "trace")], file);
        let mut secrets = Vec::new();
        // Two clients, one over each transport.
        for name in ["ann", "bob"] {
            let mut client = server.client(name, None).await;
            client.join("a").await;
            client.publish("a", "said-in-confidence").await;
            let token = client.token().to_owned();
            client.ask(json!({"type": "refresh", "token": token})).await;
            client.refused(json!({"type": "refresh", "token": format!("{token}0")})).await;
            secrets.push(client.welcome()["session"].as_str().expect("a secret").to_owned());
            let bearer = format!("Bearer {token}");
            for path in ["/v1/channels", "/v1/nothing", "/v1/channels/a/messages"] {
                ask(server.address, Request::get(path).with("Authorization", &bearer)).await;
            }
            let garbled = Request::post("/v1/sessions", format!("{{{token}")).with("Authorization", &bearer);
            ask(server.address, garbled).await;
            secrets.push(token.rsplit_once('.').expect("a token").1.to_owned());
        }
        let hello = json!({"type": "hello", "version": 1, "client": "two\nlines"}).to_string();
        let welcome: Value = ask(server.address, Request::post("/v1/sessions", hello)).await.json();
        let session = welcome["session"].as_str().expect("a secret");
        get(server.address, &format!("/v1/sessions/{session}/events?after=0&wait=0")).await;
        get(server.address, &format!("/v1/sessions/{session}/events?after=x")).await;
        secrets.push(session.to_owned());
        secrets.push("said-in-confidence".to_owned());
        server.stop().await;
        let log = std::fs::read_to_string(&log).expect("a log");
        assert!(log.contains("says hello"), "it was logged at all");
        for secret in secrets {
            let line = log.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "{secret} stands in the log");
        }
        assert!(!log.lines().any(|line| line.starts_with("lines")), "a client begins no line of the log");
    });
}

#[test]
fn over_tls_healthcheck_asks_and_sighup_reads_the_certificate_anew() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let Tls { cert, key } = tls::files(dir.path());
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let bind = format!("127.0.0.1:{port}");
        let (cert, key) = (cert.display().to_string(), key.display().to_string());
        let settings = [("server.bind", bind.as_str()), ("server.tls_cert", &cert), ("server.tls_key", &key)];
        let server = Process::start(dir.path(), &settings);
        let check = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
            command.env_clear().current_dir(dir.path()).arg("healthcheck");
            for (name, value) in settings {
                command.env(format!("PARLOR__{}", name.replace('.', "__").to_uppercase()), value);
            }
            command.output().expect("it runs").status.code()
        };
        assert_eq!(check(), Some(0));
        let first = tls::shown(server.address).await;
        tls::files(dir.path());
        server.signal(Signal::HUP);
        eventually("the new one is shown", async || tls::shown(server.address).await != first).await;
        std::fs::write(&cert, "nothing").expect("it is written");
        server.signal(Signal::HUP);
        assert_eq!(check(), Some(0), "the old one stays");
        server.signal(Signal::TERM);
        let (status, took) = server.end().await;
        assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
        let (code, said) = Process::refusal(dir.path(), &settings);
        assert!(code == Some(2) && said.contains("no TLS"), "{code:?}: {said}");
    });
}
