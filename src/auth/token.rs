//! A guest's token, `g1.<guest's name>.<64 hex digits>`, and the record that stands for it in the store.
//!
//! Pure: randomness and time are handed in.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::model::{UserName, Wall};

/// Names this form of token.
const FORM: &str = "g1.";

/// A token taken apart. The secret is not checked yet.
pub struct Token {
    pub user: UserName,
    secret: String,
}

/// What is kept of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// SHA-256 of the secret's text, in hex.
    hash: String,
    /// When the guest first came, in milliseconds since 1970.
    made: i64,
    /// When the token ends, in milliseconds since 1970; 0 once the guest is being removed.
    expires: i64,
}

impl Token {
    /// A token for `user`.
    pub fn new(user: UserName, random: [u8; 32]) -> Self {
        Self { user, secret: hex::encode(random) }
    }

    /// Takes a token's text apart; `None` if it is not of this form.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, secret) = text.strip_prefix(FORM)?.rsplit_once('.')?;
        let user = UserName::parse(name).ok().filter(UserName::is_guest)?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (secret.len() == 64 && secret.bytes().all(is_hex)).then(|| Self { user, secret: secret.to_owned() })
    }

    /// The token as its owner keeps it.
    pub fn reveal(&self) -> String {
        format!("{FORM}{}.{}", self.user, self.secret)
    }

    fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.secret.as_bytes()))
    }

    /// The record that will know this token again.
    pub fn record(&self, made: Wall, expires: Wall) -> Record {
        Record { hash: self.hash(), made: made.0, expires: expires.0 }
    }

    /// Whether `record` is of this token; takes as long whether it is or not.
    pub fn is_of(&self, record: &Record) -> bool {
        bool::from(self.hash().as_bytes().ct_eq(record.hash.as_bytes()))
    }
}

impl Record {
    /// Reads what the store holds; `None` if it is damaged.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// What the store holds.
    pub fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }

    /// When the token ends.
    pub fn expires(&self) -> Wall {
        Wall(self.expires)
    }

    /// The same guest, until then.
    pub fn until(&self, expires: Wall) -> Self {
        Self { expires: expires.0, ..self.clone() }
    }

    /// Whether the token has ended.
    pub fn is_over(&self, now: Wall) -> bool {
        self.expires <= now.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> UserName {
        UserName::guest("ann.b-c", [1; 5]).unwrap()
    }

    #[test]
    fn a_token_is_taken_apart_as_it_was_put_together() {
        let made = Token::new(guest(), [0xab; 32]);
        let read = Token::parse(&made.reveal()).unwrap();
        assert_eq!((read.user, read.secret), (made.user, made.secret));
    }

    #[test]
    fn what_is_no_token_is_not_taken_for_one() {
        let good = Token::new(guest(), [0xab; 32]).reveal();
        assert!(Token::parse(&good).is_some());
        let secret = "ab".repeat(32);
        for bad in [
            String::new(),
            "g1.".into(),
            good.replace("g1", "g2"),
            good[..good.len() - 1].into(),
            format!("{good}0"),
            good.to_uppercase(),
            format!("g1.ann.{secret}"),
            format!("g1.{}{secret}", guest()),
            format!("g1.{}.{}", guest(), "é".repeat(32)),
        ] {
            assert!(Token::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_record_knows_its_token_and_holds_no_secret() {
        let (token, other) = (Token::new(guest(), [1; 32]), Token::new(guest(), [2; 32]));
        let record = token.record(Wall(5), Wall(10));
        assert!(token.is_of(&record) && !other.is_of(&record));
        let bytes = record.bytes();
        assert!(!String::from_utf8_lossy(&bytes).contains(&token.secret));
        assert_eq!(Record::read(&bytes), Some(record));
        assert_eq!(Record::read(b"{}"), None);
    }
}
