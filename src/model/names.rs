//! Names of users and channels, valid by construction (protocol, section 1).

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// The longest name of an account or of a channel, in bytes.
const NAME_MAX: usize = 64;
/// The longest name that a guest may wish for, in bytes.
const WISH_MAX: usize = 32;
/// How many random characters end a guest's name.
pub(crate) const GUEST_TAIL: usize = 5;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Not `[a-z0-9][a-z0-9_.-]{0,63}`, nor a guest's `~name-xxxxx`.
    #[error("expected a user name: [a-z0-9][a-z0-9_.-]{{0,63}}, or a guest's ~name-xxxxx")]
    User,
    /// Not `[a-z0-9][a-z0-9_.-]{0,63}`.
    #[error("expected an account's name: [a-z0-9][a-z0-9_.-]{{0,63}}")]
    Account,
    /// Not `[a-z0-9][a-z0-9._-]{0,63}`.
    #[error("expected a channel name: [a-z0-9][a-z0-9._-]{{0,63}}, or @user")]
    Channel,
    /// Not `[a-z0-9][a-z0-9_.-]{0,31}`.
    #[error("expected a guest's wished name: [a-z0-9][a-z0-9_.-]{{0,31}}")]
    Wish,
}

/// The rule that accounts, channels and wished names share: `[a-z0-9][a-z0-9_.-]*`, at most `max` bytes.
fn is_plain(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    let lead = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !bytes.is_empty()
        && bytes.len() <= max
        && lead(bytes[0])
        && bytes.iter().all(|&b| lead(b) || matches!(b, b'_' | b'.' | b'-'))
}

fn is_guest(text: &str) -> bool {
    let Some((wish, tail)) = text.strip_prefix('~').and_then(|rest| rest.rsplit_once('-')) else {
        return false;
    };
    is_plain(wish, WISH_MAX)
        && tail.len() == GUEST_TAIL
        && tail.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

macro_rules! name {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(&self.0)
            }
        }
    };
}

/// A user: an account (`ann`) or a guest (`~ann-k3x9q`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Arc<str>);

name!(UserName);

impl UserName {
    /// Reads a name from outside.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if is_plain(text, NAME_MAX) || is_guest(text) { Ok(Self(Arc::from(text))) } else { Err(NameError::User) }
    }

    /// Reads an account's name from outside. No guest's is one.
    pub fn account(text: &str) -> Result<Self, NameError> {
        if is_plain(text, NAME_MAX) { Ok(Self(Arc::from(text))) } else { Err(NameError::Account) }
    }

    /// A guest's name, from the one wished for and random bytes.
    pub fn guest(wish: &str, random: [u8; GUEST_TAIL]) -> Result<Self, NameError> {
        const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        if !is_plain(wish, WISH_MAX) {
            return Err(NameError::Wish);
        }
        let tail = random.map(|b| char::from(DIGITS[usize::from(b) % DIGITS.len()]));
        Ok(Self(format!("~{wish}-{}", String::from_iter(tail)).into()))
    }

    /// One who reads without saying who it is. No user is ever called so.
    pub fn nobody() -> Self {
        Self(Arc::from("~"))
    }

    /// Whether this is a guest.
    pub fn is_guest(&self) -> bool {
        self.0.starts_with('~')
    }
}

/// A channel: `general`, or the direct channel of two accounts, `@ann:bob`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

name!(ChannelName);

impl ChannelName {
    /// Reads a channel's name as `me` may write it: `@bob` becomes `@ann:bob` with both names sorted.
    pub fn parse(text: &str, me: &UserName) -> Result<Self, NameError> {
        let Some(direct) = text.strip_prefix('@') else {
            return Self::stored(text);
        };
        if direct.contains(':') {
            return Self::stored(text);
        }
        let (a, b) = if direct < me.as_str() { (direct, me.as_str()) } else { (me.as_str(), direct) };
        if !is_plain(direct, NAME_MAX) && !is_guest(direct) {
            return Err(NameError::Channel);
        }
        Ok(Self(format!("@{a}:{b}").into()))
    }

    /// Reads a full name, as the store keeps it.
    pub fn stored(text: &str) -> Result<Self, NameError> {
        let good = match text.strip_prefix('@').map(|pair| pair.split_once(':')) {
            None => is_plain(text, NAME_MAX),
            Some(Some((a, b))) => is_plain(a, NAME_MAX) && is_plain(b, NAME_MAX) && a <= b,
            Some(None) => false,
        };
        if good { Ok(Self(Arc::from(text))) } else { Err(NameError::Channel) }
    }

    /// Whether this is the direct channel of two users.
    pub fn is_direct(&self) -> bool {
        self.0.starts_with('@')
    }

