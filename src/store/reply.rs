//! Answers that cannot be forgotten: one that is dropped uncalled says that the outcome is unknown.

use super::{AppendError, Done, Head, Trimmed, WriteError};
use crate::supervise::caught;

/// An error that has a word for "nobody knows".
pub(super) trait HasUnknown {
    const UNKNOWN: Self;
}

impl HasUnknown for AppendError {
    const UNKNOWN: Self = Self::Unknown;
}

impl HasUnknown for WriteError {
    const UNKNOWN: Self = Self::Unknown;
}

/// A caller's [`Done`], called exactly once.
pub(super) struct Reply<T, E: HasUnknown>(Option<Done<T, E>>);

impl<T, E: HasUnknown> Reply<T, E> {
    pub(super) fn new(done: Done<T, E>) -> Self {
        Self(Some(done))
    }

    /// Tells the outcome.
    pub(super) fn tell(mut self, outcome: Result<T, E>) {
        self.call(outcome);
    }

    fn call(&mut self, outcome: Result<T, E>) {
        if let Some(done) = self.0.take() {
            // A caller's panic is not the writer's; and this may run while the writer's own is unwinding.
            if let Err(panic) = caught(|| done(outcome)) {
                log::error!("a store's caller panicked when it was told an outcome: {panic}");
            }
        }
    }
}

impl<T, E: HasUnknown> Drop for Reply<T, E> {
    fn drop(&mut self) {
        self.call(Err(E::UNKNOWN));
    }
}

/// What one write came to, to be told when it is durable.
pub(super) enum Answer {
    Head(Reply<Head, AppendError>, Result<Head, AppendError>),
    Trimmed(Reply<Trimmed, AppendError>, Result<Trimmed, AppendError>),
    Deleted(Reply<(), AppendError>, Result<(), AppendError>),
    Meta(Reply<(), WriteError>, Result<(), WriteError>),
}

impl Answer {
    /// Tells the outcome.
    pub(super) fn tell(self) {
        match self {
            Self::Head(reply, outcome) => reply.tell(outcome),
            Self::Trimmed(reply, outcome) => reply.tell(outcome),
            Self::Deleted(reply, outcome) => reply.tell(outcome),
            Self::Meta(reply, outcome) => reply.tell(outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn an_answer_that_is_dropped_says_unknown_and_a_told_one_is_told_once() {
        let (tell, told) = mpsc::channel();
        let again = tell.clone();
        drop(Reply::<u8, AppendError>::new(Box::new(move |outcome| tell.send(outcome).unwrap())));
        Reply::<u8, AppendError>::new(Box::new(move |outcome| again.send(outcome).unwrap())).tell(Ok(7));
        assert_eq!(told.iter().collect::<Vec<_>>(), [Err(AppendError::Unknown), Ok(7)]);
    }

    #[test]
    fn a_caller_that_panics_harms_nobody() {
        Reply::<u8, AppendError>::new(Box::new(|_| panic!("on purpose"))).tell(Ok(7));
    }
}
