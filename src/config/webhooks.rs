//! `[[webhooks]]`: whom to tell of what happens, by signed requests. What is written, and what it means.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::load::quoted;
use super::raw::HIDDEN;
use crate::model::ChannelName;

/// The shortest secret, in bytes.
const SECRET_BYTES: usize = 16;
/// What a secret begins with of which the rest is Base64, as libraries for Standard Webhooks have it.
const SECRET_PREFIX: &str = "whsec_";
/// The longest name.
const NAME_BYTES: usize = 64;
/// Events by their names.
const EVENTS: [&str; 3] = ["message", "member", "presence"];

/// One of them, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    name: String,
    url: String,
    secret: String,
    secret_file: String,
    events: Vec<String>,
    channels: Vec<String>,
    backlog: u64,
    timeout_ms: u64,
    retry_max_s: u64,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            secret: String::new(),
            secret_file: String::new(),
            events: vec!["message".into()],
            channels: vec!["*".into()],
            backlog: 100_000,
            timeout_ms: 10_000,
            retry_max_s: 24 * 3600,
        }
    }
}

/// Whom to tell of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// What it is called: in the metrics, in the log, and on disk.
    pub name: String,
    /// Where its requests go.
    pub url: String,
    /// What they are signed with.
    pub secret: Secret,
    /// Whether it is told of messages.
    pub messages: bool,
    /// Whether it is told of those who become members or are so no more.
    pub members: bool,
    /// Whether it is told of those who come online or go.
    pub presence: bool,
    /// Of which channels: names, or beginnings of names with `*` behind them; direct ones by a pattern with `@` alone.
    pub channels: Vec<String>,
    /// How many events may wait: of each channel's messages, and of all others together.
    pub backlog: u64,
    /// How long a request may take.
    pub timeout: Duration,
    /// For how long an event is tried.
    pub retry_max: Duration,
}

impl Webhook {
    /// Whether a channel is one of those that it is told of.
    pub fn holds(&self, channel: &ChannelName) -> bool {
        holds(&self.channels, channel)
    }
}

/// Whether a channel is one of those that these names and beginnings of names mean.
pub fn holds(patterns: &[String], channel: &ChannelName) -> bool {
    let name = channel.as_str();
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning) && channel.is_direct() == beginning.starts_with('@'),
        None => name == pattern,
    })
}

/// What requests are signed with.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// This.
    Text(String),
    /// What is in a file.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Secret {
    /// The key's bytes; reads the file, if it is in one. Says what is wrong with it, but never the secret.
    pub fn key(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => key(text),
            Self::File(path) => {
                let said = |why: String| format!("{}: {why}", path.display());
                let text = std::fs::read_to_string(path).map_err(|why| said(why.to_string()))?;
                key(text.trim_end()).map_err(said)
            }
        }
    }
}

fn key(text: &str) -> Result<Vec<u8>, String> {
    let key = match text.strip_prefix(SECRET_PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| format!("expected Base64 behind {SECRET_PREFIX}"))?,
        None => text.as_bytes().to_vec(),
    };
    let len = key.len();
    if len < SECRET_BYTES {
        Err(format!("expected a secret of at least {SECRET_BYTES} bytes, got {len}"))
    } else {
        Ok(key)
    }
}

impl Check<'_> {
    /// What they mean, each by itself and all together.
    pub(super) fn webhooks(&mut self, written: Vec<Written>) -> Vec<Webhook> {
        let mut names = BTreeSet::new();
        let all = written.into_iter().enumerate().map(|(at, one)| {
            let webhook = self.webhook(&format!("webhooks[{at}]"), one);
            if !names.insert(webhook.name.clone()) {
                self.refuse(&format!("webhooks[{at}].name"), quoted(&webhook.name), "a name that no other one has");
            }
            webhook
        });
        all.collect()
    }

    fn webhook(&mut self, at: &str, written: Written) -> Webhook {
        let key = |name: &str| format!("{at}.{name}");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_BYTES).contains(&written.name.len()) || !written.name.chars().all(plain) {
            let expected = format!("1 to {NAME_BYTES} of a-z, 0-9 and -");
            self.refuse(&key("name"), quoted(&written.name), expected);
        }
        let sound = |url: &Url| {
            let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && bare
        };
        if !Url::parse(&written.url).is_ok_and(|url| sound(&url)) {
            // It is not shown: there may be a password in it.
            let expected = "an address as \"https://example.org/hook\", without a user, a password or a fragment";
            self.refuse(&key("url"), HIDDEN, expected);
        }
        for event in &written.events {
            if !EVENTS.contains(&event.as_str()) {
                self.refuse(&key("events"), quoted(event), "\"message\", \"member\" or \"presence\"");
            }
        }
        for pattern in &written.channels {
            let rest = pattern.strip_suffix('*').unwrap_or(pattern);
            let named = rest.strip_prefix('@').unwrap_or(rest);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-:".contains(c);
            if pattern.is_empty() || !named.chars().all(plain) || (rest.len() == pattern.len() && named.is_empty()) {
                let expected = "channels' names, or beginnings of names as \"team-*\"; \"@*\" for direct ones";
                self.refuse(&key("channels"), quoted(pattern), expected);
            }
        }
        let secret = match (written.secret.is_empty(), written.secret_file.is_empty()) {
            (false, true) => Secret::Text(written.secret),
            (true, false) => Secret::File(written.secret_file.into()),
            _ => {
                self.refuse(&key("secret"), HIDDEN, "one of secret and secret_file");
                Secret::File(PathBuf::new())
            }
        };
        if let Secret::Text(text) = &secret
            && let Err(why) = self::key(text)
        {
            self.refuse(&key("secret"), HIDDEN, why.trim_start_matches("expected "));
        }
        let told = |event: &str| written.events.iter().any(|one| one == event);
        Webhook {
            messages: told("message"),
            members: told("member"),
            presence: told("presence"),
            name: written.name,
            url: written.url,
            secret,
            channels: written.channels,
            backlog: self.within(&key("backlog"), written.backlog, 1..=10_000_000),
            timeout: self.ms(&key("timeout_ms"), written.timeout_ms, 10..=60_000),
            retry_max: Duration::from_secs(self.within(&key("retry_max_s"), written.retry_max_s, 0..=30 * 24 * 3600)),
        }
    }
}

/// An address without what may be a secret in it.
fn shown(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return HIDDEN.to_owned() };
    if url.query().is_some() {
        url.set_query(Some(HIDDEN));
    }
    url.into()
}

impl From<&Webhook> for Written {
    fn from(from: &Webhook) -> Self {
        let (secret, secret_file) = match &from.secret {
            Secret::Text(_) => (HIDDEN.to_owned(), String::new()),
            Secret::File(path) => (String::new(), path.display().to_string()),
        };
        let told = EVENTS.into_iter().zip([from.messages, from.members, from.presence]);
        Self {
            name: from.name.clone(),
            url: shown(&from.url),
            secret,
            secret_file,
            events: told.filter(|(_, told)| *told).map(|(event, _)| event.to_owned()).collect(),
            channels: from.channels.clone(),
            backlog: from.backlog,
            timeout_ms: u64::try_from(from.timeout.as_millis()).unwrap_or(u64::MAX),
            retry_max_s: from.retry_max.as_secs(),
        }
    }
}

#[cfg(test)]
#[path = "webhooks_tests.rs"]
mod tests;
