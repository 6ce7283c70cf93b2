//! Ten thousand parked polls at once, each over a connection of its own.
//!
//! `PARLOR_CROWD` makes them more or fewer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::task::JoinSet;

use crate::run_alone;
use crate::support::{Http, Polls, Process, get, page};

/// How many polls, if nothing else is said.
const POLLS: usize = 10_000;
/// How many sessions are opened at a time.
const AT_A_TIME: usize = 64;
/// What one parked poll may cost the server at the very most, in bytes.
const MOST: u64 = 200_000;

/// Nothing is to be said to a parked poll but what is published: no heartbeat ends it, no pulse answers it.
const SETTINGS: [(&str, &str); 5] = [
    ("store.engine", "memory"),
    ("presence.heartbeat_ms", "600000"),
    ("presence.timeout_ms", "1800000"),
    ("limits.connections_per_address", "0"),
    ("channels.announce_max", "0"),
];

/// How many descriptors this process may have, after asking for as many as there are.
fn descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(why) = setrlimit(Resource::Nofile, limit) {
        println!("the limit of descriptors stays as it is: {why}");
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| limit as usize)
}

/// The memory that a process has, in bytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("what it has in memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Opens a session that hears `a`, and parks its poll.
async fn park(to: SocketAddr) -> Http {
    let mut one = Polls::open(to).await;
    let join = json!({"type": "join", "channel": "a", "tail": 0, "member": false});
    assert_eq!(one.command(join).await[0]["type"], "joined");
    let (events, next) = one.page(0, "5").await;
    assert_eq!((events.len(), next), (1, 1), "{events:?}");
    let poll = one.poll(next, "600");
    one.http.send(&poll).await.expect("the poll is sent");
    one.http
}

/// How many polls the server says are parked.
async fn parked(to: SocketAddr) -> usize {
    let metrics = get(to, "/metrics").await.body;
    let gauge = metrics.lines().find_map(|line| line.strip_prefix("parlor_polls_parked "));
    gauge.and_then(|count| count.parse().ok()).expect("how many polls are parked")
}

#[test]
fn ten_thousand_parked_polls_are_all_told_at_once() {
    run_alone(async {
        let wanted = std::env::var("PARLOR_CROWD").ok().and_then(|text| text.parse().ok()).unwrap_or(POLLS);
        // The server may have as many as this process, and needs some for itself.
        let polls = wanted.min(descriptors().saturating_sub(500));
        if polls < wanted {
            println!("only {polls} of {wanted} polls: there are no more descriptors");
        }
        let dir = tempfile::tempdir().expect("a directory");
        let server = Process::start(dir.path(), &SETTINGS);
        let to = server.address;
        let mut bob = server.client("bob", None).await;
        bob.join("a").await;
        let (before, begun) = (resident(server.id()), Instant::now());
        let (mut tasks, mut lines) = (JoinSet::new(), Vec::new());
        for n in 0..polls {
            tasks.spawn(park(to));
            if n >= AT_A_TIME {
                lines.push(tasks.join_next().await.expect("a task").expect("a parked poll"));
            }
        }
        lines.extend(tasks.join_all().await);
        while parked(to).await < polls {
            assert!(begun.elapsed() < Duration::from_secs(120), "{} of {polls} polls are parked", parked(to).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let each = resident(server.id()).saturating_sub(before) / polls.max(1) as u64;
        println!("{polls} polls parked in {:?}, {each} bytes each", begun.elapsed());
        assert!(each < MOST, "{each} bytes for a parked poll");
        let told = Instant::now();
        let receipt = bob.publish("a", "to all of you").await;
        for http in &mut lines {
            let (events, next) = page(&http.answer().await);
            assert_eq!((events[0]["seq"].as_u64(), events.len(), next), (receipt["seq"].as_u64(), 1, 2), "{events:?}");
        }
        println!("all were told within {:?}", told.elapsed());
        bob.catch_up().await;
        server.kill();
    });
}
