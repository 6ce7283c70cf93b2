//! The load generator, in small: every shape against a real server, what it says of it, and that it finds out a server
//! that loses, doubles or turns round what was said.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::program::Program;
use crate::support::eventually;

#[path = "../../examples/load/check.rs"]
#[allow(dead_code, reason = "the example uses it; here are its unit tests")]
mod check;

/// Short enough for a test.
const SHORT: [&str; 5] = ["--json", "--seconds", "0.3", "--warmup", "0.1"];

/// Runs a shape against the server that was built for this test, or as the words say, and returns what it found.
async fn load(words: &str) -> (bool, Value) {
    let mut arguments: Vec<_> = words.split_whitespace().chain(SHORT).collect();
    if !["--floor", "--url"].iter().any(|word| words.contains(word)) {
        arguments.extend(["--server", env!("CARGO_BIN_EXE_parlor")]);
    }
    let (status, said) = Program::start("load", &arguments, &[]).output().await;
    let [line] = &said[..] else { panic!("{words}: expected one line, got {said:?}") };
    (status.success(), serde_json::from_str(line).expect("it says JSON"))
}

/// Runs a shape that has to go well.
async fn good(words: &str) -> Value {
    let (ended_well, found) = load(words).await;
    assert!(ended_well && found["ok"] == true, "{words}: {found:#}");
    let shape = words.split_whitespace().next();
    assert_eq!((found["shape"].as_str(), &found["faults"]), (shape, &json!([])));
    found
}

/// Whether these members are numbers above zero, and these have their quantiles in order.
fn has(found: &Value, figures: &[&str], times: &[&str]) {
    for name in figures {
        assert!(found[*name].as_f64().is_some_and(|figure| figure > 0.0), "{name}: {found:#}");
    }
    for name in times {
        let spread = ["p50", "p90", "p99", "p99_9", "max"].map(|at| found[*name][at].as_u64().expect("a time"));
        assert!(spread.is_sorted() && found[*name]["count"].as_u64() > Some(0), "{name}: {found:#}");
    }
}

#[tokio::test]
async fn fanout_counts_what_everyone_heard_in_closed_and_in_open_loop() {
    let used = ["deliveries_per_second", "deliveries", "rss_before_mb", "rss_after_mb", "generator_cpu_percent"];
    for words in [
        "fanout --subscribers 8 --inflight 4",
        "fanout --channels 3 --subscribers 4 --publishers 4 --inflight-all 6 --keys",
        "fanout --channels 2 --subscribers 3 --apart --rate 200 --members",
        "fanout --subscribers 8 --inflight 4 --floor",
    ] {
        let found = good(words).await;
        has(&found, &used, &["delivery_us", "receipt_us"]);
        let server = if words.contains("--floor") { "floor" } else { "parlor" };
        assert_eq!(found["server"], server);
    }
}

#[tokio::test]
async fn receipts_need_nobody_who_hears() {
    for words in ["", "--rate 100", "--floor", "--floor-append"] {
        let found = good(&format!("receipts --publishers 4 --channels 2 {words}")).await;
        has(&found, &["receipts_per_second", "receipts"], &["receipt_us"]);
    }
}

#[tokio::test]
async fn idle_says_what_a_session_takes() {
    let found = good("idle --sessions 40 --channels 3").await;
    has(&found, &["rss_bytes_per_session", "came_in_per_second"], &[]);
    assert_eq!(found["sessions"], 40);
    good("idle --sessions 40 --channels 3 --floor").await;
}

#[tokio::test]
async fn sessions_that_were_cut_come_back_to_all_that_they_missed() {
    for server in ["", "--floor"] {
        let found = good(&format!("reconnect --sessions 30 --channels 2 --cuts 2 {server}")).await;
        has(&found, &["sessions_per_second"], &["back_us"]);
        assert_eq!((&found["sessions"], &found["back_us"]["count"]), (&json!(60), &json!(60)));
    }
}

