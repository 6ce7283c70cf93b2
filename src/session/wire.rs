//! The seam to a transport: what a session asks of the thing that carries its frames.

use std::rc::Rc;

/// A transport's end of one session. Everything is called on the worker's own thread.
pub trait Wire {
    /// Something waits in the outbox: write it when you can. Called at most once until the outbox was looked into.
    fn wake(self: Rc<Self>);

    /// Ends the connection from outside, whatever its peer does or fails to do.
    fn cut(&self);
}
