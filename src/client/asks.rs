//! The commands that wait for their answers, and the watches that outlive a connection. Pure.

use std::collections::BTreeSet;

use super::event::Event;
use super::outbox::Ticket;
use crate::model::Moment;
use crate::model::maps::HashMap;

/// Names a connection.
pub(super) type ConnId = u64;

/// The most names that one `watch` may carry (protocol, section 2).
const USERS_MAX: usize = 500;

/// Whom a `watch` or `unwatch` is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Watched {
    pub users: Vec<String>,
    pub channel: Option<String>,
}

/// What a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The application asked.
    App(Ticket),
    /// The application asked, and it is asked again after a new connection.
    Watch(Ticket, Watched),
    /// It is asked again.
    Rewatch(Watched),
    Join(String),
    Page(String),
    /// How far a channel has come.
    Look(String),
    Refresh,
    Ping,
    Logout(Ticket),
}

impl What {
    /// Who waits for it.
    pub fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::App(ticket) | Self::Watch(ticket, _) | Self::Logout(ticket) => Some(*ticket),
            _ => None,
        }
    }
}

/// A command under way.
#[derive(Debug)]
struct Ask {
    what: What,
    conn: ConnId,
    until: Moment,
}

/// All that are under way.
#[derive(Debug, Default)]
pub(super) struct Asks {
    map: HashMap<u64, Ask>,
}

impl Asks {
    /// A command was sent.
    pub fn add(&mut self, id: u64, conn: ConnId, until: Moment, what: What) {
        self.map.insert(id, Ask { what, conn, until });
    }

    /// It was answered, or is of no interest any more.
    pub fn take(&mut self, id: u64) -> Option<What> {
        self.map.remove(&id).map(|ask| ask.what)
    }

    /// Those that were sent over a connection that is gone.
    pub fn lost(&mut self, conn: ConnId) -> Vec<What> {
        self.extract(|ask| ask.conn == conn)
    }

    /// Those that were sent over a connection and that nobody but the client itself waits for.
    pub fn drop_own(&mut self, conn: ConnId) {
        self.map.retain(|_, ask| ask.conn != conn || ask.what.ticket().is_some());
    }

    /// Those that were not answered in time, by id.
    pub fn late(&mut self, now: Moment) -> Vec<(u64, What)> {
        let late = |(id, ask): (&u64, &Ask)| (ask.until <= now).then_some(*id);
        let mut ids: Vec<u64> = self.map.iter().filter_map(late).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| Some((id, self.take(id)?))).collect()
    }

    /// All of them.
    pub fn give_up(&mut self) -> Vec<What> {
        self.extract(|_| true)
    }

    /// Whether someone waits for an answer over this connection.
    pub fn wait_for(&self, conn: ConnId) -> bool {
        self.map.values().any(|ask| ask.conn == conn)
    }

    /// Whether a `watch` has no answer yet.
    pub fn watch(&self) -> bool {
        self.map.values().any(|ask| matches!(ask.what, What::Watch(..) | What::Rewatch(_)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// When the first of them is late.
    pub fn deadline(&self) -> Option<Moment> {
        self.map.values().map(|ask| ask.until).min()
    }

    fn extract(&mut self, which: impl Fn(&Ask) -> bool) -> Vec<What> {
        let mut out: Vec<(u64, Ask)> = self.map.extract_if(|_, ask| which(ask)).collect();
        out.sort_unstable_by_key(|(id, _)| *id);
        out.into_iter().map(|(_, ask)| ask.what).collect()
    }
}

/// Who is watched, whatever the connection.
#[derive(Debug, Default)]
pub(super) struct Watches {
    users: BTreeSet<String>,
    channels: BTreeSet<String>,
    due: Vec<Watched>,
    at: Moment,
    /// How often in a row the server put one off.
    pub fails: u32,
    /// Events that are told behind the answer to a `watch`: over long-poll they may come before it, and it may be older.
    pub held: Vec<Event>,
}

impl Watches {
    /// The server took a watch.
    pub fn add(&mut self, watched: &Watched) {
        self.users.extend(watched.users.iter().cloned());
        self.channels.extend(watched.channel.clone());
    }

    /// These are not watched any more.
    pub fn remove(&mut self, watched: &Watched) {
        for user in &watched.users {
            self.users.remove(user);
        }
        if let Some(channel) = &watched.channel {
            self.channels.remove(channel);
        }
    }

    /// On a new connection all have to be set up again.
    pub fn renew(&mut self) {
        let users: Vec<&String> = self.users.iter().collect();
        let users = users
            .chunks(USERS_MAX)
            .map(|some| Watched { users: some.iter().map(|user| (*user).clone()).collect(), channel: None });
        let channels = self.channels.iter().map(|channel| Watched { users: vec![], channel: Some(channel.clone()) });
        self.due = users.chain(channels).collect();
        self.at = Moment(0);
    }

    /// This one has to be set up again, not before then.
    pub fn again(&mut self, watched: Watched, at: Moment) {
        self.due.push(watched);
        self.at = self.at.max(at);
    }

    /// Those that are to be set up now.
    pub fn needs(&mut self, now: Moment) -> Vec<Watched> {
        if self.at > now { vec![] } else { std::mem::take(&mut self.due) }
    }

    /// When some are to be set up.
    pub fn deadline(&self) -> Option<Moment> {
        (!self.due.is_empty()).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_renewed_in_portions_and_without_what_was_given_up() {
        let mut watches = Watches::default();
        let users: Vec<String> = (0..501).map(|n| format!("u{n}")).collect();
        watches.add(&Watched { users: users.clone(), channel: Some("a".into()) });
        watches.add(&Watched { users: vec![], channel: Some("b".into()) });
        watches.remove(&Watched { users: users[..1].to_vec(), channel: Some("b".into()) });
        watches.renew();
        let sizes: Vec<_> = watches.needs(Moment(0)).iter().map(|w| (w.users.len(), w.channel.clone())).collect();
        assert_eq!(sizes, [(500, None), (0, Some("a".into()))]);
        assert!(watches.needs(Moment(0)).is_empty());
    }

    #[test]
    fn commands_are_late_or_lost_by_themselves() {
        let mut asks = Asks::default();
        asks.add(1, 7, Moment(10), What::App(1));
        asks.add(2, 7, Moment(20), What::Ping);
        asks.add(3, 8, Moment(30), What::App(3));
        assert_eq!((asks.deadline(), asks.late(Moment(10))), (Some(Moment(10)), vec![(1, What::App(1))]));
        asks.drop_own(7);
        assert!(!asks.wait_for(7) && asks.wait_for(8));
        assert_eq!(asks.lost(8), [What::App(3)]);
        assert_eq!(asks.len(), 0);
    }
}
