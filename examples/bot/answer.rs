//! What the bot has to say to a message. Pure.

use std::time::Duration;

use parlor::client::Message;
use parlor::model::Wall;

/// The longest that a reminder may lie ahead.
const AHEAD: Duration = Duration::from_secs(30 * 86_400);
/// The longest answer, in characters.
const LONGEST: usize = 2000;

const HELP: &str = "!time · !roll 2d6 · !echo words · !remind 10s words (s, m, h or d) · !help";

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    /// What is to be said later, and after how long.
    pub later: Option<(Duration, String)>,
}

/// The answer to a message, if it is for the bot. `dice` gives a number below the one it is given.
pub fn answer(message: &Message, me: &str, now: Wall, mut dice: impl FnMut(u64) -> u64) -> Option<Answer> {
    // A bot that answers bots has no end. They say what they are in their bodies: a kind of their own would do it too, but
    // then no client would show their words.
    if message.from == me || message.body["bot"] == true || message.kind.is_some() {
        return None;
    }
    let text = message.text()?.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut later = None;
    let said = match word {
        "!help" => HELP.to_owned(),
        "!time" => format!("it is {now}"),
        "!roll" => roll(rest.trim(), &mut dice),
        "!echo" if rest.trim().is_empty() => "echo what?".to_owned(),
        "!echo" => rest.trim().to_owned(),
        "!remind" => match remind(rest.trim()) {
            Some((after, what)) => {
                later = Some((after, format!("{}: {what}", shown(&message.from))));
                format!("{}: I will remind you", shown(&message.from))
            }
            None => "expected !remind 10s words: a number, one of s, m, h and d, and 30 days at most".to_owned(),
        },
        _ if mentions(text, me) => format!("{}: at your service. {HELP}", shown(&message.from)),
        _ => return None,
    };
    Some(Answer { text: said.chars().take(LONGEST).collect(), later })
}

/// `~ann-k3x9q` as people call her.
fn shown(user: &str) -> &str {
    user.strip_prefix('~').and_then(|name| name.rsplit_once('-')).map_or(user, |(wish, _)| wish)
}

/// Whether someone is spoken to: `@bot` anywhere, or `bot:` or `bot,` at the beginning.
fn mentions(text: &str, me: &str) -> bool {
    let names = [me, shown(me)];
    let spoken_to = |word: &str| {
        let called = word.strip_prefix('@').map(|word| word.trim_end_matches(|c: char| c.is_ascii_punctuation()));
        called.is_some_and(|word| names.contains(&word))
    };
    let begins = names.iter().any(|name| text.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', ','])));
    begins || text.split_whitespace().any(spoken_to)
}

fn roll(what: &str, dice: &mut impl FnMut(u64) -> u64) -> String {
    let what = if what.is_empty() { "1d6" } else { what };
    let numbers = what.split_once('d').and_then(|(count, sides)| {
        let count = if count.is_empty() { 1 } else { count.parse().ok()? };
        Some((count, sides.parse().ok()?))
    });
    let Some((count @ 1..=20, sides @ 2..=1000)) = numbers else {
        return "expected !roll 2d6: up to 20 dice with up to 1000 sides".to_owned();
    };
    let rolls: Vec<u64> = (0..count).map(|_| dice(sides) + 1).collect();
    let sum: u64 = rolls.iter().sum();
    let each: Vec<String> = rolls.iter().map(u64::to_string).collect();
    if count == 1 { format!("{what}: {sum}") } else { format!("{what}: {} = {sum}", each.join(" + ")) }
}

/// Reads `10s words`.
fn remind(rest: &str) -> Option<(Duration, &str)> {
    let (time, what) = rest.split_once(char::is_whitespace)?;
    let (number, unit) = time.split_at_checked(time.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let after = Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?);
    (after <= AHEAD && !what.trim().is_empty()).then(|| (after, what.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ME: &str = "~bot-11111";

    fn said(from: &str, body: serde_json::Value) -> Option<String> {
        let frame = json!({"channel": "a", "seq": 1, "at": "2026-11-22T10:42:00.000Z", "from": from, "body": body});
        let message: Message = serde_json::from_value(frame).unwrap();
        answer(&message, ME, Wall(1_795_348_800_000), |sides| sides - 1).map(|answer| answer.text)
    }

    fn asked(text: &str) -> Option<String> {
        said("~ann-22222", json!({"text": text}))
    }

    #[test]
    fn commands_are_answered_and_talk_is_not() {
        assert_eq!(asked("!help").as_deref(), Some(HELP));
        assert_eq!(asked("!time").as_deref(), Some("it is 2026-11-22T12:00:00.000Z"));
        assert_eq!(asked("!roll 2d6").as_deref(), Some("2d6: 6 + 6 = 12"));
        assert_eq!(asked(" !roll").as_deref(), Some("1d6: 6"));
        for wrong in
            ["!roll 0d6", "!roll 21d6", "!roll 2d1", "!roll 2d1001", "!roll six", "!roll 99999999999999999999d6"]
        {
            assert!(asked(wrong).unwrap().starts_with("expected"), "{wrong}");
        }
        assert_eq!(asked("!echo  a b ").as_deref(), Some("a b"));
        for talk in ["good morning", "!dance", "a !help", "", "bottle", "bot is broken", "me@bot", "@botany"] {
            assert_eq!(asked(talk), None, "{talk}");
        }
    }

    #[test]
    fn whoever_speaks_to_it_is_told_what_it_can_do() {
        for call in ["bot: hello", "bot, hello", "hello @bot!", "@~bot-11111", "~bot-11111: you?"] {
            assert!(asked(call).unwrap().starts_with("ann: at your service"), "{call}");
        }
    }

    #[test]
    fn bots_and_what_is_not_words_are_not_answered() {
        assert_eq!(said(ME, json!({"text": "!help"})), None);
        assert_eq!(said("~other-33333", json!({"text": "!help", "bot": true})), None);
        assert_eq!(said("~ann-22222", json!({"words": "!help"})), None);
    }

    #[test]
    fn a_reminder_has_a_time_and_words() {
        assert_eq!(remind("10s tea"), Some((Duration::from_secs(10), "tea")));
        assert_eq!(remind("2h  a b "), Some((Duration::from_secs(7200), "a b")));
        for wrong in [
            "",
            "10s",
            "10s  ",
            "s tea",
            "10 tea",
            "10y tea",
            "31d tea",
            "-1s tea",
            "10ä tea",
            "99999999999999999999d x",
        ] {
            assert_eq!(remind(wrong), None, "{wrong}");
        }
    }
}
