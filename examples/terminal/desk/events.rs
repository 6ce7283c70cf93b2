//! What is heard, as lines. Pure.

use std::time::Duration;

use parlor::client::{Activity, Cursor, Event, Joined, Member, Message, Presence, State, Transport};

use super::line::{Line, Tone};
use super::{Desk, Link, Now, count, names};

/// While the server stays away, that is said again after so long.
const REMINDER: Duration = Duration::from_secs(60);
/// And when the waits have become so long, and much longer than what was said.
const LONG: Duration = Duration::from_secs(2);

impl Desk {
    /// Something came from the server, or became of the connection.
    pub fn heard(&mut self, event: &Event, now: Now) -> Vec<Line> {
        match event {
            Event::State(state) => self.stands(state, now),
            Event::Message(message) => self.said(message, now),
            Event::Joined(joined) => self.joined(joined),
            Event::Hole { channel, from, to } => {
                if let Some(cursor) = self.room(channel).and_then(|room| room.cursor.as_mut()) {
                    cursor.seq = *to;
                }
                let what =
                    if from == to { format!("message {from} is") } else { format!("messages {from} to {to} are") };
                vec![Line::alarm(&format!("{}: {what} no longer kept by the server", self.channel(channel)))]
            }
            Event::Reset { channel, epoch, next } => {
                let cursor = Cursor { epoch: epoch.clone(), seq: next.saturating_sub(1) };
                if let Some(room) = self.room(channel) {
                    room.begin_anew(cursor);
                }
                let place = self.channel(channel);
                vec![Line::alarm(&format!("{place} began anew: what you read there before may be gone"))]
            }
            Event::Closed { channel, reason, fault } => {
                self.close(channel);
                let place = self.channel(channel);
                let what = match reason.as_str() {
                    "left" => format!("you left {place}"),
                    "kicked" => format!("you were put out of {place}"),
                    "banned" => format!("you were banned from {place}"),
                    "deleted" => format!("{place} was deleted"),
                    _ => format!("{place} is closed to you"),
                };
                let more = fault.as_ref().map_or_else(String::new, |fault| format!(": {}", fault.message));
                vec![Line::alarm(&format!("{what}{more}"))]
            }
            Event::Presence(row) => self.changed(row),
            Event::Watching(rows) => rows.iter().flat_map(|row| self.changed(row)).collect(),
            Event::Unwatched { users, channel, fault } => {
                let users = users.iter().map(|user| names::user(user));
                let all: Vec<String> = users.chain(channel.iter().map(|channel| self.channel(channel))).collect();
                vec![Line::alarm(&format!("not watched any more: {} ({})", all.join(", "), fault.message))]
            }
            Event::Activity(activity) => vec![self.activity(activity)],
            Event::Member(member) => self.member(member),
            Event::Notice { text, .. } => vec![Line::quiet(&format!("the server says: {text}"))],
            // Who is typing or has read would be gone before it is read, and the rest is not for people.
            _ => vec![],
        }
    }

    fn said(&mut self, message: &Message, now: Now) -> Vec<Line> {
        let line = self.message(message, now);
        if let Some(room) = self.room(&message.channel) {
            room.cursor = Some(message.cursor());
            room.shown(message);
        }
        line.into_iter().collect()
    }

    fn joined(&mut self, joined: &Joined) -> Vec<Line> {
        let place = self.channel(&joined.channel);
        let Some(room) = self.room(&joined.channel) else { return vec![] };
        room.cursor = Some(joined.cursor.clone());
        // After a lost connection it just goes on.
        if std::mem::replace(&mut room.joined, true) {
            return vec![];
        }
        let new = joined.head.saturating_sub(joined.cursor.seq);
        let text = match (room.known, new) {
            (true, 0) => format!("back in {place}, nothing new"),
            (true, new) => format!("back in {place}, {} since you left", count(new, "message")),
            (false, _) if joined.head == 0 => format!("in {place}, which is empty"),
            (false, _) => format!("in {place}, {} so far", count(joined.head, "message")),
        };
        vec![Line::quiet(&text)]
    }

