//! A connection's socket, whatever it is: TCP, TLS over it, or a Unix socket.
//!
//! It holds the connection's place among those that there may be, and breaks off where a request that has begun does not
//! come to the end of its head, or comes after the one that was to be the last; over HTTP/2, also where a head is too large
//! or too many were refused.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::Protocol;
use actix_web::rt::net::{TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

use super::multiplex::Multiplex;
use super::watch::Watch;
use crate::session::Admission;

/// What the bytes go through.
pub(super) enum Io {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// The socket.
pub(super) struct Stream {
    io: Io,
    watch: Watch,
    /// How long a head may take from its first byte on; over HTTP/2, whatever comes while no request is under way.
    head_within: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Where HTTP/2 is spoken.
    multiplex: Option<Box<Multiplex>>,
    _place: Admission,
}

impl Stream {
    /// The socket of a connection that was let in.
    pub fn new(io: Io, protocol: Protocol, head_within: Duration, place: Admission) -> Self {
        let multiplex = (protocol == Protocol::Http2).then(Box::default);
        Self { io, watch: Watch::default(), head_within, timer: None, multiplex, _place: place }
    }

    /// What its requests say to it.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// It is no connection of HTTP any more.
    pub fn leave(&mut self) {
        self.watch.leave();
        // With it goes the task that it would wake, and all that was kept for that.
        self.timer = None;
    }

    /// The system's socket.
    pub fn socket(&self) -> &dyn Any {
        match &self.io {
            Io::Tcp(tcp) => tcp,
            Io::Tls(tls) => tls.get_ref().0,
            Io::Unix(unix) => unix,
        }
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut (dyn Both + 'static)> {
        match &mut self.get_mut().io {
            Io::Tcp(tcp) => Pin::new(tcp),
            Io::Tls(tls) => Pin::new(&mut **tls),
            Io::Unix(unix) => Pin::new(unix),
        }
    }

    /// Whether a head takes too long; has the task woken when it would.
    fn is_late(&mut self, ctx: &mut Context<'_>) -> bool {
        let Some(left) = self.watch.left(self.head_within) else {
            return false;
        };
        if left.is_zero() {
            return true;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(left)));
        // One that was set for an earlier head is kept until it goes off: most heads are whole at once.
        if timer.as_mut().poll(ctx).is_ready() {
            timer.as_mut().set(sleep(left));
            return timer.as_mut().poll(ctx).is_ready();
        }
        false
    }

    /// What nothing comes in from, unless that is for too long.
    fn silent(&mut self, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_late(ctx) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }

    /// Takes note of how a write or a flush went.
    fn wrote<T>(&mut self, went: Poll<T>) -> Poll<T> {
        match &mut self.multiplex {
            Some(multiplex) => multiplex.wrote(went),
            None => went,
        }
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.watch.reads();
        if self.watch.is_over() {
            // Over HTTP/1 what was answered is still sent.
            let broken = self.multiplex.as_ref().map(|_| io::ErrorKind::ConnectionAborted.into());
            return Poll::Ready(broken.map_or(Ok(()), Err));
        }
        if self.multiplex.as_mut().is_some_and(|multiplex| !multiplex.may_read(ctx)) {
            return self.silent(ctx);
        }
        let before = into.filled().len();
        let read = self.as_mut().io().poll_read(ctx, into);
        if read.is_pending() {
            return self.silent(ctx);
        }
        let heard = into.filled().get(before..).unwrap_or_default();
        if !heard.is_empty() {
            self.watch.heard();
            if self.multiplex.as_mut().is_some_and(|multiplex| !multiplex.heard(heard)) {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let went = self.as_mut().io().poll_write(ctx, bytes);
        self.wrote(went)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let went = self.as_mut().io().poll_write_vectored(ctx, bytes);
        self.wrote(went)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Tcp(tcp) => tcp.is_write_vectored(),
            Io::Tls(tls) => tls.is_write_vectored(),
            Io::Unix(unix) => unix.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let went = self.as_mut().io().poll_flush(ctx);
        ready!(self.wrote(went))?;
        if !self.watch.is_over() {
            // Behind the last answer nothing may be left to read that would show how late it is.
            let late = self.is_late(ctx).then(|| io::ErrorKind::TimedOut.into());
            return Poll::Ready(late.map_or(Ok(()), Err));
        }
        // What was to be sent was, and nothing may be read from here on, which would show the end.
        ready!(self.io().poll_shutdown(ctx))?;
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(ctx)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}
