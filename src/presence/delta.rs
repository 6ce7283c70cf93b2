//! What goes into the presence table, and what comes out of it. Plain data: no actor's address, no channel to answer on.

use super::{Asked, Asker, Reason, Row, Seen, ToHub};
use crate::model::{Conn, HubId, Moment, UserName, Wall};

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines.
    pub moment: Moment,
    /// For people.
    pub wall: Wall,
}

impl Now {
    /// The civil time of an earlier moment.
    pub(super) fn wall_at(self, moment: Moment) -> Wall {
        Wall(self.wall.0 - self.moment.since(moment).as_millis() as i64)
    }
}

/// What the table is told; each is described at [`super::RegistryIn`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the members are those of the messages of the same names")]
pub enum Input {
    Hub { hub: HubId },
    Report { hub: HubId, incarnation: u64, sessions: Vec<Seen>, interest: Vec<UserName> },
    Up { hub: HubId, seen: Seen },
    Beat { hub: HubId, seen: Seen },
    Down { user: UserName, conn: Conn, reason: Reason },
    Ask { hub: HubId, asker: Asker, users: Vec<Asked>, watch: bool },
    Forget { hub: HubId, users: Vec<UserName> },
    Shown { user: UserName },
    Sweep,
}

/// What follows from an input, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Say this to that hub.
    Tell(HubId, ToHub),
    /// Tell webhooks that a user came, or went for this reason.
    Public(Row, Option<Reason>),
    /// Note on disk, some time soon, when this user was last heard from.
    Write(UserName, Wall),
}
