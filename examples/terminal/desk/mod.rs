//! What is on the user's desk: channels, names, what waits. Turns what is heard into lines, and what is typed into what is
//! asked of the client. It does no I/O and knows no clock.

mod acts;
mod answers;
mod command;
mod events;
mod line;
mod names;
mod room;
#[cfg(test)]
#[path = "tests.rs"]
mod testing;
mod unsent;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parlor::client::{Cursor, Error, Message, Transport};
use parlor::model::{ChannelName, Moment, UserName, Wall};

pub use acts::{Ask, Farewell};
pub use answers::Answer;
pub use command::COMMANDS;
pub use line::{Line, Tone, Zone};
pub use names::{meant_channel, wish};

use room::Room;
use unsent::Unsent;

/// How many names are remembered for completion.
const NAMES: usize = 1000;

/// The time, as it is handed in.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub at: Moment,
    pub wall: Wall,
}

/// How it stands with the server, as far as the user was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// It was never there in this run.
    New,
    Online(Transport),
    /// It is gone, and the user was told so then, if at all, and of this wait.
    Lost(Option<(Moment, Duration)>),
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    server: String,
    zone: Zone,
    me: Option<String>,
    link: Link,
    was_online: bool,
    /// In the order in which they were opened.
    rooms: Vec<Room>,
    /// The one that is talked in.
    current: Option<String>,
    names: BTreeSet<String>,
    /// Whether there is something new to complete to.
    new_words: bool,
    watched: BTreeMap<String, String>,
    unsent: Unsent,
}

impl Desk {
    /// With the channels that are to be joined, and where an earlier run left them; the first is the current one.
    pub fn new(server: &str, zone: Zone, rooms: Vec<(String, Option<Cursor>)>) -> Self {
        let rooms: Vec<Room> = rooms.into_iter().map(|(channel, cursor)| Room::new(&channel, cursor)).collect();
        Self {
            server: server.to_owned(),
            zone,
            me: None,
            link: Link::New,
            was_online: false,
            current: rooms.first().map(|room| room.channel.clone()),
            rooms,
            names: BTreeSet::new(),
            new_words: true,
            watched: BTreeMap::new(),
            unsent: Unsent::default(),
        }
    }

    /// Talks in this one from now on, if it is open.
    pub fn turn_to(&mut self, channel: &str) -> bool {
        let there = self.rooms.iter().any(|room| room.channel == channel);
        if there {
            self.current = Some(channel.to_owned());
        }
        there
    }

    /// The user is this one.
    pub fn be(&mut self, user: Option<String>) {
        self.new_words |= self.me != user;
        self.me = user;
        // `@bob` has its full name from now on.
        let full: Vec<String> = self.rooms.iter().map(|room| self.full(&room.channel)).collect();
        self.current = self.current.take().map(|current| self.full(&current));
        self.rooms.iter_mut().zip(full).for_each(|(room, full)| room.channel = full);
    }

    /// A channel's full name: to ann, `@bob` stands for `@ann:bob`.
    fn full(&self, channel: &str) -> String {
        let me = self.me.as_deref().and_then(|me| UserName::parse(me).ok());
        let full = me.and_then(|me| ChannelName::parse(channel, &me).ok());
        full.map_or_else(|| channel.to_owned(), |full| full.as_str().to_owned())
    }

    /// What stands before the line that is typed.
    pub fn prompt(&self) -> Line {
        let Some(current) = &self.current else { return Line::quiet("(no channel) ") };
        let label = self.channel(current);
        let among = self.rooms.iter().position(|room| room.channel == *current).filter(|_| self.rooms.len() > 1);
        let place = among.map_or_else(String::new, |at| format!("{}:", at + 1));
        Line::quiet(&place).and(Tone::Channel, &label).and(Tone::Plain, "> ")
    }

    /// The open channels, in the order in which they were opened.
    pub fn channels(&self) -> Vec<String> {
        self.rooms.iter().map(|room| room.channel.clone()).collect()
    }

