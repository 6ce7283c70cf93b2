//! One channel as one worker's sessions hear it. Pure.
//!
//! The feed knows the `next` message that it will be handed. A jump in what it is handed is filled from the log before
//! anything goes out. A session that is behind is not delivered to, and nothing is buffered for it: it pulls pages until
//! it stands at `next`, and goes live in that same step.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::channel::{Ack, Batch, Closed, Hears, Item, Joined, Origin};
use crate::model::maps::{HashMap, HashSet};
use crate::model::{Conn, Seq, UserName};
use crate::planted::{Bug, planted};
use crate::protocol::Posted;

/// Messages that were read from the log, or why nothing ever will be.
pub(super) type Page = Result<Arc<[Arc<Posted>]>, Closed>;

/// Where a session stands in the channel.
#[derive(Debug)]
struct Sub {
    user: UserName,
    hears: Hears,
    /// Where it has to go on; `None` when it is live, and stands where the feed does.
    behind: Option<Behind>,
    /// Up to where it was told in a pulse.
    pulsed: Seq,
}

#[derive(Debug)]
struct Behind {
    next: Seq,
    /// The read of its next page, if that is under way.
    reading: Option<u64>,
}

/// What carries out at once, and in order, what a feed says.
pub(super) trait Outlet {
    /// Hands messages to a session, in order: new ones if it is `live`, else some of a replay, for which it may take its
    /// time. Returns how many it had room for; if not for all, it will say so when it has.
    fn push(&mut self, conn: Conn, messages: &[Arc<Posted>], live: bool) -> usize;
    /// Answers a join: the session goes on from `next`. Returns whether the session is still there.
    fn joined(&mut self, origin: &Origin, joined: &Joined, next: Seq) -> bool;
    /// Begins to read a page for a session that is behind, and returns the read's number, which no other has. `None` if
    /// it has no room for one; it will say so when it has.
    fn pull(&mut self, conn: Conn, from: Seq, to: Seq) -> Option<u64>;
    /// Begins to read what the feed was not handed, and returns the read's number.
    fn fill(&mut self, from: Seq, to: Seq) -> u64;
    /// Deals with this, for these sessions.
    fn item(&mut self, item: Item, whom: &[Conn]);
    /// A session lost what the log no longer has: its subscription has ended, for this reason.
    fn lost(&mut self, conn: Conn, why: Closed);
    /// Everything up to here is dealt with.
    fn acked(&mut self, ack: &Ack);
}

/// One channel's stream, and who hears it here.
#[derive(Debug)]
pub(super) struct Feed {
    next: Seq,
    subs: HashMap<Conn, Sub>,
    live: HashSet<Conn>,
    queue: VecDeque<Entry>,
    /// The read of what the feed was not handed, if one is under way.
    filling: Option<u64>,
}

#[derive(Debug)]
enum Entry {
    Item(Item),
    /// The end of a batch, at which the feed stands at this head.
    End {
        ack: Ack,
        head: Seq,
    },
}

impl Feed {
    /// A feed of which nothing was heard yet.
    pub fn new() -> Self {
        Self { next: 0, subs: HashMap::default(), live: HashSet::default(), queue: VecDeque::new(), filling: None }
    }

    /// Whether it can be forgotten.
    pub fn is_empty(&self) -> bool {
        self.subs.is_empty() && self.queue.is_empty() && self.filling.is_none()
    }

    /// Whether a session hears the channel here.
    #[cfg(test)]
    pub fn hears(&self, conn: Conn) -> bool {
        self.subs.contains_key(&conn)
    }

    /// Who hears it here, and what.
    pub fn subscribers(&self) -> impl Iterator<Item = (Conn, &Hears)> {
        self.subs.iter().map(|(conn, sub)| (*conn, &sub.hears))
    }

    /// Takes the next part of the channel's stream.
    pub fn batch(&mut self, batch: Batch, out: &mut dyn Outlet) {
        self.queue.extend(batch.items.into_iter().map(Entry::Item));
        self.queue.push_back(Entry::End { ack: batch.ack, head: batch.head });
        self.go_on(out);
    }

    /// The channel began anew: what it said last and was not dealt with is void.
    pub fn begin_again(&mut self) {
        self.queue.clear();
    }

