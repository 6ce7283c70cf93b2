//! What is kept of an account, and where. Pure.
//!
//! An account is one record, `user/<name>`; a login is another, `token/<name>/<16 hex digits of the token's SHA-256>`. Both
//! name a round, and a login counts only in the account's own: one write that begins another round voids all of them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::token::{Record, Token};
use crate::model::{Standing, UserName, Wall};
use crate::store::Versioned;

/// Below this prefix the store keeps accounts.
pub(super) const PREFIX: &str = "user/";

/// An account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    /// What is kept of its password: a PHC string, or nothing if another service vouches for its owner.
    pub password: String,
    /// When it was made, in milliseconds since 1970.
    pub made: i64,
    /// Whether it is an operator's.
    #[serde(default)]
    pub operator: bool,
    /// Whether nobody is let in by it.
    #[serde(default)]
    pub disabled: bool,
    /// Whether another service vouches for its owner, by tokens that it signs.
    #[serde(default)]
    pub external: bool,
    /// Before when tokens of another service are void, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since: i64,
    /// Which round of its tokens counts.
    pub round: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(since: &i64) -> bool {
    *since == 0
}

impl Account {
    /// A new one.
    pub fn new(password: String, made: Wall) -> Self {
        Self { password, made: made.0, operator: false, disabled: false, external: false, since: 0, round: 1 }
    }

    /// Reads what the store holds; `None` if it is damaged.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// What the store holds.
    pub fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }

    /// In which standing its user speaks.
    pub fn standing(&self) -> Standing {
        if self.operator { Standing::Operator } else { Standing::Account }
    }

    /// Whether a token of this account lets anybody in.
    pub fn honours(&self, token: &Record, now: Wall) -> bool {
        !self.disabled && token.round() == self.round && !token.is_over(now)
    }
}

/// The keys of those of an account's tokens that have to go before it gets another one: all that are void, and of the
/// others those that would end first, so that fewer than `most` are left.
pub(super) fn surplus(rows: &[(String, Versioned)], account: &Account, most: usize, now: Wall) -> Vec<String> {
    let read = |row: &Versioned| Record::read(&row.value).filter(|token| account.honours(token, now));
    let (mut good, mut gone) = (Vec::new(), Vec::new());
    for (key, row) in rows {
        match read(row) {
            Some(token) => good.push((token.expires(), key)),
            // Of a later round than this account's, which was read before that began: somebody else's to judge.
            None if Record::read(&row.value).is_some_and(|token| token.round() > account.round) => {}
            None => gone.push(key.clone()),
        }
    }
    good.sort_unstable();
    let many = (good.len() + 1).saturating_sub(most);
    gone.extend(good.into_iter().take(many).map(|(_, key)| key.clone()));
    gone
}

/// Where an account is kept.
pub(super) fn key(user: &UserName) -> String {
    format!("{PREFIX}{user}")
}

/// What the keys of an account's tokens begin with.
pub(super) fn tokens_prefix(user: &UserName) -> String {
    format!("token/{user}/")
}

/// Where a token is kept.
pub(super) fn token_key(token: &Token) -> String {
    format!("{}{}", tokens_prefix(&token.user), token.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> UserName {
        UserName::parse("ann").unwrap()
    }

    /// A token's row: of that round, and until then.
    fn row(n: u8, round: u64, expires: i64) -> (String, Versioned) {
        let token = Token::new(ann(), [n; 32]);
        let record = token.record(Wall(0), Wall(expires)).of_round(round);
        (token_key(&token), Versioned { version: 1, value: record.bytes() })
    }

    #[test]
    fn an_account_is_read_as_it_was_written() {
        let account = Account { operator: true, round: 7, ..Account::new("$x".into(), Wall(5)) };
        let read = Account::read(&account.bytes()).unwrap();
        assert!(read == account && read.standing() == Standing::Operator);
        assert!(Account::read(b"{}").is_none());
        assert_eq!(Account::new(String::new(), Wall(0)).standing(), Standing::Account);
    }

    #[test]
    fn a_token_of_another_round_or_time_or_of_a_disabled_account_is_not_honoured() {
        let account = Account { round: 2, ..Account::new(String::new(), Wall(0)) };
        let token = |round| Record::read(&row(1, round, 10).1.value).unwrap();
        assert!(account.honours(&token(2), Wall(9)));
        assert!(!account.honours(&token(2), Wall(10)) && !account.honours(&token(1), Wall(9)));
        let disabled = Account { disabled: true, ..account };
        assert!(!disabled.honours(&token(2), Wall(9)));
    }

    #[test]
    fn the_void_go_and_then_those_that_would_end_first() {
        let account = Account { round: 2, ..Account::new(String::new(), Wall(0)) };
        let rows = [row(1, 2, 50), row(2, 2, 30), row(3, 2, 40), row(4, 1, 90), row(5, 2, 10), row(6, 3, 90)];
        let gone = |most| {
            let mut gone = surplus(&rows, &account, most, Wall(10));
            gone.sort_by_key(|key| rows.iter().position(|(row, _)| row == key));
            gone.iter().map(|key| rows.iter().position(|(row, _)| row == key).unwrap() + 1).collect::<Vec<_>>()
        };
        assert_eq!(gone(4), [4, 5]);
        assert_eq!(gone(3), [2, 4, 5]);
        assert_eq!(gone(1), [1, 2, 3, 4, 5]);
        assert_eq!(gone(usize::MAX), [4, 5]);
    }
}
