//! What the registry is told, and what it tells the workers' hubs.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::model::{Conn, HubId, Moment, Sid, UserName, Wall};
use crate::protocol::{Frame, event};
use crate::supervise::{Kind, Lasting, Named, Post, named};

/// The registry.
pub static PRESENCE: Kind = Kind { name: "presence", messages: &[RegistryIn::NAMES], endings: Lasting::NAMES };

named!(RegistryIn: Hub, Report, Up, Beat, Down, Ask, Forget, Shown, Online, Sweep);
named!(ToHub: Report, Answer, Changed, Reap);

/// Whether someone is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PresenceState)]
pub enum State {
    /// At least one session is.
    Online,
    /// No session is.
    Offline,
    /// The registry has not heard from every worker since it started anew.
    Unknown,
}

/// Why someone went offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WentBy)]
pub enum Reason {
    /// Said goodbye.
    Logout,
    /// The connection ended.
    Disconnected,
    /// Was not heard from any more.
    Timeout,
    /// Was made to leave.
    Kicked,
    /// The server is stopping.
    Drained,
}

/// One user's presence, as whoever is told may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PresenceRow)]
pub struct Row {
    /// Who.
    pub user: UserName,
    /// Whether there.
    pub state: State,
    /// How many sessions are.
    pub sessions: usize,
    /// When last heard from; `None` if never, or if neither the registry nor whoever asked knows.
    #[schema(required)]
    pub last_seen: Option<Wall>,
}

impl Row {
    /// The same; with `last_seen`, which is the disk's word, if the registry had none.
    pub(super) fn or_seen(mut self, last_seen: Option<Wall>) -> Self {
        self.last_seen = self.last_seen.or(last_seen);
        self
    }

    /// The `presence` event that says so, and why.
    pub fn frame(&self, reason: Option<Reason>) -> Frame {
        let mut members = json!({ "user": self.user, "state": self.state, "last_seen": self.last_seen });
        if let Some(reason) = reason {
            members["reason"] = json!(reason);
        }
        event("presence", members)
    }
}

/// A session as a hub reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whose.
    pub user: UserName,
    /// Which connection.
    pub conn: Conn,
    /// Its public name.
    pub sid: Sid,
    /// When it was last heard from.
    pub heard: Moment,
}

/// Who asked, so that the answer finds its way: a session's connection, and the number that it gave the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The session.
    pub conn: Conn,
    /// Its number for the command.
    pub ticket: u64,
}

/// Someone who is asked about, and when they were last heard from as far as the disk knows.
pub type Asked = (UserName, Option<Wall>);

/// What the registry is told.
#[derive(Debug)]
pub enum RegistryIn {
    /// A hub came to life, or to a new life: all that an earlier one of that number said is void.
    Hub {
        /// Which.
        hub: HubId,
        /// How it is spoken to.
        post: Post<ToHub>,
    },
    /// Everything that a hub knows, asked for by [`ToHub::Report`].
    Report {
        /// Which hub.
        hub: HubId,
        /// Which life of the registry asked.
        incarnation: u64,
        /// Its sessions.
        sessions: Vec<Seen>,
        /// The users that its sessions watch.
        interest: Vec<UserName>,
    },
    /// A session said hello.
    Up {
        /// Where it lives.
        hub: HubId,
        /// The session.
        seen: Seen,
    },
    /// A session's client was heard from.
    Beat {
        /// Where it lives.
        hub: HubId,
        /// The session.
        seen: Seen,
    },
    /// A session ended.
    Down {
        /// Whose.
        user: UserName,
        /// Which connection; another one is left alone.
        conn: Conn,
        /// Why.
        reason: Reason,
    },
    /// Someone wants to know how these users are; with `watch`, also how that changes.
    Ask {
        /// Where the answer goes.
        hub: HubId,
        /// Who asks.
        asker: Asker,
        /// About whom.
        users: Vec<Asked>,
        /// Whether the hub hears about changes from now on.
        watch: bool,
    },
    /// No session of that hub watches these users any more.
    Forget {
        /// Which hub.
        hub: HubId,
        /// Whom.
        users: Vec<UserName>,
    },
    /// A user began to hide, or ended it.
    Shown {
        /// Who.
        user: UserName,
    },
    /// Who is online, by name, of those who do not hide.
    Online {
        /// Names after this one.
        after: Option<UserName>,
        /// At most this many.
        max: usize,
        /// Where the answer goes.
        tell: tokio::sync::oneshot::Sender<OnlinePage>,
    },
    /// The interval timer.
    Sweep,
}

/// A page of who is online.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnlinePage {
    /// Online users.
    pub users: usize,
    /// Their sessions.
    pub sessions: usize,
    /// Names, ascending.
    pub list: Vec<UserName>,
    /// Whether more follow.
    pub more: bool,
}

/// Which of those who watch a user are told of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All.
    Everyone,
    /// All but the user's own sessions: it hides, or did.
    Others,
    /// The user's own sessions alone: it hides.
    Itself,
}

/// What the registry tells a hub, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToHub {
    /// Tell me everything: I have begun anew.
    Report {
        /// Which life of the registry.
        incarnation: u64,
    },
    /// The answer to [`RegistryIn::Ask`], in the order of its names.
    Answer {
        /// Who asked.
        asker: Asker,
        /// One for each name.
        rows: Vec<Row>,
    },
    /// A watched user came or went.
    Changed {
        /// How it is now.
        row: Row,
        /// Why, for one who went.
        reason: Option<Reason>,
        /// Who is told.
        whom: Whom,
    },
    /// These sessions were not heard from in time: end them.
    Reap(Vec<Conn>),
}