    /// What the feed was not handed has been read, by this read.
    pub fn filled(&mut self, read: u64, messages: Page, out: &mut dyn Outlet) {
        if self.filling != Some(read) {
            return;
        }
        self.filling = None;
        match following(messages, self.next) {
            Ok(messages) => self.deliver(&messages, out),
            // The log no longer has it: nobody here can go on without a gap.
            Err(why) => {
                for conn in std::mem::take(&mut self.live) {
                    self.remove(conn);
                    out.lost(conn, why);
                }
            }
        }
        self.go_on(out);
    }

    /// What the feed was not handed could not be read: it has to be tried again.
    pub fn not_filled(&mut self) {
        self.filling = None;
    }

    /// Goes on where it can.
    pub fn go_on(&mut self, out: &mut dyn Outlet) {
        while self.filling.is_none() {
            let Some(entry) = self.queue.pop_front() else { return };
            if let Some((from, to)) = self.missing_before(&entry) {
                self.queue.push_front(entry);
                self.filling = Some(out.fill(from, to));
                return;
            }
            match entry {
                Entry::Item(item) => self.item(item, out),
                Entry::End { ack, head } => {
                    if self.live.is_empty() && !self.subs.is_empty() {
                        self.next = self.next.max(head + 1);
                        self.pull_idle(out);
                    }
                    out.acked(&ack);
                }
            }
        }
    }

    /// The rule of the jump: what would be skipped if `entry` were dealt with now.
    fn missing_before(&self, entry: &Entry) -> Option<(Seq, Seq)> {
        if self.live.is_empty() || planted(Bug::JumpNotFilled) {
            return None;
        }
        let upto = match entry {
            Entry::Item(Item::Messages(messages)) => messages.first()?.seq - 1,
            Entry::Item(Item::Joined(_, joined)) => joined.head,
            Entry::Item(_) => return None,
            Entry::End { head, .. } => *head,
        };
        (upto >= self.next).then_some((self.next, upto))
    }

    fn item(&mut self, item: Item, out: &mut dyn Outlet) {
        match item {
            Item::Messages(messages) => self.deliver(&messages, out),
            Item::Joined(origin, joined) => self.join(&origin, joined, out),
            Item::Left(ref origin) => {
                let conn = origin.conn;
                self.remove(conn);
                out.item(item, &[conn]);
            }
            Item::Closed(conn, _) => {
                if self.remove(conn) {
                    out.item(item, &[conn]);
                }
            }
            Item::Event { ref not, ref not_user, .. } => {
                let hears = |(conn, sub): &(&Conn, &Sub)| Some(**conn) != *not && Some(&sub.user) != not_user.as_ref();
                let whom: Vec<Conn> = self.subs.iter().filter(hears).map(|(conn, _)| *conn).collect();
                out.item(item, &whom);
            }
            other => out.item(other, &[]),
        }
    }

    /// Hands new messages to everyone who is live.
    fn deliver(&mut self, messages: &Arc<[Arc<Posted>]>, out: &mut dyn Outlet) {
        let Some(last) = messages.last().map(|message| message.seq) else { return };
        let old = messages.iter().take_while(|message| message.seq < self.next && !self.live.is_empty()).count();
        let fresh = if old == 0 { Arc::clone(messages) } else { messages[old..].iter().cloned().collect() };
        let live: Vec<Conn> = self.live.iter().copied().collect();
        for conn in live {
            self.hand(conn, &fresh, true, out);
        }
        self.next = self.next.max(last + 1);
        self.pull_idle(out);
    }

    /// Hands a session what follows for it. What it has no room for it pulls when it has.
    fn hand(&mut self, conn: Conn, messages: &[Arc<Posted>], live: bool, out: &mut dyn Outlet) -> bool {
        let taken = if messages.is_empty() { 0 } else { out.push(conn, messages, live) };
        let Some(left) = messages.get(taken) else { return true };
        if let Some(sub) = self.subs.get_mut(&conn) {
            sub.behind = Some(Behind { next: left.seq, reading: None });
            self.live.remove(&conn);
        }
        false
    }

    /// Sessions that had caught up with all there was, but are behind again.
    fn pull_idle(&mut self, out: &mut dyn Outlet) {
        let to = self.next.saturating_sub(1);
        for (conn, sub) in &mut self.subs {
            if let Some(behind) = sub.behind.as_mut().filter(|behind| behind.reading.is_none() && behind.next <= to) {
                behind.reading = out.pull(*conn, behind.next, to);
            }
        }
    }