#[tokio::test]
async fn polling_clients_hear_everything_too() {
    let found = good("longpoll --clients 5 --inflight 2").await;
    has(&found, &["deliveries_per_second", "answers_per_second"], &["delivery_us"]);
    assert!(!load_fails("longpoll --floor").await.is_empty());
}

#[tokio::test]
async fn a_mixed_day_times_each_kind() {
    let found = good("mixed --sessions 20 --pollers 3 --channels 6 --reconnects 20 --joins 40").await;
    let times = ["receipt", "typing", "read", "history", "rejoin", "reconnect"].map(|kind| format!("{kind}_us"));
    has(&found, &["deliveries"], &times.each_ref().map(String::as_str));
    has(&found, &[], &["delivery_websocket_us", "delivery_longpoll_us"]);
}

#[tokio::test]
async fn quiet_channels_are_timed_alone_and_beside_something_loud() {
    let flood = "flood --publishers 10 --quiet 30";
    for words in [flood, &format!("{flood} --rate 500"), "replay --messages 2000 --quiet 30"] {
        let found = good(words).await;
        has(&found, &["quiet_p50_ratio", "quiet_p99_ratio"], &["quiet_alone_us", "quiet_beside_us"]);
    }
}

#[tokio::test]
async fn the_table_sets_parlor_beside_the_floor() {
    let (ended_well, found) = load("table --rounds 1 --scale 0.005 --only receipts --only idle").await;
    assert!(ended_well, "{found:#}");
    let rows = found["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert!(row["parlor"].is_number() && row["floor"].is_number() && row["ratio"].is_number(), "{row:#}");
    }
}

#[tokio::test]
async fn what_grows_is_measured_at_each_point_written_down_and_drawn() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (into, plots) = (home.path().join("growth.json"), home.path().join("plots"));
    let (into, plots) = (into.display(), plots.display());
    let p99 = |point: &Value, name: &str| point["figures"][format!("{name}_p99_us")].as_f64();
    for (words, figures, times) in [
        ("sessions --points 3,7", &["memory_each_bytes"][..], &["receipt", "delivery"][..]),
        ("channels --points 5", &["memory_bytes", "made_per_second"], &["receipt", "join"]),
        ("messages --points 90", &["disk_bytes", "start_killed_ms"], &["receipt", "newest", "join"]),
        ("subscribers --points 4", &["deliveries_per_second"], &["delivery", "last"]),
    ] {
        let (ended_well, found) = load(&format!("growth {words} --into {into}")).await;
        assert!(ended_well && found["ok"] == true, "{words}: {found:#}");
        for point in found["points"].as_array().expect("points") {
            has(&point["figures"], figures, &[]);
            assert!(times.iter().all(|name| p99(point, name) > Some(0.0)), "{point:#}");
        }
    }
    let (ended_well, found) = load(&format!("growth draw --from {into} --plots {plots}")).await;
    let drawn = found["plots"].as_array().map_or(0, Vec::len);
    assert!(ended_well && drawn == 15, "{found:#}");
    let plot = std::fs::read_to_string(format!("{plots}/sessions-receipt.svg")).expect("a plot");
    assert!(plot.starts_with("<svg") && plot.contains("idle sessions") && plot.contains("p99"), "{plot}");
}

#[tokio::test]
async fn ending_the_generator_ends_its_server_and_removes_its_directory() {
    for words in ["idle --sessions 10", "growth messages --points 10000000", "table --only idle"] {
        let data = tempfile::tempdir().expect("a temporary directory");
        let place = data.path().canonicalize().expect("a path");
        let mut arguments: Vec<_> = words.split_whitespace().collect();
        arguments.extend(["--seconds", "60", "--server", env!("CARGO_BIN_EXE_parlor")]);
        arguments.extend(["--data", place.to_str().expect("text")]);
        let program = Program::start("load", &arguments, &[]);
        let entries = || std::fs::read_dir(&place).map_or(0, Iterator::count);
        eventually("it has begun", async || entries() > 0).await;
        program.signal(Signal::TERM);
        assert_eq!(program.end().await.code(), Some(128 + Signal::TERM.as_raw()), "{words}");
        assert_eq!(entries(), 0, "{words}");
        // Nobody works in it any more either.
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        let left = processes.filter_map(|process| std::fs::read_link(process.path().join("cwd")).ok());
        assert_eq!(left.filter(|at| at.starts_with(&place)).count(), 0, "{words}");
    }
}

