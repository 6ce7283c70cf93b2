//! The network: each client has a gate of its own, through which all its connections go, and which carries, delays,
//! throttles, swallows and cuts.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::plan::Cut;

/// How bytes are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As they come.
    Free,
    /// Each piece so many milliseconds late.
    Late(u64),
    /// So many bytes a second.
    Rate(u64),
}

/// What befalls the connections that there are.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Cut(Cut),
    /// Both ends are kept, and nothing is carried, for so many milliseconds.
    Strand(u64),
}

/// Where the server is; it may move.
pub type Target = Arc<Mutex<SocketAddr>>;

/// One client's way to the server. It ends when it is dropped.
pub struct Gate {
    /// What the client connects to.
    pub address: SocketAddr,
    pace: watch::Sender<Pace>,
    blows: broadcast::Sender<Blow>,
    task: JoinHandle<()>,
}

impl Gate {
    /// Listens. With `narrow` it takes little from the server at a time.
    pub async fn open(target: Target, narrow: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (pace, paces) = watch::channel(Pace::Free);
        let (blows, _) = broadcast::channel(8);
        let struck = blows.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let to = *target.lock();
                tokio::spawn(connect(client, to, narrow, paces.clone(), struck.subscribe()));
            }
        });
        Ok(Self { address, pace, blows, task })
    }

    /// How bytes are carried from now on.
    pub fn pace(&self, pace: Pace) {
        self.pace.send_replace(pace);
    }

    /// Cuts the connections that there are.
    pub fn cut(&self, how: Cut) {
        let _ = self.blows.send(Blow::Cut(how));
    }

    /// Has the connections that there are swallow everything; after that time they are reset.
    pub fn strand(&self, ms: u64) {
        let _ = self.blows.send(Blow::Strand(ms));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is left of the bytes that may pass before the connection breaks.
#[derive(Clone, Default)]
struct Fuse(Arc<AtomicU64>);

async fn connect(
    mut client: TcpStream,
    to: SocketAddr,
    narrow: bool,
    pace: watch::Receiver<Pace>,
    mut blows: broadcast::Receiver<Blow>,
) {
    let Ok(mut server) = dial(to, narrow).await else { return reset(&client) };
    let _ = client.set_nodelay(true);
    let fuse = Fuse(Arc::new(AtomicU64::new(u64::MAX)));
    let blow = {
        let ((client_in, client_out), (server_in, server_out)) = (client.split(), server.split());
        let up = pump(client_in, server_out, pace.clone(), Fuse(Arc::new(AtomicU64::new(u64::MAX))));
        let down = pump(server_in, client_out, pace, fuse.clone());
        let carry = async { tokio::try_join!(up, down).map(drop) };
        tokio::pin!(carry);
        loop {
            tokio::select! {
                // A blow goes before whatever the client does after it.
                biased;
                blow = blows.recv() => match blow {
                    Ok(Blow::Cut(Cut::After(bytes))) => fuse.0.store(bytes, Relaxed),
                    Ok(blow) => break Some(blow),
                    Err(_) => break None,
                },
                carried = &mut carry => break carried.err().map(|_| Blow::Cut(Cut::Reset)),
            }
        }
    };
    match blow {
        Some(Blow::Cut(Cut::Reset)) => {
            reset(&client);
            reset(&server);
        }
        Some(Blow::Strand(ms)) => {
            let _ = timeout(Duration::from_millis(ms), swallow(&mut client, &mut server)).await;
            reset(&client);
            reset(&server);
        }
        _ => {}
    }
}

async fn dial(to: SocketAddr, narrow: bool) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if narrow {
        socket.set_recv_buffer_size(4_096)?;
    }
    let stream =
        timeout(Duration::from_secs(5), socket.connect(to)).await.map_err(|_| Error::from(ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Has the stream end by RST when it is dropped.
fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Takes what comes from both, and gives nothing; forever.
async fn swallow(client: &mut TcpStream, server: &mut TcpStream) {
    async fn sink(from: &mut TcpStream) {
        let mut bytes = vec![0; 16 << 10];
        while from.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    }
    tokio::join!(sink(client), sink(server));
    std::future::pending::<()>().await;
}

/// Carries one direction until its end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    pace: watch::Receiver<Pace>,
    fuse: Fuse,
) -> Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let now = *pace.borrow();
        let most = if let Pace::Rate(rate) = now { (rate as usize / 20).clamp(16, bytes.len()) } else { bytes.len() };
        let read = from.read(&mut bytes[..most]).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        match now {
            Pace::Free => {}
            Pace::Late(ms) => sleep(Duration::from_millis(ms)).await,
            Pace::Rate(_) => sleep(Duration::from_millis(50)).await,
        }
        let left = fuse.0.load(Relaxed);
        if left < read as u64 {
            to.write_all(&bytes[..left as usize]).await?;
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if left != u64::MAX {
            fuse.0.store(left - read as u64, Relaxed);
        }
        to.write_all(&bytes[..read]).await?;
    }
}
