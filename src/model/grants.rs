//! Where a token lets its user go.

use super::{ChannelName, Standing};

/// The channels that someone may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grants {
    /// Those that anybody in that standing may.
    Any,
    /// These, without an invitation where one is needed, and no others: names, or beginnings of names with `*` behind
    /// them.
    Only(Vec<String>),
}

impl Grants {
    /// Whether a channel is among them.
    pub fn hold(&self, channel: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.iter().any(|name| match name.strip_suffix('*') {
                Some(beginning) => channel.starts_with(beginning),
                None => channel == name,
            }),
        }
    }

    /// In which standing someone who has these speaks in a channel.
    pub fn in_channel(&self, channel: &ChannelName, standing: Standing) -> Standing {
        match self {
            Self::Any => standing,
            Self::Only(_) if !self.hold(channel.as_str()) => Standing::Barred,
            Self::Only(_) => standing.max(Standing::Vouched),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_names_a_channel_or_how_its_name_begins() {
        let some = Grants::Only(vec!["support".into(), "team-*".into()]);
        let held: Vec<bool> = ["support", "team-a", "team-", "lobby", "supports"].map(|name| some.hold(name)).into();
        assert_eq!(held, [true, true, true, false, false]);
        assert!(Grants::Any.hold("lobby") && !Grants::Only(vec![]).hold("lobby"));
    }

    #[test]
    fn who_has_grants_is_barred_from_all_other_channels() {
        let name = |text: &str| ChannelName::stored(text).unwrap();
        let some = Grants::Only(vec!["support".into()]);
        for (channel, standing, then) in [
            ("support", Standing::Account, Standing::Vouched),
            ("support", Standing::Operator, Standing::Operator),
            ("lobby", Standing::Account, Standing::Barred),
            ("lobby", Standing::Operator, Standing::Barred),
        ] {
            assert_eq!(some.in_channel(&name(channel), standing), then);
            assert_eq!(Grants::Any.in_channel(&name(channel), standing), standing);
        }
    }
}
