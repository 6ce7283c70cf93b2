//! What is given to and got from single commands. Pure.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error::Error;
use super::event::Message;
use super::frames::Words;
use super::outbox::Base;
use crate::model::{Cursor, Epoch, Seq};

/// A publish that is to be made.
#[derive(Clone, Debug)]
pub struct Draft {
    body: Value,
    kind: Option<String>,
    reply_to: Option<Seq>,
    key: Option<(String, Option<Cursor>)>,
}

impl Draft {
    /// With this body, which has to be an object.
    pub fn new(body: Value) -> Self {
        Self { body, kind: None, reply_to: None, key: None }
    }

    /// With these words.
    pub fn text(text: &str) -> Self {
        Self::new(json!({"text": text}))
    }

    /// Of this kind; an application's own begin with `x-`.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Answering this message.
    #[must_use]
    pub fn answers(mut self, seq: Seq) -> Self {
        self.reply_to = Some(seq);
        self
    }

    /// Under a key of the application's own, which may have been used before: by an earlier client, say. `base` is the
    /// newest message that was known when the key was first used.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>, base: Option<Cursor>) -> Self {
        self.key = Some((key.into(), base));
        self
    }

    /// What goes over the wire, under the key given here if it has none, and the base that it came with.
    pub(super) fn words(self, channel: &str, key: String) -> Result<(Words, Base), Error> {
        if !self.body.is_object() {
            return Err(Error::Invalid("a body has to be an object".into()));
        }
        let body = RawValue::from_string(self.body.to_string()).map_err(|why| Error::Invalid(why.to_string()))?;
        let (key, base) = self.key.map_or((key, Base::Unsent), |(key, base)| (key, Base::Is(base)));
        if !(1..=64).contains(&key.len()) {
            return Err(Error::Invalid(format!("a key has 1 to 64 bytes, this one has {}", key.len())));
        }
        Ok((Words { channel: channel.to_owned(), body, key, kind: self.kind, reply_to: self.reply_to }, base))
    }
}

/// A page of a channel's log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct History {
    /// Where.
    pub channel: String,
    /// The life of its log.
    pub epoch: Epoch,
    /// The oldest message that is kept.
    pub first: Seq,
    /// The newest.
    pub head: Seq,
    /// In ascending order.
    pub messages: Vec<Message>,
    /// Whether there are more in the direction read.
    pub more: bool,
}

impl History {
    pub(super) fn with_epochs(mut self) -> Self {
        for message in &mut self.messages {
            message.epoch = self.epoch.clone();
        }
        self
    }
}

/// Who hears a channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Who {
    /// Names, ascending.
    pub users: Vec<String>,
    /// How many there are in all.
    pub count: u64,
    /// Whether there are more names.
    pub more: bool,
}

/// The channels that the user is a member of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Channels {
    /// By name, ascending.
    pub channels: Vec<ChannelRow>,
    /// Whether there are more.
    pub more: bool,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ChannelRow {
    /// Its name.
    pub channel: String,
    /// The life of its log.
    pub epoch: Epoch,
    /// Its newest message.
    pub head: Seq,
    /// Up to where the user has read.
    pub read: Seq,
    /// How many the user has not.
    pub unread: u64,
    /// What the user is there.
    pub role: String,
}

/// Reads an answer.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|why| Error::Answer(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_is_a_body_and_a_key_has_its_bounds() {
        let words = |draft: Draft| draft.words("a", "k".into());
        assert!(matches!(words(Draft::new(json!("hi"))), Err(Error::Invalid(_))));
        assert!(matches!(words(Draft::text("hi").key("", None)), Err(Error::Invalid(_))));
        let (plain, base) = words(Draft::text("hi").kind("x-a").answers(3)).unwrap();
        assert_eq!((plain.key.as_str(), plain.body.get(), base), ("k", r#"{"text":"hi"}"#, Base::Unsent));
        let (used, base) = words(Draft::text("hi").key("mine", None)).unwrap();
        assert_eq!((used.key.as_str(), base), ("mine", Base::Is(None)));
    }
}
