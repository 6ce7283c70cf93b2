//! Writes down what happens, by one clock, and counts it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use parlor::checker::{Breach, By, History, SessionNo, What};
use serde_json::Value;

use crate::verdict::SEEN;

/// What is known of one client's place in the network.
#[derive(Default)]
struct Place {
    /// Its session, while it has one.
    session: Option<SessionNo>,
    /// How many faults hamper it now.
    hampered: u32,
    /// A session that will not be carried properly any more.
    stranded: Option<SessionNo>,
    /// When a fault last befell it.
    befallen: u64,
}

/// How much there was of what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Sessions begun.
    pub sessions: u64,
    /// Commands.
    pub commands: u64,
    /// Receipts of messages that were new.
    pub receipts: u64,
    /// Receipts that say `duplicate`.
    pub duplicates: u64,
    /// Messages that somebody heard.
    pub deliveries: u64,
    /// Refusals.
    pub refusals: u64,
    /// Changes of somebody's presence that somebody heard.
    pub presence: u64,
    /// Faults made.
    pub faults: u64,
}

struct Book {
    history: History,
    places: Vec<Place>,
    sessions: SessionNo,
    /// The newest session that there was when the server last went down.
    bygone: SessionNo,
    slow: u32,
    down: bool,
    /// When the server, or the machine, last had trouble.
    trouble: u64,
    counts: Counts,
    breaches: Vec<Breach>,
}

impl Book {
    fn sent(&mut self, now: u64, session: SessionNo, frame: &Value) {
        self.counts.commands += 1;
        self.history.add(now, What::Sent { session, frame: frame.clone() });
    }
}

/// The recorder. A clone is the same one.
#[derive(Clone)]
pub struct Recorder {
    begun: Instant,
    book: Arc<Mutex<Book>>,
}

impl Recorder {
    /// One for so many clients.
    pub fn new(clients: usize) -> Self {
        let book = Book {
            history: History::default(),
            places: (0..clients).map(|_| Place::default()).collect(),
            sessions: 0,
            bygone: 0,
            slow: 0,
            down: true,
            trouble: 0,
            counts: Counts::default(),
            breaches: Vec::new(),
        };
        Self { begun: Instant::now(), book: Arc::new(Mutex::new(book)) }
    }

    /// The clock is read with the book in hand, so that times never go back in it.
    fn write<T>(&self, what: impl FnOnce(&mut Book, u64) -> T) -> T {
        let mut book = self.book.lock();
        let now = self.begun.elapsed().as_millis() as u64;
        what(&mut book, now)
    }

    /// What the clock says.
    pub fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// Something that is said of no session.
    pub fn add(&self, what: What) {
        self.write(|book, now| {
            if matches!(what, What::ServerDown | What::ServerUp) {
                (book.down, book.trouble) = (what == What::ServerDown, now);
            }
            if what == What::ServerDown {
                book.bygone = book.sessions;
            }
            book.history.add(now, what);
        });
    }

    /// The machine has something else to do: for a while, what this program sees by itself proves nothing.
    pub fn starved(&self, text: String) {
        self.write(|book, now| {
            book.trouble = now;
            book.history.add(now, What::Note { text });
        });
    }

    /// Whether neither the server nor this client, in this session, has had any trouble for so many milliseconds.
    pub fn calm(&self, client: usize, session: SessionNo, ms: u64) -> bool {
        self.write(|book, now| {
            let (place, since) = (&book.places[client], now.saturating_sub(ms));
            let server = book.slow == 0 && !book.down && book.trouble < since;
            server && place.hampered == 0 && place.stranded != Some(session) && place.befallen < since
        })
    }

    /// Words.
    pub fn note(&self, text: impl Into<String>) {
        self.add(What::Note { text: text.into() });
    }

    /// Words about a fault.
    pub fn fault(&self, text: String) {
        self.write(|book, now| {
            book.counts.faults += 1;
            book.history.add(now, What::Note { text });
        });
    }

