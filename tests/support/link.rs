//! The seam between scenarios and transports: a [`Link`] carries frames to the server and back.
//!
//! A transport is one implementation and one line in [`Dial::connect`]. A link hands every frame on once, in the
//! order in which a client of that transport may rely on: where a reply comes twice (long-poll's `joined`), it hands
//! on the one that stands among the events, with the reply's `id`.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::longpoll::LongPoll;
use super::websocket::WebSocket;

/// The transports that scenarios run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `GET /v1/ws`
    WebSocket,
    /// `POST /v1/sessions` and what follows it.
    LongPoll,
    /// The same, over TLS.
    Secure,
    /// The same as the first, of a server that is mounted in a host application.
    Hosted,
    /// WebSocket and long-poll by turns, and a client that comes back does so over the other one.
    Mixed,
}

/// How a client is to connect.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// Over what.
    pub transport: Transport,
    /// Where to.
    pub to: SocketAddr,
    /// Which of its server's clients it is, from 0.
    pub turn: usize,
    /// How many times it has changed over to the other transport, where they are mixed.
    pub switches: usize,
    /// Whether its receive buffer is to be as small as the system lets it be.
    pub narrow: bool,
}

/// What arrives over a link.
#[derive(Debug)]
pub enum Heard {
    /// A frame's text.
    Frame(String),
    /// The server ended the session with this code; nothing follows.
    Closed(u16),
    /// The connection is gone; nothing follows.
    Gone(String),
}

/// What a client wants done.
#[derive(Debug)]
pub enum Order {
    /// Send this text as one frame.
    Send(String),
    /// Stop reading, and leave the connection open.
    Jam,
    /// Read again.
    Unjam,
    /// Say goodbye as the transport has it, without a logout.
    Close,
}

/// A connection over some transport. Dropping it cuts the connection without a goodbye.
pub trait Link: Send {
    /// Sends one frame.
    fn send(&mut self, frame: String) -> BoxFuture<'_, Result<(), String>>;
    /// The next thing that arrives. May be dropped while it waits, without loss.
    fn receive(&mut self) -> BoxFuture<'_, Heard>;
    /// Whether what arrives is taken from now on; it is not received from meanwhile.
    fn jam(&mut self, _jammed: bool) {}
    /// Closes as the transport has it, without a logout.
    fn close(&mut self) -> BoxFuture<'_, ()>;
}

/// How a client is connected: the two ends of the task that pumps its link.
pub struct Line {
    /// What is to be done.
    pub orders: mpsc::UnboundedSender<Order>,
    /// What came.
    pub heard: mpsc::UnboundedReceiver<Heard>,
}

impl Dial {
    /// The first client of its server, over this transport.
    pub fn over(transport: Transport, to: SocketAddr) -> Self {
        Self { transport, to, turn: 0, switches: 0, narrow: false }
    }

    /// Over which transport this client connects.
    pub fn way(&self) -> Transport {
        match (self.transport, (self.turn + self.switches) % 2) {
            (Transport::Mixed, 0) | (Transport::Hosted, _) => Transport::WebSocket,
            (Transport::Mixed, _) => Transport::LongPoll,
            (same, _) => same,
        }
    }

    /// Opens a connection.
    pub async fn connect(self) -> Result<Line, String> {
        let link: Box<dyn Link> = match self.way() {
            Transport::WebSocket | Transport::Hosted => Box::new(WebSocket::open(self.to, self.narrow, false).await?),
            Transport::Secure => Box::new(WebSocket::open(self.to, self.narrow, true).await?),
            Transport::LongPoll | Transport::Mixed => Box::new(LongPoll::open(self).await?),
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let (outbox, heard) = mpsc::unbounded_channel();
        tokio::spawn(pump(link, inbox, outbox));
        Ok(Line { orders, heard })
    }
}

/// Reads all the time, so that pings are answered while a scenario looks elsewhere.
async fn pump(
    mut link: Box<dyn Link>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    heard: mpsc::UnboundedSender<Heard>,
) {
    let mut reads = true;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                // What cannot be sent shows as the end of what is received.
                Some(Order::Send(text)) => drop(link.send(text).await),
                Some(order @ (Order::Jam | Order::Unjam)) => {
                    reads = matches!(order, Order::Unjam);
                    link.jam(!reads);
                }
                Some(Order::Close) => link.close().await,
                None => return,
            },
            one = link.receive(), if reads => {
                let over = matches!(one, Heard::Gone(_));
                if heard.send(one).is_err() || over {
                    return;
                }
            }
        }
    }
}

/// A socket to the server.
pub(super) async fn tcp(to: SocketAddr, narrow: bool) -> Result<TcpStream, String> {
    let open = async {
        let socket = TcpSocket::new_v4()?;
        if narrow {
            socket.set_recv_buffer_size(4096)?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    open.await.map_err(|why: std::io::Error| format!("cannot connect to {to}: {why}"))
}
