//! The long-poll sessions of one worker, and how a request finds the worker that its session lives on.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context as Ctx, Handler};
use bytestring::ByteString;
use parking_lot::RwLock;
use tokio::sync::oneshot;

use super::ended::{End, Ended};
use super::line::{Bell, Line, Tell};
use super::{Digest, Polled};
use crate::clock;
use crate::model::maps::HashMap;
use crate::model::{HubId, Secret};
use crate::session::{Purpose, Worker};
use crate::supervise::{Budget, Envelope, Keeper, Kind, Lasting, Life, Named, Post, named};

/// How often it is tried whether a rest may end.
const AGAIN: Duration = Duration::from_secs(1);

/// Why a request does not reach a session.
#[derive(Debug)]
pub(super) enum Missed {
    /// There is no such session; it ended like this, if that is known.
    Gone(Option<End>),
    /// Too many of its requests wait.
    Full,
}

/// What the lines of a worker are told.
#[derive(Debug)]
pub(super) enum LineIn {
    /// Someone says hello.
    Open {
        /// Where the client is.
        address: Option<IpAddr>,
        /// The token that the request carries.
        bearer: Option<String>,
        /// The frame.
        hello: ByteString,
        /// How it is answered.
        tell: Tell,
    },
    /// Commands of a session came, each a frame's text.
    Commands(Digest, Vec<ByteString>, Tell),
    /// A poll came.
    Poll {
        /// Whose.
        session: Digest,
        /// What the client has.
        after: u64,
        /// Whether it may be parked.
        wait: bool,
        /// How it is answered.
        tell: oneshot::Sender<Polled>,
    },
    /// A parked poll of the session waited long enough.
    Unpark(Digest),
    /// A session's client says goodbye.
    Logout(Digest, oneshot::Sender<Result<(), Missed>>),
    /// A session may have something for its requests.
    Look(Digest),
}

/// The lines of a worker.
pub static LONGPOLL: Kind = Kind { name: "longpoll", messages: &[LineIn::NAMES], endings: Lasting::NAMES };

named!(LineIn: Open, Commands, Poll, Unpark, Logout, Look);

/// Where each worker's lines are.
#[derive(Default)]
pub(crate) struct Switchboard(RwLock<HashMap<HubId, Post<LineIn>>>);

impl Switchboard {
    /// Starts the lines of this thread's worker, at the first call.
    pub fn connect(&self, worker: &Rc<Worker>) {
        if self.of(worker.id).is_none() {
            self.0.write().insert(worker.id, Lines::start_on(worker));
        }
    }

    /// A worker's lines.
    pub(super) fn of(&self, hub: HubId) -> Option<Post<LineIn>> {
        self.0.read().get(&hub).cloned()
    }

    /// The lines on which a session would be.
    pub(super) fn find(&self, session: &Secret) -> Option<Post<LineIn>> {
        self.of(session.hub()?)
    }
}

/// The actor that holds a worker's lines. All that it does takes little time.
struct Lines {
    keeper: Keeper<State>,
    /// Whether a timer ends its rest.
    timed: bool,
}

struct State {
    worker: Rc<Worker>,
    own: Post<LineIn>,
    lines: HashMap<Digest, Box<Line>>,
    ended: Ended,
}

impl Lines {
    fn start_on(worker: &Rc<Worker>) -> Post<LineIn> {
        let life = Life::begin(&worker.app.context.probes.of(&LONGPOLL), worker.id.0.to_string().into());
        let ctx = Ctx::<Self>::new();
        let own = Post::new(ctx.address().recipient(), life.vitals());
        let factory = {
            let (worker, own) = (Rc::clone(worker), own.clone());
            // Sessions of a life that broke end with it, and their clients begin others.
            move || State {
                worker: Rc::clone(&worker),
                own: own.clone(),
                lines: HashMap::default(),
                ended: Ended::default(),
            }
        };
        let keeper = Keeper::new(life, Budget::default(), factory);
        actix::spawn(ctx.into_future(Self { keeper, timed: false }));
        own
    }
}

impl Actor for Lines {
    type Context = Ctx<Self>;
}

impl Handler<Envelope<LineIn>> for Lines {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<LineIn>, ctx: &mut Ctx<Self>) {
        self.keeper.receive(envelope, State::take);
        self.look_up(ctx);
    }
}

impl Lines {
    /// While it rests the server is not ready, so that perhaps nobody comes who would have it begin again.
    fn look_up(&mut self, ctx: &mut Ctx<Self>) {
        if self.keeper.is_down() && !std::mem::replace(&mut self.timed, true) {
            ctx.run_later(AGAIN, |lines, ctx| {
                lines.timed = false;
                lines.keeper.recover();
                lines.look_up(ctx);
            });
        }
    }
}

impl State {
    fn take(&mut self, message: LineIn) {
        self.worker.app.context.faults.pass("longpoll.step");
        match message {
            LineIn::Open { address, bearer, hello, tell } => self.open(address, bearer, hello, tell),
            LineIn::Commands(session, texts, tell) => {
                let bytes = texts.iter().map(|text| text.len()).sum();
                match self.lines.get_mut(&session) {
                    Some(line) if line.has_room(bytes) => line.take(texts, tell),
                    Some(_) => drop(tell.send(Err(Missed::Full))),
                    None => drop(tell.send(Err(self.missed(&session)))),
                }
            }
            LineIn::Poll { session, after, wait, tell } => match self.lines.get_mut(&session) {
                Some(line) => line.poll(after, wait, tell),
                None => {
                    let end = self.ended.get(&session, clock::moment());
                    drop(tell.send(Polled::Gone(end)));
                }
            },
            LineIn::Unpark(session) => {
                if let Some(line) = self.lines.get_mut(&session) {
                    line.unpark();
                }
            }
            LineIn::Logout(session, tell) => {
                let answer = self.lines.get(&session).map(|line| line.logout()).ok_or_else(|| self.missed(&session));
                self.look(session);
                drop(tell.send(answer));
            }
            LineIn::Look(session) => self.look(session),
        }
    }

    fn open(&mut self, address: Option<IpAddr>, bearer: Option<String>, hello: ByteString, tell: Tell) {
        let door = self.worker.open(address, Purpose::Numbered(bearer));
        let session = door.cell().borrow().secret.digest();
        let bell = || Bell { lines: self.own.clone(), session };
        door.cell().borrow_mut().connect(Rc::new(bell()));
        let line = Line::new(door, hello, tell, Waker::from(Arc::new(bell())));
        self.lines.insert(session, Box::new(line));
    }

    fn look(&mut self, session: Digest) {
        let Some(line) = self.lines.get_mut(&session) else { return };
        if let Some(end) = line.look()
            && let Some(line) = self.lines.remove(&session)
            && line.close(end)
        {
            self.ended.add(session, end, clock::moment());
        }
    }

    fn missed(&mut self, session: &Digest) -> Missed {
        Missed::Gone(self.ended.get(session, clock::moment()))
    }
}
