//! The slots of a session's requests: each command of a request has one, and the request is answered when all of its
//! slots are. Pure.

use std::collections::VecDeque;

use crate::protocol::{Frame, Problem};
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
    answers: Vec<Option<Settled>>,
    left: usize,
    tell: T,
}

/// A request whose slots are all answered, in order.
pub(super) type Done<T> = (T, Vec<Settled>);

impl<T> Slots<T> {
    /// None yet; the first slot is 0.
    pub fn new() -> Self {
        Self { next: 0, open: VecDeque::new() }
    }

    /// Gives a request of `count` commands its slots, and returns the first. One without commands is done already.
    pub fn open(&mut self, count: usize, tell: T) -> Result<u64, Done<T>> {
        if count == 0 {
            return Err((tell, Vec::new()));
        }
        let first = self.next;
        self.next += count as u64;
        let answers = std::iter::repeat_with(|| None).take(count).collect();
        self.open.push_back(Request { first, answers, left: count, tell });
        Ok(first)
    }

    /// A slot's answer. Returns the request if that was its last.
    pub fn fill(&mut self, settled: Settled) -> Option<Done<T>> {
        let at = self.open.partition_point(|request| request.first <= settled.slot).checked_sub(1)?;
        let request = self.open.get_mut(at)?;
        let place = request.answers.get_mut((settled.slot - request.first) as usize)?;
        if place.is_some() {
            return None;
        }
        *place = Some(settled);
        request.left -= 1;
        if request.left > 0 {
            return None;
        }
        let request = self.open.remove(at)?;
        if self.open.is_empty() {
            // Most sessions only listen most of the time.
            self.open = VecDeque::new();
        }
        Some((request.tell, request.answers.into_iter().flatten().collect()))
    }

    /// Answers every slot that is still open with this.
    pub fn abandon(&mut self, problem: &Problem) -> Vec<Done<T>> {
        let frame: Frame = problem.frame(None);
        let open = std::mem::take(&mut self.open);
        let finish = |request: Request<T>| {
            let answers = request.answers.into_iter().enumerate().map(|(at, answer)| {
                let slot = request.first + at as u64;
                let lost = || Settled { slot, frame: frame.clone(), problem: Some(Box::new(problem.clone())) };
                answer.unwrap_or_else(lost)
            });
            (request.tell, answers.collect())
        };
        open.into_iter().map(finish).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(slot: u64) -> Settled {
        Settled { slot, frame: slot.to_string().into(), problem: None }
    }

    fn frames(done: &Done<char>) -> (char, Vec<&str>) {
        (done.0, done.1.iter().map(|settled| &*settled.frame).collect())
    }

    #[test]
    fn a_request_is_answered_in_order_when_its_last_slot_is() {
        let mut slots = Slots::new();
        assert_eq!((slots.open(2, 'a').unwrap(), slots.open(1, 'b').unwrap()), (0, 2));
        assert!(slots.fill(settled(1)).is_none());
        assert_eq!(frames(&slots.fill(settled(2)).unwrap()), ('b', vec!["2"]));
        assert_eq!(frames(&slots.fill(settled(0)).unwrap()), ('a', vec!["0", "1"]));
        assert_eq!(slots.open(1, 'c').unwrap(), 3);
    }

    #[test]
    fn a_slot_is_answered_once_and_one_that_never_was_is_nobodys() {
        let mut slots = Slots::new();
        slots.open(2, 'a').unwrap();
        assert!(slots.fill(settled(0)).is_none() && slots.fill(settled(0)).is_none());
        assert!(slots.fill(settled(7)).is_none());
        assert!(slots.fill(settled(1)).is_some() && slots.fill(settled(1)).is_none());
        assert_eq!(frames(&slots.open(0, 'b').unwrap_err()), ('b', vec![]));
    }

    #[test]
    fn what_is_left_open_is_answered_by_what_went_wrong() {
        let mut slots = Slots::new();
        slots.open(2, 'a').unwrap();
        slots.fill(settled(1));
        let done = slots.abandon(&Problem::unavailable("gone"));
        assert_eq!((done.len(), done[0].1.len()), (1, 2));
        assert!(done[0].1[0].problem.is_some() && done[0].1[1].problem.is_none());
        assert!(slots.abandon(&Problem::unavailable("gone")).is_empty());
    }
}
