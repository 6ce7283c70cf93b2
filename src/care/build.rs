//! A channel's rows, made of its messages one after the other.

use bytes::{Bytes, BytesMut};

use super::fault::Stop;
use crate::model::{ChannelName, Hour, MAX_SEQ, Message};
use crate::store::entry::{Entry, Mark};
use crate::store::{Kept, block, keys, record, seal};

/// A row to be written.
pub(super) type Row = (Bytes, Option<Bytes>);

/// How much is gathered before it is handed out, in bytes.
const PAGE: usize = 512 << 10;
/// How many messages are cut into blocks together.
const CUT: usize = 500;

/// A channel under way.
pub(super) struct Build {
    name: ChannelName,
    entry: Entry,
    /// Where it ends now.
    head: Mark,
    hour: Option<Hour>,
    batch: Vec<Message>,
    rows: Vec<Row>,
    bytes: usize,
}

impl Build {
    /// A channel that begins behind its anchor.
    pub(super) fn new(name: ChannelName, entry: Entry) -> Self {
        Self { name, entry, head: entry.anchor, hour: None, batch: Vec::new(), rows: Vec::new(), bytes: 0 }
    }

    /// The next message.
    pub(super) fn add(&mut self, kept: Kept) -> Result<(), Stop> {
        let Kept { message, erased } = kept;
        let last = self.batch.last().map_or((self.head.seq, self.head.at), |last| (last.seq, last.at));
        let refused = |why: String| Stop::File(format!("{} {}: {why}", self.name, message.seq));
        if message.seq != last.0 + 1 || message.seq > MAX_SEQ {
            return Err(refused(format!("expected {}", last.0 + 1)));
        }
        if last.0 > 0 && message.at < last.1 {
            return Err(refused(format!("it is of {}, before the one before it", message.at)));
        }
        if !block::fits(&message) {
            return Err(refused("it is too long".into()));
        }
        let hour = message.at.hour();
        if self.hour != Some(hour) {
            self.hour = Some(hour);
            let key = keys::hour(self.entry.id, hour);
            let value = seal::number(&key, message.seq);
            self.row(key, value);
        }
        match erased {
            None => self.batch.push(message),
            Some(body) => {
                self.cut();
                let key = keys::block(self.entry.id, message.seq);
                let (mut out, at) = (BytesMut::new(), message.at);
                let hash = record::write_erased(&mut out, &message, body, self.head.hash);
                let value = seal::seal_long(&key, out.len(), |value| value.extend_from_slice(&out));
                self.head = Mark { seq: message.seq, at, hash };
                self.row(key, value);
            }
        }
        if self.batch.len() >= CUT {
            self.cut();
        }
        Ok(())
    }

    fn row(&mut self, key: Vec<u8>, value: Bytes) {
        self.bytes += key.len() + value.len();
        self.rows.push((key.into(), Some(value)));
    }

    fn cut(&mut self) {
        let Some((seq, at)) = self.batch.last().map(|last| (last.seq, last.at)) else { return };
        let (rows, hash) = block::cut(self.entry.id, &self.batch, self.head.hash);
        self.batch.clear();
        rows.into_iter().for_each(|row| self.row(row.key, row.value));
        self.head = Mark { seq, at, hash };
    }

    /// What is ready to be written, once it is worth it.
    pub(super) fn ready(&mut self) -> Option<Vec<Row>> {
        if self.bytes < PAGE {
            return None;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.rows))
    }

    /// Its last rows, and the channel with its end.
    pub(super) fn end(mut self) -> (ChannelName, Entry, Vec<Row>) {
        self.cut();
        (self.name, Entry { head: self.head, ..self.entry }, self.rows)
    }
}

/// The rows by which a channel is there: its own, and that of the index.
pub(super) fn channel_rows(name: &ChannelName, entry: &Entry, private: bool) -> Vec<Row> {
    let key = keys::channel(name.as_str());
    let value = entry.seal(&key);
    let mut rows = vec![(key.into(), Some(value))];
    if !name.is_direct() {
        let key = keys::listed(private, name.as_str());
        let value = seal::number(&key, entry.id);
        rows.push((key.into(), Some(value)));
    }
    rows
}

/// One of the store's own numbers.
pub(super) fn number(name: &str, number: u64) -> Row {
    let key = keys::store(name);
    let value = seal::number(&key, number);
    (key.into(), Some(value))
}
