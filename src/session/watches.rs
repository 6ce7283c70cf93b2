//! Which sessions of one worker watch which users. Pure.
//!
//! A session watches a user by name, by a channel that the user is in, as a contact, or all of that; it hears of each
//! change once. Of someone who came to a channel it hears nothing before that one is online to others: who hides is not
//! betrayed by being called offline.

use crate::model::maps::{HashMap, HashSet};
use crate::model::{ChannelName, Conn, UserName};

/// Why a user is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// By name.
    Name,
    /// For being in this channel.
    Channel(ChannelName),
    /// For being a contact.
    Contact,
}

/// A user whom a session watches.
#[derive(Debug, Default)]
struct Watched {
    sources: Vec<Source>,
    /// Whether the session was told of the user: each change is news to it from then on.
    told: bool,
}

/// What one session watches.
#[derive(Debug, Default)]
struct Theirs {
    users: HashMap<UserName, Watched>,
    channels: HashSet<ChannelName>,
}

#[derive(Debug, Default)]
pub(super) struct Watches {
    by_conn: HashMap<Conn, Theirs>,
    by_user: HashMap<UserName, HashSet<Conn>>,
    by_channel: HashMap<ChannelName, HashSet<Conn>>,
}

impl Watches {
    /// A session watches this channel, and is told of these users who are in it.
    pub fn enter(&mut self, conn: Conn, channel: &ChannelName, users: impl IntoIterator<Item = UserName>) {
        self.by_channel.entry(channel.clone()).or_default().insert(conn);
        self.by_conn.entry(conn).or_default().channels.insert(channel.clone());
        self.add(conn, &Source::Channel(channel.clone()), users);
    }

    /// A session watches these users from now on, and is told of them.
    pub fn add(&mut self, conn: Conn, source: &Source, users: impl IntoIterator<Item = UserName>) {
        users.into_iter().for_each(|user| self.watch(conn, source, user).told = true);
    }

    /// Someone came to a channel that a session watches. Returns whether it has to be asked how they are, since nobody
    /// knows whether the session may be told.
    pub fn come(&mut self, conn: Conn, channel: &ChannelName, user: UserName) -> bool {
        let known = self.by_conn.get(&conn).is_some_and(|theirs| theirs.users.contains_key(&user));
        self.watch(conn, &Source::Channel(channel.clone()), user);
        !known
    }

    fn watch(&mut self, conn: Conn, source: &Source, user: UserName) -> &mut Watched {
        self.by_user.entry(user.clone()).or_default().insert(conn);
        let watched = self.by_conn.entry(conn).or_default().users.entry(user).or_default();
        if !watched.sources.contains(source) {
            watched.sources.push(source.clone());
        }
        watched
    }

    /// A session is told that a user is online, if it watches them. Returns whether that is the first that it hears of
    /// them.
    pub fn reveal(&mut self, conn: Conn, user: &UserName) -> bool {
        let watched = self.by_conn.get_mut(&conn).and_then(|theirs| theirs.users.get_mut(user));
        watched.is_some_and(|watched| !std::mem::replace(&mut watched.told, true))
    }

    /// Whether a session is to hear how a user is who is `online` now, or is not: it was told of them before, or is now.
    pub fn hears(&mut self, conn: Conn, user: &UserName, online: bool) -> bool {
        let watched = self.by_conn.get_mut(&conn).and_then(|theirs| theirs.users.get_mut(user));
        watched.is_some_and(|watched| {
            watched.told |= online;
            watched.told
        })
    }

    fn watched(&self, conn: Conn, user: &UserName) -> Option<&Watched> {
        self.by_conn.get(&conn)?.users.get(user)
    }

