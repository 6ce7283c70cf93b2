//! Names as people read and write them. Pure.

/// A user's name as it is shown: a guest's `~ann-k3x9q` as `ann~k3x9q`. No account's name has a `~` in it, so that a guest
/// never looks like an account, and two guests never look alike.
pub fn user(name: &str) -> String {
    match name.strip_prefix('~').and_then(|rest| rest.rsplit_once('-')) {
        Some((wish, tail)) => format!("{wish}~{tail}"),
        None => name.to_owned(),
    }
}

/// The name that was meant: as it is on the wire, or as it is shown.
pub fn meant_user(text: &str) -> String {
    match text.rsplit_once('~') {
        Some((wish, tail)) if !wish.is_empty() => format!("~{wish}-{tail}"),
        _ => text.to_owned(),
    }
}

/// A channel's name as it is shown: `#lobby`, and the direct channel `@ann:bob` as `@bob` to ann.
pub fn channel(name: &str, me: Option<&str>) -> String {
    match name.strip_prefix('@') {
        Some(pair) => match pair.split_once(':') {
            Some((one, other)) if Some(other) == me => format!("@{one}"),
            Some((one, other)) if Some(one) == me => format!("@{other}"),
            _ => name.to_owned(),
        },
        None => format!("#{name}"),
    }
}

/// The channel that was meant: with or without its `#`.
pub fn meant_channel(text: &str) -> String {
    text.strip_prefix('#').unwrap_or(text).to_owned()
}

/// A name that a guest may wish for, from a name on this machine.
pub fn wish(text: &str) -> String {
    let small = text.to_lowercase();
    let plain = small.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c));
    let plain: String = plain.skip_while(|c| !c.is_ascii_alphanumeric()).take(32).collect();
    if plain.is_empty() { "guest".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_shown_short_and_found_again() {
        assert_eq!(user("~ann-k3x9q"), "ann~k3x9q");
        assert_eq!(user("~ann-lee-k3x9q"), "ann-lee~k3x9q");
        for name in ["~ann-k3x9q", "~a-b-k3x9q", "ann", "ann-k3x9q"] {
            assert_eq!(meant_user(&user(name)), name);
            assert_eq!(meant_user(name), name);
        }
        assert_ne!(user("~ann-k3x9q"), user("ann-k3x9q"));
    }

    #[test]
    fn a_direct_channel_is_called_after_the_other_one() {
        assert_eq!(channel("lobby", Some("ann")), "#lobby");
        assert_eq!(channel("@ann:bob", Some("ann")), "@bob");
        assert_eq!(channel("@ann:bob", Some("bob")), "@ann");
        assert_eq!(channel("@ann:bob", None), "@ann:bob");
        assert_eq!((meant_channel("#a").as_str(), meant_channel("a").as_str()), ("a", "a"));
    }

    #[test]
    fn a_wish_is_made_of_what_may_be_in_one() {
        assert_eq!(wish("Ann Lee"), "annlee");
        assert_eq!(wish("_x"), "x");
        assert_eq!(wish("山"), "guest");
        assert_eq!(wish(&"a".repeat(40)).len(), 32);
    }
}
