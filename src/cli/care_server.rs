//! The care of data where a server may run: the order goes to it, or is carried out on the store itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::care::{Refused, folder, print, progress};
use super::user::CONTROL;
use super::{FAILED, OK, REFUSED};
use crate::care::{self, Order, Stop, Tools, Totals};
use crate::config::Config;
use crate::model::UserName;
use crate::store::{OpenError, SledRows, Store};
use crate::supervise::Probes;

/// How long a server may take for one step.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest line of an answer, in bytes.
const LONGEST: u64 = 1 << 20;

/// Whose messages lose their bodies.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(super) struct EraseArgs {
    /// The user's name
    user: String,
    /// Say how many there are, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Hands each line of what comes of an order to `each`. It is an error if the last line is not there.
pub(super) fn lines(
    config: &Config,
    order: Order,
    each: &mut dyn FnMut(&str) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let folder = folder(config)?;
    let mut ended = false;
    let mut take = |line: &str| {
        if line.trim_end().is_empty() {
            return Ok(());
        }
        ended |= line.starts_with("{\"end\":");
        match line.strip_prefix("{\"failed\":").and_then(|rest| rest.trim_end().strip_suffix('}')) {
            Some(why) => Err(Refused(FAILED, serde_json::from_str(why).unwrap_or_else(|_| why.to_owned()))),
            None => each(line),
        }
    };
    match UnixStream::connect(folder.join(CONTROL)) {
        Ok(stream) => ask(stream, &order, &mut take)?,
        Err(_) => carry_out(config, order, &mut take)?,
    }
    if ended { Ok(()) } else { Err(Refused(FAILED, "the server ended before it was done".into())) }
}

fn ask(
    mut stream: UnixStream,
    order: &Order,
    each: &mut dyn FnMut(&str) -> Result<(), Refused>,
) -> Result<(), Refused> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let text = serde_json::to_string(order).map_err(|why| Refused(FAILED, why.to_string()))?;
    stream.write_all(text.as_bytes())?;
    stream.write_all(b"\n")?;
    let (mut from, mut line) = (BufReader::with_capacity(256 << 10, stream), String::new());
    loop {
        line.clear();
        let read = from.by_ref().take(LONGEST).read_line(&mut line);
        let read = read.map_err(|why| Refused(FAILED, format!("the server that runs did not answer: {why}")))?;
        if read == 0 {
            return Ok(());
        }
        each(&line)?;
    }
}

fn carry_out(config: &Config, order: Order, each: &mut dyn FnMut(&str) -> Result<(), Refused>) -> Result<(), Refused> {
    // Nothing is made where nothing is.
    if !SledRows::is_there(&config.store.path) {
        return Err(OpenError::Nothing(config.store.path.display().to_string()).into());
    }
    let store = Store::open(&config.store, &Probes::default())?;
    let bytes = store.bytes_on_disk().unwrap_or(0);
    let tools = Tools {
        archive: store.archive(),
        meta: store.meta(),
        bytes_on_disk: Arc::new(move || bytes),
        forget: Arc::new(|_, _| ()),
    };
    let done = work(order, tools, each);
    // The store ends in order, whatever came of it.
    let closed = store.close().map_err(|why| Refused(FAILED, format!("the store did not close: {why}")));
    done.and(closed)
}

fn work(order: Order, tools: Tools, each: &mut dyn FnMut(&str) -> Result<(), Refused>) -> Result<(), Refused> {
    let mut job = care::begin(order, tools)?;
    while let Some(text) = job.step()? {
        let text = String::from_utf8(text).map_err(|why| Stop::File(why.to_string()))?;
        text.split_inclusive('\n').try_for_each(&mut *each)?;
    }
    Ok(())
}

fn parse(line: &str) -> Result<Value, Refused> {
    serde_json::from_str(line).map_err(|why| Refused(FAILED, format!("the server said {line:?}: {why}")))
}

/// `erase`.
pub(super) fn erase(config: &Config, args: EraseArgs) -> Result<u8, Refused> {
    let EraseArgs { user, dry_run } = args;
    UserName::parse(&user).map_err(|why| Refused(REFUSED, why.to_string()))?;
    let order = Order::Erase { user, dry_run };
    lines(config, order, &mut |line| {
        let said = parse(line)?;
        let line = match said.get("end") {
            Some(end) => {
                let what = if dry_run { "would be erased; nothing was changed" } else { "erased" };
                format!("{} messages in {} channels {what}", end["messages"], end["channels"])
            }
            None => format!("{}\t{}", said["channel"].as_str().unwrap_or_default(), said["messages"]),
        };
        Ok(print(&line)?)
    })?;
    Ok(OK)
}

/// `stats`.
pub(super) fn stats(config: &Config, json: bool) -> Result<u8, Refused> {
    let mut found = None;
    let bar = progress("counting");
    lines(config, Order::Stats, &mut |line| {
        found = Some(parse(line)?["end"].take());
        Ok(())
    })?;
    bar.finish_and_clear();
    let found = found.unwrap_or_default();
    if json {
        print(&found.to_string())?;
        return Ok(OK);
    }
    let totals: Totals = serde_json::from_value(found).map_err(|why| Refused(FAILED, why.to_string()))?;
    let Totals { channels, messages, body_bytes, disk_bytes, accounts, guests, largest } = totals;
    for (what, count) in [
        ("channels", channels),
        ("messages", messages),
        ("bytes of bodies", body_bytes),
        ("bytes on disk", disk_bytes),
        ("accounts", accounts),
        ("guests", guests),
    ] {
        print(&format!("{what}\t{count}"))?;
    }
    for size in largest {
        print(&format!("{}\t{} messages\t{} bytes", size.channel, size.messages, size.body_bytes))?;
    }
    Ok(OK)
}
