//! The objects of an export: one a line, for people and for other programs.

use std::borrow::Cow;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::{Role, Wall};

/// One object. Which it is is told by the field that it has besides `channel`: `member`, `mark` or `seq`, or none of them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Object<'a> {
    /// The channel's name.
    #[serde(borrow)]
    pub(super) channel: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) private: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<u64>,
    /// A member, and up to where it has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) member: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) read: Option<u64>,
    /// A user of whom the channel has made something, and what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) banned: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) invited: Option<bool>,
    /// A message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<u64>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Cow<'a, RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) erased: Option<bool>,
}

/// A time as it is written; `None` if it is none.
pub(super) fn time(text: &str) -> Option<Wall> {
    Some(Wall(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis()))
}

/// What a line of an export is, read.
pub(super) fn read(line: &str) -> Result<Object<'_>, String> {
    serde_json::from_str(line).map_err(|why| why.to_string())
}
