//! The task that does what the machine says: it hands it what happens, with the time, and carries out its effects.
//!
//! While the application has not taken the events that are there, nothing is read and the machine's time stands still;
//! calls are still taken. If somebody waits for an answer meanwhile, it is the application itself, perhaps, before it takes
//! the next event: then the machine is parked, so that answers are heard and events are not.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::asks::{ConnId, Watched};
use super::error::Error;
use super::event::Event;
use super::events::Shared;
use super::frames::Words;
use super::line::{Answer, Down, Effect, Goodbye};
use super::link::{Heard, Link};
use super::machine::Machine;
use super::options::Start;
use super::outbox::{Base, Ticket};
use super::place::Place;
use super::track::Now;
use crate::clock;
use crate::model::Moment;

/// How long goodbyes may take when the client ends.
const GOODBYES: Duration = Duration::from_secs(3);
/// How long the application may take nothing while somebody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many frames wait to be looked at.
const HEARD: usize = 64;

/// Who waits for an answer.
pub(super) type Waiter = oneshot::Sender<Result<Answer, Error>>;

/// What the application asks.
pub(super) enum Call {
    Join { channel: String, start: Start, member: bool, waiter: Waiter },
    Leave { channel: String, only_session: bool, waiter: Waiter },
    Publish { words: Words, base: Base, accepted: oneshot::Sender<Result<(), Error>>, waiter: Waiter },
    Watch(Watched, Waiter),
    Unwatch(Watched, Waiter),
    Raw(serde_json::Value, Waiter),
    Logout(Waiter),
    Close(Waiter),
}

/// The time that the machine sees. It stands still while the application takes no events.
#[derive(Default)]
struct Pace {
    lost: Duration,
    since: Option<Moment>,
}

impl Pace {
    fn now(&self) -> Moment {
        let now = self.since.unwrap_or_else(clock::moment);
        Moment(now.0.saturating_sub(self.lost.as_millis() as u64))
    }

    /// For how long it has stood still now.
    fn stood_still(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| clock::moment().since(since))
    }

    fn stand_still(&mut self, still: bool) {
        match (still, self.since) {
            (true, None) => self.since = Some(clock::moment()),
            (false, Some(since)) => {
                self.lost += clock::moment().since(since);
                self.since = None;
            }
            _ => {}
        }
    }
}

/// The driver of one client.
pub(super) struct Driver {
    machine: Machine,
    place: Arc<Place>,
    shared: Arc<Shared>,
    calls: mpsc::Receiver<Call>,
    heard: mpsc::Receiver<(ConnId, Heard)>,
    ear: mpsc::Sender<(ConnId, Heard)>,
    links: HashMap<ConnId, Link>,
    goodbyes: Vec<JoinHandle<()>>,
    /// None when the application wants no events.
    events: Option<mpsc::Sender<Event>>,
    /// Those that the application has not made room for.
    backlog: VecDeque<Event>,
    waiters: HashMap<Ticket, Waiter>,
    tickets: Ticket,
    pace: Pace,
    parked: bool,
}

impl Driver {
    /// One that has not begun.
    pub fn new(
        machine: Machine,
        place: Place,
        shared: Arc<Shared>,
        calls: mpsc::Receiver<Call>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (ear, heard) = mpsc::channel(HEARD);
        Self {
            machine,
            place: Arc::new(place),
            shared,
            calls,
            heard,
            ear,
            links: HashMap::new(),
            goodbyes: vec![],
            events: Some(events),
            backlog: VecDeque::new(),
            waiters: HashMap::new(),
            tickets: 0,
            pace: Pace::default(),
            parked: false,
        }
    }

    /// Runs until the client has ended.
    pub async fn run(mut self) {
        self.machine.start(self.now());
        self.carry_out();
        while !self.machine.is_over() {
            let jammed = !self.backlog.is_empty();
            let reads = !jammed || self.parked;
            self.pace.stand_still(!reads);
            let now = self.pace.now();
            let due = self.machine.deadline().map_or(Duration::from_secs(3600), |at| at.since(now));
            let patience = PATIENCE.saturating_sub(self.pace.stood_still());
            tokio::select! {
                call = self.calls.recv() => match call {
                    Some(call) => self.call(call),
                    None => self.machine.close(),
                },
                heard = self.heard.recv(), if reads => if let Some((conn, heard)) = heard {
                    self.hear(conn, heard);
                },
                () = make_room(self.events.as_ref(), &mut self.backlog), if jammed => {
                    if self.backlog.is_empty() && std::mem::take(&mut self.parked) {
                        self.machine.unpark(self.now());
                    }
                }
                () = tokio::time::sleep(due), if reads => {
                    let now = self.now();
                    self.machine.tick(now);
                }
                () = tokio::time::sleep(patience), if !reads && !self.waiters.is_empty() => {
                    self.parked = true;
                    self.machine.park();
                }
            }
            self.carry_out();
        }
        self.end().await;
    }

