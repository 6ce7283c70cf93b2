//! Messages written straight into a store before a server opens it: many more a second than a server would take.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlor::config::{self, Durability, Engine};
use parlor::model::{ChannelName, Message, UserName, Wall};
use parlor::store::{AppendError, Head, Store, conformance};
use parlor::supervise::Probes;

use crate::frames::{Names, filling};
use crate::progress::Progress;

/// An append that is not answered for so long is not answered.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes so many messages over so many channels, each of them `together` at a time, and closes the store.
pub fn fill(
    home: &Path,
    names: &Names,
    channels: u32,
    messages: u64,
    together: u64,
    text: usize,
) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("the store cannot be filled: {why}");
    let config = config::Store {
        engine: Engine::Sled,
        path: home.join("data"),
        // Synced once at the end; nobody is told of a message before that.
        durability: Durability::Interval,
        sync_interval: Duration::from_secs(1),
        cache_bytes: 64 << 20,
        reserve_bytes: 0,
        read_threads: 1,
    };
    let store = Store::open(&config, &Probes::default()).map_err(|why| failed(&why))?;
    let log = store.log();
    let from = UserName::parse("load").map_err(|why| failed(&why))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = Wall(since.as_millis() as i64);
    let body = format!(r#"{{"text":"{:012}.{:06}.{}"}}"#, 0, 0, filling(text));
    let body = bytestring::ByteString::from(body);
    let message = |seq| {
        let (from, body) = (from.clone(), body.clone());
        Message { seq, at, from, key: None, kind: None, reply_to: None, body }
    };
    let (tell, told) = mpsc::channel::<(usize, Result<Head, AppendError>)>();
    let share = |channel: u64| messages / u64::from(channels) + u64::from(channel < messages % u64::from(channels));
    let mut all = Vec::new();
    for channel in 0..channels {
        let name = ChannelName::stored(&names.name(channel)).map_err(|why| failed(&why))?;
        let head = conformance::create(&*log, &name).map_err(|why| failed(&why))?;
        all.push((name, share(u64::from(channel))));
        // Each channel has one append under way; the answer brings the next one.
        drop(tell.send((channel as usize, Ok(head))));
    }
    let mut progress = Progress::new(messages);
    let (mut open, mut written) = (all.len(), 0);
    while open > 0 {
        let (place, head) = told.recv_timeout(PATIENCE).map_err(|why| failed(&why))?;
        let head = head.map_err(|why| failed(&why))?;
        let (name, whole) = &all[place];
        let last = *whole.min(&(head.seq + together));
        if last == head.seq {
            open -= 1;
            continue;
        }
        written += last - head.seq;
        progress.at(written, "filling the store");
        let batch = (head.seq + 1..=last).map(message).collect();
        let tell = tell.clone();
        log.append(name, &head, batch, Box::new(move |outcome| drop(tell.send((place, outcome)))));
    }
    drop(log);
    store.close().map_err(|why| failed(&why))
}
