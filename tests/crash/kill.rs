//! kill -9 at any moment: every acknowledged message is there once, at its place, and every other key makes one.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::run;
use crate::support::{Client, Process, pause, publish};

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const PUBLISHERS: usize = 4;
/// Publishes that one client has under way.
const UNDER_WAY: usize = 24;
/// More than the whole log: everything is replayed, and every key is searched for.
const SETTINGS: [(&str, &str); 3] =
    [("limits.replay_max", "1000000"), ("limits.dedup_scan", "10000000"), ("channels.window", "64")];

/// A generator that repeats itself for a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A publish whose outcome its client does not know.
#[derive(Clone, Debug)]
struct Open {
    channel: &'static str,
    key: String,
    base: u64,
}

/// What one publisher knows.
#[derive(Default)]
struct Knowledge {
    token: Option<String>,
    user: String,
    count: usize,
    /// Places by channel and key.
    receipts: BTreeMap<(&'static str, String), u64>,
    open: Vec<Open>,
}

impl Knowledge {
    /// Publishes as fast as it can until the connection ends.
    async fn publish(mut self, mut client: Client) -> Self {
        let mut newest = BTreeMap::new();
        let mut ids = std::collections::VecDeque::new();
        loop {
            while ids.len() < UNDER_WAY && !client.has_ended() {
                let channel = CHANNELS[self.count % CHANNELS.len()];
                let open = Open {
                    channel,
                    key: format!("{}-{}", self.user, self.count),
                    base: newest.get(channel).copied().unwrap_or_default(),
                };
                self.count += 1;
                ids.push_back((client.begin(open.command()), open));
            }
            let Some((id, open)) = ids.pop_front() else { return self };
            match client.reply_or_end(&id).await {
                Some(reply) if reply["type"] == "published" => {
                    let seq = reply["seq"].as_u64().expect("a place");
                    newest.insert(open.channel, seq);
                    self.receipts.insert((open.channel, open.key), seq);
                }
                Some(reply) if reply["code"] != "overloaded" => client.fail(&format!("not published: {reply}")),
                _ => self.open.push(open),
            }
        }
    }
}

impl Open {
    fn command(&self) -> Value {
        // Now and then as large as a message may be.
        let large = self.key.ends_with("77");
        let text = if large { "x".repeat(30_000) } else { self.key.clone() };
        publish(self.channel, &text, json!({"key": self.key, "base": self.base}))
    }
}

/// Everything in a channel, by reading its history: keys by place, and the epoch.
async fn read_all(client: &mut Client, channel: &str) -> (BTreeMap<u64, String>, Value) {
    let (mut all, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = client.history(channel, json!({"after": after, "limit": 1000})).await;
        for message in page["messages"].as_array().into_iter().flatten() {
            let (seq, key) = (message["seq"].as_u64(), message["key"].as_str());
            after = seq.expect("a place");
            let before = all.insert(after, key.expect("a key").to_owned());
            assert_eq!(before, None, "{channel} has two messages at {after}");
        }
        if page["more"] != true {
            assert_eq!(page["head"], after, "{channel} ends where its head is");
            return (all, page["epoch"].clone());
        }
    }
}

/// Reads everything back, and holds it against what the publishers know. Returns the keys' places by channel.
async fn check(
    client: &mut Client,
    all: &[Knowledge],
    epochs: &mut BTreeMap<&'static str, Value>,
) -> BTreeMap<(&'static str, String), u64> {
    let mut places = BTreeMap::new();
    for channel in CHANNELS {
        let (messages, epoch) = read_all(client, channel).await;
        assert_eq!(*epochs.entry(channel).or_insert_with(|| epoch.clone()), epoch, "{channel} keeps its epoch");
        let head = messages.len() as u64;
        assert!(messages.keys().copied().eq(1..=head), "{channel} has a hole");
        client.join_with(channel, json!({"since": {"epoch": epoch, "seq": 0}, "member": false})).await;
        client.hear(channel, head).await;
        let replayed = client.heard(channel);
        for (seq, key) in messages {
            assert_eq!(replayed[&seq]["key"], key.as_str(), "{channel} at {seq}, replayed and read");
            let before = places.insert((channel, key.clone()), seq);
            assert_eq!(before, None, "{key} is in {channel} twice");
        }
    }
    for knowledge in all {
        for ((channel, key), seq) in &knowledge.receipts {
            let found = places.get(&(*channel, key.clone()));
            assert_eq!(found, Some(seq), "{key} was acknowledged at {seq} in {channel}");
        }
    }
    places
}

/// No row went into a file that is never synced.
fn no_blobs(dir: &Path) {
    let mut folders = vec![dir.to_path_buf()];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the directory can be read") {
            let path = entry.expect("an entry").path();
            assert!(!folder.ends_with("blobs"), "{} is a blob", path.display());
            if path.is_dir() {
                found += usize::from(path.ends_with("blobs"));
                folders.push(path);
            }
        }
    }
    assert!(found > 0, "no blobs directory was looked into");
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number("PARLOR_CRASH_ROUNDS").unwrap_or(8);
    let seed = number("PARLOR_CRASH_SEED").unwrap_or_else(|| parlor::clock::wall().0.unsigned_abs());
    println!("PARLOR_CRASH_SEED={seed} PARLOR_CRASH_ROUNDS={rounds}");
    run(async move {
        let dir = tempfile::tempdir().expect("a directory");
        let mut random = Random(seed);
        let mut epochs = BTreeMap::new();
        let mut all: Vec<_> = (0..PUBLISHERS).map(|_| Knowledge::default()).collect();
        for round in 0..rounds {
            let server = Process::start(dir.path(), &SETTINGS);
            let mut clients = Vec::new();
            for (n, knowledge) in all.iter_mut().enumerate() {
                let client = server.client(&format!("p{n}"), knowledge.token.as_deref()).await;
                knowledge.token = Some(client.token().to_owned());
                knowledge.user = client.user().to_owned();
                clients.push(client);
            }
            for channel in CHANNELS {
                clients[0].join_with(channel, json!({"tail": 0})).await;
            }
            let mut publishing = Vec::new();
            for (knowledge, client) in all.drain(..).zip(clients) {
                publishing.push(tokio::spawn(knowledge.publish(client)));
            }
            let moment = Duration::from_micros(random.below(250_000));
            tokio::time::sleep(moment).await;
            server.kill();
            for one in publishing {
                all.push(one.await.expect("the publisher is well"));
            }
            // Everything is read back, and what is open is asked for again.
            let server = Process::start(dir.path(), &SETTINGS);
            let mut reader = server.client("reader", None).await;
            let places = check(&mut reader, &all, &mut epochs).await;
            let (mut there, mut asked) = (0, 0);
            for knowledge in &mut all {
                let mut client = server.client("again", knowledge.token.as_deref()).await;
                for open in std::mem::take(&mut knowledge.open) {
                    let receipt = client.ask(open.command()).await;
                    let seq = receipt["seq"].as_u64().expect("a place");
                    let before = places.get(&(open.channel, open.key.clone()));
                    assert_eq!(receipt["duplicate"], before.is_some(), "{open:?}: {receipt}");
                    assert!(before.is_none_or(|before| *before == seq), "{open:?} was at {before:?}: {receipt}");
                    there += usize::from(before.is_some());
                    asked += 1;
                    knowledge.receipts.insert((open.channel, open.key), seq);
                }
            }
            let mut reader = server.client("reader", None).await;
            let places = check(&mut reader, &all, &mut epochs).await;
            let known: usize = all.iter().map(|knowledge| knowledge.receipts.len()).sum();
            assert_eq!(places.len(), known, "each key made one message, and there are no others");
            println!("round {round}: killed after {moment:?}; {known} messages, {asked} open, {there} of them there");
            if random.below(2) == 0 {
                server.stop().await;
            } else {
                pause(random.below(50)).await;
                server.kill();
            }
        }
        no_blobs(&dir.path().join("data"));
    });
}
