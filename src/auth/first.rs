//! The first operator: an account that a new store begins with, and a token for it that does not end.

use std::io;

use thiserror::Error;

use super::account::{Account, key, token_key};
use super::token::Token;
use super::{AuthError, Gate};
use crate::clock;
use crate::model::{NameError, UserName, Wall};
use crate::store::MetaOp;

/// The first operator's name.
const NAME: &str = "operator";
/// When the token ends: with the last year of four digits.
const NEVER: Wall = Wall(253_402_300_799_000);

/// Why there is no first operator.
#[derive(Debug, Error)]
pub enum FirstError {
    /// The store did not answer.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The token could not be kept.
    #[error("the token could not be written: {0}")]
    Kept(#[from] io::Error),
    /// Somebody has made an account of that name meanwhile.
    #[error("there is an account of that name already")]
    Taken,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Gate {
    /// Makes the first operator's account, unless the store has had one, and has `keep` write down its token before the
    /// token counts. Returns whether it did. The account has no password until it is given one.
    pub async fn first_operator(
        &self,
        now: Wall,
        keep: impl FnOnce(&str) -> io::Result<()>,
    ) -> Result<bool, FirstError> {
        let user = UserName::account(NAME)?;
        let store = &self.accounts.shelf;
        if store.get(key(&user)).await?.is_some() {
            return Ok(false);
        }
        let account = Account { operator: true, ..Account::new(String::new(), now) };
        let token = Token::new(user.clone(), clock::random());
        keep(&token.reveal())?;
        let record = token.record(now, NEVER).of_round(account.round).bytes();
        let ops = vec![MetaOp::Create(key(&user), account.bytes()), MetaOp::Create(token_key(&token), record)];
        if store.try_write(ops).await? { Ok(true) } else { Err(FirstError::Taken) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::auth::memory_meta::MemoryMeta;
    use crate::auth::{AccountError, Blocking, Order, Password, Report};
    use crate::config::{Argon2, Config};
    use crate::model::Standing;

    fn gate() -> Gate {
        let mut config = Config::default();
        config.auth.argon2 = Argon2 { memory_kib: 8, passes: 1, lanes: 1, at_once: 2 };
        let aside: Blocking = Arc::new(|read| drop(std::thread::spawn(read)));
        Gate::new(&config, Arc::new(MemoryMeta::default()) as _, aside).unwrap()
    }

    async fn first(gate: &Gate) -> Option<String> {
        let kept = Mutex::new(None);
        let made = gate.first_operator(Wall(0), |token| {
            *kept.lock() = Some(token.to_owned());
            Ok(())
        });
        made.await.unwrap().then(|| kept.into_inner().unwrap())
    }

    #[actix::test]
    async fn the_first_operators_token_is_good_for_ever_and_made_once() {
        let gate = gate();
        let token = first(&gate).await.unwrap();
        assert_eq!(first(&gate).await, None);
        let long_after = Wall(100 * 365 * 86_400_000);
        for found in [gate.check(&token, long_after).await, gate.refresh(&token, long_after).await] {
            let found = found.unwrap();
            assert_eq!((found.user.as_str(), found.standing, found.expires_at), (NAME, Standing::Operator, NEVER));
        }
    }

    #[actix::test]
    async fn nobody_logs_in_as_the_first_operator_until_it_is_given_a_password() {
        let gate = gate();
        let token = first(&gate).await.unwrap();
        for tried in ["", "correct horse"] {
            let login = gate.login(NAME, Password::new(tried), None, Wall(0)).await;
            assert_eq!(login.unwrap_err(), AccountError::Wrong);
        }
        let given = Order::Password { user: NAME.into(), password: Password::new("correct horse") };
        assert_eq!(gate.obey(given, Wall(0)).await.unwrap(), Report::Done);
        let login = gate.login(NAME, Password::new("correct horse"), None, Wall(0)).await.unwrap();
        assert_eq!(login.standing, Standing::Operator);
        assert_eq!(gate.check(&token, Wall(0)).await, Err(AuthError::Unauthenticated), "the first token is void then");
    }

    #[actix::test]
    async fn a_token_that_could_not_be_kept_makes_no_account() {
        let gate = gate();
        let full = gate.first_operator(Wall(0), |_| Err(io::ErrorKind::StorageFull.into())).await;
        assert!(matches!(full, Err(FirstError::Kept(_))));
        assert!(first(&gate).await.is_some(), "it is made at the next start");
    }
}