/// Runs something that cannot be done, and returns what it printed to say so.
async fn load_fails(words: &str) -> String {
    let output = tokio::process::Command::new(crate::program::path("load")).args(words.split_whitespace()).output();
    let output = output.await.expect("it runs");
    assert!(!output.status.success(), "{words}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// How a server may be wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Not,
    Loses,
    Doubles,
    TurnsRound,
}

/// A server with one channel, which does something wrong to the fifth message.
#[derive(Default)]
struct Fake {
    seq: u64,
    hearers: Vec<mpsc::UnboundedSender<String>>,
}

impl Fake {
    async fn serve(wrong: Wrong) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let fake = Arc::new(Mutex::new(Self::default()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::client(stream, Arc::clone(&fake), wrong));
            }
        });
        format!("http://{address}")
    }

    async fn client(stream: TcpStream, fake: Arc<Mutex<Self>>, wrong: Wrong) {
        let (mut to, mut from) = accept_async(stream).await.expect("a handshake").split();
        let (tell, mut told) = mpsc::unbounded_channel::<String>();
        tokio::spawn(async move {
            while let Some(frame) = told.recv().await {
                if to.send(Message::text(frame)).await.is_err() {
                    return;
                }
            }
        });
        while let Some(Ok(frame)) = from.next().await {
            let Message::Text(text) = frame else { continue };
            let command = serde_json::from_str(&text).expect("a command is JSON");
            fake.lock().command(&command, &tell, wrong);
        }
    }

    fn command(&mut self, command: &Value, tell: &mpsc::UnboundedSender<String>, wrong: Wrong) {
        let (channel, id) = (command["channel"].as_str().unwrap_or_default(), &command["id"]);
        let answer = match command["type"].as_str() {
            Some("hello") => format!(r#"{{"type":"welcome","id":{id},"token":"t"}}"#),
            Some("join") => {
                self.hearers.push(tell.clone());
                format!(r#"{{"type":"joined","id":{id},"channel":"{channel}","epoch":"e","next":1}}"#)
            }
            _ => {
                self.seq += 1;
                let seqs = match (wrong, self.seq) {
                    (Wrong::Loses, 5) | (Wrong::TurnsRound, 4) => vec![],
                    (Wrong::Doubles, 5) => vec![5, 5],
                    (Wrong::TurnsRound, 5) => vec![5, 4],
                    (_, seq) => vec![seq],
                };
                let body = &command["body"];
                for seq in seqs {
                    let message = format!(
                        r#"{{"type":"message","channel":"{channel}","seq":{seq},"at":"now","from":"x","body":{body}}}"#
                    );
                    self.hearers.iter().for_each(|hearer| drop(hearer.send(message.clone())));
                }
                let seq = self.seq;
                format!(r#"{{"type":"published","id":{id},"channel":"{channel}","epoch":"e","seq":{seq}}}"#)
            }
        };
        drop(tell.send(answer));
    }
}

#[tokio::test]
async fn a_server_that_loses_doubles_or_turns_round_a_message_is_found_out() {
    let kinds = [(Wrong::Loses, "lost"), (Wrong::Doubles, "doubled"), (Wrong::TurnsRound, "out of order")];
    for (wrong, kind) in kinds.into_iter().chain([(Wrong::Not, "")]) {
        let url = Fake::serve(wrong).await;
        let patience = if kind.is_empty() { 15 } else { 1 };
        let words = format!("fanout --subscribers 2 --inflight 2 --url {url} --patience {patience}");
        let (ended_well, found) = load(&words).await;
        let faults = found["faults"].to_string();
        assert_eq!(ended_well, kind.is_empty(), "{wrong:?}: {found:#}");
        assert_eq!(found["ok"], ended_well);
        assert!(faults.contains(kind), "{wrong:?}: {faults}");
    }
}
