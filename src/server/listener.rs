//! Where a server of its own listens.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::cli::ServeError;
use crate::config::Bind;

/// How many connections may wait to be accepted.
pub(super) const BACKLOG: u32 = 4096;

/// A socket that listens.
pub(super) enum Listener {
    /// On a TCP address.
    Tcp(TcpListener),
    /// On a Unix socket, which has a name.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds an address, and listens.
    pub(super) fn bind(bind: &Bind) -> Result<Self, ServeError> {
        let failed = |what: String| move |error: std::io::Error| ServeError::Bind(format!("{what}: {error}"));
        match bind {
            Bind::Tcp(address) => {
                let socket = socket2::Socket::new(socket2::Domain::for_address(*address), socket2::Type::STREAM, None);
                let bound = socket.and_then(|socket| {
                    socket.set_reuse_address(true)?;
                    socket.set_nonblocking(true)?;
                    socket.bind(&(*address).into())?;
                    socket.listen(BACKLOG as i32)?;
                    Ok(TcpListener::from(socket))
                });
                bound.map(Self::Tcp).map_err(failed(address.to_string()))
            }
            Bind::Unix(path) => {
                // A socket that nobody listens on any more is what a kill leaves behind.
                if path.exists() && std::os::unix::net::UnixStream::connect(path).is_err() {
                    drop(std::fs::remove_file(path));
                }
                let bound = UnixListener::bind(path).and_then(|socket| {
                    socket.set_nonblocking(true)?;
                    Ok(socket)
                });
                bound.map(|socket| Self::Unix(socket, path.clone())).map_err(failed(format!("unix:{}", path.display())))
            }
        }
    }

    /// Its TCP address.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    /// Its name, if it has one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(_, path) => Some(path.clone()),
        }
    }
}