    async fn end(mut self) {
        // Whoever still asks is told by the calls' end.
        self.calls.close();
        while self.calls.try_recv().is_ok() {}
        drop(self.calls);
        self.links.clear();
        for goodbye in self.goodbyes {
            let _ = tokio::time::timeout(GOODBYES, goodbye).await;
        }
        for event in self.backlog {
            if let Some(events) = &self.events {
                let _ = events.send(event).await;
            }
        }
    }

    fn now(&self) -> Now {
        Now { at: self.pace.now(), dice: clock::jitter(u64::MAX) }
    }

    fn hear(&mut self, conn: ConnId, heard: Heard) {
        let now = self.now();
        match heard {
            Heard::Opened => self.machine.opened(now, conn),
            Heard::Alive => self.machine.alive(now, conn),
            Heard::Frame(text) => self.machine.heard(now, conn, &text),
            Heard::Down(down) => {
                self.links.remove(&conn);
                self.machine.down(now, conn, down);
            }
        }
    }

    fn wait(&mut self, waiter: Waiter) -> Ticket {
        self.tickets += 1;
        self.waiters.insert(self.tickets, waiter);
        self.tickets
    }

    fn call(&mut self, call: Call) {
        let now = self.now();
        match call {
            Call::Join { channel, start, member, waiter } => {
                let ticket = self.wait(waiter);
                self.machine.join(now, ticket, &channel, start, member);
            }
            Call::Leave { channel, only_session, waiter } => {
                let ticket = self.wait(waiter);
                self.machine.leave(now, ticket, &channel, only_session);
            }
            Call::Publish { words, base, accepted, waiter } => {
                let ticket = self.wait(waiter);
                let outcome = self.machine.publish(now, ticket, words, base);
                if outcome.is_err() {
                    self.waiters.remove(&ticket);
                }
                let _ = accepted.send(outcome);
            }
            Call::Watch(watched, waiter) => {
                let ticket = self.wait(waiter);
                self.machine.watch(now, ticket, watched);
            }
            Call::Unwatch(watched, waiter) => {
                let ticket = self.wait(waiter);
                self.machine.unwatch(now, ticket, watched);
            }
            Call::Raw(command, waiter) => {
                let ticket = self.wait(waiter);
                self.machine.raw(now, ticket, command);
            }
            Call::Logout(waiter) => {
                let ticket = self.wait(waiter);
                self.machine.logout(now, ticket);
            }
            Call::Close(waiter) => {
                self.machine.close();
                let _ = waiter.send(Ok(Answer::Nothing));
            }
        }
    }

    fn carry_out(&mut self) {
        // Before anybody is told of the state that they belong to.
        self.shared.token.lock().clone_from(&self.machine.identity().token);
        self.shared.user.lock().clone_from(&self.machine.identity().user);
        for effect in self.machine.take_effects() {
            match effect {
                Effect::Open(conn, over) => {
                    let link = Link::open(conn, over, Arc::clone(&self.place), self.ear.clone());
                    self.links.insert(conn, link);
                }
                Effect::Say(conn, frame) => {
                    if self.links.get(&conn).is_some_and(|link| !link.say(frame)) {
                        self.links.remove(&conn);
                        let down = Down { why: "nothing can be sent".into(), ..Down::default() };
                        // Not from here: what else was said is still to be carried out.
                        let ear = self.ear.clone();
                        tokio::spawn(async move { ear.send((conn, Heard::Down(down))).await });
                    }
                }
                Effect::Hang(conn, Goodbye::Unsaid) => drop(self.links.remove(&conn)),
                Effect::Hang(conn, Goodbye::Said) => {
                    self.goodbyes.retain(|goodbye| !goodbye.is_finished());
                    self.goodbyes.extend(self.links.remove(&conn).and_then(Link::bye));
                }
                Effect::Tell(event) => self.tell(event),
                Effect::Done(ticket, answer) => {
                    if let Some(waiter) = self.waiters.remove(&ticket) {
                        let _ = waiter.send(answer);
                    }
                }
            }
        }
    }

    fn tell(&mut self, event: Event) {
        if let Event::State(state) = &event {
            self.shared.state.send_replace(state.clone());
        }
        let Some(events) = &self.events else { return };
        // Of how the client stands only the newest counts for one who comes late.
        if matches!((&event, self.backlog.back()), (Event::State(_), Some(Event::State(_)))) {
            self.backlog.pop_back();
        }
        if self.backlog.is_empty() {
            match events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.backlog.push_back(event),
                Err(mpsc::error::TrySendError::Closed(_)) => self.events = None,
            }
        } else {
            self.backlog.push_back(event);
        }
    }
}

/// Waits until the application takes an event, and hands it on. May be dropped while it waits, without loss.
async fn make_room(events: Option<&mpsc::Sender<Event>>, backlog: &mut VecDeque<Event>) {
    let room = match events {
        Some(events) => events.reserve().await.ok(),
        None => None,
    };
    match room {
        Some(room) => {
            if let Some(event) = backlog.pop_front() {
                room.send(event);
            }
        }
        // Nobody wants them any more.
        None => backlog.clear(),
    }
}
