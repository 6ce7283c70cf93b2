//! One request of a webhook, and what came of it.

use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::sign::sign;
use super::step::{Event, Outcome};
use crate::clock;
use crate::config::Webhook;
use crate::model::Wall;
use crate::trust;

/// How much of an answer's body is read, so that the connection can be used again.
const ANSWER_BYTES: usize = 16 << 10;
/// How long an idle connection is kept: less than servers do, so that a request does not meet one that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// Where a webhook's requests go.
pub(super) struct Sender {
    http: Client,
    url: Url,
    key: Vec<u8>,
}

impl Sender {
    /// Reads the secret, and what the system trusts.
    pub fn new(webhook: &Webhook) -> Result<Self, String> {
        let url = Url::parse(&webhook.url).map_err(|why| why.to_string())?;
        let http = Client::builder()
            .timeout(webhook.timeout)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .redirect(redirect::Policy::none())
            // What the environment says of proxies is not meant for this.
            .no_proxy()
            // It decides itself what is tried again.
            .retry(reqwest::retry::never())
            .user_agent(concat!("parlor/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(trust::tls(url.scheme() == "https")?);
        Ok(Self { http: http.build().map_err(|why| why.to_string())?, url, key: webhook.secret.key()? })
    }

    /// Tells an event. Besides what came of it, what to say of it if it was not taken.
    pub async fn send(&self, event: Event) -> (Outcome, Option<String>) {
        let seconds = clock::wall().0.div_euclid(1000);
        let request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        let request = request
            .header("webhook-signature", sign(&self.key, &event.id, seconds, &event.body))
            .header("webhook-timestamp", seconds)
            .header("webhook-id", event.id);
        match request.body(event.body.into_bytes()).send().await {
            Ok(answer) => {
                let (status, after) = (answer.status(), retry_after(&answer));
                drain(answer).await;
                if status.is_success() {
                    return (Outcome::Taken, None);
                }
                (Outcome::Failed { gone: status == StatusCode::GONE, after }, Some(format!("it answered {status}")))
            }
            Err(why) => (Outcome::Failed { gone: false, after: None }, Some(said(&why.without_url()))),
        }
    }
}

/// An error with its causes.
fn said(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}

/// Reads an answer to its end, if that is near.
async fn drain(mut answer: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES {
            return;
        }
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    wait_of(answer.headers().get(RETRY_AFTER)?.to_str().ok()?, clock::wall())
}

/// What a `Retry-After` says (RFC 9110, section 10.2.3): seconds, or a date.
fn wait_of(text: &str, now: Wall) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = DateTime::parse_from_rfc2822(text.trim()).ok()?.timestamp_millis();
    Some(Duration::from_millis(u64::try_from(then - now.0).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = Wall(784_111_777_000);
        assert_eq!(wait_of("120", now), Some(Duration::from_secs(120)));
        assert_eq!(wait_of("Sun, 06 Nov 1994 08:50:00 GMT", now), Some(Duration::from_secs(23)));
        assert_eq!(wait_of("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!((wait_of("soon", now), wait_of("-1", now)), (None, None));
    }
}