    fn stands(&mut self, state: &State, now: Now) -> Vec<Line> {
        let waiting = match self.unsent.len() as u64 {
            0 => String::new(),
            1 => "; 1 message waits".to_owned(),
            more => format!("; {more} messages wait"),
        };
        match state {
            State::Online(over) => {
                let before = std::mem::replace(&mut self.link, Link::Online(*over));
                let again = std::mem::replace(&mut self.was_online, true);
                let by = by(*over);
                let me = self.me.as_deref().map_or_else(String::new, names::user);
                match before {
                    Link::Online(before) if before == *over => vec![],
                    Link::Online(_) => vec![Line::quiet(&format!("online by {by} now"))],
                    // The user did not notice.
                    Link::Lost(None) => vec![],
                    _ if again => vec![Line::quiet(&format!("online again by {by}"))],
                    _ => vec![Line::quiet(&format!("online by {by} as {me}"))],
                }
            }
            State::Waiting(wait) => {
                let told = match self.link {
                    Link::Lost(told) => told,
                    _ => None,
                };
                let longer = |before: Duration| *wait >= LONG && *wait >= 4 * before;
                if told.is_some_and(|(told, before)| now.at.since(told) < REMINDER && !longer(before)) {
                    return vec![];
                }
                self.link = Link::Lost(Some((now.at, *wait)));
                let what = match (told, self.was_online) {
                    (None, true) => "offline",
                    (None, false) => "the server cannot be reached",
                    (Some(_), _) => "still offline",
                };
                let again = if wait.as_millis() < 1000 {
                    "at once".to_owned()
                } else {
                    format!("in {} s", wait.as_millis().div_ceil(1000))
                };
                vec![Line::alarm(&format!("{what}, trying again {again}{waiting}"))]
            }
            State::Refused(fault) => {
                let text = format!("the server does not let you in as you are: {}", fault.message);
                vec![Line::alarm(&text), Line::quiet("start with --forget to come as a new guest")]
            }
            State::Disconnected | State::Connecting(_) | State::Greeting(_) => {
                if let Link::Online(_) = self.link {
                    self.link = Link::Lost(None);
                }
                vec![]
            }
            _ => vec![],
        }
    }

    /// Says how a user is, if that is news.
    fn changed(&mut self, row: &Presence) -> Vec<Line> {
        let known = self.watched.insert(row.user.clone(), row.state.clone());
        let news = known.as_ref() != Some(&row.state) && Some(&row.user) != self.me.as_ref();
        if news { vec![self.presence(row)] } else { vec![] }
    }

    /// Says how a user is.
    pub(super) fn presence(&mut self, row: &Presence) -> Line {
        self.see(&row.user);
        let who = self.person(&row.user);
        let verb = if who == "you" { "are" } else { "is" };
        let state = match row.state.as_str() {
            state @ ("online" | "offline") => state,
            _ => "perhaps here",
        };
        let how = match row.reason.as_deref() {
            Some("logout") => " (said goodbye)",
            Some("timeout") => " (fell silent)",
            Some("kicked") => " (put out)",
            _ => "",
        };
        Line::quiet(&format!("{who} {verb} {state}{how}"))
    }

    fn activity(&mut self, activity: &Activity) -> Line {
        let place = self.channel(&activity.channel);
        let from = activity.from.as_deref().map_or_else(String::new, |from| format!(", by {}", self.person(from)));
        let text = match activity.change.as_deref() {
            Some("invited") => format!("you are invited to {place}{from}: /join {place}"),
            Some("added") => format!("you are a member of {place} now{from}: /join {place}"),
            Some("removed") => format!("you are no member of {place} any more{from}"),
            _ => format!("{} unread in {place}{from}: /join {place}", activity.unread),
        };
        Line::quiet(&text)
    }

    fn member(&mut self, member: &Member) -> Vec<Line> {
        self.see(&member.user);
        let (who, place) = (self.person(&member.user), self.channel(&member.channel));
        let by = member.by.as_deref().map_or_else(String::new, |by| format!(" by {}", self.person(by)));
        let (is, was) = if who == "you" { ("are", "were") } else { ("is", "was") };
        let what = match member.change.as_str() {
            // The user's own coming and going is told by the channel's.
            "joined" | "left" | "kicked" | "banned" if who == "you" => return vec![],
            "joined" => format!("{who} came to {place}"),
            "left" => format!("{who} left {place}"),
            "kicked" => format!("{who} {was} put out of {place}{by}"),
            "banned" => format!("{who} {was} banned from {place}{by}"),
            "role" => format!("{who} {is} {} in {place} now{by}", member.role.as_deref().unwrap_or("something else")),
            _ => return vec![],
        };
        vec![Line::new(Tone::Quiet, &what)]
    }
}

/// A transport's name for people.
pub(super) fn by(over: Transport) -> &'static str {
    match over {
        Transport::WebSocket => "WebSocket",
        Transport::LongPoll => "long-poll",
    }
}
