//! What is done to a connection's socket: when it comes, and to end it from outside.

use std::any::Any;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::{TcpStream, UnixStream};
use rustix::net::{Shutdown, shutdown};
use socket2::SockRef;

/// A connection's descriptor, known to its requests. It is not ours to close.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor(RawFd);

impl Descriptor {
    /// Ends the connection in both directions, whatever its peer does.
    ///
    /// To be called on the connection's own thread, and only while something that the connection owns is alive (a wire
    /// is dropped with its connection): the descriptor is then still the connection's.
    pub(super) fn cut(self) {
        self.shut_down(Shutdown::Both);
    }

    /// Says that nothing more will be written. The same care applies as to [`cut`](Self::cut).
    pub(super) fn finish(self) {
        self.shut_down(Shutdown::Write);
    }

    #[expect(unsafe_code, reason = "the descriptor is borrowed for one call, while its owner is alive on this thread")]
    fn shut_down(self, how: Shutdown) {
        // SAFETY: see `cut`; a number that is no descriptor gives an error, which is all that could be done about it.
        let connection = unsafe { BorrowedFd::borrow_raw(self.0) };
        if let Err(error) = shutdown(connection, how) {
            log::debug!("a connection that is ended was gone: {error}");
        }
    }
}

/// Prepares a connection: no waiting to fill packets, and an end by the kernel when a peer acknowledges nothing for
/// `timeout` (`TCP_USER_TIMEOUT`, RFC 5482), which is how a peer that vanished is cut without asking its actor.
pub fn on_connect(timeout: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Clone + Send + Sync + 'static {
    move |connection, extensions| {
        if let Some(tcp) = connection.downcast_ref::<TcpStream>() {
            let socket = SockRef::from(tcp);
            let prepared = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_user_timeout(Some(timeout)));
            if let Err(error) = prepared {
                log::warn!("a connection's options cannot be set: {error}");
            }
            extensions.insert(Descriptor(tcp.as_raw_fd()));
        } else if let Some(unix) = connection.downcast_ref::<UnixStream>() {
            extensions.insert(Descriptor(unix.as_raw_fd()));
        }
    }
}
