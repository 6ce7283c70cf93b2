//! How a session begins and ends.
//!
//! - `before-welcome`, `second-welcome`: something was said before the welcome, or the welcome twice.
//! - `wrong-user`: a token brought back somebody else.
//! - `stolen-name`: a new guest was given the name of another.
//! - `wrong-name`: the name is not of the form that was asked for.
//! - `same-session`: two sessions have one secret or public name, or the name cannot be one.
//! - `close-code`, `close-error`: a code that is none; one above 4000 without the error that says it.
//! - `after-bye`: something came after `bye`.

use serde_json::Value;

use super::cx::Cx;
use super::frame::{flag, kind, number, text};
use super::names::{Map, Set};
use super::session::Session;
use super::{By, SessionNo};

/// Close codes of the protocol from 4000 on.
const CODES: [u16; 9] = [4000, 4001, 4002, 4003, 4500, 4501, 4502, 4503, 4504];

/// Who was here.
#[derive(Debug, Default)]
pub(super) struct Guests<'h> {
    by_token: Map<&'h str, u32>,
    secrets: Set<&'h str>,
    /// Users who were welcomed.
    pub users: Set<u32>,
}

impl<'h> Guests<'h> {
    /// Whose token a hello has, if that is known.
    pub fn presume(&self, hello: &Value) -> Option<u32> {
        self.by_token.get(text(hello, "token")?).copied()
    }

    /// A `welcome`. Returns who the session is.
    pub fn welcome(&mut self, cx: &mut Cx, session: &Session<'h>, frame: &'h Value) -> Option<u32> {
        let (no, name, token) = (session.no, text(frame, "user")?, text(frame, "token")?);
        if session.user.is_some() {
            cx.breach("second-welcome", |_| format!("session {no}: {name}"));
            return None;
        }
        let user = cx.names.id(name);
        let hello = session.hello;
        let shown = hello.and_then(|hello| text(hello, "token"));
        let known = self.users.contains(&user);
        let fault = match shown {
            Some(shown) => self.by_token.get(shown).is_some_and(|theirs| *theirs != user).then_some("wrong-user"),
            None => {
                let theirs = !known || !name.starts_with('~') || self.by_token.get(token) == Some(&user);
                (!theirs).then_some("stolen-name")
            }
        };
        if let Some(rule) = fault {
            cx.breach(rule, |_| format!("session {no} was welcomed as {name}, who is another"));
        }
        let wish = hello.and_then(|hello| text(hello, "guest")).filter(|_| shown.is_none() && !known);
        if flag(frame, "guest") != name.starts_with('~') || wish.is_some_and(|wish| !is_guest_of(name, wish)) {
            cx.breach("wrong-name", |_| format!("session {no}: {name} for {wish:?}"));
        }
        let (secret, sid) = (text(frame, "session")?, text(frame, "sid")?);
        let hexes = sid.len() == 12 && sid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !self.secrets.insert(secret) || !hexes {
            cx.breach("same-session", |_| format!("session {no}: {sid} is no name of its own"));
        }
        self.by_token.insert(token, user);
        self.users.insert(user);
        Some(user)
    }
}

