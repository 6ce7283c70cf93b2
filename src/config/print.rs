//! A configuration as commented TOML: the repository's `config.toml` with other values.

use toml::Table;

use super::raw::Raw;
use super::valid::Config;

/// The shown file: its comments are the only text about what a key means.
const TEMPLATE: &str = include_str!("../../config.toml");

impl Config {
    /// The configuration as a commented file that, read again, means the same.
    pub fn print(&self) -> String {
        render(&Raw::from(self))
    }

    /// The same as sections of keys with their values, secrets hidden.
    pub fn shown(&self) -> serde_json::Value {
        serde_json::to_value(Raw::from(self)).unwrap_or_default()
    }
}

/// The template, with each `key = value` line carrying the value of `raw`.
pub(super) fn render(raw: &Raw) -> String {
    let table = Table::try_from(raw).unwrap_or_default();
    let mut section = "";
    let mut out = String::with_capacity(TEMPLATE.len() + 256);
    for line in TEMPLATE.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let key = line.split_once(" = ").map(|(key, _)| key).filter(|key| !key.starts_with('#'));
        match key.and_then(|key| Some((key, table.get(section)?.get(key)?))) {
            Some((key, value)) => {
                out.push_str(key);
                out.push_str(" = ");
                out.push_str(&value.to_string());
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    for webhook in raw.webhooks.iter().filter_map(|webhook| toml::to_string(webhook).ok()) {
        out.push_str("\n[[webhooks]]\n");
        out.push_str(&webhook);
    }
    out
}
