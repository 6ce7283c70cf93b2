//! Comparing what a page shows with what came: same members, same types, same values, except for those that differ by
//! run. Such a value is bound where it is first seen, and has to be the same wherever the page shows it again.

use serde_json::Value;

/// Values that differ by run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A moment.
    Time,
    /// A life of a log.
    Epoch,
    /// A session's secret.
    Secret,
    /// A session's public name.
    Sid,
    /// A guest's token, or an account's.
    Token,
    /// A guest's name.
    Guest,
    /// Where the server listens.
    Address,
}

impl Class {
    /// The class of a value by the member that it is of, and by how it looks.
    fn of(member: &str, value: &str) -> Option<Self> {
        match member {
            "at" | "now" | "expires_at" | "last_seen" => Some(Self::Time),
            "epoch" => Some(Self::Epoch),
            "session" => Some(Self::Secret),
            "sid" => Some(Self::Sid),
            "token" => Some(Self::Token),
            _ => is_guest(value).then_some(Self::Guest),
        }
    }

    /// Whether a value that came may be one of this class.
    fn fits(self, page: &str, came: &str) -> bool {
        let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
        match self {
            Self::Time => {
                let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
                came.chars().map(digits).collect::<String>() == "0000-00-00T00:00:00.000Z"
            }
            Self::Epoch => !came.is_empty(),
            Self::Secret => came.split_once('-').is_some_and(|(worker, rest)| hex(worker, 1) && hex(rest, 64)),
            Self::Sid => hex(came, 12),
            // One of another service is as it was handed in.
            Self::Token if page.starts_with("eyJ") => {
                page.split('…').next().is_some_and(|beginning| came.starts_with(beginning))
            }
            Self::Token => {
                let form = came.starts_with("g1.~") || came.starts_with("a1.");
                came.split('.').next_back().is_some_and(|secret| form && hex(secret, 64))
            }
            Self::Guest => {
                is_guest(came) && came.rsplit_once('-').map(|it| it.0) == page.rsplit_once('-').map(|it| it.0)
            }
            Self::Address => true,
        }
    }
}

fn is_guest(text: &str) -> bool {
    text.starts_with('~') && text.rsplit_once('-').is_some_and(|(_, tail)| tail.len() == 5)
}

/// What the values of a page stand for in this run.
#[derive(Clone, Debug, Default)]
pub struct Bindings(Vec<(Class, String, String)>);

impl Bindings {
    /// A value of the page stands for this one.
    pub fn bind(&mut self, class: Class, page: &str, came: &str) -> Result<(), String> {
        if !class.fits(page, came) {
            return Err(format!("{came:?} is no {class:?} such as {page:?}"));
        }
        // Left out altogether: nothing is said but that there is one.
        if page == "…" {
            return Ok(());
        }
        if page.len() < 5 {
            return Err(format!("{page:?} is too short to be found again: show another value"));
        }
        for (known, there, here) in &self.0 {
            if there == page && here != came {
                return Err(format!("{page:?} was {here:?} before and is {came:?} now"));
            }
            // Things may happen in the same moment; otherwise what the page tells apart is not the same.
            if here == came && there != page && *known == class && class != Class::Time {
                return Err(format!("{came:?} was {there:?} on the page before and is {page:?} now"));
            }
        }
        if !self.0.iter().any(|(_, there, _)| there == page) {
            self.0.push((class, page.to_owned(), came.to_owned()));
        }
        Ok(())
    }

    /// A text of the page as it has to be sent in this run.
    pub fn fill_in(&self, text: &str) -> String {
        let mut pairs: Vec<_> = self.0.iter().map(|(_, page, came)| (page, came)).collect();
        pairs.sort_by_key(|(page, _)| std::cmp::Reverse(page.len()));
        pairs.iter().fold(text.to_owned(), |text, (page, came)| text.replace(page.as_str(), came))
    }

    /// Holds what came against what the page shows. Nothing is bound if it does not fit.
    pub fn hold(&mut self, page: &Value, came: &Value) -> Result<(), String> {
        let mut tried = self.clone();
        tried.compare("", page, came).map_err(|(place, why)| format!("{place}: {why}"))?;
        *self = tried;
        Ok(())
    }

