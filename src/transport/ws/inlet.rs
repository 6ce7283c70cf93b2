//! The bytes that come in, let through only while the session keeps up with them, and no frame that is too long.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, Payload};
use futures_util::Stream;

use super::frames::Frames;
use crate::clock;
use crate::presence::Reason;
use crate::protocol::CloseCode;
use crate::session::Shared;

/// A connection's incoming bytes. When a session has too much to work off, its socket is not read, and its peer has to
/// wait: no queue grows. After a frame that says it is too long, everything is thrown away. A connection that breaks off
/// simply ends.
pub(super) struct Inlet {
    body: Payload,
    cell: Shared,
    most: usize,
    frames: Frames,
    deaf: bool,
}

impl Inlet {
    /// Reads on while at most about `most` commands wait, frames of at most `frame_bytes`.
    pub fn new(body: Payload, cell: Shared, most: usize, frame_bytes: usize) -> Self {
        Self { body, cell, most, frames: Frames::new(frame_bytes), deaf: false }
    }
}

impl Stream for Inlet {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            {
                let mut cell = self.cell.borrow_mut();
                if !self.deaf && cell.is_busy(self.most) {
                    cell.gate = Some(ctx.waker().clone());
                    return Poll::Pending;
                }
            }
            let bytes = match Pin::new(&mut self.body).poll_next(ctx) {
                Poll::Ready(Some(Ok(bytes))) => bytes,
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            };
            if !self.deaf && self.frames.follow(&bytes).is_err() {
                self.deaf = true;
                self.cell.borrow_mut().end(CloseCode::TooBig, None, Reason::Disconnected, clock::moment());
            }
            if !self.deaf {
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }
}
