//! Where a webhook begins: at the head of each of its channels, when it is there for the first time. A channel that is made
//! later is told of from its first message on. Blocks on the disk.

use std::sync::mpsc;

use bytes::Bytes;

use super::read::{adopt, kept};
use super::records::{begun_key, cursor_bytes, cursor_key};
use crate::config::Webhook;
use crate::model::Cursor;
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
        if meta.get(&key).map_err(told)?.is_some_and(|record| record.value == with) {
            continue;
        }
        let mut after = None;
        loop {
            let page = log.channels(after.as_ref(), PAGE).map_err(told)?;
            let mut ops = Vec::new();
            for (name, head) in page.iter().filter(|(name, _)| webhook.holds(name)) {
                let seq = match kept(meta, &webhook.name, name).map_err(told)? {
                    Some(cursor) if cursor.epoch == head.epoch => continue,
                    Some(cursor) => adopt(Some(&cursor), head).0,
                    None => head.seq,
                };
                let cursor = Cursor { epoch: head.epoch.clone(), seq };
                ops.push(MetaOp::Put(cursor_key(&webhook.name, name), cursor_bytes(&cursor)));
            }
            write(meta, ops)?;
            after = page.last().map(|(name, _)| name.clone());
            if page.len() < PAGE {
                break;
            }
        }
        write(meta, vec![MetaOp::Put(key, Bytes::from(with))])?;
        log::info!("webhook {} begins", webhook.name);
    }
    Ok(())
}

fn write(meta: &dyn Meta, ops: Vec<MetaOp>) -> Result<(), String> {
    if ops.is_empty() {
        return Ok(());
    }
    let (tell, told) = mpsc::channel();
    meta.write(ops, Box::new(move |outcome| drop(tell.send(outcome))));
    told.recv().map_err(|why| why.to_string())?.map_err(|why| why.to_string())
}
