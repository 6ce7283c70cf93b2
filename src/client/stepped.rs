//! The client without sockets, tasks or a clock: whoever holds it carries out what it wishes and says what happens, and
//! when; with the feature `testing`.

use std::time::Duration;

use super::answers::Draft;
use super::asks::{ConnId, Watched};
use super::error::Error;
use super::event::{Event, Receipt};
use super::line::{Answer, Down, Effect, Goodbye};
use super::machine::Machine;
use super::options::{Options, Start, Transport};
use super::outbox::Ticket;
use super::track::Now;
use crate::model::Moment;

/// What the client wants done.
#[derive(Debug)]
pub enum Wish {
    /// Open a connection of this number.
    Open(ConnId, Transport),
    /// Send a frame over it.
    Say(ConnId, String),
    /// End it, with a goodbye if so.
    Hang(ConnId, bool),
    /// Tell the application.
    Tell(Event),
    /// Answer the call of this number; with its receipt, if it was a publish.
    Done(Ticket, Result<Option<Receipt>, Error>),
}

/// What happened on a connection.
#[derive(Debug)]
pub enum Heard {
    /// It is open: a hello may be said.
    Opened,
    /// The server is there.
    Alive,
    /// A frame came.
    Frame(String),
    /// It has ended, with a close code if there was one.
    Down(Option<u16>),
}

/// One client.
pub struct Stepped {
    machine: Machine,
    tickets: Ticket,
}

impl Stepped {
    /// One that begins now; `dice` is a random number, here and below.
    pub fn start(mut options: Options, at: Moment, dice: u64) -> Self {
        // Seconds are long where a minute is a life.
        options = options.backoff(Duration::from_millis(20), Duration::from_millis(500));
        options = options.probe(Duration::from_millis(500), Duration::from_secs(3));
        let mut machine = Machine::new(&options);
        machine.start(Now { at, dice });
        Self { machine, tickets: 0 }
    }

    /// What it wants done, in order.
    pub fn wishes(&mut self) -> Vec<Wish> {
        let wish = |effect| match effect {
            Effect::Open(conn, over) => Wish::Open(conn, over),
            Effect::Say(conn, frame) => Wish::Say(conn, frame),
            Effect::Hang(conn, goodbye) => Wish::Hang(conn, goodbye == Goodbye::Said),
            Effect::Tell(event) => Wish::Tell(event),
            Effect::Done(ticket, answer) => {
                let receipt = |answer| if let Answer::Receipt(receipt) = answer { Some(receipt) } else { None };
                Wish::Done(ticket, answer.map(receipt))
            }
        };
        self.machine.take_effects().into_iter().map(wish).collect()
    }

    /// Something happened on a connection.
    pub fn hear(&mut self, at: Moment, dice: u64, conn: ConnId, heard: Heard) {
        let now = Now { at, dice };
        match heard {
            Heard::Opened => self.machine.opened(now, conn),
            Heard::Alive => self.machine.alive(now, conn),
            Heard::Frame(text) => self.machine.heard(now, conn, &text),
            Heard::Down(code) => self.machine.down(now, conn, Down { code, ..Down::default() }),
        }
    }

    /// When it wants to be looked after if nothing happens.
    pub fn deadline(&self) -> Option<Moment> {
        self.machine.deadline()
    }

    /// Time has passed.
    pub fn tick(&mut self, at: Moment, dice: u64) {
        self.machine.tick(Now { at, dice });
    }

    /// Wants a channel.
    pub fn join(&mut self, at: Moment, dice: u64, channel: &str, start: Start) -> Ticket {
        self.tickets += 1;
        self.machine.join(Now { at, dice }, self.tickets, channel, start, true);
        self.tickets
    }

    /// Says something under a key.
    pub fn publish(&mut self, at: Moment, dice: u64, channel: &str, key: &str, draft: Draft) -> Result<Ticket, Error> {
        self.tickets += 1;
        let (words, base) = draft.words(channel, key.to_owned())?;
        self.machine.publish(Now { at, dice }, self.tickets, words, base)?;
        Ok(self.tickets)
    }

    /// Watches users.
    pub fn watch(&mut self, at: Moment, dice: u64, users: Vec<String>) -> Ticket {
        self.tickets += 1;
        self.machine.watch(Now { at, dice }, self.tickets, Watched { users, channel: None });
        self.tickets
    }

    /// Sends any other command.
    pub fn raw(&mut self, at: Moment, dice: u64, command: serde_json::Value) -> Ticket {
        self.tickets += 1;
        self.machine.raw(Now { at, dice }, self.tickets, command);
        self.tickets
    }
}
