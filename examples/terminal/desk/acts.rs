//! What is typed, as what is to be asked of the client. Pure.

use parlor::client::Cursor;
use parlor::model::Seq;
use serde_json::Value;

use super::command::{self, Action};
use super::events::by;
use super::line::{Line, Tone};
use super::names;
use super::room::Room;
use super::{Desk, Link, Now, count};

/// What the client is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Say words; the number is that of [`Answer::Sent`](super::Answer::Sent).
    Say(u64, String, String),
    Join(String),
    Leave(String),
    /// So many messages before this one.
    Page(String, Option<Seq>, usize),
    Who(String),
    Presence(Vec<String>),
    Watch(Vec<String>, Option<String>),
    Unwatch(Vec<String>, Option<String>),
    Read(String, Seq),
    Channels,
    Raw(Value),
    Typing(String),
}

/// How the user leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// To come back as the same guest.
    Quit,
    /// For good.
    Logout,
}

/// What comes of a line.
#[derive(Debug, Default, PartialEq)]
pub struct Turn {
    pub lines: Vec<Line>,
    pub asks: Vec<Ask>,
    pub farewell: Option<Farewell>,
}

impl Turn {
    fn show(lines: Vec<Line>) -> Self {
        Self { lines, ..Self::default() }
    }

    fn ask(ask: Ask) -> Self {
        Self { asks: vec![ask], ..Self::default() }
    }
}

impl Desk {
    /// A line was typed.
    pub fn typed(&mut self, line: &str, now: Now) -> Turn {
        self.act(command::read(line), now).unwrap_or_else(|wrong| Turn::show(vec![Line::alarm(&wrong)]))
    }

    /// Something is being typed, and it is not a command.
    pub fn typing(&self) -> Option<Ask> {
        matches!(self.link, Link::Online(_)).then(|| self.current.clone().map(Ask::Typing)).flatten()
    }

    fn act(&mut self, action: Action, now: Now) -> Result<Turn, String> {
        Ok(match action {
            Action::Nothing => Turn::default(),
            Action::Wrong(why) => return Err(why),
            Action::Say(text) => self.say(&text, now)?,
            Action::Join(channel) => self.open(&channel),
            Action::Leave(channel) => {
                let channel = self.place(channel)?;
                self.close(&channel);
                Turn { lines: self.says_where(), asks: vec![Ask::Leave(channel)], farewell: None }
            }
            Action::Switch(channel) => {
                let channel = self.full(&channel);
                if !self.turn_to(&channel) {
                    let place = self.channel(&channel);
                    return Err(format!("you are not in {place}: /join {place}"));
                }
                Turn::show(self.says_where())
            }
            Action::SwitchTo(number) => {
                let room = number.checked_sub(1).and_then(|at| self.rooms.get(at));
                let Some(room) = room else { return Err(format!("there is no channel number {number}: /channels")) };
                self.current = Some(room.channel.clone());
                Turn::show(self.says_where())
            }
            Action::Channels => {
                let rows = self.rooms.iter().enumerate().map(|(at, room)| {
                    let mark = if self.current.as_ref() == Some(&room.channel) { '*' } else { ' ' };
                    let joined = if room.joined { "" } else { " (not joined yet)" };
                    let label = self.channel(&room.channel);
                    Line::quiet(&format!("{mark} /{} ", at + 1)).and(Tone::Channel, &label).and(Tone::Quiet, joined)
                });
                Turn { lines: rows.collect(), asks: vec![Ask::Channels], farewell: None }
            }
            Action::Who(channel) => Turn::ask(Ask::Who(self.place(channel)?)),
            Action::History(number) => {
                let channel = self.place(None)?;
                let before = self.room(&channel).and_then(|room| room.oldest);
                Turn::ask(Ask::Page(channel, before, number))
            }
            Action::Presence(users) => Turn::ask(Ask::Presence(users)),
            Action::Watch(users, channels) => Turn { asks: apart(users, channels, Ask::Watch), ..Turn::default() },
            Action::Unwatch(users, channels) => {
                users.iter().for_each(|user| drop(self.watched.remove(user)));
                Turn { asks: apart(users, channels, Ask::Unwatch), ..Turn::default() }
            }
            Action::Read => {
                let channel = self.place(None)?;
                match self.room(&channel).and_then(|room| room.cursor.clone()) {
                    Some(Cursor { seq, .. }) => Turn::ask(Ask::Read(channel, seq)),
                    None => return Err("nothing was read there yet".into()),
                }
            }
            Action::Status => Turn::show(self.status()),
            Action::Me => {
                let me = self.me.as_deref().map_or_else(
                    || "nobody yet: not welcomed by the server".to_owned(),
                    |me| format!("you are {}, {me} on the wire", names::user(me)),
                );
                Turn::show(vec![Line::quiet(&me)])
            }
            Action::Raw(frame) => Turn::ask(Ask::Raw(frame)),
            Action::Help => Turn::show(command::help().iter().map(|row| Line::quiet(row)).collect()),
            Action::Quit => Turn { farewell: Some(Farewell::Quit), ..Turn::default() },
            Action::Logout => Turn { farewell: Some(Farewell::Logout), ..Turn::default() },
        })
    }

