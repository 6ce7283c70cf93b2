//! The bytes that come in, let through only while the session keeps up with them.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, Payload};
use futures_util::Stream;

use crate::session::Shared;

/// A connection's incoming bytes. When a session has too much to work off, its socket is not read, and its peer has to
/// wait: no queue grows. A connection that breaks off simply ends.
pub(super) struct Inlet {
    body: Payload,
    cell: Shared,
    most: usize,
}

impl Inlet {
    /// Reads on while at most about `most` commands wait.
    pub fn new(body: Payload, cell: Shared, most: usize) -> Self {
        Self { body, cell, most }
    }
}

impl Stream for Inlet {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        {
            let mut cell = self.cell.borrow_mut();
            if cell.is_busy(self.most) {
                cell.gate = Some(ctx.waker().clone());
                return Poll::Pending;
            }
        }
        match Pin::new(&mut self.body).poll_next(ctx) {
            Poll::Ready(Some(Err(_))) => Poll::Ready(None),
            other => other,
        }
    }
}