/// Whether a guest's name is of this wish.
fn is_guest_of(name: &str, wish: &str) -> bool {
    let end = name.strip_prefix('~').and_then(|name| name.strip_prefix(wish)).and_then(|name| name.strip_prefix('-'));
    end.is_some_and(|end| end.len() == 5 && end.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// A frame came: may it?
pub(super) fn got(cx: &mut Cx, session: &mut Session<'_>, frame: &Value) {
    let no = session.no;
    if session.user.is_none() && !matches!(kind(frame), "welcome" | "error" | "notice") {
        cx.breach("before-welcome", |_| format!("session {no}: {frame}"));
    }
    if session.bye && !session.longpoll {
        cx.breach("after-bye", |_| format!("session {no}: {frame}"));
    }
    session.bye |= kind(frame) == "bye";
    session.last_close = (kind(frame) == "error").then(|| number(frame, "close")).flatten();
}

/// A session is over.
pub(super) fn over(cx: &mut Cx, session: &Session<'_>, code: Option<u16>, by: By) {
    let Some(code) = code.filter(|code| by == By::Server && *code >= 4000) else { return };
    let no: SessionNo = session.no;
    if !CODES.contains(&code) {
        cx.breach("close-code", |_| format!("session {no}: closed with {code}"));
    } else if code > 4000 && !session.longpoll && session.last_close != Some(code.into()) {
        cx.breach("close-error", |_| format!("session {no}: no error said {code} before the close"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::checker::sample::{Story, two, user, with};
    use crate::checker::{By, What};

    /// A session that says this hello and gets this welcome.
    fn hello(story: &mut Story, hello: Value, welcome: Value) {
        story.what(What::Opened { session: 3, over: "websocket".into() });
        story.both(3, with(json!({"type": "hello", "version": 1}), hello), welcome);
    }

    #[test]
    fn a_token_brings_back_its_guest_and_nobody_else() {
        let ann = json!({"user": user("ann"), "token": "token-ann"});
        for (shown, welcome, rule) in [
            (json!({"token": "token-ann"}), ann.clone(), None),
            (json!({"token": "token-bob"}), ann.clone(), Some("wrong-user")),
            (json!({"guest": "ann"}), with(ann.clone(), json!({"token": "new"})), Some("stolen-name")),
            (json!({"guest": "carl"}), json!({}), None),
            (json!({"guest": "dora"}), json!({}), Some("wrong-name")),
            (json!({"guest": "carl"}), json!({"user": "~carl-AAAAA"}), Some("wrong-name")),
            (json!({"guest": "carl"}), json!({"session": "secret-1"}), Some("same-session")),
            (json!({"guest": "carl"}), json!({"sid": "short"}), Some("same-session")),
        ] {
            let mut story = two();
            hello(&mut story, shown.clone(), with(Story::welcome(3, "carl"), welcome));
            assert_eq!(story.broken().first().copied(), rule, "{shown}");
        }
    }

    #[test]
    fn the_hello_that_counts_is_the_one_that_was_welcomed() {
        let mut story = Story::new();
        story.what(What::Opened { session: 1, over: "websocket".into() });
        let hello = |guest: &str| json!({"type": "hello", "version": 1, "guest": guest});
        let refused = story.ask(1, hello("An Other"));
        story.answer(1, &refused, json!({"type": "error", "code": "bad_frame", "message": "guest"}));
        let id = story.ask(1, hello("ann"));
        let mut early = story.clone();
        early.ask(1, hello("bob"));
        early.answer(1, &id, Story::welcome(1, "ann"));
        early.holds();
        story.answer(1, &id, Story::welcome(1, "bob"));
        story.breaks("wrong-name");
    }

    #[test]
    fn the_welcome_comes_first_and_once() {
        let mut story = Story::new();
        story.what(What::Opened { session: 1, over: "websocket".into() });
        let mut early = story.clone();
        early.hear(1, json!({"type": "pulse", "heads": {}}));
        early.breaks("before-welcome");
        story.hear(1, json!({"type": "error", "code": "unauthenticated", "message": "no"}));
        story.say(1, json!({"type": "hello", "version": 1, "guest": "ann"}));
        story.hear(1, Story::welcome(1, "ann"));
        story.holds();
        story.hear(1, Story::welcome(1, "ann"));
        story.breaks("second-welcome");
    }

    #[test]
    fn a_close_has_a_code_that_is_one_and_was_said_before() {
        for (said, code, rule) in [
            (Some(4001), 4001, None),
            (None, 4000, None),
            (None, 1001, None),
            (None, 4001, Some("close-error")),
            (Some(4002), 4001, Some("close-error")),
            (Some(4007), 4007, Some("close-code")),
        ] {
            let mut story = two();
            if let Some(close) = said {
                story.hear(1, json!({"type": "error", "code": "overloaded", "message": "slow", "close": close}));
            }
            story.what(What::Over { session: 1, code: Some(code), by: By::Server });
            match rule {
                Some(rule) => story.breaks(rule),
                None => story.holds(),
            }
        }
    }

    #[test]
    fn nothing_comes_after_bye() {
        let mut story = two();
        story.both(1, json!({"type": "logout"}), json!({"type": "bye"}));
        let mut good = story.clone();
        good.over(1, By::Client);
        good.holds();
        story.hear(1, json!({"type": "pulse", "heads": {"lobby": 0}}));
        story.breaks("after-bye");
    }
}
