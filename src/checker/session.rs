//! One session as its client sees it: who it is, what it asked, what it hears.

use std::collections::VecDeque;

use serde_json::Value;

use super::SessionNo;
use super::names::{Map, Set};
use super::order::LogNo;
use super::trouble::Spans;

/// A command that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'h> {
    /// At which turn.
    pub turn: u64,
    /// When.
    pub at: u64,
    /// The command.
    pub frame: &'h Value,
}

/// How a session stands to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// Nothing of it.
    Nothing,
    /// Its stream.
    All,
    /// It has left, but what waited before that may still come (long-poll alone).
    Rest,
}

/// A session and a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sub {
    pub hears: Hears,
    /// In which log, if that is known.
    pub log: Option<LogNo>,
    /// Which message comes next.
    pub next: u64,
    /// A join or leave came to an end that its client was not told: it may hear the channel, or not, from anywhere on.
    pub loose: bool,
    /// At which turn the join was sent that began it.
    pub begun: u64,
}

impl Sub {
    /// A session that never joined.
    pub const NONE: Self = Self { hears: Hears::Nothing, log: None, next: 1, loose: false, begun: 0 };
}

/// What a session was told last of a user.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// The state.
    pub state: u8,
    /// When the last event came, as a turn.
    pub event: u64,
    /// When it was last asked not to watch the user, as a turn.
    pub unwatched: u64,
    /// Whether it watches the user by name.
    pub watched: bool,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session<'h> {
    pub no: SessionNo,
    pub longpoll: bool,
    /// At which turn it was opened, or welcomed.
    pub opened: u64,
    /// Who it is, by its welcome.
    pub user: Option<u32>,
    /// Who it will be, by the token in its hello.
    pub presumed: Option<u32>,
    /// When it first said hello.
    pub greeted: Option<u64>,
    /// The hello that was welcomed; until then the last one.
    pub hello: Option<&'h Value>,
    /// When its frames were not carried as they should be.
    pub hampered: Spans,
    /// Commands with an id that were not answered.
    pub asked: Map<&'h str, Asked<'h>>,
    /// Ids that were answered.
    pub answered: Set<&'h str>,
    /// Ids that were given to more than one command: of these nothing can be said.
    pub reused: Set<&'h str>,
    /// Publishes that were sent before it was known who it is.
    pub early: Vec<Asked<'h>>,
    /// The last command of each channel whose `joined`, `left` or `published` came, as a turn.
    pub in_order: Map<u32, u64>,
    pub subs: Map<u32, Sub>,
    /// Joins over long-poll that no `joined` has answered yet.
    pub joins: Map<u32, VecDeque<Asked<'h>>>,
    /// Leaves without an answer so far, as turns.
    pub leaves: Map<u32, Vec<u64>>,
    /// The last leave that was answered, as a turn.
    pub parted: Map<u32, u64>,
    /// The last position that it heard of each channel and user.
    pub reads: Map<(u32, u32), u64>,
    /// What it was told of users.
    pub told: Map<u32, Told>,
    /// Since when it is certain that the server has it.
    pub sure: Option<u64>,
    /// When the last command was sent that was carried out.
    pub proof: u64,
    /// It has said `logout`.
    pub leaving: bool,
    /// It was told `bye`.
    pub bye: bool,
    /// The `close` of the last frame that it got, if that was an error.
    pub last_close: Option<u64>,
}

impl Session<'_> {
    /// A session that begins.
    pub fn new(no: SessionNo, longpoll: bool, opened: u64) -> Self {
        Self {
            no,
            longpoll,
            opened,
            user: None,
            presumed: None,
            greeted: None,
            hello: None,
            hampered: Spans::default(),
            asked: Map::default(),
            answered: Set::default(),
            reused: Set::default(),
            early: Vec::new(),
            in_order: Map::default(),
            subs: Map::default(),
            joins: Map::default(),
            leaves: Map::default(),
            parted: Map::default(),
            reads: Map::default(),
            told: Map::default(),
            sure: None,
            proof: 0,
            leaving: false,
            bye: false,
            last_close: None,
        }
    }

    /// How it stands to a channel.
    pub fn sub(&self, channel: u32) -> Sub {
        self.subs.get(&channel).copied().unwrap_or(Sub::NONE)
    }
}
