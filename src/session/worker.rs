//! One HTTP worker's share of a server: its hub, and the cells of its sessions. It never leaves its thread.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytestring::ByteString;

use super::cell::Shared;
use super::pending::{Waiting, What};
use super::turns::{Turn, Turns};
use super::{App, Hub, HubIn, Session, SessionIn, Wire};
use crate::clock;
use crate::metrics::Outcome;
use crate::model::maps::HashMap;
use crate::model::{Caller, Conn, HubId, Moment};
use crate::presence::Reason;
use crate::protocol::{CloseCode, ErrorCode, Problem};
use crate::supervise::Post;

thread_local! {
    static HERE: RefCell<Vec<Rc<Worker>>> = const { RefCell::new(Vec::new()) };
}

/// Forgets this thread's workers, as if the thread were another one, and takes `workers` for its own; gives back those
/// that it had. For a simulation, which is many threads by turns.
#[cfg(feature = "testing")]
pub fn pose(workers: Vec<Rc<Worker>>) -> Vec<Rc<Worker>> {
    HERE.replace(workers)
}

/// What a session is opened for.
#[derive(Debug)]
pub enum Purpose {
    /// A client that is sent frames over a connection until that ends. It may have brought a token.
    Stream(Option<String>),
    /// A client that fetches frames, and says which it has. It may have brought a token.
    Numbered(Option<String>),
    /// One command of this caller. It does not count as being online, and nobody hears of it.
    Errand(Caller),
}

/// What sessions, hub and wires of one thread share.
pub struct Worker {
    /// The hub's number.
    pub id: HubId,
    /// The server.
    pub app: Arc<App>,
    /// The hub.
    pub hub: Post<HubIn>,
    cells: RefCell<HashMap<Conn, Shared>>,
    opened: Cell<u64>,
    reads: Cell<u64>,
    turns: Rc<Turns>,
}

impl Worker {
    /// This thread's worker for `app`, started at the first call. An actix system has to run here.
    pub fn here(app: &Arc<App>) -> Rc<Self> {
        let known = HERE.with_borrow(|all| all.iter().find(|worker| Arc::ptr_eq(&worker.app, app)).cloned());
        known.unwrap_or_else(|| {
            let worker = Hub::start(app);
            HERE.with_borrow_mut(|all| all.push(Rc::clone(&worker)));
            worker
        })
    }

    pub(super) fn new(id: HubId, app: Arc<App>, hub: Post<HubIn>) -> Self {
        Self {
            id,
            app,
            hub,
            cells: RefCell::default(),
            opened: Cell::new(0),
            reads: Cell::new(0),
            turns: Rc::default(),
        }
    }

    /// The number of the next page that is read: none is given twice, whatever becomes of the hub.
    pub(super) fn next_read(&self) -> u64 {
        self.reads.update(|last| last + 1);
        self.reads.get()
    }

    /// A command of a session was answered with an error: counts it, if it was a publish.
    pub(super) fn refused(&self, waiting: &Waiting) {
        if waiting.what == What::Publish {
            self.app.context.metrics.publishes.of(Outcome::Refused).inc();
        }
    }

    /// A session's cell, while its wire is there.
    pub fn cell(&self, conn: Conn) -> Option<Shared> {
        self.cells.borrow().get(&conn).cloned()
    }

    /// All cells.
    pub fn cells(&self) -> Vec<Shared> {
        self.cells.borrow().values().cloned().collect()
    }

    /// Opens a session for a client at `address`. If there is no room, or the server is stopping, it has ended already,
    /// and its wire has only to say so.
    pub fn open(self: &Rc<Self>, address: Option<IpAddr>, purpose: Purpose) -> Door {
        let fresh = !matches!(purpose, Purpose::Errand(_));
        let (admission, refused) = match self.app.admit(address, fresh) {
            Ok(admission) => (Some(admission), None),
            Err(refused) => (None, Some(refused)),
        };
        let cell = Session::start(self, address, purpose);
        let turn = self.opened.get();
        self.opened.set(turn + 1);
        cell.borrow_mut().turn = turn;
        let conn = cell.borrow().conn;
        self.cells.borrow_mut().insert(conn, Rc::clone(&cell));
        cell.borrow_mut().admission = admission;
        if self.app.is_draining() {
            cell.borrow_mut().end(CloseCode::Draining, None, Reason::Drained, clock::moment());
        } else if self.hub.vitals().rests() {
            let problem = Problem::new(ErrorCode::Unavailable, "this worker rests; come back, to another one perhaps");
            cell.borrow_mut().end(CloseCode::Later, Some(problem), Reason::Disconnected, clock::moment());
        } else if refused.is_some() {
            cell.borrow_mut().end(CloseCode::Later, refused, Reason::Disconnected, clock::moment());
        }
        Door { cell, worker: Rc::clone(self) }
    }
}

/// A transport's way into a session. Dropping it is the end of the wire.
pub struct Door {
    cell: Shared,
    worker: Rc<Worker>,
}

impl Door {
    /// Gives the session its wire.
    pub fn connect(&self, wire: Rc<dyn Wire>) {
        self.cell.borrow_mut().connect(wire);
    }

    /// A frame came. Its answer is a frame, too, or goes to the `slot` that its transport keeps for it.
    pub fn frame(&self, text: ByteString, slot: Option<u64>) {
        self.heard();
        self.frame_of(text, slot, clock::moment());
    }

    /// A frame is handed on that `came` a while ago.
    pub fn frame_of(&self, text: ByteString, slot: Option<u64>, came: Moment) {
        let mut cell = self.cell.borrow_mut();
        cell.unread += 1;
        cell.session.send(SessionIn::Frame(text, slot, came));
    }

    /// The client was heard from.
    pub fn heard(&self) {
        let mut cell = self.cell.borrow_mut();
        cell.heard = clock::moment();
        // The hub's tick reports whatever is left over, at the latest a heartbeat on. A client may be silent for a
        // heartbeat from here, so what the registry knows must not be older than what is left until the timeout.
        let presence = &self.app().context.config.presence;
        let every = presence.heartbeat.min(presence.timeout.saturating_sub(presence.heartbeat)) / 2;
        if cell.user.is_some() && cell.heard.since(cell.reported) >= every {
            cell.reported = cell.heard;
            cell.session.send(SessionIn::Beat);
        }
    }

    /// The cell, for the wire to take from its outbox.
    pub fn cell(&self) -> &Shared {
        &self.cell
    }

    /// A place for the connection in the order of turns.
    pub fn turn(&self) -> Turn {
        self.worker.turns.enter()
    }

    /// The wire has taken what it could: a replay may go on.
    pub fn looked(&self) {
        let mut cell = self.cell.borrow_mut();
        if cell.looked() {
            self.worker.hub.send(HubIn::Room(cell.conn));
        }
    }

    /// Ends the session from the transport's side.
    pub fn end(&self, code: CloseCode, reason: Reason) {
        self.cell.borrow_mut().end(code, None, reason, clock::moment());
    }

    /// The server.
    pub fn app(&self) -> &Arc<App> {
        &self.worker.app
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let conn = {
            let mut cell = self.cell.borrow_mut();
            cell.disconnected(Reason::Disconnected, clock::moment());
            cell.admission = None;
            cell.conn
        };
        self.worker.cells.borrow_mut().remove(&conn);
    }
}
