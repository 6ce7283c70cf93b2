//! kill -9 while a backend is told of messages: it hears of each that was acknowledged, and of each by one id.

use std::collections::BTreeMap;

use crate::run;
use crate::support::{Endpoint, Heard, Process, Reply};

#[test]
fn after_a_kill_the_backend_hears_of_every_message_that_was_acknowledged() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        let endpoint = Endpoint::start().await;
        // Some are not taken the first time, so that something waits whenever the end comes.
        let mut count = 0;
        endpoint.says(move |_| {
            count += 1;
            Reply::Status(if count % 20 == 0 { 503 } else { 204 })
        });
        let webhooks = endpoint.written("it");
        let settings = [("PARLOR__WEBHOOKS", webhooks.as_str())];
        let mut head = 0;
        for round in 0..3 {
            let server = Process::start(dir.path(), &settings);
            let mut ann = server.client(&format!("ann{round}"), None).await;
            ann.join("a").await;
            let places = ann.publish_many("a", 30).await;
            head = places.into_iter().max().expect("a place");
            server.kill();
        }
        let server = Process::start(dir.path(), &settings);
        let whole = |taken: &[Heard]| {
            let told: BTreeMap<u64, &str> = taken.iter().map(|heard| (heard.seq(), heard.id.as_str())).collect();
            told.keys().copied().eq(1..=head)
        };
        let taken = endpoint.until("every message", whole).await;
        let mut ids = BTreeMap::new();
        for heard in &taken {
            let known = ids.entry(heard.seq()).or_insert(&heard.id);
            assert_eq!(*known, &heard.id, "one message has one id");
        }
        server.stop().await;
    });
}
