//! Whatever comes is read as a command that keeps to its bounds, or refused in a way that can be said.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

use super::tests::{BOUNDS, EACH, me};
use super::*;
use crate::model::Wall;
use crate::model::cases::{damaged_text, many};
use crate::protocol::problem::MESSAGE_MAX;
use crate::protocol::{REASON_MAX, TITLE_MAX, Tending};

/// The members of each command (protocol, sections 2 and 6).
const GRAMMAR: [(&str, &[&str]); 27] = [
    ("hello", &["version", "token", "guest", "client"]),
    ("refresh", &["token"]),
    ("join", &["channel", "since", "tail", "member"]),
    ("leave", &["channel", "only"]),
    ("publish", &["channel", "body", "key", "base", "kind", "ref"]),
    ("history", &["channel", "before", "after", "hour", "limit"]),
    ("presence", &["users"]),
    ("who", &["channel", "after", "limit"]),
    ("watch", &["users", "channel"]),
    ("unwatch", &["users", "channel"]),
    ("typing", &["channel"]),
    ("read", &["channel", "seq"]),
    ("channels", &["after", "limit"]),
    ("contacts", &["add", "remove"]),
    ("visible", &["on"]),
    ("ping", &[]),
    ("logout", &[]),
    ("create", &["channel", "private", "title"]),
    ("members", &["channel", "after", "limit"]),
    ("invite", &["channel", "user"]),
    ("kick", &["channel", "user", "reason"]),
    ("ban", &["channel", "user", "reason"]),
    ("unban", &["channel", "user", "reason"]),
    ("role", &["channel", "user", "role"]),
    ("delete", &["channel"]),
    ("dance", &[]),
    ("error", &["code", "message", "id", "close"]),
];

/// Texts that mean something in one place or another.
const WORDS: [&str; 14] = [
    "a",
    "@bob",
    "@ann:bob",
    "bob",
    "~bob-abcde",
    "A",
    "session",
    "muted",
    "owner",
    "x-y",
    "edit",
    "2026-11-22T10",
    "",
    "two\nlines",
];

fn json() -> impl Strategy<Value = Value> {
    let number =
        prop_oneof![any::<i64>().boxed(), (0i64..20).boxed(), (MAX_SEQ as i64 - 1..MAX_SEQ as i64 + 3).boxed()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(&WORDS[..]).prop_map(Value::from),
        (0usize..300, select(&['x', 'é', '\u{7f}'][..])).prop_map(|(count, c)| c.to_string().repeat(count).into()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let members = proptest::collection::vec((select(&["epoch", "seq", "text", "x"][..]), inner.clone()), 0..4);
        let object = members.prop_map(|members| {
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
        });
        prop_oneof![proptest::collection::vec(inner, 0..4).prop_map(Value::from), object]
    })
}

/// A frame of some type with some of its members, and one that is none.
fn frame() -> impl Strategy<Value = Value> {
    let members = proptest::collection::vec(proptest::option::weighted(0.8, json()), 6);
    (select(&GRAMMAR[..]), members, proptest::option::of(json())).prop_map(|((kind, names), values, id)| {
        let mut frame: Map<_, _> =
            names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?))).collect();
        frame.extend(id.map(|id| ("id".to_owned(), id)));
        frame.insert("type".into(), kind.into());
        frame.into()
    })
}

fn is_user(name: &UserName) -> bool {
    UserName::parse(name.as_str()).as_ref() == Ok(name)
}

fn is_channel(name: &ChannelName) -> bool {
    let both = |(a, b): (UserName, UserName)| a <= b && is_user(&a) && is_user(&b);
    name.parties().map_or_else(|| ChannelName::stored(name.as_str()).is_ok(), both)
}

fn is_page(limit: usize) -> bool {
    (1..=BOUNDS.page_max).contains(&limit)
}

fn is_line(text: Option<&String>, most: usize) -> bool {
    text.is_none_or(|text| (1..=most).contains(&text.len()) && !text.contains(char::is_control))
}

fn are_users(users: &[UserName]) -> bool {
    users.len() <= USERS_MAX && users.iter().all(is_user)
}

/// Whether a command is what the protocol lets it be.
fn keeps_its_bounds(command: &Command) -> bool {
    let place = |seq: Option<Seq>| seq.is_none_or(|seq| seq <= MAX_SEQ);
    match command {
        Command::Join(join) => {
            let start = match &join.start {
                Start::Since(cursor) => place(Some(cursor.seq)),
                Start::Stood | Start::Tail(_) => true,
            };
            start && is_channel(&join.channel)
        }
        Command::Leave { channel, .. } | Command::Typing { channel } => is_channel(channel),
        Command::Publish(said) => {
            let body: Result<Map<String, Value>, _> = serde_json::from_str(&said.body);
            let fits = body.is_ok() && said.body.len() <= BOUNDS.body_bytes && said.body.starts_with('{');
            let kind =
                said.kind.as_ref().is_none_or(|kind| kind.as_str().starts_with("x-") && kind.as_str().len() <= 64);
            let key = said.key.as_ref().is_none_or(|key| (1..=64).contains(&key.as_str().len()));
            is_channel(&said.channel)
                && fits
                && kind
                && key
                && place(said.base)
                && place(said.reply_to)
                && said.reply_to != Some(0)
        }
        Command::History(history) => {
            let hour = history.hour.is_none_or(|hour| Wall(i64::from(hour.0) * 3_600_000).hour() == hour);
            is_channel(&history.channel)
                && place(history.before)
                && place(history.after)
                && hour
                && is_page(history.limit)
        }
        Command::Presence { users } => are_users(users),
        Command::Who { channel, after, limit } => {
            is_channel(channel) && after.as_ref().is_none_or(is_user) && is_page(*limit)
        }
        Command::Watch(watch) | Command::Unwatch(watch) => {
            are_users(&watch.users) && watch.channel.as_ref().is_none_or(is_channel)
        }
        Command::Read { channel, seq } => is_channel(channel) && place(Some(*seq)),
        Command::Channels { after, limit } => after.as_ref().is_none_or(is_channel) && is_page(*limit),
        Command::Contacts { add, remove } => are_users(add) && are_users(remove),
        Command::Tend { channel, tending } => is_channel(channel) && tends_in_bounds(tending),
        Command::Refresh { .. } | Command::Visible { .. } | Command::Ping | Command::Logout => true,
    }
}