    fn compare(&mut self, place: &str, page: &Value, came: &Value) -> Result<(), (String, String)> {
        let wrong = |why: String| Err((place.to_owned(), why));
        let member =
            place.rsplit('.').next().unwrap_or_default().trim_end_matches(|c: char| "[]0123456789".contains(c));
        match (page, came) {
            (Value::Object(page), Value::Object(came)) => {
                if let Some(name) = page.keys().find(|name| !came.contains_key(*name)) {
                    return wrong(format!("the page shows {name:?}, which did not come"));
                }
                if let Some(name) = came.keys().find(|name| !page.contains_key(*name)) {
                    return wrong(format!("{name:?} came, which the page does not show"));
                }
                page.iter().try_for_each(|(name, page)| self.compare(&format!("{place}.{name}"), page, &came[name]))
            }
            (Value::Array(page), Value::Array(came)) if page.len() == came.len() => {
                let pairs = page.iter().zip(came).enumerate();
                pairs.into_iter().try_for_each(|(at, (page, came))| self.compare(&format!("{place}[{at}]"), page, came))
            }
            (Value::String(page), Value::String(came)) if Class::of(member, page).is_some() => {
                let class = Class::of(member, page).unwrap_or(Class::Address);
                self.bind(class, page, came).or_else(wrong)
            }
            // One that is not round was drawn at random.
            (Value::Number(page), Value::Number(_))
                if member == "retry_after_ms" && page.as_u64().is_some_and(|ms| ms % 100 != 0) =>
            {
                Ok(())
            }
            _ if page == came => Ok(()),
            _ => wrong(format!("the page shows {page}, and {came} came")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hold(pairs: &[(Value, Value)]) -> Result<(), String> {
        let mut bindings = Bindings::default();
        pairs.iter().try_for_each(|(page, came)| bindings.hold(page, came))
    }

    #[test]
    fn members_types_and_values_have_to_be_the_same() {
        let page = json!({"type": "a", "n": 1, "list": [true, null]});
        assert_eq!(hold(&[(page.clone(), page.clone())]), Ok(()));
        for came in [
            json!({"type": "a", "n": 1}),
            json!({"type": "a", "n": 1, "list": [true, null], "more": 0}),
            json!({"type": "a", "n": 2, "list": [true, null]}),
            json!({"type": "a", "n": "1", "list": [true, null]}),
            json!({"type": "a", "n": 1, "list": [true]}),
            json!({"type": "a", "n": 1, "list": [null, true]}),
        ] {
            assert!(hold(&[(page.clone(), came.clone())]).is_err(), "{came}");
        }
    }

    #[test]
    fn a_value_that_differs_by_run_is_the_same_wherever_the_page_shows_it() {
        let pair = |page: &str, came: &str| (json!({"epoch": page}), json!({"epoch": came}));
        assert_eq!(hold(&[pair("aaaaa", "x"), pair("aaaaa", "x"), pair("bbbbb", "y"), pair("…", "z")]), Ok(()));
        for wrong in [[pair("aaaaa", "x"), pair("aaaaa", "y")], [pair("aaaaa", "x"), pair("bbbbb", "x")]] {
            assert!(hold(&wrong).is_err());
        }
        assert!(hold(&[pair("a", "x")]).is_err());
    }

    #[test]
    fn a_value_that_differs_by_run_has_to_look_like_one() {
        let token = format!("g1.~ann-k3x9q.{}", "0a".repeat(32));
        let secret = format!("1-{}", "0a".repeat(32));
        for (member, page, good, bad) in [
            ("at", "2026-11-22T16:32:39.850Z", "2027-01-02T03:04:05.678Z", "2027-01-02T03:04:05Z"),
            ("token", "g1.~ann-ldegm.5415…43cc", token.as_str(), "g1.~ann-k3x9q.0a"),
            ("session", "1-a105…200e", secret.as_str(), "0a0a"),
            ("sid", "0d343e14ce6b", "0123456789ab", "0123456789"),
            ("user", "~ann-ldegm", "~ann-k3x9q", "~bob-k3x9q"),
        ] {
            assert_eq!(hold(&[(json!({member: page}), json!({member: good}))]), Ok(()));
            assert!(hold(&[(json!({member: page}), json!({member: bad}))]).is_err(), "{member}");
        }
    }

    #[test]
    fn what_is_bound_is_filled_in_where_the_page_sends_it() {
        let mut bindings = Bindings::default();
        bindings.bind(Class::Guest, "~ann-ldegm", "~ann-k3x9q").unwrap();
        let token = format!("g1.~ann-k3x9q.{}", "0a".repeat(32));
        bindings.bind(Class::Token, "g1.~ann-ldegm.54…cc", &token).unwrap();
        assert_eq!(bindings.fill_in("~ann-ldegm, g1.~ann-ldegm.54…cc"), format!("~ann-k3x9q, {token}"));
    }

    #[test]
    fn a_wait_that_is_not_round_was_drawn_at_random() {
        let pair = |page: u64, came: u64| (json!({"retry_after_ms": page}), json!({"retry_after_ms": came}));
        assert_eq!(hold(&[pair(1471, 2002)]), Ok(()));
        assert!(hold(&[pair(1000, 2002)]).is_err());
    }
}