    /// The two users whose direct channel this is, in their order; twice the same one if it is someone's own.
    pub fn parties(&self) -> Option<(UserName, UserName)> {
        let (a, b) = self.0.strip_prefix('@')?.split_once(':')?;
        Some((UserName(Arc::from(a)), UserName(Arc::from(b))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged_text, many};

    #[test]
    fn account_names_follow_the_grammar() {
        for good in ["a", "ann", "9", "a_b.c-d", &"x".repeat(64)] {
            assert!(UserName::parse(good).is_ok(), "{good}");
            assert_eq!(UserName::account(good), UserName::parse(good), "{good}");
        }
        for bad in ["", "Ann", "-a", "_a", ".a", "a b", "ä", "a/b", "a\0", &"x".repeat(65)] {
            assert_eq!(UserName::parse(bad), Err(NameError::User), "{bad}");
            assert_eq!(UserName::account(bad), Err(NameError::Account), "{bad}");
        }
    }

    #[test]
    fn guest_names_are_a_tilde_a_wish_and_five_characters() {
        let made = UserName::guest("ann", [0, 35, 36, 1, 255]).unwrap();
        assert_eq!(made.as_str(), "~ann-a9abd");
        assert!(made.is_guest() && UserName::parse(made.as_str()).is_ok());
        assert_eq!(UserName::account(made.as_str()), Err(NameError::Account));
        for bad in ["~ann", "~ann-abcd", "~-abcde", "~ann-ABCDE", "~Ann-abcde", &format!("~{}-abcde", "x".repeat(33))] {
            assert!(UserName::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(UserName::guest(&"x".repeat(33), [0; 5]), Err(NameError::Wish));
    }

    #[test]
    fn a_direct_channel_is_named_by_both_sorted() {
        let (ann, bob) = (UserName::parse("ann").unwrap(), UserName::parse("bob").unwrap());
        assert_eq!(ChannelName::parse("@bob", &ann).unwrap().as_str(), "@ann:bob");
        assert_eq!(ChannelName::parse("@ann", &bob).unwrap().as_str(), "@ann:bob");
        assert_eq!(ChannelName::parse("@ann:bob", &bob).unwrap().as_str(), "@ann:bob");
        assert_eq!(ChannelName::parse("@bob", &ann).unwrap().parties(), Some((ann.clone(), bob)));
        assert_eq!(ChannelName::parse("bob", &ann).unwrap().parties(), None);
        for bad in ["@", "@:", "@bob:ann", "@a:b:c", "@Bob", "#x", ""] {
            assert!(ChannelName::parse(bad, &ann).is_err(), "{bad}");
        }
    }

    /// The grammar, said another way: what is left of a name when its characters are gone.
    fn is_name(text: &str, most: usize) -> bool {
        let rest = text.trim_start_matches(|c| "abcdefghijklmnopqrstuvwxyz0123456789_.-".contains(c));
        rest.is_empty() && (1..=most).contains(&text.len()) && !text.starts_with(['_', '.', '-'])
    }

    fn is_user(text: &str) -> bool {
        let split = text.len().saturating_sub(GUEST_TAIL + 1);
        let (wish, tail) = text.split_at_checked(split).unwrap_or_default();
        let tail = tail.strip_prefix('-').is_some_and(|tail| is_name(tail, 5) && !tail.contains(['_', '.', '-']));
        is_name(text, 64) || wish.strip_prefix('~').is_some_and(|wish| tail && is_name(wish, 32))
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn what_is_a_name_says_the_grammar_alone(
            name in prop_oneof!["[a-z0-9][a-z0-9_.-]{0,63}", "~[a-z0-9][a-z0-9_.-]{0,31}-[a-z0-9]{5}", "[ -~]{0,70}"],
            seed: u64,
        ) {
            let other = damaged_text(&name, seed);
            for text in [name, other] {
                prop_assert_eq!(UserName::parse(&text).is_ok(), is_user(&text), "{}", text);
                prop_assert_eq!(UserName::account(&text).is_ok(), is_name(&text, 64), "{}", text);
                prop_assert_eq!(UserName::guest(&text, [0; 5]).is_ok(), is_name(&text, 32), "{}", text);
                prop_assert_eq!(ChannelName::stored(&text).is_ok(), is_name(&text, 64), "{}", text);
            }
        }

        #[test]
        fn a_direct_channel_has_one_name_however_either_writes_it(one in "[a-c]{1,2}", other in "[a-c]{1,2}", seed: u64) {
            let user = |name: &str| UserName::parse(name).unwrap();
            let name = ChannelName::parse(&format!("@{other}"), &user(&one)).unwrap();
            prop_assert_eq!(&ChannelName::parse(&format!("@{one}"), &user(&other)).unwrap(), &name);
            prop_assert_eq!(&ChannelName::parse(name.as_str(), &user("zoe")).unwrap(), &name);
            let text = damaged_text(name.as_str(), seed);
            if let Ok(read) = ChannelName::parse(&text, &user(&one)) {
                prop_assert_eq!(ChannelName::stored(read.as_str()), Ok(read.clone()), "{}", text);
                prop_assert_eq!(read.is_direct(), text.starts_with('@'));
                let mine = |(a, b): (UserName, UserName)| a <= b && (text.contains(':') || [a, b].contains(&user(&one)));
                prop_assert!(read.parties().is_none_or(mine), "{} {}", text, read);
            }
        }
    }
}
