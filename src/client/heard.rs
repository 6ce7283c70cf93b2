//! What the machine does with the server's frames. Pure.

use std::time::Duration;

use serde_json::Value;

use super::asks::{ConnId, What};
use super::backoff::wait;
use super::error::{Error, Fault};
use super::event::{Event, Joined, Message, Presence, State, time};
use super::frames::{self, Frame, Page, Welcome};
use super::line::{Answer, Down, Effect, Goodbye, Line, Stage};
use super::machine::Machine;
use super::options::{Hidden, Transport};
use super::track::Now;
use crate::model::{ChannelName, UserName};

impl Machine {
    /// A frame came.
    pub fn heard(&mut self, now: Now, conn: ConnId, text: &str) {
        self.alive(now, conn);
        let Some(frame) = frames::read(text) else { return };
        let stage = |line: &Option<Line>| line.as_ref().filter(|line| line.conn == conn).map(|line| line.stage);
        match (stage(&self.line), stage(&self.probe)) {
            (Some(Stage::Up), _) => self.frame(now, conn, frame),
            (Some(_), _) | (_, Some(_)) => self.greeted(now, conn, frame),
            // Over the connection before, only answers still count.
            _ if self.old == Some(conn) => match frame {
                Frame::Reply(id, value) => self.replied(now, conn, id, value),
                Frame::Error(Some(id), fault) => self.refused(now, id, fault),
                _ => {}
            },
            _ => {}
        }
        self.pump(now);
    }

    /// An answer to the hello.
    fn greeted(&mut self, now: Now, conn: ConnId, frame: Frame) {
        match frame {
            Frame::Welcome(welcome) if self.probe.as_ref().is_some_and(|line| line.conn == conn) => {
                self.switch();
                self.welcomed(now, *welcome);
            }
            Frame::Welcome(welcome) => self.welcomed(now, *welcome),
            Frame::Error(_, fault) => {
                let Some(line) = self.line.as_mut().filter(|line| line.conn == conn) else {
                    self.effects.push(Effect::Hang(conn, Goodbye::Unsaid));
                    return self.down(now, conn, Down::default());
                };
                match fault.close {
                    Some(code) if code >= 4500 => self.refuse(fault),
                    // The close follows, and says what to do.
                    Some(_) => line.parting = Some(fault),
                    None if fault.refuses_hello() => self.refuse(fault),
                    None => {
                        line.parting = Some(fault);
                        self.effects.push(Effect::Hang(conn, Goodbye::Unsaid));
                        self.down(now, conn, Down::default());
                    }
                }
            }
            Frame::Notice(notice) => {
                if let Some(line) = self.line.as_mut().filter(|line| line.conn == conn) {
                    line.drain = notice.retry_after_ms;
                }
            }
            _ => {}
        }
    }

    /// The probe came through: what is asked from now on is asked over it. The connection before stays until what was
    /// asked over it is answered.
    fn switch(&mut self) {
        let before = std::mem::replace(&mut self.line, self.probe.take());
        if let Some(before) = before {
            self.asks.drop_own(before.conn);
            if let Some(older) = self.old.replace(before.conn) {
                self.effects.push(Effect::Hang(older, Goodbye::Said));
            }
        }
        self.tracks.offline();
        self.outbox.offline();
    }

    fn welcomed(&mut self, now: Now, welcome: Welcome) {
        let Some(line) = &mut self.line else { return };
        line.stage = Stage::Up;
        line.heard = now.at;
        line.heartbeat = Duration::from_millis(welcome.heartbeat_ms.max(100));
        line.timeout = Duration::from_millis(welcome.timeout_ms.max(welcome.heartbeat_ms).max(200));
        let over = line.over;
        self.backoff.welcomed(now.at, over);
        self.limits = welcome.limits;
        self.token.welcomed(now.at, welcome.now, welcome.expires_at);
        self.identity.token = Some(Hidden(welcome.token));
        self.identity.user = UserName::parse(&welcome.user).ok();
        self.name_direct_channels();
        self.watches.renew();
        self.probe_later(now);
        self.turn(State::Online(over));
    }

