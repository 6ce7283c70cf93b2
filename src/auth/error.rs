//! Why someone was not let in, or an account not made, and what a client is told of it.

use thiserror::Error;

use super::password::ROOM_AFTER;
use crate::model::NameError;
use crate::protocol::{ErrorCode, Problem};

/// Why someone was not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    /// The token is not one of ours, or has expired.
    #[error("the token is unknown or has expired")]
    Unauthenticated,
    /// Guests are off.
    #[error("guests are not let in here")]
    Forbidden,
    /// The store did not answer.
    #[error("nobody can be let in now: {0}")]
    Unavailable(String),
    /// The wished name is none.
    #[error(transparent)]
    BadName(#[from] NameError),
}

/// Why an account was not made, or nobody let in by its password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccountError {
    /// The name is none.
    #[error("user: {0}")]
    Name(NameError),
    /// The password may not be chosen.
    #[error("password: {0}")]
    Weak(&'static str),
    /// The name is somebody's.
    #[error("the name is taken")]
    Taken,
    /// Nobody may make an account.
    #[error("accounts are not made here")]
    Closed,
    /// There is no such account, the password is not its, or it is disabled: nobody is told which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// No such invitation, or none any more.
    #[error("the invitation's code is not good")]
    Code,
    /// A guest, or one whom another service vouches for, asked for what only an account with a password has.
    #[error("there is no password here that could be changed")]
    NoAccount,
    /// Too many attempts; another one after so many milliseconds.
    #[error("too many attempts")]
    Early(u64),
    /// Too many passwords are being looked at.
    #[error("too many log in at once")]
    Full,
    /// What the token or the store has to say.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl From<&AuthError> for Problem {
    fn from(error: &AuthError) -> Self {
        let text = error.to_string();
        match error {
            AuthError::Unauthenticated => Self::new(ErrorCode::Unauthenticated, text),
            AuthError::Forbidden => Self::new(ErrorCode::Forbidden, text),
            AuthError::Unavailable(_) => Self::unavailable(text),
            AuthError::BadName(_) => Self::bad_frame(text),
        }
    }
}

impl From<&AccountError> for Problem {
    fn from(error: &AccountError) -> Self {
        let text = error.to_string();
        match error {
            AccountError::Name(_) | AccountError::Weak(_) => Self::bad_frame(text),
            AccountError::Taken => Self::new(ErrorCode::Conflict, text),
            AccountError::Closed | AccountError::Code | AccountError::NoAccount => {
                Self::new(ErrorCode::Forbidden, text)
            }
            AccountError::Early(wait) => Self::new(ErrorCode::RateLimited, text).retry_after(*wait),
            AccountError::Wrong => Self::new(ErrorCode::Unauthenticated, text),
            AccountError::Full => Self::new(ErrorCode::Overloaded, text).retry_after(ROOM_AFTER.as_millis() as u64),
            AccountError::Auth(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_too_early_is_told_when_to_come_again() {
        let full = Problem::from(&AccountError::Full);
        assert_eq!((full.code, full.retry_after_ms), (ErrorCode::Overloaded, Some(2000)));
        let early = Problem::from(&AccountError::Early(7));
        assert_eq!((early.code, early.retry_after_ms), (ErrorCode::RateLimited, Some(7)));
    }

    #[test]
    fn no_refusal_tells_whether_there_is_an_account() {
        let said = |error: AccountError| Problem::from(&error).message;
        assert!(!said(AccountError::Wrong).contains("account") && !said(AccountError::Full).contains("account"));
        assert!(!said(AccountError::Early(1)).contains("account"));
    }
}
