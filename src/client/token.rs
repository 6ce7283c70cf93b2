//! Who the client is, and when to refresh the token that says so: after a third of what is left of its life. Pure.

use std::time::Duration;

use super::options::Hidden;
use crate::model::{Moment, UserName, Wall};

/// Who the client is.
#[derive(Debug)]
pub(super) struct Identity {
    pub token: Option<Hidden>,
    pub guest: Option<String>,
    pub client: String,
    pub user: Option<UserName>,
}

/// The least time between two refreshes.
const LEAST: Duration = Duration::from_secs(1);
/// After a refresh that came to nothing.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// The token's life, by the server's clock.
#[derive(Debug, Default)]
pub(super) struct Token {
    /// The server's time, and ours when it was said.
    server: Option<(Wall, Moment)>,
    due: Option<Moment>,
}

impl Token {
    /// The server named its time and the token's end.
    pub fn welcomed(&mut self, now: Moment, server: Option<Wall>, expires_at: Option<Wall>) {
        self.server = server.map(|server| (server, now));
        self.lives_until(now, expires_at);
    }

    /// The token ends then; `None` for never.
    pub fn lives_until(&mut self, now: Moment, expires_at: Option<Wall>) {
        self.due = expires_at.zip(self.server).map(|(end, (server, then))| {
            let left = end.0 - server.0 - now.since(then).as_millis() as i64;
            now.after(LEAST.max(Duration::from_millis(u64::try_from(left / 3).unwrap_or(0))))
        });
    }

    /// A refresh came to nothing.
    pub fn failed(&mut self, now: Moment) {
        self.due = Some(now.after(AFTER_FAILURE));
    }

    /// The server says that its end is near.
    pub fn hurry(&mut self, now: Moment) {
        self.due = Some(now);
    }

    /// Whether to refresh it now; says so once.
    pub fn is_due(&mut self, now: Moment) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// When to refresh it.
    pub fn deadline(&self) -> Option<Moment> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_refreshed_after_a_third_of_what_is_left() {
        let mut token = Token::default();
        token.welcomed(Moment(1000), Some(Wall(5_000_000)), Some(Wall(5_090_000)));
        assert_eq!((token.deadline(), token.is_due(Moment(30_999))), (Some(Moment(31_000)), false));
        assert!(token.is_due(Moment(31_000)) && !token.is_due(Moment(31_000)));
        token.lives_until(Moment(31_000), Some(Wall(5_090_000)));
        assert_eq!(token.deadline(), Some(Moment(51_000)), "a third of a minute");
        token.lives_until(Moment(100_000), Some(Wall(5_090_000)));
        assert_eq!(token.deadline(), Some(Moment(101_000)), "its end is over");
        token.lives_until(Moment(0), None);
        assert_eq!(token.deadline(), None);
    }
}