    /// `@bob` has its full name once it is known who we are.
    fn name_direct_channels(&mut self) {
        let Some(me) = self.identity.user.clone() else { return };
        let short = |name: &String| name.starts_with('@') && !name.contains(':');
        for name in self.tracks.names().into_iter().filter(short) {
            if let Ok(full) = ChannelName::parse(&name, &me) {
                self.tracks.rename(&name, full.as_str());
            }
        }
        for name in self.outbox.channels().into_iter().filter(short) {
            if let Ok(full) = ChannelName::parse(&name, &me) {
                self.outbox.rename(&name, full.as_str());
            }
        }
    }

    fn frame(&mut self, now: Now, conn: ConnId, frame: Frame) {
        match frame {
            Frame::Welcome(_) => {}
            Frame::Message(message) => self.message(now, message),
            Frame::Joined(joined) => self.joined(joined),
            Frame::Published(id, receipt) => {
                self.tracks.learn(&receipt.channel, &receipt.epoch, receipt.seq);
                let settled = self.outbox.receipt(id, receipt);
                self.settle(settled);
            }
            Frame::Error(None, fault) => {
                if let Some(line) = self.line.as_mut().filter(|_| fault.close.is_some()) {
                    line.parting = Some(fault);
                }
            }
            Frame::Error(Some(id), fault) => self.refused(now, id, fault),
            Frame::Closed { channel, reason } => {
                if self.tracks.closed(now, &channel, &reason) {
                    self.tell(vec![Event::Closed { channel, reason, fault: None }]);
                }
            }
            Frame::Pulse(pulse) => {
                self.tracks.pulse(now, &pulse.heads);
                if !pulse.online.is_empty() {
                    self.tell(vec![Event::Counts(pulse.online)]);
                }
            }
            Frame::Notice(notice) => {
                match (notice.code.as_str(), &mut self.line) {
                    ("draining", Some(line)) => line.drain = notice.retry_after_ms,
                    ("token_expiring", _) => self.token.hurry(now.at),
                    _ => {}
                }
                self.tell(vec![Event::Notice { code: notice.code, text: notice.text }]);
            }
            Frame::Event(event) => {
                if let Event::Activity(activity) = &event
                    && self.tracks.known.newest(&activity.channel).is_some()
                {
                    self.tracks.learn(&activity.channel, &activity.epoch, activity.head);
                }
                let polls = self.line.as_ref().is_some_and(|line| line.over == Transport::LongPoll);
                if polls && matches!(event, Event::Presence(_)) && self.asks.watch() {
                    self.watches.held.push(event);
                } else {
                    self.tell(vec![event]);
                }
            }
            Frame::Reply(id, value) => self.replied(now, conn, id, value),
        }
    }

    /// What waited for the answer to a `watch` waits no longer.
    pub(super) fn release(&mut self) {
        if !self.asks.watch() {
            let held = std::mem::take(&mut self.watches.held);
            self.tell(held);
        }
    }

    fn message(&mut self, now: Now, message: Message) {
        if let Some(epoch) = self.tracks.epoch(&message.channel)
            && self.identity.user.as_ref().is_some_and(|user| user.as_str() == message.from)
        {
            let settled = self.outbox.heard(&message, epoch);
            self.settle(settled);
        }
        let mut events = vec![];
        self.tracks.message(now, message, &mut events);
        self.tell(events);
    }

    fn joined(&mut self, joined: Joined) {
        if let Some(id) = self.tracks.joining(&joined.channel) {
            self.asks.take(id);
        }
        let mut events = vec![];
        let waiters = self.tracks.joined(joined, &mut events);
        self.tell(events);
        let answer = |(ticket, joined)| Effect::Done(ticket, Ok(Answer::Joined(joined)));
        self.effects.extend(waiters.into_iter().map(answer));
    }

