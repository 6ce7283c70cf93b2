//! What the outside tests share: a server to talk to, a client that checks what it hears, and raw sockets for what a
//! well-behaved client would never do. Nothing here looks inside the server.

mod accounts;
mod client;
pub mod described;
mod end;
mod endpoint;
mod host;
mod http;
mod ledger;
mod link;
mod longpoll;
mod polls;
mod process;
mod raw;
mod site;
mod sorter;
pub mod tls;
mod verify;
mod websocket;
mod words;

pub use accounts::password;
pub use client::{Client, DEADLINE};
pub use end::End;
pub use endpoint::{Endpoint, Heard, Reply};
pub use http::{Answer, Http, Request, ask, get, get_with, head};
pub use link::{Dial, Transport};
pub use polls::{Polls, page, replies};
pub use process::Process;
pub use raw::{Raw, Sent, Upgrade};
pub use site::{Engine, Site, Stage};
pub use verify::is_signed;
pub use words::publish;

use std::future::Future;
use std::thread;
use std::time::Duration;

/// Runs a scenario on a runtime of its own.
pub fn run<F: Future<Output = ()>>(engine: Engine, transport: Transport, scenario: fn(Stage) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(scenario(Stage { engine, transport }));
    runtime.shutdown_timeout(Duration::from_secs(1));
}

/// Runs a scenario over several transports at the same time, each on a thread named after its own.
pub fn run_together<F: Future<Output = ()>>(engine: Engine, transports: &[Transport], scenario: fn(Stage) -> F) {
    thread::scope(|scope| {
        let begin = |&transport: &Transport| {
            let named = thread::Builder::new().name(format!("{transport:?}"));
            let running = named.spawn_scoped(scope, move || run(engine, transport, scenario));
            (transport, running.expect("a thread"))
        };
        let running: Vec<_> = transports.iter().map(begin).collect();
        let failed = running.into_iter().filter_map(|(transport, one)| one.join().is_err().then_some(transport));
        let failed: Vec<_> = failed.collect();
        assert!(failed.is_empty(), "it failed over {failed:?}; the threads of these names said why");
    });
}

/// Waits for something that has to come true, asking again every few milliseconds.
pub async fn eventually(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let until = tokio::time::Instant::now() + DEADLINE;
    while !is_true().await {
        assert!(tokio::time::Instant::now() < until, "did not come true within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Lets real time pass, where nothing can be awaited: to see that something does *not* come.
pub async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Whether a text is RFC 3339 in UTC with milliseconds, as the protocol writes all times.
pub fn is_time(text: &str) -> bool {
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    text.chars().map(digits).collect::<String>() == "0000-00-00T00:00:00.000Z"
}
