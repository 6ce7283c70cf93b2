//! The slots of a session's requests: each command of a request has one, and the request is answered when all of its
//! slots are. Pure.

use std::collections::VecDeque;

use bytestring::ByteString;

use crate::protocol::{Incoming, Problem};
use crate::session::Settled;

/// The requests of one session that have not been answered. `T` is how one is answered.
#[derive(Debug)]
pub(super) struct Slots<T> {
    next: u64,
    open: VecDeque<Request<T>>,
}

#[derive(Debug)]
struct Request<T> {
    first: u64,
    answers: Vec<Slot>,
    left: usize,
    tell: T,
}

#[derive(Debug)]
enum Slot {
    /// Its command has this id. The command itself would keep the whole request's body in memory.
    Open(Option<String>),
    Filled(Settled),
}

/// A request whose slots are all answered, in order.
pub(super) type Done<T> = (T, Vec<Settled>);

impl<T> Slots<T> {
    /// None yet; the first slot is 0.
    pub fn new() -> Self {
        Self { next: 0, open: VecDeque::new() }
    }

    /// Gives a request with these commands its slots, and returns the first. One without commands is done already.
    pub fn open(&mut self, commands: &[ByteString], tell: T) -> Result<u64, Done<T>> {
        if commands.is_empty() {
            return Err((tell, Vec::new()));
        }
        let first = self.next;
        let left = commands.len();
        self.next += left as u64;
        let answers = commands.iter().map(|text| Slot::Open(id(text))).collect();
        self.open.push_back(Request { first, answers, left, tell });
        Ok(first)
    }

    /// A slot's answer. Returns the request if that was its last.
    pub fn fill(&mut self, settled: Settled) -> Option<Done<T>> {
        let at = self.open.partition_point(|request| request.first <= settled.slot).checked_sub(1)?;
        let request = self.open.get_mut(at)?;
        let place = request.answers.get_mut((settled.slot - request.first) as usize)?;
        if matches!(place, Slot::Filled(_)) {
            return None;
        }
        *place = Slot::Filled(settled);
        request.left -= 1;
        if request.left > 0 {
            return None;
        }
        let request = self.open.remove(at)?;
        if self.open.is_empty() {
            // Most sessions only listen most of the time.
            self.open = VecDeque::new();
        }
        let filled = request.answers.into_iter().filter_map(|slot| match slot {
            Slot::Filled(settled) => Some(settled),
            Slot::Open(_) => None,
        });
        Some((request.tell, filled.collect()))
    }

    /// Answers every slot that is still open with this.
    pub fn abandon(&mut self, problem: &Problem) -> Vec<Done<T>> {
        let open = std::mem::take(&mut self.open);
        let finish = |request: Request<T>| {
            let answers = (request.first..).zip(request.answers).map(|(slot, answer)| match answer {
                Slot::Filled(settled) => settled,
                Slot::Open(id) => {
                    let frame = problem.frame(id.as_deref());
                    Settled { slot, frame, problem: Some(Box::new(problem.clone())) }
                }
            });
            (request.tell, answers.collect())
        };
        open.into_iter().map(finish).collect()
    }
}

/// The id of what may be a command, whatever else is wrong with it.
fn id(text: &str) -> Option<String> {
    Incoming::read(text).map_or_else(|(id, _)| id, |command| command.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(slot: u64) -> Settled {
        Settled { slot, frame: slot.to_string().into(), problem: None }
    }

    /// So many commands.
    fn pings(count: usize) -> Vec<ByteString> {
        (0..count).map(|n| format!("{{\"type\":\"ping\",\"id\":\"c{n}\"}}").into()).collect()
    }

    fn frames(done: &Done<char>) -> (char, Vec<&str>) {
        (done.0, done.1.iter().map(|settled| &*settled.frame).collect())
    }

    #[test]
    fn a_request_is_answered_in_order_when_its_last_slot_is() {
        let mut slots = Slots::new();
        assert_eq!((slots.open(&pings(2), 'a').unwrap(), slots.open(&pings(1), 'b').unwrap()), (0, 2));
        assert!(slots.fill(settled(1)).is_none());
        assert_eq!(frames(&slots.fill(settled(2)).unwrap()), ('b', vec!["2"]));
        assert_eq!(frames(&slots.fill(settled(0)).unwrap()), ('a', vec!["0", "1"]));
        assert_eq!(slots.open(&pings(1), 'c').unwrap(), 3);
    }

    #[test]
    fn a_slot_is_answered_once_and_one_that_never_was_is_nobodys() {
        let mut slots = Slots::new();
        slots.open(&pings(2), 'a').unwrap();
        assert!(slots.fill(settled(0)).is_none() && slots.fill(settled(0)).is_none());
        assert!(slots.fill(settled(7)).is_none());
        assert!(slots.fill(settled(1)).is_some() && slots.fill(settled(1)).is_none());
        assert_eq!(frames(&slots.open(&[], 'b').unwrap_err()), ('b', vec![]));
    }

    #[test]
    fn what_is_left_open_is_answered_by_what_went_wrong() {
        let mut slots = Slots::new();
        slots.open(&pings(2), 'a').unwrap();
        slots.fill(settled(1));
        let done = slots.abandon(&Problem::unavailable("gone"));
        assert_eq!((done.len(), done[0].1.len()), (1, 2));
        assert!(done[0].1[0].problem.is_some() && done[0].1[1].problem.is_none());
        assert!(done[0].1[0].frame.contains("\"id\":\"c0\""), "a reply carries its command's id: {:?}", done[0].1[0]);
        assert!(slots.abandon(&Problem::unavailable("gone")).is_empty());
    }
}
