//! What an operator has done about accounts, from the command line: on the store itself, or through the server that has it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::account::{self, Account, key};
use super::accounts::{Accounts, TRIES};
use super::password::Password;
use super::shelf::PAGE;
use super::{AccountError, AuthError, Gate};
use crate::model::{UserName, Wall};
use crate::store::MetaOp;

/// A day, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Make an account, whatever registration is.
    Add {
        /// Its name.
        user: String,
        /// Its password.
        #[serde(serialize_with = "Password::reveal")]
        password: Password,
        /// Whether it is an operator's.
        operator: bool,
    },
    /// Name the accounts that follow this name.
    List {
        /// The name, itself not among them.
        after: Option<String>,
    },
    /// Let nobody in by this account, and end its sessions.
    Disable(String),
    /// Let its owner in again, by a new login.
    Enable(String),
    /// Give an account another password. All its tokens are void then.
    Password {
        /// Its name.
        user: String,
        /// The new one.
        #[serde(serialize_with = "Password::reveal")]
        password: Password,
    },
    /// Make an account an operator's, or not.
    Role {
        /// Its name.
        user: String,
        /// Whether it is an operator's.
        operator: bool,
    },
    /// Make an invitation.
    Invite {
        /// How many accounts may be made by it.
        uses: u32,
        /// For how many days.
        days: u32,
    },
}

/// What came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It is done.
    Done,
    /// Accounts by name, ascending, and whether more follow.
    Accounts(Vec<Row>, bool),
    /// An invitation's code.
    Code(String),
}

/// An account as operators see it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub user: String,
    /// Whether it is an operator's.
    pub operator: bool,
    /// Whether nobody is let in by it.
    pub disabled: bool,
    /// How its owner gets in.
    pub login: Login,
    /// When it was made, in milliseconds since 1970.
    pub made: i64,
}

/// How an account's owner gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// By a password.
    Password,
    /// By tokens of another service.
    External,
    /// By a token that it was given, until it is given a password.
    Token,
}

/// Why it was not done.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum OrderError {
    /// There is no such account.
    #[error("there is no account {0:?}")]
    Unknown(String),
    /// What would be said to a client, too.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<AuthError> for OrderError {
    fn from(error: AuthError) -> Self {
        Self::Account(error.into())
    }
}

impl Gate {
    /// Does what an operator wants done. It is on disk when this returns.
    pub async fn obey(&self, order: Order, now: Wall) -> Result<Report, OrderError> {
        let accounts = &self.accounts;
        match order {
            Order::Add { user, password, operator } => {
                let (user, kept) = accounts.prepare(&user, password).await?;
                let account = Account { operator, ..Account::new(kept, now) };
                let made = accounts.shelf.try_write(vec![MetaOp::Create(key(&user), account.bytes())]).await?;
                if made { Ok(Report::Done) } else { Err(AccountError::Taken.into()) }
            }
            Order::List { after } => accounts.list(after).await,
            Order::Disable(user) => {
                let disable = |account: &mut Account| {
                    account.disabled = true;
                    account.since = now.0;
                    account.round += 1;
                };
                self.change(&user, disable).await
            }
            Order::Enable(user) => self.change(&user, |account| account.disabled = false).await,
            Order::Password { user, password } => {
                if accounts.is_external(&user).await? {
                    return Err(AccountError::NoAccount.into());
                }
                password.is_fit(&user).map_err(AccountError::Weak)?;
                let hashed = accounts.hasher.aside(move |hasher| hasher.hash(&password)).await;
                let kept = hashed.and_then(|hashed| hashed).map_err(AccountError::from)?;
                let renew = |account: &mut Account| {
                    account.password.clone_from(&kept);
                    account.round += 1;
                };
                self.change(&user, renew).await
            }
            Order::Role { user, operator } => self.change(&user, |account| account.operator = operator).await,
            Order::Invite { uses, days } => {
                let expires = Wall(now.0.saturating_add(i64::from(days) * DAY_MS));
                Ok(Report::Code(accounts.invites.make(uses, expires).await?))
            }
        }
    }

    async fn change(&self, name: &str, change: impl Fn(&mut Account)) -> Result<Report, OrderError> {
        let user = UserName::account(name).map_err(AccountError::Name)?;
        let changed = self.accounts.change(&user, change).await;
        if let Err(OrderError::Account(AccountError::Auth(_))) = &changed {
            self.unknown(user);
        }
        changed
    }
}

impl Accounts {
    async fn is_external(&self, name: &str) -> Result<bool, OrderError> {
        let user = UserName::account(name).map_err(AccountError::Name)?;
        let found = self.shelf.get(key(&user)).await?;
        Ok(found.and_then(|found| Account::read(&found.value)).is_some_and(|account| account.external))
    }

    async fn change(&self, user: &UserName, change: impl Fn(&mut Account)) -> Result<Report, OrderError> {
        for _ in 0..TRIES {
            let found = self.shelf.get(key(user)).await?.ok_or_else(|| OrderError::Unknown(user.to_string()))?;
            let damaged = || AuthError::Unavailable("its record is damaged".into());
            let mut account = Account::read(&found.value).ok_or_else(damaged)?;
            change(&mut account);
            if self.shelf.try_write(vec![MetaOp::Swap(key(user), found.version, account.bytes())]).await? {
                return Ok(Report::Done);
            }
        }
        Err(AuthError::Unavailable("others change it all the time".into()).into())
    }

    async fn list(&self, after: Option<String>) -> Result<Report, OrderError> {
        let after = after.map(|name| format!("{}{name}", account::PREFIX));
        let page = self.shelf.list(account::PREFIX.to_owned(), after).await?;
        let more = page.len() == PAGE;
        let row = |(key, row): (String, crate::store::Versioned)| {
            let Account { operator, disabled, external, made, password, .. } = Account::read(&row.value)?;
            let login = match (external, password.is_empty()) {
                (true, _) => Login::External,
                (false, true) => Login::Token,
                (false, false) => Login::Password,
            };
            Some(Row { user: key[account::PREFIX.len()..].to_owned(), operator, disabled, login, made })
        };
        Ok(Report::Accounts(page.into_iter().filter_map(row).collect(), more))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::model::cases::{damaged_text, many};

    const ORDERS: [&str; 4] = [
        r#"{"add":{"user":"ann","password":"correct horse","operator":false}}"#,
        r#"{"list":{"after":"ann"}}"#,
        r#"{"password":{"user":"ann","password":"correct horse"}}"#,
        r#"{"invite":{"uses":3,"days":7}}"#,
    ];

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn a_damaged_order_is_none_or_shows_no_password(whole in select(&ORDERS[..]), seed: u64) {
            if let Ok(order) = serde_json::from_str::<Order>(&damaged_text(whole, seed)) {
                let shown = format!("{order:?}");
                prop_assert!(!shown.contains("correct horse"), "{}", shown);
            }
        }
    }
}