    fn replied(&mut self, now: Now, conn: ConnId, id: u64, value: Value) {
        let Some(what) = self.asks.take(id) else { return };
        match what {
            What::App(ticket) => self.effects.push(Effect::Done(ticket, Ok(Answer::Value(value)))),
            What::Watch(ticket, watched) => {
                self.watches.add(&watched);
                if self.conn() != Some(conn) {
                    self.watches.again(watched, now.at);
                }
                self.effects.push(Effect::Done(ticket, Ok(Answer::Value(value))));
            }
            What::Rewatch(_) => {
                self.watches.fails = 0;
                if let Ok(rows) = serde_json::from_value::<Vec<Presence>>(value["users"].clone()) {
                    self.tell(vec![Event::Watching(rows)]);
                }
            }
            What::Page(channel) => {
                let mut events = vec![];
                match serde_json::from_value::<Page>(value) {
                    Ok(page) => {
                        self.settle_heard(&channel, &page);
                        self.tracks.page(now, &channel, id, page, &mut events);
                    }
                    Err(_) => self.tracks.page_failed(now, &channel, id, None, &mut events),
                }
                self.tell(events);
            }
            What::Look(channel) => match serde_json::from_value::<Page>(value) {
                Ok(page) => self.tracks.learn(&channel, &page.epoch, page.head),
                Err(_) => self.tracks.not_known(now, &channel, id, None),
            },
            What::Refresh => self.token.lives_until(now.at, value["expires_at"].as_str().and_then(time)),
            What::Logout(ticket) => {
                self.effects.push(Effect::Done(ticket, Ok(Answer::Nothing)));
                self.finish(State::Ended, Error::Ended);
            }
            What::Join(_) | What::Ping => {}
        }
    }

    /// Publishes of our own may stand among what was missed.
    fn settle_heard(&mut self, channel: &str, page: &Page) {
        let Some(me) = self.identity.user.clone() else { return };
        if self.tracks.epoch(channel) == Some(&page.epoch) {
            for message in page.messages.iter().filter(|message| message.from == me.as_str()) {
                let settled = self.outbox.heard(message, &page.epoch);
                self.settle(settled);
            }
        }
    }

    fn refused(&mut self, now: Now, id: u64, fault: Fault) {
        if self.outbox.has(id) {
            let settled = self.outbox.refused(now.at, now.dice, id, fault);
            return self.settle(settled);
        }
        let Some(what) = self.asks.take(id) else { return };
        match what {
            What::App(ticket) | What::Watch(ticket, _) | What::Logout(ticket) => {
                self.leaving &= !matches!(what, What::Logout(_));
                self.effects.push(Effect::Done(ticket, Err(Error::Server(fault))));
            }
            What::Rewatch(watched) if fault.passes() => {
                let wait = wait(&self.rules, self.watches.fails, fault.retry_after_ms, now.dice);
                self.watches.fails += 1;
                self.watches.again(watched, now.at.after(wait));
            }
            What::Rewatch(watched) => {
                self.watches.remove(&watched);
                self.tell(vec![Event::Unwatched { users: watched.users, channel: watched.channel, fault }]);
            }
            What::Join(channel) => {
                let Some(left) = self.tracks.join_failed(now, &channel, id, Some(&fault)) else { return };
                for ticket in left.waiters {
                    self.effects.push(Effect::Done(ticket, Err(Error::Server(fault.clone()))));
                }
                if left.heard {
                    self.tell(vec![Event::Closed { channel, reason: "refused".into(), fault: Some(fault) }]);
                }
            }
            What::Page(channel) => {
                let mut events = vec![];
                self.tracks.page_failed(now, &channel, id, Some(&fault), &mut events);
                self.tell(events);
            }
            What::Look(channel) => self.tracks.not_known(now, &channel, id, Some(&fault)),
            What::Refresh => self.token.failed(now.at),
            What::Ping => {}
        }
    }

    /// No answer came in time.
    pub(super) fn unanswered(&mut self, now: Now, id: u64, what: What) {
        match what {
            What::App(ticket) | What::Watch(ticket, _) => {
                self.effects.push(Effect::Done(ticket, Err(Error::Timeout)));
            }
            What::Rewatch(watched) => self.watches.again(watched, now.at),
            What::Join(channel) => drop(self.tracks.join_failed(now, &channel, id, None)),
            What::Page(channel) => {
                let mut events = vec![];
                self.tracks.page_failed(now, &channel, id, None, &mut events);
                self.tell(events);
            }
            What::Look(channel) => self.tracks.not_known(now, &channel, id, None),
            What::Refresh => self.token.failed(now.at),
            What::Logout(ticket) => {
                self.effects.push(Effect::Done(ticket, Err(Error::Timeout)));
                self.finish(State::Ended, Error::Ended);
            }
            What::Ping => {}
        }
    }
}
