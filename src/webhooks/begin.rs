//! Where a webhook begins: at the head of each of its channels, when it is there for the first time. A channel that is made
//! later is told of from its first message on. Blocks on the disk.

use std::sync::mpsc;

use bytes::Bytes;

use super::read::{adopt, kept};
use super::records::{begun_key, cursor_bytes, cursor_key};
use crate::config::{Webhook, holds};
use crate::model::{ChannelName, Cursor};
use crate::store::{ChannelLog, Meta, MetaOp, ReadError};

/// How many channels are looked at at once.
const PAGE: usize = 200;

/// Has all of them begin, those that did not before or had other channels then; returns when that is durable.
pub(super) fn begin(webhooks: &[Webhook], log: &dyn ChannelLog, meta: &dyn Meta) -> Result<(), String> {
    let told = |why: ReadError| why.to_string();
    for webhook in webhooks.iter().filter(|webhook| webhook.messages) {
        // If messages may have been lost, what comes after them has the seqs that they had.
        let with = format!("{:x} {}", log.generation(), webhook.channels.join(" "));
        let key = begun_key(&webhook.name);
        let begun = meta.get(&key).map_err(told)?;
        if begun.as_ref().is_some_and(|record| record.value == with) {
            continue;
        }
        // Of those that were its own before, one without a cursor was made later, and is told of from its first message on.
        let own: Vec<String> = begun.iter().flat_map(|record| patterns(&record.value)).collect();
        let mut after: Option<ChannelName> = None;
        loop {
            let page = log.all_names(after.as_ref().map(ChannelName::as_str), PAGE).map_err(told)?;
            let mut ops = Vec::new();
            for name in page.iter().filter(|name| webhook.holds(name)) {
                let head = match log.head(name) {
                    Ok(Some(head)) => head,
                    Ok(None) => continue,
                    // No other channel is kept from beginning.
                    Err(why) => {
                        log::error!("webhook {} does not begin with channel {name}: {why}", webhook.name);
                        continue;
                    }
                };
                let seq = match kept(meta, &webhook.name, name).map_err(told)? {
                    Some(cursor) if cursor.epoch == head.epoch => continue,
                    Some(cursor) => adopt(Some(&cursor), &head).0,
                    None if holds(&own, name) => continue,
                    None => head.seq,
                };
                let cursor = Cursor { epoch: head.epoch, seq };
                ops.push(MetaOp::Put(cursor_key(&webhook.name, name), cursor_bytes(&cursor)));
            }
            write(meta, ops)?;
            if page.len() < PAGE {
                break;
            }
            after = page.into_iter().next_back();
        }
        write(meta, vec![MetaOp::Put(key, Bytes::from(with))])?;
        log::info!("webhook {} begins", webhook.name);
    }
    Ok(())
}

/// The patterns of channels that a webhook began with, behind the generation.
fn patterns(value: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(value).split(' ').skip(1).map(ToOwned::to_owned).collect()
}

fn write(meta: &dyn Meta, ops: Vec<MetaOp>) -> Result<(), String> {
    if ops.is_empty() {
        return Ok(());
    }
    let (tell, told) = mpsc::channel();
    meta.write(ops, Box::new(move |outcome| drop(tell.send(outcome))));
    told.recv().map_err(|why| why.to_string())?.map_err(|why| why.to_string())
}
