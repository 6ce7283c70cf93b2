//! A message, as a channel numbers it and the store keeps it.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;

use super::{Seq, UserName, Wall};

/// An idempotency key: 1 to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// What sort of message: absent for plain words, else a name such as `x-poll`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(Arc<str>);

macro_rules! short_text {
    ($name:ident) => {
        impl $name {
            /// The longest, in bytes.
            pub const MAX: usize = 64;

            /// Takes 1 to 64 bytes; `None` for anything else.
            pub fn new(text: &str) -> Option<Self> {
                (1..=Self::MAX).contains(&text.len()).then(|| Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

short_text!(Key);
short_text!(Kind);

/// One message with its place. Immutable and cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place in the channel.
    pub seq: Seq,
    /// When the channel took it; never goes back within a channel.
    pub at: Wall,
    /// Who said it.
    pub from: UserName,
    /// The sender's idempotency key.
    pub key: Option<Key>,
    /// What sort of message; absent for plain words.
    pub kind: Option<Kind>,
    /// The message that it answers.
    pub reply_to: Option<Seq>,
    /// A JSON object, as the sender wrote it.
    pub body: ByteString,
}

impl Message {
    /// A message for tests: `ann` says nothing.
    #[cfg(test)]
    pub(crate) fn sample(seq: Seq, at: Wall) -> Self {
        let from = UserName::parse("ann").unwrap();
        Self { seq, at, from, key: None, kind: None, reply_to: None, body: "{}".into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::many;

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn a_key_is_any_text_of_1_to_64_bytes_to_the_letter(text in "\\PC{0,40}|[ -~]{60,68}|é{30,34}") {
            let key = Key::new(&text);
            prop_assert_eq!(key.is_some(), (1..=64).contains(&text.len()));
            prop_assert!(key.is_none_or(|key| key.as_str() == text));
        }
    }
}
