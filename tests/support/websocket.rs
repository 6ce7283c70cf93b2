//! WebSocket as a link.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::link::{Heard, Link, tcp};
use super::tls;

/// What it goes over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One WebSocket.
pub(super) struct WebSocket(WebSocketStream<Box<dyn Stream>>);

impl WebSocket {
    /// Connects and upgrades.
    pub async fn open(to: SocketAddr, narrow: bool, secure: bool) -> Result<Self, String> {
        let (scheme, stream): (_, Box<dyn Stream>) = if secure {
            ("wss", Box::new(tls::connect(to, narrow, &["http/1.1"]).await?))
        } else {
            ("ws", Box::new(tcp(to, narrow).await?))
        };
        let done = client_async(format!("{scheme}://{to}/v1/ws"), stream).await;
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