    /// A session begins; `client` says whose it is, if one of the plan's.
    pub fn open(&self, client: Option<usize>, over: &str) -> SessionNo {
        self.write(|book, now| {
            book.sessions += 1;
            book.counts.sessions += 1;
            let session = book.sessions;
            book.history.add(now, What::Opened { session, over: over.to_owned() });
            if let Some(place) = client.and_then(|client| book.places.get_mut(client)) {
                place.session = Some(session);
                if place.hampered > 0 {
                    book.history.add(now, What::Hampered { session });
                }
            }
            session
        })
    }

    /// A command is about to leave.
    pub fn sent(&self, session: SessionNo, frame: &Value) {
        self.write(|book, now| book.sent(now, session, frame));
    }

    /// A command is about to leave by another way, which a new life of the server would take, too. It is not to leave, and
    /// nothing is written down, if the session is of an earlier one: nobody would believe that it said that.
    pub fn sent_aside(&self, session: SessionNo, frame: &Value) -> bool {
        self.write(|book, now| {
            let there = session > book.bygone;
            if there {
                book.sent(now, session, frame);
            }
            there
        })
    }

    /// A frame has come.
    pub fn got(&self, session: SessionNo, frame: Value) {
        self.write(|book, now| {
            let counts = &mut book.counts;
            match frame["type"].as_str().unwrap_or_default() {
                "published" if frame["duplicate"] == true => counts.duplicates += 1,
                "published" => counts.receipts += 1,
                "message" => counts.deliveries += 1,
                "presence" if frame["id"].is_null() => counts.presence += 1,
                "error" => counts.refusals += 1,
                _ => {}
            }
            book.history.add(now, What::Got { session, frame });
        });
    }

    /// A session is over.
    pub fn over(&self, client: Option<usize>, session: SessionNo, code: Option<u16>, by: By) {
        self.write(|book, now| {
            book.history.add(now, What::Over { session, code, by });
            if let Some(place) = client.and_then(|client| book.places.get_mut(client)) {
                place.session = None;
            }
        });
    }

    /// From here on this client is not served as it should be.
    pub fn hamper(&self, client: usize) {
        self.write(|book, now| {
            let place = &mut book.places[client];
            place.hampered += 1;
            place.befallen = now;
            if let Some(session) =
                place.session.filter(|session| place.hampered == 1 && place.stranded != Some(*session))
            {
                book.history.add(now, What::Hampered { session });
            }
        });
    }

    /// It is again, as far as that fault goes.
    pub fn ease(&self, client: usize) {
        self.write(|book, now| {
            let place = &mut book.places[client];
            place.hampered -= 1;
            place.befallen = now;
            if let Some(session) =
                place.session.filter(|session| place.hampered == 0 && place.stranded != Some(*session))
            {
                book.history.add(now, What::Eased { session });
            }
        });
    }

    /// The session that this client has now will never be carried properly again; its next one will.
    pub fn strand(&self, client: usize) {
        self.write(|book, now| {
            let place = &mut book.places[client];
            if let Some(session) = place.session {
                if place.hampered == 0 && place.stranded != Some(session) {
                    book.history.add(now, What::Hampered { session });
                }
                place.stranded = Some(session);
            }
        });
    }

    /// Nothing is expected of the server in time from here on.
    pub fn slow(&self) {
        self.write(|book, now| {
            book.slow += 1;
            book.trouble = now;
            if book.slow == 1 {
                book.history.add(now, What::ServerSlow);
            }
        });
    }

    /// It is, again.
    pub fn well(&self) {
        self.write(|book, now| {
            book.slow -= 1;
            book.trouble = now;
            if book.slow == 0 {
                book.history.add(now, What::ServerWell);
            }
        });
    }

    /// Something is wrong that this program saw by itself.
    pub fn breach(&self, rule: &'static str, text: impl Into<String>) {
        self.write(|book, at| {
            let text = text.into();
            book.history.add(at, What::Note { text: format!("{SEEN}{rule}: {text}") });
            book.breaches.push(Breach { at, rule, text });
        });
    }

    /// How much there was until now.
    pub fn counts(&self) -> Counts {
        self.book.lock().counts
    }

    /// Takes everything; what is written down from here on is lost.
    pub fn finish(&self) -> (History, Vec<Breach>, Counts) {
        let mut book = self.book.lock();
        (std::mem::take(&mut book.history), std::mem::take(&mut book.breaches), book.counts)
    }
}
