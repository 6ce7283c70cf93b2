//! The seam between scenarios and transports: a [`Link`] carries frames to the server and back.
//!
//! A transport is one implementation and one line in [`Transport::connect`]. A link hands every frame on once, in the
//! order in which a client of that transport may rely on: where a reply comes twice (long-poll's `joined`), it hands
//! on the one that stands among the events, with the reply's `id`.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

/// The transports that scenarios run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `GET /v1/ws`
    WebSocket,
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

impl Transport {
    /// Opens a connection. With `narrow` its receive buffer is as small as the system lets it be.
    pub async fn connect(self, to: SocketAddr, narrow: bool) -> Result<Line, String> {
        let link: Box<dyn Link> = match self {
            Self::WebSocket => Box::new(WebSocket::open(to, narrow).await?),
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
                Some(Order::Jam) => reads = false,
                Some(Order::Unjam) => reads = true,
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

struct WebSocket(WebSocketStream<TcpStream>);

impl WebSocket {
    async fn open(to: SocketAddr, narrow: bool) -> Result<Self, String> {
        let stream = tcp(to, narrow).await?;
        let done = client_async(format!("ws://{to}/v1/ws"), stream).await;
        done.map(|(socket, _)| Self(socket)).map_err(|why| format!("no upgrade: {why}"))
    }
}

impl Link for WebSocket {
    fn send(&mut self, frame: String) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move { self.0.send(Message::text(frame)).await.map_err(|why| why.to_string()) })
    }

    fn receive(&mut self) -> BoxFuture<'_, Heard> {
        Box::pin(async move {
            loop {
                return match self.0.next().await {
                    Some(Ok(Message::Text(text))) => Heard::Frame(text.to_string()),
                    Some(Ok(Message::Close(frame))) => Heard::Closed(frame.map_or(1005, |frame| frame.code.into())),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(other)) => Heard::Gone(format!("neither text nor close: {other:?}")),
                    Some(Err(why)) => Heard::Gone(why.to_string()),
                    None => Heard::Gone("end of stream".to_owned()),
                };
            }
        })
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.0.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await;
        })
    }
}
