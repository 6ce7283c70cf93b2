//! A token, and the record that stands for it in the store: a guest's, `g1.<name>.<64 hex digits>`, or one of an account's,
//! `a1.<name>.<64 hex digits>`.
//!
//! Pure: randomness and time are handed in.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::model::{UserName, Wall};

/// What a guest's token begins with.
pub(super) const GUEST: &str = "g1.";
/// What an account's token begins with.
pub(super) const ACCOUNT: &str = "a1.";
/// How many digits of a token's hash are enough to find it among its account's.
const LABEL: usize = 16;

/// A token taken apart. The secret is not checked yet.
pub struct Token {
    pub user: UserName,
    secret: String,
}

/// What is kept of a token, and of the guest that it is the only one of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// SHA-256 of the secret's text, in hex.
    hash: String,
    /// When it was first given out, in milliseconds since 1970.
    made: i64,
    /// When it ends, in milliseconds since 1970; 0 once the guest is being removed.
    expires: i64,
    /// Of an account's token: it is void unless the account's own number is the same.
    #[serde(default, skip_serializing_if = "is_zero")]
    round: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(round: &u64) -> bool {
    *round == 0
}

impl Token {
    /// A token for `user`.
    pub fn new(user: UserName, random: [u8; 32]) -> Self {
        Self { user, secret: hex::encode(random) }
    }

    /// Takes a token's text apart; `None` if it is not of this form.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, secret) = text.get(GUEST.len()..)?.rsplit_once('.')?;
        let user = UserName::parse(name).ok().filter(|user| text.starts_with(form(user)))?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (secret.len() == 64 && secret.bytes().all(is_hex)).then(|| Self { user, secret: secret.to_owned() })
    }

    /// The token as its owner keeps it.
    pub fn reveal(&self) -> String {
        format!("{}{}.{}", form(&self.user), self.user, self.secret)
    }

    /// What an account's token is called among those of its account.
    pub fn label(&self) -> String {
        let mut hash = self.hash();
        hash.truncate(LABEL);
        hash
    }

    fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.secret.as_bytes()))
    }

    /// The record that will know this token again.
    pub fn record(&self, made: Wall, expires: Wall) -> Record {
        Record { hash: self.hash(), made: made.0, expires: expires.0, round: 0 }
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

    /// The same token, of that round of its account's.
    pub fn of_round(&self, round: u64) -> Self {
        Self { round, ..self.clone() }
    }

    /// Which round of its account's tokens it belongs to.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Whether the token was made void before its time.
    pub fn is_void(&self) -> bool {
        self.expires == 0
    }

    /// Whether the token has ended.
    pub fn is_over(&self, now: Wall) -> bool {
        self.expires <= now.0
    }
}

/// What the tokens of `user` begin with.
fn form(user: &UserName) -> &'static str {
    if user.is_guest() { GUEST } else { ACCOUNT }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged, damaged_text, many};

    fn guest() -> UserName {
        UserName::guest("ann.b-c", [1; 5]).unwrap()
    }

    #[test]
    fn a_token_is_taken_apart_as_it_was_put_together() {
        for (user, form) in [(guest(), "g1."), (UserName::parse("ann.b-c").unwrap(), "a1.")] {
            let made = Token::new(user, [0xab; 32]);
            assert!(made.reveal().starts_with(form));
            let read = Token::parse(&made.reveal()).unwrap();
            assert_eq!((read.label(), read.label().len()), (made.label(), 16));
            assert_eq!((read.user, read.secret), (made.user, made.secret));
        }
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
            good.replace("g1", "a1"),
            "é".into(),
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
        assert_eq!(Record::read(&bytes), Some(record.clone()));
        assert_eq!((record.round(), Record::read(&record.of_round(3).bytes()).unwrap().round()), (0, 3));
        assert_eq!(Record::read(b"{}"), None);
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn a_token_has_one_text_and_a_damaged_one_is_no_token_of_the_same_record(random: [u8; 32], seed: u64, one: bool) {
            let made = Token::new(if one { guest() } else { UserName::parse("ann.b-c").unwrap() }, random);
            let text = damaged_text(&made.reveal(), seed);
            if let Some(read) = Token::parse(&text) {
                prop_assert_eq!(read.reveal(), text.as_str());
                let same = read.user == made.user && read.is_of(&made.record(Wall(1), Wall(2)));
                prop_assert_eq!(same, text == made.reveal());
            }
        }

        #[test]
        fn a_damaged_record_is_none_or_says_when_it_ends(seed: u64) {
            let bytes = damaged(&Token::new(guest(), [1; 32]).record(Wall(5), Wall(10)).bytes(), seed);
            if let Some(record) = Record::read(&bytes) {
                prop_assert_eq!(record.is_over(Wall(i64::MIN)), record.expires() == Wall(i64::MIN));
            }
        }
    }
}