    /// A session watches these users no more by name, or nobody of this channel. Returns those whom nobody watches now.
    pub fn remove(&mut self, conn: Conn, users: Vec<UserName>, channel: Option<ChannelName>) -> Vec<UserName> {
        let mut reasons: Vec<_> = users.into_iter().map(|user| (user, Source::Name)).collect();
        if let Some(channel) = channel {
            self.leave(conn, &channel);
            let source = Source::Channel(channel);
            if let Some(theirs) = self.by_conn.get(&conn) {
                let here = theirs.users.iter().filter(|(_, watched)| watched.sources.contains(&source));
                reasons.extend(here.map(|(user, _)| (user.clone(), source.clone())));
            }
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
            let Some(watched) = theirs.users.get_mut(&user) else { continue };
            watched.sources.retain(|other| *other != source);
            if watched.sources.is_empty() {
                theirs.users.remove(&user);
                ended.push(user);
            }
        }
        if theirs.users.is_empty() && theirs.channels.is_empty() {
            self.by_conn.remove(&conn);
        }
        self.forget(conn, ended)
    }

    /// A session is gone. Returns those whom nobody watches now, and the channels that it watched.
    pub fn gone(&mut self, conn: Conn) -> (Vec<UserName>, Vec<ChannelName>) {
        let channels: Vec<ChannelName> = self.channels(conn).cloned().collect();
        channels.iter().for_each(|channel| self.leave(conn, channel));
        let theirs = self.by_conn.remove(&conn).unwrap_or_default();
        (self.forget(conn, theirs.users.into_keys().collect()), channels)
    }

    fn leave(&mut self, conn: Conn, channel: &ChannelName) {
        if let Some(theirs) = self.by_conn.get_mut(&conn) {
            theirs.channels.remove(channel);
        }
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
        self.watched(conn, user).is_some_and(|watched| watched.sources.contains(&Source::Contact))
    }

    /// How many users a session watches.
    pub fn count(&self, conn: Conn) -> usize {
        self.by_conn.get(&conn).map_or(0, |theirs| theirs.users.len())
    }

    /// Channels whose users a session watches.
    pub fn channels(&self, conn: Conn) -> impl Iterator<Item = &ChannelName> {
        self.by_conn.get(&conn).into_iter().flat_map(|theirs| &theirs.channels)
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
        watches.add(conn(1), &Source::Name, [user("ann")]);
        watches.enter(conn(1), &name, [user("ann"), user("bob")]);
        assert_eq!(watches.remove(conn(1), vec![], Some(name.clone())), [user("bob")]);
        assert_eq!(watches.watchers(&user("ann")).count(), 1);
        assert_eq!(watches.remove(conn(1), vec![user("ann")], None), [user("ann")]);
        assert!(watches.users().is_empty() && watches.of_channel(&name).next().is_none());
        assert!(watches.by_conn.is_empty());
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

    #[test]
    fn of_one_who_came_a_session_hears_nothing_before_they_are_online_and_then_it_hears_it_once() {
        let mut watches = Watches::default();
        let name = ChannelName::stored("a").unwrap();
        watches.enter(conn(1), &name, [user("ann")]);
        assert!(watches.hears(conn(1), &user("ann"), false) && !watches.come(conn(1), &name, user("ann")));
        assert!(watches.come(conn(1), &name, user("bob")) && !watches.come(conn(1), &name, user("bob")));
        assert!(!watches.hears(conn(1), &user("bob"), false));
        assert!(watches.reveal(conn(1), &user("bob")) && !watches.reveal(conn(1), &user("bob")));
        assert!(watches.hears(conn(1), &user("bob"), false));
        watches.come(conn(1), &name, user("dan"));
        assert!(watches.hears(conn(1), &user("dan"), true) && !watches.reveal(conn(1), &user("dan")));
        watches.come(conn(1), &name, user("carol"));
        watches.add(conn(1), &Source::Name, [user("carol")]);
        assert!(watches.hears(conn(1), &user("carol"), false), "asked for by name");
        assert_eq!(watches.gone(conn(1)).1, [name]);
        assert!(!watches.reveal(conn(1), &user("bob")), "nobody watches any more");
    }
}
