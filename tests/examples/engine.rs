//! The server on an engine of one's own: killed while it writes, and with a disk that is full in the middle of a write.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use tokio::sync::mpsc;

use crate::program::Program;
use crate::support::{Client, Dial, Transport, eventually, get, publish};

/// Publishes that one client has under way.
const UNDER_WAY: usize = 16;
/// The journal is rewritten with every batch: whenever a kill comes, it is likely to come in the middle of that.
const RESTLESS: [&str; 2] = ["--rewrite-from=0", "--rewrite-ratio=1"];
const SETTINGS: [(&str, &str); 3] =
    [("PARLOR__RATES__ENABLED", "false"), ("PARLOR__SERVER__DRAIN_NOTICE_MS", "20"), ("RUST_LOG", "warn")];

fn start(dir: &Path, options: &[&str]) -> Program {
    let dir = dir.display().to_string();
    Program::start("engine", &[&[dir.as_str(), "0"], options].concat(), &SETTINGS)
}

async fn guest(server: &mut Program, name: &str) -> Client {
    let address = server.address().await;
    Client::connect(Dial::over(Transport::WebSocket, address), name).await.hello(json!({"guest": name})).await
}

/// Publishes as fast as it can until the connection ends, says so with every receipt, and returns the places by key.
async fn publish_on(mut client: Client, name: String, told: mpsc::UnboundedSender<()>) -> BTreeMap<String, u64> {
    let (mut receipts, mut under_way, mut count) = (BTreeMap::new(), std::collections::VecDeque::new(), 0);
    loop {
        while under_way.len() < UNDER_WAY && !client.has_ended() {
            count += 1;
            let key = format!("{name}-{count}");
            under_way.push_back((client.begin(publish("lobby", &key, json!({"key": key}))), key));
        }
        let Some((id, key)) = under_way.pop_front() else { return receipts };
        match client.reply_or_end(&id).await {
            Some(reply) if reply["type"] == "published" => {
                receipts.insert(key, reply["seq"].as_u64().expect("a place"));
                let _ = told.send(());
            }
            Some(reply) if reply["code"] != "overloaded" => client.fail(&format!("not published: {reply}")),
            _ => {}
        }
    }
}

/// Everything in the lobby: keys and their places, which have no gap.
async fn read_all(client: &mut Client) -> BTreeMap<String, u64> {
    let (mut all, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = client.history("lobby", json!({"after": after, "limit": 1000})).await;
        for message in page["messages"].as_array().into_iter().flatten() {
            after += 1;
            assert_eq!(message["seq"], after);
            all.insert(message["key"].as_str().expect("a key").to_owned(), after);
        }
        if page["more"] != true {
            return all;
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let asked = std::env::var("PARLOR_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let mut receipts = BTreeMap::new();
    for round in 0..asked.unwrap_or(4) {
        let mut server = start(dir.path(), if round % 2 == 0 { &RESTLESS } else { &[] });
        let address = server.address().await;
        let (told, mut heard) = mpsc::unbounded_channel();
        let mut publishing = Vec::new();
        for n in 0..3 {
            let name = format!("p{n}");
            let client = Client::connect(Dial::over(Transport::WebSocket, address), &name).await;
            let mut client = client.hello(json!({"guest": name})).await;
            client.join_with("lobby", json!({"tail": 0})).await;
            publishing.push(tokio::spawn(publish_on(client, format!("{round}-{name}"), told.clone())));
        }
        for _ in 0..150 + 50 * (round % 5) {
            heard.recv().await.expect("they publish");
        }
        server.kill().await;
        for one in publishing {
            receipts.extend(one.await.expect("the publisher is well"));
        }
        let mut server = start(dir.path(), &[]);
        let kept = read_all(&mut guest(&mut server, "reader").await).await;
        let lost: Vec<_> = receipts.iter().filter(|(key, seq)| kept.get(*key) != Some(seq)).collect();
        assert!(lost.is_empty(), "round {round}: acknowledged and not there: {lost:?}");
        println!("round {round}: {} acknowledged, {} there", receipts.len(), kept.len());
        server.kill().await;
    }
}

/// The process is given a limit for the length of its files, so that a write ends in its middle.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_write_that_breaks_off_is_told_as_unknown_and_the_engine_comes_back() {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

    let dir = tempfile::tempdir().expect("a directory");
    // The signal that comes with such a write would end the process; a full disk sends none.
    let mut command = tokio::process::Command::new("/bin/sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command.arg(crate::program::path("engine")).arg(dir.path()).arg("0");
    let mut server = Program::run("engine", command, &SETTINGS);
    let address = server.address().await;
    let mut ann =
        Client::connect(Dial::over(Transport::WebSocket, address), "ann").await.hello(json!({"guest": "ann"})).await;
    ann.join("lobby").await;
    ann.publish_with("lobby", "before", json!({"key": "k1"})).await;

    let journal = dir.path().join("journal");
    let length = || std::fs::metadata(&journal).expect("a journal").len();
    let whole = length();
    let limit = |bytes: Option<u64>| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: bytes.or(maximum), maximum };
        prlimit(Some(server.pid()), Resource::Fsize, limit).expect("it is limited");
    };
    limit(Some(whole + 20));
    let refused = ann.refused(publish("lobby", "lost", json!({"key": "k2"}))).await;
    assert_eq!(refused, "unavailable");
    let status = async || get(address, "/readyz").await.status;
    eventually("it says that it cannot store", async || status().await == 503).await;
    limit(None);
    eventually("it stores again", async || status().await == 200).await;

    let again = ann.publish_with("lobby", "after", json!({"key": "k2"})).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(2), &json!(false)));
    assert_eq!(read_all(&mut ann).await.len(), 2);
    ann.cut();
    server.stop().await;
    let mut server = start(dir.path(), &[]);
    assert_eq!(read_all(&mut guest(&mut server, "reader").await).await.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn the_program_checks_its_engine() {
    let dir = tempfile::tempdir().expect("a directory");
    let check = Program::start("engine", &[&dir.path().display().to_string(), "--check"], &[]);
    let (status, said) = check.output().await;
    assert_eq!((status.code(), said.last().map(String::as_str)), (Some(0), Some("the engine conforms")));
    assert_eq!(said.len(), parlor::store::conformance::cases().len() + 1, "each case is named: {said:?}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("it can be read").count(), 0, "it left something behind");
}
