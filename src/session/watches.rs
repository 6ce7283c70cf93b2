//! Which sessions of one worker watch which users. Pure.
//!
//! A session watches a user by name, by a channel that the user is in, as a contact, or all of that; it hears of each
//! change once.

use crate::model::maps::{HashMap, HashSet};
use crate::model::{ChannelName, Conn, UserName};

/// Why a user is watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// By name.
    Name,
    /// For being in this channel.
    Channel(ChannelName),
    /// For being a contact.
    Contact,
}

#[derive(Debug, Default)]
pub(super) struct Watches {
    by_conn: HashMap<Conn, HashMap<UserName, HashSet<Source>>>,
    by_user: HashMap<UserName, HashSet<Conn>>,
    by_channel: HashMap<ChannelName, HashSet<Conn>>,
}

impl Watches {
    /// A session watches these users from now on.
    pub fn add(&mut self, conn: Conn, source: &Source, users: impl IntoIterator<Item = UserName>) {
        if let Source::Channel(channel) = source {
            self.by_channel.entry(channel.clone()).or_default().insert(conn);
        }
        let theirs = self.by_conn.entry(conn).or_default();
        for user in users {
            self.by_user.entry(user.clone()).or_default().insert(conn);
            theirs.entry(user).or_default().insert(source.clone());
        }
    }

    /// A session watches these users no more by name, or nobody of this channel. Returns those whom nobody watches now.
    pub fn remove(&mut self, conn: Conn, users: Vec<UserName>, channel: Option<ChannelName>) -> Vec<UserName> {
        let mut reasons: Vec<_> = users.into_iter().map(|user| (user, Source::Name)).collect();
        if let Some(channel) = channel {
            self.leave(conn, &channel);
            let source = Source::Channel(channel);
            let theirs = self.by_conn.get(&conn).into_iter().flat_map(HashMap::keys);
            reasons.extend(theirs.map(|user| (user.clone(), source.clone())));
        }
        self.end(conn, reasons)
    }

    /// These are no contacts of a session's user any more. Returns those whom nobody watches now.
    pub fn part(&mut self, conn: Conn, users: Vec<UserName>) -> Vec<UserName> {
        self.end(conn, users.into_iter().map(|user| (user, Source::Contact)).collect())
    }

    fn end(&mut self, conn: Conn, reasons: Vec<(UserName, Source)>) -> Vec<UserName> {
        let Some(theirs) = self.by_conn.get_mut(&conn) else { return Vec::new() };
        let mut ended = Vec::new();
        for (user, source) in reasons {
            let Some(sources) = theirs.get_mut(&user) else { continue };
            sources.remove(&source);
            if sources.is_empty() {
                theirs.remove(&user);
                ended.push(user);
            }
        }
        if theirs.is_empty() {
            self.by_conn.remove(&conn);
        }
        self.forget(conn, ended)
    }

    /// A session is gone. Returns those whom nobody watches now, and the channels that it watched.
    pub fn gone(&mut self, conn: Conn) -> (Vec<UserName>, Vec<ChannelName>) {
        let theirs = self.by_conn.remove(&conn).unwrap_or_default();
        let watched = self.by_channel.iter().filter(|(_, conns)| conns.contains(&conn));
        let channels: Vec<ChannelName> = watched.map(|(channel, _)| channel.clone()).collect();
        channels.iter().for_each(|channel| self.leave(conn, channel));
        (self.forget(conn, theirs.into_keys().collect()), channels)
    }

    fn leave(&mut self, conn: Conn, channel: &ChannelName) {
        if let Some(conns) = self.by_channel.get_mut(channel) {
            conns.remove(&conn);
            if conns.is_empty() {
                self.by_channel.remove(channel);
            }
        }
    }

    fn forget(&mut self, conn: Conn, users: Vec<UserName>) -> Vec<UserName> {
        let mut unwatched = Vec::new();
        for user in users {
            if let Some(conns) = self.by_user.get_mut(&user) {
                conns.remove(&conn);
                if conns.is_empty() {
                    self.by_user.remove(&user);
                    unwatched.push(user);
                }
            }
        }
        unwatched
    }

    /// Who watches this user.
    pub fn watchers(&self, user: &UserName) -> impl Iterator<Item = Conn> {
        self.by_user.get(user).into_iter().flatten().copied()
    }

    /// Whether a session watches this user as a contact.
    pub fn is_contact(&self, conn: Conn, user: &UserName) -> bool {
        let sources = self.by_conn.get(&conn).and_then(|theirs| theirs.get(user));
        sources.is_some_and(|sources| sources.contains(&Source::Contact))
    }

    /// How many users a session watches.
    pub fn count(&self, conn: Conn) -> usize {
        self.by_conn.get(&conn).map_or(0, HashMap::len)
    }

    /// Sessions that watch this channel's users.
    pub fn of_channel(&self, channel: &ChannelName) -> impl Iterator<Item = Conn> {
        self.by_channel.get(channel).into_iter().flatten().copied()
    }

    /// Everyone who is watched.
    pub fn users(&self) -> Vec<UserName> {
        self.by_user.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    const fn conn(count: u64) -> Conn {
        Conn { boot: 1, count }
    }

    #[test]
    fn a_user_watched_by_name_and_by_channel_is_watched_until_both_end() {
        let mut watches = Watches::default();
        let name = ChannelName::stored("a").unwrap();
        let room = Source::Channel(name.clone());
        watches.add(conn(1), &Source::Name, [user("ann")]);
        watches.add(conn(1), &room, [user("ann"), user("bob")]);
        assert_eq!(watches.remove(conn(1), vec![], Some(name.clone())), [user("bob")]);
        assert_eq!(watches.watchers(&user("ann")).count(), 1);
        assert_eq!(watches.remove(conn(1), vec![user("ann")], None), [user("ann")]);
        assert!(watches.users().is_empty() && watches.of_channel(&name).next().is_none());
    }

    #[test]
    fn a_contact_is_watched_until_it_is_none_whatever_else_ends() {
        let mut watches = Watches::default();
        watches.add(conn(1), &Source::Contact, [user("ann"), user("bob")]);
        watches.add(conn(1), &Source::Name, [user("ann")]);
        assert!(watches.remove(conn(1), vec![user("ann"), user("bob")], None).is_empty());
        assert_eq!((watches.watchers(&user("ann")).count(), watches.count(conn(1))), (1, 2));
        watches.add(conn(1), &Source::Name, [user("bob")]);
        assert_eq!(watches.part(conn(1), vec![user("ann"), user("bob")]), [user("ann")]);
        assert!(!watches.is_contact(conn(1), &user("bob")));
        assert_eq!(watches.gone(conn(1)).0, [user("bob")]);
    }

    #[test]
    fn only_those_whom_nobody_watches_any_more_are_named() {
        let mut watches = Watches::default();
        watches.add(conn(1), &Source::Name, [user("ann"), user("bob")]);
        watches.add(conn(2), &Source::Name, [user("ann")]);
        assert_eq!(watches.gone(conn(1)).0, [user("bob")]);
        assert_eq!(watches.gone(conn(2)).0, [user("ann")]);
    }
}
