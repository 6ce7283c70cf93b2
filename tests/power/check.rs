//! An image is opened, and held against what was promised.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;

use parlor::config::Durability;
use parlor::model::ChannelName;
use parlor::store::{AppendError, Done, Head, Store};
use parlor::supervise::Probes;

use crate::log::Found;
use crate::marks::{self, DATA};
use crate::truth::{self, Truth};

/// What is wrong with the image in `folder`, in one sentence.
pub fn check(folder: &Path, truth: &Truth) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| opened(folder, truth))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

fn open(folder: &Path, which: &str) -> Result<Store, String> {
    let config = marks::config(folder.join(DATA), Durability::Always);
    Store::open(&config, &Probes::default()).map_err(|why| format!("{which}, it does not open: {why}"))
}

fn opened(folder: &Path, truth: &Truth) -> Result<(), String> {
    let store = open(folder, "at first")?;
    let found = read(&store)?;
    truth.judge(&found)?;
    go_on(&store, &found)?;
    let before = read(&store)?;
    store.close().map_err(|why| format!("it does not close: {why}"))?;
    let store = open(folder, "at the second time")?;
    let after = read(&store)?;
    if before != after {
        return Err("opened a second time it holds something else".into());
    }
    store.close().map_err(|why| format!("it does not close again: {why}"))
}

/// Everything in a store, verified.
pub fn read(store: &Store) -> Result<truth::Store, String> {
    let (log, meta) = (store.log(), store.meta());
    let mut found = truth::Store::default();
    for (channel, head) in log.channels(None, usize::MAX).map_err(|why| format!("no list of channels: {why}"))? {
        let name = channel.as_str().to_owned();
        let verified = store.verify(&channel).map_err(|why| format!("{name} does not verify: {why}"))?;
        if verified != head {
            return Err(format!("{name} has two heads: {head:?} and {verified:?}"));
        }
        let messages = log.range(&channel, 1, head.seq, usize::MAX, usize::MAX);
        let messages = messages.map_err(|why| format!("{name} cannot be read: {why}"))?;
        let prints: Vec<_> = messages.iter().map(|message| (message.seq, marks::print(message))).collect();
        if !prints.iter().map(|(seq, _)| *seq).eq(head.first..=head.seq) {
            return Err(format!("{name} has a hole"));
        }
        found.channels.insert(name, Found { head: (&head).into(), prints });
    }
    for (name, record) in meta.list("", None, usize::MAX).map_err(|why| format!("no list of records: {why}"))? {
        found.records.insert(name, (record.version, truth::print(&record.value)));
    }
    Ok(found)
}

/// A channel that was there takes another message, and a new one is made.
fn go_on(store: &Store, found: &truth::Store) -> Result<(), String> {
    let log = store.log();
    let mut names = vec!["a-new-channel"];
    names.extend(found.channels.keys().next().map(String::as_str));
    for name in names {
        let channel = ChannelName::stored(name).map_err(|why| why.to_string())?;
        let head = wait(|done| log.create(&channel, done)).map_err(|why| format!("{name} cannot be made: {why}"))?;
        // Its time is behind that of every message before it.
        let batch = marks::messages(head.seq + 1, 1, &[100, 20_000]);
        wait(|done| log.append(&channel, &head, batch, done)).map_err(|why| format!("{name} takes no more: {why}"))?;
    }
    Ok(())
}

fn wait(call: impl FnOnce(Done<Head, AppendError>)) -> Result<Head, AppendError> {
    let (tell, told) = mpsc::channel();
    call(Box::new(move |outcome| drop(tell.send(outcome))));
    told.recv().expect("an answer")
}
