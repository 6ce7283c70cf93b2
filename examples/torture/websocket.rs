//! A link over WebSocket.

use std::net::SocketAddr;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use parlor::checker::By;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::link::{Ends, Heard, Job, Link, unjammed};
use crate::support::link::tcp;

type Socket = WebSocketStream<TcpStream>;

/// Connects and upgrades.
pub async fn open(to: SocketAddr, narrow: bool) -> Result<Link, String> {
    let stream = tcp(to, narrow).await?;
    let (socket, _) = client_async(format!("ws://{to}/v1/ws"), stream).await.map_err(|why| why.to_string())?;
    let (sink, stream) = socket.split();
    let (mut link, Ends { jobs, heard, jam }) = Link::pair();
    link.tasks.spawn(write(sink, jobs));
    link.tasks.spawn(read(stream, heard, jam));
    Ok(link)
}

async fn write(mut sink: SplitSink<Socket, Message>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        // What cannot be sent shows as the end of what is received.
        let sent = match job {
            Job::Say(frame) => sink.send(Message::text(frame.to_string())).await,
            Job::Close => {
                let _ = sink.close().await;
                return;
            }
            Job::Race => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn read(mut stream: SplitStream<Socket>, heard: mpsc::Sender<Heard>, mut jam: watch::Receiver<bool>) {
    loop {
        unjammed(&mut jam).await;
        let one = match stream.next().await {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(frame) => Heard::Frame(frame),
                Err(why) => Heard::Wrong(format!("a frame that is no JSON: {why}: {text}")),
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(frame))) => {
                Heard::Over { code: frame.map(|frame| frame.code.into()), by: By::Server }
            }
            Some(Ok(other)) => Heard::Wrong(format!("neither text nor close: {other:?}")),
            Some(Err(_)) | None => Heard::Over { code: None, by: By::Network },
        };
        let over = matches!(one, Heard::Over { .. });
        if heard.send(one).await.is_err() || over {
            return;
        }
    }
}
