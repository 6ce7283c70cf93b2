//! What the client's answers look like. Pure.

use parlor::client::{Channels, Error, History, Presence, Who};
use serde_json::Value;

use super::line::{self, Line, Tone};
use super::{Desk, Now, count, names, why};

/// What came of an [`Ask`](super::Ask).
#[derive(Debug)]
pub enum Answer {
    /// It is known what became of the words with this number.
    Sent(u64, Result<(), Error>),
    Joined(String, Result<(), Error>),
    Left(String, Result<(), Error>),
    Page(String, Result<History, Error>),
    Who(String, Result<Who, Error>),
    Presence(Result<Vec<Presence>, Error>),
    /// A watch was set up, of these users or of this channel.
    Watching(Vec<String>, Option<String>, Result<Vec<Presence>, Error>),
    Unwatched(Result<(), Error>),
    Read(String, Result<(), Error>),
    Channels(Result<Channels, Error>),
    Raw(Result<Value, Error>),
    /// Nobody waits for it.
    Nothing,
}

impl Desk {
    /// The client has answered.
    pub fn answered(&mut self, answer: Answer, now: Now) -> Vec<Line> {
        let outcome = match answer {
            Answer::Nothing => Ok(vec![]),
            Answer::Sent(number, outcome) => {
                let Some(words) = self.unsent.take(number) else { return vec![] };
                let place = self.channel(&words.channel);
                outcome.map(|()| vec![]).map_err(|error| (format!("not sent to {place}: {}", words.text), error))
            }
            Answer::Joined(channel, outcome) => {
                let place = self.channel(&channel);
                if outcome.is_err() {
                    self.close(&channel);
                }
                outcome.map(|()| vec![]).map_err(|error| (format!("{place} was not joined"), error))
            }
            Answer::Left(channel, outcome) => {
                let place = self.channel(&channel);
                let left = vec![Line::quiet(&format!("you left {place}"))];
                let only_here = format!("{place} is not heard any more, but you are still a member");
                outcome.map(|()| left).map_err(|error| (only_here, error))
            }
            Answer::Page(channel, page) => {
                page.map(|page| self.page(&channel, &page, now)).map_err(|error| ("no history".to_owned(), error))
            }
            Answer::Who(channel, who) => {
                who.map(|who| vec![self.who(&channel, &who)]).map_err(|error| ("nobody to be named".to_owned(), error))
            }
            Answer::Presence(rows) => {
                rows.map(|rows| self.rows(&rows, now)).map_err(|error| ("not to be known".to_owned(), error))
            }
            Answer::Watching(users, channel, rows) => {
                let done = rows.map(|rows| {
                    self.watched.extend(rows.iter().map(|row| (row.user.clone(), row.state.clone())));
                    let place = channel.map(|channel| format!("those of {} are watched", self.channel(&channel)));
                    let head = place.unwrap_or_else(|| format!("{} watched", count(users.len() as u64, "user")));
                    let others: Vec<Presence> =
                        rows.into_iter().filter(|row| Some(&row.user) != self.me.as_ref()).collect();
                    [vec![Line::quiet(&head)], self.rows(&others, now)].concat()
                });
                done.map_err(|error| ("not watched".to_owned(), error))
            }
            Answer::Unwatched(outcome) => {
                let done = vec![Line::quiet("not watched any more")];
                outcome.map(|()| done).map_err(|error| ("still watched".to_owned(), error))
            }
            Answer::Read(channel, outcome) => {
                let done = vec![Line::quiet(&format!("{} is marked as read", self.channel(&channel)))];
                outcome.map(|()| done).map_err(|error| ("not marked as read".to_owned(), error))
            }
            Answer::Channels(rows) => {
                rows.map(|rows| self.elsewhere(&rows)).map_err(|error| ("no more to be known".to_owned(), error))
            }
            Answer::Raw(frame) => {
                let shown = frame.map(|frame| vec![Line::new(Tone::Plain, &frame.to_string())]);
                shown.map_err(|error| ("no answer".to_owned(), error))
            }
        };
        outcome.unwrap_or_else(|(what, error)| vec![Line::alarm(&format!("{what} ({})", why(&error)))])
    }

    fn page(&mut self, channel: &str, page: &History, now: Now) -> Vec<Line> {
        let place = self.channel(channel);
        if page.messages.is_empty() {
            return vec![Line::quiet(&format!("{place}: nothing older is kept"))];
        }
        // So that the authors of all are known before answers to them are shown.
        if let Some(room) = self.room(channel) {
            page.messages.iter().for_each(|message| room.shown(message));
        }
        let shown: Vec<Line> = page.messages.iter().filter_map(|message| self.message(message, now)).collect();
        let older = if page.more { "there are older ones" } else { "that is all that is kept" };
        let head = Line::quiet(&format!("── {place}, {} from before ──", count(shown.len() as u64, "message")));
        let foot = Line::quiet(&format!("── {older} ──"));
        [vec![head], shown, vec![foot]].concat()
    }

    fn who(&mut self, channel: &str, who: &Who) -> Line {
        who.users.iter().for_each(|user| self.see(user));
        let people: Vec<String> = who.users.iter().map(|user| self.person(user)).collect();
        let more = if who.more { " and more" } else { "" };
        let place = self.channel(channel);
        Line::quiet(&format!("{} in {place}: ", who.count)).and(Tone::Plain, &people.join(", ")).and(Tone::Quiet, more)
    }

    fn rows(&mut self, rows: &[Presence], now: Now) -> Vec<Line> {
        let row = |row: &Presence| {
            let line = self.presence(row);
            match row.last_seen.filter(|_| row.state == "offline") {
                Some(seen) => {
                    let at = line::stamp(seen, now.wall, self.zone);
                    line.and(Tone::Quiet, &format!(", last seen {}", at.trim().trim_matches(['[', ']'])))
                }
                None => line,
            }
        };
        rows.iter().map(row).collect()
    }

    /// The channels that the user is a member of and that are not open.
    fn elsewhere(&self, rows: &Channels) -> Vec<Line> {
        let open = |name: &str| self.rooms.iter().any(|room| room.channel == name);
        let rest = rows.channels.iter().filter(|row| !open(&row.channel));
        let mut lines: Vec<Line> = rest
            .map(|row| {
                let unread = if row.unread == 0 { String::new() } else { format!(", {} unread", row.unread) };
                let label = names::channel(&row.channel, self.me.as_deref());
                Line::quiet("     ").and(Tone::Channel, &label).and(Tone::Quiet, &format!(" (not open here{unread})"))
            })
            .collect();
        if rows.more {
            lines.push(Line::quiet("     and more"));
        }
        if lines.is_empty() && self.rooms.is_empty() {
            lines.push(Line::quiet("you are in no channel: /join CHANNEL"));
        }
        lines
    }
}