    fn say(&mut self, text: &str, now: Now) -> Result<Turn, String> {
        let channel = self.place(None)?;
        let online = matches!(self.link, Link::Online(_));
        let number = self.unsent.add(&channel, text, now.at, !online);
        let lines = if online { vec![] } else { vec![self.waits(&channel, text)] };
        Ok(Turn { lines, asks: vec![Ask::Say(number, channel, text.to_owned())], farewell: None })
    }

    fn open(&mut self, channel: &str) -> Turn {
        let channel = self.full(channel);
        if self.turn_to(&channel) {
            return Turn::show(self.says_where());
        }
        self.rooms.push(Room::new(&channel, None));
        self.new_words = true;
        self.current = Some(channel.clone());
        Turn::ask(Ask::Join(channel))
    }

    /// The channel that is meant: the current one if none is named.
    fn place(&self, channel: Option<String>) -> Result<String, String> {
        let named = channel.map(|channel| self.full(&channel)).or_else(|| self.current.clone());
        named.ok_or_else(|| "you are in no channel: /join CHANNEL".to_owned())
    }

    fn says_where(&self) -> Vec<Line> {
        let text = match &self.current {
            Some(current) => format!("you talk in {} now", self.channel(current)),
            None => "you are in no channel: /join CHANNEL".to_owned(),
        };
        vec![Line::quiet(&text)]
    }

    fn status(&self) -> Vec<Line> {
        let link = match self.link {
            Link::New => "not online yet".to_owned(),
            Link::Online(over) => format!("online by {}", by(over)),
            Link::Lost(_) => "offline, trying again".to_owned(),
        };
        let me = self.me.as_deref().map_or_else(|| "nobody yet".to_owned(), names::user);
        let waiting = count(self.unsent.len() as u64, "message");
        let mut lines = vec![
            Line::quiet(&format!("server   {} ({link})", self.server)),
            Line::quiet(&format!("user     {me}")),
            Line::quiet(&format!("waiting  {waiting}")),
        ];
        lines.extend(self.unsent.all().map(|words| self.waits(&words.channel, &words.text)));
        lines.extend(self.rooms.iter().map(|room| {
            let stands = room.cursor.as_ref().map_or_else(
                || "nothing had yet".to_owned(),
                |cursor| format!("had up to {} of epoch {}", cursor.seq, cursor.epoch),
            );
            Line::quiet(&format!("channel  {}: {stands}", self.channel(&room.channel)))
        }));
        lines
    }
}

/// One command for the users, and one for each channel.
fn apart(users: Vec<String>, channels: Vec<String>, make: fn(Vec<String>, Option<String>) -> Ask) -> Vec<Ask> {
    let users = (!users.is_empty()).then(|| make(users, None));
    users.into_iter().chain(channels.into_iter().map(|channel| make(vec![], Some(channel)))).collect()
}