    fn join(&mut self, origin: &Origin, mut joined: Joined, out: &mut dyn Outlet) {
        let conn = origin.conn;
        let stands = self.subs.get(&conn).map(|sub| sub.behind.as_ref().map_or(self.next, |behind| behind.next));
        let next = if joined.stood { stands.unwrap_or(joined.next) } else { joined.next };
        if !planted(Bug::OldStreamGoesOn) {
            self.remove(conn);
        }
        if self.live.is_empty() {
            // Nobody here is owed anything: the feed goes on where the channel stands.
            self.next = self.next.max(joined.head + 1);
        }
        let page = std::mem::take(&mut joined.page);
        if !out.joined(origin, &joined, next) {
            return;
        }
        let behind = (next < self.next).then_some(Behind { next, reading: None });
        if behind.is_none() {
            self.live.insert(conn);
        }
        let hears = Hears { epoch: joined.epoch, member: joined.member };
        let (user, pulsed) = (origin.user.clone(), self.next.saturating_sub(1));
        self.subs.insert(conn, Sub { user, hears, behind, pulsed });
        let page: Vec<_> = page.into_iter().filter(|message| message.seq >= next).collect();
        let fits = page.first().is_some_and(|first| first.seq == next);
        if !fits || self.advance(conn, &page, out) {
            self.pull(conn, false, out);
        }
    }

    /// Hands a session that is behind its next page, and has it go live if that was all. Returns whether it had room for
    /// the page; if not, it will say when it has.
    fn advance(&mut self, conn: Conn, page: &[Arc<Posted>], out: &mut dyn Outlet) -> bool {
        let Some(upto) = page.last().map(|last| last.seq + 1) else { return true };
        if !self.hand(conn, page, false, out) {
            return false;
        }
        let Some(sub) = self.subs.get_mut(&conn) else { return true };
        if upto >= self.next || planted(Bug::LiveTooSoon) {
            sub.behind = None;
            self.live.insert(conn);
        } else {
            sub.behind = Some(Behind { next: upto, reading: None });
        }
        true
    }

    /// A page was read for a session that is behind, by this read.
    pub fn page(&mut self, conn: Conn, read: u64, page: Page, out: &mut dyn Outlet) {
        let Some(sub) = self.subs.get_mut(&conn) else { return };
        // A later join may have moved the session, and asked anew: in another log, perhaps.
        let Some(behind) = sub.behind.as_mut().filter(|behind| behind.reading == Some(read)) else { return };
        behind.reading = None;
        let page = match following(page, behind.next) {
            Ok(page) => page,
            Err(why) => {
                self.remove(conn);
                return out.lost(conn, why);
            }
        };
        if self.advance(conn, &page, out) && !planted(Bug::LostWakeUp) {
            // The feed may have gone on meanwhile, and nothing else may ever come to remind it of this session.
            self.pull(conn, false, out);
        }
    }

    /// A session may have room again; or, with `again`, its page could not be read: goes on pulling.
    pub fn pull(&mut self, conn: Conn, again: bool, out: &mut dyn Outlet) {
        let to = self.next.saturating_sub(1);
        let Some(behind) = self.subs.get_mut(&conn).and_then(|sub| sub.behind.as_mut()) else { return };
        if (again || behind.reading.is_none()) && behind.next <= to {
            behind.reading = out.pull(conn, behind.next, to);
        }
    }

    /// A session stops hearing; false if it did not.
    pub fn remove(&mut self, conn: Conn) -> bool {
        self.live.remove(&conn);
        let had = self.subs.remove(&conn).is_some();
        if self.subs.is_empty() {
            // Whoever comes next begins where the channel stands then.
            self.next = 0;
        }
        had
    }

    /// What a pulse says to a session: how far it has heard, if that moved.
    pub fn pulse(&mut self, conn: Conn) -> Option<Seq> {
        let sub = self.subs.get_mut(&conn)?;
        let stands = sub.behind.as_ref().map_or(self.next, |behind| behind.next).saturating_sub(1);
        let moved = stands > sub.pulsed;
        sub.pulsed = sub.pulsed.max(stands);
        moved.then_some(stands)
    }
}

/// The messages, if they go on from `next`; else why whoever is owed them can hear no more.
fn following(page: Page, next: Seq) -> Result<Arc<[Arc<Posted>]>, Closed> {
    page.and_then(
        |page| if page.first().is_some_and(|first| first.seq == next) { Ok(page) } else { Err(Closed::Reset) },
    )
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
