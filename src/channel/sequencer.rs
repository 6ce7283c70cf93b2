//! Peek, append, commit: a number is taken only when the append has succeeded. Pure.
//!
//! While one append is in flight, what arrives waits and becomes the next batch. A failed append leaves no hole, for
//! its numbers were only peeked at. Receipts can be had from [`Sequencer::committed`] alone.

use std::collections::VecDeque;

use super::messages::{Draft, Origin};
use crate::model::maps::HashSet;
use crate::model::{Epoch, Key, MAX_SEQ, Message, Seq, UserName, Wall};
use crate::store::Head;

/// How many messages one append takes: a quarter of what the writer commits at once, so that channels share it.
const BATCH_MAX: usize = 32;
/// How many bytes of bodies one append takes, beyond its first message.
const BATCH_BYTES: usize = 256 * 1024;
/// How many publishes may wait behind the append in flight.
const WAITING_MAX: usize = 4096;

/// A publish without a place yet, and everyone who asked for that same one.
#[derive(Debug)]
pub(super) struct Waiting {
    pub draft: Box<Draft>,
    pub origin: Origin,
    /// The same user's same key again, before the first was stored.
    pub twins: Vec<Origin>,
}

impl Waiting {
    fn is(&self, user: &UserName, key: &Key) -> bool {
        self.origin.user == *user && self.draft.publish.key.as_ref() == Some(key)
    }

    fn into_origins(self) -> impl Iterator<Item = Origin> {
        std::iter::once(self.origin).chain(self.twins)
    }
}

/// A publish that has its place.
#[derive(Debug)]
pub(super) struct Committed {
    pub message: Message,
    pub origin: Origin,
    pub twins: Vec<Origin>,
}

#[derive(Debug)]
pub(super) struct Sequencer {
    head: Head,
    in_flight: Vec<(Message, Waiting)>,
    waiting: VecDeque<Waiting>,
    /// The keys of all that are in flight or wait.
    keys: HashSet<(UserName, Key)>,
}

impl Sequencer {
    pub fn new(head: Head) -> Self {
        Self { head, in_flight: Vec::new(), waiting: VecDeque::new(), keys: HashSet::default() }
    }

    /// Where the log ends, as far as it was acknowledged.
    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.is_empty()
    }

    /// Whether an append is in flight.
    pub fn is_appending(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Whether no more may wait.
    pub fn is_full(&self) -> bool {
        let taken = self.in_flight.len() + self.waiting.len();
        taken >= WAITING_MAX || self.head.seq + taken as Seq >= MAX_SEQ
    }

    /// Lets `origin` share the fate of the same publish, if it waits here.
    pub fn join_twin(&mut self, origin: &Origin, key: &Key) -> bool {
        if !self.keys.contains(&(origin.user.clone(), key.clone())) {
            return false;
        }
        let in_flight = self.in_flight.iter_mut().map(|(_, waiting)| waiting);
        let found = in_flight.chain(&mut self.waiting).find(|waiting| waiting.is(&origin.user, key));
        found.map(|waiting| waiting.twins.push(origin.clone())).is_some()
    }

    /// Takes a publish.
    pub fn offer(&mut self, origin: Origin, draft: Box<Draft>) {
        if let Some(key) = &draft.publish.key {
            self.keys.insert((origin.user.clone(), key.clone()));
        }
        self.waiting.push_back(Waiting { draft, origin, twins: Vec::new() });
    }

    /// Begins the next append, if none is in flight and something waits: what to append, and after what.
    pub fn begin(&mut self, now: Wall) -> Option<(Head, Vec<Message>)> {
        if !self.in_flight.is_empty() || self.waiting.is_empty() {
            return None;
        }
        let at = now.max(self.head.at);
        let mut bytes = 0;
        while self.in_flight.len() < BATCH_MAX && (bytes < BATCH_BYTES) {
            let Some(waiting) = self.waiting.pop_front() else { break };
            let publish = &waiting.draft.publish;
            bytes += publish.body.len();
            let message = Message {
                seq: self.head.seq + 1 + self.in_flight.len() as Seq,
                at,
                from: waiting.origin.user.clone(),
                key: publish.key.clone(),
                kind: publish.kind.clone(),
                reply_to: publish.reply_to,
                body: publish.body.clone(),
            };
            self.in_flight.push((message, waiting));
        }
        Some((self.head.clone(), self.in_flight.iter().map(|(message, _)| message.clone()).collect()))
    }

    /// The append in flight succeeded, and the log ends at `head` now.
    pub fn committed(&mut self, head: Head) -> Vec<Committed> {
        let first = self.head.first;
        self.head = head;
        self.raise_first(first);
        let done = self.land().into_iter();
        done.map(|(message, Waiting { origin, twins, .. })| Committed { message, origin, twins }).collect()
    }

    fn land(&mut self) -> Vec<(Message, Waiting)> {
        let landed = std::mem::take(&mut self.in_flight);
        for (message, waiting) in &landed {
            if let Some(key) = &message.key {
                self.keys.remove(&(waiting.origin.user.clone(), key.clone()));
            }
        }
        landed
    }

    /// A user's publishes that wait will not be taken: whom to tell.
    pub fn withdraw(&mut self, user: &UserName) -> Vec<Origin> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (theirs, others): (VecDeque<_>, _) = waiting.partition(|one| one.origin.user == *user);
        self.waiting = others;
        for waiting in &theirs {
            if let Some(key) = &waiting.draft.publish.key {
                self.keys.remove(&(user.clone(), key.clone()));
            }
        }
        theirs.into_iter().flat_map(Waiting::into_origins).collect()
    }

    /// The append in flight was not taken: whom to tell.
    pub fn refused(&mut self) -> Vec<Origin> {
        self.land().into_iter().flat_map(|(_, waiting)| waiting.into_origins()).collect()
    }

    /// Nothing that waits can be taken: whom to tell.
    pub fn abandon(&mut self) -> Vec<Origin> {
        let mut all = self.refused();
        self.keys.clear();
        all.extend(std::mem::take(&mut self.waiting).into_iter().flat_map(Waiting::into_origins));
        all
    }

    /// What lies below is being forgotten, or is gone.
    pub fn raise_first(&mut self, first: Seq) {
        self.head.first = self.head.first.max(first.min(self.head.seq + 1));
    }

    /// Goes on from where the log turned out to end.
    pub fn reset(&mut self, head: Head) {
        self.head = head;
    }
}