    /// The one that is talked in.
    pub fn current(&self) -> Option<String> {
        self.current.clone()
    }

    /// What may be completed to, if that has changed: channels and names, as they are shown.
    pub fn new_words(&mut self) -> Option<Vec<String>> {
        if !std::mem::take(&mut self.new_words) {
            return None;
        }
        let channels = self.rooms.iter().map(|room| self.channel(&room.channel));
        Some(channels.chain(self.names.iter().map(|name| names::user(name))).collect())
    }

    /// How many texts have no receipt.
    pub fn waiting(&self) -> usize {
        self.unsent.len()
    }

    /// Says what was not sent, at the end.
    pub fn not_sent(&self) -> Vec<Line> {
        let lost = |words: &unsent::Words| {
            let place = self.channel(&words.channel);
            Line::alarm(&format!("not known to be sent to {place}: {}", words.text))
        };
        self.unsent.all().map(lost).collect()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) -> Vec<Line> {
        let slow = if let Link::Online(_) = self.link { self.unsent.slow(now.at) } else { vec![] };
        slow.iter().map(|words| self.waits(&words.channel, &words.text)).collect()
    }

    fn waits(&self, channel: &str, text: &str) -> Line {
        Line::quiet("[waits] ").and(Tone::Channel, &self.channel(channel)).and(Tone::Quiet, &format!(" you: {text}"))
    }

    fn room(&mut self, channel: &str) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.channel == channel)
    }

    /// A channel is not open any more.
    fn close(&mut self, channel: &str) {
        self.rooms.retain(|room| room.channel != channel);
        self.new_words = true;
        if self.current.as_deref() == Some(channel) {
            self.current = self.rooms.last().map(|room| room.channel.clone());
        }
    }

    fn channel(&self, name: &str) -> String {
        names::channel(name, self.me.as_deref())
    }

    /// A user's name as it is shown; the user's own is `you`.
    fn person(&self, name: &str) -> String {
        match name {
            _ if Some(name) == self.me.as_deref() => "you".to_owned(),
            // An account may be called so; nobody can be called this.
            "you" => "@you".to_owned(),
            _ => names::user(name),
        }
    }

    fn see(&mut self, name: &str) {
        if Some(name) != self.me.as_deref() && self.names.len() < NAMES {
            self.new_words |= self.names.insert(name.to_owned());
        }
    }

    /// A message as it is shown; none if it is of a kind that is not.
    fn message(&mut self, message: &Message, now: Now) -> Option<Line> {
        if message.kind.is_some() {
            return None;
        }
        self.see(&message.from);
        let mine = Some(message.from.as_str()) == self.me.as_deref();
        let answered = message.reply_to.map(|seq| {
            let room = self.rooms.iter().find(|room| room.channel == message.channel);
            let author = room.and_then(|room| room.author(seq)).map(|author| self.person(author));
            author.map_or_else(|| format!(" (to message {seq})"), |author| format!(" (to {author})"))
        });
        let line = Line::quiet(&line::stamp(message.at, now.wall, self.zone))
            .and(Tone::Channel, &self.channel(&message.channel))
            .and(Tone::Plain, " ")
            .and(if mine { Tone::Own } else { Tone::Name }, &self.person(&message.from))
            .and(Tone::Quiet, &answered.unwrap_or_default())
            .and(Tone::Plain, ": ");
        let line = match message.text() {
            Some(text) => line.and(Tone::Plain, text),
            // No words: whatever it is, in short.
            None => line.and(Tone::Quiet, &message.body.to_string().chars().take(200).collect::<String>()),
        };
        Some(line)
    }
}

/// Why something was not done, for people.
fn why(error: &Error) -> String {
    match error {
        Error::Server(fault) | Error::Refused(fault) if !fault.message.is_empty() => fault.message.clone(),
        Error::Uncertain(fault) => format!("{}; an earlier try may have been stored", fault.message),
        Error::Disconnected => "not connected now".to_owned(),
        other => other.to_string(),
    }
}

/// `1 message`, `2 messages`.
fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
