//! Commands about a channel as a place with owners (protocol, section 6): what they ask, and how they are read.

use std::borrow::Cow;

use super::decode::{Bounds, Incoming, channel_of, page, user};
use super::{Command, Problem, said};
use crate::model::{Role, UserName};

/// The longest title, in bytes.
pub const TITLE_MAX: usize = 256;
/// The longest reason, in bytes.
pub const REASON_MAX: usize = 256;

/// What is asked of a channel as a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tending {
    /// Be there, and be the caller's.
    Create {
        /// For members and those they invite alone.
        private: bool,
        /// What it is called, for people.
        title: Option<String>,
    },
    /// Who belongs to it.
    Members {
        /// Names after this one.
        after: Option<UserName>,
        /// At most this many.
        limit: usize,
    },
    /// Ask someone in.
    Invite {
        /// Whom.
        user: UserName,
    },
    /// End someone's membership and subscriptions.
    Kick {
        /// Whose.
        user: UserName,
        /// Why, for people.
        reason: Option<String>,
    },
    /// Shut someone out.
    Ban {
        /// Whom.
        user: UserName,
        /// Why, for people.
        reason: Option<String>,
    },
    /// Shut someone out no more.
    Unban {
        /// Whom.
        user: UserName,
    },
    /// Give someone another role.
    Role {
        /// Whom.
        user: UserName,
        /// Which.
        role: Role,
    },
    /// Be there no more.
    Delete,
}

impl Incoming<'_> {
    /// Reads it as a command of `me` about a channel as a place; `None` if it is another one.
    pub(super) fn tending(&self, me: &UserName, bounds: &Bounds) -> Option<Result<Command, Problem>> {
        let read = match self.kind.as_str() {
            "create" => self.create(),
            "members" => self.members(bounds),
            "invite" => {
                self.parse().and_then(|raw: said::Invite| Ok((raw.channel, Tending::Invite { user: whom(&raw.user)? })))
            }
            "kick" => self.order(|user, reason| Tending::Kick { user, reason }),
            "ban" => self.order(|user, reason| Tending::Ban { user, reason }),
            "unban" => self.order(|user, _| Tending::Unban { user }),
            "role" => self.role(),
            "delete" => self.parse().map(|raw: said::InChannel| (raw.channel, Tending::Delete)),
            _ => return None,
        };
        Some(read.and_then(|(channel, tending)| Ok(Command::Tend { channel: channel_of(&channel, me)?, tending })))
    }

    fn create(&self) -> Result<(Cow<'_, str>, Tending), Problem> {
        let raw: said::Create = self.parse()?;
        let title = title(raw.title.as_deref())?;
        Ok((raw.channel, Tending::Create { private: raw.private.unwrap_or(false), title }))
    }

    fn members(&self, bounds: &Bounds) -> Result<(Cow<'_, str>, Tending), Problem> {
        let raw: said::Page = self.parse()?;
        let after = raw.after.as_deref().map(user).transpose()?;
        Ok((raw.channel, Tending::Members { after, limit: page(raw.limit, bounds)? }))
    }

    fn order(
        &self,
        make: impl FnOnce(UserName, Option<String>) -> Tending,
    ) -> Result<(Cow<'_, str>, Tending), Problem> {
        let raw: said::Order = self.parse()?;
        let reason = words("reason", raw.reason.as_deref(), REASON_MAX)?;
        Ok((raw.channel, make(whom(&raw.user)?, reason)))
    }

    fn role(&self) -> Result<(Cow<'_, str>, Tending), Problem> {
        let raw: said::RoleOf = self.parse()?;
        Ok((raw.channel, Tending::Role { user: whom(&raw.user)?, role: raw.role }))
    }
}

fn whom(text: &str) -> Result<UserName, Problem> {
    user(text).map_err(|problem| Problem::bad_frame(format!("user: {}", problem.message)))
}

/// A channel's title, as it is kept: at most [`TITLE_MAX`] bytes without control characters; an empty one is none.
pub fn title(text: Option<&str>) -> Result<Option<String>, Problem> {
    words("title", text, TITLE_MAX)
}

/// A text for people: bounded, and in one line.
fn words(member: &str, text: Option<&str>, most: usize) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.len() > most || text.contains(char::is_control) => {
            let why = format!("{member}: expected at most {most} bytes without control characters");
            Err(Problem::bad_frame(why))
        }
        text => Ok(text.filter(|text| !text.is_empty()).map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;

    const BOUNDS: Bounds = Bounds { body_bytes: 100, page_max: 10 };

    fn read(text: &str) -> Result<Command, Problem> {
        let me = UserName::parse("ann").unwrap();
        Incoming::read(text).map_err(|(_, problem)| problem)?.command(&me, &BOUNDS)
    }

    #[test]
    fn what_is_asked_of_a_place_is_read() {
        let bob = || UserName::parse("bob").unwrap();
        for (text, expected) in [
            (r#"{"type":"create","channel":"a"}"#, Tending::Create { private: false, title: None }),
            (
                r#"{"type":"create","channel":"a","private":true,"title":"A room"}"#,
                Tending::Create { private: true, title: Some("A room".into()) },
            ),
            (r#"{"type":"members","channel":"a","limit":99}"#, Tending::Members { after: None, limit: 10 }),
            (
                r#"{"type":"kick","channel":"a","user":"bob","reason":"noise"}"#,
                Tending::Kick { user: bob(), reason: Some("noise".into()) },
            ),
            (r#"{"type":"unban","channel":"a","user":"bob","reason":"x"}"#, Tending::Unban { user: bob() }),
            (
                r#"{"type":"role","channel":"a","user":"bob","role":"muted"}"#,
                Tending::Role { user: bob(), role: Role::Muted },
            ),
            (r#"{"type":"delete","channel":"a"}"#, Tending::Delete),
        ] {
            match read(text) {
                Ok(Command::Tend { channel, tending }) if channel.as_str() == "a" => {
                    assert_eq!(tending, expected, "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_lacks_a_member_or_has_one_of_a_wrong_type_is_a_bad_frame() {
        let long = format!(r#"{{"type":"create","channel":"a","title":"{}"}}"#, "x".repeat(TITLE_MAX + 1));
        for text in [
            r#"{"type":"create"}"#,
            r#"{"type":"create","channel":"A"}"#,
            r#"{"type":"create","channel":"a","private":"yes"}"#,
            r#"{"type":"create","channel":"a","title":7}"#,
            r#"{"type":"create","channel":"a","title":"two\nlines"}"#,
            &long,
            r#"{"type":"members","channel":"a","limit":0}"#,
            r#"{"type":"members","channel":"a","after":"B"}"#,
            r#"{"type":"invite","channel":"a"}"#,
            r#"{"type":"invite","channel":"a","user":["bob"]}"#,
            r#"{"type":"kick","channel":"a","user":"Bob"}"#,
            r#"{"type":"ban","channel":"a","user":"bob","reason":1}"#,
            r#"{"type":"unban","channel":"a","user":"bob","reason":{}}"#,
            r#"{"type":"role","channel":"a","user":"bob"}"#,
            r#"{"type":"role","channel":"a","user":"bob","role":"king"}"#,
            r#"{"type":"delete","channel":["a"]}"#,
        ] {
            assert_eq!(read(text).unwrap_err().code, ErrorCode::BadFrame, "{text}");
        }
    }
}