/// Where a log stands of which nothing is known.
pub(super) fn blank() -> Head {
    Head { epoch: Epoch("".into()), seq: 0, first: 1, at: Wall(0), hash: [0; 16], token: 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{ChannelName, Conn, Epoch, HubId, Standing};
    use crate::protocol::Publish;

    fn head(seq: Seq, at: i64) -> Head {
        Head { epoch: Epoch("e".into()), seq, first: 1, at: Wall(at), hash: [0; 16], token: 0 }
    }

    fn origin(ticket: u64) -> Origin {
        let user = UserName::parse("ann").unwrap();
        Origin { hub: HubId(0), conn: Conn { boot: 1, count: 1 }, ticket, user, standing: Standing::Guest }
    }

    fn draft(key: Option<&str>) -> Draft {
        let publish = Publish {
            channel: ChannelName::stored("a").unwrap(),
            body: "{}".into(),
            key: key.and_then(Key::new),
            base: None,
            kind: None,
            reply_to: None,
        };
        Draft { publish, permit: None }
    }

    #[test]
    fn the_same_key_waits_once_and_answers_all() {
        let mut seqs = Sequencer::new(head(0, 0));
        seqs.offer(origin(1), Box::new(draft(Some("k"))));
        let key = Key::new("k").unwrap();
        assert!(seqs.join_twin(&origin(2), &key));
        let (after, batch) = seqs.begin(Wall(5)).unwrap();
        assert!(seqs.join_twin(&origin(3), &key));
        assert_eq!((after.seq, batch.len()), (0, 1));
        let done = seqs.committed(head(1, 5));
        assert_eq!(done[0].twins, [origin(2), origin(3)]);
    }

    #[test]
    fn time_never_goes_back() {
        let mut seqs = Sequencer::new(head(7, 1000));
        seqs.offer(origin(1), Box::new(draft(None)));
        assert_eq!(seqs.begin(Wall(10)).unwrap().1[0].at, Wall(1000));
    }

    proptest! {
        /// Publishes, appends that succeed and appends that fail in any order, against a plain list.
        #[test]
        fn places_are_dense_and_in_order_whatever_fails(steps in proptest::collection::vec(0u8..4, 1..200)) {
            let mut seqs = Sequencer::new(head(0, 0));
            let (mut log, mut told, mut ticket, mut flying) = (Vec::new(), Vec::new(), 0, Vec::new());
            for step in steps {
                match step {
                    0 | 1 => {
                        ticket += 1;
                        seqs.offer(origin(ticket), Box::new(draft(None)));
                    }
                    2 if !flying.is_empty() => {
                        let end = log.len() as Seq + flying.len() as Seq;
                        log.append(&mut flying);
                        told.extend(seqs.committed(head(end, 0)).iter().map(|c| (c.message.seq, c.origin.ticket)));
                    }
                    3 if !flying.is_empty() => {
                        flying.clear();
                        seqs.refused();
                    }
                    _ => {}
                }
                if let Some((after, batch)) = seqs.begin(Wall(0)) {
                    prop_assert_eq!(after.seq, log.len() as Seq);
                    flying = batch.iter().map(|m| m.seq).collect();
                }
            }
            prop_assert_eq!(&log, &(1..=log.len() as Seq).collect::<Vec<_>>());
            prop_assert!(told.is_sorted());
            prop_assert_eq!(told.len(), log.len());
        }
    }
}
