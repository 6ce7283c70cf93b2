//! A channel on the desk: how far it was shown, and who said what of late. Pure.

use std::collections::BTreeMap;

use parlor::client::{Cursor, Message};
use parlor::model::Seq;

/// How many authors are remembered, to name whom an answer is for.
const AUTHORS: usize = 500;

/// A channel.
#[derive(Clone, Debug)]
pub struct Room {
    /// Its full name.
    pub channel: String,
    /// Whether it was joined in this run.
    pub joined: bool,
    /// Whether an earlier run was in it.
    pub known: bool,
    /// The newest that was had.
    pub cursor: Option<Cursor>,
    /// Before which older messages are asked for.
    pub oldest: Option<Seq>,
    authors: BTreeMap<Seq, String>,
}

impl Room {
    /// One that was not joined yet.
    pub fn new(channel: &str, cursor: Option<Cursor>) -> Self {
        let known = cursor.is_some();
        Self { channel: channel.to_owned(), joined: false, known, cursor, oldest: None, authors: BTreeMap::new() }
    }

    /// A message is shown.
    pub fn shown(&mut self, message: &Message) {
        self.oldest = Some(self.oldest.map_or(message.seq, |oldest| oldest.min(message.seq)));
        self.authors.insert(message.seq, message.from.clone());
        if self.authors.len() > AUTHORS {
            self.authors.pop_first();
        }
    }

    /// The log began anew.
    pub fn begin_anew(&mut self, cursor: Cursor) {
        self.cursor = Some(cursor);
        self.oldest = None;
        self.authors.clear();
    }

    /// Who said it, if that is remembered.
    pub fn author(&self, seq: Seq) -> Option<&str> {
        self.authors.get(&seq).map(String::as_str)
    }
}
