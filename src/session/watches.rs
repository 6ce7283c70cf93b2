//! Which sessions of one worker watch which users. Pure.
//!
//! A session watches a user by name, by a channel that the user is in, or both; it hears of each change once.

use crate::model::maps::{HashMap, HashSet};
use crate::model::{ChannelName, Conn, UserName};

/// Why a user is watched: by name, or by being in a channel.
pub(super) type Source = Option<ChannelName>;

#[derive(Debug, Default)]
pub(super) struct Watches {
    by_conn: HashMap<Conn, HashMap<UserName, HashSet<Source>>>,
    by_user: HashMap<UserName, HashSet<Conn>>,
    by_channel: HashMap<ChannelName, HashSet<Conn>>,
}

impl Watches {
    /// A session watches these users from now on.
    pub fn add(&mut self, conn: Conn, source: &Source, users: impl IntoIterator<Item = UserName>) {
        if let Some(channel) = source {
            self.by_channel.entry(channel.clone()).or_default().insert(conn);
        }
        let theirs = self.by_conn.entry(conn).or_default();
        for user in users {
            self.by_user.entry(user.clone()).or_default().insert(conn);
            theirs.entry(user).or_default().insert(source.clone());
        }
    }

    /// A session watches these users no more by name, or nobody of this channel. Returns those whom nobody watches now.
    pub fn remove(&mut self, conn: Conn, users: Vec<UserName>, channel: Source) -> Vec<UserName> {
        if let Some(channel) = &channel {
            self.leave(conn, channel);
        }
        let Some(theirs) = self.by_conn.get_mut(&conn) else { return Vec::new() };
        let mut ended = Vec::new();
        let by_name = users.into_iter().map(|user| (user, None));
        let by_channel: Vec<_> = match channel {
            Some(_) => theirs.keys().map(|user| (user.clone(), channel.clone())).collect(),
            None => Vec::new(),
        };
        for (user, source) in by_name.chain(by_channel) {
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
        let room = Some(name.clone());
        watches.add(conn(1), &None, [user("ann")]);
        watches.add(conn(1), &room, [user("ann"), user("bob")]);
        assert_eq!(watches.remove(conn(1), vec![], room.clone()), [user("bob")]);
        assert_eq!(watches.watchers(&user("ann")).count(), 1);
        assert_eq!(watches.remove(conn(1), vec![user("ann")], None), [user("ann")]);
        assert!(watches.users().is_empty() && watches.of_channel(&name).next().is_none());
    }

    #[test]
    fn only_those_whom_nobody_watches_any_more_are_named() {
        let mut watches = Watches::default();
        watches.add(conn(1), &None, [user("ann"), user("bob")]);
        watches.add(conn(2), &None, [user("ann")]);
        assert_eq!(watches.gone(conn(1)).0, [user("bob")]);
        assert_eq!(watches.gone(conn(2)).0, [user("ann")]);
    }
}