fn tends_in_bounds(tending: &Tending) -> bool {
    match tending {
        Tending::Create { title, .. } => is_line(title.as_ref(), TITLE_MAX),
        Tending::Members { after, limit } => after.as_ref().is_none_or(is_user) && is_page(*limit),
        Tending::Kick { user, reason } | Tending::Ban { user, reason } => {
            is_user(user) && is_line(reason.as_ref(), REASON_MAX)
        }
        Tending::Invite { user } | Tending::Unban { user } | Tending::Role { user, role: _ } => is_user(user),
        Tending::Delete => true,
    }
}

/// Whether an `error` frame is what a client can read.
fn is_said(problem: &Problem, id: Option<&str>) -> bool {
    let frame: Value = serde_json::from_str(&problem.frame(id)).unwrap_or_default();
    let short = frame["message"].as_str().is_some_and(|message| message.chars().count() <= MESSAGE_MAX + 1);
    frame["type"] == "error" && frame["code"].is_string() && short && frame["id"].as_str() == id
}

/// Reads a text as whoever may have sent it.
fn judge(text: &str) -> Result<(), TestCaseError> {
    let is_object = serde_json::from_str::<Map<String, Value>>(text).is_ok();
    let incoming = match Incoming::read(text) {
        Ok(incoming) => incoming,
        Err((id, problem)) => {
            prop_assert!(
                is_said(&problem, id.as_deref()) && problem.code == ErrorCode::BadFrame,
                "{} {:?}",
                text,
                problem
            );
            return Ok(());
        }
    };
    prop_assert!(is_object && incoming.id.as_ref().is_none_or(|id| (1..=ID_MAX).contains(&id.len())), "{}", text);
    match incoming.hello() {
        Some(Ok(hello)) => {
            let wish = hello.guest.is_none_or(|wish| UserName::guest(&wish, [0; 5]).is_ok());
            prop_assert!(wish && hello.client.is_none_or(|client| client.chars().count() <= 128), "{}", text);
        }
        Some(Err(problem)) => prop_assert!(is_said(&problem, incoming.id.as_deref()), "{} {:?}", text, problem),
        None => {}
    }
    for me in [me(), UserName::parse("ann").unwrap()] {
        match incoming.command(&me, &BOUNDS) {
            Ok(command) => prop_assert!(keeps_its_bounds(&command), "{} {:?}", text, command),
            Err(problem) => prop_assert!(is_said(&problem, incoming.id.as_deref()), "{} {:?}", text, problem),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn any_text_is_refused_or_keeps_its_bounds(text in ".{0,100}") {
        judge(&text)?;
    }

    #[test]
    fn any_object_is_refused_or_keeps_its_bounds(frame in frame()) {
        judge(&frame.to_string())?;
    }

    #[test]
    fn a_damaged_command_is_refused_or_keeps_its_bounds(whole in select(&EACH[..]), seed: u64) {
        judge(&damaged_text(whole, seed))?;
    }

    #[test]
    fn members_that_are_not_a_commands_own_are_passed_over(
        whole in select(&EACH[..]), (_, members) in select(&GRAMMAR[..]), value in json(),
    ) {
        let mut frame: Map<String, Value> = serde_json::from_str(whole).unwrap();
        let kind = frame["type"].as_str().unwrap_or_default();
        let own = GRAMMAR.iter().find(|(known, _)| *known == kind).map(|(_, own)| *own).unwrap();
        for member in members.iter().filter(|member| !own.contains(*member) && **member != "id") {
            frame.insert((*member).to_owned(), value.clone());
        }
        let text = Value::from(frame).to_string();
        let read = |text: &str| Incoming::read(text).map_err(|(_, problem)| problem)?.command(&me(), &BOUNDS);
        prop_assert_eq!(read(&text), read(whole), "{}", text);
    }
}

#[test]
fn the_grammar_here_names_each_type_that_is_read() {
    for whole in EACH {
        let incoming = Incoming::read(whole).unwrap();
        assert!(GRAMMAR.iter().any(|(kind, _)| incoming.kind == *kind), "{whole}");
    }
    let read = |kind: &str| EACH.iter().any(|whole| whole.contains(&format!("\"type\":\"{kind}\"")));
    let missing: Vec<_> = GRAMMAR.iter().filter(|(kind, _)| !read(kind)).map(|(kind, _)| *kind).collect();
    assert_eq!(missing, ["hello", "dance", "error"]);
}
