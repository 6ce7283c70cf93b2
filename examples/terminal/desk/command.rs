//! What a typed line asks for. Pure.

use serde_json::Value;

use super::names::{meant_channel, meant_user};

/// How many older messages `/history` shows if it is not said.
const PAGE: usize = 20;

/// The commands: name, what follows, what it does.
pub const COMMANDS: [(&str, &str, &str); 16] = [
    ("join", "CHANNEL", "hear a channel, and talk there"),
    ("leave", "[CHANNEL]", "leave it for good"),
    ("switch", "CHANNEL", "talk in another of your channels; /1, /2 … for short"),
    ("channels", "", "your channels"),
    ("who", "[CHANNEL]", "who hears it now"),
    ("history", "[N]", "older messages, before the oldest shown"),
    ("presence", "USER…", "whether they are here"),
    ("watch", "USER…|#CHANNEL", "be told when they come and go"),
    ("unwatch", "USER…|#CHANNEL", "not any more"),
    ("read", "", "mark this channel as read, so that others know"),
    ("status", "", "the connection, and where you stand"),
    ("me", "", "who you are"),
    ("raw", "JSON", "send a command of the protocol"),
    ("help", "", "this list"),
    ("quit", "", "leave; the next run is you again"),
    ("logout", "", "leave, and forget who you were"),
];

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Nothing,
    Say(String),
    Join(String),
    Leave(Option<String>),
    Switch(String),
    /// By its place in the list, from 1.
    SwitchTo(usize),
    Channels,
    Who(Option<String>),
    History(usize),
    Presence(Vec<String>),
    Watch(Vec<String>, Vec<String>),
    Unwatch(Vec<String>, Vec<String>),
    Read,
    Status,
    Me,
    Raw(Value),
    Help,
    Quit,
    Logout,
    /// It cannot be done, and why.
    Wrong(String),
}

/// Reads a line. What begins with a slash is a command; two of them say one.
pub fn read(line: &str) -> Action {
    let line = line.trim_end();
    match line.strip_prefix('/') {
        _ if line.trim_start().is_empty() => Action::Nothing,
        None => Action::Say(line.to_owned()),
        Some(words) if words.starts_with('/') => Action::Say(words.to_owned()),
        Some(words) => {
            let (name, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
            command(name, rest.trim())
        }
    }
}

fn command(name: &str, rest: &str) -> Action {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let action = match (name, words.as_slice()) {
        ("join", [channel]) => Action::Join(meant_channel(channel)),
        ("leave", []) => Action::Leave(None),
        ("leave", [channel]) => Action::Leave(Some(meant_channel(channel))),
        ("switch", [place]) => place.parse().map_or_else(|_| Action::Switch(meant_channel(place)), Action::SwitchTo),
        ("channels", []) => Action::Channels,
        ("who", []) => Action::Who(None),
        ("who", [channel]) => Action::Who(Some(meant_channel(channel))),
        ("history", []) => Action::History(PAGE),
        ("history", [count]) => match count.parse() {
            Ok(count @ 1..=1000) => Action::History(count),
            _ => Action::Wrong(format!("/history takes a number from 1 to 1000, not {count}")),
        },
        ("presence", [_, ..]) => Action::Presence(words.iter().map(|word| meant_user(word)).collect()),
        ("watch", [_, ..]) => watched(&words, Action::Watch),
        ("unwatch", [_, ..]) => watched(&words, Action::Unwatch),
        ("read", []) => Action::Read,
        ("status", []) => Action::Status,
        ("me", []) => Action::Me,
        ("raw", [_, ..]) => match serde_json::from_str::<Value>(rest) {
            Ok(frame) if frame.is_object() => Action::Raw(frame),
            Ok(_) => Action::Wrong("/raw takes an object, as {\"type\":\"channels\"}".into()),
            Err(why) => Action::Wrong(format!("that is no JSON: {why}")),
        },
        ("help", _) => Action::Help,
        ("quit", _) => Action::Quit,
        ("logout", _) => Action::Logout,
        (number, []) if number.parse::<usize>().is_ok() => number.parse().map_or(Action::Nothing, Action::SwitchTo),
        _ => Action::Wrong(advice(name)),
    };
    match action {
        Action::Watch(users, channels) if users.len() > 500 || channels.len() > 20 => {
            Action::Wrong("/watch takes 500 users and 20 channels at most".into())
        }
        action => action,
    }
}

fn watched(words: &[&str], make: fn(Vec<String>, Vec<String>) -> Action) -> Action {
    let (channels, users): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with(['#', '@']));
    make(users.into_iter().map(meant_user).collect(), channels.into_iter().map(meant_channel).collect())
}

/// What to say of a command that is none, or that is not used as it should be.
fn advice(name: &str) -> String {
    if let Some((name, follows, does)) = COMMANDS.iter().find(|(known, ..)| *known == name) {
        return format!("expected /{name} {follows}: {does}");
    }
    let distance = |known: &str| strsim::damerau_levenshtein(known, name);
    let nearest = COMMANDS.iter().map(|(known, ..)| *known).min_by_key(|known| distance(known));
    let near = nearest.filter(|known| distance(known) <= 2 || known.starts_with(name) && !name.is_empty());
    let meant = near.map_or_else(String::new, |known| format!(" Did you mean /{known}?"));
    let all: Vec<String> = COMMANDS.iter().map(|(known, ..)| format!("/{known}")).collect();
    format!("there is no /{name}.{meant} There are {}; //text says /text", all.join(", "))
}

/// What `/help` shows.
pub fn help() -> Vec<String> {
    let row = |(name, follows, does): &(&str, &str, &str)| format!("  {:<24} {does}", format!("/{name} {follows}"));
    let words = "  anything else is said in the current channel; //text says /text".to_owned();
    COMMANDS.iter().map(row).chain([words]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_said_and_a_slash_begins_a_command() {
        assert_eq!(read("  "), Action::Nothing);
        assert_eq!(read("good morning "), Action::Say("good morning".into()));
        assert_eq!(read("//etc/hosts"), Action::Say("/etc/hosts".into()));
        assert_eq!(read("/join #dev"), Action::Join("dev".into()));
        assert_eq!(read("/2"), Action::SwitchTo(2));
        assert_eq!(read("/switch 2"), Action::SwitchTo(2));
        assert_eq!(read("/switch dev"), Action::Switch("dev".into()));
        assert_eq!(read("/history"), Action::History(PAGE));
        assert_eq!(read("/raw {\"type\": \"channels\"}"), Action::Raw(serde_json::json!({"type": "channels"})));
        assert_eq!(
            read("/watch ann~k3x9q bob #dev"),
            Action::Watch(vec!["~ann-k3x9q".into(), "bob".into()], vec!["dev".into()])
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        let wrong = |line: &str| match read(line) {
            Action::Wrong(why) => why,
            other => panic!("{line} is {other:?}"),
        };
        assert!(wrong("/jion dev").contains("Did you mean /join?"));
        assert!(wrong("/hist").contains("Did you mean /history?"));
        let none = wrong("/xyzzy");
        assert!(!none.contains("Did you mean") && COMMANDS.iter().all(|(name, ..)| none.contains(name)), "{none}");
        assert!(wrong("/join").contains("/join CHANNEL"));
        assert!(wrong("/join a b").contains("/join CHANNEL"));
        assert!(wrong("/history 0").contains("1 to 1000"));
        assert!(wrong("/raw 3").contains("an object") && wrong("/raw {").contains("no JSON"));
    }
}
