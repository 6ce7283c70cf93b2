//! How a client's session ends, and waiting for it.

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::client::{Client, DEADLINE};
use super::link::Transport;

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With this close code.
    Closed(u16),
    /// Without one.
    Gone(String),
}

impl Client {
    /// Waits for the end, whatever it is, and keeps what came before.
    pub async fn end(&mut self) -> End {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(end) = &self.end {
                return end.clone();
            }
            match timeout_at(until, self.line.heard.recv()).await {
                Ok(heard) => self.file(heard),
                Err(_) => self.fail("the session did not end"),
            }
        }
    }

    /// Waits for the end, which has to come with this close code.
    pub async fn ends_with(&mut self, code: u16) {
        let end = self.end().await;
        if end != End::Closed(code) {
            self.fail(&format!("expected close code {code}, got {end:?}"));
        }
    }

    /// Waits for the end that a stopping server brings, which is 1001. A client of long-poll that is not at its poll in
    /// that moment, because events keep coming, may find nobody there any more when it is.
    pub async fn is_drained(&mut self) {
        match self.end().await {
            End::Closed(1001) => {}
            End::Gone(_) if self.way() == Transport::LongPoll => {}
            end => self.fail(&format!("expected close code 1001, got {end:?}")),
        }
    }

    /// Waits for the end, which has to come with this close code after an `error` that names it and has this code.
    ///
    /// Over long-poll a hello is refused by an answer that no close follows, and whoever comes for the events of a
    /// session that has ended is told the close with a `not_found`.
    pub async fn is_shut_out(&mut self, error: &str, code: u16) {
        self.ends_with(code).await;
        let last = self.last.clone();
        let said = (last["code"].as_str().unwrap_or_default(), last.get("close").and_then(Value::as_u64));
        let fits = match self.way() {
            Transport::WebSocket => said == (error, Some(code.into())),
            _ if self.welcome().is_null() => said == (error, None),
            _ => said == (error, Some(code.into())) || said == ("not_found", Some(code.into())),
        };
        if last["type"] != "error" || !fits {
            self.fail(&format!("expected an error {error} with close {code} before the end, got {last}"));
        }
    }

    /// Whether the session has ended, as far as has been heard.
    pub fn has_ended(&mut self) -> bool {
        while let Ok(heard) = self.line.heard.try_recv() {
            self.file(Some(heard));
        }
        self.end.is_some()
    }
}
